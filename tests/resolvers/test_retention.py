"""What is kept for 30 days: there to the last moment, gone afterwards, and nothing else with it."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from auth.viewer import Viewer
from models.errors import IdempotencyConflict
from models.ids import new_id
from models.job import JobStatus
from models.stream import FOR_REPLAY_ONLY
from models.user import SessionEnded
from resolvers import accounts, gigs, notifications
from resolvers.jobs import HANDLERS, job, run_due_jobs, schedule
from resolvers.operation import Operation, Rules
from resolvers.retention import KEPT, NOTIFICATION_KEPT, REPLAY_KEPT, delete_outdated
from tests.world import PASSWORD, World, race

MOMENT = timedelta(microseconds=1)


def system(world: World) -> Operation:
    return Operation(world.services)


async def count(world: World, table: str) -> int:
    return int((await world.rows(f"select count(*) from {table}"))[0][0])


async def tokens_of(world: World, viewer: Viewer) -> int:
    statement = "select 1 from refresh_token join session on session.id = session_id where user_id = :id"
    return len(await world.rows(statement, id=viewer.user_id))


async def sign_in(world: World, viewer: Viewer) -> accounts.Credentials:
    email = (await world.rows("select email from users where id = :id", id=viewer.user_id))[0][0]
    _, credentials = await accounts.create_session(system(world), email=email, password=PASSWORD)
    return credentials


async def test_an_idempotency_key_is_good_for_thirty_days(empty_world: World) -> None:
    world, client = empty_world, await empty_world.client()
    keyed = world.as_(client, key="k", mutation="gig_create")
    first = await gigs.create_gig(keyed, world.content(deadline=world.clock() + 2 * KEPT))
    world.clock.move(KEPT - MOMENT)
    assert await delete_outdated(system(world)) == 0
    other_input = world.as_(client, key="k", mutation="gig_create", input=b"other")
    with pytest.raises(IdempotencyConflict):
        await gigs.create_gig(other_input, world.content())
    world.clock.move(MOMENT)

    # The session of the person ends in the same moment, but its token is kept for another 30 days.
    assert await delete_outdated(system(world)) == 1

    again = await gigs.create_gig(keyed, world.content(deadline=world.clock() + KEPT))
    assert again.entity_id != first.entity_id
    assert await count(world, "gig") == 2


async def test_jobs_that_were_done_are_deleted_and_dead_or_waiting_ones_stay(empty_world: World) -> None:
    world = empty_world
    done, dead, waiting = new_id(), new_id(), new_id()

    @job("kept_work")
    async def work(op: Operation, tx: object, subject_id: UUID) -> None:
        if subject_id == dead:
            raise RuntimeError

    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        for subject in (done, dead):
            await schedule(tx, "kept_work", subject, run_at=world.clock(), at=world.clock())
        await schedule(tx, "kept_work", waiting, run_at=world.clock() + 2 * KEPT, at=world.clock())
    await run_due_jobs(system(world))
    finished = world.clock()
    for _ in range(8):
        world.clock.move(timedelta(hours=1))
        await run_due_jobs(system(world))
    del HANDLERS["kept_work"]
    world.clock.move(finished + KEPT - MOMENT - world.clock())
    assert await delete_outdated(system(world)) == 0
    world.clock.move(timedelta(days=1))

    assert await delete_outdated(system(world)) == 1

    left = {row.subject_id: row.status for row in await world.rows("select subject_id, status from job")}
    assert left == {dead: JobStatus.DEAD, waiting: JobStatus.WAITING}


async def test_refresh_tokens_go_thirty_days_after_their_session_ended(empty_world: World) -> None:
    world = empty_world
    leaver, sleeper, regular = [await world.client() for _ in range(3)]
    await accounts.revoke_session(world.as_(leaver), session_id=None)
    credentials = await sign_in(world, regular)
    forgotten = await sign_in(world, sleeper)
    for _ in range(2):
        world.clock.move(KEPT - MOMENT)
        _, credentials = await accounts.refresh_session(
            system(world), refresh_token=credentials.refresh_token
        )
    world.clock.move(2 * MOMENT)

    # Three that nobody refreshed, the first of the regular's and both of the sleeper's, and the one that was revoked.
    assert await delete_outdated(system(world)) == 4

    assert [await tokens_of(world, person) for person in (leaver, sleeper, regular)] == [0, 0, 3]
    assert await count(world, "session") == 5
    await accounts.refresh_session(system(world), refresh_token=credentials.refresh_token)
    with pytest.raises(SessionEnded):
        await accounts.refresh_session(system(world), refresh_token=forgotten.refresh_token)


async def test_notifications_go_half_a_year_later_once_they_were_read_or_archived(empty_world: World) -> None:
    world, client = empty_world, await empty_world.client()
    gig_id = await world.open_gig(client, deadline=world.clock() + 2 * NOTIFICATION_KEPT)
    for _ in range(4):
        await world.application(await world.freelancer(), gig_id)
    rows = await world.rows("select id from notification order by id")
    read, archived, seen, unseen = [row[0] for row in rows]
    as_client = world.as_(client)
    await notifications.mark_seen(as_client, up_to=seen)
    await notifications.archive(as_client, [archived])
    await notifications.mark_read(as_client, [read])
    world.clock.move(NOTIFICATION_KEPT - MOMENT)
    await delete_outdated(system(world))
    assert await count(world, "notification") == 4
    world.clock.move(MOMENT)

    assert await delete_outdated(system(world)) == 2

    left = await world.rows("select id from notification order by id")
    assert [row[0] for row in left] == [seen, unseen]


async def numbers(world: World, kind: str) -> list[int]:
    """Of the facts in all streams of a kind."""
    statement = "select number from fact where split_part(stream, ':', 1) = :kind order by stream, number"
    return [row[0] for row in await world.rows(statement, kind=kind)]


async def test_facts_for_replay_go_after_ninety_days_and_those_of_gigs_and_every_head_stay(
    empty_world: World,
) -> None:
    world, client = empty_world, await empty_world.client()
    strict = world.with_rules(Rules(gigs_need_approval=True))
    gig_id = await world.open_gig(client, deadline=world.clock() + 2 * REPLAY_KEPT)
    await gigs.publish_gig(strict.as_(client), await world.draft(client))
    await world.application(await world.freelancer(), gig_id)
    streams = {kind: await numbers(world, kind) for kind in ("admin", "user", "gig")}
    heads = await world.rows("select stream, number from stream_head order by stream")
    world.clock.move(REPLAY_KEPT - MOMENT)
    await delete_outdated(system(world))
    assert {kind: await numbers(world, kind) for kind in streams} == streams
    await notifications.mark_all_read(world.as_(client), category=None)
    world.clock.move(MOMENT)

    deleted = await delete_outdated(system(world))

    assert deleted == len(streams["admin"]) + len(streams["user"]) > 2
    assert await numbers(world, "gig") == streams["gig"]
    assert await numbers(world, "admin") == []
    # The applicant's is empty now; the client's goes on where it was.
    assert await numbers(world, "user") == [4]
    after = await world.rows("select stream, number from stream_head order by stream")
    assert [row.stream for row in after] == [row.stream for row in heads]
    assert sum(row.number for row in after) == sum(row.number for row in heads) + 1
    assert await count(world, "notification") == 1


async def test_outdated_facts_are_found_by_their_index(world: World) -> None:
    question = (
        f"explain (costs off) select 1 from fact where ({FOR_REPLAY_ONLY}) and occurred_at <= now() limit 9"
    )
    async with system(world).transaction() as tx:
        # The table of a test is small enough to be read whole.
        await tx.execute(sa.text("set local enable_seqscan = off"))
        plan = (await tx.execute(sa.text(question))).scalars().all()

    assert any("ix_fact_outdated" in line for line in plan), plan


async def test_what_is_deleted_at_once_is_bounded_and_the_rest_follows(empty_world: World) -> None:
    world, client = empty_world, await empty_world.client()
    for number in range(5):
        await gigs.create_gig(world.as_(client, key=f"key {number}"), world.content())
    world.clock.move(KEPT)

    assert await delete_outdated(system(world), batch=2, batches=2) == 4

    assert await count(world, "idempotency_key") == 1
    assert await delete_outdated(system(world), batch=2, batches=2) == 1
    assert await delete_outdated(system(world), batch=2, batches=2) == 0


async def test_two_processes_that_delete_at_once_share_the_work(empty_world: World) -> None:
    world, client = empty_world, await empty_world.client()
    for number in range(20):
        await gigs.create_gig(world.as_(client, key=f"key {number}"), world.content())
    world.clock.move(KEPT)

    outcomes = await race([delete_outdated(system(world), batch=3) for _ in range(4)])

    deleted = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(deleted) == 4 and sum(deleted) + await count(world, "idempotency_key") == 20
    assert await delete_outdated(system(world)) == 20 - sum(deleted)
    assert await count(world, "gig") == 20
