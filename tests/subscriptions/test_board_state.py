"""State and events make the fresh state, for boards: the order of columns and tasks by the facts alone, the rest by what they
link to."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from copy import deepcopy
from datetime import date
from functools import reduce
from typing import Any

import pytest
from graphql import GraphQLObjectType

from auth.viewer import ANONYMOUS, Viewer
from models.board import ColumnCategory, Position
from models.board_events import BoardEvent, CommentForPerson
from models.contract import EndReason
from models.event import EVENTS
from models.ids import encode_id
from models.task import TaskPriority, TaskRelationKind
from resolvers import boards, contracts, task_files, task_talk, tasks
from resolvers.operation import Operation
from schema.events import KINDS
from schema.execution import Request, Response
from schema.streaming import perform
from tests.resolvers.boards import TOP, Stage, board_stage
from tests.subscriptions.conftest import StartWorker, Worker
from tests.subscriptions.frames import frames_of, replayed

State = dict[str, Any]
FIELDS = """
fragment B on Board { key assigneeLimit assigneeLimitIsHard guardsCompletion progressFollows version }
fragment L on BoardLabel { id name color }
fragment T on Task { id title description priority startsOn dueOn estimate swimlane version parent { id } labels { id }
  assignees { id } relations { kind other { id } } inverseRelations { kind task { id } }
  checklists { id title items { id text isDone } } attachments { id name url } archivedAt
  comments(first: 3) { nodes { id body editedAt deletedAt reactions { emoji } mentions { id } } } }
fragment C on BoardColumn { id name category wipLimit wipIsHard version }
"""
SNAPSHOT = f"""query ($id: ID!) {{ board(id: $id) {{ streamCursor ...B labels {{ ...L }} columns {{ ...C
  tasks(first: 8) {{ nodes {{ ...T }} }} }} }} }} {FIELDS}"""
EVENTS_OF = f"""subscription ($id: ID!, $after: StreamCursor) {{ boardEvents(boardId: $id, after: $after) {{ cursor event {{
  __typename
  %s
}} }} }} {FIELDS}"""
LINKS = {
    "board": "{ ...B }", "column": "{ ...C }", "afterColumn": "{ id }", "label": "{ ...L }", "task": "{ ...T }",
    "afterTask": "{ id }", "otherTask": "{ ...T }",
}  # fmt: skip


def subscription(worker: Worker) -> str:
    parts = []
    for name in board_kinds():
        kind = worker.world.schema._schema.type_map[name]
        assert isinstance(kind, GraphQLObjectType)
        fields = kind.fields
        links = " ".join(f"{link} {selection}" for link, selection in LINKS.items() if link in fields)
        parts.append(f"... on {name} {{ {links} }}")
    return EVENTS_OF % " ".join(parts)


def board_kinds() -> set[str]:
    """Those that are told on the board itself."""
    return {
        name
        for name in KINDS
        if issubclass(EVENTS[name], BoardEvent) and not issubclass(EVENTS[name], CommentForPerson)
    }


async def snapshot(worker: Worker, viewer: Viewer, board_id: str) -> tuple[State, str]:
    board = (await worker.world.data(viewer, SNAPSHOT, id=board_id))["board"]
    cursor = board.pop("streamCursor")
    standing: State = {}
    shown: State = {}
    live: State = {}
    for column in board.pop("columns"):
        nodes = column.pop("tasks")["nodes"]
        standing[column["id"]] = [task["id"] for task in nodes]
        shown[column["id"]] = column
        live |= {task["id"]: task for task in nodes}
    labels = {label["id"]: label for label in board.pop("labels")}
    return {"board": board, "order": standing, "columns": shown, "tasks": live, "labels": labels}, cursor


def apply(state: State, event: State) -> State:
    """The reference reducer."""
    kind = event["__typename"]
    if event.get("board"):
        state["board"] = event["board"]
    if event.get("label"):
        state["labels"][event["label"]["id"]] = event["label"]
        if kind == "LabelRemoved":
            del state["labels"][event["label"]["id"]]
            for task in state["tasks"].values():
                task["labels"] = [label for label in task["labels"] if label["id"] != event["label"]["id"]]
    for link in ("task", "otherTask"):
        if event.get(link):
            state["tasks"][event[link]["id"]] = event[link]
    if kind.startswith("Column"):
        _apply_column(state, kind, event)
    elif kind in {"TaskCreated", "TaskMoved", "TaskRestored", "TaskArchived"}:
        _apply_place(state, kind, event)
    state["tasks"] = {
        id: task for id, task in state["tasks"].items() if any(id in ids for ids in state["order"].values())
    }
    return state


def _apply_column(state: State, kind: str, event: State) -> None:
    column = event["column"]
    state["columns"][column["id"]] = column
    if kind in {"ColumnAdded", "ColumnMoved"}:
        order = [(id, ids) for id, ids in state["order"].items() if id != column["id"]]
        names = [id for id, _ in order]
        behind = event["afterColumn"]
        at = 0 if behind is None else names.index(behind["id"]) + 1
        order.insert(at, (column["id"], state["order"].get(column["id"], [])))
        state["order"] = dict(order)
    elif kind == "ColumnRemoved":
        del state["columns"][column["id"]], state["order"][column["id"]]


def _apply_place(state: State, kind: str, event: State) -> None:
    task_id = event["task"]["id"]
    for ids in state["order"].values():
        if task_id in ids:
            ids.remove(task_id)
    if kind != "TaskArchived":
        ids = state["order"][event["column"]["id"]]
        behind = event["afterTask"]
        ids.insert(0 if behind is None else ids.index(behind["id"]) + 1, task_id)


async def told_after(worker: Worker, viewer: Viewer, board_id: str, after: str) -> list[State]:
    """Everything up to now, in order."""
    frames = await frames_of(worker, viewer, subscription(worker), id=board_id, after=after)
    return [item["event"] for item in await replayed(frames)]


Act = Callable[[], Awaitable[object]]


async def story(stage: Stage) -> AsyncGenerator[Act, None]:
    """Everything that can happen on a board; what an act needs to know of earlier ones is kept here."""
    op, worker_ = stage.client, stage.freelancer
    me = stage.hired.freelancer.require_user()
    made: dict[str, Any] = {}

    async def keep(name: str, pending: Awaitable[Any]) -> None:
        receipt, act = await pending
        made[name], made[f"{name}_act"] = receipt.entity_id, act

    def new_task(title: str, **values: Any) -> Awaitable[Any]:
        return tasks.create_task(op, stage.id, {"title": title, **values}, column_id=stage.columns["To do"])

    yield lambda: keep("label", boards.add_label(op, stage.id, {"name": "Bug", "color": "#ff0000"}))
    yield lambda: boards.edit_label(op, made["label"], {"name": "Fault"})
    yield lambda: keep("a", new_task("a", assignee_ids=[me], label_ids=[made["label"]], estimate=2))
    yield lambda: keep("b", new_task("b", priority=TaskPriority.HIGH, due_on=date(2027, 1, 1)))
    yield lambda: keep("c", new_task("c", parent_id=made["a"]))
    yield lambda: keep("moved", stage.move(made["c"], "To do", TOP))
    yield lambda: stage.move(made["a"], "In progress", op=worker_)
    yield lambda: stage.undo(made["moved_act"])
    yield lambda: tasks.edit_task(op, made["b"], {"title": "B", "assignee_ids": [me]}, expected_version=None)
    yield lambda: tasks.edit_task(op, made["b"], {"assignee_ids": []}, expected_version=None)
    for is_on in (True, False):
        yield lambda is_on=is_on: tasks.relate_tasks(  # type: ignore[misc]
            op, made["a"], made["b"], TaskRelationKind.BLOCKS, is_on=is_on
        )
    yield lambda: keep("list", task_talk.add_checklist(op, made["a"], "Steps"))
    yield lambda: keep("item", task_talk.add_item(op, made["list"], {"text": "One"}))
    yield lambda: task_talk.edit_item(op, made["item"], {"is_done": True})
    yield lambda: task_talk.remove_item(op, made["item"])
    yield lambda: task_talk.remove_checklist(op, made["list"])
    made["file"] = await stage.world.upload(worker_.viewer)
    yield lambda: task_files.attach(worker_, made["a"], made["file"])
    yield lambda: keep("taken", task_files.detach(op, made["file"]))
    yield lambda: stage.undo(made["taken_act"])
    yield lambda: tasks.watch_task(op, made["a"], is_on=True)
    yield lambda: keep(
        "comment", task_talk.add_comment(worker_, made["a"], "Well.", answers_id=None, mentions=[])
    )
    yield lambda: task_talk.add_comment(op, made["a"], "So?", answers_id=made["comment"], mentions=[me])
    yield lambda: task_talk.edit_comment(worker_, made["comment"], "Well, well.")
    yield lambda: task_talk.react(op, made["comment"], "👍", is_on=True)
    yield lambda: keep("deleted", task_talk.delete_comment(op, made["comment"]))
    yield lambda: stage.undo(made["deleted_act"])
    yield lambda: tasks.archive_task(op, made["b"])
    yield lambda: tasks.restore_task(op, made["b"], column_id=stage.columns["Done"])
    yield lambda: keep(
        "column",
        boards.add_column(
            op, stage.id,
            {"name": "Review", "category": ColumnCategory.STARTED, "wip_limit": 3, "wip_is_hard": True}, position=TOP,
        ),
    )  # fmt: skip
    yield lambda: boards.edit_column(op, made["column"], {"name": "Check"}, expected_version=None)
    yield lambda: boards.move_column(op, made["column"], position=Position(after=stage.columns["Done"]))
    yield lambda: boards.remove_column(op, made["column"])
    yield lambda: boards.remove_label(op, made["label"])
    yield lambda: boards.edit_board(
        op, stage.id, {"key": "ABC", "assignee_limit": 3, "guards_completion": True}, expected_version=None
    )


async def test_every_kind_of_fact_keeps_every_members_state_true(start: StartWorker) -> None:
    worker = await start()
    stage = await board_stage(worker.world)
    board_id = encode_id("board", stage.id)
    callers = [stage.hired.client, stage.hired.freelancer, await worker.world.admin()]
    told: set[str] = set()

    async for act in story(stage):
        before = [await snapshot(worker, viewer, board_id) for viewer in callers]
        await act()
        for viewer, (state, cursor) in zip(callers, before, strict=True):
            events = await told_after(worker, viewer, board_id, cursor)
            told |= {event["__typename"] for event in events}
            fresh, _ = await snapshot(worker, viewer, board_id)
            folded = reduce(apply, events, state)
            assert folded == fresh
            assert list(folded["order"]) == list(fresh["order"])

    _, beginning = await snapshot(worker, stage.hired.client, board_id)
    await contracts.end_contract(stage.client, stage.hired.contract_id, reason=EndReason.MUTUAL, note=None)
    left = await worker.world.rows(
        "select task_id from task_assignee where user_id = :id", id=stage.hired.freelancer.user_id
    )
    await tasks.edit_task(stage.client, left[0].task_id, {"assignee_ids": []}, expected_version=None)
    told |= {
        event["__typename"] for event in await told_after(worker, stage.hired.client, board_id, beginning)
    }
    # The first facts of a board are written before anybody can have seen it.
    assert board_kinds() - told == {"BoardCreated", "BoardMemberJoined"}


@pytest.mark.parametrize("who", ["stranger", "anonymous"])
async def test_nobody_else_follows_a_board(start: StartWorker, who: str) -> None:
    worker = await start()
    stage = await board_stage(worker.world)
    board_id = encode_id("board", stage.id)
    _, cursor = await snapshot(worker, stage.hired.client, board_id)
    viewer = await worker.world.client() if who == "stranger" else ANONYMOUS

    operation = Operation(worker.world.services, viewer, "test")
    request = Request(subscription(worker), {"id": board_id, "after": cursor})
    answer = await perform(worker.world.schema, worker.streams, request, operation)

    assert isinstance(answer, Response)
    (error,) = answer.body["errors"]
    assert (error["extensions"]["code"], error["message"]) == (
        "BAD_USER_INPUT",
        "There is no such board, or you cannot see it.",
    )


async def test_a_snapshot_taken_while_others_move_has_no_hole_and_no_double(start: StartWorker) -> None:
    worker = await start()
    stage = await board_stage(worker.world)
    board_id, viewer = encode_id("board", stage.id), stage.hired.freelancer
    ids = [await stage.task(str(i)) for i in range(6)]
    chance = random.Random(1)

    async def write(task_id: Any) -> None:
        for _ in range(4):
            await stage.move(task_id, chance.choice(list(stage.columns)), TOP)

    writing = asyncio.gather(*map(write, ids))
    snapshots = await asyncio.gather(*(snapshot(worker, viewer, board_id) for _ in range(3)))
    await writing
    fresh, _ = await snapshot(worker, viewer, board_id)

    for state, cursor in snapshots:
        folded = reduce(apply, await told_after(worker, viewer, board_id, cursor), deepcopy(state))
        assert folded == fresh
