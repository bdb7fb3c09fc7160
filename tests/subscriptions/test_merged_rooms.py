"""What is said in all rooms of a person, in their one stream: once, in order, and resumable; with nothing written for anybody."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.access import MOST_FOLLOWED, MOST_ROOMS
from auth.viewer import ANONYMOUS, Viewer
from models.ids import encode_id, new_id
from models.message import Content
from models.store.chat import StoreAway
from resolvers import gigs, messages, projection, rooms
from schema.places import packed, unpacked, vector_cursor
from tests.resolvers.rooms import direct, group, id_of, said, say
from tests.subscriptions.conftest import StartWorker, Worker
from tests.subscriptions.frames import frames_of, replayed
from tests.subscriptions.test_room_events import Follow

FOLLOW = """subscription ($after: StreamCursor, $topics: [Topic!]) { viewerEvents(after: $after, topics: $topics) {
  cursor event { __typename
    ... on MessageEvent { roomId message { text number authorName } }
    ... on MessageForPerson { isMention }
    ... on StreamReady { replayed } } } }"""
ROOMS = ["ROOMS"]


async def follow(worker: Worker, who: Viewer, after: str | None = None, topics: Any = ROOMS) -> Follow:
    frames = await frames_of(worker, who, FOLLOW, after=after, topics=topics)
    return Follow(frames, "viewerEvents")


async def place_of(worker: Worker, who: Viewer) -> str:
    cursor: str = (await worker.world.data(who, "{ viewer { streamCursor } }"))["viewer"]["streamCursor"]
    return cursor


async def rest(worker: Worker, who: Viewer, after: str | None, topics: Any = ROOMS) -> list[Any]:
    """What is told after a place, up to now: the texts of messages, and the kinds of everything else."""
    items = await replayed(await frames_of(worker, who, FOLLOW, after=after, topics=topics))
    return [what(item["event"]) for item in items]


def what(event: dict[str, Any]) -> Any:
    return event["message"]["text"] if "message" in event else event["__typename"]


async def some(follow: Follow, count: int) -> list[Any]:
    return [what(await follow.next()) for _ in range(count)]


async def until_ready(follow: Follow) -> list[Any]:
    told = [what(await follow.next())]
    while told[-1] != "StreamReady":
        told.append(what(await follow.next()))
    return told


async def project(worker: Worker, *room_ids: UUID) -> None:
    """As the projector does, a moment after something was said."""
    for room_id in room_ids:
        await projection.project(worker.world.as_(ANONYMOUS), room_id)


async def test_what_is_said_in_all_rooms_is_told_once_and_again_from_every_place(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    me, one, other = await world.client("Olga"), await world.freelancer("Mo"), await world.freelancer()
    team, pair = await group(world, me, one, other), await direct(world, me, one)
    follower = await follow(worker, me)
    assert await until_ready(follower) == ["StreamReady"]
    before = await world.rows("select count(*) from fact where stream like 'user:%'")

    first = await said(world, one, team, "to all")
    event = await follower.next()
    cursors, told = [follower.cursor], [what(event)]
    for act in (
        say(world, other, team, "of another"),
        say(world, me, pair, "mine"),
        messages.edit_message(world.as_(one), team, first, Content("to everybody")),
        say(world, one, pair, "yours"),
    ):
        await act
        told.append(what(await follower.next()))
        cursors.append(follower.cursor)
    await follower.close()

    assert event == {
        "__typename": "MessageSent", "roomId": encode_id("room", team),
        "message": {"text": "to all", "number": 1, "authorName": "Mo"},
    }  # fmt: skip
    assert told == ["to all", "of another", "mine", "to everybody", "yours"]
    for number, cursor in enumerate(cursors):
        again = await rest(worker, me, cursor)
        # An edited message is told as it is now.
        assert sorted(again) == sorted(told[number + 1 :])
    assert await world.rows("select count(*) from fact where stream like 'user:%'") == before


async def test_a_room_joined_while_away_begins_where_it_was_joined(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, me = await world.client(), await world.freelancer()
    place = await place_of(worker, me)
    room_id = await group(world, owner)
    for number in range(3):
        await say(world, owner, room_id, f"before {number}")
    await project(worker, room_id)
    world.clock.move(timedelta(minutes=5))
    await rooms.add_members(world.as_(owner), room_id, [id_of(me)])
    await say(world, owner, room_id, "welcome")
    # Whatever the projection knows.
    unprojected = await rest(worker, me, place)
    await project(worker, room_id)

    assert unprojected == ["RoomMemberAdded", "welcome"]
    assert await rest(worker, me, place) == ["RoomMemberAdded", "welcome"]


async def test_a_room_joined_while_following_is_told_from_then_on(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, me = await world.client(), await world.freelancer()
    follower = await follow(worker, me)
    await until_ready(follower)

    room_id = await group(world, owner, me)
    assert await some(follower, 1) == ["RoomMemberAdded"]
    await say(world, owner, room_id, "first")
    assert await some(follower, 1) == ["first"]
    await rooms.remove_member(world.as_(owner), room_id, id_of(me))
    assert await some(follower, 1) == ["RoomMemberRemoved"]
    await say(world, owner, room_id, "among us")
    await project(worker, room_id)
    world.clock.move(timedelta(minutes=5))
    await rooms.add_members(world.as_(owner), room_id, [id_of(me)])
    assert await some(follower, 1) == ["RoomMemberAdded"]
    cursor = follower.cursor
    await say(world, owner, room_id, "again")
    assert await some(follower, 1) == ["again"]
    # Who comes back at once is told nothing twice.
    await rooms.remove_member(world.as_(owner), room_id, id_of(me))
    await rooms.add_members(world.as_(owner), room_id, [id_of(me)])
    await say(world, owner, room_id, "still")
    # There is no order across streams.
    assert sorted(await some(follower, 3)) == ["RoomMemberAdded", "RoomMemberRemoved", "still"]
    again = await rest(worker, me, cursor)
    assert sorted(again) == ["RoomMemberAdded", "RoomMemberRemoved", "again", "still"]


async def test_of_a_muted_room_only_what_speaks_to_one_is_told(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, me = await world.client(), await world.freelancer()
    room_id, other_id = await group(world, owner, me), await group(world, owner, me)
    follower = await follow(worker, me)
    await until_ready(follower)

    await rooms.set_preference(world.as_(me), room_id, {"is_muted": True})
    assert await some(follower, 1) == ["RoomPreferenceSet"]
    muted_at = follower.cursor
    await say(world, owner, room_id, "noise")
    await say(world, owner, room_id, "you", mention_ids=(id_of(me),))
    await project(worker, room_id)
    await say(world, owner, other_id, "elsewhere")
    told = await some(follower, 2)
    away = await rest(worker, me, muted_at)
    world.clock.move(timedelta(minutes=5))
    await rooms.set_preference(world.as_(me), room_id, {"is_muted": False})
    told += await some(follower, 1)
    await say(world, owner, room_id, "heard")
    told += await some(follower, 1)

    assert sorted(told[:2]) == ["MessageForPerson", "elsewhere"]
    assert sorted(away) == ["MessageForPerson", "elsewhere"]
    assert told[2:] == ["RoomPreferenceSet", "heard"]


async def test_whoever_does_not_belong_to_a_room_hears_nothing_of_it(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, member = await world.client(), await world.freelancer()
    former, stranger, admin = await world.freelancer(), await world.freelancer(), await world.admin()
    room_id = await group(world, owner, member, former)
    place = await place_of(worker, former)
    places = {who: await place_of(worker, who) for who in (member, stranger, admin)}
    await rooms.remove_member(world.as_(owner), room_id, id_of(former))
    await say(world, owner, room_id, "among us")

    assert await rest(worker, member, places[member]) == ["among us"]
    assert await rest(worker, stranger, places[stranger]) == []
    assert await rest(worker, admin, places[admin]) == []
    # Nor with a place in it, of their own or of somebody else.
    assert await rest(worker, former, place) == ["RoomMemberRemoved"]
    stolen = vector_cursor(
        world.as_(stranger), {f"user:{stranger.user_id}": 0, f"room:{room_id}": 0, f"user:{new_id()}": 0}
    )
    assert await rest(worker, stranger, stolen) == []


async def test_a_snapshot_and_its_place_leave_no_hole_while_others_write(start: StartWorker) -> None:
    worker, elsewhere = await start(), await start()
    world = worker.world
    me, one, other = await world.client(), await world.freelancer(), await world.freelancer()
    ids = [await group(world, me, one, other) for _ in range(3)]
    total, done = 30, asyncio.Event()

    async def write(who: Viewer, side: Worker) -> None:
        for number in range(total):
            await say(side.world, who, ids[number % 3], f"{id_of(who)} {number}")
            if number % 4 == 0:
                await project(side, ids[number % 3])

    async def sweep() -> None:
        while not done.is_set():
            await worker.streams.sweep()
            await worker.streams.sweep_rooms()
            await asyncio.sleep(0.01)

    sweeping = asyncio.create_task(sweep())
    writing = asyncio.gather(write(one, worker), write(other, elsewhere))
    place = await place_of(worker, me)
    numbers = unpacked(world.services.signer.open("stream", place) or b"")[1]
    begun = {room_id: numbers[f"room:{room_id}"] for room_id in ids}
    told: list[tuple[str, int]] = []
    cursor: str | None = place
    async with asyncio.timeout(60):
        while len(told) < 2 * total - sum(begun.values()):
            # Those who come and go.
            follower = await follow(worker, me, cursor)
            for _ in range(min(7, 2 * total - sum(begun.values()) - len(told))):
                event = await follower.next()
                if "message" in event:
                    told.append((event["roomId"], event["message"]["number"]))
                    cursor = follower.cursor
            await follower.close()
    await writing
    done.set()
    await sweeping

    for room_id in ids:
        heard = [number for room, number in told if room == encode_id("room", room_id)]
        # Each once, in order, to the end.
        assert heard == list(range(begun[room_id] + 1, 2 * total // 3 + 1))


async def test_a_chat_store_that_is_away_delays_rooms_and_nothing_else(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    world = worker.world
    me, one = await world.client(), await world.freelancer()
    gig_id, room_id = await world.open_gig(me), await group(world, me, one)
    place = await place_of(worker, me)
    await say(world, one, room_id, "missed")
    store = world.services.chat.store

    async def away(*_: Any, **__: Any) -> Any:
        raise StoreAway

    with monkeypatch.context() as while_away:
        while_away.setattr(store, "heads", away)
        while_away.setattr(store, "moved_since", away)
        follower = await follow(worker, me, place, None)
        assert await until_ready(follower) == ["StreamReady"]
        await gigs.pause_gig(world.as_(me), gig_id)
        assert await some(follower, 1) == ["GigPaused"]
        in_between = follower.cursor
    await worker.streams.sweep_rooms()

    assert await some(follower, 1) == ["missed"]
    await say(world, one, room_id, "after")
    assert await some(follower, 1) == ["after"]
    # Who left while it was away has lost nothing either.
    assert await rest(worker, me, in_between) == ["missed", "after"]


async def test_places_in_rooms_are_kept_while_other_topics_are_followed(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    me, one = await world.client(), await world.freelancer()
    room_id = await group(world, me, one)
    place = await place_of(worker, me)
    await say(world, one, room_id, "missed")

    follower = await follow(worker, me, place, ["CONTRACTS"])
    assert await until_ready(follower) == ["StreamReady"]

    assert await rest(worker, me, follower.cursor) == ["missed"]


async def test_a_message_to_many_is_read_once_for_all_of_them(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    world = worker.world
    people = [await world.client("Olga"), *[await world.freelancer() for _ in range(7)]]
    room_id = await group(world, *people)
    followers = [await follow(worker, who) for who in people]
    for follower in followers:
        await until_ready(follower)
    store = world.services.chat.store
    read, asked = store.messages, 0
    await say(world, people[1], room_id, "warm up")
    for follower in followers:
        await follower.next()

    async def counted(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return await read(*arguments)

    fact_id = new_id()
    monkeypatch.setattr(store, "messages", counted)
    await say(world, people[0], room_id, f"to all {fact_id}")
    told = [await follower.next() for follower in followers]

    assert {event["message"]["text"] for event in told} == {f"to all {fact_id}"}
    assert {event["message"]["authorName"] for event in told} == {"Olga"}
    # Twice by who sent it, and once for all who follow.
    assert asked == 3
    # Each has a place of their own.
    assert len({follower.cursor for follower in followers}) == len(followers)
    for who, follower in zip(people, followers, strict=True):
        assert f"user:{who.user_id}" in unpacked(
            world.services.signer.open("stream", follower.cursor or "") or b""
        )[1]  # fmt: skip


_NAMES = st.builds(
    "{}:{}".format, st.sampled_from(["user", "gig", "room", "roomstate", "board", "snippet"]), st.uuids()
)


@given(place=st.dictionaries(_NAMES, st.integers(0, 2**63 - 1), min_size=1, max_size=MOST_ROOMS))
def test_a_place_in_many_streams_is_read_as_it_was_written(place: dict[str, int]) -> None:
    assert unpacked(packed("an epoch", place)) == ("an epoch", place)


async def test_no_place_in_as_many_gigs_and_rooms_as_one_follows_is_longer_than_4_kb(
    start: StartWorker,
) -> None:
    worker = await start()
    me = await worker.world.client()
    place = {f"user:{me.user_id}": 10**6}
    place |= {f"gig:{new_id()}": 10**4 for _ in range(MOST_FOLLOWED)}
    place |= {f"room:{new_id()}": 10**6 for _ in range(MOST_ROOMS)}

    assert len(vector_cursor(worker.world.as_(me), place)) <= 4096
