"""Who is where: under leases, in several processes, and to those who follow."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from auth.viewer import Viewer
from models.contract import EndReason
from models.ids import encode_id, new_id
from models.presence import LEASE, MOST_CLIENTS, MOST_PEOPLE, ONLINE_LEASE, Attendance, Crowded, Present
from models.store.sql import counting_statements
from resolvers import contracts, tasks
from resolvers.operation import Operation
from schema.execution import Frame, Request, Response
from schema.streaming import perform
from subscriptions.broker import WORD_LIMIT, MemoryBroker
from subscriptions.presence import Presence
from subscriptions.redis_broker import RedisBroker
from tests.redis_server import RedisServer
from tests.resolvers.boards import Stage, board_stage
from tests.subscriptions.conftest import CHANNEL, StartWorker, Worker, until
from tests.world import World

BOARD = "board:b"
ADA, BOB = UUID(int=1), UUID(int=2)
TASK, OTHER_TASK = UUID(int=11), UUID(int=12)
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
LEASE_S = LEASE.total_seconds()


@dataclass
class Hall:
    """An attendance with a clock that a test moves, and what it told."""

    time: float = 1_000.0
    words: list[Present] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.attendance = Attendance(lambda: self.time)
        self.attendance.on_word = lambda word, _: self.words.append(word)
        self.attendance.on_change = self.changes.append

    def say(
        self, who: UUID, doing: str | None = "LOOKING", part: UUID | None = None, client: str = "tab"
    ) -> None:
        self.attendance.say(here(who, doing, part, client))

    def shown(self) -> list[tuple[UUID, str | None, UUID | None]]:
        return [(one.person_id, one.doing, one.part) for one in self.attendance.at(BOARD)]


def here(who: UUID, doing: str | None = "LOOKING", part: UUID | None = None, client: str = "tab") -> Present:
    return Present(BOARD, who, client, doing, part, NOON)


@pytest.fixture
def hall() -> Hall:
    return Hall()


# -- leases ------------------------------------------------------------------------------------------------------------


def test_who_comes_changes_and_leaves_is_shown_so(hall: Hall) -> None:
    hall.say(BOB)
    hall.say(ADA, "LOOKING", TASK)
    came = hall.shown()
    hall.say(ADA, "DRAGGING", TASK)
    dragging = hall.shown()
    hall.say(ADA, None)

    assert came == [(ADA, "LOOKING", TASK), (BOB, "LOOKING", None)]
    assert dragging == [(ADA, "DRAGGING", TASK), (BOB, "LOOKING", None)]
    assert hall.shown() == [(BOB, "LOOKING", None)]
    assert hall.changes == [BOARD] * 4
    assert [word.doing for word in hall.words] == ["LOOKING", "LOOKING", "DRAGGING", None]


def test_who_says_nothing_again_is_gone_when_the_lease_ends(hall: Hall) -> None:
    hall.say(ADA)
    hall.time += LEASE_S - 1
    hall.say(BOB)
    hall.time += 1

    # Whether or not anybody has looked for them.
    assert hall.shown() == [(BOB, "LOOKING", None)]
    hall.changes.clear()
    hall.attendance.expire()
    assert hall.changes == [BOARD]
    hall.time += LEASE_S
    hall.attendance.expire()
    assert (hall.shown(), hall.changes) == ([], [BOARD] * 2)


def test_what_is_said_again_prolongs_the_lease_and_is_no_change(hall: Hall) -> None:
    hall.say(ADA)
    for _ in range(10):
        hall.time += LEASE_S / 2
        hall.say(ADA)
        hall.attendance.expire()

    assert hall.shown() == [(ADA, "LOOKING", None)]
    assert hall.changes == [BOARD]
    # The others have to hear of it.
    assert len(hall.words) == 11


def test_it_is_known_how_long_there_is_nothing_to_look_for(hall: Hall) -> None:
    nobody = hall.attendance.wait_s
    hall.say(ADA)
    hall.time += 10
    hall.say(BOB)
    first = hall.attendance.wait_s
    hall.time += LEASE_S - 10
    hall.attendance.expire()
    second = hall.attendance.wait_s
    hall.time += 100
    late = hall.attendance.wait_s
    hall.attendance.expire()

    assert (nobody, first, second, late) == (None, LEASE_S - 10, 10, 0)
    assert hall.attendance.wait_s is None


def test_two_tabs_do_not_overrule_each_other(hall: Hall) -> None:
    hall.say(ADA, "LOOKING", TASK, client="one")
    hall.say(ADA, "DRAGGING", OTHER_TASK, client="two")
    hall.say(ADA, "LOOKING", TASK, client="three")
    both = hall.shown()
    hall.say(ADA, None, client="one")
    after_one = hall.shown()
    hall.say(ADA, None, client="three")

    # What two of them say alike is shown once.
    assert both == after_one == [(ADA, "LOOKING", TASK), (ADA, "DRAGGING", OTHER_TASK)]
    assert hall.shown() == [(ADA, "DRAGGING", OTHER_TASK)]


def test_subjects_have_nothing_to_do_with_each_other(hall: Hall) -> None:
    hall.say(ADA)
    hall.attendance.say(Present("room:r", ADA, "tab", "WRITING", None, NOON))
    hall.say(ADA, None)

    assert hall.shown() == []
    assert [one.doing for one in hall.attendance.at("room:r")] == ["WRITING"]


def test_so_many_people_are_shown_and_who_is_there_may_stay(hall: Hall) -> None:
    people = [UUID(int=number) for number in range(MOST_PEOPLE)]
    for person in people:
        hall.say(person)

    with pytest.raises(Crowded) as refused:
        hall.say(UUID(int=MOST_PEOPLE))
    hall.attendance.hear(here(UUID(int=MOST_PEOPLE)), left_s=20)
    hall.say(people[0], "DRAGGING", TASK)

    assert (refused.value.limit, refused.value.count) == (MOST_PEOPLE, MOST_PEOPLE)
    assert len(hall.shown()) == MOST_PEOPLE and hall.shown()[0] == (people[0], "DRAGGING", TASK)
    assert len(hall.words) == MOST_PEOPLE + 1


def test_a_client_too_many_takes_the_place_of_the_one_that_would_be_gone_first(hall: Hall) -> None:
    for number in range(MOST_CLIENTS + 1):
        hall.time += 1
        hall.say(ADA, "LOOKING", UUID(int=number), client=f"tab {number}")

    assert {part for _, _, part in hall.shown()} == {UUID(int=n) for n in range(1, MOST_CLIENTS + 1)}


# -- several processes -------------------------------------------------------------------------------------------------


class Between:
    """Carries words between processes of a test, at once, unless one is cut off."""

    def __init__(self) -> None:
        self.ends: list[Ours] = []


class Ours(MemoryBroker):
    def __init__(self, between: Between) -> None:
        self._between = between
        self.is_cut_off = False
        self.presence: Presence | None = None
        between.ends.append(self)

    def say(self, word: bytes) -> None:
        assert len(word) <= WORD_LIMIT
        for other in self._between.ends:
            if other is not self and other.presence and not (self.is_cut_off or other.is_cut_off):
                other.presence.told(word)


@dataclass
class Side:
    """One process: its attendance, what it tells, and which subjects it had its followers look at."""

    attendance: Attendance
    broker: Ours
    presence: Presence
    looked: list[str]

    def shown(self) -> list[tuple[UUID, str | None]]:
        return [(one.person_id, one.doing) for one in self.attendance.at(BOARD)]


@dataclass
class Sides:
    time: float = 1_000.0
    between: Between = field(default_factory=Between)

    def begin(self) -> Side:
        attendance, broker, looked = Attendance(lambda: self.time), Ours(self.between), list[str]()
        side = Side(attendance, broker, Presence(attendance, broker, looked.append, pause_s=0), looked)
        broker.presence = side.presence
        return side


@pytest.fixture
def sides() -> Sides:
    return Sides()


@asynccontextmanager
async def telling(*sides: Side) -> AsyncIterator[None]:
    running = [asyncio.create_task(side.presence.run()) for side in sides]
    yield
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def test_all_processes_know_what_one_was_told(sides: Sides) -> None:
    one, other = sides.begin(), sides.begin()
    one.attendance.say(here(ADA, "DRAGGING", TASK))
    other.attendance.say(here(BOB))

    assert one.attendance.at(BOARD) == other.attendance.at(BOARD) == [here(ADA, "DRAGGING", TASK), here(BOB)]
    one.attendance.say(here(ADA, None))
    assert one.shown() == other.shown() == [(BOB, "LOOKING")]


def test_people_of_a_process_that_died_vanish_with_their_leases(sides: Sides) -> None:
    dying, other = sides.begin(), sides.begin()
    dying.attendance.say(here(ADA))
    dying.broker.is_cut_off = True
    sides.time += LEASE_S - 0.1
    before = other.shown()
    sides.time += 0.1

    assert before == [(ADA, "LOOKING")]
    assert other.shown() == []


def test_who_turned_to_another_process_meanwhile_stays(sides: Sides) -> None:
    dying, other = sides.begin(), sides.begin()
    dying.attendance.say(here(ADA))
    dying.broker.is_cut_off = True
    sides.time += LEASE_S / 2
    other.attendance.say(here(ADA))
    sides.time += LEASE_S - 1
    other.attendance.expire()

    assert other.shown() == [(ADA, "LOOKING")]


async def test_who_begins_asks_and_gets_no_more_than_what_is_left_of_the_leases(sides: Sides) -> None:
    one = sides.begin()
    one.attendance.say(here(ADA))
    one.attendance.hear(here(BOB), left_s=20)
    sides.time += LEASE_S - 5
    late = sides.begin()

    async with telling(one, late):
        late.presence.ask()
        await until(lambda: late.shown() == [(ADA, "LOOKING")])
    sides.time += 5

    # Of whom it was told itself; whoever told it of Bob would answer for him.
    assert late.shown() == []


async def test_followers_are_made_to_look_once_for_what_happens_together(sides: Sides) -> None:
    one, other = sides.begin(), sides.begin()

    async with telling(one, other):
        for person in range(50):
            one.attendance.say(here(UUID(int=person)))
        await until(lambda: other.looked != [])

    assert one.looked == other.looked == [BOARD]


async def test_the_end_of_a_lease_is_told_without_anybody_saying_anything() -> None:
    attendance, looked = Attendance(lease=timedelta(seconds=0.05)), list[str]()
    presence = Presence(attendance, MemoryBroker(), looked.append, pause_s=0)
    running = asyncio.create_task(presence.run())

    attendance.say(here(ADA))
    await until(lambda: looked == [BOARD, BOARD])
    running.cancel()

    assert (attendance.at(BOARD), attendance.wait_s) == ([], None)


@pytest.mark.parametrize(
    "word",
    [
        b"", b"\xff", b"{}", b"[]", b'["here"]', b'["there", "board:b"]', b'["gone", "board:b", "no id", "tab"]',
        b'["here", "board:b", 1, "tab", "LOOKING", null, "2026-11-26T12:00:00+00:00", 30]',
        b'["here", "board:b", "00000000-0000-0000-0000-000000000001", "tab", "LOOKING", null, "noon", 30]',
    ],
)  # fmt: skip
def test_a_word_that_is_not_understood_is_ignored(sides: Sides, word: bytes) -> None:
    side = sides.begin()

    side.presence.told(word)

    assert side.shown() == []


def test_no_word_prolongs_a_lease_beyond_the_longest(sides: Sides) -> None:
    side = sides.begin()
    side.attendance.hear(here(ADA), left_s=10**9)
    side.attendance.hear(here(BOB), left_s=-1)
    sides.time += ONLINE_LEASE.total_seconds() - 1
    almost = side.shown()
    sides.time += 1

    assert (almost, side.shown()) == ([(ADA, "LOOKING")], [])


# -- through the schema ------------------------------------------------------------------------------------------------

SET = """mutation ($i: BoardPresenceSetInput!) { boardPresenceSet(input: $i) { outcome position
  people { doing until person { name } task { title } } errors { code path } } }"""
FOLLOW = """subscription ($id: ID!) { boardEvents(boardId: $id) { cursor event { __typename
  ... on PresenceChanged { people { doing person { name } task { title } } }
  ... on TaskArchived { task { title } } } } }"""
FOLLOW_FACTS = "subscription ($id: ID!) { boardEvents(boardId: $id) { cursor event { __typename } } }"


async def set_presence(world: World, viewer: Viewer, **input: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await world.data(viewer, SET, i=input))["boardPresenceSet"]
    return answer


@asynccontextmanager
async def following(worker: Worker, viewer: Viewer, document: str, **variables: Any) -> AsyncIterator[AsyncGenerator[Frame, None]]:  # fmt: skip
    operation = Operation(worker.world.services, viewer, "test")
    frames = await perform(worker.world.schema, worker.streams, Request(document, variables), operation)
    assert not isinstance(frames, Response), frames.body
    yield frames
    await frames.aclose()


async def next_item(frames: AsyncGenerator[Frame, None]) -> dict[str, Any]:
    async with asyncio.timeout(5):
        frame = await anext(frames)
    item: dict[str, Any] = orjson.loads(frame.raw)["data"]["boardEvents"]
    assert item["cursor"] == frame.cursor
    return item


def person(name: str, doing: str = "LOOKING", task: str | None = None) -> dict[str, Any]:
    return {"doing": doing, "person": {"name": name}, "task": None if task is None else {"title": task}}


@contextlib.contextmanager
def one_statement() -> Iterator[None]:
    with counting_statements() as statements:
        yield
    assert sum(statements.values()) == 1, statements


async def staged(world: World) -> Stage:
    client, freelancer = await world.client("Carla"), await world.freelancer("Farid")
    return await board_stage(world, hired=await world.hired(client=client, freelancer=freelancer))


async def test_members_see_who_is_there_in_the_answer_and_in_the_board(world: World) -> None:
    stage = await staged(world)
    board, task = encode_id("board", stage.id), encode_id("task", await stage.task("Paint"))
    await set_presence(world, stage.hired.client, boardId=board, doing="LOOKING")
    before = await world.footprint()

    answer = await set_presence(
        world, stage.hired.freelancer, boardId=board, doing="DRAGGING", taskId=task, client="tab 1"
    )
    read = "query ($id: ID!) { board(id: $id) { presence { doing person { name } task { title } } } }"
    seen = await world.data(stage.hired.client, read, id=board)

    people = [person("Carla"), person("Farid", "DRAGGING", "Paint")]
    assert seen["board"]["presence"] == people
    until_then = (world.clock() + LEASE).isoformat().replace("+00:00", "Z")
    assert answer == {
        "outcome": "APPLIED", "position": None, "errors": [], "people": [one | {"until": until_then} for one in people]
    }  # fmt: skip
    assert await world.footprint() == before


async def test_it_costs_one_read(world: World) -> None:
    stage = await staged(world)
    input = {"boardId": encode_id("board", stage.id), "doing": "LOOKING"}
    document = (
        "mutation ($i: BoardPresenceSetInput!) { boardPresenceSet(input: $i) { outcome people { doing } } }"
    )

    for doing in ("LOOKING", "AWAY"):
        with one_statement():
            await world.data(stage.hired.client, document, i=input | {"doing": doing})


async def test_who_is_no_member_is_neither_shown_nor_told_who_is_there(world: World) -> None:
    stage, stranger, admin = await staged(world), await world.freelancer(), await world.admin()
    other = await board_stage(world)
    board, elsewhere = encode_id("board", stage.id), encode_id("task", await other.task())
    await set_presence(world, stage.hired.client, boardId=board, doing="LOOKING")

    async def refused(viewer: Viewer, **input: Any) -> list[tuple[str, list[str]]]:
        answer = await set_presence(world, viewer, **{"boardId": board, "doing": "LOOKING"} | input)
        assert (answer["outcome"], answer["people"]) == ("REJECTED", None)
        return [(error["code"], error["path"]) for error in answer["errors"]]

    assert await refused(stranger) == [("NOT_FOUND", ["boardId"])]
    assert await refused(admin) == [("NOT_ALLOWED", [])]
    assert await refused(admin, boardId=encode_id("board", new_id())) == [("NOT_FOUND", ["boardId"])]
    member = stage.hired.freelancer
    assert await refused(member, taskId=elsewhere) == [("NOT_FOUND", ["taskId"])]
    assert await refused(member, doing="DRAGGING") == [("INVALID", ["taskId"])]
    assert await refused(member, client="x" * 41) == [("INVALID", ["client"])]
    assert await refused(member, client="") == [("INVALID", ["client"])]
    assert [one.person_id for one in world.services.attendance.at(f"board:{stage.id}")] == [
        stage.hired.client.user_id
    ]


async def test_who_lost_access_vanishes_when_they_say_it_again(world: World) -> None:
    stage = await staged(world)
    board, freelancer = encode_id("board", stage.id), stage.hired.freelancer
    await set_presence(world, freelancer, boardId=board, doing="LOOKING", client="one")
    await set_presence(world, freelancer, boardId=board, doing="LOOKING", client="two")
    await leave(stage)

    answer = await set_presence(world, freelancer, boardId=board, doing="LOOKING", client="one")

    assert [error["code"] for error in answer["errors"]] == ["NOT_FOUND"]
    assert world.services.attendance.at(f"board:{stage.id}") == []


async def leave(stage: Stage) -> None:
    """The freelancer leaves early, and with that the board."""
    await contracts.end_contract(
        stage.freelancer, stage.hired.contract_id, reason=EndReason.MUTUAL, note=None
    )


async def test_followers_are_told_who_is_there_when_they_come_and_whenever_that_changes(
    start: StartWorker,
) -> None:
    worker = await start()
    world = worker.world
    stage = await staged(world)
    task_id = await stage.task("Paint")
    board, task = encode_id("board", stage.id), encode_id("task", task_id)
    client, freelancer = stage.hired.client, stage.hired.freelancer
    await set_presence(world, client, boardId=board, doing="LOOKING")

    async with following(worker, client, FOLLOW, id=board) as frames:
        found = [await next_item(frames) for _ in range(2)]
        await set_presence(world, freelancer, boardId=board, doing="DRAGGING", taskId=task)
        found.append(await next_item(frames))
        # Said again: no news.
        await set_presence(world, freelancer, boardId=board, doing="DRAGGING", taskId=task)
        await set_presence(world, client, boardId=board, doing="LOOKING", client="another tab")
        await set_presence(world, freelancer, boardId=board, doing="AWAY")
        found.append(await next_item(frames))
        await tasks.archive_task(stage.client, task_id)
        found.append(await next_item(frames))

    dragging = person("Farid", "DRAGGING", "Paint")
    assert [item["event"] for item in found] == [
        {"__typename": "StreamReady"},
        {"__typename": "PresenceChanged", "people": [person("Carla")]},
        {"__typename": "PresenceChanged", "people": [person("Carla"), dragging]},
        {"__typename": "PresenceChanged", "people": [person("Carla")]},
        {"__typename": "TaskArchived", "task": {"title": "Paint"}},
    ]
    # It moves nothing.
    assert len({item["cursor"] for item in found[:-1]}) == 1


async def test_who_does_not_ask_for_people_is_not_told(start: StartWorker) -> None:
    worker = await start()
    stage = await staged(worker.world)
    task_id, board = await stage.task("Paint"), encode_id("board", stage.id)
    await set_presence(worker.world, stage.hired.client, boardId=board, doing="LOOKING")

    async with following(worker, stage.hired.client, FOLLOW_FACTS, id=board) as frames:
        await set_presence(worker.world, stage.hired.freelancer, boardId=board, doing="LOOKING")
        ready = await next_item(frames)
        await tasks.archive_task(stage.client, task_id)
        fact = await next_item(frames)

    assert [item["event"]["__typename"] for item in (ready, fact)] == ["StreamReady", "TaskArchived"]


async def test_asking_for_people_does_not_make_facts_for_each_follower(start: StartWorker) -> None:
    worker = await start()
    stage = await staged(worker.world)
    task_id, board = await stage.task("Paint"), encode_id("board", stage.id)

    async with (
        following(worker, stage.hired.client, FOLLOW, id=board) as one,
        following(worker, stage.hired.freelancer, FOLLOW, id=board) as other,
    ):
        for frames in (one, other):
            await next_item(frames)
        await tasks.archive_task(stage.client, task_id)
        told = [await anext(frames) for frames in (one, other)]

    # One rendering for both, though the people they would see are looked up for each.
    assert told[0].raw is told[1].raw


async def test_who_loses_the_board_is_told_nothing_more_and_shown_no_longer(start: StartWorker) -> None:
    worker = await start()
    world, stage = worker.world, await staged(worker.world)
    board = encode_id("board", stage.id)
    await set_presence(world, stage.hired.freelancer, boardId=board, doing="LOOKING")

    async with (
        following(worker, stage.hired.client, FOLLOW, id=board) as client,
        following(worker, stage.hired.freelancer, FOLLOW, id=board) as freelancer,
    ):
        for frames in (client, freelancer):
            assert [(await next_item(frames))["event"]["__typename"] for _ in range(2)] == [
                "StreamReady",
                "PresenceChanged",
            ]
        await leave(stage)
        last = await next_item(freelancer)
        found = [await next_item(client)]
        while found[-1]["event"]["__typename"] != "PresenceChanged":
            found.append(await next_item(client))
        with pytest.raises(StopAsyncIteration):
            await next_item(freelancer)

    assert last["event"]["__typename"] == "StreamEnd"
    assert found[-1]["event"]["people"] == []


async def test_another_process_shows_it_within_a_second(
    start: StartWorker, redis_server: RedisServer
) -> None:
    one, other = [await start(RedisBroker(redis_server.url, channel=CHANNEL)) for _ in range(2)]
    stage = await staged(one.world)
    board, task = encode_id("board", stage.id), encode_id("task", await stage.task("Paint"))
    await until(lambda: redis_server.count_subscribers(CHANNEL) == 2)
    await set_presence(one.world, stage.hired.client, boardId=board, doing="LOOKING")

    async with following(other, stage.hired.client, FOLLOW, id=board) as frames:
        found = [await next_item(frames) for _ in range(2)]
        async with asyncio.timeout(1):
            await set_presence(one.world, stage.hired.freelancer, boardId=board, doing="DRAGGING", taskId=task)  # fmt: skip
            found.append(await next_item(frames))
    late = await start(RedisBroker(redis_server.url, channel=CHANNEL))
    subject = f"board:{stage.id}"
    await until(lambda: len(late.world.services.attendance.at(subject)) == 2)

    assert [item["event"].get("people") for item in found] == [
        None,
        [person("Carla")],
        [person("Carla"), person("Farid", "DRAGGING", "Paint")],
    ]
    assert late.world.services.attendance.at(subject) == one.world.services.attendance.at(subject)
