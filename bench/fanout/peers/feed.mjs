/** What all peers written for Node share: the schema, with the same fields as ours, and the events. */
export const typeDefs = `
  enum GigStatus { OPEN PAUSED }
  type GigPaused { gigStatus: GigStatus! isPublic: Boolean! }
  type GigResumed { gigStatus: GigStatus! isPublic: Boolean! }
  union StreamEvent = GigPaused | GigResumed
  type StreamItem { cursor: String! occurredAt: String! event: StreamEvent! }
  type Query { ready: Boolean! }
  type Mutation { publish(gigId: ID!): Boolean! }
  type Subscription { gigEvents(gigId: ID!): StreamItem! }
`;

export const resolveType = (event) => event.__typename;

export const topicOf = (gigId) => `gig:${gigId}`;

// Makes cursors as long as ours, which are signed and name their stream.
const CURSOR_DIGITS = 121;

let number = 0;

/** The next event: the gig is paused and resumed in turn. */
export function nextEvent() {
  number += 1;
  const isPaused = number % 2 === 1;
  return {
    cursor: `bench_${String(number).padStart(CURSOR_DIGITS, "0")}`,
    occurredAt: new Date().toISOString(),
    event: {
      __typename: isPaused ? "GigPaused" : "GigResumed",
      gigStatus: isPaused ? "PAUSED" : "OPEN",
      isPublic: true,
    },
  };
}
