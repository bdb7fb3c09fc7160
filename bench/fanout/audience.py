"""The subscribers: real WebSocket clients that speak graphql-transport-ws, thousands in one event loop.

Promise: whatever a subscriber missed, got twice or got in another order than the others is noticed, and raises `Broken`.
The same operation id is used on every socket, so an event is the same bytes for everybody: the first to hear it gives
it its number, and for all others one look-up tells which one it is.
"""

import asyncio
import base64
import gc
import json
import os
import resource
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Protocol

from bench.fanout.servers import Server
from bench.reads.machine import DRIVER_CORE, SERVER_CORE

AT_ONCE = 50
SPARE_FILES = 200
STALLED_S = 30
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class Broken(Exception):
    """A server did not deliver each event once, in order, to everybody; or refused something."""


def become_driver(sockets: int) -> None:
    """Make this process, on its own core, fit to hold so many; the servers that it starts may hold them, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < sockets + SPARE_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (sockets + SPARE_FILES, hard))
    if {SERVER_CORE, DRIVER_CORE} <= os.sched_getaffinity(0):
        os.sched_setaffinity(0, {DRIVER_CORE})
    else:
        print("fewer than two cores: the figures say little", flush=True)
    # Latencies are many, and no cycles: a collection would only look like a late delivery.
    gc.freeze()
    gc.disable()


class Audience:
    """Everybody who follows one gig on one server."""

    def __init__(self, server: Server, size: int) -> None:
        self.server = server
        self.size = size
        self.acknowledged = 0
        self.payload = b""
        """The first event as a subscriber got it."""
        self.completed = 0
        """How many events have reached everybody."""
        self.latencies_s: list[float] | None = None
        """From the publish to each subscriber, in seconds; kept only where somebody put a list."""
        self._numbers: dict[bytes, int] = {}
        self._sent_at: list[float] = []
        self._left: list[int] = []
        """Of each event, how many subscribers still wait for it."""
        self._changed = asyncio.Event()
        self._problem: str | None = None
        self._is_leaving = False

    # -- publishing ----------------------------------------------------------------------------------------------------

    @property
    def on_the_way(self) -> int:
        """Events that were published and have not reached everybody."""
        return len(self._left) - self.completed

    async def publish(self, publisher: "Publishes") -> None:
        """Raises `Broken`."""
        self._left.append(self.size)
        self._sent_at.append(time.perf_counter())
        await publisher.publish()

    async def at_most_on_the_way(self, events: int) -> None:
        """Raises `Broken`."""
        await self._until(lambda: self.on_the_way <= events, "an event reached everybody")

    async def everybody_acknowledged(self) -> None:
        """Raises `Broken`."""
        # Thousands who are told apart take their time on a busy machine.
        patience_s = STALLED_S + self.size / 20
        await self._until(lambda: self.acknowledged == self.size, "everybody was acknowledged", patience_s)

    async def _until(self, is_so: Callable[[], bool], what: str, patience_s: float = STALLED_S) -> None:
        try:
            async with asyncio.timeout(patience_s):
                while not is_so() and self._problem is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            missing = self._left[self.completed] if self.on_the_way else self.size - self.acknowledged
            raise Broken(f"{patience_s:.0f} s went by until {what}: {missing} subscribers wait") from None
        self.require_whole()

    def require_whole(self) -> None:
        """Raises `Broken`."""
        if self._problem is not None:
            raise Broken(self._problem)

    # -- what subscribers tell -----------------------------------------------------------------------------------------

    def heard(self, subscriber: "Subscriber", message: bytes) -> None:
        number = self._numbers.get(message)
        if number is None:
            if not subscriber.is_event(message):
                return
            number = self._numbered(message)
        if number != subscriber.place:
            self.breaks(f"a subscriber got event {number} when {subscriber.place} was next")
            return
        subscriber.place += 1
        if self.latencies_s is not None:
            self.latencies_s.append(time.perf_counter() - self._sent_at[number])
        self._left[number] -= 1
        if not self._left[number]:
            self.completed += 1
            self._changed.set()

    def _numbered(self, message: bytes) -> int:
        number = self._numbers[message] = len(self._numbers)
        self.payload = self.payload or message
        if number >= len(self._left):
            self.breaks("an event came that nobody published")
            self._left.append(self.size)
            self._sent_at.append(time.perf_counter())
        return number

    def greeting(self) -> dict[str, object]:
        """What the next subscriber says first."""
        return {"type": "connection_init"}

    def acknowledge(self) -> None:
        self.acknowledged += 1
        self._changed.set()

    def breaks(self, problem: str) -> None:
        """The first problem counts; others follow from it. None counts any more when everybody leaves."""
        if not self._is_leaving:
            self._problem = self._problem or problem
            self._changed.set()

    def leave(self) -> None:
        self._is_leaving = True


class Subscriber(asyncio.Protocol):
    """One socket with one subscription."""

    __slots__ = ("_audience", "_is_open", "_rest", "_transport", "place")

    def __init__(self, audience: Audience) -> None:
        self.place = 0
        """The number of the event that comes next."""
        self._audience = audience
        self._is_open = False
        self._rest = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{self._audience.server.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._audience.breaks("the server closed a socket")

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        if not self._is_open:
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = data
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._audience.breaks(f"no WebSocket: {head[:200]!r}")
                return
            self._is_open = True
            data = rest
            self._say(self._audience.greeting())
        self._rest = self._frames(data)

    def _frames(self, data: bytes) -> bytes:
        """Hear every whole frame; what is left over is returned. Servers send neither masks nor, here, more than 64 KB."""
        at, end = 0, len(data)
        while end - at >= 2:
            begin, length = at + 2, data[at + 1]
            if length == 126:
                begin, length = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
            if begin + length > end:
                break
            kind, at = data[at] & 15, begin + length
            if kind == _TEXT:
                self._audience.heard(self, data[begin:at])
            elif kind == _PING:
                self._transport.write(_frame(data[begin:at], _PONG))
            elif kind == _CLOSE:
                self._audience.breaks(f"the server closed a socket: {data[begin:at]!r}")
        return data[at:]

    def is_event(self, message: bytes) -> bool:
        """Whether it is one; if not, it is answered."""
        match json.loads(message):
            case {"type": "next", "payload": {"data": {**data}}}:
                return all(item["event"]["__typename"] != "StreamReady" for item in data.values())
            case {"type": "connection_ack"}:
                self._say({"id": "1", "type": "subscribe", "payload": self._audience.server.subscription})
                self._audience.acknowledge()
            case {"type": "ping"}:
                self._say({"type": "pong"})
            case _:
                self._audience.breaks(message.decode()[:300])
        return False

    def _say(self, message: dict[str, object]) -> None:
        self._transport.write(_frame(json.dumps(message).encode(), _TEXT))

    def leave(self) -> None:
        self._transport.abort()


def _frame(payload: bytes, kind: int) -> bytes:
    """As a client must send it: with a mask, here of zeros."""
    size = len(payload)
    length = bytes([128 | size]) if size < 126 else bytes([128 | 126]) + size.to_bytes(2, "big")
    return bytes([128 | kind]) + length + bytes(4) + payload


@asynccontextmanager
async def audience_of(server: Server, size: int) -> AsyncIterator[Audience]:
    """Everybody connected and subscribing; all leave in the end. Raises `Broken`."""
    audience = Audience(server, size)
    async with gathered(audience):
        yield audience


@asynccontextmanager
async def gathered(audience: Audience) -> AsyncIterator[None]:
    """All of an audience; as `audience_of`."""
    loop = asyncio.get_running_loop()
    server, size = audience.server, audience.size
    subscribers: list[Subscriber] = []
    try:
        for first in range(0, size, AT_ONCE):
            opening = [
                loop.create_connection(lambda: Subscriber(audience), "127.0.0.1", server.port)
                for _ in range(first, min(first + AT_ONCE, size))
            ]
            subscribers += [subscriber for _, subscriber in await asyncio.gather(*opening)]
        await audience.everybody_acknowledged()
        yield
    finally:
        audience.leave()
        for subscriber in subscribers:
            subscriber.leave()


class Publishes(Protocol):
    """Who makes events on a server."""

    async def publish(self) -> None:
        """Make one. Raises `Broken`."""


class Publisher:
    """One kept HTTP connection that asks for one event after the other."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._acts: Iterator[tuple[bytes, bytes]] = cycle(server.acts)

    async def publish(self) -> None:
        """Ask, and wait for the answer. Raises `Broken`."""
        request, must = next(self._acts)
        answer = await self.ask(request)
        if must not in answer:
            raise Broken(f"a publish was answered with {answer.decode()[:300]}")

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer. Raises `Broken`."""
        self._writer.write(request)
        try:
            async with asyncio.timeout(STALLED_S):
                head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
                return await self._reader.readexactly(length)
        except (TimeoutError, EOFError, OSError, ValueError) as error:
            raise Broken(f"a publish was not answered: {error!r}") from error


@asynccontextmanager
async def publisher_of(server: Server) -> AsyncIterator[Publisher]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Publisher(server, reader, writer)
    finally:
        writer.close()
