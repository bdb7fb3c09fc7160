"""Moves that were queued offline: in whatever order they arrive, independent ones give the same board.

Three clients see the same board and move tasks on their own copies. What they did arrives in random interleavings, each
client's moves in their order; every interleaving must leave every column the same.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.board import Edge, Position, TooLongAgo
from models.errors import Invalid, StaleVersion
from models.idempotency import Outcome
from resolvers import tasks
from resolvers.tasks import Bulk, Move
from tests.resolvers.boards import BOTTOM, TOP, Stage, add_column, board_stage
from tests.world import World

COLUMNS = ("Backlog", "To do", "Done")


@dataclass
class Client:
    """One device: its own copy of the board, and what it did to it while offline."""

    device: str
    columns: dict[str, list[UUID]]
    queue: list[tuple[str, Move]] = field(default_factory=list)
    gaps: set[tuple[str, UUID | None, UUID | None]] = field(default_factory=set)
    anchors: set[UUID] = field(default_factory=set)
    moved: set[UUID] = field(default_factory=set)

    def move(self, stage: Stage, task_id: UUID, column: str, at: int, how: str, moved_at: datetime) -> None:
        """Put a task into the gap before the place `at` of a column, as it looks here."""
        for tasks_ in self.columns.values():
            if task_id in tasks_:
                tasks_.remove(task_id)
        here = self.columns[column]
        at = min(at, len(here))
        before, behind = here[at - 1] if at else None, here[at] if at < len(here) else None
        if before is not None and (how == "after" or behind is None):
            position = Position(after=before)
        elif behind is not None:
            position = Position(before=behind)
        else:
            position = Position(edge=Edge.TOP)
        here.insert(at, task_id)
        self.gaps.add((column, before, behind))
        self.moved.add(task_id)
        if position.anchor is not None:
            self.anchors.add(position.anchor)
        name = f"{self.device}-{len(self.queue)}"
        self.queue.append(
            (column, Move(task_id, stage.columns[column], position, id=name, moved_at=moved_at))
        )


async def send(stage: Stage, device: str, seen: int, moves: Sequence[Move]) -> Bulk:
    return await tasks.move_tasks(
        stage.client, stage.id, moves, all_or_nothing=False, seen=seen, device=device
    )


async def reset(stage: Stage, start: dict[str, list[UUID]]) -> int:
    """Put every task where it stood; the head from then on."""
    for column, ids in start.items():
        for task_id in ids:
            await stage.move(task_id, column)
    return await stage.head()


MOVES = st.tuples(
    st.integers(0, 2), st.integers(0, 8), st.sampled_from(COLUMNS), st.integers(0, 4),
    st.sampled_from(["after", "before"]), st.integers(0, 20),
)  # fmt: skip


@pytest.mark.long
@settings(
    max_examples=12, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
@given(drawn=st.lists(MOVES, min_size=4, max_size=9), seed=st.integers(0, 1_000))
async def test_independent_moves_give_the_same_board_in_every_order_of_arrival(
    world: World, drawn: list[tuple[int, int, str, int, str, int]], seed: int
) -> None:
    stage = await board_stage(world)
    ids = [await stage.task(str(i), COLUMNS[i % 3]) for i in range(9)]
    start = {column: [ids[i] for i in range(9) if COLUMNS[i % 3] == column] for column in COLUMNS}
    clients = [Client(name, {c: list(v) for c, v in start.items()}) for name in ("phone", "tablet", "laptop")]
    for who, task, column, at, how, minute in drawn:
        client, task_id = clients[who], ids[task]
        others = [other for other in clients if other is not client]
        if any(task_id in other.moved | other.anchors for other in others):
            continue  # not independent
        trial = Client(client.device, {c: list(v) for c, v in client.columns.items()})
        trial.move(stage, task_id, column, at, how, world.clock() + timedelta(minutes=minute))
        if trial.anchors & {task for other in others for task in other.moved}:
            continue
        client.move(stage, task_id, column, at, how, world.clock() + timedelta(minutes=minute))

    boards = []
    chance = random.Random(seed)
    for _ in range(3):
        seen = await reset(stage, start)
        round_ = f"{chance.random()}"
        queues = [(client.device, [move for _, move in client.queue]) for client in clients]
        while pending := [queue for queue in queues if queue[1]]:
            device, queue = chance.choice(pending)
            count = chance.randint(1, len(queue))
            sent = [
                Move(m.task_id, m.column_id, m.position, id=f"{m.id}-{round_}", moved_at=m.moved_at)
                for m in queue[:count]
            ]
            del queue[:count]
            # A device's clock never goes back within what it sends; over several sendings that is its own affair.
            bulk = await send(stage, f"{device}-{round_}", seen, sent)
            assert all(row.outcome is not Outcome.REJECTED for row in bulk.rows), bulk.rows
        boards.append({column: await stage.titles(column) for column in COLUMNS})

    assert boards[1:] == boards[:-1]


async def test_moves_into_one_gap_stand_by_time_then_by_id_whatever_arrives_first(world: World) -> None:
    stage = await board_stage(world)
    a, b, c, d, e = [await stage.task(title) for title in "abcde"]
    start = {"To do": [a, b, c, d, e]}
    early, late = world.clock(), world.clock() + timedelta(minutes=1)
    made = {
        "x": Move(c, stage.columns["To do"], Position(after=a), id="m2", moved_at=late),
        "y": Move(d, stage.columns["To do"], Position(before=b), id="m3", moved_at=early),
        "z": Move(e, stage.columns["To do"], Position(after=a), id="m1", moved_at=late),
    }
    orders = []
    for at, arrival in enumerate(("xyz", "zyx", "yxz")):
        seen = await reset(stage, start)
        for name in arrival:
            move = made[name]
            await send(stage, f"{name}{at}", seen, [
                Move(move.task_id, move.column_id, move.position, id=f"{move.id}-{at}", moved_at=move.moved_at)
            ])  # fmt: skip
        orders.append(await stage.titles("To do"))

    assert orders == [["a", "d", "e", "c", "b"]] * 3


async def test_a_move_that_arrives_twice_moves_once(world: World) -> None:
    stage = await board_stage(world)
    a, b = [await stage.task(title) for title in "ab"]
    seen = await stage.head()
    move = Move(a, stage.columns["To do"], BOTTOM, id="m1", moved_at=world.clock())
    first = await send(stage, "phone", seen, [move])
    await stage.move(a, "To do", TOP)

    again = await send(stage, "phone", seen, [move])

    assert [bulk.rows[0].outcome for bulk in (first, again)] == [Outcome.APPLIED, Outcome.REPLAYED]
    assert await stage.titles("To do") == ["a", "b"]
    assert b


async def test_whoever_moved_a_task_meanwhile_wins_and_the_answer_says_so(world: World) -> None:
    stage = await board_stage(world)
    a, b = [await stage.task(title) for title in "ab"]
    seen = await stage.head()
    await stage.move(a, "Done")
    await stage.move(b, "Done")

    bulk = await send(stage, "phone", seen, [
        Move(a, stage.columns["Backlog"], TOP, id="m1", moved_at=world.clock()),
    ])  # fmt: skip
    beside = await send(stage, "phone", seen, [
        Move(await stage.task("c"), stage.columns["To do"], Position(after=b), id="m2", moved_at=world.clock()),
    ])  # fmt: skip

    assert isinstance(bulk.rows[0].refusals[0], StaleVersion)
    assert [row.outcome for row in (*bulk.rows, *beside.rows)] == [Outcome.REJECTED] * 2
    assert (await stage.titles("Done"), await stage.titles("Backlog")) == (["a", "b"], [])


async def test_a_refused_move_of_a_queue_changes_nothing_and_the_others_count(world: World) -> None:
    stage = await board_stage(world)
    await add_column(stage, "Review", wip_limit=1, wip_is_hard=True)
    a, b = [await stage.task(title) for title in "ab"]
    seen = await stage.head()

    bulk = await send(stage, "phone", seen, [
        Move(task_id, stage.columns["Review"], BOTTOM, id=f"m{i}", moved_at=world.clock())
        for i, task_id in enumerate((a, b))
    ])  # fmt: skip

    assert [row.outcome for row in bulk.rows] == [Outcome.APPLIED, Outcome.REJECTED]
    assert (await stage.titles("Review"), await stage.titles("To do")) == (["a"], ["b"])


async def test_what_was_seen_too_long_ago_is_refused(world: World) -> None:
    stage = await board_stage(world)
    a = await stage.task("a")
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        # As if a thousand facts had come since.
        await tx.execute(sa.text("update stream_head set number = number + 1000 where stream = :stream").bindparams(
            stream=f"board:{stage.id}"
        ))  # fmt: skip

    bulk = await send(stage, "phone", 1, [
        Move(a, stage.columns["Done"], BOTTOM, id="m1", moved_at=world.clock())
    ])  # fmt: skip

    assert isinstance(bulk.rows[0].refusals[0], TooLongAgo)
    assert await stage.titles("To do") == ["a"]


async def test_what_was_never_seen_is_refused(world: World) -> None:
    stage = await board_stage(world)
    a = await stage.task("a")
    move = Move(a, stage.columns["Done"], BOTTOM, id="m1", moved_at=world.clock())

    ahead = await send(stage, "phone", await stage.head() + 1, [move])
    with pytest.raises(Invalid) as unsaid:
        await tasks.move_tasks(stage.client, stage.id, [move], all_or_nothing=False)

    assert [(r.path, r.code) for r in ahead.rows[0].refusals] == [(("seen",), "INVALID")]
    assert (unsaid.value.path, unsaid.value.constraint) == (("seen",), "REQUIRED")
    assert await stage.titles("To do") == ["a"]
