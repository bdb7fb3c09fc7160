"""Connections for planned reads: one statement each, text and values as the driver takes them.

asyncpg's own pool costs 80 µs of CPU a use, more than the rest of such a read (measured); this one takes the connection
used last from a stack.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

_CONNECT_TIMEOUT_S, _COMMAND_TIMEOUT_S, _WAIT_S = 5, 30, 10
_STATEMENTS = 256
"""Prepared statements that a connection keeps; plans in use are few, and PostgreSQL keeps each in memory."""


class ReadPool:
    """At most `size` connections, opened when they are first needed."""

    def __init__(self, dsn: str, *, size: int, settings: Mapping[str, str]) -> None:
        self._dsn = dsn
        self._settings = dict(settings)
        self._free = size
        self._idle: list[asyncpg.Connection] = []
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def fetch_row(self, text: str, arguments: Sequence[Any]) -> asyncpg.Record:
        """The one row that the statement answers. Repeated once if the connection broke: reading twice changes nothing.

        Raises `TimeoutError` when no connection becomes free in time, and what asyncpg raises.
        """
        try:
            return await self._fetch_once(text, arguments)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError):
            return await self._fetch_once(text, arguments)

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    async def _fetch_once(self, text: str, arguments: Sequence[Any]) -> asyncpg.Record:
        while self._free == 0:
            await self._wait()
        self._free -= 1
        connection = None
        try:
            connection = await self._connection()
            row = await connection.fetchrow(text, *arguments)
        except asyncpg.PostgresError:
            # The server's word on this statement; the connection is as good as before, unless it says otherwise.
            if connection is not None and not connection.is_closed():
                self._idle.append(connection)
            raise
        except BaseException:
            # Broken, or cancelled with an answer on its way: nobody shall read that by mistake.
            if connection is not None:
                connection.terminate()
            raise
        else:
            self._idle.append(connection)
            return row
        finally:
            self._free += 1
            self._wake_one()

    async def _connection(self) -> asyncpg.Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await asyncpg.connect(
            self._dsn,
            timeout=_CONNECT_TIMEOUT_S,
            command_timeout=_COMMAND_TIMEOUT_S,
            server_settings=self._settings,
            statement_cache_size=_STATEMENTS,
            max_cached_statement_lifetime=0,
        )

    async def _wait(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(_WAIT_S):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._wake_one()
            raise

    def _wake_one(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
