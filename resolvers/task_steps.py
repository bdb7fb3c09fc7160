"""Changes of tasks: where they stand, what they say, who does them, and how they stand to each other."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.board import (
    NEVER,
    BoardColumn,
    ColumnCategory,
)
from models.board_events import (
    TaskArchived,
    TaskAssigned,
    TaskCreated,
    TaskEdited,
    TaskFreed,
    TaskMoved,
    TaskRelated,
    TaskRestored,
    TaskUnassigned,
    TaskUnrelated,
)
from models.errors import Invalid
from models.ids import new_id
from models.task import (
    MAX_LEVELS,
    MAX_RELATIONS,
    BlockedTask,
    Task,
    TaskAssignee,
    TaskIsFull,
    TaskLabel,
    TaskRelation,
    TaskRelationKind,
    TaskStay,
)
from resolvers.board_steps import ids_of, keep_text, named, plain, set_changed, step, text_of, typed
from resolvers.open_board import OpenBoard, Step

_DATES = frozenset({"starts_on", "due_on"})
_TIMES = ("started_at", "completed_at")
_DONE = (ColumnCategory.COMPLETED, ColumnCategory.CANCELLED)


@step("place")
async def place(
    board: OpenBoard,
    *,
    task_id: str,
    column_id: str,
    rank: str | None = None,
    stay_id: str | None = None,
    times: Mapping[str, str | None] | None = None,
    device: str | None = None,
    move: str | None = None,
    moved_at: datetime | None = None,
) -> list[Step]:
    """Move a task to `rank` in a column, or back to where it stood during `stay_id`, as if it had never left: with the
    `times` at which it was started and completed then."""
    task = await board.task(UUID(task_id))
    task.require_live()
    target = await board.column(UUID(column_id))
    rank = await _rank_again(board, target, stay_id, but=task.id) if rank is None else rank
    if task.column_id == target.id and task.rank == rank:
        return []
    if task.column_id != target.id:
        await board.require_room(target, task)
        await _require_unblocked(board, task, target)
    column_before, before = task.column_id, await board.current_stay(task.id)
    assert before is not None
    times_before = _times(task)
    _leave(board, before, device=device)
    task.stand(target.id, target.category, rank, at=board.op.now())
    if times is not None:
        for name in _TIMES:
            setattr(task, name, _moment(times[name]))
    taken_up = None if stay_id is None else await board.tx.by_id(TaskStay, UUID(stay_id))
    if taken_up is not None and taken_up.column_id == target.id:
        before.is_undone = taken_up.is_undone = True
    else:
        taken_up = None
    _enter(board, task, device=device, move=move, moved_at=moved_at, taken_up=taken_up)
    board.tell(TaskMoved(
        task_id=task.id, column_id=target.id, after_task_id=await board.id_before(task), times=_times(task),
        column_before_id=column_before, **board.about,
    ))  # fmt: skip
    board.touches.add(f"task:{task_id}:place")
    board.uses.update((f"task:{task_id}", f"column:{column_before}", f"column:{target.id}"))
    return [{
        "do": "place", "task_id": task_id, "column_id": str(column_before), "stay_id": str(before.id),
        "times": times_before,
    }]  # fmt: skip


@step("archive")
async def archive(board: OpenBoard, *, task_id: str) -> list[Step]:
    task = await board.task(UUID(task_id))
    if task.archived_at is not None:
        return []
    before = await board.current_stay(task.id)
    assert before is not None
    _leave(board, before)
    task.archived_at = board.op.now()
    task.touch(at=board.op.now())
    board.tell(TaskArchived(task_id=task.id, **board.about))
    board.touches.update((f"task:{task_id}", f"task:{task_id}:place"))
    board.uses.add(f"column:{task.column_id}")
    return [
        {"do": "restore", "task_id": task_id, "column_id": str(task.column_id), "stay_id": str(before.id)}
    ]


@step("restore")
async def restore(
    board: OpenBoard, *, task_id: str, column_id: str, rank: str | None = None, stay_id: str | None = None
) -> list[Step]:
    task = await board.task(UUID(task_id))
    if task.archived_at is None:
        return []
    target = await board.column(UUID(column_id))
    await board.require_room(target, task)
    await board.require_capacity()
    await _require_unblocked(board, task, target)
    rank = await _rank_again(board, target, stay_id, but=task.id) if rank is None else rank
    task.archived_at = None
    task.stand(target.id, target.category, rank, at=board.op.now())
    _enter(board, task)
    board.tell(TaskRestored(
        task_id=task.id, column_id=target.id, after_task_id=await board.id_before(task), times=_times(task),
        **board.about,
    ))  # fmt: skip
    board.touches.update((f"task:{task_id}", f"task:{task_id}:place"))
    board.uses.add(f"column:{target.id}")
    return [{"do": "archive", "task_id": task_id}]


async def create(board: OpenBoard, task: Task, column: BoardColumn, values: Mapping[str, Any]) -> list[Step]:
    """Write a new task, whose `rank` is chosen; `values` are those of its lists. Undoing it archives it."""
    await board.require_room(column, task)
    await board.require_capacity()
    task.stand(column.id, column.category, task.rank, at=board.op.now())
    board.tx.add(task)
    await board.tx.session.flush()
    text_ids = {name: keep_text(board, task.id, name, getattr(task, name)) for name in sorted(Task.TEXTS)}
    _enter(board, task)
    board.tell(TaskCreated(
        task_id=task.id, column_id=column.id, after_task_id=await board.id_before(task), number=task.number,
        times=_times(task), text_ids=text_ids, **board.about,
    ))  # fmt: skip
    first = {name: getattr(task, name) for name in sorted(Task.EDITABLE - Task.TEXTS)}
    usual = {name: Task.model_fields[name].default for name in first}
    changes = {n: (plain(usual[n]), text_of(n, v)) for n, v in first.items() if v != usual[n]}
    if changes:
        board.tell(TaskEdited(task_id=task.id, changes=named(changes), text_ids={}, **board.about))
    await edit_task(board, task_id=str(task.id), values=values)
    board.touches.add(f"task:{task.id}")
    board.uses.add(f"column:{column.id}")
    return [{"do": "archive", "task_id": str(task.id)}]


@step("edit_task")
async def edit_task(board: OpenBoard, *, task_id: str, values: Mapping[str, Any]) -> list[Step]:
    """Change fields, `assignee_ids` and `label_ids` (whole lists). Values are those of `Task`, or plain."""
    task = await board.task(UUID(task_id))
    task.require_live()
    fields = {name: typed(name, values[name]) for name in sorted(Task.EDITABLE & values.keys())}
    if (parent_id := fields.get("parent_id")) is not None:
        await require_no_cycle(board, task, parent_id)
    people = await _other_people(board, task, values["assignee_ids"]) if "assignee_ids" in values else None
    before = set_changed(task, fields)
    changes = {
        name: (None, None) if name in Task.TEXTS else (text_of(name, old), text_of(name, getattr(task, name)))
        for name, old in before.items()
    }
    text_ids = {
        name: keep_text(board, task.id, name, getattr(task, name))
        for name in sorted(before.keys() & Task.TEXTS)
    }
    if "label_ids" in values:
        old, new = await _replace(board, TaskLabel, task.id, "label_id", values["label_ids"])
        if old != new:
            before["label_ids"] = plain(old)
            changes["labels"] = (ids_of("label", old), ids_of("label", new))
            board.uses.update(f"label:{label_id}" for label_id in old | new)
    if changes or people is not None:
        task.touch(at=board.op.now())
    if changes:
        board.tell(TaskEdited(task_id=task.id, changes=named(changes), text_ids=text_ids, **board.about))
    if people is not None:
        before["assignee_ids"] = plain(people[0])
        await _reassign(board, task, *people)
    parents = {before.get("parent_id"), fields.get("parent_id")} - {None}
    board.uses.update(f"task:{id}" for id in (task_id, *parents))
    board.touches.update(f"task:{task_id}:{name}" for name in before)
    if before.keys() & _DATES:  # each was right beside the other
        board.uses.update(f"task:{task_id}:{name}" for name in _DATES)
    return [{"do": "edit_task", "task_id": task_id, "values": plain(before)}] if before else []


@step("relate")
async def relate(board: OpenBoard, *, task_id: str, other_id: str, kind: str) -> list[Step]:
    task, target = await board.task(UUID(task_id)), await board.task(UUID(other_id), path=("otherId",))
    relation = TaskRelationKind(kind)
    task.require_live()
    if await _relation(board, task, target, relation) is not None:
        return []
    for one, end in ((task, col(TaskRelation.task_id)), (target, col(TaskRelation.other_id))):
        count = sa.select(sa.func.count()).where(end == one.id)
        if (await board.tx.execute(count)).scalar_one() >= MAX_RELATIONS:
            raise TaskIsFull("relations", limit=MAX_RELATIONS)
    if relation is TaskRelationKind.BLOCKS:
        blocked = _BLOCKED.bindparams(id=target.id, other_id=task.id)
        if (await board.tx.execute(blocked)).first() is not None:
            raise Invalid(
                ("otherId",), "CYCLE", "That one blocks this one already, directly or through others."
            )
    board.tx.add(TaskRelation(task_id=task.id, other_id=target.id, kind=relation, board_id=board.row.id))
    board.tell(TaskRelated(task_id=task.id, other_task_id=target.id, relation=relation, **board.about))
    board.touches.add(f"relation:{task_id}:{other_id}:{kind}")
    board.uses.update((f"task:{task_id}", f"task:{other_id}"))
    return [{"do": "unrelate", "task_id": task_id, "other_id": other_id, "kind": kind}]


@step("unrelate")
async def unrelate(board: OpenBoard, *, task_id: str, other_id: str, kind: str) -> list[Step]:
    task, target = await board.task(UUID(task_id)), await board.task(UUID(other_id), path=("otherId",))
    relation = TaskRelationKind(kind)
    task.require_live()
    found = await _relation(board, task, target, relation)
    if found is None:
        return []
    await board.tx.session.delete(found)
    board.tell(TaskUnrelated(task_id=task.id, other_task_id=target.id, relation=relation, **board.about))
    board.touches.add(f"relation:{task_id}:{other_id}:{kind}")
    board.uses.update((f"task:{task_id}", f"task:{other_id}"))
    return [{"do": "relate", "task_id": task_id, "other_id": other_id, "kind": kind}]


def _times(task: Task) -> dict[str, str | None]:
    return {name: plain(getattr(task, name)) for name in _TIMES}


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _leave(board: OpenBoard, stay: TaskStay, *, device: str | None = None) -> None:
    stay.until_number, stay.until_at, stay.until_device = board.number + 1, board.op.now(), device


def _enter(
    board: OpenBoard,
    row: Task,
    *,
    device: str | None = None,
    move: str | None = None,
    moved_at: datetime | None = None,
    taken_up: TaskStay | None = None,
) -> None:
    """`taken_up` is the stay that goes on, as its end was undone."""
    board.tx.add(TaskStay(
        id=new_id(), board_id=row.board_id, task_id=row.id, column_id=row.column_id,
        category=board.columns[row.column_id].category, rank=row.rank, from_number=board.number + 1,
        from_at=board.op.now() if taken_up is None else taken_up.from_at, device=device, move_id=move,
        moved_at=moved_at or board.op.now(), until_number=NEVER,
    ))  # fmt: skip


async def _rank_again(board: OpenBoard, column: BoardColumn, stay_id: str | None, *, but: UUID) -> str:
    """The place of a stay that is over, behind whoever has taken exactly it since; the end when it is forgotten."""
    stay = None if stay_id is None else await board.tx.get(TaskStay, col(TaskStay.id) == UUID(stay_id))
    if stay is None or stay.rank is None or stay.column_id != column.id:
        last = await board.neighbour(column.id, None, below=True, but=but)
        return await board.rank_between(column.id, None if last is None else last.rank, None)
    taken = sa.select(col(Task.id)).where(
        col(Task.column_id) == column.id, col(Task.rank) == stay.rank, col(Task.archived_at).is_(None), col(Task.id) != but
    )  # fmt: skip
    if (await board.tx.execute(taken)).first() is None:
        return stay.rank
    following = await board.neighbour(column.id, stay.rank, below=False, but=but)
    return await board.rank_between(column.id, stay.rank, None if following is None else following.rank)


async def _require_unblocked(board: OpenBoard, row: Task, column: BoardColumn) -> None:
    if not board.row.guards_completion or column.category is not ColumnCategory.COMPLETED:
        return
    done = [one.id for one in board.columns.values() if one.category in _DONE]
    statement = (
        sa.select(col(Task.number))
        .join(TaskRelation, col(TaskRelation.task_id) == col(Task.id))
        .where(
            col(TaskRelation.other_id) == row.id, col(TaskRelation.kind) == TaskRelationKind.BLOCKS,
            col(Task.archived_at).is_(None), col(Task.column_id).not_in(done),
        )
        .order_by(col(Task.number))
    )  # fmt: skip
    if numbers := [number for (number,) in await board.tx.execute(statement)]:
        raise BlockedTask([f"{board.row.key}-{number}" for number in numbers], task_id=row.id)


async def _replace(
    board: OpenBoard, table: Any, task_id: UUID, name: str, wanted: Iterable[Any]
) -> tuple[set[UUID], set[UUID]]:
    """Make the list of a task what is wanted; what it was and what it is."""
    column = getattr(table, name)
    found = await board.tx.execute(sa.select(column).where(table.task_id == task_id))
    old, new = {key for (key,) in found}, {UUID(str(key)) for key in wanted}
    if gone := old - new:
        await board.tx.execute(sa.delete(table).where(table.task_id == task_id, column.in_(gone)))
    board.tx.add(*(table(task_id=task_id, **{name: key}) for key in sorted(new - old)))
    return old, new


async def _other_people(
    board: OpenBoard, row: Task, wanted: Sequence[Any]
) -> tuple[set[UUID], set[UUID]] | None:
    """Who does the task and who shall do it, if that differs. Raises `WipLimit` before anything is written."""
    old, new = await board.assignees(row.id), {UUID(str(key)) for key in wanted}
    if new - old:
        new &= old | await board.members()  # who left since is not given it back
    if board.columns[row.column_id].category is ColumnCategory.STARTED:
        await board.require_hands(sorted(new - old), but=row)
    return None if old == new else (old, new)


async def require_no_cycle(board: OpenBoard, task: Task | None, parent_id: UUID) -> None:
    """Raises `Invalid` when the task would be below itself, or anything lie deeper than `MAX_LEVELS`."""
    parent, levels = await board.task(parent_id, path=("parentId",)), 2
    while True:
        if task is not None and parent.id == task.id:
            raise Invalid(("parentId",), "CYCLE", "A task cannot be below itself.")
        if parent.parent_id is None:
            break
        parent, levels = await board.task(parent.parent_id), levels + 1
    if task is not None:
        await board.tx.session.flush()
        levels += int((await board.tx.execute(_HEIGHT.bindparams(id=task.id))).scalar_one())
    if levels > MAX_LEVELS:
        message = f"Tasks lie at most {MAX_LEVELS} levels deep."
        raise Invalid(("parentId",), "DEPTH", message, max=str(MAX_LEVELS))


_BLOCKED = sa.text("""
    with recursive blocked(id) as (
        select cast(:id as uuid)
        union
        select other_id from task_relation join blocked on task_id = blocked.id where kind = 'BLOCKS'
    ) select 1 from blocked where id = :other_id
""").bindparams(sa.bindparam("other_id", type_=sa.Uuid))

_HEIGHT = sa.text("""
    with recursive below(id, level) as (
        select cast(:id as uuid), 0
        union all
        select task.id, level + 1 from task join below on task.parent_id = below.id where level < 10
    ) select max(level) from below
""")


async def _reassign(board: OpenBoard, row: Task, old: set[UUID], new: set[UUID]) -> None:
    await _replace(board, TaskAssignee, row.id, "user_id", new)
    present = await board.members() if old - new else set()
    for person_id in sorted(old - new):
        # Who has left is not told what goes on.
        event = TaskUnassigned if person_id in present else TaskFreed
        board.tell(event(task_id=row.id, person_id=person_id, **board.about))
    for person_id in sorted(new - old):
        board.tell(TaskAssigned(task_id=row.id, person_id=person_id, **board.about))


async def _relation(board: OpenBoard, row: Task, other: Task, kind: TaskRelationKind) -> TaskRelation | None:
    return await board.tx.get(
        TaskRelation, col(TaskRelation.task_id) == row.id, col(TaskRelation.other_id) == other.id,
        col(TaskRelation.kind) == kind,
    )  # fmt: skip
