"""The WebSocket door of GraphQL: the protocol graphql-transport-ws, as plain ASGI.

A socket has one task that listens, and one for each operation that runs. Whatever is due by the clock (pings, silence,
revoked sessions, expired tokens) is seen to by one task for all sockets of the process, which waits for none of them.

An operation asks for its next frame only when the last one is sent, and sending waits for the transport. So a peer that
reads slowly holds at most one frame of each of its operations, and nobody else has to wait for it.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from starlette.types import Message, Receive, Scope, Send

from auth.http import SESSION_ENDED, expiry_of, viewer_of
from auth.viewer import ANONYMOUS, SignInRequired, Viewer
from models.store.sql import counting_statements
from resolvers.operation import Operation, Services
from schema.execution import Response, fault
from transport import messages
from transport.http import headers_of
from transport.logs import log_request
from transport.messages import Complete, ConnectionInit, InvalidMessage, Ping, Pong, Subscribe
from transport.operations import Log, Perform, logged_name, new_request_id
from transport.protocol import ABORT

SUBPROTOCOL = "graphql-transport-ws"
TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105
MAX_REASON_BYTES = 123
RESTART = 1012, "Service restart: connect again"
_AT_ONCE = 500
_log = logging.getLogger("skillsync.sockets")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a socket may do, and how long things may take."""

    operations: int = 100
    """Running at once, on one socket."""
    sockets: int = 10
    """Open at once, of one user."""
    init_s: float = 10
    """Until `connection_init` came."""
    ping_s: float = 15
    """Between two pings of ours."""
    silence_s: float = 45
    """Without any message, before the peer counts as dead."""
    send_s: float = 30
    """For one message to be taken by the peer's end of the line."""
    expired_s: float = 30
    """Between the ping that says the access token has expired, and the end."""
    revoked_s: float = 1
    """For subscriptions to say themselves that their session was ended."""
    look_s: float = 0.5
    """Between two looks at all sockets; other times are kept this exactly."""
    stop_s: float = 5
    """For all sockets to end when the server stops."""


USUAL = Limits()


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
    ) -> None:
        """Pages of `allowed_origins` and of our own origin may connect, and whatever is no page."""
        self.perform = perform
        self.services = services
        self.limits = limits
        self.log = log
        self._origins = {*allowed_origins, _origin_of(public_url)}
        self._sockets: set[_Socket] = set()
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
            self._watch = asyncio.create_task(self._look_at_all())
        try:
            await socket.run()
        finally:
            self._forget(socket)

    async def stop(self) -> None:
        """Tell every socket to connect again (1012), and drop those that are not gone after `stop_s` seconds."""
        self._is_stopping = True
        for socket in self._sockets:
            socket.close(*RESTART)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.limits.stop_s):
                await self._none_left.wait()
        for socket in self._sockets:
            socket.abort()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    def take_place(self, user_id: UUID) -> bool:
        """Whether the user may have one more socket; it is then counted until the socket ends."""
        if self._of_users[user_id] >= self.limits.sockets:
            return False
        self._of_users[user_id] += 1
        return True

    async def _accepted(self, scope: Scope, receive: Receive, send: Send) -> "_Socket | None":
        headers = headers_of(scope)
        await receive()
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins:
            await send({"type": "websocket.close"})  # before it is accepted, this is an answer of HTTP: 403
            return None
        if SUBPROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            await send(_goodbye(4406, "Subprotocol not acceptable"))
            return None
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        if self._is_stopping:
            await send(_goodbye(*RESTART))
            return None
        return _Socket(self, receive, send, scope["state"][ABORT], device=headers.get("user-agent", ""))

    def _forget(self, socket: "_Socket") -> None:
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
            await asyncio.sleep(self.limits.look_s)
            now, at = time.monotonic(), self.services.clock().timestamp()
            for number, socket in enumerate(list(self._sockets), 1):
                try:
                    socket.look(now=now, at=at)
                except Exception:  # a bug must not end the care for all others
                    _log.exception("a socket could not be looked at")
                    socket.abort()
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)


class _Closing(Exception):
    """The client did what ends its socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class _Gone(Exception):
    """Nobody listens any more: to this operation, or on the whole socket."""


class _Socket:
    __slots__ = (
        "_abort",
        "_blocked_at",
        "_device",
        "_door",
        "_expires_at",
        "_heard_at",
        "_is_acknowledged",
        "_is_closing",
        "_is_warned",
        "_opened_at",
        "_pinged_at",
        "_receive",
        "_revoked_at",
        "_running",
        "_sending",
        "_tasks",
        "_to_peer",
        "viewer",
    )

    def __init__(
        self, door: GraphQLSockets, receive: Receive, send: Send, abort: Callable[[], None], *, device: str
    ) -> None:
        self._door = door
        self._receive = receive
        self._to_peer = send
        self._abort = abort
        self._device = device
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks = asyncio.TaskGroup()
        self._is_acknowledged = False
        self._is_closing = False
        self.viewer = ANONYMOUS
        self._expires_at: float | None = None
        self._is_warned = False
        self._revoked_at: float | None = None
        self._opened_at = self._heard_at = self._pinged_at = time.monotonic()
        self._sending = 0
        self._blocked_at = 0.0

    async def run(self) -> None:
        """Listen until the peer is gone; then everything that runs for it is cancelled."""
        try:
            async with self._tasks:
                await self._listen()
        except* _Gone:
            pass

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, without waiting for it: the peer may be slow. What runs is cancelled."""
        if self._is_closing:
            return
        self._is_closing = True
        for task in self._running.values():
            task.cancel()
        self._running.clear()
        self._tasks.create_task(self._say_goodbye(code, reason))

    def abort(self) -> None:
        """End the connection at once; `run` learns of it as of any other end."""
        self._is_closing = True
        self._abort()

    def look(self, *, now: float, at: float) -> None:
        """Do what is due, without waiting. `now` is in seconds of the monotonic clock, `at` a time stamp of the calendar."""
        limits = self._door.limits
        if self._sending and now - self._blocked_at >= limits.send_s:
            self.abort()
        if self._is_closing:
            return
        if now - self._heard_at >= limits.silence_s:
            self.abort()
        elif not self._is_acknowledged and now - self._opened_at >= limits.init_s:
            self.close(4408, "Connection initialisation timeout")
        elif self.viewer.session_id in self._door.services.revoked:
            self._end_with_session(now)
        elif self._expires_at is not None and at >= self._expires_at:
            self._end_with_token(at - self._expires_at)
        elif now - self._pinged_at >= limits.ping_s and not self._sending:
            # What waits to be sent asks for a sign of life as well as a ping.
            self._pinged_at = now
            self._tasks.create_task(self._ping(messages.ping()))

    def _end_with_session(self, now: float) -> None:
        if self._revoked_at is None:
            self._revoked_at = now
        if not self._running or now - self._revoked_at >= self._door.limits.revoked_s:
            self.close(4403, SESSION_ENDED)

    def _end_with_token(self, since_s: float) -> None:
        if since_s >= self._door.limits.expired_s:
            self.close(4403, "The access token has expired. Connect again with a fresh one.")
        elif not self._is_warned:
            self._is_warned = True
            self._tasks.create_task(self._ping(messages.ping({"reason": TOKEN_EXPIRED})))

    # -- what the client says ----------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        try:
            while True:
                event = await self._receive()
                if event["type"] == "websocket.disconnect":
                    raise _Gone
                self._heard_at = time.monotonic()
                if not self._is_closing:
                    await self._hear(event)
        finally:
            self._is_closing = True

    async def _hear(self, event: Message) -> None:
        try:
            match messages.read_message(event):
                case ConnectionInit(payload):
                    await self._begin(payload)
                case Subscribe() as message:
                    await self._subscribe(message)
                case Complete(id):
                    # One that has just ended is not known any more, and needs no answer.
                    if id in self._running:
                        self._running.pop(id).cancel()
                case Ping(payload):
                    await self._answer_ping(payload)
                case Pong():
                    pass
        except InvalidMessage as error:
            self.close(4400, str(error))
        except _Closing as closing:
            self.close(closing.code, closing.reason)

    async def _begin(self, payload: dict[str, Any]) -> None:
        if self._is_acknowledged:
            raise _Closing(4429, "Too many initialisation requests")
        viewer, expires_at = self._signed_in(_authorization(payload))
        if viewer.user_id is not None and not self._door.take_place(viewer.user_id):
            raise _Closing(4403, f"Too many sockets: at most {self._door.limits.sockets} a user")
        self.viewer, self._expires_at = viewer, expires_at
        self._is_acknowledged = True
        await self._send(messages.ACKNOWLEDGED)

    async def _answer_ping(self, payload: dict[str, Any]) -> None:
        """A client may bring a fresh token for its user, and so stay when the old one expires."""
        authorization = _authorization(payload)
        if authorization is None:
            await self._send(messages.pong(payload))
            return
        if self._is_acknowledged:
            viewer, expires_at = self._signed_in(authorization)
            if viewer.user_id != self.viewer.user_id:
                raise _Closing(4403, "The token is of another user. Open another socket for them.")
            self.viewer, self._expires_at = viewer, expires_at
            self._is_warned, self._revoked_at = False, None
        await self._send(messages.pong())  # nobody needs to be sent a token

    def _signed_in(self, authorization: str | None) -> tuple[Viewer, float | None]:
        """The bearer of the token and when it expires."""
        services = self._door.services
        now = services.clock()
        try:
            viewer = viewer_of(authorization, services.tokens, services.revoked, now=now)
            expiry = expiry_of(authorization, services.tokens, now=now)
        except SignInRequired as error:
            raise _Closing(4403, error.message) from error
        return viewer, None if expiry is None else expiry.timestamp()

    async def _subscribe(self, message: Subscribe) -> None:
        if not self._is_acknowledged:
            raise _Closing(4401, "Unauthorized")
        if message.id in self._running:
            raise _Closing(4409, f"Subscriber for {message.id} already exists")
        if self.viewer.session_id in self._door.services.revoked:
            await self._refuse(message, "UNAUTHENTICATED", SESSION_ENDED)
        elif len(self._running) >= self._door.limits.operations:
            most = f"At most {self._door.limits.operations} operations run at once on one socket."
            await self._refuse(
                message, "TOO_MANY_OPERATIONS", f"{most} Complete one, or open another socket."
            )
        else:
            self._running[message.id] = self._tasks.create_task(self._operate(message))

    async def _refuse(self, message: Subscribe, code: str, text: str) -> None:
        op = self._operation()
        with self._logged(message, op):
            extensions = {"code": code, "requestId": op.request_id}
            await self._send(messages.error(message.id, [{"message": text, "extensions": extensions}]))

    # -- what runs for it --------------------------------------------------------------------------------------------

    def _operation(self) -> Operation:
        return Operation(self._door.services, self.viewer, new_request_id(), device=self._device)

    async def _operate(self, message: Subscribe) -> None:
        op = self._operation()
        with self._logged(message, op), contextlib.suppress(_Gone):
            try:
                last = await self._perform(message, op)
            except _Gone:
                raise
            except Exception as error:
                last = messages.error(message.id, [fault(error, op.request_id)])
            await self._send_for(message.id, last, is_last=True)

    async def _perform(self, message: Subscribe, op: Operation) -> str:
        """Send what the operation answers; the message that ends it is returned."""
        outcome = await self._door.perform(message.request, op)
        if isinstance(outcome, Response):
            if not outcome.executed:
                return messages.error(message.id, outcome.body["errors"])
            await self._send_for(message.id, messages.next_(message.id, outcome.raw))
        else:
            async with aclosing(outcome) as frames:
                async for frame in frames:
                    await self._send_for(message.id, messages.next_(message.id, frame.raw))
        return messages.complete(message.id)

    @contextlib.contextmanager
    def _logged(self, message: Subscribe, op: Operation) -> Iterator[None]:
        began = time.perf_counter()
        with counting_statements() as statements:
            try:
                yield
            finally:
                self._door.log({
                    "request_id": op.request_id,
                    "viewer": op.viewer.kind,
                    "operation": logged_name(message.request),
                    "transport": "ws",
                    "ms": round((time.perf_counter() - began) * 1000, 2),
                    "statements": sum(statements.values()),
                })  # fmt: skip

    # -- sending -----------------------------------------------------------------------------------------------------

    async def _send_for(self, id: str, text: str, *, is_last: bool = False) -> None:
        """Raises `_Gone` if the client has completed the operation.

        Its task was cancelled then, but a cancellation can be lost: `asyncio.wait_for` does so in Python 3.11.
        """
        if self._running.get(id) is not asyncio.current_task():
            raise _Gone
        if is_last:
            # Before the message is out, for the client may use the id again as soon as it has it.
            del self._running[id]
        await self._send(text)

    async def _send(self, text: str) -> None:
        """Raises `_Gone`."""
        if self._is_closing:
            raise _Gone
        await self._give({"type": "websocket.send", "text": text})

    async def _ping(self, text: str) -> None:
        with contextlib.suppress(_Gone):
            await self._send(text)

    async def _say_goodbye(self, code: int, reason: str) -> None:
        with contextlib.suppress(_Gone):
            await self._give(_goodbye(code, reason))

    async def _give(self, event: Message) -> None:
        """Wait for the transport. Each that need not wait any longer proves that the peer reads."""
        if not self._sending:
            self._blocked_at = time.monotonic()
        self._sending += 1
        try:
            await self._to_peer(event)
        except OSError as error:
            raise _Gone from error
        finally:
            self._sending -= 1
            self._blocked_at = time.monotonic()


def _authorization(payload: dict[str, Any]) -> str | None:
    given = payload.get("authorization") or payload.get("Authorization")
    if given is None or isinstance(given, str):
        return given or None
    raise InvalidMessage("`authorization` must be a text: Bearer <access token>.")


def _origin_of(url: str) -> str:
    """As browsers write it: in small letters, without the usual port."""
    parts = urlsplit(url.lower())
    usual = ":443" if parts.scheme == "https" else ":80"
    return f"{parts.scheme}://{parts.netloc.removesuffix(usual)}"


def _goodbye(code: int, reason: str) -> Message:
    """The reason is cut to what a closing frame can hold."""
    cut = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
    return {"type": "websocket.close", "code": code, "reason": cut}
