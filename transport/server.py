"""The server below the doors: its sockets, how it serves HTTP, and how it is told to stop."""

import contextlib
import gc
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from transport.huge_pages import collapse_memory
from transport.protocol import BoundedHttpProtocol, DroppableWebSocketProtocol

MAX_MESSAGE = 65_536


class CannotListen(Exception):
    """The address is taken, or not ours."""


@contextlib.contextmanager
def bound_sockets(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets for every address of `host`; they begin to listen with the server. Raises `CannotListen`."""
    with contextlib.ExitStack() as stack:
        sockets = []
        with _listening(host, port):
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            for family, kind, protocol, _, address in dict.fromkeys(found):
                sockets.append(stack.enter_context(socket.socket(family, kind, protocol)))
                sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sockets[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sockets[-1].bind(address)
        yield sockets


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotListen(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. "
            "Stop what uses the port, or set PORT (0 takes a free one) or HOST."
        ) from error


def server_config(app: ASGIApp) -> uvicorn.Config:
    """How we serve HTTP and WebSockets. A stop lets running requests finish for ten seconds.

    An app may have `wholes`, which answers requests that came in one piece.
    """
    return uvicorn.Config(
        app,
        http=partial(BoundedHttpProtocol, wholes=getattr(app, "wholes", None)),  # type: ignore[arg-type]
        ws=DroppableWebSocketProtocol,
        ws_max_size=MAX_MESSAGE,
        # Our own pings are messages of the protocol, which pages can answer and see.
        ws_ping_interval=None,
        ws_ping_timeout=None,
        # A compressor for each socket would take more memory than all the rest of it.
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing asks who the caller's proxy is
        timeout_graceful_shutdown=10,
    )


class AnnouncingServer(uvicorn.Server):
    """Says where it is once it listens, and ends in peace when told to. Raises `CannotListen`."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        announce: Callable[[int], None],
        *,
        before_stop: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`announce` is told the port, which the system chooses where `port` is 0.

        `before_stop` ends what would not end by itself, such as subscriptions, while connections still work.
        """
        super().__init__(server_config(app))
        self._address = host, port
        self._announce = announce
        self._before_stop = before_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        with _listening(*self._address):
            await super().startup(sockets)
        if self.started and not self.should_exit:
            # What start-up made lives as long as the process: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            # An answer is hundreds of small objects that die at once: looking for cycles every 700 of them finds none.
            gc.set_threshold(20_000, 20, 20)
            collapse_memory()
            self._announce(self.servers[0].sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            if self._before_stop is not None:
                await self._before_stop()
        finally:
            await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Unlike uvicorn's, does not raise the signal again afterwards: the database has to be stopped, too."""
        before = {number: signal.signal(number, self.handle_exit) for number in stop_signals()}
        try:
            yield
        finally:
            for number, reaction in before.items():
                signal.signal(number, reaction)


def stop_signals() -> list[signal.Signals]:
    """Ctrl-C, `kill`, and a terminal that is closed, unless we were started to outlive it (nohup)."""
    wanted = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    return [
        number for number in wanted if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN
    ]
