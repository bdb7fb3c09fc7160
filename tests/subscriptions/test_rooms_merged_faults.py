"""The rooms of a merged stream when something goes wrong, or changes, in the middle of it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from models.message import Content
from models.store import sql
from models.store.chat import StoreAway
from resolvers import gigs, messages, rooms
from schema.places import unpacked, vector_cursor
from subscriptions import merge
from subscriptions.follow import Ahead
from tests.resolvers.rooms import group, id_of, said, say
from tests.subscriptions.conftest import StartWorker, until
from tests.subscriptions.test_merged_rooms import follow, place_of, project, rest, some, until_ready


async def test_whoever_is_removed_while_a_message_is_read_is_not_shown_it(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    world = worker.world
    owner, me = await world.client(), await world.freelancer()
    room_id = await group(world, owner, me)
    follower = await follow(worker, me)
    await until_ready(follower)
    before = follower.cursor
    real, begun, go = messages.messages_of, asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any) -> Any:
        begun.set()
        await go.wait()
        return await real(*arguments)

    monkeypatch.setattr("schema.room_events.messages_of", slow)
    (leg,) = worker.streams._tails[f"room:{room_id}"].followers
    reading = asyncio.create_task(some(follower, 1))
    message_id = await said(world, owner, room_id, "for you")
    await begun.wait()
    await rooms.remove_member(world.as_(owner), room_id, id_of(me))
    await until(lambda: leg.ended is not None)
    await messages.edit_message(world.as_(owner), room_id, message_id, Content("among us"))
    go.set()

    assert await reading == ["RoomMemberRemoved"]
    # Nothing was passed over: who belongs to it again is told.
    await rooms.add_members(world.as_(owner), room_id, [id_of(me)])
    assert sorted(await some(follower, 3)) == ["RoomMemberAdded", "among us", "among us"]
    assert sorted(await rest(worker, me, before)) == [
        "RoomMemberAdded", "RoomMemberRemoved", "among us", "among us"
    ]  # fmt: skip


async def test_rooms_that_were_opened_are_not_opened_again_when_one_beside_them_cannot_be_asked_about(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    world = worker.world
    owner, me = await world.client(), await world.freelancer()
    gone, room_id = await group(world, owner, me), await group(world, owner, me)
    await rooms.remove_member(world.as_(owner), gone, id_of(me))
    numbers = unpacked(world.services.signer.open("stream", await place_of(worker, me)) or b"")[1]
    place = vector_cursor(world.as_(me), {f"room:{gone}": 0, **numbers})
    await say(world, owner, room_id, "missed")
    real, rooms_of, asked = merge.place_in_room, merge.rooms_of, asyncio.Event()

    async def failing_once(*arguments: Any) -> Any:
        if not asked.is_set():
            asked.set()
            raise RuntimeError
        return await real(*arguments)

    async def afterwards(*arguments: Any) -> Any:
        await asked.wait()
        return await rooms_of(*arguments)

    monkeypatch.setattr(merge, "place_in_room", failing_once)
    monkeypatch.setattr(merge, "rooms_of", afterwards)
    monkeypatch.setattr(merge, "_RETRY_S", 0)
    follower = await follow(worker, me, place)

    assert sorted(await some(follower, 2)) == ["StreamReady", "missed"]
    await say(world, owner, room_id, "after")
    assert await some(follower, 1) == ["after"]
    assert len(worker.streams._tails[f"room:{room_id}"].followers) == 1


async def test_rooms_are_tried_again_when_the_store_goes_away_while_they_are_opened_one_by_one(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    world = worker.world
    owner, me = await world.client(), await world.freelancer()
    room_id = await group(world, owner, me)
    place = await place_of(worker, me)
    await say(world, owner, room_id, "missed")
    real, faults = worker.streams.open, [Ahead, StoreAway]

    async def failing_twice(places: Any, viewer: Any) -> Any:
        if faults and f"room:{room_id}" in places:
            raise faults.pop(0)
        return await real(places, viewer)

    monkeypatch.setattr(worker.streams, "open", failing_twice)
    monkeypatch.setattr(merge, "_RETRY_S", 0)
    follower = await follow(worker, me, place)

    assert sorted(await some(follower, 2)) == ["StreamReady", "missed"]


async def test_what_is_said_after_a_room_was_unmuted_is_told_to_who_was_away_then(
    start: StartWorker,
) -> None:
    worker = await start()
    world = worker.world
    owner, me = await world.client(), await world.freelancer()
    room_id = await group(world, owner, me)
    await rooms.set_preference(world.as_(me), room_id, {"is_muted": True})
    place = await place_of(worker, me)
    await say(world, owner, room_id, "noise")
    world.clock.move(timedelta(minutes=5))
    await rooms.set_preference(world.as_(me), room_id, {"is_muted": False})
    world.clock.move(timedelta(minutes=5))
    await say(world, owner, room_id, "heard")
    await project(worker, room_id)

    assert await rest(worker, me, place) == ["RoomPreferenceSet", "heard"]


async def test_what_else_is_set_of_a_muted_room_while_away_does_not_tell_what_was_said_before_it_was_unmuted(
    start: StartWorker,
) -> None:
    worker = await start()
    world = worker.world
    owner, me = await world.client(), await world.freelancer()
    room_id = await group(world, owner, me)
    await rooms.set_preference(world.as_(me), room_id, {"is_muted": True})
    place = await place_of(worker, me)
    await rooms.set_preference(world.as_(me), room_id, {"is_favorite": True})
    world.clock.move(timedelta(minutes=5))
    await say(world, owner, room_id, "noise")
    world.clock.move(timedelta(minutes=5))
    await rooms.set_preference(world.as_(me), room_id, {"is_muted": False})
    await say(world, owner, room_id, "heard")
    await project(worker, room_id)

    assert await rest(worker, me, place) == ["RoomPreferenceSet", "RoomPreferenceSet", "heard"]


@pytest.mark.parametrize("is_muted_before", [True, False])
async def test_of_a_room_that_was_muted_several_times_while_away_all_is_told_from_where_it_was_not_first(
    start: StartWorker, is_muted_before: bool
) -> None:
    worker = await start()
    world = worker.world
    owner, me = await world.client(), await world.freelancer()
    room_id = await group(world, owner, me)
    if is_muted_before:
        await rooms.set_preference(world.as_(me), room_id, {"is_muted": True})
    place = await place_of(worker, me)

    async def said_then(text: str, *, is_muted: bool) -> None:
        await say(world, owner, room_id, text)
        world.clock.move(timedelta(minutes=5))
        await rooms.set_preference(world.as_(me), room_id, {"is_muted": is_muted})
        world.clock.move(timedelta(minutes=5))

    await said_then("before", is_muted=not is_muted_before)
    await said_then("first", is_muted=is_muted_before)
    await said_then("second", is_muted=not is_muted_before)
    if not is_muted_before:
        await said_then("third", is_muted=False)
    await say(world, owner, room_id, "now")
    await project(worker, room_id)

    told = [one for one in await rest(worker, me, place) if one != "RoomPreferenceSet"]
    # Nothing that was said while it was not muted is left out; what was said while it was comes with it.
    if is_muted_before:
        assert told == ["first", "second", "now"]
    else:
        assert told == ["before", "first", "second", "third", "now"]
    # Whoever is there all the time is told none of that: see test_merged_rooms.


async def test_a_message_that_cannot_be_read_for_long_is_told_later_and_holds_nothing_else_up(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    world = worker.world
    me, one = await world.client(), await world.freelancer()
    gig_id, room_id = await world.open_gig(me), await group(world, me, one)
    follower = await follow(worker, me, None, None)
    await until_ready(follower)
    before = follower.cursor
    real, asked = messages.messages_of, asyncio.Event()

    async def away(*_: Any) -> Any:
        asked.set()
        raise StoreAway

    monkeypatch.setattr(sql, "MOST_ATTEMPTS", 2)
    monkeypatch.setattr("schema.room_events.messages_of", away)
    reading = asyncio.create_task(some(follower, 1))
    await say(world, one, room_id, "late")
    await asked.wait()
    await gigs.pause_gig(world.as_(me), gig_id)
    assert await reading == ["GigPaused"]
    in_between = follower.cursor
    monkeypatch.setattr("schema.room_events.messages_of", real)

    assert await some(follower, 1) == ["late"]
    assert await rest(worker, me, in_between, None) == ["late"]
    assert sorted(await rest(worker, me, before, None)) == ["GigPaused", "late"]
