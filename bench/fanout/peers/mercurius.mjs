import Fastify from "fastify";
import mercurius from "mercurius";
import { nextEvent, resolveType, topicOf, typeDefs } from "./feed.mjs";

const app = Fastify({ logger: false });

await app.register(mercurius, {
  schema: typeDefs,
  graphiql: false,
  jit: 1,
  subscription: true,
  resolvers: {
    StreamEvent: { resolveType },
    Query: { ready: () => true },
    Mutation: {
      publish: async (_, { gigId }, { pubsub }) => {
        await pubsub.publish({ topic: topicOf(gigId), payload: { gigEvents: nextEvent() } });
        return true;
      },
    },
    Subscription: {
      gigEvents: { subscribe: (_, { gigId }, { pubsub }) => pubsub.subscribe(topicOf(gigId)) },
    },
  },
});

await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
