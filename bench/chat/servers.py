"""Our server as in production on the rooms, and the peer beside it."""

import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from auth.tokens import Tokens, new_private_key
from bench.chat.world import ONLINE, person_id
from bench.fanout.servers import Server, answers, free_port, started
from bench.reads.driver import request_bytes
from bench.reads.servers import ISSUER, NODE, OURS, SECRET
from models.ids import encode_id, new_id

PEER = "graphql-ws"
ROOM_ID = encode_id("room", ONLINE)
_ITEM = "cursor occurredAt event { __typename ... on MessageSent { message { id number text sentAt authorName } } }"
SUBSCRIPTION = f"subscription ($roomId: ID!) {{ roomEvents(roomId: $roomId) {{ {_ITEM} }} }}"
SEND = """mutation ($room: ID!, $text: Markdown!) {
  messageSend(input: {roomId: $room, text: $text, idempotencyKey: null}) { outcome } }"""
SEND_TO_PEER = "mutation ($room: ID!, $text: String!) { messageSend(roomId: $room, text: $text) { outcome } }"


@dataclass(frozen=True, slots=True)
class Running:
    """A server, and tokens for whoever asks it; None for a peer, which asks nobody who they are."""

    server: Server
    tokens: Tokens | None

    def token(self, number: int) -> str | None:
        """Of a person of the world; good for 15 minutes."""
        if self.tokens is None:
            return None
        return self.tokens.access_token(
            user_id=person_id(number), session_id=new_id(), roles=["FREELANCER"], now=datetime.now(UTC)
        )

    def request(self, text: str, token: str | None) -> bytes:
        """Says something in the room in which people are online."""
        query = SEND if token else SEND_TO_PEER
        body = json.dumps({"query": query, "variables": {"room": ROOM_ID, "text": text}}).encode()
        return request_bytes(body, {"authorization": f"Bearer {token}"} if token else {})


@contextlib.contextmanager
def ours(database_url: str, directory: Path, chat_key: Path, *, chat_url: str = "sql:") -> Iterator[Running]:
    """On the servers' core; PostgreSQL stays where it is."""
    pem = new_private_key()
    (directory / "key.pem").write_text(pem)
    port = free_port()
    variables = {
        "ENV": "production", "HOST": "127.0.0.1", "PORT": str(port), "PUBLIC_URL": ISSUER, "DATABASE_URL": database_url,
        "SECRET_KEYS": SECRET, "JWT_PRIVATE_KEYS": str(directory / "key.pem"), "CHAT_KEYS": str(chat_key),
        "CHAT_URL": chat_url, "LOCAL_DIRECTORY": str(directory / "local"),
        "FILES_URL": f"file:{directory / 'files'}", "CHAT_PERSON_SENDS": "0", "CHAT_ROOM_SENDS": "0", "RECOMMENDATIONS": "0",
    }  # fmt: skip
    command, log = [sys.executable, "app.py", "run"], directory / "ours.log"
    with started(command, variables, log, lambda: answers(port), signal.SIGINT) as process:
        yield Running(
            _server(OURS, port, process.pid),
            Tokens([pem], issuer=ISSUER, refresh_key=SECRET.encode()),
        )


@contextlib.contextmanager
def peer(peers: Path, directory: Path) -> Iterator[Running]:
    port = free_port()
    command = [str(NODE), str(peers / "graphql-ws-room.mjs")]
    variables = {"NODE_ENV": "production", "PORT": str(port)}
    with started(command, variables, directory / "peer.log", lambda: answers(port)) as process:
        yield Running(_server(PEER, port, process.pid), None)


def _server(name: str, port: int, pid: int) -> Server:
    return Server(name, port, pid, [], {"query": SUBSCRIPTION, "variables": {"roomId": ROOM_ID}})
