import Fastify from "fastify";
import mercurius from "mercurius";
import * as db from "./database.mjs";

const app = Fastify({ logger: false });
const uncached = { cache: false };

// Without its cache a loader is told what was selected, and keys are not turned into text; batches drop repeats themselves.
const batch = (load) => ({ loader: async (queries) => load(queries), opts: uncached });

await app.register(mercurius, {
  schema: db.typeDefs,
  graphiql: false,
  jit: 1,
  context: (request) => ({ actorId: request.headers["x-actor"] }),
  resolvers: {
    Query: {
      gigs: (_, args, __, info) => db.gigs(args, db.selectionOf(info)),
      gig: (_, args, __, info) => db.gig(args, db.selectionOf(info)),
      client: (_, args) => db.client(args),
    },
    Mutation: {
      applicationSubmit: (_, { input }, { actorId }) => db.submitInTransaction(actorId, input),
      applicationInsert: (_, { input }, { actorId }) => db.insert(actorId, input),
    },
  },
  loaders: {
    Gig: {
      client: batch((queries) => db.clientsOf(queries.map(({ obj }) => obj.clientId))),
      skills: batch((queries) => db.skillsOfGigs(queries.map(({ obj }) => obj.id))),
      applications: batch((queries) =>
        db.applicationsOfGigs(queries.map(({ obj }) => obj.id), queries[0].params.first, db.selectionOf(queries[0].info)),
      ),
    },
    Client: {
      gigs: batch((queries) =>
        db.gigsOfClients(queries.map(({ obj }) => obj.id), queries[0].params.first, db.selectionOf(queries[0].info)),
      ),
    },
    Application: {
      freelancer: batch((queries) => db.freelancersOf(queries.map(({ obj }) => obj.freelancerId))),
    },
    Freelancer: {
      skills: batch((queries) => db.skillsOfFreelancers(queries.map(({ obj }) => obj.id))),
    },
  },
});

await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
