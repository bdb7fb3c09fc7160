"""The world of the tests: people, gigs and contracts, made only through use cases."""

import asyncio
import atexit
import itertools
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel, col

from auth.passwords import Passwords
from auth.revocation import RevokedSessions
from auth.signing import Signer
from auth.tokens import Tokens, new_private_key
from auth.viewer import ANONYMOUS, Viewer
from models.gig import BudgetKind, Gig
from models.gig_content import GigContent
from models.ids import new_id
from models.store.chat_keys import ChatKeys
from models.store.chat_sql import Statements
from models.store.chat_words import ChatWords
from models.store.chats import chat_store_from
from models.store.files import DirectoryFiles
from models.store.sql import Act, Database
from models.stream import Fact, StreamEpoch
from models.user import Role
from resolvers import accounts, applications, contracts, files, gigs
from resolvers.applications import Bid
from resolvers.operation import Chat, Operation, Rules, Services
from resolvers.recommender import Recommender
from resolvers.views import ViewCounter
from schema.execution import Executable, Request, execute
from tests.chat_keys import ring_of

M = TypeVar("M", bound=SQLModel)
T = TypeVar("T")
PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


class Clock:
    """Time stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def move(self, by: timedelta) -> None:
        self.time += by


@cache
def _tokens() -> Tokens:
    """Made once: reading an RSA key takes a tenth of a second of CPU, and every test has services of its own."""
    return Tokens([new_private_key()], issuer="https://test.invalid", refresh_key=b"r" * 32)


@cache
def _files() -> DirectoryFiles:
    """One directory for all tests of a process: contents of the same name are the same."""
    directory = Path(tempfile.mkdtemp(prefix="files"))
    atexit.register(shutil.rmtree, directory)
    return DirectoryFiles(directory)


async def make_test_services(database_url: str, clock: Clock, *, rules: Rules | None = None) -> Services:
    """Like the product's services, with a clock that a test moves and passwords that hash in a blink."""
    db = Database(database_url, pool_size=20)
    epoch = (await db.fetch(sa.select(col(StreamEpoch.id))))[0][0]
    return Services(
        db=db,
        rules=rules or Rules(),
        epoch=epoch.hex,
        passwords=Passwords(memory_kib=8, iterations=1),
        tokens=_tokens(),
        signer=Signer([b"s" * 32]),
        clock=clock,
        revoked=RevokedSessions(),
        views=ViewCounter(),
        files=_files(),
        chat=make_test_chat(database_url),
    )


def make_test_chat(database_url: str, *, chat_url: str = "sql:") -> Chat:
    """Like the product's; connections are opened when they are needed."""
    statements = Statements(database_url, size=4)
    searches = Statements(database_url, size=2, is_generic=False)
    store = chat_store_from(chat_url, database_url=database_url, pool_size=8)
    words = ChatWords(statements, searches)
    return Chat(store, ChatKeys(statements, ring_of(1)), words, (statements, searches))


def services_of(shared: Services, clock: Clock) -> Services:
    """Services of one's own, but for the pools and the statements that SQLAlchemy has compiled for them."""
    return replace(
        shared, clock=clock, revoked=RevokedSessions(), views=ViewCounter(), recommender=Recommender()
    )


@dataclass(frozen=True, slots=True)
class Hired:
    """A gig with one contract on it."""

    client: Viewer
    freelancer: Viewer
    gig_id: UUID
    application_id: UUID
    contract_id: UUID


class World:
    planned = True
    """Whether documents go through the planner, as they do in the product, or through batches."""

    def __init__(self, services: Services, clock: Clock, schema: Executable) -> None:
        self.services = services
        self.clock = clock
        self.schema = schema

    def as_(
        self, viewer: Viewer, *, key: str | None = None, mutation: str = "test", input: bytes = b""
    ) -> Operation:
        """An operation of `viewer`; with `key`, under that idempotency key."""
        act = None
        if key is not None:
            assert viewer.user_id is not None
            act = Act(mutation, viewer.user_id, key, input)
        return Operation(self.services, viewer, request_id="test", act=act)

    def with_rules(self, rules: Rules) -> "World":
        """The same world under other rules."""
        return World(replace(self.services, rules=rules), self.clock, self.schema)

    # -- people ------------------------------------------------------------------------------------------------------

    async def person(self, *roles: Role, name: str = "Somebody") -> Viewer:
        receipt, credentials = await accounts.register_account(
            self.as_(ANONYMOUS),
            email=f"person{next(_numbers)}.{new_id().hex[-8:]}@example.com",
            password=PASSWORD,
            name=name,
            roles=[role for role in roles if role in {Role.CLIENT, Role.FREELANCER}],
        )
        viewer = self.services.tokens.viewer_of(credentials.access_token, now=self.clock())
        return replace(viewer, user_id=receipt.entity_id)

    async def client(self, name: str = "Carla") -> Viewer:
        return await self.person(Role.CLIENT, name=name)

    async def freelancer(self, name: str = "Farid") -> Viewer:
        return await self.person(Role.FREELANCER, name=name)

    async def admin(self, role: Role = Role.ADMIN) -> Viewer:
        viewer = await self.client("Ada")
        email = (await self.rows("select email from users where id = :id", id=viewer.user_id))[0][0]
        await accounts.appoint(self.as_(ANONYMOUS), email=email, role=role)
        return replace(viewer, roles=viewer.roles | {role}, access_version=1)

    # -- gigs and what follows ---------------------------------------------------------------------------------------

    def content(self, **changes: Any) -> GigContent:
        content = GigContent(
            title="Build a booking page",
            description="Visitors pick a slot and pay for it.",
            budget_kind=BudgetKind.FIXED,
            budget_min=Decimal(500),
            budget_max=Decimal(900),
            currency="EUR",
            deadline=self.clock() + timedelta(days=30),
            expected_days=20,
        )
        return replace(content, **changes)

    async def skill(self, name: str = "python") -> UUID:
        return UUID(
            bytes=(await self.rows("select skill_id from skill_name where name = :name", name=name))[0][
                0
            ].bytes
        )

    async def draft(self, client: Viewer, **content: Any) -> UUID:
        return (await gigs.create_gig(self.as_(client), self.content(**content))).entity_id

    async def open_gig(self, client: Viewer, **content: Any) -> UUID:
        gig_id = await self.draft(client, **content)
        await gigs.publish_gig(self.as_(client), gig_id)
        return gig_id

    def bid(self, **changes: Any) -> Bid:
        return replace(Bid("I have built three of these.", Decimal(750), duration_days=14), **changes)

    async def application(self, freelancer: Viewer, gig_id: UUID, **bid: Any) -> UUID:
        receipt = await applications.submit_application(self.as_(freelancer), gig_id, self.bid(**bid))
        return receipt.entity_id

    async def hired(
        self,
        *,
        client: Viewer | None = None,
        freelancer: Viewer | None = None,
        gig_id: UUID | None = None,
        **content: Any,
    ) -> Hired:
        client = client or await self.client()
        freelancer = freelancer or await self.freelancer()
        gig_id = gig_id or await self.open_gig(client, **content)
        application_id = await self.application(freelancer, gig_id)
        receipt = await applications.accept_application(self.as_(client), application_id)
        return Hired(client, freelancer, gig_id, application_id, receipt.entity_id)

    async def completed(self, **parts: Any) -> Hired:
        hired = await self.hired(**parts)
        await contracts.submit_work(self.as_(hired.freelancer), hired.contract_id, note=None)
        await contracts.approve_work(self.as_(hired.client), hired.contract_id)
        return hired

    # -- files -------------------------------------------------------------------------------------------------------

    async def upload(self, viewer: Viewer, name: str = "plan.txt", content: bytes = b"A plan.") -> UUID:
        """The id of a file that waits to be attached."""
        op = self.as_(viewer)
        async with files.drafting(op) as draft:
            await draft.write(content)
            return (await files.keep_upload(op, draft, name)).id

    # -- looking -----------------------------------------------------------------------------------------------------

    async def rows(self, statement: str, **values: Any) -> Sequence[sa.Row[Any]]:
        """For assertions only: the world is never changed this way."""
        return await self.services.db.fetch(sa.text(statement).bindparams(**values))

    async def get(self, model: type[M], id: UUID) -> M:
        table = model.__table__  # type: ignore[attr-defined]
        row = (await self.services.db.fetch(sa.select(table).where(table.c.id == id)))[0]
        return model(**{name: value for name, value in row._mapping.items() if name != "search"})

    async def gig(self, gig_id: UUID) -> Gig:
        return await self.get(Gig, gig_id)

    async def facts(self, gig_id: UUID) -> list[str]:
        """The kinds of the facts in the gig's stream, in order."""
        statement = (
            sa.select(col(Fact.kind)).where(col(Fact.stream) == f"gig:{gig_id}").order_by(col(Fact.number))
        )
        return [row[0] for row in await self.services.db.fetch(statement)]

    async def somebody_waits(self) -> None:
        """Until somebody waits for a lock."""
        waiting = (
            "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        async with asyncio.timeout(10):
            while not await self.rows(waiting):
                pass

    async def footprint(self) -> Counter[str]:
        """How many rows each table has, and where the streams stand: equal footprints prove that nothing was written."""
        tables = [row[0] for row in await self.rows(
            "select table_name from information_schema.tables where table_schema = 'public' and table_name <> 'alembic_version'"
        )]  # fmt: skip
        counts = [f"select '{name}' as name, count(*) as size from {name}" for name in sorted(tables)]
        counts.append("select 'gig versions', coalesce(sum(version), 0) from gig")
        return Counter({row.name: int(row.size) for row in await self.rows(" union all ".join(counts))})

    async def graphql(self, viewer: Viewer, document: str, **variables: Any) -> dict[str, Any]:
        """The answer to a document, as its JSON would be."""
        operation = Operation(self.services, viewer, "test")
        response = await execute(self.schema, Request(document, variables), operation, planned=self.planned)
        return response.body

    async def data(self, viewer: Viewer, document: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer that must have no errors."""
        body = await self.graphql(viewer, document, **variables)
        assert "errors" not in body, body["errors"]
        return body["data"]  # type: ignore[no-any-return]


async def race(acts: Iterable[Awaitable[T]]) -> list[T | BaseException]:
    """Run all at once; each outcome or the exception in its place."""
    return await asyncio.gather(*acts, return_exceptions=True)


def kinds(outcomes: Iterable[object]) -> Counter[str]:
    """How often each class of outcome came."""
    return Counter(type(outcome).__name__ for outcome in outcomes)
