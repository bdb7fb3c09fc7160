"""Boards: made with the contract, changed by their members, taken back."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest

from models.board import (
    AnchorElsewhere,
    BoardAct,
    BoardFull,
    BoardRests,
    ColumnNotEmpty,
    KeyTaken,
    LastColumn,
    NameTaken,
    OthersBuiltOnIt,
    Position,
    UndoneAlready,
    UndoWindowClosed,
    WipLimit,
)
from models.contract import Contract, EndReason, ProgressFollowsBoard
from models.errors import Invalid, NotAllowed, NotFound, Refusals, StaleVersion
from models.idempotency import Outcome
from models.task import ArchivedTask, BlockedTask, Task, TaskRelationKind
from resolvers import boards, contracts, tasks
from resolvers.board_flow import flows
from resolvers.jobs import run_due_jobs
from tests.resolvers.boards import BOTTOM, TOP, Stage, add_column, board_stage
from tests.world import World, kinds, race


async def test_a_board_is_made_with_the_first_contract_and_joined_with_the_next(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, wanted=2)
    first = await world.hired(client=client, gig_id=gig_id)
    stage = await board_stage(world, hired=first)
    await world.hired(client=client, gig_id=gig_id)

    gig = await world.gig(gig_id)
    assert list(stage.columns) == ["Backlog", "To do", "In progress", "Done", "Cancelled"]
    assert await stage.told() == ["BoardCreated", *["ColumnAdded"] * 5, *["BoardMemberJoined"] * 2]
    rows = await world.rows("select key from board where gig_id = :id", id=gig_id)
    assert [row.key for row in rows] == [f"G{gig.number}"]


async def test_tasks_stand_where_they_are_put(world: World) -> None:
    stage = await board_stage(world)
    a, b, c = [await stage.task(title) for title in "abc"]

    await stage.move(c, "To do", TOP)
    await stage.move(a, "To do", Position(after=b))
    await stage.task("d")
    await stage.move(b, "To do", Position(before=a))  # where it stands

    assert await stage.titles("To do") == ["c", "b", "a", "d"]
    assert (await stage.told())[7:] == [*["TaskCreated"] * 3, "TaskMoved", "TaskMoved", "TaskCreated"]


async def test_a_move_that_changes_nothing_is_a_noop_without_a_fact(world: World) -> None:
    stage = await board_stage(world)
    a, b = [await stage.task(title) for title in "ab"]
    told = await stage.told()

    outcomes = [(await stage.move(a, "To do", position))[0].outcome for position in (TOP, Position(before=b))]

    assert outcomes == [Outcome.NOOP, Outcome.NOOP]
    assert await stage.told() == told


async def test_what_a_move_names_must_stand_in_the_column(world: World) -> None:
    stage = await board_stage(world)
    a, b = await stage.task("a"), await stage.task("b", "Backlog")
    told = await stage.told()

    for position in (Position(after=b), Position(before=a)):
        with pytest.raises(AnchorElsewhere) as refused:
            await stage.move(a, "To do", position)
        assert refused.value.entity_id == a  # the answer shows it as it is

    assert await stage.told() == told


async def test_insertions_at_one_place_keep_keys_short(world: World) -> None:
    """Some here, and enough to spread them anew; ten thousand are measured."""
    stage = await board_stage(world)
    a, b, c, d = [await stage.task(title) for title in "abcd"]

    for _ in range(40):  # each halves the gap behind the first one
        await stage.move(b, "To do", Position(after=a))
        await stage.move(c, "To do", Position(after=a))

    rows = await world.rows("select rank from task where board_id = :id", id=stage.id)
    assert await stage.titles("To do") == ["a", "c", "b", "d"]
    assert max(len(row.rank) for row in rows) <= 16
    assert len({row.rank for row in rows}) == 4
    assert d


async def test_a_hard_limit_holds_when_many_race_for_the_last_places(world: World) -> None:
    stage = await board_stage(world)
    await add_column(stage, "Review", wip_limit=3, wip_is_hard=True)
    ids = [await stage.task(str(i)) for i in range(8)]

    outcomes = await race(stage.move(id, "Review", op=stage.world.as_(stage.hired.freelancer)) for id in ids)

    assert kinds(outcomes) == Counter({"tuple": 3, "WipLimit": 5})
    assert len(await stage.titles("Review")) == 3
    assert len(await stage.titles("To do")) == 5


async def test_a_soft_limit_refuses_nobody(world: World) -> None:
    stage = await board_stage(world)
    await add_column(stage, "Review", wip_limit=1)
    for title in "ab":
        await stage.move(await stage.task(title), "Review")

    assert await stage.titles("Review") == ["a", "b"]


async def test_what_one_person_has_in_hand_is_limited_over_all_started_columns(world: World) -> None:
    stage = await board_stage(world)
    me = stage.hired.freelancer.user_id
    await boards.edit_board(
        stage.client, stage.id, {"assignee_limit": 1, "assignee_limit_is_hard": True}, expected_version=None
    )
    await add_column(stage, "Review")
    first, second = [await stage.task(title, assignee_ids=[me]) for title in "ab"]
    third = await stage.task("c", "In progress")
    await stage.move(first, "In progress")

    with pytest.raises(WipLimit) as moved:
        await stage.move(second, "Review")
    with pytest.raises(WipLimit) as assigned:
        await tasks.edit_task(stage.client, third, {"assignee_ids": [me]}, expected_version=None)

    assert [(e.value.limit, e.value.count) for e in (moved, assigned)] == [(1, 1), (1, 1)]
    assert await stage.titles("Review") == []
    assert (await world.get(Task, third)).version == 1
    # What is in hand already may go on to the next column.
    await stage.move(first, "Review")
    assert await stage.titles("Review") == ["a"]


async def test_a_guarded_task_waits_for_those_that_block_it(world: World) -> None:
    stage = await board_stage(world)
    await boards.edit_board(stage.client, stage.id, {"guards_completion": True}, expected_version=None)
    wall, paint = await stage.task("wall"), await stage.task("paint")
    await tasks.relate_tasks(stage.client, wall, paint, TaskRelationKind.BLOCKS, is_on=True)

    with pytest.raises(BlockedTask, match="-1;"):
        await stage.move(paint, "Done")
    await stage.move(wall, "Done")
    await stage.move(paint, "Done")

    assert await stage.titles("Done") == ["wall", "paint"]


async def test_a_stale_move_answers_with_the_version_there_is(world: World) -> None:
    stage = await board_stage(world)
    task_id = await stage.task()
    await stage.move(task_id, "Done")

    with pytest.raises(StaleVersion) as refused:
        await tasks.move_task(
            stage.freelancer, task_id, column_id=stage.columns["Backlog"], position=TOP, expected_version=1
        )

    assert refused.value.current_version == 2
    assert await stage.titles("Done") == ["Paint"]


async def test_an_archived_task_comes_back_where_its_column_is(world: World) -> None:
    stage = await board_stage(world)
    a, b = [await stage.task(title) for title in "ab"]
    await tasks.archive_task(stage.client, a)
    assert await stage.titles("To do") == ["b"]

    with pytest.raises(ArchivedTask):
        await stage.move(a, "Done")
    await tasks.restore_task(stage.client, a, column_id=None)

    assert await stage.titles("To do") == ["b", "a"]
    assert b


async def test_columns_and_labels_are_told_apart_by_name(world: World) -> None:
    stage = await board_stage(world)
    await boards.add_label(stage.client, stage.id, {"name": "Bug", "color": "#ff0000"})

    with pytest.raises(NameTaken):
        await add_column(stage, "done")
    with pytest.raises(NameTaken):
        await boards.add_label(stage.client, stage.id, {"name": "BUG", "color": "#00ff00"})


async def test_only_an_empty_column_that_is_not_the_last_one_goes(world: World) -> None:
    stage = await board_stage(world)
    await stage.task()

    with pytest.raises(ColumnNotEmpty):
        await boards.remove_column(stage.client, stage.columns["To do"])
    for name in ("Backlog", "In progress", "Done", "Cancelled"):
        await boards.remove_column(stage.client, stage.columns[name])
    await tasks.archive_task(stage.client, (await _only_task(world, stage.id)))
    with pytest.raises(LastColumn):
        await boards.remove_column(stage.client, stage.columns["To do"])


async def _only_task(world: World, board_id: UUID) -> UUID:
    rows = await world.rows("select id from task where board_id = :id", id=board_id)
    return UUID(str(rows[0].id))


async def test_tasks_lie_at_most_five_levels_deep_whatever_hangs_below(world: World) -> None:
    stage = await board_stage(world)
    a, b, c, d, e, f = [await stage.task(title) for title in "abcdef"]

    async def put(task_id: UUID, below: UUID) -> None:
        await tasks.edit_task(stage.client, task_id, {"parent_id": below}, expected_version=None)

    for task_id, below in ((b, a), (c, b), (e, d), (f, e)):
        await put(task_id, below)
    with pytest.raises(Invalid) as too_deep:
        await put(d, c)
    with pytest.raises(Invalid) as circle:
        await put(a, c)
    await put(d, b)

    assert (too_deep.value.constraint, circle.value.constraint) == ("DEPTH", "CYCLE")


async def test_tasks_do_not_block_each_other_in_a_circle(world: World) -> None:
    stage = await board_stage(world)
    a, b, c = [await stage.task(title) for title in "abc"]
    for task_id, other_id in ((a, b), (b, c)):
        await tasks.relate_tasks(stage.client, task_id, other_id, TaskRelationKind.BLOCKS, is_on=True)
    told = await stage.told()

    with pytest.raises(Invalid) as refused:
        await tasks.relate_tasks(stage.client, c, a, TaskRelationKind.BLOCKS, is_on=True)

    assert (refused.value.path, refused.value.constraint) == (("otherId",), "CYCLE")
    assert await stage.told() == told


async def test_columns_that_change_places_for_ever_keep_short_keys(world: World) -> None:
    stage = await board_stage(world)
    backlog, todo, progress = (stage.columns[name] for name in ("Backlog", "To do", "In progress"))
    acts = []
    for _ in range(35):
        for column_id in (todo, progress):
            acts.append(
                (await boards.move_column(stage.client, column_id, position=Position(after=backlog)))[1]
            )

    rows = await world.rows(
        "select name, rank from board_column where board_id = :id order by rank, id", id=stage.id
    )
    assert [row.name for row in rows] == ["Backlog", "In progress", "To do", "Done", "Cancelled"]
    assert max(len(row.rank) for row in rows) <= 16
    await stage.undo(acts[-1])
    rows = await world.rows(
        "select name from board_column where board_id = :id order by rank, id", id=stage.id
    )
    assert [row.name for row in rows] == ["Backlog", "To do", "In progress", "Done", "Cancelled"]


async def test_what_was_undone_counts_for_no_figure(world: World) -> None:
    stage = await board_stage(world)
    task_id = await stage.task()
    world.clock.move(timedelta(days=1))
    _, started = await stage.move(task_id, "In progress")
    await stage.undo(started)
    assert (await world.get(Task, task_id)).started_at is None
    await stage.move(task_id, "Done")
    done_at = world.clock()
    world.clock.move(timedelta(days=1))
    _, reopened = await stage.move(task_id, "To do")
    await stage.undo(reopened)

    task = await world.get(Task, task_id)
    flow = (await flows(stage.client, [stage.id]))[stage.id]
    assert (task.started_at, task.completed_at) == (None, done_at)
    assert (flow.lead_time.count, flow.lead_time.p50) == (1, timedelta(days=1))


async def test_a_board_holds_so_many_tasks_and_archived_ones_do_not_count(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.open_board.MAX_TASKS", 2)
    stage = await board_stage(world)
    a, _ = await stage.task("a"), await stage.task("b")
    _, archived = await tasks.archive_task(stage.client, a)
    await stage.task("c")

    for refused in (
        stage.task("d"),
        tasks.restore_task(stage.client, a, column_id=None),
        stage.undo(archived),
    ):
        with pytest.raises(BoardFull):
            await refused

    assert await stage.titles("To do") == ["b", "c"]


# -- who may ----------------------------------------------------------------------------------------------------------------


async def test_strangers_find_no_board_and_administrators_change_nothing(world: World) -> None:
    stage = await board_stage(world)
    told = await stage.told()

    with pytest.raises(NotFound):
        await tasks.create_task(world.as_(await world.freelancer()), stage.id, {"title": "x"}, column_id=None)
    with pytest.raises(NotAllowed):
        await tasks.create_task(world.as_(await world.admin()), stage.id, {"title": "x"}, column_id=None)
    with pytest.raises(NotAllowed):
        await boards.edit_board(stage.freelancer, stage.id, {"key": "ABC"}, expected_version=None)

    assert await stage.told() == told


async def test_members_follow_the_contract(world: World) -> None:
    stage = await board_stage(world)
    task_id = await stage.task()
    await contracts.submit_work(stage.freelancer, stage.hired.contract_id, note=None)
    await contracts.approve_work(stage.client, stage.hired.contract_id)

    with pytest.raises(BoardRests):
        await stage.move(task_id, "Done", op=stage.freelancer)
    await stage.move(task_id, "Done")

    other = await board_stage(world)
    left = await other.task()
    await contracts.end_contract(other.client, other.hired.contract_id, reason=EndReason.MUTUAL, note=None)
    with pytest.raises(NotFound):
        await other.move(left, "Done", op=other.freelancer)
    assert (await other.told())[-1] == "BoardMemberLeft"


# -- taking back --------------------------------------------------------------------------------------------------------------


async def test_a_move_is_taken_back_and_done_again(world: World) -> None:
    stage = await board_stage(world)
    a, _, _ = [await stage.task(title) for title in "abc"]
    _, act = await stage.move(a, "Done")

    _, undone = await stage.undo(act)
    assert await stage.titles("To do") == ["a", "b", "c"]
    with pytest.raises(UndoneAlready):
        await stage.undo(act)
    await stage.undo(undone)

    assert (await stage.titles("To do"), await stage.titles("Done")) == (["b", "c"], ["a"])
    # In force again, so it can be taken back again.
    await stage.undo(act)
    assert await stage.titles("To do") == ["a", "b", "c"]


async def test_an_undone_move_stands_behind_who_took_its_place(world: World) -> None:
    stage = await board_stage(world)
    a, b, c = [await stage.task(title) for title in "abc"]
    _, act = await stage.move(b, "Done")
    await stage.move(await stage.task("d", "Backlog"), "To do", Position(after=a))

    await stage.undo(act)

    rows = await world.rows("select rank from task where column_id = :id", id=stage.columns["To do"])
    assert sorted(await stage.titles("To do")) == ["a", "b", "c", "d"]
    assert len({row.rank for row in rows}) == 4
    assert c


async def test_undo_is_refused_when_others_built_on_it_and_nothing_changes(world: World) -> None:
    stage = await board_stage(world)
    task_id = await stage.task()
    _, moved = await stage.move(task_id, "In progress")
    await stage.move(task_id, "Done", op=stage.freelancer)
    _, edited = await tasks.edit_task(stage.client, task_id, {"title": "Wall"}, expected_version=None)
    told = await stage.told()

    with pytest.raises(OthersBuiltOnIt, match="move task"):
        await stage.undo(moved)
    assert await stage.told() == told

    # What does not depend on the move is taken back all the same.
    await stage.undo(edited)
    assert await stage.titles("Done") == ["Paint"]


async def test_undo_is_for_whoever_did_it_and_for_ten_minutes(world: World) -> None:
    stage = await board_stage(world)
    _, act = await stage.move(await stage.task(), "Done")

    with pytest.raises(NotAllowed):
        await stage.undo(act, by=stage.hired.freelancer)
    with pytest.raises(NotFound):
        await stage.undo(act, by=await world.client())
    world.clock.move(timedelta(minutes=10, seconds=1))
    with pytest.raises(UndoWindowClosed):
        await stage.undo(act)

    assert await stage.titles("Done") == ["Paint"]


async def test_every_kind_of_act_can_be_taken_back(world: World) -> None:
    stage = await board_stage(world)
    before = await _whole(world, stage.id)
    me = stage.hired.freelancer.user_id
    acts: list[BoardAct | None] = []
    receipt, act = await tasks.create_task(stage.client, stage.id, {"title": "x"}, column_id=None)
    acts.append(act)
    task_id = receipt.entity_id
    label, act = await boards.add_label(stage.client, stage.id, {"name": "Bug", "color": "#ff0000"})
    acts.append(act)
    pending: list[Callable[[], Awaitable[boards.Done]]] = [
        lambda: boards.edit_label(stage.client, label.entity_id, {"name": "Fault"}),
        lambda: tasks.edit_task(
            stage.client, task_id,
            {"title": "y", "estimate": 3, "assignee_ids": [me], "label_ids": [label.entity_id]}, expected_version=None,
        ),
        lambda: boards.remove_label(stage.client, label.entity_id),
        lambda: boards.edit_column(
            stage.client, stage.columns["Done"], {"name": "Finished", "wip_limit": 5}, expected_version=None
        ),
        lambda: boards.move_column(stage.client, stage.columns["Done"], position=TOP),
        lambda: boards.remove_column(stage.client, stage.columns["Cancelled"]),
        lambda: boards.edit_board(stage.client, stage.id, {"key": "ABC"}, expected_version=None),
        lambda: tasks.archive_task(stage.client, task_id),
    ]  # fmt: skip
    for change in pending:
        acts.append((await change())[1])

    for act in reversed(acts):
        await stage.undo(act)

    assert await _whole(world, stage.id) == before


async def _whole(world: World, board_id: UUID) -> list[tuple[object, ...]]:
    """Everything that is on a board now."""
    statements = (
        "select key, assignee_limit from board where id = :id",
        "select name, category, wip_limit from board_column where board_id = :id and removed_at is null order by rank",
        "select name from board_label where board_id = :id and removed_at is null",
        "select title, rank from task where board_id = :id and archived_at is null order by rank",
    )
    return [tuple(row) for statement in statements for row in await world.rows(statement, id=board_id)]


# -- many at once -------------------------------------------------------------------------------------------------------------


async def test_many_moves_are_applied_or_refused_one_by_one(world: World) -> None:
    stage = await board_stage(world)
    await add_column(stage, "Review", wip_limit=1, wip_is_hard=True)
    a, b = [await stage.task(title) for title in "ab"]
    moves = [tasks.Move(id, stage.columns["Review"], BOTTOM) for id in (a, b, stage.id)]

    bulk = await tasks.move_tasks(stage.client, stage.id, moves, all_or_nothing=False)

    assert [row.outcome for row in bulk.rows] == [Outcome.APPLIED, Outcome.REJECTED, Outcome.REJECTED]
    assert [[type(r).__name__ for r in row.refusals] for row in bulk.rows] == [[], ["WipLimit"], ["NotFound"]]
    assert await stage.titles("Review") == ["a"]
    await stage.undo(bulk.act)
    assert await stage.titles("To do") == ["a", "b"]


async def test_all_or_nothing_leaves_nothing_behind(world: World) -> None:
    stage = await board_stage(world)
    a, b = [await stage.task(title) for title in "ab"]
    told = await stage.told()
    edits = [
        tasks.Edit(a, {"title": "x"}),
        tasks.Edit(b, {"title": ""}),
    ]

    with pytest.raises(tasks.AllRefused) as refused:
        await tasks.edit_tasks(stage.client, stage.id, edits, all_or_nothing=True)

    assert [row.outcome for row in refused.value.rows] == [Outcome.NOOP, Outcome.REJECTED]
    assert refused.value.rows[1].refusals[0].path == ("edits", "1", "title")
    assert (await stage.titles("To do"), await stage.told()) == (["a", "b"], told)


async def test_a_task_that_was_archived_meanwhile_holds_up_no_other_move_of_the_queue(world: World) -> None:
    stage = await board_stage(world)
    ids = [await stage.task(title) for title in "ab"]
    seen = await stage.head()
    await tasks.archive_task(stage.client, ids[0])
    moves = [
        tasks.Move(task_id, stage.columns["Done"], BOTTOM, id=f"m{at}", moved_at=world.clock())
        for at, task_id in enumerate(ids)
    ]

    bulk = await tasks.move_tasks(
        stage.freelancer, stage.id, moves, all_or_nothing=False, seen=seen, device="phone"
    )

    assert [row.outcome for row in bulk.rows] == [Outcome.REJECTED, Outcome.APPLIED]
    assert [type(refusal) for refusal in bulk.rows[0].refusals] == [ArchivedTask]


async def test_refusals_of_many_changes_name_the_change(world: World) -> None:
    stage = await board_stage(world)
    task_id = await stage.task()
    edits = [
        tasks.Edit(task_id, {"assignee_ids": [stage.id]}),
        tasks.Edit(stage.id, {"title": "x"}),
        tasks.Edit(task_id, {"parent_id": task_id}),
    ]

    bulk = await tasks.edit_tasks(stage.client, stage.id, edits, all_or_nothing=False)
    with pytest.raises(Invalid) as refused:
        await tasks.edit_tasks(stage.client, stage.id, [], all_or_nothing=False)

    assert [row.refusals[0].path for row in bulk.rows] == [
        ("edits", "0", "assigneeIds"),
        ("edits", "1", "taskId"),
        ("edits", "2", "parentId"),
    ]
    assert refused.value.path == ("edits",)


async def test_refusals_of_many_acts_that_are_about_no_single_input_name_the_row(world: World) -> None:
    stage = await board_stage(world)
    a, b, c = [await stage.task(title) for title in "abc"]
    await boards.edit_column(
        stage.client, stage.columns["Done"], {"wip_limit": 1, "wip_is_hard": True}, expected_version=None
    )
    await stage.move(c, "Done")
    await tasks.archive_task(stage.client, b)
    done = stage.columns["Done"]
    moves = [
        tasks.Move(a, done, BOTTOM, expected_version=9),
        tasks.Move(b, done, BOTTOM),
        tasks.Move(a, done, BOTTOM),
        tasks.Move(a, done, Position(after=a)),
    ]
    edits = [tasks.Edit(a, {"title": "x"}, expected_version=9), tasks.Edit(b, {"title": "x"})]

    moved = await tasks.move_tasks(stage.client, stage.id, moves, all_or_nothing=False)
    edited = await tasks.edit_tasks(stage.client, stage.id, edits, all_or_nothing=False)

    refusals = [(row.refusals[0].code, row.refusals[0].path) for row in (*moved.rows, *edited.rows)]
    assert refusals == [
        ("STALE_VERSION", ("moves", "0", "expectedVersion")),
        ("ARCHIVED_TASK", ("moves", "1")),
        ("WIP_LIMIT", ("moves", "2")),
        ("ANCHOR_ELSEWHERE", ("moves", "3", "position")),
        ("STALE_VERSION", ("edits", "0", "expectedVersion")),
        ("ARCHIVED_TASK", ("edits", "1")),
    ]


async def test_who_is_done_with_the_gig_keeps_tasks_while_others_get_them(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, wanted=2)
    done, other = [await world.hired(client=client, gig_id=gig_id) for _ in range(2)]
    stage = await board_stage(world, hired=done)
    both = [one.freelancer.user_id for one in (done, other)]
    task_id, free = await stage.task(assignee_ids=both[:1]), await stage.task()
    await contracts.submit_work(stage.freelancer, done.contract_id, note=None)
    await contracts.approve_work(stage.client, done.contract_id)

    await tasks.edit_task(stage.client, task_id, {"assignee_ids": both}, expected_version=None)
    with pytest.raises(NotFound):
        await tasks.edit_task(stage.client, free, {"assignee_ids": both}, expected_version=None)

    rows = await world.rows("select user_id from task_assignee where task_id = :id", id=task_id)
    assert {row.user_id for row in rows} == set(both)


async def test_a_bad_value_names_its_field(world: World) -> None:
    stage = await board_stage(world)

    with pytest.raises(Refusals) as refused:
        await tasks.create_task(
            stage.client, stage.id, {"title": " ", "estimate": 2_000, "swimlane": "x" * 41}, column_id=None
        )

    assert [one.path for one in refused.value.refusals] == [("title",), ("swimlane",), ("estimate",)]


# -- progress -----------------------------------------------------------------------------------------------------------------


async def test_progress_follows_the_board_when_the_client_chooses_so(idle_world: World) -> None:
    world = idle_world
    stage = await board_stage(world)
    a, _ = await stage.task("a", estimate=1), await stage.task("b", estimate=2)
    await stage.task("c", "Cancelled", estimate=50)
    await boards.edit_board(stage.client, stage.id, {"progress_follows": True}, expected_version=None)

    await stage.move(a, "Done")
    await run_due_jobs(world.as_(await world.admin()))

    assert (await world.get(Contract, stage.hired.contract_id)).progress_percent == 33
    with pytest.raises(ProgressFollowsBoard):
        await contracts.report_progress(
            stage.freelancer, stage.hired.contract_id, percent=90, note=None, expected_version=None
        )


# -- keys ------------------------------------------------------------------------------------------------------------------------


async def test_a_clients_boards_never_have_the_same_key(world: World) -> None:
    stage = await board_stage(world)
    other = await board_stage(world, hired=await world.hired(client=stage.hired.client))
    stranger = await board_stage(world)

    async def name(one: Stage, key: str) -> BoardAct | None:
        return (await boards.edit_board(one.client, one.id, {"key": key}, expected_version=None))[1]

    named = await name(stage, "WEB")
    with pytest.raises(KeyTaken):
        await name(other, "WEB")
    await name(stranger, "WEB")
    await stage.undo(named)
    outcomes = await race([name(stage, "APP"), name(other, "APP")])
    assert kinds(outcomes)["KeyTaken"] == 1
    keys = await world.rows("select key from board where client_id = :id", id=stage.hired.client.user_id)
    assert sorted(row.key == "APP" for row in keys) == [False, True]


async def test_no_board_is_called_like_the_gig_of_another(world: World) -> None:
    stage = await board_stage(world)
    number = (await world.gig(stage.hired.gig_id)).number
    assert number is not None

    with pytest.raises(Refusals) as refused:
        await boards.edit_board(stage.client, stage.id, {"key": f"G{number + 1}"}, expected_version=None)
    receipt, _ = await boards.edit_board(stage.client, stage.id, {"key": f"G{number}"}, expected_version=None)

    assert [(one.path, one.constraint) for one in refused.value.refusals] == [(("key",), "RESERVED")]  # type: ignore[attr-defined]
    assert receipt.outcome is Outcome.NOOP
