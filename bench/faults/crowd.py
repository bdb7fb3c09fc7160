"""Subscribers who read nothing once they follow. As a program, a crowd of them that vanishes without a word:

    python -m bench.faults.crowd PORT GIG_ID SIZE

It says "ready" when all follow. A line on its standard input makes it reset every connection (RST); killed, it leaves that
to the kernel.
"""

import json
import resource
import socket
import struct
import sys
from typing import Any

from websockets.client import ClientProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from docs.examples.follow import GIG_EVENTS

SPARE_FILES = 200
_DEADLINE_S = 30
_RESET = struct.pack("ii", 1, 0)
"""Of SO_LINGER: what is unsent is dropped, and the peer is told that the connection is reset."""


class Silent:
    """One socket with some subscriptions, of whose answers nothing is read after the first one's `StreamReady`."""

    def __init__(
        self, port: int, document: str, variables: dict[str, Any], *, operations: int = 1, buffer: int = 0
    ) -> None:
        """Follows when `wait` has returned. `buffer`, in bytes, is for what the kernel keeps of what nobody reads."""
        # Before it connects: the window that the peer is offered depends on it.
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(_DEADLINE_S)
        self.socket.connect(("127.0.0.1", port))
        uri = parse_uri(f"ws://127.0.0.1:{port}/graphql")
        self._protocol = ClientProtocol(uri, subprotocols=[Subprotocol("graphql-transport-ws")])
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        self._hear(b"\r\n\r\n")
        self._say({"type": "connection_init"})
        for number in range(operations):
            payload = {"query": document, "variables": variables}
            self._say({"id": str(number), "type": "subscribe", "payload": payload})
        self._flush()

    def wait(self) -> None:
        self._hear(b'"StreamReady"')

    def reset(self) -> None:
        """End it as a crashed peer does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()

    def _say(self, message: dict[str, Any]) -> None:
        self._protocol.send_text(json.dumps(message).encode())

    def _flush(self) -> None:
        self.socket.sendall(b"".join(self._protocol.data_to_send()))

    def _hear(self, word: bytes) -> None:
        """Read until the word has come."""
        heard = b""
        while word not in heard:
            piece = self.socket.recv(4096)
            if not piece:
                raise ConnectionError(f"the server closed a socket: {heard[-300:]!r}")
            heard += piece
            self._protocol.receive_data(piece)


def allow_files(needed: int) -> None:
    """For us, and for what we start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def main(port: int, gig_id: str, size: int) -> None:
    crowd = [Silent(port, GIG_EVENTS, {"gigId": gig_id}) for _ in range(size)]
    for one in crowd:
        one.wait()
    print("ready", flush=True)
    if sys.stdin.readline():
        for one in crowd:
            one.reset()
        print("gone", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
