import { createServer } from "node:http";
import { PgSimplifyInflectionPreset } from "@graphile/simplify-inflection";
import { postgraphile } from "postgraphile";
import { withPgClientTransaction } from "postgraphile/@dataplan/pg";
import { makePgService } from "postgraphile/adaptors/pg";
import { context, object } from "postgraphile/grafast";
import { grafserv } from "postgraphile/grafserv/node";
import { extendSchema, gql } from "postgraphile/utils";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { pool, submit } from "./database.mjs";

const ApplicationSubmit = extendSchema((build) => {
  const executor = build.input.pgRegistry.pgExecutors.main;
  return {
    typeDefs: gql`
      input ApplicationSubmitInput { gigId: UUID! coverLetter: String! price: BigFloat! idempotencyKey: String }
      type SubmittedApplication { id: UUID! status: String! }
      type ApplicationSubmitPayload { outcome: String! application: SubmittedApplication }
      extend type Mutation { applicationSubmit(input: ApplicationSubmitInput!): ApplicationSubmitPayload }
    `,
    objects: {
      Mutation: {
        plans: {
          applicationSubmit(_, fieldArgs) {
            const given = object({ input: fieldArgs.getRaw("input"), actorId: context().get("actorId") });
            return withPgClientTransaction(executor, given, (client, { input, actorId }) =>
              submit(async (text, values) => (await client.query({ name: nameOf(text), text, values })).rows, actorId, input),
            );
          },
        },
      },
    },
  };
});

const names = new Map();

function nameOf(text) {
  if (!names.has(text)) names.set(text, `submit${names.size}`);
  return names.get(text);
}

const preset = {
  extends: [PostGraphileAmberPreset, PgSimplifyInflectionPreset],
  // Lists are ordered by `position`, which has no index of its own: it orders the few rows that an index has found.
  disablePlugins: ["PgIndexBehaviorsPlugin"],
  plugins: [ApplicationSubmit],
  pgServices: [makePgService({ pool, schemas: ["public"] })],
  schema: { defaultBehavior: "connection list", pgJwtSecret: undefined },
  grafserv: { graphqlPath: "/graphql", graphiql: false, watch: false },
  grafast: {
    explain: false,
    context: (request) => ({ actorId: request.node?.req.headers["x-actor"] }),
  },
};

const server = createServer();
server.on("error", (error) => {
  throw error;
});
const serving = postgraphile(preset).createServ(grafserv);
await serving.addTo(server);
server.listen(Number(process.env.PORT), "127.0.0.1");
if (process.env.PRINT_SCHEMA) {
  const { printSchema } = await import("postgraphile/graphql");
  const { schema } = await postgraphile(preset).getSchemaResult();
  console.log(printSchema(schema));
}
