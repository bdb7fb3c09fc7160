"""What uvicorn's protocols lack: limits of the HTTP parser (how much may come before the headers end, how long a body
may take), a short way for small requests, and how a WebSocket is dropped whose peer reads nothing."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

MAX_HEAD = 65_536
BODY_DEADLINE_S = 10
TOO_SLOW = "too_slow"
"""Set in the scope's `state` when the deadline passed; whoever reads the body is woken, and answers."""


ABORT = "abort"
"""In the scope's `state`: a function that ends the connection at once, whatever is unsent."""

SEND_AT_ONCE = "send_at_once"
"""In the `state` of a WebSocket's scope: `DroppableWebSocketProtocol.send_at_once`."""


class Whole(NamedTuple):
    """An answer: `lines` are those of its headers, checked by whoever wrote them, but for the length of the body."""

    status: int
    lines: bytes
    body: bytes


class Wholes(Protocol):
    """Answers POSTs to `path` that came in one piece, without ASGI: its messages, and what is made for them, take as long
    as planning a small query."""

    path: bytes

    def takes(self, headers: Mapping[bytes, bytes], /) -> bool:
        """Whether such a request is answered in one piece, too."""

    async def answer(self, headers: Mapping[bytes, bytes], body: bytes, /) -> Whole:
        """Never raises but when it is cancelled."""


class WholeCycle:
    """One request on the short way; the attributes are those that uvicorn asks of a `RequestResponseCycle`."""

    __slots__ = ("disconnected", "keep_alive", "response_complete")
    message_event = asyncio.Event()
    """Nobody waits for it."""

    def __init__(self) -> None:
        self.response_complete = self.disconnected = False
        self.keep_alive = True


class BoundedHttpProtocol(HttpToolsProtocol):
    """httptools collects a request line and headers of any length; we answer 431 and hang up.

    The address of a GET holds its document and variables, so the limit is generous.
    """

    body_deadline_s: float = BODY_DEADLINE_S
    cycle: RequestResponseCycle | WholeCycle | None  # type: ignore[assignment]

    def __init__(self, *arguments: Any, wholes: Wholes | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head: int | None = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._wholes = wholes
        self._whole: tuple[Wholes, Mapping[bytes, bytes], list[bytes]] | None = None
        """A request whose body comes now and may go the short way: who answers it, its headers, and the body so far."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._abort = transport.abort

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head += len(data)
        super().data_received(data)
        # Checked after parsing: only then we know whether the bytes were head or body.
        if self._head is not None and self._head > MAX_HEAD and not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self.transport.close()

        if self._whole is not None:
            # The rest is still to come, so it goes the usual way.
            _, _, chunks = self._whole
            self._whole = None
            self._begin()
            for chunk in chunks:
                super().on_body(chunk)
        # Most requests are whole by now, and need no timer.
        if self._head is None and self._deadline is None:
            assert isinstance(self.cycle, RequestResponseCycle)
            self._deadline = self.loop.call_later(self.body_deadline_s, self._is_too_slow, self.cycle)

    def on_headers_complete(self) -> None:
        self._head = None
        wholes = self._wholes
        if wholes is not None and self.url == wholes.path and self._is_plain_post():
            headers = first_of_each(self.headers)
            if wholes.takes(headers):
                self._whole = wholes, headers, []
                return
        self._begin()

    def _begin(self) -> None:
        super().on_headers_complete()
        self.scope["state"][ABORT] = self._abort

    def _is_plain_post(self) -> bool:
        """A POST of a client who waits for nothing and stays, with nothing else to answer before."""
        parser = self.parser
        return (
            parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.expect_100_continue
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
        )

    def on_body(self, body: bytes) -> None:
        if self._whole is None:
            super().on_body(body)
        else:
            self._whole[2].append(body)

    def on_message_complete(self) -> None:
        self._head = 0
        self._forget_deadline()
        if self._whole is None:
            super().on_message_complete()
            return
        wholes, headers, chunks = self._whole
        self._whole = None
        self.cycle = WholeCycle()
        task = self.loop.create_task(self._answer(self.cycle, wholes, headers, b"".join(chunks)))
        # A stop waits for it.
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    async def _answer(
        self, cycle: WholeCycle, wholes: Wholes, headers: Mapping[bytes, bytes], body: bytes
    ) -> None:
        try:
            status, lines, raw = await wholes.answer(headers, body)
            if self.flow.write_paused and not cycle.disconnected:
                await self.flow.drain()
        except BaseException:
            # It was cancelled: a stop could wait no longer.
            cycle.response_complete = True
            self.transport.close()
            raise
        cycle.response_complete = True
        if cycle.disconnected:
            return
        usual = b"".join([b"%b: %b\r\n" % header for header in self.server_state.default_headers])
        last = b"" if cycle.keep_alive else b"connection: close\r\n"
        self.transport.write(
            b"%b%b%b%bcontent-length: %d\r\n\r\n%b" % (STATUS_LINE[status], usual, lines, last, len(raw), raw)
        )
        if last:
            self.transport.close()
        self.on_response_complete()

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        self._forget_parser()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)
        self._forget_parser()

    def _forget_parser(self) -> None:
        """It holds us, and so does an answer: nobody who is gone shall stay until cycles are collected."""
        self.parser = self.cycle = None  # type: ignore[assignment]

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_too_slow(self, cycle: RequestResponseCycle) -> None:
        cycle.scope.setdefault("state", {})[TOO_SLOW] = True
        cycle.message_event.set()


def first_of_each(headers: Sequence[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """Headers by their names in small letters; of several with one name the first, as Starlette reads them."""
    return dict(reversed(headers))


class DroppableWebSocketProtocol(WebSocketsSansIOProtocol):
    """ASGI can only close, which waits for a peer to read what is left. A peer that does not gets ten seconds."""

    async def run_asgi(self) -> None:
        state = self.scope["state"]
        state[ABORT] = self.transport.abort
        state[SEND_AT_ONCE] = self.send_at_once
        try:
            await super().run_asgi()
        finally:
            # It holds us, and we hold it: nobody who is gone shall stay until cycles are collected.
            state.clear()
        if not self.disconnected:
            self.loop.call_later(self.close_timeout, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # It waits for what comes next, and holds what it is a part of.
        self.conn.parser.close()

    async def send(self, message: Message) -> None:  # type: ignore[override]
        """Raises `ClientDisconnected`, an OSError, also where the parser has closed on its own: a message too large."""
        # Again and again: whoever was woken first may have filled the transport for the others.
        while not self.writable.is_set():
            await self.writable.wait()
        if self.close_sent:
            raise ClientDisconnected
        text = message.get("text")
        if text is None or not self.send_at_once([text.encode()]):
            await super().send(message)  # type: ignore[arg-type]

    def send_at_once(self, texts: Iterable[bytes]) -> bool:
        """Send text messages, all or none; False if the peer must be waited for, or has not come or is leaving."""
        if (
            not self.writable.is_set()
            or self.close_sent
            or not self.handshake_complete
            or self.conn.state is not State.OPEN
            or self.transport.is_closing()
        ):
            return False
        # Past the parser, whose own way costs a fifth of a delivery; together, because most of it is the system call.
        self.transport.write(b"".join([text_frame(text) for text in texts]))
        return True


def text_frame(content: bytes) -> bytes:
    """A whole text message of a server as one frame: not masked, not compressed (RFC 6455, section 5.2)."""
    size = len(content)
    if size < 126:
        return b"\x81%c%b" % (size, content)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), content)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), content)
