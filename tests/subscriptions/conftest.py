"""Workers over one database, as tests start them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from subscriptions.broker import Broker, MemoryBroker
from subscriptions.follow import Streams
from tests.world import World, make_test_services


@dataclass
class Process:
    """One worker: its own pools and its own streams over the database of all."""

    world: World
    streams: Streams


Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(database_url: str, world: World) -> AsyncIterator[Start]:
    """Starts workers; those that share no broker find each other's facts by sweeping."""
    started: list[tuple[Process, asyncio.Task[None]]] = []

    async def start_process(broker: Broker | None = None) -> Process:
        services = await make_test_services(database_url, world.clock)
        streams = Streams(services.db, broker or MemoryBroker())
        services.db.on_facts = streams.committed
        process = Process(World(services, world.clock, world.schema), streams)
        started.append((process, asyncio.create_task(streams.run())))
        return process

    yield start_process
    for process, task in started:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await process.world.services.db.close()
