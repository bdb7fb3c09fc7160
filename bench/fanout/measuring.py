"""One round on one server: memory of those who only wait, then as many deliveries as it can, then how long one takes."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from bench.fanout.audience import Audience, Publishes, audience_of, publisher_of
from bench.fanout.servers import Server
from bench.reads.machine import cpu_us, rss_kb

Publishing = Callable[[Server], AbstractAsyncContextManager[Publishes]]
WINDOW = 8
"""Publishes that may be on the way at once while the rate is measured: enough that nobody's core waits for a disk."""
WARM_UP_S = 1.0
CALM_EVERY_S = 0.2
LATE_S = 0.3
"""How long is waited for what may come twice."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What a round found. Latencies are in milliseconds, ascending."""

    deliveries: int
    elapsed_s: float
    server_us: float
    """Processor time of the server's process for one delivery, its share of the publish included."""
    driver_share: float
    """Of the driver's core, while the rate was measured."""
    latencies: Sequence[float]
    idle_kb: float
    """Growth of the server's resident memory by one subscriber that has not got an event yet."""
    payload: bytes

    @property
    def per_second(self) -> float:
        return self.deliveries / self.elapsed_s

    def percentile(self, share: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


async def measure(
    server: Server, subscribers: int, *, seconds: float, pace_s: float, publishing: Publishing = publisher_of
) -> Cell:
    """`seconds` for the rate and again for latencies, at one publish each `pace_s`. Raises `Broken`."""
    await calm(server.pid)
    before_kb = rss_kb(server.pid)
    async with audience_of(server, subscribers) as audience, publishing(server) as publisher:
        await calm(server.pid)
        idle_kb = (rss_kb(server.pid) - before_kb) / subscribers
        await _flood(audience, publisher, WARM_UP_S)

        completed, cpu = audience.completed, cpu_us([server.pid])[server.pid]
        began, own = time.perf_counter(), time.process_time()
        await _flood(audience, publisher, seconds)
        elapsed, own = time.perf_counter() - began, time.process_time() - own
        deliveries = (audience.completed - completed) * subscribers
        server_us = (cpu_us([server.pid])[server.pid] - cpu) / deliveries

        audience.latencies_s = []
        await _trickle(audience, publisher, seconds, pace_s)
        await asyncio.sleep(LATE_S)
        audience.require_whole()
        latencies = sorted(latency * 1000 for latency in audience.latencies_s)
        return Cell(deliveries, elapsed, server_us, own / elapsed, latencies, idle_kb, audience.payload)


async def _flood(audience: Audience, publisher: Publishes, seconds: float) -> None:
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        await audience.publish(publisher)
        await audience.at_most_on_the_way(WINDOW - 1)
    await audience.at_most_on_the_way(0)


async def _trickle(audience: Audience, publisher: Publishes, seconds: float, pace_s: float) -> None:
    """One publish each `pace_s`; later where the one before has not reached everybody by then."""
    for _ in range(max(1, round(seconds / pace_s))):
        due = time.perf_counter() + pace_s
        await audience.publish(publisher)
        await audience.at_most_on_the_way(0)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))


async def calm(pid: int) -> None:
    """Until the server does next to nothing: so all who subscribe are known to it, which no message tells."""
    spent = cpu_us([pid])[pid]
    for _ in range(100):
        await asyncio.sleep(CALM_EVERY_S)
        before, spent = spent, cpu_us([pid])[pid]
        if spent - before <= 0.1 * CALM_EVERY_S * 1e6:
            return
