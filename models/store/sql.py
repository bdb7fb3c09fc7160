"""The only place that opens connections to PostgreSQL, begins, executes and commits.

A `Transaction` collects events and writes them as its last statement before COMMIT (`facts.py`). A `HotTransaction` keeps
the same laws in two statements, without a session (`hot.py`).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, Self, TypeVar, cast
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import QueuePool
from sqlmodel import SQLModel

from models.errors import BY_CONSTRAINT, DomainError, IdempotencyConflict, NotFound, OutcomeUnknown
from models.idempotency import Outcome
from models.store.chat import StoreAway
from models.store.coalescing import CoalescedReads
from models.store.compiled import Compiled
from models.store.counting import count_statement, counting_statements
from models.store.facts import (
    CLAIM_KEY,
    READ_KEY,
    Act,
    Ledger,
    Position,
    Receipt,
    Replayed,
    last_statement,
)
from models.store.hot import HotTransaction
from models.store.pool import Pool
from models.store.shadow import Shadow

__all__ = [
    "Act",
    "Database",
    "HotTransaction",
    "M",
    "Position",
    "Receipt",
    "Replayed",
    "Transaction",
    "counting_statements",
]

M = TypeVar("M", bound=SQLModel)
T = TypeVar("T")
Clause = sa.ColumnElement[bool]

_SETTLED = frozenset({"committed", "aborted"})
_ASK_AGAIN_S = 0.05
_RETRY_S, MOST_ATTEMPTS = 0.2, 100
_log = logging.getLogger("skillsync.store")


class PoolState(NamedTuple):
    """Connections of one pool; how often somebody waited for one is None where that is not counted."""

    size: int
    busy: int
    waits: int | None


class Database:
    """Three small pools over one PostgreSQL: transactions, hot ones, and short reads of one statement each."""

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
        self._pool_size = pool_size
        self._shadow: Shadow | None = None
        self.on_facts: Callable[[frozenset[str]], None] | None = None
        """Told, after a commit, the streams that have grown; must not wait."""
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
        # Everything is looked up by a key. A plan that was made while a table was small would read all of it, and go on
        # doing so until statistics say how large it has become.
        hot = settings | {"plan_cache_mode": "force_generic_plan", "jit": "off", "enable_seqscan": "off"}
        self._hot_writes = Pool(url, size=pool_size, server_settings=hot)
        self._writes = _engine(url, pool_size=pool_size, server_settings=settings)
        generic = reading | {"plan_cache_mode": "force_generic_plan"}
        self._planned = Pool(url, size=pool_size, server_settings=generic)
        self._uneven = Pool(url, size=pool_size, server_settings=reading)
        self._coalesced = CoalescedReads(self._planned)
        self._reads = _engine(
            url,
            pool_size=pool_size,
            server_settings=reading,
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,
        )

    async def close(self) -> None:
        await self._hot_writes.close()
        await self._writes.dispose()
        await self._reads.dispose()
        await self._planned.close()
        await self._uneven.close()

    @property
    def pools(self) -> dict[str, PoolState]:
        counted = {"hot": self._hot_writes, "planned": self._planned, "searches": self._uneven}
        return {name: PoolState(pool.size, pool.busy, pool.waits) for name, pool in counted.items()} | {
            name: PoolState(self._pool_size, cast("QueuePool", engine.sync_engine.pool).checkedout(), None)
            for name, engine in {"transactions": self._writes, "reads": self._reads}.items()
        }

    def seen_through(self, shadow: Shadow) -> Self:
        """The same database to whoever only reads, with what `shadow` says in place of some tables."""
        seen = copy(self)
        seen._shadow = shadow
        return seen

    async def read(self, text: str, arguments: Sequence[Any], *, is_generic: bool) -> Any:
        """The one row of a planned statement; it may be shown to others, who ask the same. `is_generic`: one plan of PostgreSQL
        serves all arguments. Raises TimeoutError when all connections stay busy, and what asyncpg raises."""
        count_statement("select")
        if self._shadow is not None:
            text, arguments = self._shadow.over(text, arguments)
        if is_generic:
            return await self._coalesced.fetch_row(text, arguments)
        (row,) = await self._uneven.fetch_rows(text, arguments)
        return row

    @property
    def coalesced(self) -> tuple[int, int]:
        """Rows that were read by generic plans, and statements that were sent for them."""
        return self._coalesced.asked, self._coalesced.statements

    async def poll(self, statement: Compiled, values: Mapping[str, object] | None = None) -> list[Any]:
        """Like `fetch`, for what is asked again and again while nothing happens: SQLAlchemy would take a millisecond each time,
        and compile what was made anew. Raises TimeoutError when all connections stay busy, and what asyncpg raises."""
        count_statement(statement.text)
        return await self._uneven.fetch_rows(statement.text, statement.arguments(values or {}))

    async def fetch(
        self, statement: sa.Executable, values: Mapping[str, Any] | None = None
    ) -> Sequence[sa.Row[Any]]:
        """Run one reading statement on a connection of its own, given back before this returns. `values` are those of its
        parameters that have none.

        Repeated once if the connection broke under it: reading twice changes nothing, and a restart of the server
        then costs the caller nothing.
        """
        try:
            return await self._fetch_once(statement, values)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            return await self._fetch_once(statement, values)

    async def _fetch_once(
        self, statement: sa.Executable, values: Mapping[str, Any] | None
    ) -> Sequence[sa.Row[Any]]:
        async with self._reads.connect() as connection:
            if self._shadow is not None:
                statement = statement.execution_options(shadow=self._shadow)
            return (await connection.execute(statement, values)).all()

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
                if refusal := _refusal_of(error.orig.__cause__ if error.orig else None):
                    raise refusal from error
                raise
            try:
                await session.commit()
            # Drivers report a lost connection in many ways, and only the server knows: so it is asked, whatever this is.
            except Exception as error:
                if not await self._was_committed(tx.xid, error):
                    raise
            self._settle(tx)

    @asynccontextmanager
    async def hot_transaction(
        self, *, actor_id: UUID | None, at: datetime, act: Act | None = None
    ) -> AsyncIterator[HotTransaction]:
        """Like `transaction`, in two statements and without a session; its `lock` raises what that raises on entry."""
        async with self._hot_writes.begin() as lane:
            tx = HotTransaction(lane, actor_id=actor_id, at=at, act=act)
            try:
                yield tx
                await tx.write()
            except asyncpg.IntegrityConstraintViolationError as error:
                if refusal := _refusal_of(error):
                    raise refusal from error
                raise
            try:
                await tx.commit()
            except Exception as error:
                if not await self._was_committed(tx.xid, error):
                    raise
            self._settle(tx)

    def _settle(self, tx: Ledger) -> None:
        """It was committed."""
        tx.settle_receipt()
        if self.on_facts is not None and (streams := tx.streams):
            self.on_facts(streams)

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


class Transaction(Ledger):
    """One unit of work. Use cases read with `lock` and `get`, write with `add`, and tell the world with `emit`."""

    def __init__(
        self, session: AsyncSession, *, actor_id: UUID | None, at: datetime, act: Act | None
    ) -> None:
        super().__init__(actor_id=actor_id, at=at, act=act)
        self.session = session

    # -- for use cases -----------------------------------------------------------------------------------------------

    def add(self, *rows: SQLModel | None) -> None:
        self.session.add_all([row for row in rows if row is not None])

    async def get(self, model: type[M], *where: Clause) -> M | None:
        """The one row that fits, without a lock."""
        return (await self.session.execute(sa.select(model).where(*where))).scalars().one_or_none()

    async def by_id(self, model: type[M], key: UUID) -> M | None:
        """The row with this key, without a lock; read once in a transaction, changed by it or not."""
        return await self.session.get(model, key)

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

    async def execute(
        self, statement: sa.Executable, rows: Sequence[Mapping[str, Any]] | None = None
    ) -> sa.Result[Any]:
        """Flush, then run one statement that the session cannot express as rows; with `rows`, for each of them."""
        await self.session.flush()
        return await self.session.execute(statement, rows)

    async def lock_heads(self, *streams: str) -> None:
        """Take the heads of all streams that get facts before the last of these are made, because they sum up what came before.

        Nothing may be locked afterwards: heads come last.
        """
        for stream in sorted({*streams, *self.streams}):
            await self.execute(_LOCK_HEAD.bindparams(stream=stream))

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
        """Flush, then write the facts and complete the idempotency row: the last statement before COMMIT."""
        await self.session.flush()
        if self._events or self._act is not None:
            statement = _last(bool(self._events), self._notifies, self._act is not None)
            last = (await self.session.execute(statement, self._last_values())).one()
            self.xid = int(last.xid)
            self._position = Position(last.stream, last.number) if self._events else None
        else:
            self.xid = (await self.session.execute(_READ_XID)).scalar_one()


def is_away(error: BaseException) -> bool:
    """Whether an error of a read says that the database cannot be asked now, rather than what is wrong with the question."""
    cause: BaseException | None = error
    if isinstance(error, StoreAway):
        return True
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        cause = error.orig.__cause__ if error.orig else None
    if isinstance(cause, asyncpg.QueryCanceledError):
        return False
    return isinstance(cause, OSError | TimeoutError | DisconnectionError | PoolTimeoutError | _AWAY)


async def patiently(read: Callable[[], Awaitable[T]], *, but_not_for: type[Exception] | None = None) -> T:
    """Reads again while the database is away: what was taken from a stream already must not be lost for it.

    What is away for another reason is told at once if that is `but_not_for`.
    """
    for _ in range(MOST_ATTEMPTS - 1):
        try:
            return await read()
        except Exception as error:
            if not is_away(error) or (but_not_for is not None and isinstance(error, but_not_for)):
                raise
            _log.warning("a read waits for the database", extra={"problem": type(error).__name__})
            await asyncio.sleep(_RETRY_S)
    return await read()


_AWAY = (
    asyncpg.PostgresConnectionError | asyncpg.exceptions.OperatorInterventionError | asyncpg.InterfaceError
)


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
    sa.event.listen(engine.sync_engine, "before_cursor_execute", _before_statement, retval=True)
    return engine


def _refuse_the_dead(dbapi_connection: Any, *_: Any) -> None:
    """Have the pool replace a connection whose end was seen: after a restart of the server, nobody's request fails.

    Costs no round trip: the driver knows of a closed socket. What it cannot know yet fails, and reads are repeated.
    """
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError


def _before_statement(
    _connection: Any, _cursor: Any, statement: str, arguments: Any, context: Any, _many: bool
) -> tuple[str, Any]:
    count_statement(statement)
    shadow: Shadow | None = None if context is None else context.execution_options.get("shadow")
    return (statement, arguments) if shadow is None else shadow.over(statement, arguments)


def _refusal_of(error: BaseException | None) -> DomainError | None:
    """A broken constraint is a refusal if a `DomainError` is guarded by its name; otherwise it is a bug."""
    refusal = BY_CONSTRAINT.get(getattr(error, "constraint_name", None) or "")
    return refusal.violated() if refusal else None


_CLAIM_KEY = sa.text(CLAIM_KEY).bindparams(sa.bindparam("at", type_=sa.DateTime(timezone=True)))
_READ_KEY = sa.text(READ_KEY)
_LOCK_HEAD = sa.text("""
    insert into stream_head (stream, number, x) values (:stream, 0, pg_current_xact_id())
    on conflict (stream) do update set x = excluded.x
""")
# Null for a transaction that has written nothing.
_READ_XID = sa.text("select cast(cast(pg_current_xact_id_if_assigned() as text) as bigint)")


@cache
def _last(has_facts: bool, notifies: bool, has_key: bool) -> sa.TextClause:
    return sa.text(last_statement(has_facts=has_facts, notifies=notifies, has_key=has_key))
