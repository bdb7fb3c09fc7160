"""Strawberry as its documentation teaches it: a subscription is an asynchronous generator, here over a queue; uvicorn."""

import asyncio
import itertools
import os
from collections import defaultdict
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated

import strawberry
import uvicorn
from strawberry.asgi import GraphQL

# Makes cursors as long as ours, which are signed and name their stream.
CURSOR_DIGITS = 121
numbers = itertools.count(1)
queues: defaultdict[str, set[asyncio.Queue["StreamItem"]]] = defaultdict(set)


@strawberry.enum
class GigStatus(Enum):
    OPEN = "OPEN"
    PAUSED = "PAUSED"


@strawberry.type
class GigPaused:
    gig_status: GigStatus
    is_public: bool


@strawberry.type
class GigResumed:
    gig_status: GigStatus
    is_public: bool


@strawberry.type
class StreamItem:
    cursor: str
    occurred_at: str
    event: Annotated[GigPaused | GigResumed, strawberry.union("StreamEvent")]


def next_item() -> StreamItem:
    """The gig is paused and resumed in turn."""
    number = next(numbers)
    paused = number % 2 == 1
    return StreamItem(
        cursor=f"bench_{number:0{CURSOR_DIGITS}}",
        occurred_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        event=GigPaused(gig_status=GigStatus.PAUSED, is_public=True)
        if paused
        else GigResumed(gig_status=GigStatus.OPEN, is_public=True),
    )


@strawberry.type
class Query:
    ready: bool = True


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def publish(self, gig_id: strawberry.ID) -> bool:
        item = next_item()
        for queue in queues[gig_id]:
            queue.put_nowait(item)
        return True


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def gig_events(self, gig_id: strawberry.ID) -> AsyncGenerator[StreamItem, None]:
        queue: asyncio.Queue[StreamItem] = asyncio.Queue()
        queues[gig_id].add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            queues[gig_id].discard(queue)


app = GraphQL[None, None](
    strawberry.Schema(query=Query, mutation=Mutation, subscription=Subscription), graphql_ide=None
)

if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
