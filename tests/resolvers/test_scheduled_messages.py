"""Messages for later: sent once at their time, or not at all and their author told why."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col

from auth.viewer import Viewer
from models.errors import NotFound, Refusals
from models.kept_words import MAX_SCHEDULED, SendingNow, TooManyScheduled
from models.message import Content
from models.room import ReadOnlyRoom
from models.user import User, UserStatus
from resolvers import messages, rooms, scheduled_messages
from resolvers.jobs import run_due_jobs
from resolvers.operation import Operation
from tests.resolvers.rooms import direct, group, id_of, log_of, said, texts
from tests.world import World, kinds, race

HOUR = timedelta(hours=1)


@pytest.fixture
async def world(idle_world: World) -> World:
    """Jobs are run here, so none of other tests may be due."""
    return idle_world


async def plan(
    world: World, who: Viewer, room_id: UUID, text: str = "later", *, after: timedelta = HOUR, **content: Any
) -> UUID:
    said = Content(text, **content)
    op = world.as_(who)
    return (
        await scheduled_messages.schedule_message(op, room_id, said, send_at=world.clock() + after)
    ).entity_id


async def work(world: World) -> int:
    return await run_due_jobs(Operation(world.services))


async def state_of(world: World, id: UUID) -> tuple[str, str | None] | None:
    rows = await world.rows("select state, refusal from scheduled_message where id = :id", id=id)
    return (rows[0].state, rows[0].refusal) if rows else None


async def told(world: World, who: Viewer) -> list[str]:
    rows = await world.rows(
        "select kind from fact where stream = :stream and kind like '%Scheduled%' order by number",
        stream=f"user:{id_of(who)}",
    )
    return [row.kind for row in rows]


async def test_it_is_sent_at_its_time_and_not_before(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    id = await plan(world, one, room_id, "later")

    world.clock.move(HOUR - timedelta(seconds=1))
    assert (await work(world), await log_of(world, room_id)) == (0, [])
    world.clock.move(timedelta(seconds=1))
    assert await work(world) == 1

    assert await texts(world, other, room_id) == ["later"]
    (fact,) = await log_of(world, room_id)
    me = id_of(one)
    named = await messages.client_id_of(world.as_(one), room_id, me, f"scheduled:{id}")
    assert (fact.author_id, fact.client_id) == (me, named)
    assert await state_of(world, id) is None
    assert await told(world, one) == ["MessageScheduled", "ScheduledMessageSent"]


async def test_it_is_stored_once_whoever_sends_it_and_wherever_that_breaks_off(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    id = await plan(world, one, room_id)
    world.clock.move(HOUR)
    op = Operation(world.services)

    # Stored by somebody who died before it was noted.
    await said(world, one, room_id, "later", key=f"scheduled:{id}")
    await race([*(scheduled_messages.send_scheduled(op, id) for _ in range(5)), work(world), work(world)])

    assert await texts(world, other, room_id) == ["later"]
    assert await state_of(world, id) is None
    assert await told(world, one) == ["MessageScheduled", "ScheduledMessageSent"]


async def test_five_who_send_it_at_once_store_it_once(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    id = await plan(world, one, room_id)
    world.clock.move(HOUR)
    op = Operation(world.services)

    await race(scheduled_messages.send_scheduled(op, id) for _ in range(5))

    assert await texts(world, other, room_id) == ["later"]
    assert await told(world, one) == ["MessageScheduled", "ScheduledMessageSent"]


async def test_what_was_stored_before_its_author_was_removed_counts_as_sent(world: World) -> None:
    owner, member = await world.client(), await world.freelancer()
    room_id = await group(world, owner, member)
    id = await plan(world, member, room_id)
    world.clock.move(HOUR)

    await said(world, member, room_id, "later", key=f"scheduled:{id}")
    await rooms.remove_member(world.as_(owner), room_id, id_of(member))
    await work(world)

    assert await state_of(world, id) is None
    assert await told(world, member) == ["MessageScheduled", "ScheduledMessageSent"]


async def test_a_cancellation_and_the_time_agree_on_whether_it_is_sent(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    for _ in range(8):
        id = await plan(world, one, room_id)
        world.clock.move(HOUR)
        before = len(await log_of(world, room_id))

        cancelled, _ = await race([
            scheduled_messages.cancel_scheduled(world.as_(one), id), work(world)
        ])  # fmt: skip

        is_sent = len(await log_of(world, room_id)) - before
        # Too late is one of two: it is on its way, or gone.
        assert is_sent == int(isinstance(cancelled, SendingNow | NotFound))
        assert await state_of(world, id) is None


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        ("removed", "NOT_FOUND"), ("archived", "ARCHIVED_ROOM"), ("read-only", "READ_ONLY_ROOM"),
        ("suspended", "ACCOUNT_SUSPENDED"), ("mentioned left", "NOT_FOUND"),
    ],
)  # fmt: skip
async def test_whoever_may_not_write_by_then_is_told_why_and_keeps_the_text(
    world: World, refusal: str, code: str
) -> None:
    owner, member, third = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, owner, member, third)
    id = await plan(world, member, room_id, "kept", mention_ids=(id_of(third),))
    match refusal:
        case "removed":
            await rooms.remove_member(world.as_(owner), room_id, id_of(member))
        case "archived":
            await rooms.archive_room(world.as_(owner), room_id, is_on=True)
        case "read-only":
            await rooms.edit_room(world.as_(owner), room_id, {"is_read_only": True}, expected_version=None)
        case "mentioned left":
            await rooms.leave_room(world.as_(third), room_id)
        case _:
            await suspend(world, member)
    world.clock.move(HOUR)

    assert await work(world) == 1
    assert await work(world) == 0

    assert await log_of(world, room_id) == []
    assert await state_of(world, id) == ("REFUSED", code)
    words = await scheduled_messages.words_of_scheduled(world.as_(member), [id])
    assert words == {id: Content("kept", mention_ids=(id_of(third),))}
    (notice,) = await world.rows("select * from notification where user_id = :id", id=id_of(member))
    assert (notice.kind, notice.category, notice.reason, notice.room_id) == (
        "ScheduledMessageRefused", "SYSTEM", "YOU_WROTE_IT", room_id
    )  # fmt: skip


async def suspend(world: World, who: Viewer) -> None:
    """Nobody can be suspended through a use case yet."""
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        user = await tx.lock(User, col(User.id) == id_of(who), what="person")
        user.status = UserStatus.SUSPENDED


async def test_a_blocked_author_is_refused_and_sends_it_again_once_that_is_over(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    id = await plan(world, one, room_id)
    await rooms.block_person(world.as_(other), id_of(one))
    world.clock.move(HOUR)
    await work(world)
    assert await state_of(world, id) == ("REFUSED", "BLOCKED_PERSON")

    await rooms.unblock_person(world.as_(other), id_of(one))
    await scheduled_messages.edit_scheduled(world.as_(one), id, None, send_at=None, expected_version=None)
    await work(world)

    assert await texts(world, other, room_id) == ["later"]


async def test_it_can_be_worded_anew_and_moved_and_keeps_what_it_answers(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    first = await said(world, other, room_id, "first")
    id = await plan(world, one, room_id, "later", answers_id=first, quote_id=first)

    op = world.as_(one)
    await scheduled_messages.edit_scheduled(
        op, id, Content("even later"), send_at=world.clock() + 2 * HOUR, expected_version=1
    )
    world.clock.move(HOUR)
    assert await work(world) == 0
    world.clock.move(HOUR)
    assert await work(world) == 1

    shown = await messages.page_of_messages(op, room_id, limit=10)
    assert shown is not None
    assert shown.messages[-1].words == Content("even later", first, first, first)


async def test_time_number_and_right_are_checked_when_it_is_scheduled(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    read_only = await group(world, other, one, is_read_only=True)
    before = await world.footprint()

    for after in (timedelta(0), timedelta(days=30, seconds=1)):
        assert kinds(await race([plan(world, one, room_id, after=after)])) == {Refusals.__name__: 1}
    assert kinds(await race([plan(world, one, read_only)])) == {ReadOnlyRoom.__name__: 1}
    assert await world.footprint() == before

    for _ in range(MAX_SCHEDULED - 1):
        await plan(world, one, room_id)
    outcomes = await race(plan(world, one, room_id) for _ in range(4))
    assert kinds(outcomes) == {"UUID": 1, TooManyScheduled.__name__: 3}
