"""Tasks as members of their board see them. What can be done to them is in `task_acts`."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
import strawberry
from sqlmodel import col

from auth import access
from auth.viewer import Viewer
from models.attachment import Attachment as AttachmentRow
from models.board import Board, BoardText
from models.ids import decode_id
from models.stream import Fact
from models.task import (
    Task,
    TaskAssignee,
    TaskChecklist,
    TaskComment,
    TaskLabel,
    TaskRelation,
    TaskWatcher,
)
from models.vocabulary import Vocabulary
from resolvers.operation import Operation
from schema.activity import ActivityType
from schema.board_words import TaskPriority
from schema.connections import Connection, connection
from schema.filters import (
    Clause,
    DateFilter,
    DateTimeFilter,
    Equality,
    IntFilter,
    TextFilter,
    compares,
    means,
)
from schema.graph import column, computed, many, node, one, sql
from schema.keyset import Direction, Key, Nulls
from schema.node import Node
from schema.people import PersonType
from schema.scalars import Markdown
from schema.task_parts import BoardTextType, TaskChecklistType, TaskCommentType, TaskRelationType
from schema.type_names import Attachment, BoardColumn, BoardLabel
from schema.type_names import Board as BoardName
from schema.type_names import Task as TaskName
from schema.words import words


def live(_: Viewer) -> Clause:
    return col(Task.archived_at).is_(None)


def _on_a_board(_: Viewer) -> Clause:
    # A literal, so that the partial index fits.
    return sa.func.starts_with(col(Fact.stream), sa.literal_column("'board:'"))


_key = sa.select(col(Board.key)).where(col(Board.id) == col(Task.board_id)).correlate_except(Board)


@node(
    "task",
    Task,
    scope=access.on_visible_boards(col(Task.board_id)),
    name="Task",
    description="A piece of the work on a board; its members see it.",
)
class TaskType(Node):
    key: str = computed(
        lambda key, number: f"{key}-{number}",
        _key.scalar_subquery().label("board_key"),
        Task.number,
        description="A short handle for people, such as G7-42. Boards of one client have different ones; those of two clients may not, and it "
        "changes with the key of the board: programs take `id`.",
    )
    number: int = column(Task.number, "Its number on the board; never changes.")
    title: str = column(Task.title, "1 to 200 characters.")
    description: Markdown = column(Task.description, "At most 20,000 characters; may be empty.")
    priority: TaskPriority = column(Task.priority, "How urgent it is.")
    starts_on: date | None = column(Task.starts_on, "When it shall be begun; null if nobody has said.")
    due_on: date | None = column(Task.due_on, "When it shall be done; null if nobody has said.")
    estimate: int | None = column(Task.estimate, "How much work it is, in points; null if nobody has said.")
    swimlane: str | None = column(
        Task.swimlane, "A word to group tasks by across columns; null if it is in none."
    )
    board: BoardName | None = one(Task.board_id, "Its board; always there.")
    parent: TaskName | None = one(Task.parent_id, "The task it is a part of; null if it is none.")
    subtasks: Connection[TaskName] = connection(
        Task.parent_id, "Its parts, oldest first.", default=(Key(sql(Task.created_at)),)
    )
    creator: PersonType | None = one(Task.creator_id, "Who wrote it; null if they are gone from the board.")
    assignees: list[PersonType] = many(
        TaskAssignee.task_id,
        "Who shall do it; without those who are gone from the board.",
        to=TaskAssignee.user_id,
        order=[TaskAssignee.user_id],
    )
    watchers: list[PersonType] | None = many(
        TaskWatcher.task_id,
        "Who is told of comments on it; null on a board of the past.",
        to=TaskWatcher.user_id,
        order=[TaskWatcher.user_id],
        is_of_now=True,
    )
    labels: list[BoardLabel] = many(
        TaskLabel.task_id, "Its labels.", to=TaskLabel.label_id, order=[TaskLabel.label_id]
    )
    relations: list[TaskRelationType] = many(
        TaskRelation.task_id,
        "How it stands to others: what it blocks, relates to, duplicates.",
        order=[TaskRelation.kind, TaskRelation.other_id],
    )
    inverse_relations: list[TaskRelationType] = many(
        TaskRelation.other_id,
        "How others stand to it: what it is blocked by, related to, duplicated by.",
        order=[TaskRelation.kind, TaskRelation.task_id],
    )
    checklists: list[TaskChecklistType] = many(
        TaskChecklist.task_id,
        "Its checklists, oldest first.",
        order=[TaskChecklist.created_at, TaskChecklist.id],
        where=sql(TaskChecklist.removed_at).is_(None),
    )
    attachments: list[Attachment] = many(
        AttachmentRow.subject_id,
        "Files on it, oldest first; at most 50.",
        order=[AttachmentRow.attached_at, AttachmentRow.id],
        where=sql(AttachmentRow.removed_at).is_(None),
    )
    comments: Connection[TaskCommentType] = connection(
        TaskComment.task_id,
        "What was said about it, oldest first; answers stand by their own time, under the thread they belong to.",
        default=(Key(sql(TaskComment.created_at)),),
    )
    activity: Connection[ActivityType] = connection(
        sa.cast(col(Fact.payload)["task_id"].astext, sa.Uuid),
        "What happened to it, in order: who changed what, when, before and after.",
        default=(Key(sql(Fact.number)),),
        tie_break=Fact.id,
        narrowed=_on_a_board,
    )
    texts: Connection[BoardTextType] = connection(
        BoardText.subject_id,
        "All versions of its title and description, oldest first.",
        default=(Key(sql(BoardText.created_at)),),
        tie_break=BoardText.id,
    )
    created_at: datetime = column(Task.created_at, "When it was written.")
    started_at: datetime | None = column(
        Task.started_at, "When it first came into a STARTED column; null before."
    )
    completed_at: datetime | None = column(
        Task.completed_at, "Since when it stands in a COMPLETED column; null while it does not."
    )
    archived_at: datetime | None = column(
        Task.archived_at, "When it was archived; null while it is on the board."
    )
    updated_at: datetime = column(Task.updated_at, "When it was changed or moved last.")
    version: int = column(Task.version, "Counts changes and moves; for `expectedVersion`.")
    # The last one: it hides the function of that name.
    column: BoardColumn | None = one(
        Task.column_id, "Where it stands, or stood when it was archived; always there."
    )


def _has(table: Any, attribute: Any, prefix: str, name: str) -> Callable[[Any, Operation], Clause]:
    """A condition: the task has one of these in an association table."""

    def condition(ids: list[str], _: Operation) -> Clause:
        keys = [decode_id(prefix, id, path=("where", name)) for id in ids]
        return sa.exists().where(table.task_id == col(Task.id), attribute.in_(keys)).correlate_except(table)

    return condition


def _stands_in(ids: list[str], _: Operation) -> Clause:
    return col(Task.column_id).in_([decode_id("column", id, path=("where", "columns")) for id in ids])


@strawberry.input(description="Which tasks to list.")
class TaskWhere:
    columns: strawberry.Maybe[list[strawberry.ID]] = means(_stands_in, "Standing in one of these columns.")
    assignees: strawberry.Maybe[list[strawberry.ID]] = means(
        _has(TaskAssignee, col(TaskAssignee.user_id), "person", "assignees"), "For one of these people to do."
    )
    labels: strawberry.Maybe[list[strawberry.ID]] = means(
        _has(TaskLabel, col(TaskLabel.label_id), "label", "labels"), "With one of these labels."
    )
    due_on: strawberry.Maybe[DateFilter] = compares(Task.due_on, "By when it shall be done.")
    title: strawberry.Maybe[TextFilter] = compares(Task.title, "By title.")
    number: strawberry.Maybe[IntFilter] = compares(Task.number, "By number on the board.")
    priority: strawberry.Maybe[Equality[TaskPriority]] = compares(Task.priority, "By priority.")
    swimlane: strawberry.Maybe[TextFilter] = compares(Task.swimlane, "By swimlane.")
    estimate: strawberry.Maybe[IntFilter] = compares(Task.estimate, "By estimate.")
    created_at: strawberry.Maybe[DateTimeFilter] = compares(Task.created_at, "By when it was written.")
    completed_at: strawberry.Maybe[DateTimeFilter] = compares(Task.completed_at, "By when it was completed.")
    archived_at: strawberry.Maybe[DateTimeFilter] = compares(Task.archived_at, "By when it was archived.")


class TaskOrderField(Vocabulary):
    """What tasks can be ordered by."""

    NUMBER = "NUMBER", "Their number."
    CREATED_AT = "CREATED_AT", "When they were written."
    UPDATED_AT = "UPDATED_AT", "When they were changed or moved last."
    DUE_ON = "DUE_ON", "When they shall be done."
    COMPLETED_AT = "COMPLETED_AT", "When they were completed."


words(TaskOrderField)


@strawberry.input(description="One key of an order of tasks.")
class TaskOrder:
    field: TaskOrderField = strawberry.field(description="What to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")
    nulls: Nulls | None = strawberry.field(default=None, description="Where those without a value stand.")


def task_orders() -> dict[TaskOrderField, Key]:
    return {
        TaskOrderField.NUMBER: Key(sql(Task.number)),
        TaskOrderField.CREATED_AT: Key(sql(Task.created_at)),
        TaskOrderField.UPDATED_AT: Key(sql(Task.updated_at)),
        TaskOrderField.DUE_ON: Key(sql(Task.due_on), nullable=True),
        TaskOrderField.COMPLETED_AT: Key(sql(Task.completed_at), nullable=True),
    }
