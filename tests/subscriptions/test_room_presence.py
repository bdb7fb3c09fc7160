"""Who writes in a room, and who is there: told to those who may know, from whichever process, and kept nowhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col

from auth.viewer import Viewer
from models.ids import encode_id, new_id
from models.message import Content
from models.presence import (
    MOST_WORDS,
    ONLINE_LEASE,
    TYPING_LEASE,
    WORDS_WITHIN_S,
    Attendance,
    PersonState,
    Present,
    SaidTooOften,
    person,
)
from models.room import PersonSeen
from models.store.sql import Database, counting_statements
from resolvers import administration, messages, reading, room_presence, rooms, seen
from subscriptions import people as telling
from subscriptions.onlooker import Moved, Onlooker
from subscriptions.redis_broker import RedisBroker
from tests.redis_server import RedisServer
from tests.resolvers.rooms import direct, group, id_of, said
from tests.subscriptions.conftest import CHANNEL, StartWorker, Worker, until
from tests.subscriptions.frames import frames_of
from tests.subscriptions.test_presence import BOB, Hall, here
from tests.subscriptions.test_room_events import Follow
from tests.world import World

FOLLOW = """subscription ($room: ID!) { roomEvents(roomId: $room) { cursor event { __typename
  ... on TypingChanged { typists { doing threadId messageId person { name } } }
  ... on MembersPresenceChanged { members { state personId person { name } } }
  ... on MessageEvent { message { text } } } } }"""
TYPE = """mutation ($i: RoomTypingInput!) { roomTyping(input: $i) { outcome typists { person { name } }
  errors { code path } } }"""
TELL = "mutation ($i: PresenceTellInput!) { presenceTell(input: $i) { outcome state errors { code path } } }"
SWITCH = "mutation ($on: Boolean!) { chatPresenceSet(input: {isOn: $on}) { outcome showsPresence } }"
SEE = "query ($id: ID!) { node(id: $id) { ... on Person { name presence { state lastSeenAt } } } }"


async def types(world: World, who: Viewer, room_id: UUID, **more: Any) -> Any:
    input = {"roomId": encode_id("room", room_id)} | more
    return (await world.data(who, TYPE, i=input))["roomTyping"]


async def tells(world: World, who: Viewer, state: str = "ONLINE", **more: Any) -> Any:
    return (await world.data(who, TELL, i={"state": state} | more))["presenceTell"]


async def sees(world: World, who: Viewer, other: Viewer) -> Any:
    """The state of the other one, as `who` sees it; None if they do not."""
    found = (await world.data(who, SEE, id=encode_id("person", id_of(other))))["node"]
    return found and found["presence"] and found["presence"]["state"]


@asynccontextmanager
async def following(worker: Worker, who: Viewer, room_id: UUID) -> AsyncIterator[Follow]:
    frames = await frames_of(worker, who, FOLLOW, room=encode_id("room", room_id))
    follow = Follow(frames)
    assert (await follow.next())["__typename"] == "StreamReady"
    yield follow
    await follow.close()


def writing(*names: str, thread: str | None = None) -> dict[str, Any]:
    people = [typist(name, thread=thread) for name in names]
    return {"__typename": "TypingChanged", "typists": people}


def typist(name: str, *, thread: str | None = None, edits: str | None = None) -> dict[str, Any]:
    doing = "WRITING" if edits is None else "EDITING"
    return {"doing": doing, "threadId": thread, "messageId": edits, "person": {"name": name}}


def moved(*people: tuple[Viewer, str, str]) -> dict[str, Any]:
    members = [
        {"state": state, "personId": encode_id("person", id_of(who)), "person": {"name": name}}
        for who, name, state in people
    ]
    return {"__typename": "MembersPresenceChanged", "members": members}


# -- who writes --------------------------------------------------------------------------------------------------------


async def test_the_others_see_who_writes_until_it_is_said(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    one, other = await world.client("Olga"), await world.freelancer("Mo")
    room_id = await direct(world, one, other)
    thread_id = await said(world, one, room_id, "first")
    thread = encode_id("message", thread_id)
    before = await world.footprint()

    async with following(worker, one, room_id) as its:
        answer = await types(world, other, room_id, threadId=thread)
        assert await its.next() == writing("Mo", thread=thread)
        cursor = its.cursor
        # What one writes oneself is no news.
        await types(world, one, room_id)
        await types(world, other, room_id, isTyping=False)
        assert await its.next() == writing()
        assert its.cursor == cursor and await world.footprint() == before
        await types(world, other, room_id)
        assert await its.next() == writing("Mo")
        await said(world, other, room_id, "here it is")
        told = [await its.next(), await its.next()]

    assert answer == {"outcome": "APPLIED", "typists": [{"person": {"name": "Mo"}}], "errors": []}
    assert sorted(event["__typename"] for event in told) == ["MessageSent", "TypingChanged"]
    assert writing() in told


async def test_the_others_see_who_edits_which_message_until_it_is_edited(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    one, other = await world.client("Olga"), await world.freelancer("Mo")
    room_id = await direct(world, one, other)
    first, second = await said(world, other, room_id, "first"), await said(world, other, room_id, "second")
    message = encode_id("message", first)
    before = await world.footprint()

    async with following(worker, one, room_id) as its:
        answer = await types(world, other, room_id, messageId=message)
        assert await its.next() == {"__typename": "TypingChanged", "typists": [typist("Mo", edits=message)]}
        assert await world.footprint() == before
        # Beside it they write a new one, and send it; then they edit another one.
        await types(world, other, room_id, client="phone")
        both = {"__typename": "TypingChanged", "typists": [typist("Mo"), typist("Mo", edits=message)]}
        assert sorted((await its.next())["typists"], key=str) == sorted(both["typists"], key=str)
        await said(world, other, room_id, "third")
        told = [await its.next(), await its.next()]
        await edit(world, other, room_id, second, "the second")
        told.append(await its.next())
        still = doings(world, room_id)
        # What says the same as before has been edited, too.
        await edit(world, other, room_id, first, "first")
        told.append(await its.next())

    assert (answer["outcome"], answer["errors"]) == ("APPLIED", [])
    assert {"__typename": "TypingChanged", "typists": [typist("Mo", edits=message)]} in told[:2]
    assert still == [("EDITING", first)]
    assert told[2]["__typename"] == "MessageEdited"
    assert told[3] == writing()


async def test_what_was_deleted_is_not_edited_any_more(world: World) -> None:
    owner, member = await world.client(), await world.freelancer()
    room_id = await group(world, owner, member)
    first, second = await said(world, member, room_id), await said(world, member, room_id)
    await types(world, member, room_id, messageId=encode_id("message", first))
    await types(world, member, room_id, messageId=encode_id("message", second), client="phone")

    # By who moderates the group.
    await messages.delete_message(world.as_(owner), room_id, first)

    assert doings(world, room_id) == [("EDITING", second)]


async def test_a_repeat_of_an_edit_ends_nothing(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    id = await said(world, one, room_id)
    await edit(world, one, room_id, id, "better", key="once")
    await types(world, one, room_id, messageId=encode_id("message", id))

    await edit(world, one, room_id, id, "better", key="once")

    assert doings(world, room_id) == [("EDITING", id)]


async def test_only_a_message_of_ones_own_in_that_room_is_edited(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id, elsewhere = await direct(world, one, other), await group(world, one, other)
    mine, theirs = await said(world, one, room_id), await said(world, other, room_id)
    gone, far = await said(world, one, room_id), await said(world, one, elsewhere)
    await messages.delete_message(world.as_(one), room_id, gone)
    before = await world.footprint()

    async def refusal(id: UUID, **more: Any) -> tuple[str, list[str]]:
        answer = await types(world, one, room_id, messageId=encode_id("message", id), **more)
        assert (answer["outcome"], answer["typists"]) == ("REJECTED", None)
        (error,) = answer["errors"]
        return error["code"], error["path"]

    assert await refusal(theirs) == ("NOT_ALLOWED", [])
    assert await refusal(gone) == ("DELETED_MESSAGE", [])
    assert await refusal(far) == ("NOT_FOUND", ["messageId"])
    assert await refusal(new_id()) == ("NOT_FOUND", ["messageId"])
    assert await refusal(mine, threadId=encode_id("message", mine)) == ("INVALID", ["threadId"])
    assert (doings(world, room_id), await world.footprint()) == ([], before)
    # That one does so no longer is heard whatever became of the message.
    over = await types(world, one, room_id, messageId=encode_id("message", gone), isTyping=False)
    assert over["outcome"] == "APPLIED"
    assert (await types(world, one, room_id, messageId=encode_id("message", mine)))["outcome"] == "APPLIED"


def doings(world: World, room_id: UUID) -> list[tuple[str | None, UUID | None]]:
    return [(one.doing, one.part) for one in world.services.attendance.at(f"room:{room_id}")]


async def edit(
    world: World, who: Viewer, room_id: UUID, id: UUID, text: str, *, key: str | None = None
) -> None:
    op = world.as_(who, key=key, mutation="message_edit")
    await messages.edit_message(op, room_id, id, Content(text))


def test_who_writes_is_shown_for_ten_seconds_and_who_is_online_for_ninety() -> None:
    hall = Hall()
    hall.attendance.say(here(BOB, "WRITING"), lease=TYPING_LEASE)
    hall.attendance.say(here(UUID(int=9), "ONLINE"), lease=ONLINE_LEASE)

    hall.time += 10
    at_ten = [one.doing for one in hall.attendance.at("board:b")]
    hall.attendance.expire()
    hall.time += 79.9
    before_the_end = [one.doing for one in hall.attendance.at("board:b")]
    hall.time += 0.1

    assert (at_ten, before_the_end, hall.attendance.at("board:b")) == (["ONLINE"], ["ONLINE"], [])


async def test_who_may_not_write_there_is_refused_and_shown_to_nobody(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, member, stranger = await world.client(), await world.freelancer(), await world.freelancer()
    admin = await world.admin()
    read_only = await group(world, owner, member, is_read_only=True)
    archived = await group(world, owner, member)
    await rooms.archive_room(world.as_(owner), archived, is_on=True)
    blocked = await direct(world, owner, member)
    await rooms.block_person(world.as_(owner), id_of(member))
    before = await world.footprint()

    async def refusal(who: Viewer, room_id: UUID, **more: Any) -> tuple[str, list[str]]:
        answer = await types(world, who, room_id, **more)
        assert (answer["outcome"], answer["typists"]) == ("REJECTED", None)
        (error,) = answer["errors"]
        return error["code"], error["path"]

    assert await refusal(stranger, read_only) == ("NOT_FOUND", ["roomId"])
    assert await refusal(admin, read_only) == ("NOT_FOUND", ["roomId"])
    assert await refusal(member, read_only) == ("READ_ONLY_ROOM", [])
    assert await refusal(owner, archived) == ("ARCHIVED_ROOM", [])
    assert await refusal(member, blocked) == ("BLOCKED_PERSON", [])
    assert await refusal(owner, read_only, client="x" * 41) == ("INVALID", ["client"])
    for room_id in (read_only, archived, blocked):
        assert world.services.attendance.at(f"room:{room_id}") == []
    assert await world.footprint() == before
    assert (await types(world, owner, read_only))["outcome"] == "APPLIED"


async def test_who_is_sent_away_writes_there_no_longer(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, member = await world.client(), await world.freelancer("Mo")
    room_id = await group(world, owner, member)

    async with following(worker, owner, room_id) as its, following(worker, member, room_id):
        await types(world, member, room_id)
        assert await its.next() == writing("Mo")
        await rooms.remove_member(world.as_(owner), room_id, id_of(member))
        told = [await its.next(), await its.next()]

    assert writing() in told


def test_so_many_words_are_heard_of_one_person_and_more_of_them_later() -> None:
    hall, at = Hall(), here(BOB).until
    assert at is not None
    for _ in range(MOST_WORDS):
        hall.attendance.count_word(BOB, at=at)
    hall.time += 4

    with pytest.raises(SaidTooOften) as refused:
        hall.attendance.count_word(BOB, at=at)
    hall.attendance.count_word(UUID(int=9), at=at)
    hall.time += WORDS_WITHIN_S - 4
    hall.attendance.count_word(BOB, at=at)

    assert refused.value.retry_at == at + timedelta(seconds=WORDS_WITHIN_S - 4)


async def test_who_says_it_too_often_is_told_when_to_say_it_again(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    for _ in range(MOST_WORDS):
        world.services.attendance.count_word(id_of(one), at=world.clock())

    answer = await types(world, one, room_id)

    assert [error["code"] for error in answer["errors"]] == ["SAID_TOO_OFTEN"]
    assert world.services.attendance.at(f"room:{room_id}") == []
    assert (await types(world, other, room_id))["outcome"] == "APPLIED"


async def test_asking_for_people_does_not_make_messages_for_each_follower(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    room = encode_id("room", room_id)
    followers = [await frames_of(worker, who, FOLLOW, room=room) for who in (one, other)]
    for frames in followers:
        await anext(frames)

    await said(world, one, room_id)
    told = [await anext(frames) for frames in followers]

    assert told[0].raw is told[1].raw
    for frames in followers:
        await frames.aclose()


# -- who is there ------------------------------------------------------------------------------------------------------


async def test_only_members_of_ones_rooms_see_whether_one_is_there(world: World) -> None:
    one, other, former, stranger = [await world.freelancer() for _ in range(4)]
    owner, admin = await world.client(), await world.admin()
    room_id = await group(world, owner, one, other, former)
    await rooms.remove_member(world.as_(owner), room_id, id_of(former))
    await direct(world, stranger, former)
    before = await world.footprint()

    answer = await tells(world, one)

    assert answer == {"outcome": "APPLIED", "state": "ONLINE", "errors": []}
    assert [await sees(world, who, one) for who in (one, other, owner)] == ["ONLINE"] * 3
    assert [await sees(world, who, one) for who in (former, stranger, admin)] == [None] * 3
    # The former member, whose name they still see, is not there for them either.
    assert (await world.data(owner, SEE, id=encode_id("person", id_of(former))))["node"]["presence"] is None
    assert await sees(world, owner, other) == "OFFLINE"
    assert await world.footprint() == before


async def test_the_liveliest_of_somebodys_clients_counts(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    await direct(world, one, other)

    await tells(world, one, "ONLINE", client="tab")
    await tells(world, one, "AWAY", client="phone")
    both = await sees(world, other, one)
    await tells(world, one, "OFFLINE", client="tab")
    phone = await sees(world, other, one)
    await tells(world, one, "OFFLINE", client="phone")

    assert (both, phone, await sees(world, other, one)) == ("ONLINE", "AWAY", "OFFLINE")


async def test_when_somebody_was_there_last_is_known_also_after_they_left(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    await direct(world, one, other)
    services = world.services

    async def last_seen() -> Any:
        found = await world.data(other, SEE, id=encode_id("person", id_of(one)))
        return found["node"]["presence"]["lastSeenAt"]

    assert await last_seen() is None
    await tells(world, one)
    assert await last_seen() == "2026-11-22T12:00:00Z"
    world.clock.move(timedelta(minutes=1))
    await tells(world, one, "AWAY")
    assert await last_seen() == "2026-11-22T12:00:00Z"
    await tells(world, one, "OFFLINE")
    assert await last_seen() == "2026-11-22T12:01:00Z"
    await services.last_seen.write(services.db, at=world.clock())
    # An older word that another process wrote later.
    services.last_seen.note(id_of(one), at=world.clock() - timedelta(minutes=5))
    await services.last_seen.write(services.db, at=world.clock())
    assert services.last_seen.of(id_of(one)) is None
    assert await last_seen() == "2026-11-22T12:01:00Z"


async def test_when_many_were_there_last_is_written_in_pieces(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "MOST_AT_ONCE", 2)
    people = [id_of(await world.freelancer()) for _ in range(5)]
    services = world.services
    for person_id in people:
        services.last_seen.note(person_id, at=world.clock())

    with counting_statements() as counted:
        await services.last_seen.write(services.db, at=world.clock())

    written = sa.select(col(PersonSeen.user_id)).where(col(PersonSeen.user_id).in_(people))
    assert {row.user_id for row in await services.db.fetch(written)} == set(people)
    assert [services.last_seen.of(person_id) for person_id in people] == [None] * 5
    assert counted["with"] == 3


async def test_neither_of_two_who_blocked_sees_the_other_and_nobody_sees_the_suspended(world: World) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    await group(world, one, other, third)
    for who in (one, other, third):
        await tells(world, who)
    assert await sees(world, one, other) == "ONLINE"

    await rooms.block_person(world.as_(one), id_of(other))
    await administration.suspend_account(
        world.as_(await world.admin()), id_of(third), reason="Spam.", until=None
    )

    assert await sees(world, one, other) is None
    assert await sees(world, other, one) is None
    assert await sees(world, one, third) is None
    again = await world.graphql(third, TELL, i={"state": "ONLINE"})
    assert again["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_who_does_not_show_it_is_gone_at_once_and_remembered_nowhere(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    one, other = await world.client("Olga"), await world.freelancer()
    room_id = await direct(world, one, other)
    await tells(world, one)

    async with following(worker, other, room_id) as its:
        assert await its.next() == moved((one, "Olga", "ONLINE"))
        off = (await world.data(one, SWITCH, on=False))["chatPresenceSet"]
        assert await its.next() == moved((one, "Olga", "OFFLINE"))
    hidden = await sees(world, other, one)
    world.clock.move(timedelta(minutes=1))
    quiet = await tells(world, one)
    asked = await world.data(one, "{ chatShowsPresence chatShowsReceipts }")
    again = (await world.data(one, SWITCH, on=False))["chatPresenceSet"]
    on = (await world.data(one, SWITCH, on=True))["chatPresenceSet"]

    assert (off, hidden) == ({"outcome": "APPLIED", "showsPresence": False}, None)
    assert quiet == {"outcome": "NOOP", "state": "OFFLINE", "errors": []}
    assert asked == {"chatShowsPresence": False, "chatShowsReceipts": True}
    assert (again["outcome"], on) == ("NOOP", {"outcome": "APPLIED", "showsPresence": True})
    assert world.services.attendance.at(f"user:{id_of(one)}") == []
    found = await world.data(other, SEE, id=encode_id("person", id_of(one)))
    # From before.
    assert found["node"]["presence"] == {"state": "OFFLINE", "lastSeenAt": "2026-11-22T12:00:00Z"}


async def test_one_switch_leaves_the_other_as_it_is(world: World) -> None:
    one, other = await world.client(), await world.freelancer()

    await reading.set_receipts(world.as_(one), is_on=False)
    await room_presence.set_shown(world.as_(one), is_on=False)
    await room_presence.set_shown(world.as_(other), is_on=False)
    await reading.set_receipts(world.as_(other), is_on=False)
    await room_presence.set_shown(world.as_(other), is_on=True)

    asked = "{ chatShowsPresence chatShowsReceipts }"
    assert await world.data(one, asked) == {"chatShowsPresence": False, "chatShowsReceipts": False}
    assert await world.data(other, asked) == {"chatShowsPresence": True, "chatShowsReceipts": False}


async def test_who_switches_it_off_while_saying_they_are_there_is_seen_by_nobody(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    await direct(world, one, other)

    await asyncio.gather(
        *(tells(world, one, client=str(number)) for number in range(8)),
        room_presence.set_shown(world.as_(one), is_on=False),
    )

    assert await sees(world, other, one) is None


async def test_followers_are_told_who_is_there_and_then_who_comes_and_goes(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, one, other, blocked = (
        await world.client("Olga"),
        await world.freelancer("Ada"),
        await world.freelancer("Bob"),
        await world.freelancer("Eve"),
    )
    room_id = await group(world, owner, one, other, blocked)
    elsewhere = await world.freelancer("Far")
    await rooms.block_person(world.as_(owner), id_of(blocked))
    await tells(world, one)
    await tells(world, blocked)

    async with following(worker, owner, room_id) as its, following(worker, blocked, room_id) as theirs:
        assert await its.next() == moved((one, "Ada", "ONLINE"))
        assert await theirs.next() == moved((one, "Ada", "ONLINE"))
        # Neither of one blocked, nor of oneself, nor of who is in no room of theirs.
        await tells(world, blocked, "AWAY")
        await tells(world, owner)
        await tells(world, elsewhere)
        await tells(world, one, client="another tab")
        await tells(world, other)
        assert await its.next() == moved((other, "Bob", "ONLINE"))
        assert await theirs.next() == moved((other, "Bob", "ONLINE"))
        await tells(world, other, "AWAY")
        assert await its.next() == moved((other, "Bob", "AWAY"))
        await tells(world, other, "OFFLINE")
        assert await its.next() == moved((other, "Bob", "OFFLINE"))


async def test_of_two_who_block_each_is_gone_for_the_other_and_there_again_when_they_let_it_be(
    start: StartWorker,
) -> None:
    worker = await start()
    world = worker.world
    owner, one, other = (
        await world.client("Olga"), await world.freelancer("Ada"), await world.freelancer("Bob"),
    )  # fmt: skip
    room_id = await group(world, owner, one, other)
    await tells(world, one)
    await tells(world, other)

    async with (
        following(worker, one, room_id) as its,
        following(worker, other, room_id) as theirs,
        following(worker, owner, room_id) as watching,
    ):
        assert await its.next() == moved((other, "Bob", "ONLINE"))
        assert await theirs.next() == moved((one, "Ada", "ONLINE"))
        both = (await watching.next())["members"]
        assert sorted(member["person"]["name"] for member in both) == ["Ada", "Bob"]
        await rooms.block_person(world.as_(one), id_of(other))
        await worker.streams.recheck()
        assert await its.next() == moved((other, "Bob", "OFFLINE"))
        assert await theirs.next() == moved((one, "Ada", "OFFLINE"))
        # What they do meanwhile is no news to each other, but to everybody else.
        await tells(world, other, "AWAY")
        assert await watching.next() == moved((other, "Bob", "AWAY"))
        await rooms.unblock_person(world.as_(one), id_of(other))
        await worker.streams.recheck()
        assert await its.next() == moved((other, "Bob", "AWAY"))
        assert await theirs.next() == moved((one, "Ada", "ONLINE"))
        await worker.streams.recheck()
        await tells(world, other)
        assert await watching.next() == moved((other, "Bob", "ONLINE"))
        assert await its.next() == moved((other, "Bob", "ONLINE"))


async def test_who_joins_while_they_are_there_is_shown_as_there(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, one, other = await world.client(), await world.freelancer("Ada"), await world.freelancer("Bob")
    room_id = await group(world, owner, other)
    await tells(world, one)
    await tells(world, other)

    async with following(worker, owner, room_id) as its:
        assert await its.next() == moved((other, "Bob", "ONLINE"))
        await rooms.add_members(world.as_(owner), room_id, [id_of(one)])
        assert (await its.next())["__typename"] == "RoomMemberAdded"
        assert await its.next() == moved((one, "Ada", "ONLINE"))


async def test_who_went_while_they_were_no_member_is_gone_when_they_are_back(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, one, other = await world.client(), await world.freelancer("Ada"), await world.freelancer("Bob")
    room_id = await group(world, owner, one, other)
    await tells(world, one)

    async with following(worker, owner, room_id) as its:
        assert await its.next() == moved((one, "Ada", "ONLINE"))
        await rooms.remove_member(world.as_(owner), room_id, id_of(one))
        assert (await its.next())["__typename"] == "RoomMemberRemoved"
        await tells(world, one, "OFFLINE")
        await tells(world, other)
        assert await its.next() == moved((other, "Bob", "ONLINE"))
        await rooms.add_members(world.as_(owner), room_id, [id_of(one)])
        assert (await its.next())["__typename"] == "RoomMemberAdded"
        assert await its.next() == moved((one, "Ada", "OFFLINE"))


class Crowd:
    """Rooms of the same people, all of whom ask for each of them; most are not there. Stands in for their database."""

    def __init__(self, size: int, *, there: int, rooms: int = 1) -> None:
        attendance = Attendance()
        self.room_ids, self.members = [new_id() for _ in range(rooms)], [new_id() for _ in range(size)]
        self.there = set(self.members[:there])
        for member in self.there:
            attendance.say(Present(person(member), member, "tab", "ONLINE"), lease=ONLINE_LEASE)
        self.people = telling.People(cast(Database, self), attendance)
        self.onlookers = [Listening(attendance, member) for member in self.members]
        self.asked: list[int] = []
        """Of how many rooms each statement for members told."""
        for onlooker in self.onlookers:
            for room_id in self.room_ids:
                onlooker.watch(Room(f"room:{room_id}"))
                self.people.attend(room_id, onlooker)

    async def poll(self, statement: object) -> list[Any]:
        return [{"horizon": "1"}]

    async def fetch(self, statement: sa.Select[Any], values: dict[str, Any]) -> list[Any]:
        if "new" not in values:
            return []
        self.asked.append(len(values["new"]))
        return [SimpleNamespace(room_id=room_id, shown=self.members, hidden=[]) for room_id in values["new"]]

    @property
    def nudged(self) -> int:
        return sum(onlooker.is_nudged for onlooker in self.onlookers)


class Listening(Onlooker):
    def __init__(self, attendance: Attendance, user_id: UUID) -> None:
        viewer = Viewer(user_id=user_id, roles=frozenset())
        super().__init__(attendance, viewer, self._note, sees_subjects=False, sees_members=True)
        self.is_nudged = False

    def _note(self) -> None:
        self.is_nudged = True


@dataclass
class Room:
    stream: str
    ended: object | None = None


async def test_while_many_are_told_who_is_there_everybody_else_has_a_turn() -> None:
    crowd = Crowd(50, there=3)
    (room_id,) = crowd.room_ids
    running = asyncio.create_task(crowd.people.run())

    told = [0]
    while told[-1] < 49:
        await asyncio.sleep(0)
        told.append(crowd.nudged)
        if told[-1] and not told[-2]:
            gone = next(one for one in crowd.onlookers if not one.is_nudged)
            crowd.people.leave(room_id, gone)
    running.cancel()

    assert max(after - before for before, after in pairwise(told)) <= telling.AT_ONCE
    assert not gone.is_nudged
    for one in crowd.onlookers:
        if one is not gone:
            # Of those who are not there, nobody is told.
            news = await one.next()
            assert isinstance(news, Moved)
            assert set(news.people) == {
                (member, PersonState.ONLINE) for member in crowd.there - {one.viewer.user_id}
            }


async def test_in_a_large_room_changes_are_not_told(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "MOST_PEOPLE", 2)
    worker = await start()
    world = worker.world
    owner, one, other = await world.client(), await world.freelancer("Ada"), await world.freelancer("Bob")
    large, small = await group(world, owner, one, other), await direct(world, owner, one)

    async with following(worker, owner, large) as its, following(worker, owner, small) as beside:
        await tells(world, one)
        assert await beside.next() == moved((one, "Ada", "ONLINE"))
        await said(world, one, large, "first")
        assert (await its.next())["__typename"] == "MessageSent"


async def test_a_page_of_members_costs_one_statement_for_who_is_there(world: World) -> None:
    owner, others = await world.client(), [await world.freelancer() for _ in range(5)]
    room_id = await group(world, owner, *others)
    document = "query ($id: ID!) { room(id: $id) { members { nodes { person { name %s } } } } }"

    async def statements(field: str) -> int:
        with counting_statements() as counted:
            await world.data(owner, document % field, id=encode_id("room", room_id))
        return sum(counted.values())

    assert await statements("presence { state lastSeenAt }") == await statements("") + 1


async def test_another_process_tells_it_within_a_second(
    start: StartWorker, redis_server: RedisServer
) -> None:
    here_, there = [await start(RedisBroker(redis_server.url, channel=CHANNEL)) for _ in range(2)]
    one, other = await here_.world.client("Olga"), await here_.world.freelancer("Mo")
    room_id = await direct(here_.world, one, other)
    await until(lambda: redis_server.count_subscribers(CHANNEL) == 2)

    async with following(there, one, room_id) as its:
        async with asyncio.timeout(1):
            await types(here_.world, other, room_id)
            assert await its.next() == writing("Mo")
        async with asyncio.timeout(1):
            await tells(here_.world, other)
            assert await its.next() == moved((other, "Mo", "ONLINE"))
    assert await sees(there.world, one, other) == "ONLINE"
