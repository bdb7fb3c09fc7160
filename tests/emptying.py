"""Databases that tests use one after the other, each of which finds its own as if it had just been cloned.

A clone costs a third of a second of CPU, and waits for two checkpoints; emptying costs a hundredth of that.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import sqlalchemy as sa

Clone = Callable[[], AbstractAsyncContextManager[str]]
State = dict[str, tuple[int, int]]
_CONTENT = """
    select oid::regclass::text as quoted from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace order by relname
"""
# Whatever inserts or updates leaves a newer transaction, and whatever deletes a smaller count. Renaming, adding and
# dropping tables and indexes does so in pg_class.
_STATE = "select count(*), max(xmin::text::bigint) from {table}"
# A transaction that somebody left open would be seen by the next test, or keep it waiting.
_HANG_UP = """
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""
_RESTART = "select setval(seqrelid::regclass, seqstart, false) from pg_sequence"


class EmptyDatabases:
    """Lends one to each who asks, and keeps it for the next once it is empty again."""

    def __init__(self, clone: Clone) -> None:
        self._clone = clone
        self._spare: list[_Spare] = []

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[str]:
        """The URL of a database in which only the taxonomy is."""
        spare = self._spare.pop() if self._spare else await self._new()
        is_empty = False
        try:
            yield spare.url
            is_empty = await spare.emptying.empty()
        finally:
            if is_empty:
                self._spare.append(spare)
            else:
                await spare.clone.aclose()

    async def close(self) -> None:
        while self._spare:
            await self._spare.pop().clone.aclose()

    async def _new(self) -> "_Spare":
        clone = AsyncExitStack()
        url = await clone.enter_async_context(self._clone())
        return _Spare(clone, url, await Emptying.of(url))


@dataclass(frozen=True, slots=True)
class _Spare:
    """A database that nobody uses; closing `clone` drops it."""

    clone: AsyncExitStack
    url: str
    emptying: "Emptying"


class Emptying:
    """Knows what a fresh clone holds, and brings it back to that."""

    def __init__(self, url: str, full: State) -> None:
        self._url = url
        self._full = full
        """The tables that are not empty in the template, and the one of the tables."""

    @classmethod
    async def of(cls, url: str) -> "Emptying":
        connection = await _connect(url)
        try:
            tables = ["pg_class", *(row["quoted"] for row in await connection.fetch(_CONTENT))]
            states = await _states(connection, tables)
        finally:
            await connection.close()
        return cls(url, {table: state for table, state in states.items() if state[0] > 0})

    async def empty(self) -> bool:
        """Whether it is as it was; otherwise it has to be cloned again."""
        connection = await _connect(self._url)
        try:
            await connection.execute(_HANG_UP)
            if await _states(connection, list(self._full)) != self._full:
                return False
            tables = [row["quoted"] for row in await connection.fetch(_CONTENT)]
            deletions = [f"delete from {table}" for table in tables if table not in self._full]
            # Without the triggers that would look for references, one row at a time.
            await connection.execute("; ".join(["set session_replication_role = replica", *deletions]))
            await connection.execute(_RESTART)
        finally:
            await connection.close()
        return True


async def _states(connection: asyncpg.Connection, tables: list[str]) -> State:
    return {table: tuple(await connection.fetchrow(_STATE.format(table=table))) for table in tables}


async def _connect(url: str) -> asyncpg.Connection:
    parts = sa.make_url(url)
    return await asyncpg.connect(
        host=str(parts.query["host"]),
        port=int(str(parts.query["port"])),
        user=parts.username,
        database=parts.database,
    )
