"""The only place that opens connections to PostgreSQL, begins, executes and commits.

A `Transaction` collects events and writes them as its last statement before COMMIT: it locks every stream head it needs
in one statement ordered by stream name, takes the next numbers, and inserts the facts. Nothing runs between that and
COMMIT, so numbers are gapless, commit order is number order, and two transactions cannot deadlock on heads.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlmodel import SQLModel

from models.errors import BY_CONSTRAINT, DomainError, IdempotencyConflict, NotFound, OutcomeUnknown
from models.event import Event
from models.idempotency import Outcome
from models.ids import new_id

M = TypeVar("M", bound=SQLModel)
Clause = sa.ColumnElement[bool]

_SETTLED = frozenset({"committed", "aborted"})
_ASK_AGAIN_S = 0.05
_statements: ContextVar["Counter[str] | None"] = ContextVar("statements", default=None)


@dataclass(frozen=True, slots=True)
class Act:
    """Who does which mutation, under which idempotency key, with which input."""

    mutation: str
    actor_id: UUID
    key: str
    input_hash: bytes


@dataclass(frozen=True, slots=True)
class Position:
    stream: str
    number: int


@dataclass(slots=True)
class Receipt:
    """What a use case hands back: the entity to show, what became of the act, and where its facts begin."""

    entity_id: UUID
    outcome: Outcome = Outcome.APPLIED
    position: Position | None = None


class Replayed(Exception):
    """The act was done before under the same key; `receipt` is what to answer. Leaves the use case at once."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt


class Database:
    """Two small pools over one PostgreSQL: transactions, and short reads of one statement each."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        statement_timeout_ms: int = 10_000,
        settle_timeout_s: float = 4,
    ) -> None:
        """`settle_timeout_s` is how long to ask for the outcome of a COMMIT during which the connection broke."""
        self._settle_timeout_s = settle_timeout_s
        settings = {
            "application_name": "skillsync",
            "statement_timeout": str(statement_timeout_ms),
            "lock_timeout": str(statement_timeout_ms // 2),
            "idle_in_transaction_session_timeout": str(statement_timeout_ms * 3),
            "timezone": "UTC",
        }
        # Search filters are so uneven in selectivity that a generic plan would be wrong for half of them.
        # Compiling such a plan to machine code takes longer than running it.
        reading = settings | {
            "default_transaction_read_only": "on",
            "plan_cache_mode": "force_custom_plan",
            "jit": "off",
            # Starting workers takes longer than what they would save on answers of this size.
            "max_parallel_workers_per_gather": "0",
            # Two swapped letters in a word of six leave 0.27 of it; the default is 0.3.
            "pg_trgm.similarity_threshold": "0.25",
        }
        self._writes = _engine(url, pool_size=pool_size, server_settings=settings)
        self._reads = _engine(
            url,
            pool_size=pool_size,
            server_settings=reading,
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,
        )

    async def close(self) -> None:
        await self._writes.dispose()
        await self._reads.dispose()

    async def fetch(self, statement: sa.Executable) -> Sequence[sa.Row[Any]]:
        """Run one reading statement on a connection of its own, given back before this returns.

        Repeated once if the connection broke under it: reading twice changes nothing, and a restart of the server
        then costs the caller nothing.
        """
        try:
            return await self._fetch_once(statement)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            return await self._fetch_once(statement)

    async def _fetch_once(self, statement: sa.Executable) -> Sequence[sa.Row[Any]]:
        async with self._reads.connect() as connection:
            return (await connection.execute(statement)).all()

    @asynccontextmanager
    async def transaction(
        self, *, actor_id: UUID | None, at: datetime, act: Act | None = None
    ) -> AsyncIterator["Transaction"]:
        """Leaving commits, facts included; any exception rolls everything back.

        Raises `Replayed` on entry when `act` was done before, `IdempotencyConflict` when its key was used otherwise.
        """
        async with AsyncSession(self._writes, expire_on_commit=False, autoflush=False) as session:
            tx = Transaction(session, actor_id=actor_id, at=at, act=act)
            try:
                if act is not None:
                    await tx.claim_key(act)
                yield tx
                await tx.write_facts()
            except IntegrityError as error:
                if refusal := _refusal_for(error):
                    raise refusal from error
                raise
            try:
                await session.commit()
            # Drivers report a lost connection in many ways, and only the server knows: so it is asked, whatever this is.
            except Exception as error:
                if not await self._was_committed(tx.xid, error):
                    raise
            tx.settle_receipt()

    async def _was_committed(self, xid: int | None, error: Exception) -> bool:
        """COMMIT failed: ask on a new connection what became of the transaction. Raises `OutcomeUnknown`."""
        if xid is None:
            return False
        try:
            async with asyncio.timeout(self._settle_timeout_s):
                status = await self._status_of(xid)
                while status not in _SETTLED:
                    # The server may still be at it, or have not noticed yet that its client is gone.
                    await asyncio.sleep(_ASK_AGAIN_S)
                    status = await self._status_of(xid)
        except TimeoutError:
            raise OutcomeUnknown("the connection broke during COMMIT and nobody could be asked") from error
        return status == "committed"

    async def _status_of(self, xid: int) -> str | None:
        statement = sa.text("select pg_xact_status(cast(cast(:xid as text) as xid8))")
        try:
            return str((await self.fetch(statement.bindparams(xid=str(xid))))[0][0])
        except (SQLAlchemyError, OSError):
            return None


class Transaction:
    """One unit of work. Use cases read with `lock` and `get`, write with `add`, and tell the world with `emit`."""

    def __init__(
        self, session: AsyncSession, *, actor_id: UUID | None, at: datetime, act: Act | None
    ) -> None:
        self.session = session
        self.xid: int | None = None
        self._actor_id = actor_id
        self._at = at
        self._act = act
        self._events: list[Event] = []
        self._receipt: Receipt | None = None
        self._position: Position | None = None

    # -- for use cases -----------------------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Collect a fact; it is written at the end of the transaction, in the order of the calls."""
        self._events.append(event)

    def add(self, *rows: SQLModel | None) -> None:
        self.session.add_all([row for row in rows if row is not None])

    async def get(self, model: type[M], *where: Clause) -> M | None:
        """The one row that fits, without a lock."""
        return (await self.session.execute(sa.select(model).where(*where))).scalars().one_or_none()

    async def all(self, model: type[M], *where: Clause, order_by: Any = None) -> Sequence[M]:
        statement = sa.select(model).where(*where)
        return (await self.session.execute(statement.order_by(order_by))).scalars().all()

    async def lock(self, model: type[M], *where: Clause, what: str, path: tuple[str, ...] = ("id",)) -> M:
        """Lock the one row that fits until the end. Raises `NotFound`: hidden and missing look the same.

        FOR NO KEY UPDATE, not FOR UPDATE: rows that refer to this one can be inserted meanwhile. Otherwise the check of
        a foreign key would be a lock out of the documented order, and a feedback would deadlock with its own contract.
        """
        row = await self.lock_if_any(model, *where)
        if row is None:
            raise NotFound(what, path=path)
        return row

    async def lock_if_any(self, model: type[M], *where: Clause) -> M | None:
        statement = sa.select(model).where(*where).with_for_update(key_share=True)
        statement = statement.execution_options(populate_existing=True)
        return (await self.session.execute(statement)).scalars().one_or_none()

    async def execute(self, statement: sa.Executable) -> sa.Result[Any]:
        """Flush, then run one statement that the session cannot express as rows."""
        await self.session.flush()
        return await self.session.execute(statement)

    def done(self, entity_id: UUID) -> Receipt:
        """The act was applied; its receipt learns its position when the transaction commits."""
        self._receipt = Receipt(entity_id)
        return self._receipt

    def noop(self, entity_id: UUID) -> Receipt:
        """Things already are as asked."""
        self._receipt = Receipt(entity_id, Outcome.NOOP)
        return self._receipt

    # -- for the database --------------------------------------------------------------------------------------------

    async def claim_key(self, act: Act) -> None:
        """Insert the idempotency row first: a concurrent repeat waits here, then finds it."""
        values = {
            "actor_id": act.actor_id,
            "mutation": act.mutation,
            "key": act.key,
            "input_hash": act.input_hash,
            "at": self._at,
        }
        if (await self.session.execute(_CLAIM_KEY, values)).first() is not None:
            return
        row = (await self.session.execute(_READ_KEY, values)).one()
        if row.input_hash != act.input_hash:
            raise IdempotencyConflict
        position = Position(row.stream, row.number) if row.stream else None
        raise Replayed(Receipt(row.entity_id, Outcome.REPLAYED, position))

    async def write_facts(self) -> None:
        """Flush, then write the facts and complete the idempotency row: the last statements before COMMIT."""
        await self.session.flush()
        if self._act is not None:
            await self._complete_key(self._act)
        if not self._events:
            self.xid = (await self.session.execute(_READ_XID)).scalar_one()
            return
        rows = [
            (stream, event, new_id()) for event in self._events for stream in dict.fromkeys(event.streams())
        ]
        remaining = Counter(stream for stream, _, _ in rows)
        heads = sorted(remaining.items())
        facts = []
        for stream, event, fact_id in rows:
            remaining[stream] -= 1
            facts.append(_fact_row(stream, remaining[stream], event, fact_id, self._actor_id))
        values = {
            "heads": json.dumps([{"stream": stream, "taken": taken} for stream, taken in heads]),
            "facts": json.dumps(facts),
            "act": self._act is not None,
            "actor_id": self._act.actor_id if self._act else None,
            "mutation": self._act.mutation if self._act else None,
            "key": self._act.key if self._act else None,
            "first_id": rows[0][2],
        }
        first = (await self.session.execute(_WRITE_FACTS, values)).one()
        self.xid = int(first.xid)
        self._position = Position(first.stream, first.number)

    def settle_receipt(self) -> None:
        if self._receipt is not None:
            self._receipt.position = self._position

    async def _complete_key(self, act: Act) -> None:
        if self._receipt is None:
            raise LookupError(f"{act.mutation} ended without saying which entity a repeat shall show")
        values = {
            "actor_id": act.actor_id,
            "mutation": act.mutation,
            "key": act.key,
            "entity_id": self._receipt.entity_id,
            "outcome": self._receipt.outcome.value,
        }
        await self.session.execute(_COMPLETE_KEY, values)


@contextmanager
def counting_statements() -> Iterator["Counter[str]"]:
    """Count what the database is asked inside the block, tasks started there included, by first word."""
    counter: Counter[str] = Counter()
    token = _statements.set(counter)
    try:
        yield counter
    finally:
        _statements.reset(token)


def _engine(url: str, *, pool_size: int, server_settings: dict[str, str], **options: Any) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_recycle=1800,
        connect_args={"server_settings": server_settings, "timeout": 5, "command_timeout": 30},
        # Logs must not hold what people wrote.
        hide_parameters=True,
        **options,
    )
    sa.event.listen(engine.sync_engine, "checkout", _refuse_the_dead)
    sa.event.listen(engine.sync_engine, "before_cursor_execute", _count_statement)
    return engine


def _refuse_the_dead(dbapi_connection: Any, *_: Any) -> None:
    """Have the pool replace a connection whose end was seen: after a restart of the server, nobody's request fails.

    Costs no round trip: the driver knows of a closed socket. What it cannot know yet fails, and reads are repeated.
    """
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError


def _count_statement(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
    counter = _statements.get()
    if counter is not None:
        counter[statement.split(None, 1)[0].lower()] += 1


def _refusal_for(error: IntegrityError) -> DomainError | None:
    """A broken constraint is a refusal if a `DomainError` is guarded by its name; otherwise it is a bug."""
    name = getattr(error.orig.__cause__ if error.orig else None, "constraint_name", None)
    refusal = BY_CONSTRAINT.get(name or "")
    return refusal.violated() if refusal else None


def _fact_row(
    stream: str, after_it: int, event: Event, fact_id: UUID, actor_id: UUID | None
) -> dict[str, Any]:
    return {
        "stream": stream,
        "after_it": after_it,
        "id": str(fact_id),
        "kind": type(event).__name__,
        "audience": event.audience.value,
        "actor_id": _text(actor_id),
        "owner_id": _text(event.owner_id),
        "person_id": _text(event.person_id),
        "remark_id": _text(event.remark_id),
        "occurred_at": event.at.isoformat(),
        "payload": json.loads(json.dumps(event.payload(), default=_text)),
    }


def _text(value: object) -> str | None:
    return None if value is None else value.isoformat() if isinstance(value, datetime) else str(value)


_CLAIM_KEY = sa.text("""
    insert into idempotency_key (actor_id, mutation, key, input_hash, outcome, created_at)
    values (:actor_id, :mutation, :key, :input_hash, 'APPLIED', :at)
    on conflict do nothing returning 1
""").bindparams(sa.bindparam("at", type_=sa.DateTime(timezone=True)))

_READ_KEY = sa.text("""
    select input_hash, entity_id, stream, number from idempotency_key
    where actor_id = :actor_id and mutation = :mutation and key = :key
""")

_COMPLETE_KEY = sa.text("""
    update idempotency_key set entity_id = :entity_id, outcome = :outcome
    where actor_id = :actor_id and mutation = :mutation and key = :key
""")

# Null for a transaction that has written nothing.
_READ_XID = sa.text("select cast(cast(pg_current_xact_id_if_assigned() as text) as bigint)")

_WRITE_FACTS = sa.text("""
    with head as (
        insert into stream_head as h (stream, number, x)
        select stream, taken, pg_current_xact_id()
        from jsonb_to_recordset(cast(:heads as jsonb)) as wanted(stream text, taken bigint)
        order by stream
        on conflict (stream) do update set number = h.number + excluded.number, x = excluded.x
        returning h.stream, h.number
    ), written as (
        insert into fact (stream, number, id, kind, audience, actor_id, owner_id, person_id, remark_id,
                          occurred_at, payload)
        select f.stream, head.number - f.after_it, f.id, f.kind, f.audience, f.actor_id, f.owner_id, f.person_id,
               f.remark_id, f.occurred_at, f.payload
        from jsonb_to_recordset(cast(:facts as jsonb)) as f(
            stream text, after_it bigint, id uuid, kind text, audience text, actor_id uuid, owner_id uuid,
            person_id uuid, remark_id uuid, occurred_at timestamptz, payload jsonb)
        join head using (stream)
        returning stream, number, id
    ), first as (
        select stream, number from written where id = cast(:first_id as uuid)
    ), keyed as (
        update idempotency_key k set stream = first.stream, number = first.number from first
        where cast(:act as boolean) and k.actor_id = cast(:actor_id as uuid)
          and k.mutation = cast(:mutation as text) and k.key = cast(:key as text)
    )
    select first.stream, first.number, pg_current_xact_id()::text as xid from first
""")
