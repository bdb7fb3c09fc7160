"""The demo world of a first start."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from auth.viewer import Viewer
from models.gig_workflow import GigStatus
from models.ids import encode_id
from models.store.sql import Act, Database, HotTransaction, Transaction
from models.user import Role
from resolvers import demo
from resolvers.demo_cast import CARLA
from resolvers.operation import Rules
from schema.execution import Executable
from tests.emptying import EmptyDatabases
from tests.world import Clock, World, make_test_services

BLIND = """query Blind { contracts(first: 20, where: { status: { eq: COMPLETED } }) { nodes {
  gig { title } feedback { comment } feedbackState { youAnswered otherSideAnswered revealedAt }
} } }"""


FLOW = """query Flow($id: ID!) { gig(id: $id) { board { columns { name taskCount }
  flow { cycleTime { count } days { completed } } forecast { remaining milestones { on } }
  tasks(first: 1, where: { title: { contains: "evening tour" } }) { nodes {
    checklists { items { isDone } } comments(first: 5) { nodes { body } } } } } } }"""


class Interrupted(BaseException):
    """Stands for a machine that is switched off."""


class SwitchedOff(Database):
    """A database that takes so many transactions before the machine is switched off."""

    def __init__(self, db: Database, *, after: int) -> None:
        self._db = db
        self._left = after

    async def fetch(
        self, statement: sa.Executable, values: Mapping[str, Any] | None = None
    ) -> Sequence[sa.Row[Any]]:
        return await self._db.fetch(statement, values)

    @asynccontextmanager
    async def transaction(
        self, *, actor_id: UUID | None, at: datetime, act: Act | None = None
    ) -> AsyncIterator[Transaction]:
        self._count()
        async with self._db.transaction(actor_id=actor_id, at=at, act=act) as tx:
            yield tx

    @asynccontextmanager
    async def hot_transaction(
        self, *, actor_id: UUID | None, at: datetime, act: Act | None = None
    ) -> AsyncIterator[HotTransaction]:
        self._count()
        async with self._db.hot_transaction(actor_id=actor_id, at=at, act=act) as tx:
            yield tx

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Interrupted


@pytest.fixture(scope="module")
async def demo_world(empty_databases: EmptyDatabases, schema: Executable) -> AsyncIterator[World]:
    """The demo world as a platform builds it where gigs need approval: read by the tests here, never changed."""
    clock = Clock()
    async with empty_databases.lent() as url:
        services = await make_test_services(url, clock, rules=Rules(gigs_need_approval=True))
        assert await demo.build_world(services)
        yield World(services, clock, schema)
        await services.close()


async def test_the_world_is_built_once_and_holds_gigs_at_every_stage(demo_world: World) -> None:
    footprint = await demo_world.footprint()

    again = await demo.build_world(demo_world.services)

    assert not again
    assert await demo_world.footprint() == footprint
    rows = await demo_world.rows("select status, count(*) as number from gig group by status")
    assert {row.status: row.number for row in rows} == {
        GigStatus.OPEN: 6,
        GigStatus.IN_PROGRESS: 2,
        GigStatus.COMPLETED: 2,
        GigStatus.DRAFT: 1,
        GigStatus.PAUSED: 1,
        GigStatus.CANCELLED: 1,
        GigStatus.EXPIRED: 1,
    }
    assert [person.email for person in demo.LOGINS] == [
        "carla@demo.skillsync.dev",
        "farid@demo.skillsync.dev",
        "ada@demo.skillsync.dev",
    ]


async def test_every_stream_tells_the_story_in_the_order_it_happened(demo_world: World) -> None:
    backwards = await demo_world.rows(
        "select stream, number from (select stream, number, occurred_at, lag(occurred_at) over "
        "(partition by stream order by number) as before from fact) as facts where occurred_at < before"
    )

    assert backwards == []
    assert (await demo_world.rows("select max(occurred_at) <= :now from fact", now=demo_world.clock()))[0][0]
    overdue = await demo_world.rows(
        "select kind from job where status = 'WAITING' and run_at <= :now", now=demo_world.clock()
    )
    assert overdue == []


async def test_one_side_of_a_finished_contract_has_spoken_and_nobody_can_read_it_yet(
    demo_world: World,
) -> None:
    rows = await demo_world.rows("select id from users where email = :email", email=CARLA.email)
    carla = Viewer(user_id=rows[0][0], roles=frozenset({Role.CLIENT}))

    contracts = (await demo_world.data(carla, BLIND))["contracts"]["nodes"]

    states = {one["gig"]["title"]: (len(one["feedback"]), one["feedbackState"]) for one in contracts}
    count, state = states["Move our bookings from spreadsheets to PostgreSQL"]
    assert (count, state) == (0, {"youAnswered": False, "otherSideAnswered": True, "revealedAt": None})
    count, state = states["Translate our walking guide into Spanish"]
    assert (count, state["youAnswered"], state["otherSideAnswered"]) == (2, True, True)


@pytest.mark.long
async def test_a_start_that_was_interrupted_is_completed_by_the_next(
    empty_world: World, demo_world: World
) -> None:
    services = empty_world.services
    with pytest.raises(Interrupted):
        await demo.build_world(replace(services, db=SwitchedOff(services.db, after=70)))
    assert await empty_world.rows("select 1 from seed_version where name = 'demo'") == []

    completed = await demo.build_world(services)

    assert completed
    assert await empty_world.footprint() == await demo_world.footprint()


async def test_a_board_shows_how_work_has_flowed_and_when_it_will_be_done(demo_world: World) -> None:
    rows = await demo_world.rows("select id from users where email = :email", email=CARLA.email)
    carla = Viewer(user_id=rows[0][0], roles=frozenset({Role.CLIENT}))
    gig_id = encode_id("gig", demo.GUIDE_APP)

    board = (await demo_world.data(carla, FLOW, id=gig_id))["gig"]["board"]

    assert {column["name"]: column["taskCount"] for column in board["columns"]} == {
        "Backlog": 2,
        "To do": 3,
        "In progress": 2,
        "Done": 8,
        "Cancelled": 1,
    }
    assert board["flow"]["cycleTime"]["count"] == 8
    assert sum(day["completed"] for day in board["flow"]["days"]) == 8
    assert board["forecast"]["remaining"] == 7
    assert all(one["on"] is not None for one in board["forecast"]["milestones"])
    (tried,) = board["tasks"]["nodes"]
    assert [item["isDone"] for item in tried["checklists"][0]["items"]] == [True, False, False]
    assert [comment["body"] for comment in tried["comments"]["nodes"]] == [
        "Nico has an old phone. Will it do?",
        "It will: I develop on an older one.",
    ]
