"""What uvicorn's protocols lack: limits of the HTTP parser (how much may come before the headers end, how long a body
may take), and how a WebSocket is dropped whose peer reads nothing."""

import asyncio
from collections.abc import Iterable
from typing import Any

from starlette.types import Message, Send
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


class BoundedHttpProtocol(HttpToolsProtocol):
    """httptools collects a request line and headers of any length; we answer 431 and hang up.

    The address of a GET holds its document and variables, so the limit is generous.
    """

    body_deadline_s: float = BODY_DEADLINE_S

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head: int | None = 0
        self._deadline: asyncio.TimerHandle | None = None

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

        # Most requests are whole by now, and need no timer.
        if self._head is None and self._deadline is None:
            self._deadline = self.loop.call_later(self.body_deadline_s, self._is_too_slow, self.cycle)

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()
        self.scope["state"][ABORT] = self._abort

    def on_message_complete(self) -> None:
        self._head = 0
        self._forget_deadline()
        super().on_message_complete()

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


def send_in_one(send: Send, status: int, head: bytes, body: bytes) -> bool:
    """Send a whole answer past ASGI's two messages; False if it has to go by them.

    `head` are the lines of its headers, checked by whoever wrote them; uvicorn matches each name and value against a
    pattern, which takes a tenth of a small query. Whoever stands between us and the protocol sees every answer: then `send`
    is not the protocol's own.
    """
    cycle = getattr(send, "__self__", None)
    if (
        type(cycle) is not RequestResponseCycle
        or cycle.response_started
        or cycle.disconnected
        or cycle.flow.write_paused
        or not cycle.keep_alive
        or cycle.scope["method"] == "HEAD"
    ):
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    usual = b"".join([b"%b: %b\r\n" % header for header in cycle.default_headers])
    cycle.transport.write(
        b"%b%b%bcontent-length: %d\r\n\r\n%b" % (STATUS_LINE[status], usual, head, len(body), body)
    )
    cycle.message_event.set()
    cycle.on_response()
    return True


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
