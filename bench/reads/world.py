"""The database that is measured, and who asks about what."""

import asyncio
import contextlib
import json
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from auth.tokens import Tokens
from bench.reads.driver import request_bytes
from bench.reads.operations import M1, Operation, Variables
from bench.reads.servers import ISSUER, NODE, PEERS, SECRET, Server
from bench.search_world import WorldSize
from models.ids import new_id
from models.store.embedded import EmbeddedCluster

DATABASE = "bench_reads"
# Everything can be seen by everybody, so that peers without scopes answer the same; ours checks all the same.
SIZE = WorldSize(
    applications=400_000,
    invitations=0,
    skills=500,
    skills_per_freelancer=4,
    description_words=80,
    is_all_visible=True,
)
PEOPLE = 200
READS_PREPARED = 2_000


@dataclass
class Asking:
    """Whose requests about what, in an order that every server gets alike."""

    freelancers: list[UUID]
    clients: list[UUID]
    gigs: list[UUID]
    open_gigs: list[UUID]
    applied: set[tuple[UUID, UUID]]
    tokens: Tokens | None = None
    _signed: dict[UUID, str] = field(default_factory=dict)
    _signed_until: float = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(2026))
    _pairs: list[tuple[UUID, UUID]] = field(default_factory=list)
    _reads: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    _places: dict[tuple[str, str], int] = field(default_factory=dict)

    def sign_with(self, pem: str) -> None:
        self.tokens = Tokens([pem], issuer=ISSUER, refresh_key=SECRET.encode())
        self._sign_again()

    def renew(self) -> None:
        """Tokens live for a quarter of an hour, and are used for ten minutes of it, as clients do."""
        if time.monotonic() > self._signed_until:
            self._sign_again()

    def _sign_again(self) -> None:
        self._signed.clear()
        self._reads.clear()
        self._signed_until = time.monotonic() + 600

    def requests(self, server: Server, operation: Operation) -> Iterator[bytes]:
        """Without end; goes on where the last one stopped."""
        place = (server.name, operation.name)
        if operation.asker == "applicant":
            place = (server.name, M1.name)  # nobody applies twice, whatever for
            while True:
                number = self._places.get(place, 0)
                self._places[place] = number + 1
                yield self.request(server, operation, self.application(number))
        if place not in self._reads:
            chance = random.Random(operation.name)
            drawn = [self.variables(operation, chance) for _ in range(READS_PREPARED)]
            self._reads[place] = [self.request(server, operation, variables) for variables in drawn]
        prepared = self._reads[place]
        while True:
            number = self._places.get(place, 0)
            self._places[place] = number + 1
            yield prepared[number % len(prepared)]

    def variables(self, operation: Operation, chance: random.Random) -> Variables:
        people = self.clients if operation.asker == "owner" else self.freelancers
        return Variables(chance.choice(people), chance.choice(self.gigs))

    def application(self, number: int) -> Variables:
        """The same for every server: a freelancer and an open gig that have not met."""
        while len(self._pairs) <= number:
            pair = (self._chance.choice(self.open_gigs), self._chance.choice(self.freelancers))
            if pair not in self.applied:
                self.applied.add(pair)
                self._pairs.append(pair)
        gig, freelancer = self._pairs[number]
        return Variables(freelancer, gig, f"bench {number}")

    def request(
        self, server: Server, operation: Operation, variables: Variables, document: str | None = None
    ) -> bytes:
        written = operation.postgraphile if server.name == "postgraphile" else operation.document
        values = variables.of(operation, typed=server.speaks_typed_ids)
        body = {"query": document or written, "variables": values}
        return request_bytes(json.dumps(body).encode(), self.headers(server, operation, variables))

    def headers(self, server: Server, operation: Operation, variables: Variables) -> dict[str, str]:
        if server.speaks_typed_ids:
            return {"authorization": f"Bearer {self._token(operation, variables.user_id)}"}
        # Who applies must be known; the peers take anybody's word for it.
        return {"x-actor": str(variables.user_id)} if operation.asker == "applicant" else {}

    def _token(self, operation: Operation, user_id: UUID) -> str:
        if user_id not in self._signed:
            assert self.tokens is not None
            role = "CLIENT" if operation.asker == "owner" else "FREELANCER"
            self._signed[user_id] = self.tokens.access_token(
                user_id=user_id, session_id=new_id(), roles=[role], now=datetime.now(UTC)
            )
        return self._signed[user_id]


def postmaster_of(cluster: EmbeddedCluster) -> int:
    return int((cluster.directory / "postmaster.pid").read_text().splitlines()[0])


async def connect(cluster: EmbeddedCluster, database: str) -> Any:
    dsn = f"postgresql://postgres@/{database}?host={cluster.socket_directory}&port={cluster.port}"
    return await asyncpg.connect(dsn, server_settings={"application_name": "bench"})


async def fetch(cluster: EmbeddedCluster, database: str, statement: str, *values: Any) -> Sequence[Any]:
    connection = await connect(cluster, database)
    try:
        return await connection.fetch(statement, *values)
    finally:
        await connection.close()


async def gather(cluster: EmbeddedCluster) -> Asking:
    async def ids(statement: str) -> list[UUID]:
        return [UUID(int=row[0].int) for row in await fetch(cluster, DATABASE, statement)]

    freelancers = await ids(
        f"select user_id from freelancer_profile order by md5(user_id::text) limit {PEOPLE}"
    )
    met = await fetch(
        cluster,
        DATABASE,
        "select gig_id, freelancer_id from application where freelancer_id = any($1)",
        freelancers,
    )
    return Asking(
        freelancers=freelancers,
        # Clients with at least 20 gigs, so that every page is full.
        clients=await ids(
            "select client_id from gig group by 1 having count(*) >= 20"
            f" order by md5(client_id::text) limit {PEOPLE}"
        ),
        gigs=await ids("select id from gig order by md5(id::text) limit 5000"),
        open_gigs=await ids("select id from gig where status = 'OPEN' order by id"),
        applied={(UUID(int=row[0].int), UUID(int=row[1].int)) for row in met},
    )


async def backends(cluster: EmbeddedCluster, database: str, application: str) -> list[int]:
    """Process ids of the server's connections."""
    rows = await fetch(
        cluster,
        "postgres",
        "select pid from pg_stat_activity where datname = $1 and application_name = $2",
        database,
        application,
    )
    return [row["pid"] for row in rows]


def versions(cluster: EmbeddedCluster) -> str:
    postgres = asyncio.run(fetch(cluster, "postgres", "show server_version"))[0][0]
    node = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    pinned = json.loads((PEERS / "package.json").read_text())["dependencies"]
    packages = ", ".join(f"{name} {version}" for name, version in pinned.items() if "/" not in name)
    return f"PostgreSQL {postgres}, Node {node}, {packages}"


@contextlib.contextmanager
def cloned(cluster: EmbeddedCluster, name: str) -> Iterator[str]:
    """A copy of the database for one server, dropped in the end. Nobody may be connected to the original."""
    database = f"{DATABASE}_{name}"
    drop = f"drop database if exists {database} with (force)"

    async def execute(*statements: str) -> None:
        connection = await connect(cluster, "postgres")
        try:
            for statement in statements:
                await connection.execute(statement, timeout=300)
        finally:
            await connection.close()

    asyncio.run(
        execute(drop, f"create database {database} template {DATABASE} strategy file_copy", "checkpoint")
    )
    try:
        yield database
    finally:
        asyncio.run(execute(drop))
