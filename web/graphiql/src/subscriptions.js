import { getOperationAST, Kind } from "graphql";
import { createClient } from "graphql-ws";

const FORBIDDEN = 4403;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 4_000;

/** Subscriptions that outlive their sockets: each goes on behind the last item that it has shown. */
export class Subscriptions {
  #url;
  #waiting = new Set(); // what has lost its socket
  #listeners = new Set();

  constructor(url) {
    this.#url = url;
  }

  subscribe = (listener) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Whether something waits for the server to come back. */
  snapshot = () => this.#waiting.size > 0;

  /** What GraphiQL observes; `headers` are asked for at each connection, because tokens run out. */
  follow(operation, definition, headers) {
    return { subscribe: (observer) => ({ unsubscribe: this.#follow(operation, definition, headers, observer) }) };
  }

  #follow(operation, definition, headers, observer) {
    const place = new Place(definition, operation.variables);
    const client = this.#client(place, headers);
    // Read anew whenever it is sent, also by the client's own attempts.
    const payload = { ...operation, get variables() { return place.variables; } };
    let leave;
    const start = () => {
      leave = client.subscribe(payload, {
        next: (result) => place.moves(result) && observer.next(result),
        error: (error) => this.#end(place, () => observer.error(readable(error))),
        complete: () => (place.isInterrupted ? start() : this.#end(place, () => observer.complete())),
      });
    };
    start();
    return () => this.#end(place, () => leave());
  }

  #client(place, headers) {
    let isKnown = false;
    return createClient({
      url: this.#url,
      connectionParams: headers,
      retryAttempts: Infinity,
      retryWait: (attempt) => pause(Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS)),
      // A browser tells a server that is gone as an error before it tells the close. Who was let in once, and is then
      // forbidden, may have a fresh token by now.
      shouldRetry: (ended) => {
        const mayReturn = isKnown;
        isKnown = false;
        return ended instanceof Event && (ended.code !== FORBIDDEN || mayReturn);
      },
      on: {
        connected: () => {
          isKnown = true;
          this.#wait(place, false);
        },
        closed: () => this.#wait(place, !place.isOver),
        error: () => this.#wait(place, !place.isOver),
      },
    });
  }

  #end(place, tell) {
    place.isOver = true;
    this.#wait(place, false);
    tell();
  }

  #wait(place, isWaiting) {
    if (isWaiting) this.#waiting.add(place);
    else this.#waiting.delete(place);
    for (const listener of this.#listeners) listener();
  }
}

/** The subscription among the operations of a document that is to run, or null. */
export function subscriptionIn(document, name) {
  const operation = document && getOperationAST(document, name);
  return operation?.operation === "subscription" ? operation : null;
}

/** Where one subscription has come to. It can go on there if its root field takes `after` from a variable and shows `cursor`. */
class Place {
  isOver = false;
  #given;
  #root;
  #cursor;
  #variable;
  #last = null;
  #isResumed = false;

  constructor(definition, variables) {
    this.#given = variables;
    const [root] = definition.selectionSet.selections;
    const cursor = root.selectionSet?.selections.find(({ name }) => name?.value === "cursor");
    const after = root.arguments?.find(({ name }) => name.value === "after")?.value;
    this.#root = keyOf(root);
    this.#cursor = cursor && keyOf(cursor);
    this.#variable = cursor && after?.kind === Kind.VARIABLE ? after.name.value : null;
  }

  /** As they are to be sent now. */
  get variables() {
    const cursor = this.#variable && this.#last?.[this.#cursor];
    if (!cursor) return this.#given;
    this.#isResumed = true;
    return { ...this.#given, [this.#variable]: cursor };
  }

  /** Take the place behind a result. Whether it says something that was not shown before. */
  moves(result) {
    this.#last = result.data?.[this.#root] ?? this.#last;
    return !(this.#isResumed && this.#last?.event?.__typename === "StreamReady");
  }

  /** Whether the server, which stops, was the one to end it. */
  get isInterrupted() {
    return this.#last?.event?.reason === "SERVER_STOPPING";
  }
}

const keyOf = ({ alias, name }) => (alias ?? name)?.value;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A sentence instead of an event; refusals of the server stay as they are. */
function readable(error) {
  if (error instanceof CloseEvent) return new Error(`The server closed the socket: ${error.code} ${error.reason}`.trim());
  return error instanceof Event ? new Error("The server cannot be reached.") : error;
}
