"""Work that is owed for later: done at its time, once in its effects, and never in the way of other work."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from models.errors import NotAllowed, NotFound
from models.gig import Gig
from models.gig_workflow import GigStatus
from models.idempotency import Outcome
from models.ids import new_id
from models.job import MAX_ATTEMPTS, JobStatus
from models.remark import Remark
from models.store.sql import Transaction
from resolvers import gigs
from resolvers.jobs import HANDLERS, LEASE, OUTSIDE, job, outside_job, retry_job, run_due_jobs, schedule
from resolvers.operation import Operation
from tests.world import World, kinds, make_test_services, race

DAY = timedelta(days=1)
KIND = "test_work"
Work = list[UUID]


@pytest.fixture
async def world(idle_world: World) -> World:
    """Jobs are counted here, so none of other tests may be due."""
    return idle_world


@pytest.fixture
def worked() -> Iterator[Work]:
    """Subjects that the test's own kind of job worked on, in order; what a subject needs fails while it is `broken`."""
    worked: Work = []

    @job(KIND)
    async def work(op: Operation, tx: Transaction, subject_id: UUID) -> None:
        worked.append(subject_id)
        tx.add(Remark(id=new_id(), author_id=None, body=str(subject_id), created_at=op.now()))
        await tx.session.flush()

    yield worked
    del HANDLERS[KIND]


def system(world: World) -> Operation:
    return Operation(world.services)


async def owe(world: World, *subjects: UUID, kind: str = KIND, run_at: datetime | None = None) -> None:
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        for subject in subjects:
            await schedule(tx, kind, subject, run_at=run_at or world.clock(), at=world.clock())


async def job_of(world: World, subject: UUID) -> Any:
    statement = "select id, status, attempts, run_at, last_error, finished_at from job where subject_id = :id"
    return (await world.rows(statement, id=subject))[0]


async def effects(world: World, subject: UUID) -> int:
    return len(await world.rows("select 1 from remark where body = :body", body=str(subject)))


# -- expiry ------------------------------------------------------------------------------------------------------------


async def test_a_gig_expires_at_its_deadline_and_not_before(world: World) -> None:
    gig_id = await world.open_gig(await world.client(), deadline=world.clock() + DAY)
    world.clock.move(DAY - timedelta(microseconds=1))
    assert await run_due_jobs(system(world)) == 0
    world.clock.move(timedelta(microseconds=1))

    assert await run_due_jobs(system(world)) == 1

    assert (await world.gig(gig_id)).status is GigStatus.EXPIRED
    assert await world.facts(gig_id) == ["GigCreated", "GigPublished", "GigExpired"]
    assert (await job_of(world, gig_id)).status == JobStatus.DONE
    assert await run_due_jobs(system(world)) == 0


async def test_a_moved_deadline_moves_the_expiry(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, deadline=world.clock() + DAY)
    await gigs.edit_gig(
        world.as_(client), gig_id, {"deadline": world.clock() + 3 * DAY}, expected_version=None
    )
    world.clock.move(DAY)
    assert await run_due_jobs(system(world)) == 0
    assert (await world.gig(gig_id)).status is GigStatus.OPEN

    world.clock.move(2 * DAY)

    assert await run_due_jobs(system(world)) == 1
    assert (await world.gig(gig_id)).status is GigStatus.EXPIRED


async def test_a_paused_gig_expires_too(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, deadline=world.clock() + DAY)
    await gigs.pause_gig(world.as_(client), gig_id)
    world.clock.move(DAY)

    await run_due_jobs(system(world))

    assert (await world.gig(gig_id)).status is GigStatus.EXPIRED
    await gigs.reopen_gig(world.as_(client), gig_id, deadline=world.clock() + DAY)
    world.clock.move(DAY)
    assert await run_due_jobs(system(world)) == 1
    assert (await world.gig(gig_id)).status is GigStatus.EXPIRED


async def test_a_gig_with_people_hired_goes_on_after_its_deadline(world: World) -> None:
    hired = await world.hired(wanted=2, deadline=world.clock() + DAY)
    world.clock.move(DAY)

    await run_due_jobs(system(world))

    assert (await world.gig(hired.gig_id)).status is GigStatus.IN_PROGRESS
    assert (await world.facts(hired.gig_id))[-1] == "GigHiringStopped"


async def test_a_gig_that_has_moved_on_is_left_alone(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, deadline=world.clock() + DAY)
    await gigs.cancel_gig(world.as_(client), gig_id, note=None)
    world.clock.move(DAY)

    assert await run_due_jobs(system(world)) == 1

    assert (await world.gig(gig_id)).status is GigStatus.CANCELLED
    assert (await world.facts(gig_id))[-1] == "GigCancelled"


# -- the worker --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def other_worker(world: World, database_url: str) -> AsyncIterator[Operation]:
    services = await make_test_services(database_url, world.clock)
    yield Operation(services)
    await services.close()


async def test_two_workers_do_each_job_once(world: World, other_worker: Operation, worked: Work) -> None:
    subjects = [new_id() for _ in range(20)]
    await owe(world, *subjects)

    done = await asyncio.gather(run_due_jobs(system(world)), run_due_jobs(other_worker))

    assert sum(done) == 20
    assert sorted(worked) == sorted(subjects)
    assert [await effects(world, subject) for subject in subjects] == [1] * 20


async def test_a_crash_in_the_middle_undoes_the_effect_and_the_next_run_repeats_it(
    world: World, worked: Work
) -> None:
    subject = new_id()
    await owe(world, subject)
    working = HANDLERS[KIND]

    async def crash(op: Operation, tx: Transaction, subject_id: UUID) -> None:
        await working(op, tx, subject_id)
        raise asyncio.CancelledError

    HANDLERS[KIND] = crash
    assert kinds(await race([run_due_jobs(system(world))])) == {"CancelledError": 1}
    HANDLERS[KIND] = working
    assert (await effects(world, subject), (await job_of(world, subject)).attempts) == (0, 0)

    assert await run_due_jobs(system(world)) == 1

    assert (await effects(world, subject), worked) == (1, [subject, subject])


async def test_a_failing_job_waits_longer_each_time_then_is_dead_until_somebody_retries_it(
    world: World, worked: Work
) -> None:
    admin, subject = await world.admin(), new_id()
    await owe(world, subject)
    working = HANDLERS[KIND]

    async def fail(op: Operation, tx: Transaction, subject_id: UUID) -> None:
        await working(op, tx, subject_id)
        raise RuntimeError("no\0good")

    HANDLERS[KIND] = fail
    waits = []
    for _ in range(MAX_ATTEMPTS - 1):
        assert await run_due_jobs(system(world)) == 1
        row = await job_of(world, subject)
        waits.append(int((row.run_at - world.clock()).total_seconds()))
        world.clock.time = row.run_at
    assert (waits, row.status) == ([2, 4, 8, 16, 32, 64, 128], JobStatus.WAITING)

    assert await run_due_jobs(system(world)) == 1

    dead = await job_of(world, subject)
    assert (dead.status, dead.attempts, dead.finished_at) == (JobStatus.DEAD, 8, world.clock())
    assert dead.last_error == "RuntimeError: no�good\n"
    assert (await effects(world, subject), await run_due_jobs(system(world))) == (0, 0)
    HANDLERS[KIND] = working
    assert (await retry_job(world.as_(admin), dead.id)).outcome is Outcome.APPLIED
    assert (await retry_job(world.as_(admin), dead.id)).outcome is Outcome.NOOP
    assert await run_due_jobs(system(world)) == 1
    assert (await effects(world, subject), (await job_of(world, subject)).status) == (1, JobStatus.DONE)


async def test_a_job_that_breaks_its_transaction_is_recorded_and_does_not_block_the_others(
    world: World, worked: Work
) -> None:
    broken, unknown, fine = new_id(), new_id(), new_id()
    await owe(world, broken, kind="test_broken")
    await owe(world, unknown, kind="test_unknown")
    await owe(world, fine)

    @job("test_broken")
    async def break_the_transaction(op: Operation, tx: Transaction, subject_id: UUID) -> None:
        tx.add(Remark(id=subject_id, author_id=new_id(), body="by nobody", created_at=op.now()))
        await tx.session.flush()

    try:
        assert await run_due_jobs(system(world)) == 3
    finally:
        del HANDLERS["test_broken"]

    found = [(await job_of(world, subject)) for subject in (broken, unknown, fine)]
    assert [(row.status, row.attempts) for row in found] == [("WAITING", 1), ("WAITING", 1), ("DONE", 0)]
    assert "fk_remark_author_id" in found[0].last_error
    assert found[1].last_error == "KeyError: 'test_unknown'\n"
    assert worked == [fine]


async def test_only_an_administrator_gives_a_job_another_life(world: World, worked: Work) -> None:
    client, admin, subject = await world.client(), await world.admin(), new_id()
    await owe(world, subject, run_at=world.clock() + DAY)
    before = await world.footprint()

    outcomes = await race(
        [
            retry_job(world.as_(client), (await job_of(world, subject)).id),
            retry_job(world.as_(admin), new_id()),
        ]
    )

    assert kinds(outcomes) == {NotAllowed.__name__: 1, NotFound.__name__: 1}
    assert await world.footprint() == before


async def test_a_failure_does_not_bring_back_a_deadline_that_was_moved_meanwhile(
    world: World, worked: Work
) -> None:
    subject, later = new_id(), world.clock() + 3 * DAY
    await owe(world, subject)

    async def fail_while_somebody_moves_it(op: Operation, tx: Transaction, subject_id: UUID) -> None:
        # The rollback gives the row free before the failure is recorded: the move comes in between.
        await tx.session.rollback()
        await owe(world, subject_id, run_at=later)
        raise RuntimeError

    HANDLERS[KIND] = fail_while_somebody_moves_it
    await run_due_jobs(system(world))

    row = await job_of(world, subject)
    assert (row.run_at, row.attempts, row.last_error) == (later, 0, None)


async def test_a_job_gives_way_to_the_person_who_moves_its_deadline(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, deadline=world.clock() + DAY)
    world.clock.move(DAY)
    expire = HANDLERS["expire_gig"]
    claimed, edited = asyncio.Event(), asyncio.Event()

    async def expire_slowly(op: Operation, tx: Transaction, subject_id: UUID) -> None:
        claimed.set()
        await edited.wait()
        await expire(op, tx, subject_id)

    HANDLERS["expire_gig"] = expire_slowly
    try:
        worker = asyncio.create_task(run_due_jobs(system(world), at_most=1))
        await claimed.wait()
        async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
            gig = await tx.lock(Gig, Gig.__table__.c.id == gig_id, what="gig")  # type: ignore[attr-defined]
            edited.set()
            gig.deadline = world.clock() + DAY
            async with asyncio.timeout(4):
                await schedule(tx, "expire_gig", gig_id, run_at=gig.deadline, at=world.clock())
        assert await worker == 1
    finally:
        HANDLERS["expire_gig"] = expire

    row = await job_of(world, gig_id)
    assert (row.status, row.run_at, row.attempts) == (JobStatus.WAITING, world.clock() + DAY, 0)
    assert (await world.gig(gig_id)).status is GigStatus.OPEN


async def test_work_outside_is_leased_tried_again_and_given_up_like_any_other(
    world: World, other_worker: Operation
) -> None:
    subject, tries = new_id(), list[datetime]()

    @outside_job("test_outside")
    async def work(op: Operation, subject_id: UUID) -> None:
        tries.append(op.now())
        # Nobody else gets it while it is leased, and no transaction is open meanwhile.
        assert await run_due_jobs(other_worker) == 0
        if len(tries) < 3:
            raise RuntimeError

    try:
        await owe(world, subject, kind="test_outside")
        for _ in range(4):
            await run_due_jobs(system(world))
            world.clock.move(DAY)
    finally:
        del OUTSIDE["test_outside"]

    row = await job_of(world, subject)
    assert (row.status, row.attempts, len(tries)) == (JobStatus.DONE, 2, 3)


async def test_work_outside_whose_worker_died_is_done_by_another_after_a_minute(
    world: World, other_worker: Operation
) -> None:
    subject, done = new_id(), list[str]()

    @outside_job("test_outside")
    async def work(op: Operation, subject_id: UUID) -> None:
        done.append("begun")
        if len(done) == 1:
            raise asyncio.CancelledError

    try:
        await owe(world, subject, kind="test_outside")
        assert kinds(await race([run_due_jobs(system(world))])) == {"CancelledError": 1}
        assert await run_due_jobs(other_worker) == 0
        world.clock.move(LEASE)
        assert await run_due_jobs(other_worker) == 1
    finally:
        del OUTSIDE["test_outside"]

    assert (await job_of(world, subject)).status == JobStatus.DONE


async def test_work_outside_that_is_moved_while_it_is_done_is_done_again(world: World) -> None:
    subject, later, tries = new_id(), world.clock() + DAY, list[datetime]()

    @outside_job("test_outside")
    async def work(op: Operation, subject_id: UUID) -> None:
        tries.append(op.now())
        if len(tries) == 1:
            await owe(world, subject_id, kind="test_outside", run_at=later)

    try:
        await owe(world, subject, kind="test_outside")
        assert await run_due_jobs(system(world)) == 1
        assert (await job_of(world, subject)).run_at == later
        world.clock.move(DAY)
        assert await run_due_jobs(system(world)) == 1
    finally:
        del OUTSIDE["test_outside"]

    assert (await job_of(world, subject)).status == JobStatus.DONE
