"""One socket that speaks graphql-transport-ws: a task that listens, and one for each operation that runs.

An operation asks for its next frame only when the last one is sent, and sending waits for the transport. So a peer that
reads slowly holds at most one frame of each of its operations, and nobody else has to wait for it. To a peer that reads,
frames go without waking the operation's task.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from starlette.types import Message, Receive, Send

from auth.http import expiry_of, viewer_of
from auth.viewer import ANONYMOUS, SignInRequired, Viewer
from models.store.sql import counting_statements
from resolvers.operation import Operation, Services
from schema.execution import Frame, Response, fault
from schema.streaming import SendAtOnce
from transport import messages
from transport.messages import Complete, ConnectionInit, InvalidMessage, Ping, Pong, Subscribe
from transport.operations import Log, Perform, logged_name, new_request_id, seen
from transport.traffic import Traffic

TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105
MAX_REASON_BYTES = 123


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
    """For subscriptions to say themselves that their session was ended, or what else was taken from them."""
    look_s: float = 0.5
    """Between two looks at all sockets; other times are kept this exactly."""
    stop_s: float = 5
    """For all sockets to end when the server stops."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What all sockets share."""

    perform: Perform
    services: Services
    limits: Limits
    log: Log
    traffic: Traffic
    take_place: Callable[[UUID], bool]
    """Whether the user may have one more socket; it is then counted until the socket ends."""


_Running = asyncio.Task[None] | None


@dataclass(slots=True)
class _Ran:
    """What became of an operation; it never ran until somebody says so."""

    kind: str | None = None
    status: int = 400


class _Closing(Exception):
    """The client did what ends its socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class _Gone(Exception):
    """Nobody listens any more: to this operation, or on the whole socket."""


class Connection:
    """One socket: what its client says, and what runs for it."""

    __slots__ = (
        "_abort",
        "_alive",
        "_blocked_at",
        "_device",
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
        "_terms",
        "_to_peer",
        "_to_peer_at_once",
        "viewer",
    )

    def __init__(
        self,
        terms: Terms,
        receive: Receive,
        send: Send,
        send_at_once: Callable[[Iterable[bytes]], bool],
        abort: Callable[[], None],
        *,
        device: str,
    ) -> None:
        self._terms = terms
        self._receive = receive
        self._to_peer = send
        self._to_peer_at_once = send_at_once
        self._abort = abort
        self._device = device
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks = asyncio.TaskGroup()
        self._alive: set[asyncio.Task[None]] = set()
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
        async with self._tasks:
            # No error goes through the group: it would keep all that ends here, in a ring, until cycles are collected.
            with contextlib.suppress(_Gone):
                await self._listen()
            for task in self._alive:
                task.cancel()

    @property
    def running(self) -> int:
        """How many operations run."""
        return len(self._running)

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, without waiting for it: the peer may be slow. What runs is cancelled."""
        if self._is_closing:
            return
        self._is_closing = True
        for task in self._running.values():
            task.cancel()
        self._running.clear()
        self._start(self._say_goodbye(code, reason))

    def abort(self) -> None:
        """End the connection at once; `run` learns of it as of any other end."""
        self._is_closing = True
        self._abort()

    def look(self, *, now: float, at: float) -> None:
        """Do what is due, without waiting. `now` is in seconds of the monotonic clock, `at` a time stamp of the calendar."""
        limits = self._terms.limits
        if self._sending and now - self._blocked_at >= limits.send_s:
            self.abort()
        if self._is_closing:
            return
        if now - self._heard_at >= limits.silence_s:
            self.abort()
        elif not self._is_acknowledged and now - self._opened_at >= limits.init_s:
            self.close(4408, "Connection initialisation timeout")
        elif (refusal := self._lost()) is not None:
            self._end_with(refusal, now)
        elif self._expires_at is not None and at >= self._expires_at:
            self._end_with_token(at - self._expires_at)
        elif now - self._pinged_at >= limits.ping_s and not self._sending:
            # What waits to be sent asks for a sign of life as well as a ping.
            self._pinged_at = now
            self._start(self._ping(messages.ping()))

    def _lost(self) -> SignInRequired | None:
        """Why the viewer's token is not good any more; None while it is."""
        services = self._terms.services
        loss = services.revoked.loss_of(self.viewer, now=services.clock())
        return None if loss is None else loss.refusal

    def _end_with(self, refusal: SignInRequired, now: float) -> None:
        if self._revoked_at is None:
            self._revoked_at = now
        if not self._running or now - self._revoked_at >= self._terms.limits.revoked_s:
            self.close(4403, _reason(refusal))

    def _end_with_token(self, since_s: float) -> None:
        if since_s >= self._terms.limits.expired_s:
            self.close(4403, "The access token has expired. Connect again with a fresh one.")
        elif not self._is_warned:
            self._is_warned = True
            self._start(self._ping(messages.ping({"reason": TOKEN_EXPIRED})))

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
        if viewer.user_id is not None and not self._terms.take_place(viewer.user_id):
            raise _Closing(4403, f"Too many sockets: at most {self._terms.limits.sockets} a user")
        self._renew(viewer, expires_at)
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
            self._renew(viewer, expires_at)
        await self._send(messages.pong())  # nobody needs to be sent a token

    def _renew(self, viewer: Viewer, expires_at: datetime | None) -> None:
        self.viewer = viewer
        self._expires_at = None if expires_at is None else expires_at.timestamp()
        self._is_warned, self._revoked_at = False, None

    def _signed_in(self, authorization: str | None) -> tuple[Viewer, datetime | None]:
        """The bearer of the token and when it expires."""
        services = self._terms.services
        now = services.clock()
        try:
            viewer = viewer_of(authorization, services.tokens, services.revoked, now=now)
            expiry = expiry_of(authorization, services.tokens, now=now)
        except SignInRequired as error:
            raise _Closing(4403, _reason(error)) from error
        return viewer, expiry

    async def _subscribe(self, message: Subscribe) -> None:
        if not self._is_acknowledged:
            raise _Closing(4401, "Unauthorized")
        if message.id in self._running:
            raise _Closing(4409, f"Subscriber for {message.id} already exists")
        if (refusal := self._lost()) is not None:
            await self._refuse(message, refusal.message, refusal.facts)
        elif len(self._running) >= self._terms.limits.operations:
            most = f"At most {self._terms.limits.operations} operations run at once on one socket."
            text = f"{most} Complete one, or open another socket."
            await self._refuse(message, text, {"code": "TOO_MANY_OPERATIONS"})
        else:
            self._running[message.id] = self._start(self._operate(message))

    async def _refuse(self, message: Subscribe, text: str, facts: dict[str, str]) -> None:
        op = self._operation()
        with self._logged(message, op):
            extensions = {**facts, "requestId": op.request_id}
            await self._send(messages.error(message.id, [{"message": text, "extensions": extensions}]))

    # -- what runs for it --------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._tasks.create_task(work)
        self._alive.add(task)
        task.add_done_callback(self._alive.discard)
        return task

    def _operation(self) -> Operation:
        return Operation(
            self._terms.services,
            self.viewer,
            new_request_id(),
            device=self._device,
            renew_socket=self._renew,
        )

    async def _operate(self, message: Subscribe) -> None:
        op = self._operation()
        # Asked for once: each time costs a system call.
        task = asyncio.current_task()
        # A task keeps the cancellation that ended it, which keeps the frames it came through, and these know the task: a ring.
        with self._logged(message, op) as ran, contextlib.suppress(_Gone, asyncio.CancelledError):
            try:
                await self._send_for(message.id, task, await self._last_message(message, op, task, ran))
            finally:
                # Nothing is waited for since the last message went out: the client may use the id again.
                if self._running.get(message.id) is task:
                    del self._running[message.id]

    async def _last_message(self, message: Subscribe, op: Operation, task: _Running, ran: _Ran) -> str:
        """Send what the operation answers; what is to be said after that is returned."""
        try:
            return await self._perform(message, op, task, ran)
        except _Gone:
            raise
        except asyncio.CancelledError as error:
            if self._is_closing or self._running.get(message.id) is not task:
                raise
            # Nobody cancelled it: something inside was cancelled and told it on.
            ran.status = 500
            return messages.error(message.id, [fault(error, op.request_id)])
        except Exception as error:
            ran.status = 500
            return messages.error(message.id, [fault(error, op.request_id)])

    async def _perform(self, message: Subscribe, op: Operation, task: _Running, ran: _Ran) -> str:
        outcome = await self._terms.perform(message.request, op, self._sender_at_once(message.id, task))
        ran.kind, ran.status = seen(outcome)
        if isinstance(outcome, Response):
            if not outcome.executed:
                return messages.error(message.id, outcome.body["errors"])
            await self._send_for(message.id, task, messages.next_(message.id, outcome.raw))
            self._terms.traffic.frames += 1
        else:
            async with aclosing(outcome) as frames:
                async for frame in frames:
                    await self._send_for(message.id, task, messages.next_(message.id, frame.raw))
                    self._terms.traffic.frames += 1
        return messages.complete(message.id)

    @contextlib.contextmanager
    def _logged(self, message: Subscribe, op: Operation) -> Iterator[_Ran]:
        began = time.perf_counter()
        ran = _Ran()
        with counting_statements() as statements:
            try:
                yield ran
            finally:
                seconds = time.perf_counter() - began
                self._terms.traffic.add("ws", ran.kind, ran.status, seconds)
                self._terms.log({
                    "request_id": op.request_id,
                    "viewer": op.viewer.kind,
                    "operation": logged_name(message.request),
                    "transport": "ws",
                    "ms": round(seconds * 1000, 2),
                    "statements": sum(statements.values()),
                })  # fmt: skip

    # -- sending -----------------------------------------------------------------------------------------------------

    async def _send_for(self, id: str, task: _Running, text: str) -> None:
        """Raises `_Gone` if the id does not mean the operation of this task any more: the client has completed it.

        The task was cancelled then, but a cancellation can be lost: `asyncio.wait_for` does so in Python 3.11.
        """
        if self._running.get(id) is not task:
            raise _Gone
        await self._send(text)

    def _sender_at_once(self, id: str, task: _Running) -> SendAtOnce:
        begin = messages.begin_next(id)

        def send_at_once(frames: Sequence[Frame]) -> bool:
            # What is being sent already comes first, and the operation may have ended.
            if self._sending or self._is_closing or self._running.get(id) is not task:
                return False
            if not self._to_peer_at_once([begin + frame.raw + messages.END_NEXT for frame in frames]):
                return False
            self._terms.traffic.frames += len(frames)
            return True

        return send_at_once

    async def _send(self, text: str) -> None:
        """Raises `_Gone`."""
        await self._give({"type": "websocket.send", "text": text})

    async def _ping(self, text: str) -> None:
        with contextlib.suppress(_Gone):
            await self._send(text)

    async def _say_goodbye(self, code: int, reason: str) -> None:
        with contextlib.suppress(_Gone):
            await self._give(goodbye(code, reason))

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


def _reason(refusal: SignInRequired) -> str:
    """A closing frame has a text only: what is for programs stands in front of what is for people."""
    return refusal.message if refusal.why == "UNAUTHENTICATED" else f"{refusal.why}: {refusal.message}"


def goodbye(code: int, reason: str) -> Message:
    """The reason is cut to what a closing frame can hold."""
    cut = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
    return {"type": "websocket.close", "code": code, "reason": cut}
