"""A way to the server that can be cut: while it is, each connection ends without a word after a random number of bytes."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

_FEWEST, _MOST = 300, 4_000
_PIECE = 200


class Way:
    """Whatever comes to our port goes to `port`, and back."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self.cuts = 0
        self._there = port
        self._chance = chance
        self._is_cutting = False
        self._joining: set[asyncio.Task[Any]] = set()
        self._ends: set[asyncio.StreamWriter] = set()

    @contextlib.contextmanager
    def cutting(self) -> Iterator[None]:
        """For as long as the block runs; a random half of the connections that there are is cut at once."""
        self._is_cutting = True
        try:
            for end in list(self._ends):
                # Of two ends each: a quarter of chance for each makes nearly half.
                if self._chance.random() < 0.25:
                    self._cut(end)
            yield
        finally:
            self._is_cutting = False

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry both ways until one end is gone; then both are."""
        task = asyncio.current_task()
        assert task is not None
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._there)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, there_writer}
        self._ends |= ends
        ways = [
            asyncio.create_task(self._carry(reader, there_writer)),
            asyncio.create_task(self._carry(there_reader, writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        self._ends -= ends
        for end in ends:
            end.close()
        await asyncio.wait(ways)

    async def end(self) -> None:
        """Part with everybody."""
        for end in list(self._ends):
            end.transport.abort()
        if self._joining:
            await asyncio.wait(self._joining)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = self._chance.randint(_FEWEST, _MOST)
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE):
                writer.write(piece)
                left -= len(piece) if self._is_cutting else 0
                if left <= 0:
                    self._cut(writer)
                    return

    def _cut(self, end: asyncio.StreamWriter) -> None:
        self.cuts += 1
        end.transport.abort()


@contextlib.asynccontextmanager
async def way_to(port: int, chance: random.Random) -> AsyncIterator[tuple[Way, int]]:
    """The way, and its own port on 127.0.0.1."""
    way = Way(port, chance)
    async with await asyncio.start_server(way.join, "127.0.0.1", 0) as listening:
        try:
            yield way, int(listening.sockets[0].getsockname()[1])
        finally:
            listening.close()
            await way.end()
