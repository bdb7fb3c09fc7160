"""Connections for transactions that speak to the driver directly.

asyncpg's own pool resets a connection by one more round trip each time it comes back, in a task of its own: half of what
a small transaction costs.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy.engine import make_url

from models.store.compiled import DIALECT

_OURS = frozenset({"prepared_statement_cache_size", "prepared_statement_name_func", "async_creator_fn"})


class WritePool:
    """At most `size` transactions at a time, each on a connection of its own; the one used last is taken first."""

    def __init__(
        self,
        url: str,
        *,
        size: int,
        server_settings: Mapping[str, str],
        wait_s: float = 10,
        kept_s: float = 1800,
    ) -> None:
        """`wait_s` is how long to wait for a connection, `kept_s` how old one may become."""
        _, options = DIALECT.create_connect_args(make_url(url))  # type: ignore[no-untyped-call]
        self._options: dict[str, Any] = {k: v for k, v in options.items() if k not in _OURS}
        self._options |= {"server_settings": dict(server_settings), "timeout": 5, "command_timeout": 30}
        self._places = asyncio.Semaphore(size)
        self._wait_s = wait_s
        self._kept_s = kept_s
        self._idle: list[tuple[asyncpg.Connection, float]] = []
        self._leaving: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        while self._idle:
            await _part_with(self._idle.pop()[0])
        await asyncio.gather(*self._leaving)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection inside BEGIN; whoever leaves without COMMIT has rolled back.

        Raises TimeoutError when all connections stay busy. A connection that somebody gave up on, who may have left the
        server in the middle of a statement, is not used again.
        """
        await self._wait_for_place()
        try:
            connection, until = await self._take()
            is_usable = False
            try:
                await connection.execute("BEGIN")
                yield connection
                is_usable = await _is_rolled_back(connection)
            except Exception:
                is_usable = await _is_rolled_back(connection)
                raise
            finally:
                if is_usable:
                    self._idle.append((connection, until))
                else:
                    self._leave(connection)
        finally:
            self._places.release()

    async def _wait_for_place(self) -> None:
        if self._places.locked():
            async with asyncio.timeout(self._wait_s):
                await self._places.acquire()
        else:
            await self._places.acquire()

    async def _take(self) -> tuple[asyncpg.Connection, float]:
        while self._idle:
            connection, until = self._idle.pop()
            if connection.is_closed():
                continue
            if until > time.monotonic():
                return connection, until
            self._leave(connection)
        return await asyncpg.connect(**self._options), time.monotonic() + self._kept_s

    def _leave(self, connection: asyncpg.Connection) -> None:
        if connection.is_closed():
            return
        task = asyncio.create_task(_part_with(connection))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def _is_rolled_back(connection: asyncpg.Connection) -> bool:
    """Have nothing open; False if that cannot be, and the server rolls back by itself when the connection ends."""
    if not connection.is_closed() and connection.is_in_transaction():
        try:
            await connection.execute("ROLLBACK")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            return False
    return not connection.is_closed()


async def _part_with(connection: asyncpg.Connection) -> None:
    """Say goodbye after what was cancelled, but not for long: locks are held until then. In vain if the server is gone."""
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        await connection.close(timeout=1)
