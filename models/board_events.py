"""What happens on boards, as facts: absolute values, places told by the neighbour before, texts by the id of a version."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from models.board import ColumnCategory
from models.event import Audience, Event, ToPerson, Topic
from models.notice import Notice, NotificationCategory, NotificationReason
from models.task import TaskRelationKind


@dataclass(frozen=True, kw_only=True)
class BoardEvent(Event):
    """Told to all members of the board; whoever is not one follows nothing of it."""

    topic: ClassVar[Topic] = Topic.BOARDS

    board_id: UUID
    gig_id: UUID

    @property
    def audience(self) -> Audience:
        return Audience.PUBLIC

    def streams(self) -> tuple[str, ...]:
        return (f"board:{self.board_id}",)


@dataclass(frozen=True, kw_only=True)
class BoardCreated(BoardEvent):
    """The board was made, with its first columns, which follow."""

    key: str


@dataclass(frozen=True, kw_only=True)
class BoardEdited(BoardEvent):
    """Settings of the board changed."""

    changes: dict[str, tuple[str | None, str | None]]


class BoardMemberJoined(BoardEvent):
    """Somebody was hired and works on the board from now on."""


class BoardMemberLeft(BoardEvent):
    """Somebody's contract ended early; they do not see the board any more."""


# -- columns and labels ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ColumnEvent(BoardEvent):
    column_id: UUID


@dataclass(frozen=True, kw_only=True)
class ColumnPlaced(ColumnEvent):
    after_column_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class ColumnAdded(ColumnPlaced):
    """The board has a column more, or one again."""

    name: str
    category: ColumnCategory
    wip_limit: int | None
    wip_is_hard: bool


class ColumnMoved(ColumnPlaced):
    """A column stands elsewhere."""


@dataclass(frozen=True, kw_only=True)
class ColumnEdited(ColumnEvent):
    """A column changed."""

    changes: dict[str, tuple[str | None, str | None]]


class ColumnRemoved(ColumnEvent):
    """A column, which was empty, is gone."""


@dataclass(frozen=True, kw_only=True)
class LabelEvent(BoardEvent):
    label_id: UUID


@dataclass(frozen=True, kw_only=True)
class LabelAdded(LabelEvent):
    """The board has a label more, or one again."""

    name: str
    color: str


@dataclass(frozen=True, kw_only=True)
class LabelEdited(LabelEvent):
    """A label changed."""

    changes: dict[str, tuple[str | None, str | None]]


class LabelRemoved(LabelEvent):
    """A label is gone, from all tasks too."""


# -- tasks -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TaskEvent(BoardEvent):
    HIDDEN: ClassVar = frozenset({"text_ids", "times", "values"})

    task_id: UUID


@dataclass(frozen=True, kw_only=True)
class TaskPlaced(TaskEvent):
    """`after_task_id` is the task it stands behind; None if it is the first of its column. `times` are when it was started and
    completed, as it is kept from now on."""

    column_id: UUID
    after_task_id: UUID | None
    times: dict[str, str | None]


@dataclass(frozen=True, kw_only=True)
class TaskCreated(TaskPlaced):
    """There is a new task. Its first values follow as `TaskEdited`, unless they are the usual ones."""

    number: int
    text_ids: dict[str, UUID]


@dataclass(frozen=True, kw_only=True)
class TaskMoved(TaskPlaced):
    """A task stands elsewhere, in the same column or another one."""

    column_before_id: UUID


class TaskArchived(TaskEvent):
    """A task was put away."""


class TaskRestored(TaskPlaced):
    """A task is back on the board."""


@dataclass(frozen=True, kw_only=True)
class TaskEdited(TaskEvent):
    """A task changed. Texts are named without their content; lists of labels are given whole."""

    changes: dict[str, tuple[str | None, str | None]]
    text_ids: dict[str, UUID]


@dataclass(frozen=True, kw_only=True)
class TaskPersonEvent(TaskEvent):
    """`person_id` is whom it is about."""


class TaskAssigned(TaskPersonEvent):
    """Somebody shall do the task."""

    notice = Notice(NotificationCategory.TASKS, NotificationReason.YOU_ARE_ASSIGNED)


class TaskFreed(TaskPersonEvent):
    """Somebody who has left the board shall not do the task any more; they are not told."""


class TaskUnassigned(TaskPersonEvent):
    """Somebody shall not do the task any more."""

    notice = Notice(NotificationCategory.TASKS, NotificationReason.YOU_ARE_ASSIGNED)


@dataclass(frozen=True, kw_only=True)
class RelationEvent(TaskEvent):
    other_task_id: UUID
    relation: TaskRelationKind


class TaskRelated(RelationEvent):
    """One task stands to another."""


class TaskUnrelated(RelationEvent):
    """One task stands to another no more."""


@dataclass(frozen=True, kw_only=True)
class AttachmentEvent(TaskEvent):
    attachment_id: UUID


class TaskAttached(AttachmentEvent):
    """A file hangs on the task, or does so again."""


class TaskDetached(AttachmentEvent):
    """A file was taken away from the task."""


# -- checklists --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ChecklistEvent(TaskEvent):
    checklist_id: UUID


class ChecklistAdded(ChecklistEvent):
    """A task has a checklist more, or one again."""


class ChecklistRemoved(ChecklistEvent):
    """A checklist and all its items are gone."""


@dataclass(frozen=True, kw_only=True)
class ChecklistItemEvent(ChecklistEvent):
    item_id: UUID


@dataclass(frozen=True, kw_only=True)
class ChecklistItemAdded(ChecklistItemEvent):
    """A checklist has an item more, or one again."""

    values: dict[str, str | bool | None]


@dataclass(frozen=True, kw_only=True)
class ChecklistItemEdited(ChecklistItemEvent):
    """An item changed. Its text is named without its content."""

    changes: dict[str, tuple[str | None, str | None]]


class ChecklistItemRemoved(ChecklistItemEvent):
    """An item is gone."""


# -- comments ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CommentEvent(TaskEvent):
    comment_id: UUID


class CommentAdded(CommentEvent):
    """Somebody said something about a task."""


class CommentEdited(CommentEvent):
    """The author changed what they had said."""


class CommentDeleted(CommentEvent):
    """A comment was taken away; answers to it stay."""


class CommentRestored(CommentEvent):
    """A comment is back."""


@dataclass(frozen=True, kw_only=True)
class CommentReacted(CommentEvent):
    """Somebody reacted to a comment, or took it back. `person_id` is who."""

    emoji: str
    is_on: bool


@dataclass(frozen=True, kw_only=True)
class CommentForPerson(ToPerson, CommentEvent):
    """Told to `person_id` alone: the board's own stream has the comment itself."""


class CommentMentioned(CommentForPerson):
    """A comment speaks to you."""

    notice = Notice(NotificationCategory.TASKS, NotificationReason.YOU_ARE_MENTIONED)


class CommentNoticed(CommentForPerson):
    """A task that you watch or work on was commented."""

    notice = Notice(NotificationCategory.TASKS, NotificationReason.YOU_WATCH_IT)
