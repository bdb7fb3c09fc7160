"""The WebSocket door of GraphQL: the protocol graphql-transport-ws, as plain ASGI.

Whatever is due by the clock (pings, silence, revoked sessions, expired tokens) is seen to by one task for all sockets of
the process, which waits for none of them.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit
from uuid import UUID

from starlette.types import Receive, Scope, Send

from resolvers.operation import Services
from transport.connection import Connection, Limits, Terms, goodbye
from transport.http import headers_of
from transport.logs import log_request
from transport.operations import Log, Perform
from transport.protocol import ABORT, SEND_AT_ONCE
from transport.traffic import Traffic

SUBPROTOCOL = "graphql-transport-ws"
RESTART = 1012, "Service restart: connect again"
USUAL = Limits()
_AT_ONCE = 500
_log = logging.getLogger("skillsync.sockets")


class GraphQLSockets:
    """The ASGI application of WebSockets at `/graphql`, served by `DroppableWebSocketProtocol`."""

    def __init__(
        self,
        perform: Perform,
        services: Services,
        *,
        allowed_origins: Sequence[str] = (),
        public_url: str,
        limits: Limits = USUAL,
        log: Log = log_request,
        traffic: Traffic | None = None,
    ) -> None:
        """Pages of `allowed_origins` and of our own origin may connect, and whatever is no page."""
        self._terms = Terms(
            perform, services, limits, log, Traffic() if traffic is None else traffic, self._take_place
        )
        self._origins = {*allowed_origins, _origin_of(public_url)}
        self._sockets: set[Connection] = set()
        self._of_users: Counter[UUID] = Counter()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._watch: asyncio.Task[None] | None = None
        self._is_stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = await self._accepted(scope, receive, send)
        if socket is None:
            return
        self._sockets.add(socket)
        self._none_left.clear()
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look_at_all(), name="sockets")
        try:
            await socket.run()
        finally:
            self._forget(socket)

    @property
    def open(self) -> int:
        return len(self._sockets)

    @property
    def running(self) -> int:
        """How many operations run on all of them."""
        return sum(socket.running for socket in self._sockets)

    async def stop(self) -> None:
        """Tell every socket to connect again (1012), and drop those that are not gone after `stop_s` seconds."""
        self._is_stopping = True
        for socket in self._sockets:
            socket.close(*RESTART)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._terms.limits.stop_s):
                await self._none_left.wait()
        for socket in self._sockets:
            socket.abort()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    def _take_place(self, user_id: UUID) -> bool:
        """Whether the user may have one more socket; it is then counted until the socket ends."""
        if self._of_users[user_id] >= self._terms.limits.sockets:
            return False
        self._of_users[user_id] += 1
        return True

    async def _accepted(self, scope: Scope, receive: Receive, send: Send) -> Connection | None:
        headers = headers_of(scope)
        await receive()
        origin = headers.get(b"origin")
        if origin is not None and not self._may_connect(origin.decode("latin-1"), headers.get(b"host")):
            await send({"type": "websocket.close"})  # before it is accepted, this is an answer of HTTP: 403
            return None
        if SUBPROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            await send(goodbye(4406, "Subprotocol not acceptable"))
            return None
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        if self._is_stopping:
            await send(goodbye(*RESTART))
            return None
        device = headers.get(b"user-agent", b"").decode("latin-1")
        state = scope["state"]
        return Connection(self._terms, receive, send, state[SEND_AT_ONCE], state[ABORT], device=device)

    def _may_connect(self, origin: str, host: bytes | None) -> bool:
        # A page that we served, by whatever name it reached us. Nothing comes along by itself, as a cookie would.
        is_from_here = host is not None and origin.partition("://")[2] == host.decode("latin-1")
        return is_from_here or origin in self._origins

    def _forget(self, socket: Connection) -> None:
        self._sockets.discard(socket)
        if not self._sockets:
            self._none_left.set()
        user_id = socket.viewer.user_id
        if user_id is not None:
            self._of_users[user_id] -= 1
            if not self._of_users[user_id]:
                del self._of_users[user_id]

    async def _look_at_all(self) -> None:
        while self._sockets:
            await asyncio.sleep(self._terms.limits.look_s)
            now, at = time.monotonic(), self._terms.services.clock().timestamp()
            for number, socket in enumerate(list(self._sockets), 1):
                try:
                    socket.look(now=now, at=at)
                except Exception:  # a bug must not end the care for all others
                    _log.exception("a socket could not be looked at")
                    socket.abort()
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)


def _origin_of(url: str) -> str:
    """As browsers write it: in small letters, without the usual port."""
    parts = urlsplit(url.lower())
    usual = ":443" if parts.scheme == "https" else ":80"
    return f"{parts.scheme}://{parts.netloc.removesuffix(usual)}"
