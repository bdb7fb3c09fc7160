"""State and events make the fresh state, for rooms: whoever keeps a snapshot and applies what is told never needs to read again."""

import random
from collections.abc import Awaitable, Callable
from copy import deepcopy
from typing import Any

import pytest

from auth.viewer import Viewer
from models.event import EVENTS
from models.ids import encode_id
from models.message import Content
from models.room import RoomRole
from models.room_events import MessageForPerson, RoomEvent, RoomPreferenceSet, RoomReadMarked, ThreadFollowSet
from resolvers import messages, projection, reading, rooms, threads
from schema.events import KINDS
from schema.room_events import SAID
from tests.resolvers.rooms import group, id_of, said
from tests.subscriptions.conftest import StartWorker, Worker
from tests.subscriptions.frames import frames_of, replayed
from tests.subscriptions.test_room_events import Follow

State = dict[str, Any]
PARTS = """
fragment R on Room { title isReadOnly archivedAt version }
fragment M on Message { id number state text editedAt editCount deletedAt pinnedAt reactions { emoji count people { person { id } } }
  answersId threadId quoted { id } mentions { person { id } } mentionsRoom author { id }
  thread { id replyCount lastReplyAt unreadCount isFollowed } }
"""
SNAPSHOT = f"""query ($room: ID!) {{ messages(roomId: $room, last: 40) {{ streamCursor nodes {{ ...M }}
  room {{ ...R members(first: 100) {{ nodes {{ role person {{ id }} }} }} }} }} }} {PARTS}"""
FOLLOW = f"""subscription ($room: ID!, $after: StreamCursor) {{ roomEvents(roomId: $room, after: $after) {{ cursor event {{ __typename
  ... on MessageEvent {{ message {{ ...M }} }}
  %s
}} }} }} {PARTS}"""
ROOM_KINDS = {
    name
    for name in KINDS
    if issubclass(EVENTS[name], RoomEvent)
    and not issubclass(EVENTS[name], MessageForPerson | RoomPreferenceSet | RoomReadMarked | ThreadFollowSet)
}


def subscription(worker: Worker) -> str:
    kinds: Any = worker.world.schema._schema.type_map
    parts = []
    for name in sorted(ROOM_KINDS):
        has_person, has_role = ("person" in kinds[name].fields, "roomRole" in kinds[name].fields)
        extra = ("person { id } " if has_person else "") + ("roomRole" if has_role else "")
        parts.append(f"... on {name} {{ room {{ ...R }} {extra} }}")
    return FOLLOW % "\n".join(parts)


def apply(state: State, event: State) -> None:
    """The reference reducer."""
    if "message" in event:
        thread = event["message"].pop("thread")
        state["threads"][thread["id"]] = thread
        state["messages"][event["message"]["id"]] = event["message"]
        if event["__typename"] == "MessageSent":
            state["read"] = set()
        return
    state["room"] = event["room"]
    if event["__typename"] in {"RoomMemberAdded", "RoomMemberRoleSet"}:
        state["members"][event["person"]["id"]] = event["roomRole"]
    elif event["__typename"] in {"RoomMemberLeft", "RoomMemberRemoved"}:
        state["members"].pop(event["person"]["id"], None)
    elif event["__typename"] == "RoomReadReceipt":
        state["read"].add(event["person"]["id"])


async def snapshot(worker: Worker, who: Viewer, room: str) -> tuple[State, str]:
    page = (await worker.world.data(who, SNAPSHOT, room=room))["messages"]
    members = page["room"].pop("members")["nodes"]
    threads = [node.pop("thread") for node in page["nodes"]]
    state = {
        "threads": {thread["id"]: thread for thread in threads},
        "room": page["room"],
        "members": {member["person"]["id"]: member["role"] for member in members},
        "messages": {node["id"]: node for node in page["nodes"]},
    }
    if page["nodes"]:
        readers = "query ($room: ID!, $id: ID!) { messageReaders(roomId: $room, id: $id) { person { id } } }"
        last = page["nodes"][-1]["id"]
        found = (await worker.world.data(who, readers, room=room, id=last))["messageReaders"]
        state["read"] = {reader["person"]["id"] for reader in found}
    return state, page["streamCursor"]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
async def test_a_snapshot_and_what_is_told_after_it_make_the_fresh_state(
    start: StartWorker, seed: int
) -> None:
    worker, chance = await start(), random.Random(seed)
    world = worker.world
    people = [await world.client(), *[await world.freelancer() for _ in range(4)]]
    owner, *others = people
    room_id = await group(world, owner, *others[:2])
    room, op = encode_id("room", room_id), world.as_(owner)
    written = [await said(world, owner, room_id, "first")]
    kept = [await snapshot(worker, owner, room)]

    async def send() -> None:
        known = {"answers_id": chance.choice(written), "quote_id": chance.choice(written)}
        written.append(await said(world, others[0], room_id, f"{len(written)}", **known))

    def about(act: Callable[..., Awaitable[object]], **more: Any) -> Callable[[], Awaitable[object]]:
        return lambda: act(op, room_id, written[0], **more)

    acts: list[Callable[[], Awaitable[object]]] = [
        send,
        about(messages.edit_message, content=Content("edited", mentions_room=True)),
        about(messages.react_to_message, emoji="👍", is_on=True),
        lambda: rooms.add_members(op, room_id, [id_of(others[2]), id_of(others[3])]),
        about(messages.pin_message, is_on=True),
        lambda: rooms.set_role(op, room_id, id_of(others[0]), RoomRole.MODERATOR),
        send,
        lambda: rooms.edit_room(op, room_id, {"title": "New", "is_read_only": True}, expected_version=None),
        about(messages.react_to_message, emoji="👍", is_on=False),
        lambda: rooms.remove_member(op, room_id, id_of(others[2])),
        about(messages.pin_message, is_on=False),
        lambda: rooms.leave_room(world.as_(others[3]), room_id),
        lambda: rooms.archive_room(op, room_id, is_on=True),
        lambda: rooms.archive_room(op, room_id, is_on=False),
        send,
        lambda: reading.mark_read(world.as_(others[1]), room_id, up_to=None),
        lambda: messages.delete_message(world.as_(others[0]), room_id, written[-1]),
        about(messages.delete_message),
    ]
    for act in acts:
        await act()
        if chance.random() < 0.4:
            kept.append(await snapshot(worker, owner, room))

    fresh, _ = await snapshot(worker, owner, room)
    told: set[str] = set()
    for state, cursor in kept:
        now = deepcopy(state)
        frames = await frames_of(worker, owner, subscription(worker), room=room, after=cursor)
        for event in [item["event"] for item in await replayed(frames)]:
            told.add(event["__typename"])
            apply(now, event)
        assert now == fresh
    assert told == (ROOM_KINDS - {"RoomCreated"}) | SAID


async def test_what_one_does_for_oneself_is_told_in_ones_own_stream(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    one, other = await world.client(), await world.freelancer()
    document = """subscription { viewerEvents(topics: [ROOMS]) { cursor event { __typename
        ... on PersonBlocked { other { id } } ... on RoomPreferenceSet { room { id } isMuted }
        ... on MessageForPerson { messageId isMention followedThreadId }
        ... on ThreadFollowSet { threadId isFollowed }
        ... on ChatPreferenceSet { showsReceipts } ... on RoomReadMarked { number unread mentions } } } }"""
    follow = Follow(await frames_of(worker, one, document), "viewerEvents")
    await follow.next()

    room_id = (await rooms.open_direct(world.as_(one), id_of(other))).entity_id
    await rooms.set_preference(world.as_(one), room_id, {"is_muted": True})
    await reading.set_receipts(world.as_(one), is_on=False)
    message_id = await said(world, other, room_id, "you", mention_ids=(id_of(one),))
    await threads.set_follow(world.as_(one), room_id, message_id, is_on=False)
    await reading.mark_read(world.as_(one), room_id, up_to=None)
    await rooms.block_person(world.as_(one), id_of(other))
    await rooms.unblock_person(world.as_(one), id_of(other))

    assert await follow.some(8) == [
        {"__typename": "RoomMemberAdded"},
        {"__typename": "RoomPreferenceSet", "room": {"id": encode_id("room", room_id)}, "isMuted": True},
        {"__typename": "ChatPreferenceSet", "showsReceipts": False},
        {
            "__typename": "MessageForPerson",
            "messageId": encode_id("message", message_id),
            "isMention": True,
            "followedThreadId": None,
        },
        {"__typename": "ThreadFollowSet", "threadId": encode_id("message", message_id), "isFollowed": False},
        {"__typename": "RoomReadMarked", "number": 1, "unread": 0, "mentions": 0},
        {"__typename": "PersonBlocked", "other": {"id": encode_id("person", id_of(other))}},
        {"__typename": "PersonUnblocked"},
    ]


async def test_whoever_follows_a_thread_is_told_of_answers_in_their_own_stream(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other)
    first = await said(world, one, room_id)
    await projection.project(world.as_(one), room_id)
    document = """subscription { viewerEvents(topics: [ROOMS]) { cursor event { __typename
        ... on MessageForPerson { messageId isMention followedThreadId }
        ... on MessageSent { message { thread { id replyCount unreadCount isFollowed } } } } } }"""
    follow = Follow(await frames_of(worker, one, document), "viewerEvents")
    assert await follow.next() == {"__typename": "StreamReady"}

    answer = await said(world, other, room_id, answers_id=first)

    told = {event.pop("__typename"): event for event in await follow.some(2)}
    thread_id = encode_id("message", first)
    assert told == {
        "MessageForPerson": {
            "messageId": encode_id("message", answer), "isMention": False, "followedThreadId": thread_id,
        },
        "MessageSent": {
            "message": {"thread": {"id": thread_id, "replyCount": 1, "unreadCount": 1, "isFollowed": True}}
        },
    }  # fmt: skip
