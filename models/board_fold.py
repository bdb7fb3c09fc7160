"""A board at any past instant, by folding its facts from the beginning: what a client does who follows it, done for one
who did not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from models.board import ColumnCategory
from models.ids import decode_id
from models.task import TaskPriority


@dataclass(slots=True)
class ColumnThen:
    id: UUID
    name: str
    category: ColumnCategory
    wip_limit: int | None
    wip_is_hard: bool


@dataclass(slots=True)
class TaskThen:
    """`text_ids` are the versions of its title and description that were in force."""

    id: UUID
    number: int
    text_ids: dict[str, UUID]
    priority: TaskPriority = TaskPriority.NONE
    starts_on: str | None = None
    due_on: str | None = None
    estimate: int | None = None
    swimlane: str | None = None
    parent_id: UUID | None = None
    label_ids: set[UUID] = field(default_factory=set)
    assignee_ids: set[UUID] = field(default_factory=set)
    is_archived: bool = False


@dataclass(slots=True)
class BoardThen:
    key: str = ""
    column_ids: list[UUID] = field(default_factory=list)
    columns: dict[UUID, ColumnThen] = field(default_factory=dict)
    tasks: dict[UUID, TaskThen] = field(default_factory=dict)
    labels: dict[UUID, str] = field(default_factory=dict)
    # A chain for each column, which is its own first link: a move costs the same however many tasks there are.
    behind: dict[UUID, UUID] = field(default_factory=dict)
    before: dict[UUID, UUID] = field(default_factory=dict)

    def standing(self, column_id: UUID) -> list[TaskThen]:
        """The tasks in a column, from top to bottom."""
        found, link = [], column_id
        while (following := self.behind.get(link)) is not None:
            found.append(self.tasks[following])
            link = following
        return found

    def put(self, task_id: UUID, behind: UUID) -> None:
        """Let it stand behind a task, or first behind its column."""
        self.take(task_id)
        self._link(task_id, self.behind.get(behind))
        self._link(behind, task_id)

    def take(self, task_id: UUID) -> None:
        """Let it stand nowhere."""
        if (before := self.before.pop(task_id, None)) is not None:
            self._link(before, self.behind.pop(task_id, None))

    def _link(self, first: UUID, second: UUID | None) -> None:
        if second is None:
            self.behind.pop(first, None)
        else:
            self.behind[first], self.before[second] = second, first


def fold_board(facts: Iterable[Any]) -> BoardThen:
    """The board after these facts, which are all of its stream from the first one on, in order: each with `kind`,
    `person_id` and `payload` as they were written."""
    board = BoardThen()
    for fact in facts:
        _fold(board, fact)
    return board


def _fold(board: BoardThen, fact: Any) -> None:
    told = fact.payload
    match fact.kind:
        case "BoardCreated":
            board.key = told["key"]
        case "BoardEdited":
            board.key = _after(told, "key", board.key)
        case "ColumnAdded" | "ColumnMoved" | "ColumnEdited" | "ColumnRemoved":
            _fold_column(board, fact.kind, told)
        case "LabelAdded":
            board.labels[UUID(told["label_id"])] = told["name"]
        case "LabelEdited":
            key = UUID(told["label_id"])
            board.labels[key] = _after(told, "name", board.labels[key])
        case "LabelRemoved":
            key = UUID(told["label_id"])
            del board.labels[key]
            for task in board.tasks.values():
                task.label_ids.discard(key)
        case "TaskCreated" | "TaskMoved" | "TaskArchived" | "TaskRestored" | "TaskEdited":
            _fold_task(board, fact.kind, told)
        case "TaskAssigned" if fact.person_id is not None:
            board.tasks[UUID(told["task_id"])].assignee_ids.add(fact.person_id)
        case "TaskUnassigned" | "TaskFreed" if fact.person_id is not None:
            board.tasks[UUID(told["task_id"])].assignee_ids.discard(fact.person_id)
        case _:
            pass  # comments, checklists and the like hang on tasks and are not part of the picture


def _fold_column(board: BoardThen, kind: str, told: Mapping[str, Any]) -> None:
    key = UUID(told["column_id"])
    if kind == "ColumnAdded":
        board.columns[key] = ColumnThen(
            key, told["name"], ColumnCategory(told["category"]), told["wip_limit"], told["wip_is_hard"]
        )
    elif kind == "ColumnEdited":
        column = board.columns[key]
        column.name = _after(told, "name", column.name)
        column.category = ColumnCategory(_after(told, "category", column.category))
        limit = _after(told, "wipLimit", column.wip_limit)
        column.wip_limit = None if limit is None else int(limit)
        column.wip_is_hard = str(_after(told, "wipIsHard", column.wip_is_hard)).lower() == "true"
    elif kind == "ColumnRemoved":
        board.column_ids.remove(key)
    if kind in {"ColumnAdded", "ColumnMoved"}:
        _put(board.column_ids, key, told["after_column_id"])


def _fold_task(board: BoardThen, kind: str, told: Mapping[str, Any]) -> None:
    key = UUID(told["task_id"])
    if kind == "TaskCreated":
        text_ids = {name: UUID(text_id) for name, text_id in told["text_ids"].items()}
        board.tasks[key] = TaskThen(key, told["number"], text_ids)
    elif kind == "TaskEdited":
        _edit(board.tasks[key], told)
    else:
        board.tasks[key].is_archived = kind == "TaskArchived"
        board.take(key)
    if kind in {"TaskCreated", "TaskMoved", "TaskRestored"}:
        board.put(key, UUID(told["after_task_id"] or told["column_id"]))


def _edit(task: TaskThen, told: Mapping[str, Any]) -> None:
    task.text_ids.update({name: UUID(text_id) for name, text_id in told["text_ids"].items()})
    task.priority = TaskPriority(_after(told, "priority", task.priority))
    task.starts_on = _after(told, "startsOn", task.starts_on)
    task.due_on = _after(told, "dueOn", task.due_on)
    estimate = _after(told, "estimate", task.estimate)
    task.estimate = None if estimate is None else int(estimate)
    task.swimlane = _after(told, "swimlane", task.swimlane)
    if "parent" in told["changes"]:
        parent = told["changes"]["parent"][1]
        task.parent_id = None if parent is None else decode_id("task", parent)
    if "labels" in told["changes"]:
        labels = told["changes"]["labels"][1].split()
        task.label_ids = {decode_id("label", label) for label in labels}


def _after(told: Mapping[str, Any], name: str, before: Any) -> Any:
    """The value after a change, or what it was if it did not change."""
    changes = told["changes"]
    return changes[name][1] if name in changes else before


def _put(ids: list[UUID], key: UUID, behind: str | None) -> None:
    if key in ids:
        ids.remove(key)
    ids.insert(0 if behind is None else ids.index(UUID(behind)) + 1, key)
