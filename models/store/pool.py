"""Connections for what speaks to the driver directly: hot transactions, and planned reads of one statement each.

asyncpg's own pool resets a connection by one more round trip each time it comes back, in a task of its own: half of what
a small transaction costs, and more than the rest of a planned read even without the reset (80 µs of CPU, measured).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy.engine import make_url

from models.store.compiled import DIALECT

# Texts of plans are few, and PostgreSQL keeps each prepared statement in memory.
_STATEMENTS = 256
_COMMAND_TIMEOUT_S = 30
_OURS = frozenset({"prepared_statement_cache_size", "prepared_statement_name_func", "async_creator_fn"})


class Pool:
    """At most `size` connections, opened when they are needed; the one used last is taken first."""

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
        self._options |= {
            "server_settings": dict(server_settings),
            "timeout": 5,
            "command_timeout": _COMMAND_TIMEOUT_S,
            "statement_cache_size": _STATEMENTS,
            "max_cached_statement_lifetime": 0,
        }
        self.size = self._free = size
        self.waits = 0
        """How often somebody had to wait for a connection, since the beginning."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._wait_s = wait_s
        self._kept_s = kept_s
        self._idle: list[Lane] = []
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> int:
        return self.size - self._free

    async def close(self) -> None:
        while self._idle:
            await _part_with(self._idle.pop().connection)
        await asyncio.gather(*self._leaving)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Lane]:
        """A connection inside BEGIN; whoever leaves without COMMIT has rolled back.

        Raises TimeoutError when all connections stay busy. A connection that somebody gave up on, who may have left the
        server in the middle of a statement, is not used again.
        """
        lane = self._take_idle() or await self._take()
        is_usable = False
        try:
            await lane.connection.execute("BEGIN")
            yield lane
            is_usable = await _is_rolled_back(lane.connection)
        except Exception:
            is_usable = await _is_rolled_back(lane.connection)
            raise
        finally:
            self._give_back(lane, is_usable=is_usable)

    async def fetch_rows(self, text: str, arguments: Sequence[Any]) -> list[Any]:
        """What a reading statement answers. Repeated once if the connection broke: reading twice changes nothing.

        Raises TimeoutError when all connections stay busy, and what asyncpg raises.
        """
        return await self._read(lambda lane: lane.fetch(text, arguments))

    async def parameter_types(self, text: str) -> list[str]:
        """Of a statement's parameters, by PostgreSQL's own names; those of arrays end with `[]`. Raises as `fetch_rows` does."""
        return await self._read(lambda lane: lane.parameter_types(text))

    async def _read(self, ask: Callable[[Lane], Awaitable[list[Any]]]) -> list[Any]:
        try:
            return await self._once(ask)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError):
            return await self._once(ask)

    async def _once(self, ask: Callable[[Lane], Awaitable[list[Any]]]) -> list[Any]:
        lane = self._take_idle() or await self._take()
        is_usable = True
        try:
            return await ask(lane)
        except asyncpg.PostgresError:
            # The server's word on this statement; the connection is as good as before, unless it was ended.
            raise
        except BaseException:
            is_usable = False
            raise
        finally:
            self._give_back(lane, is_usable=is_usable)

    # -- places --------------------------------------------------------------------------------------------------------

    def _take_idle(self) -> Lane | None:
        """A connection that is there, without the coroutine that waiting or opening one takes."""
        if self._free and self._idle and not self._waiting:
            lane = self._idle[-1]
            if lane.until > time.monotonic() and not lane.connection.is_closed():
                self._free -= 1
                return self._idle.pop()
        return None

    async def _take(self) -> Lane:
        if self._free == 0 or self._waiting:
            await self._wait_for_place()
        else:
            self._free -= 1
        while self._idle:
            lane = self._idle.pop()
            if lane.connection.is_closed():
                continue
            if lane.until > time.monotonic():
                return lane
            self._leave(lane.connection)
        try:
            connection = await asyncpg.connect(**self._options)
        except BaseException:
            self._free_place()
            raise
        return Lane(connection, time.monotonic() + self._kept_s)

    def _give_back(self, lane: Lane, *, is_usable: bool) -> None:
        if is_usable and not lane.connection.is_closed():
            self._idle.append(lane)
        else:
            self._leave(lane.connection)
        self._free_place()

    async def _wait_for_place(self) -> None:
        """Who comes out of here has a place. Waiting is common under load, so it takes no task and one timer."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(self._wait_s, _give_up, turn)
        self._waiting.append(turn)
        self.waits += 1
        try:
            await turn
        except BaseException:
            # Cancelled with the place already given: the next one has it.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._free_place()
            raise
        finally:
            timer.cancel()

    def _free_place(self) -> None:
        """Hand the place to whoever waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _leave(self, connection: asyncpg.Connection) -> None:
        if connection.is_closed():
            return
        task = asyncio.create_task(_part_with(connection))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


class Lane:
    """A connection until it is too old, with the statements that were prepared on it."""

    def __init__(self, connection: asyncpg.Connection, until: float) -> None:
        self.connection = connection
        self.until = until
        self._prepared: dict[str, Any] = {}

    async def parameter_types(self, text: str) -> list[str]:
        prepared = self._prepared.get(text) or await self._prepare(text)
        return [each.name for each in prepared.get_parameters()]

    async def fetch(self, text: str, arguments: Sequence[Any]) -> list[Any]:
        """As asyncpg's `fetch`, without the layers above its protocol: a third of what a small read costs (measured)."""
        prepared = self._prepared.get(text) or await self._prepare(text)
        try:
            rows: list[Any] = await self.connection._protocol.bind_execute(
                prepared._state, arguments, "", 0, False, _COMMAND_TIMEOUT_S
            )
        except (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError):
            # A migration ran beside us; asyncpg's own way knows what to do.
            self._prepared.clear()
            rows = await self.connection.fetch(text, *arguments)
        return rows

    async def _prepare(self, text: str) -> Any:
        prepared = self._prepared[text] = await self.connection.prepare(text)
        if len(self._prepared) > _STATEMENTS:
            del self._prepared[next(iter(self._prepared))]
        return prepared


def _give_up(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_exception(TimeoutError("all connections to the database stay busy"))


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
