"""A task on a board, and what hangs on it: people, labels, checklists, relations, comments."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.board import NEVER, ColumnCategory
from models.checks import Checks
from models.emoji import MAX_EMOJI
from models.errors import AlreadyExists, LimitReached, NotOpen
from models.table import Versioned, big, long_text, reference, utc, words
from models.vocabulary import Vocabulary

MAX_TITLE, MAX_DESCRIPTION, MAX_COMMENT, MAX_SWIMLANE, MAX_ITEM = 200, 20_000, 10_000, 40, 200
MAX_ESTIMATE, MAX_ASSIGNEES, MAX_TASK_LABELS = 1_000, 20, 20
MAX_LEVELS, MAX_REACTIONS = 5, 100
MAX_CHECKLISTS, MAX_ITEMS, MAX_RELATIONS, MAX_MENTIONS = 10, 100, 50, 20


class TaskPriority(Vocabulary):
    """How urgent a task is."""

    NONE = "NONE", "Nobody has said."
    LOW = "LOW", "When there is time."
    MEDIUM = "MEDIUM", "In its turn."
    HIGH = "HIGH", "Before others."
    URGENT = "URGENT", "Now."


class TaskRelationKind(Vocabulary):
    """How one task stands to another."""

    BLOCKS = "BLOCKS", "The other one cannot be completed before this one."
    RELATES = "RELATES", "They belong together."
    DUPLICATES = "DUPLICATES", "The other one says the same, and is the one to work on."


class TaskIdTaken(AlreadyExists):
    """The id that the caller chose for a task is in use."""

    guarded_by = "pk_task"

    @classmethod
    def violated(cls) -> "TaskIdTaken":
        return cls("This id is taken. Leave it out, or make a new one.", path=("id",))


class ArchivedTask(NotOpen):
    """The task is archived; restore it first."""

    def __init__(self, *, entity_id: UUID) -> None:
        """`entity_id` is the task, or what hangs on it and was to be changed."""
        super().__init__("This task is archived; restore it first.", status="ARCHIVED", entity_id=entity_id)


class BlockedTask(NotOpen):
    """Tasks that block this one are not done."""

    def __init__(self, keys: list[str], *, task_id: UUID) -> None:
        message = f"It is blocked by {', '.join(keys)}; complete or cancel that first."
        super().__init__(message, status="BLOCKED", entity_id=task_id)


class DeletedComment(NotOpen):
    """The comment was deleted."""

    def __init__(self, *, comment_id: UUID) -> None:
        super().__init__("This comment was deleted.", status="DELETED", entity_id=comment_id)


class TaskIsFull(LimitReached):
    """A task has as many checklists, items, relations … as it can hold."""

    def __init__(self, what: str, *, limit: int) -> None:
        super().__init__(f"A task holds at most {limit} {what}.", limit=limit, count=limit)


class Task(Versioned, table=True):
    __table_args__ = (
        sa.UniqueConstraint("board_id", "number"),
        sa.CheckConstraint("estimate between 0 and 1000", name="estimate_range"),
        sa.CheckConstraint("parent_id <> id", name="not_its_own_parent"),
        sa.CheckConstraint("due_on >= starts_on", name="dates_in_order"),
        sa.Index("ix_task_order", "column_id", "rank", "id", postgresql_where=sa.text("archived_at is null")),
        sa.Index("ix_task_newest", "board_id", "created_at", "id"),
        sa.Index("ix_task_parent_id", "parent_id", postgresql_where=sa.text("parent_id is not null")),
    )

    id: UUID = Field(primary_key=True)
    board_id: UUID = reference("board.id")
    number: int
    column_id: UUID = reference("board_column.id")
    rank: str = Field(sa_type=sa.String(200, collation="C"))
    title: str = Field(max_length=MAX_TITLE)
    description: str = long_text(default="")
    priority: TaskPriority = words(TaskPriority, default=TaskPriority.NONE)
    starts_on: date | None = None
    due_on: date | None = None
    estimate: int | None = None
    swimlane: str | None = Field(default=None, max_length=MAX_SWIMLANE)
    parent_id: UUID | None = reference("task.id", default=None)
    creator_id: UUID = reference("users.id", index=True)
    created_at: datetime = utc()
    # When it first stood in a column of this kind, and since when it is done; null before, and done no more.
    started_at: datetime | None = utc(default=None)
    completed_at: datetime | None = utc(default=None)
    archived_at: datetime | None = utc(default=None)

    EDITABLE: ClassVar = frozenset(
        {"title", "description", "priority", "starts_on", "due_on", "estimate", "swimlane", "parent_id"}
    )
    TEXTS: ClassVar = frozenset({"title", "description"})

    @staticmethod
    def checked(values: Mapping[str, Any], *, before: Mapping[str, Any]) -> dict[str, Any]:
        """The values as they are kept; `before` are those that stay. Raises `Refusals`."""
        checks, values = Checks(), dict(values)
        if "title" in values:
            values["title"] = checks.text(("title",), values["title"], max=MAX_TITLE)
        if "description" in values:
            values["description"] = checks.text(
                ("description",), values["description"], min=0, max=MAX_DESCRIPTION
            )
        if values.get("swimlane") is not None:
            values["swimlane"] = checks.text(("swimlane",), values["swimlane"], max=MAX_SWIMLANE)
        if values.get("estimate") is not None:
            checks.between(("estimate",), values["estimate"], min=0, max=MAX_ESTIMATE)
        starts_on, due_on = (values.get(name, before.get(name)) for name in ("starts_on", "due_on"))
        if starts_on is not None and due_on is not None and due_on < starts_on:
            checks.refuse(("dueOn",), "ORDER", "It is due before it starts.", min=starts_on)
        if "assignee_ids" in values:
            checks.count(("assigneeIds",), values["assignee_ids"], max=MAX_ASSIGNEES)
            checks.distinct(("assigneeIds",), values["assignee_ids"])
        if "label_ids" in values:
            checks.count(("labelIds",), values["label_ids"], max=MAX_TASK_LABELS)
            checks.distinct(("labelIds",), values["label_ids"])
        checks.done()
        return values

    def stand(self, column_id: UUID, category: ColumnCategory, rank: str, *, at: datetime) -> None:
        """It stands there from now on."""
        self.column_id, self.rank = column_id, rank
        if category is ColumnCategory.STARTED and self.started_at is None:
            self.started_at = at
        is_completed = category is ColumnCategory.COMPLETED
        self.completed_at = (self.completed_at or at) if is_completed else None
        self.touch(at=at)

    def require_live(self, *, entity_id: UUID | None = None) -> None:
        """Raises `ArchivedTask`, about what hangs on it if that is named."""
        if self.archived_at is not None:
            raise ArchivedTask(entity_id=entity_id or self.id)


class TaskStay(SQLModel, table=True):
    """A task stood in a place from one fact of its board to another: what moves made meanwhile are understood by, and what
    the figures of flow are counted from."""

    __tablename__ = "task_stay"
    __table_args__ = (
        # Those that go on, and those that ended of late.
        sa.Index("ix_task_stay_of_column", "column_id", "until_number"),
        sa.Index("ix_task_stay_of_task", "task_id", "from_number"),
        sa.Index("ix_task_stay_of_board", "board_id", "from_at"),
        sa.Index("uq_task_stay_move", "board_id", "device", "move_id", unique=True,
                 postgresql_where=sa.text("move_id is not null")),
    )  # fmt: skip

    id: UUID = Field(primary_key=True)
    board_id: UUID = reference("board.id")
    task_id: UUID = reference("task.id")
    column_id: UUID = reference("board_column.id")
    category: ColumnCategory = words(ColumnCategory)
    # Null when it ended too long ago to matter: ranks are spread anew at times.
    rank: str | None = Field(default=None, sa_type=sa.String(200, collation="C"))
    from_number: int = big()
    from_at: datetime = utc()
    # Of a move that was made offline: on which device of whom, under which id, and when by its clock.
    device: str | None = Field(default=None, max_length=80)
    move_id: str | None = Field(default=None, max_length=80)
    moved_at: datetime = utc()
    until_number: int = big(default=NEVER)
    until_at: datetime | None = utc(default=None)
    until_device: str | None = Field(default=None, max_length=80)
    # It was taken back, or goes on as another one because its end was: counts for nothing.
    is_undone: bool = False

    @property
    def order(self) -> tuple[datetime, str]:
        """What decides between moves into the same gap."""
        return self.moved_at, self.move_id or self.id.hex


class TaskAssignee(SQLModel, table=True):
    __tablename__ = "task_assignee"

    task_id: UUID = reference("task.id", primary_key=True)
    user_id: UUID = reference("users.id", primary_key=True, index=True)


class TaskWatcher(SQLModel, table=True):
    __tablename__ = "task_watcher"

    task_id: UUID = reference("task.id", primary_key=True)
    user_id: UUID = reference("users.id", primary_key=True, index=True)


class TaskLabel(SQLModel, table=True):
    __tablename__ = "task_label"

    task_id: UUID = reference("task.id", primary_key=True)
    label_id: UUID = reference("board_label.id", primary_key=True, index=True)


class TaskRelation(SQLModel, table=True):
    """One task stands to another; told from both ends, so `blocked by` is the other end of BLOCKS."""

    __tablename__ = "task_relation"
    __table_args__ = (sa.CheckConstraint("task_id <> other_id", name="two_tasks"),)

    task_id: UUID = reference("task.id", primary_key=True)
    other_id: UUID = reference("task.id", primary_key=True, index=True)
    kind: TaskRelationKind = words(TaskRelationKind, primary_key=True)
    board_id: UUID = reference("board.id", index=True)


class TaskChecklist(SQLModel, table=True):
    __tablename__ = "task_checklist"

    id: UUID = Field(primary_key=True)
    board_id: UUID = reference("board.id", index=True)
    task_id: UUID = reference("task.id", index=True)
    title: str = Field(max_length=MAX_ITEM)
    created_at: datetime = utc()
    removed_at: datetime | None = utc(default=None)


class TaskChecklistItem(SQLModel, table=True):
    __tablename__ = "task_checklist_item"

    id: UUID = Field(primary_key=True)
    board_id: UUID = reference("board.id", index=True)
    task_id: UUID = reference("task.id", index=True)
    checklist_id: UUID = reference("task_checklist.id", index=True)
    text: str = Field(max_length=MAX_ITEM)
    is_done: bool = False
    assignee_id: UUID | None = reference("users.id", default=None, index=True)
    due_on: date | None = None
    created_at: datetime = utc()
    removed_at: datetime | None = utc(default=None)

    EDITABLE: ClassVar = frozenset({"text", "is_done", "assignee_id", "due_on"})


class TaskComment(SQLModel, table=True):
    """What somebody said about a task, or answered to another comment. Older words are in `BoardText`."""

    __tablename__ = "task_comment"
    __table_args__ = (sa.Index("ix_task_comment_order", "task_id", "created_at", "id"),)

    id: UUID = Field(primary_key=True)
    board_id: UUID = reference("board.id", index=True)
    task_id: UUID = reference("task.id")
    # The comment that the thread began with; null for that one itself.
    thread_id: UUID | None = reference("task_comment.id", default=None, index=True)
    author_id: UUID = reference("users.id", index=True)
    body: str = long_text()
    created_at: datetime = utc()
    edited_at: datetime | None = utc(default=None)
    deleted_at: datetime | None = utc(default=None)


class TaskMention(SQLModel, table=True):
    __tablename__ = "task_mention"

    comment_id: UUID = reference("task_comment.id", primary_key=True)
    user_id: UUID = reference("users.id", primary_key=True, index=True)


class TaskReaction(SQLModel, table=True):
    __tablename__ = "task_reaction"

    comment_id: UUID = reference("task_comment.id", primary_key=True)
    user_id: UUID = reference("users.id", primary_key=True, index=True)
    emoji: str = Field(primary_key=True, max_length=MAX_EMOJI)
