"""The changes that acts on boards are made of. Each tells what happened and answers the steps that take it back."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.board import (
    MAX_COLUMNS,
    MAX_LABELS,
    NEVER,
    Board,
    BoardColumn,
    BoardFull,
    BoardLabel,
    BoardText,
    ColumnCategory,
    ColumnNotEmpty,
    KeyTaken,
    LastColumn,
    NameTaken,
)
from models.board_events import (
    BoardEdited,
    ColumnAdded,
    ColumnEdited,
    ColumnMoved,
    ColumnRemoved,
    LabelAdded,
    LabelEdited,
    LabelRemoved,
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
from models.ids import encode_id, new_id
from models.rank import LONGEST, between, spread
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
from resolvers.open_board import OpenBoard, Step

Change = Callable[..., Awaitable[list[Step]]]
STEPS: dict[str, Change] = {}
_REFERENCES = {"parent_id": "task", "assignee_id": "person"}
_DATES = frozenset({"starts_on", "due_on"})
_TIMES = ("started_at", "completed_at")
_DONE = (ColumnCategory.COMPLETED, ColumnCategory.CANCELLED)


def step(name: str) -> Callable[[Change], Change]:
    """Register a change under the name that steps call it by; arguments are named, and come as they do from JSON."""

    def register(change: Change) -> Change:
        STEPS[name] = change
        return change

    return register


async def take(board: OpenBoard, *steps: Step) -> list[Step]:
    """Do the steps in order; what takes them back, in the order to do that."""
    inverse: list[Step] = []
    for one in steps:
        inverse = [*await STEPS[one["do"]](board, **{k: v for k, v in one.items() if k != "do"}), *inverse]
    return inverse


def plain(value: Any) -> Any:
    """A value as JSON keeps it."""
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, UUID) else value


# -- the board, its columns and labels -----------------------------------------------------------------------------------------


@step("edit_board")
async def edit_board(board: OpenBoard, *, values: Mapping[str, Any]) -> list[Step]:
    if "key" in values:
        taken = sa.select(col(Board.id)).where(
            col(Board.client_id) == board.row.client_id, col(Board.key) == values["key"], col(Board.id) != board.row.id
        )  # fmt: skip
        if (await board.tx.execute(taken)).first() is not None:
            raise KeyTaken.violated()
    before = set_changed(board.row, values)
    if not before:
        return []
    board.row.touch(at=board.op.now())
    board.tell(BoardEdited(changes=told(before, board.row), **board.about))
    board.touches.update(f"board:{name}" for name in before)
    return [{"do": "edit_board", "values": before}]


@step("add_column")
async def add_column(
    board: OpenBoard, *, column_id: str, values: Mapping[str, Any], behind: Sequence[str]
) -> list[Step]:
    """`behind` are the columns before it, the nearest first: it is put behind the first one that is still there."""
    live = in_order(board.columns.values())
    if len(live) >= MAX_COLUMNS:
        raise BoardFull("columns", limit=MAX_COLUMNS)
    _require_new_name(values["name"], live)
    column = board.columns.get(UUID(column_id))
    if column is None:
        kind = ColumnCategory(values["category"])
        column = BoardColumn(
            id=UUID(column_id), board_id=board.row.id, rank="", updated_at=board.op.now(),
            **{**values, "category": kind},
        )  # fmt: skip
        board.tx.add(column)
    _put_behind(board, column, behind)
    board.columns[column.id] = column
    column.removed_at = None
    column.touch(at=board.op.now())
    await board.tx.session.flush()
    board.tell(ColumnAdded(
        column_id=column.id, after_column_id=next(map(UUID, before_column(board, column)), None), name=column.name, category=column.category,
        wip_limit=column.wip_limit, wip_is_hard=column.wip_is_hard, **board.about,
    ))  # fmt: skip
    board.touches.add(f"column:{column.id}")
    return [{"do": "remove_column", "column_id": column_id}]


@step("remove_column")
async def remove_column(board: OpenBoard, *, column_id: str) -> list[Step]:
    column = await board.column(UUID(column_id), path=("id",))
    count = await board.count_in(column.id)
    if count:
        raise ColumnNotEmpty(count, entity_id=column.id)
    if len(in_order(board.columns.values())) == 1:
        raise LastColumn(entity_id=column.id)
    column.removed_at = board.op.now()
    column.touch(at=board.op.now())
    board.tell(ColumnRemoved(column_id=column.id, **board.about))
    board.touches.add(f"column:{column.id}")
    values = {name: plain(getattr(column, name)) for name in sorted(BoardColumn.EDITABLE)}
    return [
        {"do": "add_column", "column_id": column_id, "values": values, "behind": before_column(board, column)}
    ]


@step("edit_column")
async def edit_column(board: OpenBoard, *, column_id: str, values: Mapping[str, Any]) -> list[Step]:
    column = await board.column(UUID(column_id), path=("id",))
    values = {**values}
    if "name" in values:
        _require_new_name(values["name"], in_order(board.columns.values(), but=column))
    if "category" in values:
        values["category"] = ColumnCategory(values["category"])
        # Whoever stands in it would be started or done without having moved.
        if values["category"] is not column.category and (count := await board.count_in(column.id)):
            raise ColumnNotEmpty(count, entity_id=column.id)
    before = set_changed(column, values)
    if not before:
        return []
    column.touch(at=board.op.now())
    board.tell(ColumnEdited(column_id=column.id, changes=told(before, column), **board.about))
    board.uses.add(f"column:{column.id}")
    board.touches.update(f"column:{column.id}:{name}" for name in before)
    return [{"do": "edit_column", "column_id": column_id, "values": before}]


@step("move_column")
async def move_column(board: OpenBoard, *, column_id: str, behind: Sequence[str]) -> list[Step]:
    """`behind` as of `add_column`."""
    column = await board.column(UUID(column_id), path=("id",))
    before = before_column(board, column)
    _put_behind(board, column, behind)
    after = before_column(board, column)
    if before == after:
        return []
    column.touch(at=board.op.now())
    board.tell(ColumnMoved(
        column_id=column.id, after_column_id=UUID(after[0]) if after else None, **board.about
    ))  # fmt: skip
    board.uses.add(f"column:{column.id}")
    board.touches.add(f"column:{column.id}:rank")
    return [{"do": "move_column", "column_id": column_id, "behind": before}]


@step("add_label")
async def add_label(
    board: OpenBoard, *, label_id: str, values: Mapping[str, Any], task_ids: Sequence[str] = ()
) -> list[Step]:
    labels = await labels_of(board)
    live = [one for one in labels.values() if one.removed_at is None]
    if len(live) >= MAX_LABELS:
        raise BoardFull("labels", limit=MAX_LABELS)
    _require_new_name(values["name"], live)
    label = labels.get(UUID(label_id))
    if label is None:
        label = BoardLabel(id=UUID(label_id), board_id=board.row.id, **values)
        board.tx.add(label)
    label.removed_at = None
    await board.tx.session.flush()
    board.tell(LabelAdded(label_id=label.id, name=label.name, color=label.color, **board.about))
    await _label_again(board, label.id, [UUID(task_id) for task_id in task_ids])
    board.touches.add(f"label:{label.id}")
    return [{"do": "remove_label", "label_id": label_id}]


@step("remove_label")
async def remove_label(board: OpenBoard, *, label_id: str) -> list[Step]:
    label = await board.find(BoardLabel, UUID(label_id), what="label")
    if label.removed_at is not None:
        return []
    gone = await board.tx.execute(
        sa.delete(TaskLabel).where(col(TaskLabel.label_id) == label.id).returning(col(TaskLabel.task_id))
    )
    tasks = sorted(str(task_id) for (task_id,) in gone)
    label.removed_at = board.op.now()
    board.tell(LabelRemoved(label_id=label.id, **board.about))
    board.touches.add(f"label:{label.id}")
    values = {name: getattr(label, name) for name in sorted(BoardLabel.EDITABLE)}
    return [{"do": "add_label", "label_id": label_id, "values": values, "task_ids": tasks}]


@step("edit_label")
async def edit_label(board: OpenBoard, *, label_id: str, values: Mapping[str, Any]) -> list[Step]:
    labels = await labels_of(board)
    label = await board.find(BoardLabel, UUID(label_id), what="label")
    if "name" in values:
        _require_new_name(
            values["name"], [o for o in labels.values() if o.removed_at is None and o is not label]
        )
    before = set_changed(label, values)
    if not before:
        return []
    board.tell(LabelEdited(label_id=label.id, changes=told(before, label), **board.about))
    board.uses.add(f"label:{label.id}")
    board.touches.update(f"label:{label.id}:{name}" for name in before)
    return [{"do": "edit_label", "label_id": label_id, "values": before}]


# -- tasks ---------------------------------------------------------------------------------------------------------------------


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
            changes["labels"] = (_ids("label", old), _ids("label", new))
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


async def labels_of(board: OpenBoard) -> dict[UUID, BoardLabel]:
    """All labels of the board, removed ones too."""
    rows = await board.tx.all(BoardLabel, col(BoardLabel.board_id) == board.row.id)
    return {row.id: row for row in rows}


# -- what the steps share ------------------------------------------------------------------------------------------------------


def set_changed(row: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Set the values that differ; what they were."""
    before = {name: getattr(row, name) for name, value in values.items() if getattr(row, name) != value}
    for name in before:
        setattr(row, name, values[name])
    return before


def told(before: Mapping[str, Any], row: Any) -> dict[str, tuple[str | None, str | None]]:
    return named(
        {name: (text_of(name, old), text_of(name, getattr(row, name))) for name, old in before.items()}
    )


def named(changes: Mapping[str, tuple[str | None, str | None]]) -> dict[str, tuple[str | None, str | None]]:
    """By the names of the API."""
    return {_public(name): change for name, change in changes.items()}


def _public(name: str) -> str:
    if name in _REFERENCES:
        return name.removesuffix("_id")
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def text_of(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if name in _REFERENCES:
        return encode_id(_REFERENCES[name], value)
    return str(value).lower() if isinstance(value, bool) else str(plain(value))


def typed(name: str, value: Any) -> Any:
    if isinstance(value, str):
        if name in {"starts_on", "due_on"}:
            return date.fromisoformat(value)
        if name == "parent_id":
            return UUID(value)
    return value


def _ids(prefix: str, keys: set[UUID]) -> str:
    return " ".join(encode_id(prefix, key) for key in sorted(keys))


def _require_new_name(name: str, others: Sequence[BoardColumn | BoardLabel]) -> None:
    if any(other.name.lower() == name.lower() for other in others):
        raise NameTaken(f"There is one called “{name}” already.", path=("name",))


def in_order(columns: Iterable[BoardColumn], *, but: BoardColumn | None = None) -> list[BoardColumn]:
    """Those on the board, from left to right."""
    live = (column for column in columns if column.removed_at is None and column is not but)
    return sorted(live, key=lambda column: (column.rank, column.id))


def before_column(board: OpenBoard, column: BoardColumn) -> list[str]:
    """The columns before this one, the nearest first."""
    others = in_order(board.columns.values(), but=column)
    return [str(other.id) for other in reversed(others) if (other.rank, other.id) < (column.rank, column.id)]


def _put_behind(board: OpenBoard, column: BoardColumn, behind: Sequence[str]) -> None:
    """Give the column a rank behind the first of these that is on the board; before all others if none is."""
    others = in_order(board.columns.values(), but=column)
    ids = [str(other.id) for other in others]
    at = next((ids.index(id) + 1 for id in behind if id in ids), 0)
    ranks: list[str | None] = [None, *(other.rank for other in others), None]
    rank = between(ranks[at], ranks[at + 1])
    if len(rank) > LONGEST:
        others.insert(at, column)
        for one, new in zip(others, spread(len(others)), strict=True):
            one.rank = new
    else:
        column.rank = rank


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


def keep_text(board: OpenBoard, subject_id: UUID, name: str, body: str) -> UUID:
    text = BoardText(
        id=new_id(), board_id=board.row.id, subject_id=subject_id, field=name,
        author_id=board.op.viewer.user_id, body=body, created_at=board.op.now(),
    )  # fmt: skip
    board.tx.add(text)
    return text.id


async def _label_again(board: OpenBoard, label_id: UUID, task_ids: Sequence[UUID]) -> None:
    """Tasks that had a label before it was removed have it again; told of each, as lists of labels are told whole."""
    kept: dict[UUID, set[UUID]] = {task_id: set() for task_id in task_ids}
    found = sa.select(col(TaskLabel.task_id), col(TaskLabel.label_id)).where(
        col(TaskLabel.task_id).in_(task_ids)
    )
    for row in await board.tx.execute(found):
        kept[row.task_id].add(row.label_id)
    for task_id, old in kept.items():
        (await board.task(task_id)).touch(at=board.op.now())
        board.tx.add(TaskLabel(task_id=task_id, label_id=label_id))
        before, after = _ids("label", old), _ids("label", {*old, label_id})
        board.tell(TaskEdited(
            task_id=task_id, changes={"labels": (before, after)}, text_ids={}, **board.about
        ))  # fmt: skip


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
