"""Strawberry as its documentation teaches it: types, resolvers, a DataLoader for each relation, asyncpg, uvicorn."""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.types import Info

GIG = (
    "id, title, status, visibility, wanted, hired, application_count, version, deadline, created_at,"
    " published_at, updated_at, client_id"
)
SUBMIT = {
    name: statement
    for name, _, statement in (
        part.partition("\n") for part in Path(os.environ["SUBMIT_SQL"]).read_text().split("-- name: ")[1:]
    )
}
pool: asyncpg.Pool


class Loaders:
    """Of one request."""

    def __init__(self) -> None:
        self.clients = DataLoader(_one(CLIENTS, lambda row: Client(**row)))
        self.freelancers = DataLoader(_one(FREELANCERS, lambda row: Freelancer(**row)))
        self.descriptions = DataLoader(
            _one("select id, description from gig where id = any($1::uuid[])", lambda row: row["description"])
        )
        self.skills_of_gigs = DataLoader(_many(SKILLS_OF_GIGS, _skill))
        self.skills_of_freelancers = DataLoader(_many(SKILLS_OF_FREELANCERS, _skill))
        self._pages: dict[tuple[str, int], DataLoader[UUID, list[Any]]] = {}

    def gigs_of_clients(self, first: int) -> DataLoader[UUID, list[Any]]:
        return self._page(GIGS_OF_CLIENTS, first, lambda row: Gig(**dict(list(row.items())[1:])))

    def applications_of_gigs(self, first: int) -> DataLoader[UUID, list[Any]]:
        return self._page(APPLICATIONS_OF_GIGS, first, lambda row: Application(**dict(list(row.items())[1:])))

    def _page(self, text: str, first: int, make: Callable[[Any], Any]) -> DataLoader[UUID, list[Any]]:
        if (text, first) not in self._pages:
            self._pages[text, first] = DataLoader(_many(text, make, first))
        return self._pages[text, first]


@strawberry.type
class PageInfo:
    has_next_page: bool


@strawberry.type
class Skill:
    id: strawberry.ID
    name: str


@strawberry.type
class Freelancer:
    id: strawberry.ID
    name: str

    @strawberry.field
    async def skills(self, info: Info) -> list[Skill]:
        return await info.context["loaders"].skills_of_freelancers.load(self.id)


@strawberry.type
class Application:
    id: strawberry.ID
    status: str
    submitted_at: datetime
    freelancer_id: strawberry.Private[UUID]

    @strawberry.field
    async def freelancer(self, info: Info) -> Freelancer | None:
        return await info.context["loaders"].freelancers.load(self.freelancer_id)


@strawberry.type
class ApplicationConnection:
    nodes: list[Application]


@strawberry.type
class Client:
    id: strawberry.ID
    name: str

    @strawberry.field
    async def gigs(self, info: Info, first: int) -> "GigConnection":
        found = await info.context["loaders"].gigs_of_clients(first + 1).load(self.id)
        return GigConnection.of(found, first)


@strawberry.type
class Gig:
    id: strawberry.ID
    title: str
    status: str
    visibility: str
    wanted: int
    hired: int
    application_count: int
    version: int
    deadline: datetime
    created_at: datetime
    published_at: datetime | None
    updated_at: datetime
    client_id: strawberry.Private[UUID]

    @strawberry.field
    async def description(self, info: Info) -> str:
        return await info.context["loaders"].descriptions.load(self.id)

    @strawberry.field
    async def client(self, info: Info) -> Client | None:
        return await info.context["loaders"].clients.load(self.client_id)

    @strawberry.field
    async def skills(self, info: Info) -> list[Skill]:
        return await info.context["loaders"].skills_of_gigs.load(self.id)

    @strawberry.field
    async def applications(self, info: Info, first: int) -> ApplicationConnection:
        return ApplicationConnection(
            nodes=await info.context["loaders"].applications_of_gigs(first).load(self.id)
        )


@strawberry.type
class GigConnection:
    nodes: list[Gig]
    page_info: PageInfo

    @classmethod
    def of(cls, found: list[Gig], first: int) -> "GigConnection":
        return cls(nodes=found[:first], page_info=PageInfo(has_next_page=len(found) > first))


@strawberry.input
class ApplicationSubmitInput:
    gig_id: strawberry.ID
    cover_letter: str
    price: Decimal
    idempotency_key: str


@strawberry.type
class SubmittedApplication:
    id: strawberry.ID
    status: str


@strawberry.type
class ApplicationSubmitPayload:
    outcome: str
    application: SubmittedApplication | None


@strawberry.type
class Query:
    @strawberry.field
    async def gigs(self, first: int) -> GigConnection:
        text = f"select {GIG} from gig order by listed_at desc, id desc limit {first + 1}"
        return GigConnection.of([Gig(**row) for row in await pool.fetch(text)], first)

    @strawberry.field
    async def gig(self, id: strawberry.ID) -> Gig | None:
        row = await pool.fetchrow(f"select {GIG} from gig where id = $1", id)
        return None if row is None else Gig(**row)

    @strawberry.field
    async def client(self, info: Info, id: strawberry.ID) -> Client | None:
        return await info.context["loaders"].clients.load(UUID(id))


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def application_submit(self, info: Info, input: ApplicationSubmitInput) -> ApplicationSubmitPayload:
        actor_id = UUID(info.context["request"].headers["x-actor"])
        digest = hashlib.sha256(
            json.dumps([input.gig_id, input.cover_letter, str(input.price)]).encode()
        ).digest()
        letter, minor = input.cover_letter.strip(), int(input.price * 100)
        async with pool.acquire() as connection, connection.transaction():
            gig = await connection.fetchrow(
                SUBMIT["claim"], actor_id, input.idempotency_key, digest, input.gig_id
            )
            if (
                gig is None
                or not gig["claimed"]
                or gig["client_id"] == actor_id
                or gig["live_id"] is not None
            ):
                raise LookupError("only acts that apply are measured")
            if gig["status"] != "OPEN" or gig["questions"] is not None or not letter or minor <= 0:
                raise ValueError("only acts that apply are measured")
            row = await connection.fetchrow(
                SUBMIT["apply"], actor_id, input.idempotency_key, input.gig_id, gig["client_id"], letter, minor,
                gig["currency"], "[]",
            )  # fmt: skip
        return ApplicationSubmitPayload(outcome="APPLIED", application=SubmittedApplication(**row))


CLIENTS = (
    "select c.user_id as id, u.name from client_profile c join users u on u.id = c.user_id"
    " where c.user_id = any($1::uuid[])"
)
FREELANCERS = (
    "select f.user_id as id, u.name from freelancer_profile f join users u on u.id = f.user_id"
    " where f.user_id = any($1::uuid[])"
)
SKILLS_OF_GIGS = (
    "select p.owner, s.* from unnest($1::uuid[]) as p(owner) cross join lateral (select s.id, s.name from gig_skill l"
    " join skill s on s.id = l.skill_id where l.gig_id = p.owner order by l.position) s"
)
SKILLS_OF_FREELANCERS = (
    "select p.owner, s.* from unnest($1::uuid[]) as p(owner) cross join lateral (select s.id, s.name"
    " from freelancer_skill l join skill s on s.id = l.skill_id where l.freelancer_id = p.owner order by l.position) s"
)
GIGS_OF_CLIENTS = (
    f"select p.owner, g.* from unnest($1::uuid[]) as p(owner) cross join lateral (select {GIG} from gig"
    " where client_id = p.owner order by listed_at desc, id desc limit $2) g"
)
APPLICATIONS_OF_GIGS = (
    "select p.owner, a.* from unnest($1::uuid[]) as p(owner) cross join lateral ("
    "select id, status, submitted_at, freelancer_id from application where gig_id = p.owner"
    " order by submitted_at desc, id desc limit $2) a"
)


def _skill(row: Any) -> Skill:
    return Skill(id=row["id"], name=row["name"])


def _one(text: str, make: Callable[[Any], Any]) -> Callable[[list[UUID]], Awaitable[Sequence[Any]]]:
    async def load(ids: list[UUID]) -> Sequence[Any]:
        found = {row["id"]: make(row) for row in await pool.fetch(text, ids)}
        return [found.get(id) for id in ids]

    return load


def _many(
    text: str, make: Callable[[Any], Any], *more: int
) -> Callable[[list[UUID]], Awaitable[Sequence[Any]]]:
    async def load(ids: list[UUID]) -> Sequence[Any]:
        found: dict[UUID, list[Any]] = defaultdict(list)
        for row in await pool.fetch(text, ids, *more):
            found[row["owner"]].append(make(row))
        return [found[id] for id in ids]

    return load


class Endpoint(GraphQL):
    async def get_context(self, request: Any, response: Any) -> dict[str, Any]:
        return {"request": request, "loaders": Loaders()}


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    global pool  # noqa: PLW0603
    size = int(os.environ["POOL"])
    pool = await asyncpg.create_pool(
        host=os.environ["PGHOST"],
        port=int(os.environ["PGPORT"]),
        database=os.environ["PGDATABASE"],
        user="postgres",
        min_size=size,
        max_size=size,
        max_inactive_connection_lifetime=0,
        server_settings={
            "application_name": os.environ["SERVER_NAME"],
            "timezone": "UTC",
            "jit": "off",
            "plan_cache_mode": "force_generic_plan",
        },
    )
    yield
    await pool.close()


endpoint = Endpoint(strawberry.Schema(query=Query, mutation=Mutation), graphql_ide=None)
app = Starlette(routes=[Route("/graphql", endpoint)], lifespan=lifespan)

if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
