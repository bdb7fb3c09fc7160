// What the hand-written Node peers share: one pool, statements prepared by name, only the columns that were selected,
// and one statement for a whole batch of parents. Times come as text from PostgreSQL and are made RFC 3339 without a Date.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import pg from "pg";

const TIMESTAMPTZ = 1184;
const INT8 = 20;
pg.types.setTypeParser(TIMESTAMPTZ, (text) => `${text.slice(0, 10)}T${text.slice(11, -3)}Z`);
pg.types.setTypeParser(INT8, Number);

export const pool = new pg.Pool({
  host: process.env.PGHOST,
  port: Number(process.env.PGPORT),
  database: process.env.PGDATABASE,
  user: "postgres",
  max: Number(process.env.POOL),
  // Connections, and what is prepared on them, are kept.
  idleTimeoutMillis: 0,
  application_name: process.env.SERVER_NAME,
  // Batches of any size are served by one plan; planning them again each time costs more than running them.
  options: "-c timezone=UTC -c jit=off -c plan_cache_mode=force_generic_plan",
});

const GIG = {
  id: "g.id", title: "g.title", description: "g.description", status: "g.status", visibility: "g.visibility",
  wanted: "g.wanted", hired: "g.hired", version: "g.version", deadline: "g.deadline",
  applicationCount: "g.application_count", createdAt: "g.created_at", publishedAt: "g.published_at",
  updatedAt: "g.updated_at", client: "g.client_id",
};
const APPLICATION = {
  id: "a.id", status: "a.status", submittedAt: "a.submitted_at", freelancer: "a.freelancer_id",
};
// A relation is selected as the key it is loaded by.
const NAMES = { client: "clientId", freelancer: "freelancerId" };

const names = new Map();

export async function rows(text, values, client = pool) {
  let name = names.get(text);
  if (name === undefined) {
    name = `s${names.size}`;
    names.set(text, name);
  }
  return (await client.query({ name, text, values })).rows;
}

// -- what was selected, worked out once for each field of a cached document -----------------------------------------------

const selections = new WeakMap();

export function selectionOf(info) {
  const key = info.fieldNodes[0];
  let selection = selections.get(key);
  if (selection === undefined) {
    const fields = new Map();
    for (const node of info.fieldNodes) collect(info, node, fields);
    const nodes = fields.get("nodes");
    const inner = new Map();
    if (nodes !== undefined) collect(info, nodes, inner);
    selection = {
      gig: columns(GIG, nodes === undefined ? fields : inner),
      application: columns(APPLICATION, inner),
      hasPageInfo: fields.has("pageInfo"),
    };
    selections.set(key, selection);
  }
  return selection;
}

function collect(info, node, fields) {
  for (const selected of node.selectionSet.selections) {
    if (selected.kind === "Field") fields.set(selected.name.value, selected);
    else collect(info, selected.kind === "InlineFragment" ? selected : info.fragments[selected.name.value], fields);
  }
}

function columns(known, fields) {
  const wanted = new Set(["id", ...fields.keys()].filter((field) => field in known));
  return [...wanted].map((field) => `${known[field]} as "${NAMES[field] ?? field}"`).join(", ");
}

// -- root ----------------------------------------------------------------------------------------------------------------

export async function gigs({ first }, { gig, hasPageInfo }) {
  // The limit is part of the text: a plan for any limit would sort the whole table.
  const text = `select ${gig} from gig g order by g.listed_at desc, g.id desc limit ${first + (hasPageInfo ? 1 : 0)}`;
  return page(await rows(text, []), first);
}

export async function gig({ id }, { gig }) {
  return (await rows(`select ${gig} from gig g where g.id = $1`, [id]))[0] ?? null;
}

export async function client({ id }) {
  return (await clientsOf([id]))[0];
}

// -- batches: the answers stand in the order of the ids ---------------------------------------------------------------------

const CLIENTS = `
  select c.user_id as id, u.name from client_profile c join users u on u.id = c.user_id where c.user_id = any($1::uuid[])`;
const FREELANCERS = `
  select f.user_id as id, u.name from freelancer_profile f join users u on u.id = f.user_id where f.user_id = any($1::uuid[])`;
// Lateral, because for `= any` PostgreSQL reads the whole taxonomy into a hash table.
const SKILLS_OF_GIGS = `
  select p.owner, s.* from unnest($1::uuid[]) as p(owner) cross join lateral (
    select s.id, s.name from gig_skill l join skill s on s.id = l.skill_id where l.gig_id = p.owner order by l.position) s`;
const SKILLS_OF_FREELANCERS = `
  select p.owner, s.* from unnest($1::uuid[]) as p(owner) cross join lateral (
    select s.id, s.name from freelancer_skill l join skill s on s.id = l.skill_id
    where l.freelancer_id = p.owner order by l.position) s`;

export const clientsOf = (ids) => one(CLIENTS, ids);
export const freelancersOf = (ids) => one(FREELANCERS, ids);
export const skillsOfGigs = (ids) => many(SKILLS_OF_GIGS, ids);
export const skillsOfFreelancers = (ids) => many(SKILLS_OF_FREELANCERS, ids);

export function gigsOfClients(ids, first, { gig, hasPageInfo }) {
  const text = `
    select p.id as owner, g.* from unnest($1::uuid[]) as p(id) cross join lateral (
      select ${gig} from gig g where g.client_id = p.id order by g.listed_at desc, g.id desc limit $2) g`;
  return pages(text, ids, first, hasPageInfo);
}

export function applicationsOfGigs(ids, first, { application, hasPageInfo }) {
  const text = `
    select p.id as owner, a.* from unnest($1::uuid[]) as p(id) cross join lateral (
      select ${application} from application a where a.gig_id = p.id
      order by a.submitted_at desc, a.id desc limit $2) a`;
  return pages(text, ids, first, hasPageInfo);
}

async function one(text, ids) {
  const found = new Map();
  for (const row of await rows(text, [distinct(ids)])) found.set(row.id, row);
  return ids.map((id) => found.get(id) ?? null);
}

async function many(text, ids) {
  const found = grouped(await rows(text, [distinct(ids)]));
  return ids.map((id) => found.get(id) ?? []);
}

async function pages(text, ids, first, hasPageInfo) {
  const found = grouped(await rows(text, [distinct(ids), first + (hasPageInfo ? 1 : 0)]));
  return ids.map((id) => page(found.get(id) ?? [], first));
}

function distinct(ids) {
  return ids.length === 1 ? ids : [...new Set(ids)];
}

function grouped(found) {
  const groups = new Map();
  for (const row of found) {
    const group = groups.get(row.owner);
    if (group === undefined) groups.set(row.owner, [row]);
    else group.push(row);
  }
  return groups;
}

function page(nodes, first) {
  const hasNextPage = nodes.length > first;
  if (hasNextPage) nodes.length = first;
  return { nodes, pageInfo: { hasNextPage } };
}

// -- the mutation ----------------------------------------------------------------------------------------------------------

export const SUBMIT = Object.fromEntries(
  readFileSync(process.env.SUBMIT_SQL, "utf8")
    .split(/^-- name: /m)
    .slice(1)
    .map((part) => [part.slice(0, part.indexOf("\n")), part.slice(part.indexOf("\n"))]),
);
const DIGITS = { EUR: 2, USD: 2, GBP: 2, CHF: 2, JPY: 0 };

export class Refused extends Error {}

/** `run(statement, values)` answers rows inside the transaction; whoever calls commits, or rolls back what throws. */
export async function submit(run, actorId, input) {
  const hash = createHash("sha256").update(JSON.stringify(input)).digest();
  const [gig] = await run(SUBMIT.claim, [actorId, input.idempotencyKey, hash, input.gigId]);
  if (gig === undefined) throw new Refused("NOT_FOUND");
  if (gig.claimed === 0) throw new Refused("the repeat of an act is not measured");
  if (gig.client_id === actorId) throw new Refused("OWN_GIG");
  if (gig.live_id !== null) throw new Refused("the second application is not measured");
  if (gig.status !== "OPEN") throw new Refused("GIG_NOT_OPEN");
  const letter = input.coverLetter.trim();
  if (letter.length === 0 || letter.length > 10_000) throw new Refused("INVALID");
  const minor = Math.round(Number(input.price) * 10 ** DIGITS[gig.currency]);
  if (!(minor > 0)) throw new Refused("INVALID");
  const answers = checkedAnswers(gig.questions ?? [], input.answers ?? []);
  const values = [actorId, input.idempotencyKey, input.gigId, gig.client_id, letter, minor, gig.currency, answers];
  const [application] = await run(SUBMIT.apply, values);
  return { outcome: "APPLIED", application };
}

function checkedAnswers(questions, answers) {
  if (questions.length === 0 && answers.length === 0) return "[]";
  const given = new Map(answers.map((answer) => [answer.questionId, answer.body]));
  const missing = questions.some((question) => question.isRequired && !given.has(question.id));
  if (missing || answers.some(({ questionId }) => !questions.some(({ id }) => id === questionId))) {
    throw new Refused("INVALID");
  }
  const answered = questions.filter(({ id }) => given.has(id));
  return JSON.stringify(answered.map(({ id, position }) => ({ question_id: id, body: given.get(id), position })));
}

export async function submitInTransaction(actorId, input) {
  const connection = await pool.connect();
  try {
    await connection.query("begin");
    const payload = await submit((text, values) => rows(text, values, connection), actorId, input);
    await connection.query("commit");
    return payload;
  } catch (error) {
    await connection.query("rollback");
    throw error;
  } finally {
    connection.release();
  }
}

/** One row and nothing else: no key, no lock, no rule, no fact. */
export async function insert(actorId, input) {
  const [application] = await rows(SUBMIT.insert, [actorId, input.gigId, input.coverLetter, Math.round(Number(input.price) * 100)]);
  return { outcome: "APPLIED", application };
}

export const typeDefs = /* GraphQL */ `
  scalar DateTime
  scalar Decimal
  type Query {
    gigs(first: Int!): GigConnection!
    gig(id: ID!): Gig
    client(id: ID!): Client
  }
  type Mutation {
    applicationSubmit(input: ApplicationSubmitInput!): ApplicationSubmitPayload
    applicationInsert(input: ApplicationSubmitInput!): ApplicationSubmitPayload
  }
  input AnswerInput { questionId: ID! body: String! }
  input ApplicationSubmitInput {
    gigId: ID! coverLetter: String! price: Decimal! answers: [AnswerInput!] idempotencyKey: String
  }
  type ApplicationSubmitPayload { outcome: String! application: Application }
  type PageInfo { hasNextPage: Boolean! }
  type GigConnection { nodes: [Gig!]! pageInfo: PageInfo! }
  type ApplicationConnection { nodes: [Application!]! pageInfo: PageInfo! }
  type Gig {
    id: ID! title: String! description: String! status: String! visibility: String! wanted: Int! hired: Int!
    applicationCount: Int! version: Int! deadline: DateTime! createdAt: DateTime! publishedAt: DateTime
    updatedAt: DateTime! client: Client skills: [Skill!]! applications(first: Int!): ApplicationConnection!
  }
  type Client { id: ID! name: String! gigs(first: Int!): GigConnection! }
  type Freelancer { id: ID! name: String! skills: [Skill!]! }
  type Skill { id: ID! name: String! }
  type Application { id: ID! status: String! submittedAt: DateTime! freelancer: Freelancer }
`;
