"""The HTTP parser's missing limit: how much may come before the headers end."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 65_536


class BoundedHttpProtocol(HttpToolsProtocol):
    """httptools collects a request line and headers of any length; we answer 431 and hang up.

    The address of a GET holds its document and variables, so the limit is generous.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head: int | None = 0

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

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head = 0
        super().on_message_complete()
