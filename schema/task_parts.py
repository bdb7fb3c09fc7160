"""What hangs on tasks, as members of the board see it."""

from datetime import date, datetime
from typing import Any

from sqlmodel import col

from auth import access
from models.board import BoardText
from models.task import (
    TaskChecklist,
    TaskChecklistItem,
    TaskComment,
    TaskMention,
    TaskReaction,
    TaskRelation,
)
from schema.board_words import TaskRelationKind
from schema.connections import Connection, connection
from schema.graph import column, computed, many, node, one, record, sql
from schema.keyset import Key
from schema.node import Node
from schema.people import PersonType
from schema.scalars import Markdown
from schema.type_names import Task
from schema.type_names import TaskComment as TaskCommentName


@record(
    TaskRelation,
    scope=access.on_visible_boards(col(TaskRelation.board_id)),
    name="TaskRelation",
    description="How one task stands to another.",
)
class TaskRelationType:
    kind: TaskRelationKind = column(TaskRelation.kind, "How `task` stands to `other`.")
    task: Task | None = one(TaskRelation.task_id, "The one; always there.")
    other: Task | None = one(TaskRelation.other_id, "The other; always there.")


@record(
    BoardText,
    scope=access.visible_board_texts,
    name="BoardText",
    description="One version of a text on a board.",
)
class BoardTextType:
    field: str = column(BoardText.field, "Which text: `title`, `description` or `body`.")
    body: Markdown = column(BoardText.body, "What it said.")
    author: PersonType | None = one(
        BoardText.author_id, "Who wrote it; null if they are gone from the board."
    )
    created_at: datetime = column(BoardText.created_at, "When it was written.")


@node(
    "item",
    TaskChecklistItem,
    scope=access.on_visible_boards(col(TaskChecklistItem.board_id)),
    name="TaskChecklistItem",
    description="A line of a checklist.",
)
class TaskChecklistItemType(Node):
    text: str = column(TaskChecklistItem.text, "1 to 200 characters.")
    is_done: bool = column(TaskChecklistItem.is_done, "Whether it is ticked.")
    assignee: PersonType | None = one(
        TaskChecklistItem.assignee_id, "Who shall do it; null if nobody in particular."
    )
    due_on: date | None = column(TaskChecklistItem.due_on, "When it shall be done; null if nobody has said.")
    removed_at: datetime | None = column(
        TaskChecklistItem.removed_at, "When it was removed; null while it is there."
    )


@node(
    "checklist",
    TaskChecklist,
    scope=access.on_visible_boards(col(TaskChecklist.board_id)),
    name="TaskChecklist",
    description="A list of small things to tick off, below a task.",
)
class TaskChecklistType(Node):
    title: str = column(TaskChecklist.title, "1 to 200 characters.")
    removed_at: datetime | None = column(
        TaskChecklist.removed_at, "When it was removed; null while it is there."
    )
    items: list[TaskChecklistItemType] = many(
        TaskChecklistItem.checklist_id,
        "Its lines, oldest first.",
        order=[TaskChecklistItem.created_at, TaskChecklistItem.id],
        where=sql(TaskChecklistItem.removed_at).is_(None),
    )


@record(
    TaskReaction,
    scope=access.visible_reactions,
    name="TaskReaction",
    description="An emoji beside a comment.",
)
class TaskReactionType:
    emoji: str = column(TaskReaction.emoji, "The emoji.")
    person: PersonType | None = one(TaskReaction.user_id, "Who put it there; null if they are gone.")


def _unless_deleted(body: str, deleted_at: Any) -> str | None:
    return body if deleted_at is None else None


@node(
    "comment",
    TaskComment,
    scope=access.on_visible_boards(col(TaskComment.board_id)),
    name="TaskComment",
    description="What somebody said about a task.",
)
class TaskCommentType(Node):
    body: Markdown | None = computed(
        _unless_deleted,
        TaskComment.body,
        TaskComment.deleted_at,
        description="What was said, at most 10,000 characters; null once it was deleted.",
    )
    author: PersonType | None = one(
        TaskComment.author_id, "Who said it; null if they are gone from the board."
    )
    task: Task | None = one(TaskComment.task_id, "The task; always there.")
    thread: TaskCommentName | None = one(
        TaskComment.thread_id, "The comment that the thread began with; null for that one itself."
    )
    mentions: list[PersonType] = many(
        TaskMention.comment_id, "To whom it speaks.", to=TaskMention.user_id, order=[TaskMention.user_id]
    )
    reactions: list[TaskReactionType] = many(
        TaskReaction.comment_id,
        "Emojis beside it, by emoji; at most 100.",
        order=[TaskReaction.emoji, TaskReaction.user_id],
    )
    versions: Connection[BoardTextType] = connection(
        BoardText.subject_id,
        "What it said over time, oldest first; empty once it was deleted.",
        default=(Key(sql(BoardText.created_at)),),
        tie_break=BoardText.id,
    )
    created_at: datetime = column(TaskComment.created_at, "When it was said.")
    edited_at: datetime | None = column(TaskComment.edited_at, "When it was worded anew last; null if never.")
    deleted_at: datetime | None = column(
        TaskComment.deleted_at, "When it was deleted; null while it is there."
    )
