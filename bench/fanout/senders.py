"""The smallest servers that can tell everybody something, one for each WebSocket implementation that could carry ours.

    python -m bench.fanout.senders NAME, with PORT, and CONTROL for the path of a socket of the control

Each byte on the control is a publish: a call in the server's loop that sends one event to every follower. Whoever connects
there is first told the process id that does it. Followers say what subscribers of the fan-out say, and get what they expect,
and nothing of GraphQL is behind it. What an event costs beyond sending is therefore next to nothing.
"""

import asyncio
import base64
import gc
import hashlib
import itertools
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
import uvloop
from starlette.types import Message, Receive, Scope, Send

from bench.reads.servers import OURS
from transport.protocol import SEND_AT_ONCE, text_frame
from transport.server import server_config

UVICORN, WSPROTO, GRANIAN, GATHERED, RAW = "uvicorn", "wsproto", "granian", "granian gather", "raw uvloop"
EVENT_BYTES = 313
"""As long as an event of ours in the fan-out."""
ANSWER = b'{"data":{"answer":"%s"}}' % (b"x" * (EVENT_BYTES - 24))
"""What HTTP requests are answered with."""
_PROTOCOL = "graphql-transport-ws"
_ACK = '{"type":"connection_ack"}'
_HOST = "127.0.0.1"


def events() -> Iterator[str]:
    """Each differs from all others, so that a subscriber can tell which one it has not got."""
    ends = (
        '{"id":"1","type":"next","payload":{"data":{"gigEvents":{"cursor":"',
        '","event":{"__typename":"GigPaused","gigStatus":"PAUSED","isPublic":true}}}}}',
    )
    digits = EVENT_BYTES - sum(map(len, ends))
    for number in itertools.count():
        yield f"{number:0{digits}}".join(ends)


class Sender(ABC):
    """Who follows, and how they are told."""

    def __init__(self) -> None:
        self._events = events()

    @abstractmethod
    async def tell(self, event: str) -> None:
        """Send it to everybody."""

    @asynccontextmanager
    async def controlled(self) -> AsyncIterator[None]:
        # As the product does when it is up.
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)

        async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"%d\n" % os.getpid())
            while publishes := await reader.read(1_000):
                for event in itertools.islice(self._events, len(publishes)):
                    await self.tell(event)
            writer.close()

        async with await asyncio.start_unix_server(control, os.environ["CONTROL"]):
            yield


class App(Sender):
    """ASGI; a follower is told by the `send` of its socket, one after the other, as Starlette's examples broadcast."""

    def __init__(self) -> None:
        super().__init__()
        self._followers: dict[Send, Scope] = {}

    async def tell(self, event: str) -> None:
        message = {"type": "websocket.send", "text": event}
        for send in list(self._followers):
            await send(message)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await self._live(receive, send)
            case "http":
                await _answer(receive, send)
            case "websocket":
                await self._be_followed(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self.controlled():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _be_followed(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": _PROTOCOL})
        try:
            while (message := await receive())["type"] == "websocket.receive":
                if json.loads(message["text"])["type"] == "subscribe":
                    self._followers[send] = scope
                else:
                    await send({"type": "websocket.send", "text": _ACK})
        finally:
            self._followers.pop(send, None)


class GatheringApp(App):
    """All sends under way at once: for servers whose `send` waits for another thread."""

    async def tell(self, event: str) -> None:
        message = {"type": "websocket.send", "text": event}
        await asyncio.gather(*[send(message) for send in self._followers])


class AtOnceApp(App):
    """A follower is told by our own protocol's `send_at_once`, past ASGI."""

    async def tell(self, event: str) -> None:
        content = [event.encode()]
        for scope in self._followers.values():
            # One that is behind misses it, which the audience would tell.
            scope["state"][SEND_AT_ONCE](content)


async def _answer(receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    start: Message = {"type": "http.response.start", "status": 200, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": ANSWER})


class RawSender(Sender):
    """No server at all: what the loop and the system call cost. It believes that all peers behave, and parses nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.followers: set[asyncio.Transport] = set()

    async def tell(self, event: str) -> None:
        frame = text_frame(event.encode())
        for transport in self.followers:
            transport.write(frame)

    async def serve(self, port: int) -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: RawSocket(self.followers), _HOST, port
        )
        async with self.controlled(), server:
            await server.serve_forever()


class RawSocket(asyncio.Protocol):
    """Takes what comes first for the handshake, what comes next for the greeting, and then for the subscription."""

    __slots__ = ("_followers", "_heard", "_transport")

    def __init__(self, followers: set[asyncio.Transport]) -> None:
        self._followers = followers
        self._heard = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += 1
        if self._heard == 1:
            self._transport.write(_switching(data))
        elif self._heard == 2:
            self._transport.write(text_frame(_ACK.encode()))
        else:
            self._followers.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._followers.discard(self._transport)


def _switching(request: bytes) -> bytes:
    """RFC 6455, section 4.2.2."""
    key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\nSec-WebSocket-Protocol: %b\r\n\r\n"
        % (base64.b64encode(digest), _PROTOCOL.encode())
    )


# Granian imports them by name in the process of its worker.
app = App()
gathering_app = GatheringApp()


def _uvicorn(app: App, websockets: str | None = None) -> None:
    """With the product's settings; with its protocols, too, where no other is named."""
    config = server_config(app)
    if websockets is not None:
        config.http, config.ws = "httptools", websockets
    config.port = int(os.environ["PORT"])
    uvicorn.Server(config).run()


def _granian(target: str) -> None:
    import granian
    from granian.constants import HTTPModes, Interfaces, Loops

    granian.Granian(
        f"bench.fanout.senders:{target}",
        address=_HOST,
        port=int(os.environ["PORT"]),
        interface=Interfaces.ASGI,
        workers=1,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        log_enabled=False,
    ).serve()


SENDERS: dict[str, Callable[[], Any]] = {
    UVICORN: lambda: _uvicorn(App(), "websockets-sansio"),
    OURS: lambda: _uvicorn(AtOnceApp()),
    WSPROTO: lambda: _uvicorn(App(), "wsproto"),
    GRANIAN: lambda: _granian("app"),
    GATHERED: lambda: _granian("gathering_app"),
    RAW: lambda: uvloop.run(RawSender().serve(int(os.environ["PORT"]))),
}

if __name__ == "__main__":
    SENDERS[sys.argv[1]]()
