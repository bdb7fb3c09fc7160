"""The frames of a subscription, asked for as a door asks for them, and read up to now."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import orjson

from auth.viewer import Viewer
from schema.execution import Frame, Request, Response
from schema.streaming import perform
from tests.subscriptions.conftest import Worker

DEADLINE_S = 10


async def frames_of(
    worker: Worker, viewer: Viewer, document: str, **variables: str | None
) -> AsyncGenerator[Frame, None]:
    frames = await perform(
        worker.world.schema, worker.streams, Request(document, variables), worker.world.as_(viewer)
    )
    assert not isinstance(frames, Response), frames.body
    return frames


async def replayed(frames: AsyncGenerator[Frame, None]) -> list[dict[str, Any]]:
    """Everything up to now, without the words of the stream."""
    items: list[dict[str, Any]] = []
    async with asyncio.timeout(DEADLINE_S):
        async for frame in frames:
            body = orjson.loads(frame.raw)
            assert "errors" not in body, body
            (item,) = body["data"].values()
            if item["event"]["__typename"] == "StreamReady":
                break
            items.append(item)
    await frames.aclose()
    return items
