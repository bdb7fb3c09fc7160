import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { makeExecutableSchema } from "@graphql-tools/schema";
import { graphql } from "graphql";
import { PubSub } from "graphql-subscriptions";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";

// A room of chat with the same fields as ours. Nothing is stored, nobody is checked.
const typeDefs = `
  type Message { id: ID! number: Int! text: String! sentAt: String! authorName: String }
  type MessageSent { message: Message }
  type MessageDeleted { message: Message }
  union StreamEvent = MessageSent | MessageDeleted
  type StreamItem { cursor: String! occurredAt: String! event: StreamEvent! }
  type Query { ready: Boolean! }
  enum Outcome { APPLIED }
  type MessagePayload { outcome: Outcome! }
  type Mutation { messageSend(roomId: ID!, text: String!): MessagePayload! }
  type Subscription { roomEvents(roomId: ID!): StreamItem! }
`;

// Makes cursors as long as ours, which are signed and name both streams of the room.
const CURSOR_DIGITS = 214;

const pubsub = new PubSub();
// One listener for each subscriber is what is wanted here, not a leak.
pubsub.ee.setMaxListeners(0);

let number = 0;

function sent(text) {
  number += 1;
  const now = new Date().toISOString();
  return {
    cursor: `bench_${String(number).padStart(CURSOR_DIGITS, "0")}`,
    occurredAt: now,
    event: {
      __typename: "MessageSent",
      message: { id: `message_${String(number).padStart(26, "0")}`, number, text, sentAt: now, authorName: "Member 0" },
    },
  };
}

const schema = makeExecutableSchema({
  typeDefs,
  resolvers: {
    StreamEvent: { __resolveType: (event) => event.__typename },
    Query: { ready: () => true },
    Mutation: {
      messageSend: async (_, { roomId, text }) => {
        await pubsub.publish(roomId, { roomEvents: sent(text) });
        return { outcome: "APPLIED" };
      },
    },
    Subscription: {
      roomEvents: { subscribe: (_, { roomId }) => pubsub.asyncIterableIterator(roomId) },
    },
  },
});

const server = createServer(async (request, response) => {
  const { query, variables } = await json(request);
  const body = JSON.stringify(await graphql({ schema, source: query, variableValues: variables }));
  response.setHeader("content-type", "application/json");
  response.setHeader("content-length", Buffer.byteLength(body));
  response.end(body);
});
// Writers keep their connections between two messages.
server.keepAliveTimeout = 120_000;
useServer({ schema }, new WebSocketServer({ server, path: "/graphql" }));
server.listen(Number(process.env.PORT), "127.0.0.1");
