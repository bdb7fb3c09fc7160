"""The messages of graphql-transport-ws, as JSON: what a client may say, and what we say.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

from dataclasses import dataclass
from typing import Any

import orjson
from starlette.types import Message

from schema.execution import Request

END_NEXT = b"}"
ACKNOWLEDGED = '{"type":"connection_ack"}'


@dataclass(frozen=True, slots=True)
class ConnectionInit:
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ping:
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pong:
    pass


@dataclass(frozen=True, slots=True)
class Subscribe:
    id: str
    request: Request


@dataclass(frozen=True, slots=True)
class Complete:
    id: str


ClientMessage = ConnectionInit | Ping | Pong | Subscribe | Complete


class InvalidMessage(Exception):
    """What came is no message of the protocol; the text says why."""


def read_message(event: Message) -> ClientMessage:
    """What the client said in a `websocket.receive` of ASGI. Raises `InvalidMessage`."""
    text = event.get("text")
    if text is None:
        raise InvalidMessage("Send texts: a binary message was received.")
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidMessage(f"The message is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise InvalidMessage("A message must be a JSON object.")
    match content.get("type"):
        case "subscribe":
            return Subscribe(_id(content), _request(content.get("payload")))
        case "complete":
            return Complete(_id(content))
        case "ping":
            return Ping(_payload(content))
        case "pong":
            _payload(content)
            return Pong()
        case "connection_init":
            return ConnectionInit(_payload(content))
        case str():
            raise InvalidMessage("The `type` of the message is none that a client may send.")
        case _:
            raise InvalidMessage("A message must have a `type`, which is a text.")


def _id(content: dict[str, Any]) -> str:
    id = content.get("id")
    if isinstance(id, str) and id:
        return id
    raise InvalidMessage(f"The message `{content['type']}` must have an `id`, which is a text and not empty.")


def _payload(content: dict[str, Any]) -> dict[str, Any]:
    """Null, absent and empty mean the same."""
    payload = content.get("payload")
    if payload is None or isinstance(payload, dict):
        return payload or {}
    raise InvalidMessage(f"The `payload` of `{content['type']}` must be an object, null or absent.")


def _request(payload: Any) -> Request:
    if not isinstance(payload, dict):
        raise InvalidMessage("The `payload` of `subscribe` must be an object.")
    if not isinstance(payload.get("query"), str):
        raise InvalidMessage("The `query` of `subscribe` must be a text with a GraphQL document.")
    for part, kind, name in (
        ("variables", dict, "an object"),
        ("operationName", str, "a text"),
        ("extensions", dict, "an object"),
    ):
        if not isinstance(payload.get(part), kind | None):
            raise InvalidMessage(f"The `{part}` of `subscribe` must be {name}, null or absent.")
    return Request(payload["query"], payload.get("variables"), payload.get("operationName") or None)


def ping(payload: dict[str, Any] | None = None) -> str:
    return _with_payload("ping", payload)


def pong(payload: dict[str, Any] | None = None) -> str:
    return _with_payload("pong", payload)


def _with_payload(kind: str, payload: dict[str, Any] | None) -> str:
    return orjson.dumps({"type": kind, "payload": payload} if payload else {"type": kind}).decode()


def next_(id: str, result: bytes) -> str:
    """`result` is the JSON of an execution result; it is not read again."""
    return (begin_next(id) + result + END_NEXT).decode()


def begin_next(id: str) -> bytes:
    """What comes before the result in a message of `next`; behind it comes `END_NEXT`."""
    return b'{"id":%b,"type":"next","payload":' % orjson.dumps(id)


def error(id: str, errors: list[dict[str, Any]]) -> str:
    return orjson.dumps({"id": id, "type": "error", "payload": errors}).decode()


def complete(id: str) -> str:
    return orjson.dumps({"id": id, "type": "complete"}).decode()
