"""A chat store that does not answer while what was said is read for who follows: nothing else of the stream waits for it."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson
import pytest

from auth.revocation import RevokedSessions
from auth.viewer import Viewer
from models.ids import encode_id, new_id
from models.store.chat import StoreAway
from resolvers import gigs, rooms
from tests.resolvers.rooms import group, id_of, say
from tests.subscriptions.conftest import StartWorker, Worker
from tests.subscriptions.frames import frames_of
from tests.subscriptions.test_merged_rooms import place_of, rest, some, until_ready
from tests.subscriptions.test_room_events import Follow

ITEMS = """cursor event { __typename ... on MessageEvent { message { text } } ... on StreamHeartbeat { lag }
  ... on StreamEnd { reason } }"""
VIEWER = f"subscription ($after: StreamCursor) {{ viewerEvents(after: $after) {{ {ITEMS} }} }}"
ROOM = f"subscription ($room: ID!, $after: StreamCursor) {{ roomEvents(roomId: $room, after: $after) {{ {ITEMS} }} }}"


class Outage:
    """What becomes of the chat store of a worker: it answers nothing, or only with the end of the connection."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.is_over = asyncio.Event()
        self.is_silent = True

    async def meet(self) -> None:
        self.asked.set()
        if not self.is_over.is_set():
            if self.is_silent:
                await self.is_over.wait()
            else:
                raise StoreAway


@pytest.fixture
def fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subscriptions.batch._RETRY_S", 0.05)


@contextlib.contextmanager
def outage(worker: Worker, *names: str, is_silent: bool = True) -> Iterator[Outage]:
    store, found = worker.world.services.chat.store, Outage()
    found.is_silent = is_silent
    with pytest.MonkeyPatch.context() as patch:
        for name in names or ("messages",):
            patch.setattr(store, name, _meeting(found, getattr(store, name)))
        try:
            yield found
        finally:
            found.is_over.set()


def _meeting(found: Outage, real: Any) -> Any:
    async def meeting(*arguments: Any, **named: Any) -> Any:
        await found.meet()
        return await real(*arguments, **named)

    return meeting


async def follow(worker: Worker, who: Viewer, after: str | None = None) -> Follow:
    return Follow(await frames_of(worker, who, VIEWER, after=after), "viewerEvents")


async def follow_room(worker: Worker, who: Viewer, room_id: Any, after: str | None = None) -> Follow:
    return Follow(await frames_of(worker, who, ROOM, room=encode_id("room", room_id), after=after))


async def until_told(follower: Follow, name: str, *, seconds: float = 2) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    async with asyncio.timeout(seconds):
        while not told or told[-1]["__typename"] != name:
            told.append(await follower.next())
    return told


async def until_asked(found: Outage) -> None:
    async with asyncio.timeout(3):
        await found.asked.wait()


async def tell(worker: Worker, writer: Worker, who: Viewer, room_id: UUID, text: str) -> None:
    """Said at a worker whose store answers, and heard of at the one that is asked."""
    await say(writer.world, who, room_id, text)
    worker.streams.heard([f"room:{room_id}"])


@pytest.mark.parametrize("is_silent", [True, False])
async def test_own_facts_go_on_while_a_message_cannot_be_read_and_it_comes_once(
    start: StartWorker, is_silent: bool, fast_retries: None
) -> None:
    worker, writer = await start(), await start()
    world = worker.world
    me, one = await world.client(), await world.freelancer()
    gig_id = await world.open_gig(me)
    room_id, other_id = await group(world, me, one), await group(world, me, one)
    follower = await follow(worker, me)
    await until_ready(follower)
    before = follower.cursor
    with outage(worker, is_silent=is_silent) as found:
        reading = asyncio.create_task(some(follower, 1))
        await tell(worker, writer, one, room_id, "first")
        await tell(worker, writer, one, other_id, "elsewhere")
        await tell(worker, writer, one, room_id, "second")
        await until_asked(found)
        began = time.monotonic()
        await gigs.pause_gig(world.as_(me), gig_id)
        assert await reading == ["GigPaused"]
        assert time.monotonic() - began < 3
        in_between = follower.cursor
        await gigs.resume_gig(world.as_(me), gig_id)
        assert await some(follower, 1) == ["GigResumed"]
        latest = follower.cursor

    told = await some(follower, 3)
    assert sorted(told) == ["elsewhere", "first", "second"]
    assert told.index("first") < told.index("second")
    await say(world, one, room_id, "third")
    assert await some(follower, 1) == ["third"]
    # Whoever left in the middle of it has lost nothing, and is told nothing twice.
    assert sorted(await rest(worker, me, in_between, None)) == [
        "GigResumed", "elsewhere", "first", "second", "third"
    ]  # fmt: skip
    assert sorted(await rest(worker, me, latest, None)) == ["elsewhere", "first", "second", "third"]
    assert await rest(worker, me, follower.cursor, None) == []
    assert sorted(await rest(worker, me, before, None)) == [
        "GigPaused", "GigResumed", "elsewhere", "first", "second", "third"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["messages", "facts_after"])
async def test_a_replay_that_cannot_be_read_holds_up_neither_readiness_nor_the_rest(
    start: StartWorker, name: str
) -> None:
    worker = await start()
    world = worker.world
    me, one = await world.client(), await world.freelancer()
    gig_id, room_id = await world.open_gig(me), await group(world, me, one)
    place = await place_of(worker, me)
    await say(world, one, room_id, "missed")

    with outage(worker, name):
        follower = await follow(worker, me, place)
        assert await until_ready(follower) == ["StreamReady"]
        await gigs.pause_gig(world.as_(me), gig_id)
        assert await some(follower, 1) == ["GigPaused"]
        in_between = follower.cursor

    assert await some(follower, 1) == ["missed"]
    assert await rest(worker, me, in_between, None) == ["missed"]


@pytest.mark.parametrize("name", ["messages", "facts_after"])
async def test_who_follows_everything_is_told_that_the_stream_lives_and_ends_while_the_store_is_away(
    start: StartWorker, name: str
) -> None:
    worker = await start()
    world = worker.world
    worker.streams.heartbeat_s = 0.2
    me, one = replace(await world.client(), session_id=new_id()), await world.freelancer()
    room_id = await group(world, me, one)
    place = await place_of(worker, me)
    await say(world, one, room_id, "late")

    with outage(worker, name) as found:
        follower = await follow(worker, me, place)
        await until_told(follower, "StreamHeartbeat")
        await until_asked(found)
        await until_told(follower, "StreamHeartbeat")
        end_session(worker, me)
        end = (await until_told(follower, "StreamEnd"))[-1]

    assert end == {"__typename": "StreamEnd", "reason": "SESSION_ENDED"}
    # Its place was never behind what was not told.
    assert await rest(worker, me, follower.cursor, None) == ["late"]


@pytest.mark.parametrize("name", ["messages", "facts_after"])
async def test_who_follows_one_room_is_told_that_the_stream_lives_and_ends_while_the_store_is_away(
    start: StartWorker, name: str
) -> None:
    worker = await start()
    world = worker.world
    worker.streams.heartbeat_s = 0.2
    me, one = replace(await world.client(), session_id=new_id()), await world.freelancer()
    room_id = await group(world, me, one)
    first = await follow_room(worker, me, room_id)
    await until_told(first, "StreamReady")
    await first.close()
    await say(world, one, room_id, "late")

    with outage(worker, name) as found:
        follower = await follow_room(worker, me, room_id, first.cursor)
        await until_told(follower, "StreamHeartbeat")
        await until_asked(found)
        await rooms.edit_room(world.as_(me), room_id, {"title": "New"}, expected_version=None)
        await until_told(follower, "StreamHeartbeat")
        end_session(worker, me)
        end = (await until_told(follower, "StreamEnd"))[-1]

    assert end == {"__typename": "StreamEnd", "reason": "SESSION_ENDED"}
    again = await follow_room(worker, me, room_id, follower.cursor)
    told = await until_told(again, "StreamReady")
    assert sorted(event["__typename"] for event in told[:-1]) == ["MessageSent", "RoomEdited"]


async def test_a_fact_that_selects_counts_of_chat_is_told_without_them_while_the_store_is_away(
    start: StartWorker,
) -> None:
    worker = await start()
    world = worker.world
    worker.streams.heartbeat_s = 0.2
    me, one = await world.client(), await world.freelancer()
    gig_id = await world.open_gig(me)
    await group(world, me, one)
    document = f"subscription {{ viewerEvents {{ chatCounts {{ unread }} {ITEMS} }} }}"
    frames = await frames_of(worker, me, document)
    told: list[Any] = []

    async def until(name: str) -> None:
        async with asyncio.timeout(3):
            while name not in {item["event"]["__typename"] for item, _ in told}:
                body = orjson.loads((await anext(frames)).raw)
                told.append((body["data"]["viewerEvents"], body.get("errors", [])))

    await until("StreamReady")
    with outage(worker, "heads", is_silent=False):
        told.clear()
        await gigs.pause_gig(world.as_(me), gig_id)
        await until("GigPaused")
        await until("StreamHeartbeat")
    await frames.aclose()

    assert all(item["chatCounts"] is None for item, _ in told)
    assert {error["extensions"]["code"] for _, errors in told for error in errors} == {"UNAVAILABLE"}


async def test_a_room_that_is_muted_or_left_while_it_waits_is_told_no_more_and_loses_nothing(
    start: StartWorker,
) -> None:
    worker, writer = await start(), await start()
    world = worker.world
    owner, me = await world.client(), await world.freelancer()
    muted_id, left_id = await group(world, owner, me), await group(world, owner, me)
    follower = await follow(worker, me)
    await until_ready(follower)

    with outage(worker) as found:
        reading = asyncio.create_task(some(follower, 2))
        await tell(worker, writer, owner, muted_id, "noise")
        await tell(worker, writer, owner, left_id, "among us")
        await until_asked(found)
        await rooms.set_preference(world.as_(me), muted_id, {"is_muted": True})
        await rooms.remove_member(world.as_(owner), left_id, id_of(me))
        assert await reading == ["RoomPreferenceSet", "RoomMemberRemoved"]
        place = follower.cursor
    third_id = await group(world, owner, me)
    await say(world, owner, third_id, "here")

    assert sorted(await some(follower, 2)) == ["RoomMemberAdded", "here"]
    assert sorted(await rest(worker, me, place, None)) == ["RoomMemberAdded", "here"]
    # Who comes back goes on where they were.
    await rooms.set_preference(world.as_(me), muted_id, {"is_muted": False})
    await rooms.add_members(world.as_(owner), left_id, [id_of(me)])
    assert sorted(await some(follower, 4)) == ["RoomMemberAdded", "RoomPreferenceSet", "among us", "noise"]


async def test_each_message_comes_once_and_in_order_while_the_store_comes_and_goes(
    start: StartWorker, fast_retries: None
) -> None:
    worker, writer = await start(), await start()
    world = worker.world
    me, one = await world.client(), await world.freelancer()
    gig_id = await world.open_gig(me)
    ids = [await group(world, me, one) for _ in range(2)]
    follower = await follow(worker, me)
    await until_ready(follower)
    total, is_over = 30, asyncio.Event()

    async def write(who: Viewer) -> None:
        for number in range(total):
            await tell(worker, writer, who, ids[number % 2], f"{number}")
        await gigs.pause_gig(world.as_(me), gig_id)

    async def fail() -> None:
        is_silent = False
        while not is_over.is_set():
            with outage(worker, "messages", "facts_after", is_silent=is_silent):
                await asyncio.sleep(0.03)
            await asyncio.sleep(0.03)
            is_silent = not is_silent

    failing, writing = asyncio.create_task(fail()), asyncio.create_task(write(one))
    told: list[str] = []
    async with asyncio.timeout(60):
        while len(told) < total:
            event = await follower.next()
            if "message" in event:
                told.append(event["message"]["text"])
                if len(told) % 7 == 0:  # some come back
                    place = follower.cursor
                    await follower.close()
                    follower = await follow(worker, me, place)
    is_over.set()
    await asyncio.gather(failing, writing)

    evens, odds = ([text for text in told if int(text) % 2 == side] for side in (0, 1))
    assert evens == [str(number) for number in range(0, total, 2)]
    assert odds == [str(number) for number in range(1, total, 2)]


def end_session(worker: Worker, who: Viewer) -> None:
    revoked = RevokedSessions()
    assert who.session_id is not None
    revoked.add(who.session_id, at=worker.world.clock())
    worker.streams.end_sessions(revoked, now=worker.world.clock())
