"""Everybody of a large room online at once: how long a message takes to each, and how many a second go."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bench.chat.servers import Running
from bench.fanout.audience import Audience, Broken, Publisher, gathered, publisher_of
from bench.fanout.measuring import LATE_S, calm
from bench.fanout.servers import Server
from bench.reads.machine import cpu_us, rss_kb

WRITERS = 20
LIMIT_MS = 250.0
BEHIND = 1.05
"""Sending may take so much longer than planned, as a share."""
WORDS = "The fence is up, the gate comes on Thursday; paint it when the wood is dry, please."


@dataclass(frozen=True, slots=True)
class Held:
    """Some seconds at one rate. Latencies in milliseconds, ascending: from before the commit to each socket."""

    rate: float
    sent: int
    took_s: float
    latencies: Sequence[float]
    answers: Sequence[float]
    """Until each writer had the answer, in milliseconds, ascending."""
    server_us: float
    """Processor time of the server's process for one delivery."""
    planned_s: float
    problem: str | None = None

    @property
    def holds(self) -> bool:
        return self.problem is None and self.p99 < LIMIT_MS and self.took_s <= BEHIND * self.planned_s

    @property
    def p99(self) -> float:
        return percentile(self.latencies, 0.99)

    def __str__(self) -> str:
        if self.problem is not None:
            return f"{self.rate:6g}/s  {self.problem}"
        late = "" if self.took_s <= BEHIND * self.planned_s else f"  sent in {self.took_s:.1f} s"
        return (
            f"{self.rate:6g}/s  {len(self.latencies):10,} deliveries  p50 {percentile(self.latencies, 0.5):7.1f}  "
            f"p99 {self.p99:7.1f}  worst {self.latencies[-1]:7.1f} ms  answers p50 {percentile(self.answers, 0.5):6.1f} "
            f"p99 {percentile(self.answers, 0.99):6.1f} ms  {self.server_us:5.1f} µs each{late}"
        )


def percentile(ascending: Sequence[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))] if ascending else float("inf")


class Members(Audience):
    """All who are online. Each message says which one it is, and when the server took it on."""

    def __init__(self, server: Server, tokens: Sequence[str | None]) -> None:
        super().__init__(server, len(tokens))
        self._tokens: Iterator[str | None] = iter(tokens)

    def greeting(self) -> dict[str, object]:
        token = next(self._tokens)
        payload = {"payload": {"authorization": f"Bearer {token}"}} if token else {}
        return {"type": "connection_init", **payload}

    def expect(self) -> None:
        """One more message is on its way."""
        self._left.append(self.size)
        self._sent_at.append(0.0)

    def _numbered(self, message: bytes) -> int:
        number = super()._numbered(message)
        (item,) = json.loads(message)["payload"]["data"].values()
        ago = time.time() - datetime.fromisoformat(item["occurredAt"]).timestamp()
        self._sent_at[number] = time.perf_counter() - ago
        return number


@dataclass(slots=True)
class Writer:
    publisher: Publisher
    token: str | None
    turn: asyncio.Lock

    async def say(self, running: Running, text: str) -> float:
        """Milliseconds until the answer. Raises `Broken`."""
        request = running.request(text, self.token)
        async with self.turn:
            began = time.perf_counter()
            answer = await self.publisher.ask(request)
            if b'"outcome":"APPLIED"' not in answer:
                raise Broken(f"a message was answered with {answer.decode()[:300]}")
            return 1000 * (time.perf_counter() - began)


async def measure(
    running: Running, *, members: int, rate: float, seconds: float, steps: Sequence[float], step_s: float
) -> tuple[list[Held], int]:
    """First at `rate` for `seconds`, then at each of `steps` as long as it holds; and the bytes of a message. Raises `Broken`."""
    pid = running.server.pid
    await calm(pid)
    cpu, kb, began = cpu_us([pid])[pid], rss_kb(pid), time.perf_counter()
    tokens = [running.token(number) for number in range(members)]
    audience = Members(running.server, tokens)
    async with gathered(audience), _writers(running, tokens) as writers:
        came_s = time.perf_counter() - began
        await calm(pid)
        each_ms, each_kb = (cpu_us([pid])[pid] - cpu) / 1000 / members, (rss_kb(pid) - kb) / members
        print(
            f"  came in {came_s:.1f} s, {each_ms:.2f} ms of the server's time and {each_kb:.1f} KB each",
            flush=True,
        )
        # Once for nothing: keys of writers are made, and what is read the first time is read.
        await _hold(running, audience, writers, rate=len(writers) / 2, seconds=2)
        found = [await _hold(running, audience, writers, rate=rate, seconds=seconds)]
        for step in steps:
            if not found[-1].holds:
                break
            try:
                found.append(await _hold(running, audience, writers, rate=step, seconds=step_s))
            except Broken as problem:
                found.append(Held(step, 0, 0, [], [], 0, step_s, str(problem)))
        return found, len(audience.payload)


@contextlib.asynccontextmanager
async def _writers(running: Running, tokens: Sequence[str | None]) -> AsyncIterator[list[Writer]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [
            Writer(await stack.enter_async_context(publisher_of(running.server)), token, asyncio.Lock())
            for token in tokens[:WRITERS]
        ]


async def _hold(
    running: Running, audience: Members, writers: Sequence[Writer], *, rate: float, seconds: float
) -> Held:
    """Messages are sent when they are due, whatever became of those before. Raises `Broken`."""
    audience.latencies_s = []
    pid = running.server.pid
    cpu, began, count = cpu_us([pid])[pid], time.perf_counter(), round(rate * seconds)
    tasks: list[asyncio.Task[float]] = []
    try:
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            audience.expect()
            writer = writers[number % len(writers)]
            tasks.append(asyncio.create_task(writer.say(running, f"{number} {WORDS}")))
        answers = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    took_s = time.perf_counter() - began
    await audience.at_most_on_the_way(0)
    await asyncio.sleep(LATE_S)
    audience.require_whole()
    latencies = sorted(1000 * latency for latency in audience.latencies_s)
    return Held(
        rate=rate,
        sent=count,
        took_s=took_s,
        latencies=latencies,
        answers=sorted(answers),
        server_us=(cpu_us([pid])[pid] - cpu) / max(1, len(latencies)),
        planned_s=seconds,
    )
