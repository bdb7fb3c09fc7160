"""What people say about themselves: to whom, for how long, and told to who follows a room with them."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from auth.viewer import Viewer
from models.errors import Refusals
from models.ids import encode_id, new_id
from models.person_status import Saying
from models.presence import PersonState
from models.store.sql import counting_statements
from resolvers import administration, person_status, room_presence, rooms
from subscriptions import people as telling
from subscriptions.onlooker import Moved
from subscriptions.redis_broker import RedisBroker
from tests.redis_server import RedisServer
from tests.resolvers.rooms import direct, group, id_of, said
from tests.subscriptions.conftest import CHANNEL, StartWorker, until
from tests.subscriptions.frames import frames_of
from tests.subscriptions.test_merged_presence import Watching
from tests.subscriptions.test_room_events import Follow
from tests.subscriptions.test_room_presence import tells
from tests.world import World

SET = """mutation ($i: PersonStatusSetInput!) { personStatusSet(input: $i) { outcome status { text emoji until }
  errors { code path message } } }"""
SEE = "query ($id: ID!) { node(id: $id) { ... on Person { status { text emoji until } } } }"
FOLLOW = """subscription ($room: ID!) { roomEvents(roomId: $room) { cursor event { __typename
  ... on MembersPresenceChanged { members { state person { name status { text } } } }
  ... on MessageEvent { message { text } } } } }"""
FOLLOW_ALL = """subscription { viewerEvents { cursor event { __typename
  ... on MembersPresenceChanged { members { state person { name status { text } } } }
  ... on PersonStatusSet { personStatus { text emoji } } } } }"""


async def sets(world: World, who: Viewer, **input: Any) -> Any:
    return (await world.data(who, SET, i=input))["personStatusSet"]


async def sees(world: World, who: Viewer, other: Viewer) -> Any:
    """What the other one says, as `who` sees it; None if they do not."""
    found = (await world.data(who, SEE, id=encode_id("person", id_of(other))))["node"]
    return found and found["status"]


async def facts_of(world: World, who: Viewer) -> int:
    rows = await world.rows(
        "select count(*) from fact where kind = 'PersonStatusSet' and stream = :stream",
        stream=f"user:{id_of(who)}",
    )
    return int(rows[0][0])


def moved(*people: tuple[str, str, str | None]) -> dict[str, Any]:
    members = [
        {"state": state, "person": {"name": name, "status": text and {"text": text}}}
        for name, state, text in people
    ]
    return {"__typename": "MembersPresenceChanged", "members": members}


# -- saying it ---------------------------------------------------------------------------------------------------------


async def test_members_of_ones_rooms_see_what_one_says_and_nobody_else(world: World) -> None:
    one, other, former, stranger = [await world.freelancer() for _ in range(4)]
    owner, admin = await world.client(), await world.admin()
    room_id = await group(world, owner, one, other, former)
    await rooms.remove_member(world.as_(owner), room_id, id_of(former))
    until = (world.clock() + timedelta(days=2)).isoformat().replace("+00:00", "Z")

    answer = await sets(world, one, text="  On holiday ", emoji="🌴", until=until)

    status = {"text": "On holiday", "emoji": "🌴", "until": until}
    assert answer == {"outcome": "APPLIED", "status": status, "errors": []}
    assert [await sees(world, who, one) for who in (one, other, owner)] == [status] * 3
    assert [await sees(world, who, one) for who in (former, stranger, admin)] == [None] * 3
    assert await sees(world, owner, other) is None


async def test_it_ends_by_itself_or_when_one_says_nothing_any_more(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    await direct(world, one, other)
    await sets(world, one, text="Back soon", until=(world.clock() + timedelta(hours=1)).isoformat())
    world.clock.move(timedelta(minutes=59))
    before_the_end = await sees(world, other, one)
    world.clock.move(timedelta(minutes=1))

    assert before_the_end["text"] == "Back soon"
    assert (await sees(world, other, one), await sees(world, one, one)) == (None, None)
    alone = await sets(world, one, emoji="🎧")
    assert alone["status"] == {"text": None, "emoji": "🎧", "until": None}
    assert await sees(world, other, one) == alone["status"]
    # Words that have ended are not kept.
    kept = await world.rows("select text, emoji, until from person_status where user_id = :id", id=id_of(one))
    assert [tuple(row) for row in kept] == [(None, "🎧", None)]
    assert await sets(world, one) == {"outcome": "APPLIED", "status": None, "errors": []}
    assert await sees(world, other, one) is None


async def test_who_says_it_already_changes_nothing(world: World) -> None:
    one = await world.client()
    nothing = await sets(world, one)
    first = await sets(world, one, text="Deep in work", emoji="🎧")
    before = await world.footprint()

    again = await sets(world, one, text="Deep in work", emoji="🎧")

    assert [answer["outcome"] for answer in (nothing, first, again)] == ["NOOP", "APPLIED", "NOOP"]
    assert (nothing["status"], again["status"]) == (None, first["status"])
    assert await world.footprint() == before


@pytest.mark.parametrize(
    ("input", "path"),
    [
        ({"text": ""}, "text"),
        ({"text": "x" * 81}, "text"),
        ({"text": "two\nlines"}, "text"),
        ({"text": "two\u2028lines"}, "text"),
        ({"emoji": "x"}, "emoji"),
        ({"emoji": "🌴🌴"}, "emoji"),
        ({"text": "x", "until": "2026-11-22T12:00:00Z"}, "until"),
        ({"text": "x", "until": "2026-12-22T12:00:01Z"}, "until"),
        ({"until": "2026-11-23T12:00:00Z"}, "until"),
    ],
)
async def test_what_cannot_be_said_is_refused_and_not_kept(
    world: World, input: dict[str, str], path: str
) -> None:
    one = await world.client()
    before = await world.footprint()

    answer = await sets(world, one, **input)

    assert (answer["outcome"], answer["status"]) == ("REJECTED", None)
    assert [(error["code"], error["path"]) for error in answer["errors"]] == [("INVALID", [path])]
    assert await world.footprint() == before


async def test_the_longest_that_can_be_said_is_kept(world: World) -> None:
    one = await world.client()

    answer = await sets(world, one, text="é" * 80, emoji="👩🏻‍❤️‍💋‍👩🏻", until="2026-12-22T12:00:00Z")

    assert answer["status"] == {"text": "é" * 80, "emoji": "👩🏻‍❤️‍💋‍👩🏻", "until": "2026-12-22T12:00:00Z"}


async def test_everything_that_is_wrong_is_told_at_once(world: World) -> None:
    with pytest.raises(Refusals) as refused:
        Saying("two\nlines", "x", world.clock()).checked(now=world.clock())

    assert [refusal.path for refusal in refused.value.refusals] == [("text",), ("emoji",), ("until",)]


async def test_a_repeat_with_the_same_key_says_it_once(world: World) -> None:
    one = await world.client()
    input = {"text": "Once", "idempotencyKey": "k"}

    first, second = await sets(world, one, **input), await sets(world, one, **input)

    assert (first["outcome"], second["outcome"]) == ("APPLIED", "REPLAYED")
    assert await facts_of(world, one) == 1


async def test_of_many_that_are_said_at_the_same_moment_one_is_said_last(world: World) -> None:
    one = await world.client()

    await asyncio.gather(
        *(person_status.set_status(world.as_(one), Saying(f"Number {number}")) for number in range(8))
    )

    kept = await world.rows("select version from person_status where user_id = :id", id=id_of(one))
    assert ([row.version for row in kept], await facts_of(world, one)) == ([8], 8)


async def test_of_two_who_block_neither_sees_the_others_and_nobody_sees_that_of_the_suspended(
    world: World,
) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    await group(world, one, other, third)
    for who in (one, other, third):
        await sets(world, who, text="Here")
    assert (await sees(world, one, other))["text"] == "Here"

    await rooms.block_person(world.as_(one), id_of(other))
    await administration.suspend_account(
        world.as_(await world.admin()), id_of(third), reason="Spam.", until=None
    )

    assert [await sees(world, *two) for two in ((one, other), (other, one), (one, third))] == [None] * 3


async def test_who_does_not_show_whether_they_are_there_is_read_all_the_same(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    await direct(world, one, other)
    await room_presence.set_shown(world.as_(one), is_on=False)

    await sets(world, one, text="Ask Mo")

    assert (await sees(world, other, one))["text"] == "Ask Mo"


async def test_a_page_of_members_costs_one_statement_for_what_they_say(world: World) -> None:
    owner, others = await world.client(), [await world.freelancer() for _ in range(5)]
    room_id = await group(world, owner, *others)
    for who in others:
        await sets(world, who, text="Here")
    document = "query ($id: ID!) { room(id: $id) { members { nodes { person { name %s } } } } }"

    async def statements(field: str) -> int:
        with counting_statements() as counted:
            await world.data(owner, document % field, id=encode_id("room", room_id))
        return sum(counted.values())

    assert await statements("status { text emoji until }") == await statements("") + 1


# -- being told --------------------------------------------------------------------------------------------------------


async def test_who_follows_a_room_is_told_what_its_members_say(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, one, hidden, blocked = (
        await world.client("Olga"), await world.freelancer("Ada"), await world.freelancer("Hal"),
        await world.freelancer("Eve"),
    )  # fmt: skip
    room_id = await group(world, owner, one, hidden, blocked)
    await group(world, owner, one, hidden, blocked)
    await rooms.block_person(world.as_(owner), id_of(blocked))
    await room_presence.set_shown(world.as_(hidden), is_on=False)
    follow = Follow(await frames_of(worker, owner, FOLLOW, room=encode_id("room", room_id)))
    assert (await follow.next())["__typename"] == "StreamReady"

    await tells(world, one)
    assert await follow.next() == moved(("Ada", "ONLINE", None))
    # Not of oneself, and not of one blocked.
    for who in (owner, blocked):
        await sets(world, who, text="Mine")
    await sets(world, one, text="On holiday")
    await worker.streams.recheck()
    assert await follow.next() == moved(("Ada", "ONLINE", "On holiday"))
    # Nothing of it reveals whether one is there.
    await sets(world, hidden, text="Ask Ada")
    await worker.streams.recheck()
    assert await follow.next() == moved(("Hal", "OFFLINE", "Ask Ada"))
    await sets(world, one)
    await worker.streams.recheck()
    assert await follow.next() == moved(("Ada", "ONLINE", None))
    # Once.
    await worker.streams.recheck()
    await tells(world, one, "AWAY")
    assert await follow.next() == moved(("Ada", "AWAY", None))
    await follow.close()


async def test_in_the_stream_of_everything_it_is_told_once_and_oneself_by_a_fact(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    one, other = await world.client("Olga"), await world.freelancer("Mo")
    await group(world, one, other)
    await direct(world, one, other)
    follow = Follow(await frames_of(worker, one, FOLLOW_ALL), "viewerEvents")
    assert (await follow.next())["__typename"] == "StreamReady"

    await sets(world, other, text="Away")
    await worker.streams.recheck()
    assert await follow.next() == moved(("Mo", "OFFLINE", "Away"))
    await sets(world, one, text="Here", emoji="👋")
    assert await follow.next() == {
        "__typename": "PersonStatusSet",
        "personStatus": {"text": "Here", "emoji": "👋"},
    }
    await worker.streams.recheck()
    await tells(world, other)
    assert await follow.next() == moved(("Mo", "ONLINE", "Away"))
    await follow.close()


async def test_in_a_large_room_it_is_not_told(start: StartWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "MOST_PEOPLE", 2)
    worker = await start()
    world = worker.world
    owner, one, other = await world.client(), await world.freelancer("Ada"), await world.freelancer("Bob")
    large, small = await group(world, owner, one, other), await direct(world, owner, one)
    follows = [
        Follow(await frames_of(worker, owner, FOLLOW, room=encode_id("room", id))) for id in (large, small)
    ]
    for follow in follows:
        await follow.next()

    await sets(world, one, text="Away")
    await worker.streams.recheck()
    assert await follows[1].next() == moved(("Ada", "OFFLINE", "Away"))
    await said(world, one, large, "first")

    assert (await follows[0].next())["__typename"] == "MessageSent"
    for follow in follows:
        await follow.close()


async def test_what_is_said_to_another_process_is_told_here(
    start: StartWorker, redis_server: RedisServer
) -> None:
    here, there = [await start(RedisBroker(redis_server.url, channel=CHANNEL)) for _ in range(2)]
    one, other = await here.world.client("Olga"), await here.world.freelancer("Mo")
    room_id = await direct(here.world, one, other)
    await until(lambda: redis_server.count_subscribers(CHANNEL) == 2)
    follow = Follow(await frames_of(there, one, FOLLOW, room=encode_id("room", room_id)))
    await follow.next()

    await sets(here.world, other, text="Away")
    await there.streams.recheck()

    assert await follow.next() == moved(("Mo", "OFFLINE", "Away"))
    await follow.close()


# -- by itself ---------------------------------------------------------------------------------------------------------


async def test_of_a_room_that_is_left_it_is_not_told_but_of_another_one_once() -> None:
    its, ada, bob = Watching(rooms=3), new_id(), new_id()
    left, *rest = [room.stream for room in its.rooms]
    its.onlooker.offer(left, {ada, bob}, set(), {ada: 1, bob: 1})
    for room in rest:
        its.onlooker.offer(room, {bob}, set(), {bob: 1})

    its.onlooker.leave(left)

    assert await its.onlooker.next() == Moved([(bob, PersonState.OFFLINE)])
    # Said again by who looks it up: it is known already.
    its.onlooker.offer(rest[0], {bob}, set(), {bob: 1})
    assert await its.onlooker.next() is None
    its.onlooker.offer(rest[0], {bob}, set(), {bob: 2})
    assert await its.onlooker.next() == Moved([(bob, PersonState.OFFLINE)])


async def test_of_who_is_blocked_it_is_not_told_even_if_it_was_noted_before() -> None:
    its, ada = Watching(), new_id()
    (room,) = its.rooms
    its.come(ada)
    its.onlooker.offer(room.stream, {ada}, set(), {ada: 1})

    its.onlooker.offer(room.stream, {ada}, {ada}, {ada: 2})

    assert await its.onlooker.next() is None
    its.onlooker.offer(room.stream, {ada}, set())
    assert await its.onlooker.next() == Moved([(ada, PersonState.ONLINE)])
