"""A load generator that is never the bottleneck: raw sockets under one epoll, requests prepared as bytes.

It reaches some ten times what the fastest server does; `ceiling` proves that on canned bytes before anything is measured.
"""

import gc
import itertools
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.reads.machine import SERVER_CORE, on_core

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CONNECTIONS = 16
STALLED_S = 15
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class LoadFailed(Exception):
    """A server answered something else than was asked for, or nothing."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of one burst. Latencies are in milliseconds, ascending."""

    count: int
    elapsed_s: float
    latencies: Sequence[float]

    @property
    def per_second(self) -> float:
        return self.count / self.elapsed_s

    def percentile(self, share: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


def request_bytes(body: bytes, headers: dict[str, str]) -> bytes:
    lines = [
        "POST /graphql HTTP/1.1",
        "host: 127.0.0.1",
        "content-type: application/json",
        "accept: application/json",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Connection:
    """One kept connection with at most one request under way."""

    __slots__ = ("_received", "began", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=STALLED_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self.began = 0.0

    def ask(self, request: bytes) -> None:
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bytes | None:
        """The whole answer, status line and headers included, as soon as it is here. Raises `LoadFailed`."""
        part = self.socket.recv(262_144)
        if not part:
            raise LoadFailed("the server closed a connection")
        received = self._received + part if self._received else part
        head = received.find(b"\r\n\r\n")
        if head < 0 or not _is_whole(received, head):
            self._received = received
            return None
        self._received = b""
        return received

    def answer(self, request: bytes) -> bytes:
        """Ask and wait. Raises `LoadFailed`."""
        self.ask(request)
        while (received := self.receive()) is None:
            pass
        return received


def _is_whole(received: bytes, head: int) -> bool:
    length = _LENGTH.search(received, 0, head)
    if length is not None:
        return len(received) >= head + 4 + int(length[1])
    return received.endswith(b"0\r\n\r\n")


def body_of(answer: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    if _LENGTH.search(head):
        return body
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return whole


@contextmanager
def connected(port: int, connections: int = CONNECTIONS) -> Iterator[list[Connection]]:
    opened = [Connection(port) for _ in range(connections)]
    try:
        yield opened
    finally:
        for connection in opened:
            connection.socket.close()


def load(connections: Sequence[Connection], requests: Iterator[bytes], seconds: float, must: bytes) -> Load:
    """Keep every connection busy for so long. Raises `LoadFailed` for an answer with errors or without `must` in it."""
    poll = select.epoll()
    by_file = {connection.socket.fileno(): connection for connection in connections}
    for file in by_file:
        poll.register(file, select.EPOLLIN)
    latencies: list[float] = []
    clock = time.perf_counter
    gc.disable()
    try:
        began = ended = clock()
        deadline = began + seconds
        for connection in connections:
            connection.ask(next(requests))
        busy = len(connections)
        while busy:
            ready = poll.poll(STALLED_S)
            if not ready:
                raise LoadFailed(f"no answer within {STALLED_S} s")
            for file, _ in ready:
                connection = by_file[file]
                answer = connection.receive()
                if answer is None:
                    continue
                ended = clock()
                latencies.append((ended - connection.began) * 1000)
                if not answer.startswith(b"HTTP/1.1 200") or b'"errors":[{' in answer or must not in answer:
                    raise LoadFailed(answer.decode(errors="replace")[:1000])
                if ended < deadline:
                    connection.ask(next(requests))
                else:
                    busy -= 1
    finally:
        gc.enable()
        poll.close()
    latencies.sort()
    return Load(len(latencies), ended - began, latencies)


def ceiling(request: bytes, *, answer_size: int, seconds: float = 2.0) -> tuple[float, float]:
    """Requests a second of this driver against a process on the servers' core that only writes canned bytes.

    That process costs about as much as the driver itself, so the driver alone can do more: the second figure is the
    processor time in µs that a request costs it.
    """
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(CONNECTIONS)
        with on_core(SERVER_CORE):
            command = [sys.executable, "-m", "bench.reads.canned", str(listening.fileno()), str(answer_size)]
            process = subprocess.Popen(command, pass_fds=[listening.fileno()], cwd=CHECKOUT)
        try:
            with connected(listening.getsockname()[1]) as connections:
                load(connections, itertools.repeat(request), seconds / 4, b"")
                before = time.process_time()
                done = load(connections, itertools.repeat(request), seconds, b"")
                return done.per_second, (time.process_time() - before) / done.count * 1e6
        finally:
            process.terminate()
            process.wait(30)
