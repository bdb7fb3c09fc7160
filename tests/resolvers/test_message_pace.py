"""How fast people may write: exact however many write at once, nothing stored of what is refused, repeats free."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from auth.viewer import Viewer
from models.ids import new_id
from models.message import Content
from models.pace import Bucket, ChatPaces, Pace, PaceKind, SlowMode, TooFast
from models.room import RoomRole
from models.store import chat_pace
from resolvers import messages, rooms, scheduled_messages
from resolvers.jobs import run_due_jobs
from resolvers.messages import Done
from resolvers.operation import Operation, Rules
from tests.resolvers.rooms import direct, group, id_of, log_of, said, say
from tests.world import World, kinds, make_test_services, race

SECOND = timedelta(seconds=1)


async def slow(world: World, owner: Viewer, room_id: UUID, seconds: int) -> None:
    await rooms.edit_room(world.as_(owner), room_id, {"slow_mode_s": seconds}, expected_version=None)


@pytest.fixture
async def other_worker(world: World, database_url: str) -> AsyncIterator[World]:
    services = await make_test_services(database_url, world.clock)
    yield World(services, world.clock, world.schema)
    await services.close()


async def test_in_slow_mode_of_ten_at_once_through_two_workers_one_is_stored(
    world: World, other_worker: World
) -> None:
    owner, member = await world.client(), await world.freelancer()
    room_id = await group(world, owner, member)
    await slow(world, owner, room_id, 30)

    outcomes = await race(
        say(through, member, room_id, str(number), key=str(number))
        for number, through in enumerate((world, other_worker) * 5)
    )

    assert kinds(outcomes) == {"tuple": 1, SlowMode.__name__: 9}
    assert {outcome.retry_at for outcome in outcomes if isinstance(outcome, SlowMode)} == {
        world.clock() + 30 * SECOND
    }
    assert len(await log_of(world, room_id)) == 1


async def test_a_refused_send_is_stored_under_the_same_key_once_its_time_has_come(world: World) -> None:
    owner, member = await world.client(), await world.freelancer()
    room_id = await group(world, owner, member)
    await slow(world, owner, room_id, 30)
    await say(world, member, room_id, "first", key="a")
    world.clock.move(29 * SECOND)

    assert kinds(await race([say(world, member, room_id, "second", key="b")])) == {SlowMode.__name__: 1}
    # A repeat of what is stored is no second message, and puts nothing off.
    assert (await say(world, member, room_id, "first", key="a"))[0].outcome == "REPLAYED"
    world.clock.move(SECOND)
    assert (await say(world, member, room_id, "second", key="b"))[0].outcome == "APPLIED"

    assert len(await log_of(world, room_id)) == 2


async def test_moderators_do_not_wait_and_each_member_waits_alone(world: World) -> None:
    owner, moderator, one, two = (
        await world.client(), await world.freelancer(), await world.freelancer(), await world.freelancer()
    )  # fmt: skip
    room_id = await group(world, owner, moderator, one, two)
    await rooms.set_role(world.as_(owner), room_id, id_of(moderator), RoomRole.MODERATOR)
    await slow(world, owner, room_id, 60)

    for who in (owner, moderator, owner, moderator, one, two):
        await said(world, who, room_id)
    outcomes = await race(say(world, who, room_id) for who in (one, two))

    assert kinds(outcomes) == {SlowMode.__name__: 2}
    assert len(await log_of(world, room_id)) == 6
    await slow(world, owner, room_id, 0)
    assert kinds(await race([say(world, one, room_id)])) == {"tuple": 1}


async def test_a_person_sends_as_many_at_once_as_the_burst_allows_in_all_rooms_together(world: World) -> None:
    paces = ChatPaces(sends_of_person=Pace(per_minute=60, burst=5))
    world = world.with_rules(Rules(chat_paces=paces))
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    here, there = await direct(world, one, other), await direct(world, one, third)

    outcomes = await race(say(world, one, room_id) for room_id in (here, there) * 6)

    assert kinds(outcomes) == {"tuple": 5, TooFast.__name__: 7}
    assert {outcome.retry_at for outcome in outcomes if isinstance(outcome, TooFast)} == {
        world.clock() + SECOND
    }
    assert len(await log_of(world, here)) + len(await log_of(world, there)) == 5
    # Others are not in their way, and one a second comes back.
    assert kinds(await race([say(world, other, here)])) == {"tuple": 1}
    world.clock.move(2 * SECOND)
    assert kinds(await race(say(world, one, here) for _ in range(4))) == {"tuple": 2, TooFast.__name__: 2}


async def test_a_full_room_takes_nothing_from_those_whom_it_refuses(world: World) -> None:
    paces = ChatPaces(sends_of_person=Pace(60, 2), sends_in_room=Pace(60, 3))
    world = world.with_rules(Rules(chat_paces=paces))
    owner, one, two = await world.client(), await world.freelancer(), await world.freelancer()
    room_id, elsewhere = await group(world, owner, one, two), await direct(world, one, two)

    for who in (owner, owner, two):
        await said(world, who, room_id)
    refused = await race(say(world, one, room_id) for _ in range(5))
    after = await race(say(world, one, elsewhere) for _ in range(3))

    assert kinds(refused) == {TooFast.__name__: 5}
    assert kinds(after) == {"tuple": 2, TooFast.__name__: 1}


async def test_reactions_are_counted_beside_messages(world: World) -> None:
    paces = ChatPaces(sends_of_person=Pace(60, 1), reactions_of_person=Pace(60, 2))
    world = world.with_rules(Rules(chat_paces=paces))
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    message_id = await said(world, one, room_id)

    async def react(emoji: str) -> Done:
        return await messages.react_to_message(world.as_(one), room_id, message_id, emoji, is_on=True)

    outcomes = [*await race([react("👍")]), *await race([react("👍")]), *await race([react("🎉")]),
                *await race([react("❤️")])]  # fmt: skip

    # One that changes nothing is not counted.
    assert kinds(outcomes) == {"tuple": 3, TooFast.__name__: 1}
    assert len(await log_of(world, room_id)) == 3


async def test_what_says_nothing_any_more_is_forgotten(world: World) -> None:
    statements = world.services.chat.keys.statements
    bucket = Bucket(PaceKind.SENT, new_id(), new_id(), every_s=10)
    assert await chat_pace.take(statements, [bucket], new_id(), at=world.clock()) is None
    told = await chat_pace.take(statements, [bucket], new_id(), at=world.clock())

    assert told is not None and told.retry_at == world.clock() + 10 * SECOND
    await chat_pace.forget_full(statements, before=world.clock() + 11 * SECOND)
    assert await chat_pace.take(statements, [bucket], new_id(), at=world.clock()) is None


async def test_a_scheduled_message_waits_for_its_turn(idle_world: World) -> None:
    world = idle_world
    owner, member = await world.client(), await world.freelancer()
    room_id = await group(world, owner, member)
    await slow(world, owner, room_id, 30)
    for text in ("a", "b"):
        await scheduled_messages.schedule_message(
            world.as_(member), room_id, Content(text), send_at=world.clock() + SECOND
        )

    world.clock.move(SECOND)
    await run_due_jobs(Operation(world.services))
    assert len(await log_of(world, room_id)) == 1
    world.clock.move(30 * SECOND)
    await run_due_jobs(Operation(world.services))

    assert len(await log_of(world, room_id)) == 2
