"""What followers of a room are told: everything once, in order, also after they were away; and nobody else."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import orjson
import pytest

from auth.viewer import Viewer
from models.ids import encode_id
from models.message import Content
from models.store.chat import StoreAway
from resolvers import erasure, messages, rooms
from schema.execution import Frame, Request, Response
from schema.streaming import perform
from subscriptions.follow import BEGINNINGS
from tests.resolvers.rooms import direct, group, id_of, said, say
from tests.subscriptions.conftest import StartWorker, Worker
from tests.subscriptions.frames import frames_of
from tests.world import PASSWORD

FIELDS = """
  cursor event { __typename
    ... on MessageEvent { message { id number state text authorName reactions { emoji count } editCount } }
    ... on RoomMemberAdded { personName roomRole } ... on RoomMemberRemoved { personName }
    ... on RoomEdited { room { title isReadOnly } }
    ... on StreamReady { replayed } ... on StreamEnd { reason } }"""
FOLLOW = f"subscription ($room: ID!, $after: StreamCursor) {{ roomEvents(roomId: $room, after: $after) {{ {FIELDS} }} }}"


class Follow:
    """One subscription, read frame by frame."""

    def __init__(self, frames: AsyncGenerator[Frame, None], root: str = "roomEvents") -> None:
        self._frames = frames
        self._root = root
        self.cursor: str | None = None

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            frame = await anext(self._frames)
        body = orjson.loads(frame.raw)
        assert "errors" not in body, body
        item = body["data"][self._root]
        self.cursor = item["cursor"]
        event: dict[str, Any] = item["event"]
        return event

    async def some(self, count: int) -> list[dict[str, Any]]:
        return [await self.next() for _ in range(count)]

    async def close(self) -> None:
        await self._frames.aclose()


async def follow(worker: Worker, who: Viewer, room_id: Any, after: str | None = None) -> Follow:
    return Follow(await frames_of(worker, who, FOLLOW, room=encode_id("room", room_id), after=after))


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["__typename"] for event in events]


async def test_everything_is_told_live_and_again_from_any_cursor(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, member, third = (
        await world.client("Olga"),
        await world.freelancer("Mo"),
        await world.freelancer("Tim"),
    )
    room_id = await group(world, owner, member)
    live = await follow(worker, member, room_id)
    assert await live.next() == {"__typename": "StreamReady", "replayed": 0}
    beginning = live.cursor

    first = await said(world, owner, room_id, "first")
    event = await live.next()
    assert event == {"__typename": "MessageSent", "message": {
        "id": encode_id("message", first), "number": 1, "state": "SHOWN", "text": "first", "authorName": "Olga",
        "reactions": [], "editCount": 0,
    }}  # fmt: skip
    acts: list[Callable[[], Awaitable[object]]] = [
        lambda: messages.edit_message(world.as_(owner), room_id, first, Content("edited")),
        lambda: rooms.add_members(world.as_(owner), room_id, [id_of(third)]),
        lambda: messages.react_to_message(world.as_(third), room_id, first, "👍", is_on=True),
        lambda: rooms.edit_room(world.as_(owner), room_id, {"title": "New"}, expected_version=None),
        lambda: messages.delete_message(world.as_(owner), room_id, first),
    ]
    cursors, told = [], []
    for act in acts:
        await act()
        told.append(await live.next())
        cursors.append(live.cursor)

    assert names(told) == [
        "MessageEdited",
        "RoomMemberAdded",
        "MessageReacted",
        "RoomEdited",
        "MessageDeleted",
    ]
    assert told[2]["message"]["reactions"] == [{"emoji": "👍", "count": 1}]
    # From each place on, the rest and nothing twice.
    for number, cursor in enumerate(cursors):
        again = await follow(worker, third, room_id, cursor)
        rest = await again.some(len(cursors) - number - 1)
        assert sorted(names(rest)) == sorted(names(told[number + 1 :]))
        assert await again.next() == {"__typename": "StreamReady", "replayed": len(rest)}
        await again.close()
    # What was deleted since is told as it is now: no words come back.
    again = await follow(worker, third, room_id, beginning)
    replayed = await again.some(6)
    assert {event["message"]["state"] for event in replayed if "message" in event} == {"DELETED"}


async def test_a_page_and_its_cursor_leave_neither_hole_nor_double(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    stop = asyncio.Event()

    async def write(who: Viewer) -> int:
        count = 0
        while not stop.is_set():
            await say(world, who, room_id, str(count))
            count += 1
        return count

    writing = [asyncio.create_task(write(who)) for who in (one, other)]
    page = "query ($room: ID!) { messages(roomId: $room, last: 100) { streamCursor nodes { number } } }"
    for _ in range(5):
        await say(world, one, room_id, "between")
    found = (await world.data(one, page, room=encode_id("room", room_id)))["messages"]
    follower = await follow(worker, one, room_id, found["streamCursor"])
    heard: list[int] = []
    while len(heard) < 10:
        event = await follower.next()
        if event["__typename"] == "MessageSent":
            heard.append(event["message"]["number"])
    stop.set()
    await asyncio.gather(*writing)

    last = found["nodes"][-1]["number"]
    assert heard == list(range(last + 1, last + 11))


async def test_whoever_is_sent_away_is_told_nothing_from_then_on(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, member = await world.client(), await world.freelancer()
    room_id = await group(world, owner, member)
    follower = await follow(worker, member, room_id)
    await follower.next()

    await rooms.remove_member(world.as_(owner), room_id, id_of(member))

    assert await follower.next() == {"__typename": "StreamEnd", "reason": "ACCESS_LOST"}
    request = Request(FOLLOW, {"room": encode_id("room", room_id)})
    refused = await perform(world.schema, worker.streams, request, world.as_(member))
    assert isinstance(refused, Response)
    assert refused.body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_words_of_the_erased_are_not_told_again_to_who_comes_back(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    me, one = await world.client(), await world.freelancer()
    room_id = await group(world, me, one)
    await said(world, me, room_id, "first")
    staying = await follow(worker, me, room_id)
    await staying.next()
    place = staying.cursor
    await said(world, one, room_id, "my secret")
    assert (await staying.next())["message"]["text"] == "my secret"

    await erasure.erase_own_account(world.as_(one), password=PASSWORD)
    await worker.streams.recheck()

    again = await follow(worker, me, room_id, place)
    assert (await again.next())["message"]["text"] is None


async def test_what_a_worker_without_hints_wrote_is_found_by_sweeping(start: StartWorker) -> None:
    reader, writer = await start(), await start()
    one, other = await reader.world.client(), await reader.world.freelancer()
    room_id = await direct(reader.world, one, other)
    follower = await follow(reader, one, room_id)
    await follower.next()
    await reader.streams.sweep_rooms()

    await say(writer.world, other, room_id, "elsewhere")
    await reader.streams.sweep_rooms()

    assert (await follower.next())["message"]["text"] == "elsewhere"


async def test_a_follow_that_begins_while_the_chat_store_is_away_waits_for_it_and_holds_up_nothing_else(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    world = worker.world
    one, other = await world.client(), await world.freelancer()
    room_id, board_room = await direct(world, one, other), await group(world, one, other)
    live = await follow(worker, one, room_id)
    await live.next()
    await said(world, other, room_id, "before")
    assert (await live.next())["message"]["text"] == "before"
    cursor, store = live.cursor, world.services.chat.store
    await live.close()
    await said(world, other, room_id, "missed")
    was_asked = asyncio.Event()

    async def away(*_: Any, **__: Any) -> Any:
        was_asked.set()
        raise StoreAway

    with monkeypatch.context() as while_away:
        while_away.setattr(store, "heads", away)
        while_away.setattr(store, "moved_since", away)
        returning = asyncio.create_task(follow(worker, one, room_id, cursor))
        await was_asked.wait()
        # What the platform's own database answers says nothing about the other store.
        for _ in range(BEGINNINGS + 1):
            await worker.streams.sweep()
            await asyncio.sleep(0)
        with pytest.raises(StoreAway):
            await worker.streams.sweep_rooms()
        async with worker.streams.follow(f"roomstate:{board_room}", one) as beside:
            await rooms.edit_room(world.as_(one), board_room, {"title": "New"}, expected_version=None)
            async with asyncio.timeout(5):
                assert [fact.kind for fact in await beside.take()] == ["RoomEdited"]
        assert not returning.done()
    await worker.streams.sweep_rooms()
    again = await returning

    assert (await again.next())["message"]["text"] == "missed"
    assert await again.next() == {"__typename": "StreamReady", "replayed": 1}
    await said(world, other, room_id, "after")
    assert (await again.next())["message"]["text"] == "after"


async def test_many_followers_of_one_room_share_what_is_made_for_them(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    people = [await world.client(), *[await world.freelancer() for _ in range(5)]]
    room_id = await group(world, *people)
    followers = [await follow(worker, who, room_id) for who in people for _ in range(3)]
    for follower in followers:
        await follower.next()

    for number in range(20):
        await say(world, people[number % 6], room_id, str(number))
        if number % 5 == 0:
            await rooms.edit_room(
                world.as_(people[0]), room_id, {"title": f"{number}"}, expected_version=None
            )

    for follower in followers:
        heard = await follower.some(24)
        assert [event["message"]["text"] for event in heard if "message" in event] == [
            str(number) for number in range(20)
        ]


async def test_a_place_in_one_of_the_two_streams_goes_on_there_and_that_of_another_room_is_refused(
    start: StartWorker,
) -> None:
    worker = await start()
    world = worker.world
    one, other = await world.client(), await world.freelancer()
    room_id, elsewhere = await group(world, one, other), await direct(world, one, other)
    document = "mutation ($input: MessageSendInput!) { messageSend(input: $input) { position } }"
    answers = [
        await world.data(one, document, input={"roomId": encode_id("room", id), "text": "hello"})
        for id in (room_id, elsewhere)
    ]
    here, there = (answer["messageSend"]["position"] for answer in answers)
    await say(world, other, room_id, "and then")

    follower = await follow(worker, one, room_id, here)
    request = Request(FOLLOW, {"room": encode_id("room", room_id), "after": there})
    refused = await perform(world.schema, worker.streams, request, world.as_(one))

    assert (await follower.next())["message"]["text"] == "and then"
    assert await follower.next() == {"__typename": "StreamReady", "replayed": 1}
    assert isinstance(refused, Response)
    assert refused.body["errors"][0]["extensions"]["constraint"] == "CURSOR"


async def test_each_follower_is_shown_what_they_may_see_of_what_a_message_names(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, member = await world.client(), await world.freelancer()
    room_id, draft_id = await direct(world, owner, member), await world.draft(owner)
    document = """subscription ($room: ID!) { roomEvents(roomId: $room) { cursor event { __typename
      ... on MessageEvent { message { previews { id } } } } } }"""
    room, gig = encode_id("room", room_id), encode_id("gig", draft_id)
    followers = [Follow(await frames_of(worker, who, document, room=room)) for who in (owner, member)]
    for follower in followers:
        await follower.next()

    await said(world, owner, room_id, gig)

    told = [(await follower.next())["message"]["previews"] for follower in followers]
    assert told == [[{"id": gig}], []]
