"""A Redis of the test's own, and brokers as processes run them."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import pytest

from subscriptions.broker import Broker, MemoryBroker
from subscriptions.follow import Streams
from subscriptions.redis_broker import RedisBroker
from tests.redis_server import RedisServer
from tests.world import World, make_test_services

CHANNEL = "test:hints"


async def until(holds: Callable[[], bool], *, seconds: float = 5) -> float:
    """Wait for a condition with a deadline; how many seconds it took."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.005)
    return time.monotonic() - began


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Process:
    """One process's broker, and what it was told."""

    broker: Broker
    told: list[AbstractSet[str] | None] = field(default_factory=list)
    words: list[bytes] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        return {name for streams in self.told if streams is not None for name in streams}

    def hear(self, streams: Collection[str] | None) -> None:
        self.told.append(None if streams is None else set(streams))


@contextlib.asynccontextmanager
async def running(broker: Broker) -> AsyncIterator[Process]:
    """The broker at work; cancelled at the end, which it obeys at once."""
    process = Process(broker)
    task = asyncio.create_task(broker.run(process.hear, process.words.append))
    try:
        yield process
    finally:
        task.cancel()
        _, late = await asyncio.wait([task], timeout=2)
        assert not late


@contextlib.asynccontextmanager
async def two_processes(
    server: RedisServer, url: str | None = None
) -> AsyncIterator[tuple[Process, Process]]:
    """Two that can hear each other, with all said that they say when they begin."""
    ours, theirs = (RedisBroker(url or server.url, channel=CHANNEL) for _ in range(2))
    async with running(ours) as one, running(theirs) as other:
        await until(lambda: server.count_subscribers(CHANNEL) == 2 and server.count_calls("publish") == 2)
        one.broker.publish(["one is here"])
        other.broker.publish(["other is here"])
        await until(lambda: one.names == {"other is here"} and other.names == {"one is here"})
        one.told.clear()
        other.told.clear()
        yield one, other


# -- workers over one database ---------------------------------------------------------------------------------------------


@dataclass
class Worker:
    """One worker: its own pools and its own streams over the database of all."""

    world: World
    streams: Streams


StartWorker = Callable[..., Awaitable[Worker]]


@pytest.fixture
async def start(database_url: str, world: World) -> AsyncIterator[StartWorker]:
    """Starts workers; those that share no broker find each other's facts by sweeping."""
    started: list[tuple[Worker, asyncio.Task[None]]] = []

    async def start_worker(broker: Broker | None = None) -> Worker:
        services = await make_test_services(database_url, world.clock)
        chat = services.chat
        streams = Streams(
            services.db, broker or MemoryBroker(), chat=chat.store, attendance=services.attendance
        )
        services.db.on_facts = chat.on_facts = streams.committed
        worker = Worker(World(services, world.clock, world.schema), streams)
        started.append((worker, asyncio.create_task(streams.run())))
        return worker

    yield start_worker
    for worker, task in started:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await worker.world.services.close()
