import { createServer } from "node:http";
import DataLoader from "dataloader";
import { createSchema, createYoga } from "graphql-yoga";
import * as db from "./database.mjs";

/** Loaders of one request, made when first asked for. Lists have one for each `first` and selection. */
class Loaders {
  #loaders = new Map();

  get(load) {
    return this.#loader(load, load);
  }

  page(load, first, selection) {
    return this.#loader(selection, (ids) => load(ids, first, selection), first);
  }

  #loader(key, load, first = 0) {
    let found = this.#loaders.get(key);
    if (found === undefined || found.first !== first) {
      found = { first, loader: new DataLoader(load, { maxBatchSize: Infinity }) };
      this.#loaders.set(key, found);
    }
    return found.loader;
  }
}

const resolvers = {
  Query: {
    gigs: (_, args, __, info) => db.gigs(args, db.selectionOf(info)),
    gig: (_, args, __, info) => db.gig(args, db.selectionOf(info)),
    client: (_, args) => db.client(args),
  },
  Mutation: {
    applicationSubmit: (_, { input }, { actorId }) => db.submitInTransaction(actorId, input),
    applicationInsert: (_, { input }, { actorId }) => db.insert(actorId, input),
  },
  Gig: {
    client: (gig, _, { loaders }) => loaders.get(db.clientsOf).load(gig.clientId),
    skills: (gig, _, { loaders }) => loaders.get(db.skillsOfGigs).load(gig.id),
    applications: (gig, { first }, { loaders }, info) =>
      loaders.page(db.applicationsOfGigs, first, db.selectionOf(info)).load(gig.id),
  },
  Client: {
    gigs: (client, { first }, { loaders }, info) =>
      loaders.page(db.gigsOfClients, first, db.selectionOf(info)).load(client.id),
  },
  Application: {
    freelancer: (application, _, { loaders }) => loaders.get(db.freelancersOf).load(application.freelancerId),
  },
  Freelancer: {
    skills: (freelancer, _, { loaders }) => loaders.get(db.skillsOfFreelancers).load(freelancer.id),
  },
};

const yoga = createYoga({
  schema: createSchema({ typeDefs: db.typeDefs, resolvers }),
  context: ({ request }) => ({ loaders: new Loaders(), actorId: request.headers.get("x-actor") }),
  parserAndValidationCache: true,
  logging: false,
  graphiql: false,
  landingPage: false,
  cors: false,
});

createServer(yoga).listen(Number(process.env.PORT), "127.0.0.1");
