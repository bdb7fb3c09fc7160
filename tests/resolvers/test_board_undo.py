"""Taking back on boards, where something independent happened in between."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from models.board import BoardAct, ColumnCategory, OthersBuiltOnIt, Position
from models.contract import EndReason
from models.errors import Invalid
from resolvers import boards, contracts, tasks
from tests.resolvers.boards import BOTTOM, Stage, add_column, board_stage
from tests.world import World

STARTED = {"category": ColumnCategory.STARTED, "wip_limit": None, "wip_is_hard": False}


async def edit(stage: Stage, task_id: UUID, **changes: Any) -> BoardAct | None:
    return (await tasks.edit_task(stage.client, task_id, changes, expected_version=None))[1]


async def ranks(world: World, stage: Stage) -> list[str]:
    rows = await world.rows("select rank from board_column where board_id = :id", id=stage.id)
    return [row.rank for row in rows]


async def test_undo_puts_no_task_below_itself(world: World) -> None:
    stage = await board_stage(world)
    a = await stage.task("a")
    b = await stage.task("b", parent_id=a)
    freed = await edit(stage, b, parent_id=None)
    await edit(stage, a, parent_id=b)

    with pytest.raises(Invalid, match="below itself"):
        await stage.undo(freed)

    rows = await world.rows("select parent_id from task where id = :id", id=b)
    assert rows[0].parent_id is None


async def test_undo_does_not_part_dates_that_were_set_for_each_other(world: World) -> None:
    stage = await board_stage(world)
    task_id = await stage.task(starts_on=date(2027, 1, 5), due_on=date(2027, 1, 10))
    earlier = await edit(stage, task_id, starts_on=date(2027, 1, 1))
    await edit(stage, task_id, due_on=date(2027, 1, 3))

    with pytest.raises(OthersBuiltOnIt):
        await stage.undo(earlier)


async def test_a_column_that_comes_back_stands_behind_who_took_its_place(world: World) -> None:
    stage = await board_stage(world)
    at = Position(after=stage.columns["To do"])
    b, _ = await boards.add_column(stage.client, stage.id, {"name": "b", **STARTED}, position=at)
    _, removed = await boards.remove_column(stage.client, b.entity_id)
    await boards.add_column(stage.client, stage.id, {"name": "c", **STARTED}, position=at)

    await stage.undo(removed)

    found = await ranks(world, stage)
    assert len(set(found)) == len(found) == 7


async def test_a_column_that_goes_back_stands_behind_who_took_its_place(world: World) -> None:
    stage = await board_stage(world)
    at = Position(after=stage.columns["Backlog"])
    await boards.move_column(stage.client, stage.columns["Done"], position=at)
    _, moved = await boards.move_column(stage.client, stage.columns["Done"], position=BOTTOM)
    await boards.move_column(stage.client, stage.columns["Cancelled"], position=at)

    await stage.undo(moved)

    assert len(set(await ranks(world, stage))) == 5
    await add_column(stage, "Review")


async def test_what_is_undone_by_an_undo_of_an_undo_is_not_in_force(world: World) -> None:
    stage = await board_stage(world)
    receipt, created = await tasks.create_task(stage.client, stage.id, {"title": "x"}, column_id=None)
    act = await edit(stage, receipt.entity_id, title="y")
    for _ in range(3):
        _, act = await stage.undo(act)

    await stage.undo(created)

    assert await stage.titles("Backlog") == []


async def test_tasks_that_have_a_label_again_are_told(world: World) -> None:
    stage = await board_stage(world)
    one, other = [
        (await boards.add_label(stage.client, stage.id, {"name": name, "color": "#ff0000"}))[0].entity_id
        for name in ("Bug", "Old")
    ]
    a, b = await stage.task("a", label_ids=[one, other]), await stage.task("b", label_ids=[one])
    _, removed = await boards.remove_label(stage.client, one)

    await stage.undo(removed)

    rows = await world.rows("select task_id from task_label where label_id = :id", id=one)
    assert {row.task_id for row in rows} == {a, b}


async def test_undo_gives_no_task_to_somebody_who_left(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, wanted=2)
    left = await world.hired(client=client, gig_id=gig_id)
    await world.hired(client=client, gig_id=gig_id)
    stage = await board_stage(world, hired=left)
    task_id = await stage.task(assignee_ids=[left.freelancer.user_id])
    taken = await edit(stage, task_id, assignee_ids=[])
    await contracts.end_contract(stage.client, left.contract_id, reason=EndReason.MUTUAL, note=None)

    await stage.undo(taken)

    assert await world.rows("select user_id from task_assignee where task_id = :id", id=task_id) == []
    assert (await stage.told())[-1] == "BoardMemberLeft"
