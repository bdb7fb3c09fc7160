"""Who writes in the rooms of a person, and who is there, in their one stream: told of each room that is followed, and no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from auth.viewer import Viewer
from models.ids import encode_id, new_id
from models.presence import ONLINE_LEASE, Attendance, PersonState, Present, person
from resolvers import room_presence, rooms
from subscriptions import onlooker as onlookers
from subscriptions import people as telling
from subscriptions.onlooker import At, Moved, Onlooker
from subscriptions.redis_broker import RedisBroker
from tests.redis_server import RedisServer
from tests.resolvers.rooms import direct, group, id_of, said, say
from tests.subscriptions.conftest import CHANNEL, StartWorker, Worker, until
from tests.subscriptions.frames import frames_of
from tests.subscriptions.test_merged_rooms import place_of
from tests.subscriptions.test_room_events import Follow
from tests.subscriptions.test_room_presence import Crowd, Room, moved, tells, types

FOLLOW = """subscription ($after: StreamCursor, $topics: [Topic!]) { viewerEvents(after: $after, topics: $topics) {
  cursor event { __typename
    ... on TypingChanged { roomId room { id } typists { threadId person { name } } }
    ... on MembersPresenceChanged { members { state personId person { name } } }
    ... on MessageEvent { message { text } } } } }"""
FACTS = (
    "subscription { viewerEvents { cursor event { __typename ... on MessageEvent { message { text } } } } }"
)


async def follow(worker: Worker, who: Viewer, after: str | None = None, topics: Any = None) -> Follow:
    frames = await frames_of(worker, who, FOLLOW, after=after, topics=topics)
    return Follow(frames, "viewerEvents")


@asynccontextmanager
async def following(worker: Worker, who: Viewer) -> AsyncIterator[Follow]:
    its = await follow(worker, who)
    assert (await its.next())["__typename"] == "StreamReady"
    yield its
    await its.close()


def writing(room_id: UUID, *names: str) -> dict[str, Any]:
    people = [{"threadId": None, "person": {"name": name}} for name in names]
    room = encode_id("room", room_id)
    return {"__typename": "TypingChanged", "roomId": room, "room": {"id": room}, "typists": people}


async def until_told(its: Follow, event: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything up to this."""
    told = [await its.next()]
    while told[-1] != event:
        told.append(await its.next())
    return told


# -- who writes --------------------------------------------------------------------------------------------------------


async def test_who_writes_is_told_of_each_room_by_itself(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    me, one, other = await world.client("Olga"), await world.freelancer("Ada"), await world.freelancer("Bob")
    team, pair = await group(world, me, one, other), await direct(world, me, one)
    before = await world.footprint()

    async with following(worker, me) as its:
        ready = its.cursor
        await types(world, one, team)
        assert await its.next() == writing(team, "Ada")
        await types(world, one, pair)
        assert await its.next() == writing(pair, "Ada")
        # What one writes oneself is no news, and what is merely said again neither.
        await types(world, me, pair)
        await types(world, one, team)
        await types(world, other, team)
        assert await its.next() == writing(team, "Ada", "Bob")
        await types(world, one, pair, isTyping=False)
        assert await its.next() == writing(pair)
        assert its.cursor == ready and await world.footprint() == before
        await said(world, other, team, "here it is")
        told = [await its.next(), await its.next()]

    assert sorted(event["__typename"] for event in told) == ["MessageSent", "TypingChanged"]
    assert writing(team, "Ada") in told


async def test_a_room_that_is_muted_is_told_of_no_more_and_again_once_it_is_not(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    me, one = await world.client("Olga"), await world.freelancer("Ada")
    room_id, beside = await group(world, me, one), await direct(world, me, one)

    async with following(worker, me) as its:
        await types(world, one, room_id)
        assert await its.next() == writing(room_id, "Ada")
        await rooms.set_preference(world.as_(me), room_id, {"is_muted": True})
        assert (await its.next())["__typename"] == "RoomPreferenceSet"
        await types(world, one, room_id, isTyping=False)
        await types(world, one, room_id, client="another tab")
        for is_typing in (True, False):
            await types(world, one, beside, isTyping=is_typing)
            assert await its.next() == writing(beside, *["Ada"] * is_typing)
        await rooms.set_preference(world.as_(me), room_id, {"is_muted": False})
        assert (await its.next())["__typename"] == "RoomPreferenceSet"
        assert await its.next() == writing(room_id, "Ada")


async def test_in_a_room_that_is_joined_meanwhile_those_are_told_who_write_or_are_there(
    start: StartWorker,
) -> None:
    worker = await start()
    world = worker.world
    me, one, other = await world.client(), await world.freelancer("Ada"), await world.freelancer("Bob")
    room_id = await group(world, one, other)
    await tells(world, one)
    await types(world, other, room_id)

    async with following(worker, me) as its:
        await rooms.add_members(world.as_(one), room_id, [id_of(me)])
        assert (await its.next())["__typename"] == "RoomMemberAdded"
        told = [await its.next(), await its.next()]
        await types(world, one, room_id)
        last = await its.next()

    assert writing(room_id, "Bob") in told
    assert moved((one, "Ada", "ONLINE")) in told
    assert last == writing(room_id, "Ada", "Bob")


@pytest.mark.parametrize("is_sent_away", [True, False])
async def test_after_one_was_told_that_one_left_a_room_nothing_of_it_is_told(
    start: StartWorker, is_sent_away: bool
) -> None:
    worker = await start()
    world = worker.world
    owner, me = await world.client("Olga"), await world.freelancer("Mo")
    room_id, beside = await group(world, owner, me), await direct(world, owner, me)
    done = asyncio.Event()

    async def write() -> None:
        is_typing = False
        while not done.is_set():
            is_typing = not is_typing
            await types(world, owner, room_id, isTyping=is_typing)
            world.services.attendance._words.clear()  # more often than they may say it

    async with following(worker, me) as its:
        writer = asyncio.create_task(write())
        for _ in range(2):
            assert (await its.next())["__typename"] == "TypingChanged"
        if is_sent_away:
            await rooms.remove_member(world.as_(owner), room_id, id_of(me))
        else:
            await rooms.leave_room(world.as_(me), room_id)
        told = [await its.next()]
        while not told[-1]["__typename"].startswith("RoomMember"):
            told.append(await its.next())
        for is_typing in (True, False):
            await types(world, owner, beside, isTyping=is_typing, client="beside")
            assert await its.next() == writing(beside, *["Olga"] * is_typing)
        done.set()
        await writer

    assert {event["__typename"] for event in told[:-1]} <= {"TypingChanged"}


async def test_what_was_noted_of_a_room_before_one_was_sent_away_is_not_told_afterwards(
    start: StartWorker,
) -> None:
    worker = await start()
    world = worker.world
    owner, me = await world.client("Olga"), await world.freelancer("Mo")
    room_id = await group(world, owner, me)

    async with following(worker, me) as its:
        # Whoever is slow to read.
        await until(lambda: len(worker.streams._tails[f"room:{room_id}"].followers) == 1)
        (leg,) = worker.streams._tails[f"room:{room_id}"].followers
        onlooker = leg.onlooker
        assert onlooker is not None
        await types(world, owner, room_id)
        await tells(world, owner)
        await until(lambda: bool(onlooker._changed and onlooker._moved))
        await rooms.remove_member(world.as_(owner), room_id, id_of(me))
        await until(lambda: leg.ended is not None)
        told = [await its.next()]
        beside = await direct(world, owner, me)
        told += [await its.next(), await its.next()]
        await types(world, owner, beside)
        told.append(await its.next())

    assert [event["__typename"] for event in told[:2]] == ["RoomMemberRemoved", "RoomMemberAdded"]
    # With whom a room is shared again.
    assert told[2:] == [moved((owner, "Olga", "ONLINE")), writing(beside, "Olga")]
    assert (onlooker._watched, onlooker._changed, onlooker._moved, onlooker._shown) == ({}, {}, {}, {})


# -- who is there ------------------------------------------------------------------------------------------------------


async def test_a_person_of_two_rooms_is_told_once(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    me, one, other = await world.client("Olga"), await world.freelancer("Ada"), await world.freelancer("Bob")
    await group(world, me, one, other)
    await direct(world, me, one)
    await group(world, me, one)
    await tells(world, one)

    async with following(worker, me) as its:
        ready = its.cursor
        assert await its.next() == moved((one, "Ada", "ONLINE"))
        await tells(world, me)
        await tells(world, one, "AWAY")
        assert await its.next() == moved((one, "Ada", "AWAY"))
        await tells(world, one, "OFFLINE")
        assert await its.next() == moved((one, "Ada", "OFFLINE"))
        await tells(world, other)
        assert await its.next() == moved((other, "Bob", "ONLINE"))
        await tells(world, other, "OFFLINE")
        assert await its.next() == moved((other, "Bob", "OFFLINE"))
        assert its.cursor == ready


async def test_those_are_gone_who_are_blocked_and_who_do_not_show_it(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    me, one, other = await world.client("Olga"), await world.freelancer("Ada"), await world.freelancer("Bob")
    await group(world, me, one, other)
    await group(world, me, one)
    await tells(world, one)

    async with following(worker, me) as its, following(worker, one) as theirs:
        assert await its.next() == moved((one, "Ada", "ONLINE"))
        await rooms.block_person(world.as_(one), id_of(me))
        await worker.streams.recheck()
        assert await until_told(theirs, {"__typename": "PersonBlocked"})
        assert await its.next() == moved((one, "Ada", "OFFLINE"))
        # What they do meanwhile is no news.
        await tells(world, one, "AWAY")
        await tells(world, me)
        await tells(world, other)
        assert await its.next() == moved((other, "Bob", "ONLINE"))
        assert await theirs.next() == moved((other, "Bob", "ONLINE"))
        await rooms.unblock_person(world.as_(one), id_of(me))
        await worker.streams.recheck()
        assert await its.next() == moved((one, "Ada", "AWAY"))
        await room_presence.set_shown(world.as_(one), is_on=False)
        assert await its.next() == moved((one, "Ada", "OFFLINE"))


async def test_of_a_room_that_was_left_nobody_is_told_until_one_is_back(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, me, one, other = (
        await world.client("Olga"),
        await world.freelancer("Mo"),
        await world.freelancer("Ada"),
        await world.freelancer("Bob"),
    )
    room_id = await group(world, owner, me, one, other)
    await direct(world, owner, me)
    await tells(world, one)
    await tells(world, other)

    async with following(worker, me) as its:
        both = (await its.next())["members"]
        assert sorted(member["person"]["name"] for member in both) == ["Ada", "Bob"]
        await rooms.remove_member(world.as_(owner), room_id, id_of(me))
        assert (await its.next())["__typename"] == "RoomMemberRemoved"
        # No room is shared with one of them any more.
        await tells(world, one, "OFFLINE")
        await tells(world, owner)
        assert await its.next() == moved((owner, "Olga", "ONLINE"))
        await tells(world, owner, "AWAY")
        assert await its.next() == moved((owner, "Olga", "AWAY"))
        await rooms.add_members(world.as_(owner), room_id, [id_of(me)])
        assert (await its.next())["__typename"] == "RoomMemberAdded"
        # What was told last of the other one is still so.
        assert await its.next() == moved((one, "Ada", "OFFLINE"))
        await tells(world, other, "AWAY")
        assert await its.next() == moved((other, "Bob", "AWAY"))


async def test_who_joins_a_room_of_ones_own_while_they_are_there_is_told(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    me, one, other = await world.client(), await world.freelancer("Ada"), await world.freelancer("Bob")
    room_id = await group(world, me, other)
    await tells(world, one)
    await tells(world, other)

    async with following(worker, me) as its:
        assert await its.next() == moved((other, "Bob", "ONLINE"))
        await rooms.add_members(world.as_(me), room_id, [id_of(one)])
        # The fact is for members who follow the room itself.
        assert await its.next() == moved((one, "Ada", "ONLINE"))


async def test_in_a_large_room_nobody_is_told(start: StartWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "MOST_PEOPLE", 2)
    worker = await start()
    world = worker.world
    me, one, other = await world.client(), await world.freelancer("Ada"), await world.freelancer("Bob")
    await group(world, me, one, other)
    await direct(world, me, one)
    await tells(world, other)

    async with following(worker, me) as its:
        await tells(world, other, "AWAY")
        await tells(world, one)
        assert await its.next() == moved((one, "Ada", "ONLINE"))
        await tells(world, one, "OFFLINE")
        assert await its.next() == moved((one, "Ada", "OFFLINE"))


async def test_nobody_is_told_before_everything_that_was_missed(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    me, one = await world.client(), await world.freelancer("Ada")
    room_id = await direct(world, me, one)
    place = await place_of(worker, me)
    for number in range(5):
        await say(world, one, room_id, f"missed {number}")
    await tells(world, one)
    await types(world, one, room_id)

    its = await follow(worker, me, place)
    told = [(await its.next())["__typename"] for _ in range(8)]
    await its.close()

    assert told[:6] == [*["MessageSent"] * 5, "StreamReady"]
    assert sorted(told[6:]) == ["MembersPresenceChanged", "TypingChanged"]


async def test_what_happens_comes_in_between_many_people(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onlookers, "AT_ONCE", 1)
    worker = await start()
    world = worker.world
    me, others = await world.client(), [await world.freelancer() for _ in range(4)]
    room_id = await group(world, me, *others)
    for who in others:
        await tells(world, who)

    async with following(worker, me) as its:
        (own,) = worker.streams._tails[f"user:{id_of(me)}"].followers
        await until(lambda: len(worker.streams._tails[f"room:{room_id}"].followers) == 1)
        (leg,) = worker.streams._tails[f"room:{room_id}"].followers
        onlooker = leg.onlooker
        assert onlooker is not None
        await until(lambda: sum(map(len, onlooker._moved.values())) == 4)
        await rooms.set_preference(world.as_(me), room_id, {"is_favorite": True})
        await until(lambda: own.is_behind)
        told = [(await its.next())["__typename"] for _ in range(5)]

    assert told == ["MembersPresenceChanged", "RoomPreferenceSet", *["MembersPresenceChanged"] * 3]


async def test_who_does_not_ask_for_people_costs_nothing(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    me, one = await world.client(), await world.freelancer("Ada")
    room_id = await direct(world, me, one)
    follower = Follow(await frames_of(worker, me, FACTS), "viewerEvents")
    assert (await follower.next())["__typename"] == "StreamReady"
    elsewhere = await follow(worker, me, topics=["GIGS"])
    assert (await elsewhere.next())["__typename"] == "StreamReady"

    await tells(world, one)
    await types(world, one, room_id)
    await say(world, one, room_id, "first")
    told = await follower.next()
    asking = dict(worker.streams.people._asking)
    await follower.close()
    await elsewhere.close()

    assert told["__typename"] == "MessageSent"
    assert asking == {}


async def test_whoever_has_gone_is_remembered_nowhere(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    me, one = await world.client(), await world.freelancer("Ada")
    await direct(world, me, one)
    await tells(world, one)

    async with following(worker, me) as its:
        assert await its.next() == moved((one, "Ada", "ONLINE"))
        people = worker.streams.people
        assert len(people._asking) == 1

    assert (people._asking, people._new, people._viewers) == ({}, {}, {})


async def test_asking_for_people_does_not_make_messages_for_each_of_those_who_follow(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    world = worker.world
    people = [await world.client("Olga"), *[await world.freelancer() for _ in range(7)]]
    room_id = await group(world, *people)
    followers = [await follow(worker, who) for who in people]
    for its in followers:
        await its.next()
    store = world.services.chat.store
    read, asked = store.messages, 0
    await say(world, people[1], room_id, "warm up")
    for its in followers:
        await its.next()

    async def counted(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return await read(*arguments)

    monkeypatch.setattr(store, "messages", counted)
    await say(world, people[0], room_id, "to all")
    told = [await its.next() for its in followers]

    assert {event["message"]["text"] for event in told} == {"to all"}
    # Twice by who sent it, and once for all who follow.
    assert asked == 3


async def test_another_process_tells_it_within_a_second(
    start: StartWorker, redis_server: RedisServer
) -> None:
    here, there = [await start(RedisBroker(redis_server.url, channel=CHANNEL)) for _ in range(2)]
    world = here.world
    me, one, other = await world.client("Olga"), await world.freelancer("Ada"), await world.freelancer("Bob")
    room_id = await group(world, me, one)
    await tells(world, other)
    await until(lambda: redis_server.count_subscribers(CHANNEL) == 2)

    async with following(there, me) as its:
        async with asyncio.timeout(1):
            await types(world, one, room_id)
            assert await its.next() == writing(room_id, "Ada")
        async with asyncio.timeout(1):
            await tells(world, one)
            assert await its.next() == moved((one, "Ada", "ONLINE"))
        await until(lambda: there.world.services.attendance.state_of(id_of(other)) is PersonState.ONLINE)
        async with asyncio.timeout(2):
            await rooms.add_members(world.as_(me), room_id, [id_of(other)])
            assert await its.next() == moved((other, "Bob", "ONLINE"))


# -- by themselves -----------------------------------------------------------------------------------------------------


class Watching:
    """An onlooker of some rooms, and an attendance that people come to."""

    def __init__(self, *, rooms: int = 1) -> None:
        self.attendance = Attendance()
        self.nudges = 0
        self.me = new_id()
        self.onlooker = Onlooker(
            self.attendance,
            Viewer(user_id=self.me, roles=frozenset()),
            self._note,
            sees_subjects=True,
            sees_members=True,
        )
        self.rooms = [Room(f"room:{new_id()}") for _ in range(rooms)]
        for room in self.rooms:
            self.onlooker.watch(room)

    def come(self, who: UUID, state: str | None = "ONLINE") -> None:
        self.attendance.say(Present(person(who), who, "tab", state), lease=ONLINE_LEASE)

    def _note(self) -> None:
        self.nudges += 1


async def test_what_was_noted_of_a_room_that_is_left_is_not_told() -> None:
    its, ada, bob = Watching(rooms=2), new_id(), new_id()
    left, stays = [room.stream for room in its.rooms]
    for who in (ada, bob):
        its.come(who)
    its.onlooker.offer(left, {ada, bob}, set())
    its.onlooker.offer(stays, {bob}, set())

    its.onlooker.leave(left)

    assert await its.onlooker.next() == Moved([(bob, PersonState.ONLINE)])
    assert await its.onlooker.next() is None
    assert its.onlooker.there.keys() == {bob}


async def test_of_a_room_whose_follower_has_ended_nothing_is_told() -> None:
    its, ada = Watching(), new_id()
    (room,) = its.rooms
    its.come(ada)
    its.attendance.say(Present(room.stream, ada, "tab", "WRITING"))
    its.onlooker.offer(room.stream, {ada}, set())

    room.ended = "ACCESS_LOST"

    assert await its.onlooker.next() is None


async def test_a_block_that_one_room_told_of_holds_for_what_another_one_noted_before() -> None:
    its, ada = Watching(rooms=2), new_id()
    one, other = [room.stream for room in its.rooms]
    its.come(ada)
    its.onlooker.offer(one, {ada}, set())
    assert await its.onlooker.next() == Moved([(ada, PersonState.ONLINE)])
    its.come(ada, "AWAY")
    its.onlooker.offer(other, {ada}, set())

    its.onlooker.offer(one, {ada}, {ada})

    assert await its.onlooker.next() == Moved([(ada, PersonState.OFFLINE)])
    assert await its.onlooker.next() is None


async def test_what_happens_while_something_is_told_is_told_next() -> None:
    its, ada, bob = Watching(), new_id(), new_id()
    (room,) = its.rooms
    its.come(ada)
    its.onlooker.offer(room.stream, {ada}, set())
    assert await its.onlooker.next() == Moved([(ada, PersonState.ONLINE)])
    nudges = its.nudges

    its.attendance.say(Present(room.stream, bob, "tab", "WRITING"))
    its.onlooker.note(room.stream)

    assert its.nudges == nudges + 1
    told = await its.onlooker.next()
    assert isinstance(told, At) and [one.person_id for one in told.people] == [bob]


async def test_no_more_people_are_remembered_than_are_in_rooms_that_are_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onlookers, "MOST_THERE", 3)
    its, people = Watching(), [new_id() for _ in range(5)]
    for who in people:
        its.come(who)
        its.onlooker.offer(its.rooms[0].stream, {who}, set())
        await its.onlooker.next()

    assert list(its.onlooker.there) == people[2:]


async def test_many_people_are_told_in_several_words() -> None:
    its, people = Watching(), {new_id() for _ in range(2 * onlookers.AT_ONCE + 5)}
    for who in people:
        its.come(who)
    its.onlooker.offer(its.rooms[0].stream, people, set())

    words = [await its.onlooker.next() for _ in range(4)]

    told = [[who for who, _ in word.people] for word in words if isinstance(word, Moved)]
    assert [len(some) for some in told] == [onlookers.AT_ONCE, onlookers.AT_ONCE, 5]
    assert {who for some in told for who in some} == people


async def test_nobody_is_woken_for_people_of_whom_that_was_told_already() -> None:
    crowd = Crowd(4, there=4, rooms=2)
    running = asyncio.create_task(crowd.people.run())
    await until(lambda: crowd.nudged == 4)
    for one in crowd.onlookers:
        await one.next()
        one.is_nudged = False
    room_id, member = crowd.room_ids[0], crowd.members[0]

    # As when they mark what they have read.
    crowd.people.heard([f"roomstate:{room_id}", f"user:{member}"])
    crowd.people.heard([f"roomstate:{new_id()}", f"user:{member}"])
    await until(lambda: len(crowd.asked) == 2)
    await until(lambda: not crowd.people._joined)
    crowd.people.attend(room_id, crowd.onlookers[0])
    await until(lambda: len(crowd.asked) == 3)
    running.cancel()

    assert crowd.nudged == 0


async def test_many_large_rooms_are_looked_at_piece_by_piece() -> None:
    crowd = Crowd(20, there=20, rooms=2 * telling.MOST_NEW + 5)
    running = asyncio.create_task(crowd.people.run())
    await until(lambda: len(crowd.asked) == 3 and not crowd.people._new)
    running.cancel()
    told = [await one.next() for one in crowd.onlookers]

    assert crowd.asked == [telling.MOST_NEW, telling.MOST_NEW, 5]
    # Each of the others once, though all of the rooms have them.
    for one, news in zip(crowd.onlookers, told, strict=True):
        assert isinstance(news, Moved)
        assert {member for member, _ in news.people} == crowd.there - {one.viewer.user_id}
        assert await one.next() is None


async def test_everybody_else_has_a_turn_between_two_rooms_that_are_told_of() -> None:
    its = Watching(rooms=80)
    people = {new_id() for _ in range(5)}
    for who in people:
        its.come(who)
    for room in its.rooms:
        its.onlooker.offer(room.stream, people, set())
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(take_turns())
    told = []
    while (news := await its.onlooker.next()) is not None:
        told.append(news)
    other.cancel()

    assert [len(news.people) for news in told] == [5]
    # For those who are there, and for those who write there.
    assert turns >= 160
