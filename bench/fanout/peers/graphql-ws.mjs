import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { makeExecutableSchema } from "@graphql-tools/schema";
import { graphql } from "graphql";
import { PubSub } from "graphql-subscriptions";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import { nextEvent, resolveType, topicOf, typeDefs } from "./feed.mjs";

const pubsub = new PubSub();
// One listener for each subscriber is what is wanted here, not a leak.
pubsub.ee.setMaxListeners(0);

const schema = makeExecutableSchema({
  typeDefs,
  resolvers: {
    StreamEvent: { __resolveType: resolveType },
    Query: { ready: () => true },
    Mutation: {
      publish: async (_, { gigId }) => {
        await pubsub.publish(topicOf(gigId), { gigEvents: nextEvent() });
        return true;
      },
    },
    Subscription: {
      gigEvents: { subscribe: (_, { gigId }) => pubsub.asyncIterableIterator(topicOf(gigId)) },
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
useServer({ schema }, new WebSocketServer({ server, path: "/graphql" }));
server.listen(Number(process.env.PORT), "127.0.0.1");
