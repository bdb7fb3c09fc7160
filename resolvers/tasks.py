"""What members do with tasks: write, change, move, archive, relate, watch; one by one or many at once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.board import BoardColumn, Edge, Position
from models.checks import Checks
from models.errors import DomainError, Invalid, NotFound, Path, Refusals
from models.idempotency import Outcome
from models.offline import Queued
from models.store.sql import Receipt
from models.table import check_version
from models.task import Task, TaskRelationKind, TaskStay, TaskWatcher
from resolvers import task_steps as steps
from resolvers.boards import Done
from resolvers.column_steps import in_order
from resolvers.label_steps import labels_of
from resolvers.open_board import OpenBoard, board_of, opened
from resolvers.operation import Operation
from resolvers.task_places import rank_as_seen, rank_now

BOTTOM = Position(edge=Edge.BOTTOM)
MAX_BULK, MAX_DEVICE, MAX_MOVE_ID = 100, 40, 80
_LISTS = ("assignee_ids", "label_ids")
_OF_ALL = ("seen",)
"""The input that all rows have in common."""


async def create_task(
    op: Operation,
    board_id: UUID,
    values: Mapping[str, Any],
    *,
    column_id: UUID | None,
    position: Position = BOTTOM,
    id: UUID | None = None,
) -> Done:
    """A new task, in the first column unless another one is named."""
    async with opened(op, board_id) as board:
        column = await board.column(column_id) if column_id is not None else _first(board)
        checked = await _checked(board, values, before={})
        row = Task(
            id=id or op.new_id(),
            board_id=board.row.id,
            number=board.row.next_number,
            column_id=column.id,
            rank=await rank_now(board, column.id, position, but=None),
            creator_id=op.viewer.require_user(),
            created_at=op.now(),
            updated_at=op.now(),
            **{name: value for name, value in checked.items() if name not in _LISTS},
        )
        row.version = 0  # standing somewhere makes it 1
        board.row.next_number += 1
        lists = {name: checked[name] for name in _LISTS if name in checked}
        inverse = await steps.create(board, row, column, lists)
        return await board.settle("CREATE_TASK", row.id, inverse)


async def edit_task(
    op: Operation, task_id: UUID, changes: Mapping[str, Any], *, expected_version: int | None
) -> Done:
    async with opened(op, await board_of(op, Task, task_id), path=("id",), what="task") as board:
        inverse = await _edit(board, task_id, changes, expected_version=expected_version)
        return await board.settle("EDIT_TASK", task_id, inverse)


async def move_task(
    op: Operation, task_id: UUID, *, column_id: UUID, position: Position, expected_version: int | None
) -> Done:
    """To a place on the board as it is."""
    async with opened(op, await board_of(op, Task, task_id), path=("id",), what="task") as board:
        task = await board.task(task_id)
        check_version(task, expected_version, entity_id=task.id)
        column = await board.column(column_id)
        rank = await rank_now(board, column.id, position, but=task.id)
        inverse = await steps.place(board, task_id=str(task.id), column_id=str(column.id), rank=rank)
        return await board.settle("MOVE_TASK", task.id, inverse)


async def archive_task(op: Operation, task_id: UUID) -> Done:
    async with opened(op, await board_of(op, Task, task_id), path=("id",), what="task") as board:
        return await board.settle("ARCHIVE_TASK", task_id, await steps.archive(board, task_id=str(task_id)))


async def restore_task(
    op: Operation, task_id: UUID, *, column_id: UUID | None, position: Position = BOTTOM
) -> Done:
    """Back to the column it was in, or the first one if that is gone, unless another one is named."""
    async with opened(op, await board_of(op, Task, task_id), path=("id",), what="task") as board:
        task = await board.task(task_id)
        if column_id is not None:
            column = await board.column(column_id)
        else:
            column = board.columns[task.column_id]
            column = column if column.removed_at is None else _first(board)
        rank = await rank_now(board, column.id, position, but=None)
        inverse = await steps.restore(board, task_id=str(task_id), column_id=str(column.id), rank=rank)
        return await board.settle("RESTORE_TASK", task_id, inverse)


async def relate_tasks(
    op: Operation, task_id: UUID, other_id: UUID, kind: TaskRelationKind, *, is_on: bool
) -> Done:
    """Say how one task stands to another, or that it does so no more."""
    async with opened(op, await board_of(op, Task, task_id), path=("id",), what="task") as board:
        if task_id == other_id:
            raise Invalid(("otherId",), "DISTINCT", "A task does not stand to itself.")
        two = {"task_id": str(task_id), "other_id": str(other_id), "kind": kind.value}
        if is_on:
            return await board.settle("RELATE_TASKS", task_id, await steps.relate(board, **two))
        return await board.settle("UNRELATE_TASKS", task_id, await steps.unrelate(board, **two))


async def watch_task(op: Operation, task_id: UUID, *, is_on: bool) -> Receipt:
    """Be told of comments on a task, or no more. Nobody else's business, so no fact and nothing to undo."""
    async with opened(op, await board_of(op, Task, task_id), path=("id",), what="task") as board:
        me = op.viewer.require_user()
        task = await board.task(task_id)
        task.require_live()
        row = await board.tx.get(
            TaskWatcher, col(TaskWatcher.task_id) == task_id, col(TaskWatcher.user_id) == me
        )
        if (row is not None) is is_on:
            return board.tx.noop(task_id)
        if row is None:
            board.tx.add(TaskWatcher(task_id=task_id, user_id=me))
        else:
            await board.tx.session.delete(row)
        return board.tx.done(task_id)


# -- many at once --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Move:
    """One of many moves; `id` and `moved_at` are the client's, for moves that were queued offline."""

    task_id: UUID
    column_id: UUID
    position: Position
    expected_version: int | None = None
    id: str | None = None
    moved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    task_id: UUID
    changes: Mapping[str, Any]
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one of many."""

    task_id: UUID
    outcome: Outcome
    refusals: tuple[DomainError, ...] = ()


@dataclass(frozen=True, slots=True)
class Bulk:
    receipt: Receipt
    act: Any
    rows: tuple[Row, ...]


class AllRefused(Exception):
    """One row was refused where all or nothing was wanted; nothing was changed."""

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__("refused")
        self.rows = tuple(rows)


async def move_tasks(
    op: Operation,
    board_id: UUID,
    moves: Sequence[Move],
    *,
    all_or_nothing: bool,
    seen: int | None = None,
    device: str | None = None,
) -> Bulk:
    """Many moves in one transaction, in their order; each is applied or refused by itself unless all or nothing is wanted.

    With `seen` and `device` they are understood as they were made offline, and each needs its `id` and `moved_at`: one that
    arrived before answers REPLAYED.
    """
    if seen is None and any(move.id is not None or move.moved_at is not None for move in moves):
        raise Invalid(
            ("seen",), "REQUIRED", "Moves with `moveId` or `movedAt` were made offline: say what was `seen`."
        )
    offline = (
        None
        if seen is None
        else _queued(moves, seen, f"{op.viewer.require_user()}:{_checked_device(device)}")
    )

    async def one(board: OpenBoard, at: int) -> list[dict[str, Any]] | None:
        move, queued = moves[at], None if offline is None else offline[at]
        if queued is not None and await _arrived(board, queued):
            return None
        task = await board.task(move.task_id, path=("taskId",))
        check_version(task, move.expected_version, entity_id=task.id)
        column = await board.column(move.column_id)
        if queued is None:
            rank = await rank_now(board, column.id, move.position, but=task.id)
            return await steps.place(board, task_id=str(task.id), column_id=str(column.id), rank=rank)
        rank = await rank_as_seen(board, task, column.id, move.position, queued)
        return await steps.place(
            board, task_id=str(task.id), column_id=str(column.id), rank=rank, device=queued.device,
            move=queued.id, moved_at=queued.moved_at,
        )  # fmt: skip

    return await _bulk(
        op,
        board_id,
        "MOVE_TASKS",
        [m.task_id for m in moves],
        one,
        what="moves",
        all_or_nothing=all_or_nothing,
    )


async def edit_tasks(op: Operation, board_id: UUID, edits: Sequence[Edit], *, all_or_nothing: bool) -> Bulk:
    """Many changes in one transaction, as `move_tasks`."""

    async def one(board: OpenBoard, at: int) -> list[dict[str, Any]]:
        edit = edits[at]
        return await _edit(
            board, edit.task_id, edit.changes, expected_version=edit.expected_version, path=("taskId",)
        )

    return await _bulk(
        op,
        board_id,
        "EDIT_TASKS",
        [e.task_id for e in edits],
        one,
        what="edits",
        all_or_nothing=all_or_nothing,
    )


async def _bulk(
    op: Operation,
    board_id: UUID,
    verb: str,
    task_ids: Sequence[UUID],
    one: Callable[[OpenBoard, int], Awaitable[list[dict[str, Any]] | None]],
    *,
    what: str,
    all_or_nothing: bool,
) -> Bulk:
    """`what` is the name of the list; `one` answers how to take its change back, None if it was done before. Refusals name the
    row, and what in it."""
    if not 1 <= len(task_ids) <= MAX_BULK:
        raise Invalid(
            (what,), "COUNT", f"It takes 1 to {MAX_BULK} tasks at once.", min="1", max=str(MAX_BULK)
        )
    async with opened(op, board_id) as board:
        rows: list[Row] = []
        inverse: list[dict[str, Any]] = []
        for at, task_id in enumerate(task_ids):
            before = board.number
            try:
                steps = await one(board, at)
            except (DomainError, Refusals) as error:
                # Refused before anything was written: a step checks all of its rules first.
                assert board.number == before
                refusals = error.refusals if isinstance(error, Refusals) else (error,)
                for refusal in refusals:
                    if refusal.path != _OF_ALL:
                        refusal.path = (what, str(at), *refusal.path)
                rows.append(Row(task_id, Outcome.REJECTED, tuple(refusals)))
                continue
            if steps is None:
                rows.append(Row(task_id, Outcome.REPLAYED))
                continue
            inverse = [*steps, *inverse]
            rows.append(Row(task_id, Outcome.NOOP if board.number == before else Outcome.APPLIED))
        if all_or_nothing and any(row.outcome is Outcome.REJECTED for row in rows):
            # What was done is undone with the transaction.
            undone = [
                replace(row, outcome=Outcome.NOOP) if row.outcome is Outcome.APPLIED else row for row in rows
            ]
            raise AllRefused(undone)
        receipt, act = await board.settle(verb, board.row.id, inverse)
        return Bulk(receipt, act, tuple(rows))


def _checked_device(device: str | None) -> str:
    checks = Checks()
    device = checks.text(("device",), device or "", max=MAX_DEVICE)
    checks.done()
    return device


def _queued(moves: Sequence[Move], seen: int, device: str) -> list[Queued]:
    """The moves of one device in its order: a clock that was set back meanwhile does not reorder them."""
    queued: list[Queued] = []
    checks = Checks()
    for at, move in enumerate(moves):
        if move.id is None or move.moved_at is None:
            raise Invalid(
                ("moves", str(at), "moveId"), "REQUIRED", "Moves made offline need `moveId` and `movedAt`."
            )
        moved_at = max(move.moved_at, queued[-1].moved_at) if queued else move.moved_at
        id = checks.text(("moves", str(at), "moveId"), move.id, max=MAX_MOVE_ID)
        queued.append(Queued(id, device, seen, moved_at))
    checks.done()
    return queued


async def _arrived(board: OpenBoard, move: Queued) -> bool:
    where = (
        col(TaskStay.board_id) == board.row.id,
        col(TaskStay.device) == move.device,
        col(TaskStay.move_id) == move.id,
    )
    return bool((await board.tx.execute(sa.select(sa.exists().where(*where)))).scalar_one())


# -- what the use cases share --------------------------------------------------------------------------------------------------


async def _edit(
    board: OpenBoard,
    task_id: UUID,
    changes: Mapping[str, Any],
    *,
    expected_version: int | None,
    path: Path = ("id",),
) -> list[dict[str, Any]]:
    task = await board.task(task_id, path=path)
    check_version(task, expected_version, entity_id=task.id)
    task.require_live()
    before = {name: getattr(task, name) for name in ("starts_on", "due_on")}
    checked = await _checked(board, changes, before=before, task=task)
    return await steps.edit_task(board, task_id=str(task_id), values=checked)


async def _checked(
    board: OpenBoard, values: Mapping[str, Any], *, before: Mapping[str, Any], task: Task | None = None
) -> dict[str, Any]:
    """The values as they are kept. Raises `Refusals`, and `NotFound` for people, labels and parents that are not there.

    Where the parent of a task that is there may lie is for the step that writes it: undoing asks that, too.
    """
    checked = Task.checked(values, before=before)
    if assignees := checked.get("assignee_ids"):
        strangers = set(assignees) - await board.members()
        if strangers and task is not None:  # whoever does it already may be done with the gig
            strangers -= await board.assignees(task.id)
        if strangers:
            raise NotFound("member of this board", path=("assigneeIds",))
    if labels := checked.get("label_ids"):
        live = {key for key, label in (await labels_of(board)).items() if label.removed_at is None}
        if set(labels) - live:
            raise NotFound("label", path=("labelIds",))
    if task is None and (parent_id := checked.get("parent_id")) is not None:
        await steps.require_no_cycle(board, task, parent_id)
    return checked


def _first(board: OpenBoard) -> BoardColumn:
    return in_order(board.columns.values())[0]
