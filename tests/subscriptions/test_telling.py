"""Telling at once: whatever goes wrong with some, everybody gets every fact once, in order, and nothing after the end."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest

from auth.viewer import ANONYMOUS
from resolvers import gigs
from subscriptions import follow as following
from subscriptions import log
from subscriptions.broker import MemoryBroker
from subscriptions.follow import EndReason, Follower, Streams, Teller
from subscriptions.log import LoggedFact, read_after
from subscriptions.sight import may_follow
from tests.subscriptions.conftest import StartWorker, until
from tests.subscriptions.test_follow import DEADLINE_S, logged

ACTS = 12


class Reader:
    """Reads one follower's facts to its end, and is told at once where `sends` says so; notes what came, and how."""

    def __init__(
        self, follower: Follower, prepare: Callable[[Sequence[LoggedFact]], Awaitable[object]] | None = None
    ) -> None:
        self.follower = follower
        self.got: list[tuple[int, str]] = []
        self.at_once = 0
        self.after_end = 0
        follower.teller = Teller("all", prepare, self.tell)

    def sends(self) -> bool:
        return True

    def tell(self, facts: Sequence[LoggedFact]) -> bool:
        self.after_end += self.follower.ended is not None
        if not self.sends():
            return False
        self.at_once += len(facts)
        self.got += [(fact.number, fact.kind) for fact in facts]
        return True

    async def read(self) -> None:
        while self.follower.ended is None:
            facts = await self.follower.take()
            self.after_end += bool(facts) and self.follower.ended is not None
            self.got += [(fact.number, fact.kind) for fact in facts]


class Stumbling(Reader):
    def sends(self) -> bool:
        raise LookupError("a kind of fact that this worker does not know")


async def test_one_who_cannot_be_told_keeps_nobody_else_from_being_told(start: StartWorker) -> None:
    worker = await start()
    owner = await worker.world.client()
    gig_id = await worker.world.open_gig(owner)

    async with AsyncExitStack() as stack:
        readers = []
        for number in range(9):
            follower = await stack.enter_async_context(worker.streams.follow(f"gig:{gig_id}", ANONYMOUS))
            readers.append(Stumbling(follower) if number % 3 == 0 else Reader(follower))
        async with asyncio.TaskGroup() as tasks:
            for reader in readers:
                tasks.create_task(reader.read())
            await asyncio.sleep(0)
            await gigs.pause_gig(worker.world.as_(owner), gig_id)
            await until(lambda: all(len(reader.got) == 1 for reader in readers))
            await worker.streams.stop(timeout_s=0)

    assert [reader.got for reader in readers] == [[(3, "GigPaused")]] * 9
    assert worker.streams.problem is None


async def test_what_was_read_for_followers_who_left_is_not_taken_for_the_newest_by_who_comes_then(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    owner = await worker.world.client()
    gig_id = await worker.world.open_gig(owner)
    stream, streams = f"gig:{gig_id}", Streams(worker.world.services.db, MemoryBroker())
    was_read, may_go_on, may_begin = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def read_slowly(*arguments: Any, **options: Any) -> Any:
        facts = await read_after(*arguments, **options)
        was_read.set()
        await may_go_on.wait()
        return facts

    async def look_slowly(*arguments: Any) -> Any:
        await may_begin.wait()
        return await may_follow(*arguments)

    async def begin() -> tuple[int, int]:
        async with streams.follow(stream, ANONYMOUS) as follower:
            return follower.number, follower.head

    async with streams.follow(stream, ANONYMOUS):
        await gigs.pause_gig(worker.world.as_(owner), gig_id)
        monkeypatch.setattr(log, "read_after", read_slowly)
        handing_out = asyncio.create_task(streams._hand_out([stream], streams._usual))
        await was_read.wait()
    await gigs.resume_gig(worker.world.as_(owner), gig_id)
    monkeypatch.setattr(following, "may_follow", look_slowly)
    beginning = asyncio.create_task(begin())
    await asyncio.sleep(0)
    may_go_on.set()
    await handing_out
    may_begin.set()

    # From now on is behind the fact that nobody was there for; no hint will tell of it.
    assert await beginning == (4, 4)


async def test_nothing_is_made_ready_for_who_does_not_take_what_there_is(start: StartWorker) -> None:
    worker = await start()
    owner = await worker.world.client()
    gig_id = await worker.world.open_gig(owner)
    prepared: list[int] = []

    async def prepare(facts: Sequence[LoggedFact]) -> None:
        prepared.extend(fact.number for fact in facts)

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        slow, other = [
            Reader(
                await stack.enter_async_context(worker.streams.follow(f"gig:{gig_id}", ANONYMOUS)), prepare
            )
            for _ in range(2)
        ]
        reader = Reader(await stack.enter_async_context(worker.streams.follow(f"gig:{gig_id}", ANONYMOUS)))
        tasks.create_task(reader.read())
        await asyncio.sleep(0)
        await gigs.pause_gig(worker.world.as_(owner), gig_id)
        await until(lambda: len(reader.got) == 1)
        made_for_nobody = list(prepared)
        for one in (slow, other):
            tasks.create_task(one.read())
        await until(lambda: len(slow.got) == len(other.got) == 1)
        await gigs.resume_gig(worker.world.as_(owner), gig_id)
        await until(lambda: all(len(one.got) == 2 for one in (slow, other, reader)))
        await worker.streams.stop(timeout_s=0)

    assert (made_for_nobody, prepared) == ([], [4])


class Moody(Reader):
    """Takes what it is told at once only sometimes, as a peer that reads slowly."""

    random: random.Random

    def sends(self) -> bool:
        if self.random.random() < 0.05:
            raise LookupError("a bug")
        return self.random.random() < 0.6


@pytest.mark.parametrize("seed", range(2))
async def test_whoever_comes_goes_blocks_or_fails_gets_every_fact_once_in_order(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(following, "AT_ONCE", 3)
    monkeypatch.setattr(following, "PREPARE_S", 0.01)
    monkeypatch.setattr(following, "TAIL", 4)
    chance = random.Random(seed)
    worker = await start()
    owner = await worker.world.client()
    gig_id = await worker.world.open_gig(owner)
    is_over = asyncio.Event()
    stays: list[list[Moody]] = []

    async def prepare(_: Sequence[LoggedFact]) -> None:
        await asyncio.sleep(chance.choice([0, 0, 0.005, 0.02]))
        if chance.random() < 0.2:
            raise LookupError("a bug")

    async def stay(after: int | None, visits: list[Moody]) -> None:
        async with worker.streams.follow(f"gig:{gig_id}", ANONYMOUS, after=after) as follower:
            reader = Moody(follower, prepare if chance.random() < 0.7 else None)
            reader.random = chance
            visits.append(reader)
            await reader.read()

    async def come_and_go(*, stays_s: float) -> None:
        """Each time from the place where the last visit was left: cancelled, or ended."""
        visits: list[Moody] = []
        stays.append(visits)
        is_last = False
        while not is_last:
            is_last = is_over.is_set()
            count, after = len(visits), visits[-1].follower.number if visits else 2
            visit = asyncio.create_task(stay(after, visits))
            with suppress(TimeoutError):
                async with asyncio.timeout(chance.random() * stays_s):
                    await is_over.wait()
            if is_last:
                await until(lambda: bool(visits) and visits[-1].follower.number == 2 + ACTS)
            if len(visits) > count and chance.random() < 0.5:
                visits[-1].follower.end(EndReason.SESSION_ENDED)
            else:
                visit.cancel()
            await asyncio.wait([visit])

    async def act() -> None:
        for number in range(ACTS):
            if number % 2:
                # However busy the machine is, some acts find a few who wait, and so can be told at once.
                await until(lambda: sum(visits[-1].follower.is_waiting for visits in stays if visits) >= 3)
            await (gigs.resume_gig if number % 2 else gigs.pause_gig)(worker.world.as_(owner), gig_id)
            await asyncio.sleep(chance.choice([0, 0, 0.01]))
        is_over.set()

    async with asyncio.timeout(4 * DEADLINE_S), asyncio.TaskGroup() as tasks:
        for number in range(12):
            tasks.create_task(come_and_go(stays_s=0.3 if number < 8 else 100))
        await until(lambda: len([visits for visits in stays if visits]) >= 4)
        tasks.create_task(act())

    everything = (await logged(worker.world, gig_id))[2:]
    for visits in stays:
        assert [fact for reader in visits for fact in reader.got] == everything
        assert not any(reader.after_end for reader in visits)
    assert 0 < sum(reader.at_once for visits in stays for reader in visits) < len(stays) * ACTS
    assert worker.streams.followers == 0 and worker.streams.problem is None
