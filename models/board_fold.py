"""A board at any past instant, by folding its facts from the beginning: what a client does who follows it, done for one
who did not.

What comes out are the rows that the board's tables held then, each with what changes in it. The rest of a row never
changes (who wrote a task, which thread a comment is in), and texts are kept by version. Versions of rows are 0: nothing
can be changed in the past, so no `expectedVersion` fits.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from models.ids import decode_id
from models.task import TaskPriority

Row = dict[str, Any]
Rows = dict[str, Row]
_CAPITAL = re.compile(r"[A-Z]")


class Told(NamedTuple):
    """One fact, as JSON has it. `at` is when it happened, as text that sorts."""

    kind: str
    person_id: str | None
    at: str
    payload: Mapping[str, Any]


@dataclass(slots=True)
class BoardThen:
    """Rows by id, plain enough for JSON; of a board that was folded from no facts there are none."""

    board: Row
    columns: Rows = field(default_factory=dict)
    column_ids: list[str] = field(default_factory=list)
    labels: Rows = field(default_factory=dict)
    tasks: Rows = field(default_factory=dict)
    task_labels: dict[str, set[str]] = field(default_factory=dict)
    assignees: dict[str, set[str]] = field(default_factory=dict)
    relations: set[tuple[str, str, str]] = field(default_factory=set)
    attachments: Rows = field(default_factory=dict)
    checklists: Rows = field(default_factory=dict)
    items: Rows = field(default_factory=dict)
    comments: Rows = field(default_factory=dict)
    reactions: set[tuple[str, str, str]] = field(default_factory=set)
    # A chain for each column, which is its own first link: a move costs the same however many tasks there are.
    behind: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)

    def rows(self) -> dict[str, list[Row]]:
        """By the names of their tables."""
        board_id = self.board["id"]
        for at, column_id in enumerate(self.column_ids):
            self.columns[column_id]["rank"] = f"{at:04}"
            for place, task_id in enumerate(self.standing(column_id)):
                self.tasks[task_id]["rank"] = f"{place:08}"
        return {
            "board": [self.board],
            "board_column": list(self.columns.values()),
            "board_label": list(self.labels.values()),
            "task": list(self.tasks.values()),
            "task_label": list(_pairs(self.task_labels, "label_id")),
            "task_assignee": list(_pairs(self.assignees, "user_id")),
            "task_relation": [
                {"task_id": task_id, "other_id": other_id, "kind": kind, "board_id": board_id}
                for task_id, other_id, kind in self.relations
            ],
            "attachment": list(self.attachments.values()),
            "task_checklist": list(self.checklists.values()),
            "task_checklist_item": list(self.items.values()),
            "task_comment": list(self.comments.values()),
            "task_reaction": [
                {"comment_id": comment_id, "user_id": user_id, "emoji": emoji}
                for comment_id, user_id, emoji in self.reactions
            ],
        }

    def standing(self, column_id: str) -> Iterator[str]:
        """The tasks in a column, from top to bottom."""
        link = column_id
        while (following := self.behind.get(link)) is not None:
            yield following
            link = following

    def put(self, task_id: str, behind: str) -> None:
        """Let it stand behind a task, or first behind its column."""
        self.take(task_id)
        self._link(task_id, self.behind.get(behind))
        self._link(behind, task_id)

    def take(self, task_id: str) -> None:
        """Let it stand nowhere."""
        if (before := self.before.pop(task_id, None)) is not None:
            self._link(before, self.behind.pop(task_id, None))

    def _link(self, first: str, second: str | None) -> None:
        if second is None:
            self.behind.pop(first, None)
        else:
            self.behind[first], self.before[second] = second, first


def fold_board(board_id: UUID, facts: Iterable[Told]) -> BoardThen:
    """The board after these facts, which are all of its stream from the first one on, in order."""
    board = BoardThen({
        "id": str(board_id), "version": 0, "next_number": 1, "assignee_limit": None, "assignee_limit_is_hard": False,
        "guards_completion": False, "progress_follows": False,
    })  # fmt: skip
    for fact in facts:
        if fact.kind.startswith("Board"):
            _fold_board(board, fact)
        elif fact.kind.startswith("Column"):
            _fold_column(board, fact)
        elif fact.kind.startswith("Label"):
            _fold_label(board, fact)
        elif fact.kind.startswith("Checklist"):
            _fold_checklist(board, fact)
        elif fact.kind.startswith("Comment"):
            _fold_comment(board, fact)
        else:
            _fold_task(board, fact)
    return board


def _fold_board(board: BoardThen, fact: Told) -> None:
    if fact.kind == "BoardCreated":
        board.board |= {"key": fact.payload["key"], "updated_at": fact.at}
    elif fact.kind == "BoardEdited":
        board.board |= {**_after(fact.payload), "updated_at": fact.at}


def _fold_column(board: BoardThen, fact: Told) -> None:
    told, key = fact.payload, fact.payload["column_id"]
    match fact.kind:
        case "ColumnAdded":
            board.columns[key] = {
                "id": key, "name": told["name"], "category": told["category"], "wip_limit": told["wip_limit"],
                "wip_is_hard": told["wip_is_hard"], "removed_at": None, "rank": "", "version": 0,
            }  # fmt: skip
        case "ColumnEdited":
            board.columns[key] |= _after(told)
        case "ColumnRemoved":
            board.column_ids.remove(key)
            board.columns[key]["removed_at"] = fact.at
    if fact.kind in {"ColumnAdded", "ColumnMoved"}:
        _put(board.column_ids, key, told["after_column_id"])


def _fold_label(board: BoardThen, fact: Told) -> None:
    told, key = fact.payload, fact.payload["label_id"]
    match fact.kind:
        case "LabelAdded":
            board.labels[key] = {"id": key, "name": told["name"], "color": told["color"], "removed_at": None}
        case "LabelEdited":
            board.labels[key] |= _after(told)
        case "LabelRemoved":
            board.labels[key]["removed_at"] = fact.at
            for labels in board.task_labels.values():
                labels.discard(key)


def _fold_task(board: BoardThen, fact: Told) -> None:
    told, key = fact.payload, fact.payload["task_id"]
    if fact.kind in {"TaskRelated", "TaskUnrelated"}:
        relation = (key, told["other_task_id"], told["relation"])
        (board.relations.add if fact.kind == "TaskRelated" else board.relations.discard)(relation)
        return
    if fact.kind in {"TaskAttached", "TaskDetached"}:
        file_id, gone = told["attachment_id"], fact.at if fact.kind == "TaskDetached" else None
        board.attachments[file_id] = {"id": file_id, "removed_at": gone}
        return
    match fact.kind:
        case "TaskCreated":
            board.tasks[key] = {
                "id": key, "priority": TaskPriority.NONE.value, "starts_on": None, "due_on": None, "estimate": None,
                "swimlane": None, "parent_id": None, "started_at": None, "completed_at": None, "rank": "",
                "version": 0, **told["text_ids"],
            }  # fmt: skip
            board.board["next_number"] = told["number"] + 1
        case "TaskArchived":
            board.tasks[key]["archived_at"] = fact.at
            board.take(key)
        case "TaskEdited":
            _edit(board, key, told)
        case "TaskAssigned":
            board.assignees.setdefault(key, set()).add(str(fact.person_id))
        case "TaskUnassigned" | "TaskFreed":
            board.assignees.setdefault(key, set()).discard(str(fact.person_id))
    if fact.kind in {"TaskCreated", "TaskMoved", "TaskRestored"}:
        _stand(board, key, fact)
    board.tasks[key]["updated_at"] = fact.at


def _stand(board: BoardThen, key: str, fact: Told) -> None:
    task, column_id = board.tasks[key], fact.payload["column_id"]
    board.put(key, fact.payload["after_task_id"] or column_id)
    task["column_id"], task["archived_at"] = column_id, None
    task |= fact.payload.get("times", {})


def _edit(board: BoardThen, key: str, told: Mapping[str, Any]) -> None:
    changes = _after(told)
    if (labels := changes.pop("labels", None)) is not None:
        board.task_labels[key] = {str(decode_id("label", label)) for label in labels.split()}
    if (parent := changes.pop("parent", None)) is not None:
        changes["parent_id"] = str(decode_id("task", parent))
    elif "parent" in told["changes"]:
        changes["parent_id"] = None
    board.tasks[key] |= {**changes, **told["text_ids"]}


def _fold_checklist(board: BoardThen, fact: Told) -> None:
    told = fact.payload
    match fact.kind:
        case "ChecklistAdded" | "ChecklistRemoved":
            gone = fact.at if fact.kind == "ChecklistRemoved" else None
            key = told["checklist_id"]
            board.checklists.setdefault(key, {"id": key})["removed_at"] = gone
        case "ChecklistItemAdded" | "ChecklistItemRemoved":
            gone = fact.at if fact.kind == "ChecklistItemRemoved" else None
            key = told["item_id"]
            first = {"id": key, "is_done": False, "assignee_id": None, "due_on": None}
            board.items.setdefault(key, first | told.get("values", {}))["removed_at"] = gone
        case "ChecklistItemEdited":
            changes = _after(told)
            if "assignee" in changes:
                person = changes.pop("assignee")
                changes["assignee_id"] = None if person is None else str(decode_id("person", person))
            changes.pop("text", None)
            board.items[told["item_id"]] |= changes


def _fold_comment(board: BoardThen, fact: Told) -> None:
    told, key = fact.payload, fact.payload["comment_id"]
    match fact.kind:
        case "CommentAdded":
            board.comments[key] = {"id": key, "edited_at": None, "deleted_at": None}
        case "CommentEdited":
            board.comments[key]["edited_at"] = fact.at
        case "CommentDeleted" | "CommentRestored":
            board.comments[key]["deleted_at"] = fact.at if fact.kind == "CommentDeleted" else None
        case "CommentReacted":
            reaction = (key, str(fact.person_id), told["emoji"])
            (board.reactions.add if told["is_on"] else board.reactions.discard)(reaction)


def _after(told: Mapping[str, Any]) -> Row:
    """Values after a change by the names of their columns, without those of texts."""
    return {_column_of(name): after for name, (_, after) in told["changes"].items() if name not in _TEXTS}


_TEXTS = frozenset({"title", "description"})


def _column_of(name: str) -> str:
    return _CAPITAL.sub(lambda capital: f"_{capital[0].lower()}", name)


def _pairs(groups: Mapping[str, set[str]], name: str) -> Iterator[Row]:
    return ({"task_id": task_id, name: key} for task_id, keys in groups.items() for key in keys)


def _put(ids: list[str], key: str, behind: str | None) -> None:
    if key in ids:
        ids.remove(key)
    ids.insert(0 if behind is None else ids.index(behind) + 1, key)
