"""A reference client: follow a stream for as long as you like, whatever happens to the connection.

    python docs/examples/follow.py http://127.0.0.1:8000/graphql gig_01k8000000e00800000000000m

Each item has a cursor. The client keeps the last one and, when the connection ends, connects again and goes on behind it;
so each item comes once, in order, across restarts of the client, the server and the network. Needs `websockets`.
"""

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

GIG_EVENTS = """subscription ($gigId: ID!, $after: StreamCursor) { gigEvents(gigId: $gigId, after: $after) {
  cursor occurredAt actorName event { __typename ... on GigPaused { gigStatus } ... on GigResumed { gigStatus } } } }"""
CONTROL = {"StreamReady", "StreamReset", "StreamEnd"}


class Refused(Exception):
    """The server does not run this subscription: trying again would not help."""


class Reset(Exception):
    """The stream cannot go on from the cursor: read the state again, and follow from its `streamCursor`."""


async def follow(
    url: str,
    document: str,
    variables: dict[str, Any],
    *,
    token: Callable[[], str | None] = lambda: None,
    longest_wait_s: float = 5,
) -> AsyncIterator[dict[str, Any]]:
    """The items of the one subscription in `document`, which takes the cursor in `$after`; never ends by itself.

    `token` gives an access token that is still good. Raises `Refused` and `Reset`.
    """
    place, wait_s = variables.get("after"), 0.1
    while True:
        try:
            async for item in _once(url, document, {**variables, "after": place}, token()):
                wait_s = 0.1
                name = item["event"]["__typename"]
                if name == "StreamReset":
                    raise Reset(item["event"])
                place = item["cursor"]
                if name not in CONTROL:
                    yield item
        except (ConnectionClosed, WebSocketException, OSError, TimeoutError):
            pass  # the place is kept, so nothing is lost
        await asyncio.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311  so that not all come back at once
        wait_s = min(2 * wait_s, longest_wait_s)


async def _once(
    url: str, document: str, variables: dict[str, Any], token: str | None
) -> AsyncIterator[dict[str, Any]]:
    """The items that one connection brings."""
    address = url.replace("http", "ws", 1)
    async with connect(address, subprotocols=["graphql-transport-ws"], ping_interval=None) as socket:  # type: ignore[list-item]
        await socket.send(
            json.dumps({"type": "connection_init", "payload": token and {"authorization": f"Bearer {token}"}})
        )
        async for text in socket:
            message = json.loads(text)
            match message["type"]:
                case "connection_ack":
                    payload = {"query": document, "variables": variables}
                    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
                case "ping":
                    await socket.send(json.dumps({"type": "pong"}))
                case "next":
                    data = message["payload"].get("data")
                    if data is None:
                        raise Refused(message["payload"]["errors"])
                    yield next(iter(data.values()))
                case "error":
                    if any(error["extensions"]["code"] == "INTERNAL" for error in message["payload"]):
                        return  # their fault, and perhaps over when we come again
                    raise Refused(message["payload"])
                case "complete":
                    return


async def main(url: str, gig_id: str) -> None:
    async for item in follow(url, GIG_EVENTS, {"gigId": gig_id}):
        print(item["occurredAt"], item["event"], f"by {item['actorName'] or 'somebody'}", flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
