"""A board: the tasks of one gig in columns, shared by the client and everybody hired for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from models.checks import Checks
from models.errors import AlreadyExists, DomainError, Invalid, LimitReached, NotOpen
from models.ids import new_id
from models.rank import spread
from models.table import Versioned, big, long_text, reference, utc, words
from models.vocabulary import Vocabulary

MAX_COLUMNS, MAX_LABELS, MAX_TASKS = 20, 100, 5_000
MAX_NAME, MAX_KEY = 40, 8
MAX_LIMIT = 1_000
UNDO_WINDOW = timedelta(minutes=10)
REMEMBERED = 1_000
"""For how many facts of a board it is kept where tasks have stood: moves made against an older state are refused."""
NEVER = 2**63 - 1
"""The number at which a stay that goes on has ended."""

_KEY = re.compile(r"[A-Z][A-Z0-9]{1,7}")
_OF_GIG = re.compile(r"G[0-9]+")
_COLOR = re.compile(r"#[0-9a-f]{6}")


class ColumnCategory(Vocabulary):
    """What it means for a task to stand in a column."""

    BACKLOG = "BACKLOG", "Collected, not planned."
    UNSTARTED = "UNSTARTED", "Planned, nobody works on it."
    STARTED = "STARTED", "In work; counts for what one person has in hand."
    COMPLETED = "COMPLETED", "Done."
    CANCELLED = "CANCELLED", "Given up; counts for nothing."


DEFAULT_COLUMNS = (
    ("Backlog", ColumnCategory.BACKLOG),
    ("To do", ColumnCategory.UNSTARTED),
    ("In progress", ColumnCategory.STARTED),
    ("Done", ColumnCategory.COMPLETED),
    ("Cancelled", ColumnCategory.CANCELLED),
)


# -- refusals --------------------------------------------------------------------------------------------------------------


class WipLimit(DomainError):
    """A hard limit of work in progress is reached. Finish or move something first."""

    def __init__(self, what: str, *, limit: int, count: int, entity_id: UUID | None = None) -> None:
        super().__init__(
            f"{what} takes {limit} tasks at most and has {count}. Finish or move one first.",
            entity_id=entity_id,
        )
        self.limit = limit
        self.count = count


class BoardFull(LimitReached):
    """A board has as many columns, labels, tasks … as it can hold."""

    def __init__(self, what: str, *, limit: int) -> None:
        super().__init__(f"A board holds at most {limit} {what}.", limit=limit, count=limit)


class ColumnNotEmpty(NotOpen):
    """Tasks stand in the column."""

    def __init__(self, count: int, *, entity_id: UUID) -> None:
        message = f"{count} tasks stand in this column; move or archive them first."
        super().__init__(message, status="NOT_EMPTY", entity_id=entity_id)


class LastColumn(NotOpen):
    """A board needs a column."""

    def __init__(self, *, entity_id: UUID) -> None:
        super().__init__("This is the only column of the board.", status="LAST", entity_id=entity_id)


class BoardRests(NotOpen):
    """The caller's part in the gig is over: they read the board and change nothing."""

    def __init__(self, *, board_id: UUID) -> None:
        message = "Your contract for this gig is over; you can read the board, not change it."
        super().__init__(message, status="OVER", entity_id=board_id)


class TooLongAgo(NotOpen):
    """What the move was made against is not remembered any more."""

    def __init__(self, *, board_id: UUID) -> None:
        message = (
            f"The board has changed more than {REMEMBERED} times since `seen`. Read it again, then move."
        )
        super().__init__(message, status="FORGOTTEN", entity_id=board_id)


class UndoWindowClosed(NotOpen):
    """It is too late to take the act back."""

    def __init__(self, *, board_id: UUID) -> None:
        minutes = UNDO_WINDOW // timedelta(minutes=1)
        message = f"An act can be undone for {minutes} minutes, and while the board has not changed {REMEMBERED} times since."
        super().__init__(message, status="CLOSED", entity_id=board_id)


class UndoneAlready(NotOpen):
    """The act was taken back before."""

    def __init__(self, *, board_id: UUID) -> None:
        super().__init__("This was undone already.", status="UNDONE", entity_id=board_id)


class OthersBuiltOnIt(NotOpen):
    """Later acts depend on what would be taken back."""

    def __init__(self, verb: str, *, board_id: UUID) -> None:
        message = f"Something later depends on it ({verb.lower().replace('_', ' ')}). Undo that first, or change things by hand."
        super().__init__(message, status="BUILT_ON", entity_id=board_id)


class NameTaken(AlreadyExists):
    """A board has one column, and one label, of a name."""


class KeyTaken(AlreadyExists):
    """Keys of tasks begin otherwise on each board of a client."""

    guarded_by = "uq_board_key"

    @classmethod
    def violated(cls) -> "KeyTaken":
        return cls("Tasks of another board of yours begin with this key. Choose another one.", path=("key",))


# -- tables ----------------------------------------------------------------------------------------------------------------


class Board(Versioned, table=True):
    __table_args__ = (
        sa.CheckConstraint("assignee_limit between 1 and 1000", name="assignee_limit_range"),
        sa.Index("uq_board_key", "client_id", "key", unique=True),
    )

    id: UUID = Field(primary_key=True)
    gig_id: UUID = reference("gig.id", unique=True)
    client_id: UUID = reference("client_profile.user_id", index=True)
    # Unique for its client; G and a number only that of its own gig.
    key: str = Field(max_length=20)
    next_number: int = 1
    # How many started tasks one person may have, in all columns together; null: any number.
    assignee_limit: int | None = None
    assignee_limit_is_hard: bool = False
    # A task that others block cannot be completed before them.
    guards_completion: bool = False
    progress_follows: bool = False
    created_at: datetime = utc()

    EDITABLE: ClassVar = frozenset(
        {"key", "assignee_limit", "assignee_limit_is_hard", "guards_completion", "progress_follows"}
    )

    @classmethod
    def of_gig(cls, gig_id: UUID, client_id: UUID, gig_number: int, *, at: datetime) -> Self:
        """A new board; its tasks are called G7-1, G7-2 … for gig 7."""
        return cls(
            id=new_id(),
            gig_id=gig_id,
            client_id=client_id,
            key=f"G{gig_number}",
            created_at=at,
            updated_at=at,
        )

    @staticmethod
    def check(values: Mapping[str, Any], *, gig_number: int | None) -> None:
        """Raises `Refusals`."""
        checks = Checks()
        if "key" in values and not _KEY.fullmatch(values["key"]):
            message = "It needs 2 to 8 capital letters and digits, a letter first."
            checks.refuse(("key",), "FORMAT", message, min=2, max=MAX_KEY)
        elif "key" in values and _OF_GIG.fullmatch(values["key"]) and values["key"] != f"G{gig_number}":
            checks.refuse(
                ("key",), "RESERVED", f"G and a number stand for a gig; that of this one is G{gig_number}."
            )
        _check_limit(checks, values, "assignee_limit", "assigneeLimit")
        checks.done()


class BoardColumn(Versioned, table=True):
    __tablename__ = "board_column"
    __table_args__ = (
        sa.CheckConstraint("wip_limit between 1 and 1000", name="wip_limit_range"),
        sa.Index("ix_board_column_order", "board_id", "rank", "id"),
        sa.Index("uq_board_column_name", "board_id", sa.text("lower(name)"), unique=True,
                 postgresql_where=sa.text("removed_at is null")),
    )  # fmt: skip

    id: UUID = Field(primary_key=True)
    board_id: UUID = reference("board.id")
    name: str = Field(max_length=MAX_NAME)
    category: ColumnCategory = words(ColumnCategory)
    rank: str = Field(sa_type=sa.String(200, collation="C"))
    wip_limit: int | None = None
    wip_is_hard: bool = False
    # Kept: facts and archived tasks refer to it.
    removed_at: datetime | None = utc(default=None)

    EDITABLE: ClassVar = frozenset({"name", "category", "wip_limit", "wip_is_hard"})

    @classmethod
    def defaults(cls, board_id: UUID, *, at: datetime) -> list[Self]:
        return [
            cls(id=new_id(), board_id=board_id, name=name, category=category, rank=rank, updated_at=at)
            for (name, category), rank in zip(DEFAULT_COLUMNS, spread(len(DEFAULT_COLUMNS)), strict=True)
        ]

    @staticmethod
    def checked(values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as they are kept. Raises `Refusals`."""
        checks, values = Checks(), dict(values)
        if "name" in values:
            values["name"] = checks.text(("name",), values["name"], max=MAX_NAME)
        _check_limit(checks, values, "wip_limit", "wipLimit")
        checks.done()
        return values

    def require_room(self, count: int, *, entity_id: UUID | None = None) -> None:
        """Raises `WipLimit` when `count` tasks stand in it and one more would break the hard limit."""
        if self.wip_is_hard and self.wip_limit is not None and count >= self.wip_limit:
            raise WipLimit(
                f"The column “{self.name}”", limit=self.wip_limit, count=count, entity_id=entity_id
            )


class BoardLabel(SQLModel, table=True):
    __tablename__ = "board_label"
    __table_args__ = (
        sa.Index("uq_board_label_name", "board_id", sa.text("lower(name)"), unique=True,
                 postgresql_where=sa.text("removed_at is null")),
    )  # fmt: skip

    id: UUID = Field(primary_key=True)
    board_id: UUID = reference("board.id")
    name: str = Field(max_length=MAX_NAME)
    color: str = Field(max_length=7)
    removed_at: datetime | None = utc(default=None)

    EDITABLE: ClassVar = frozenset({"name", "color"})

    @staticmethod
    def checked(values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as they are kept. Raises `Refusals`."""
        checks, values = Checks(), dict(values)
        if "name" in values:
            values["name"] = checks.text(("name",), values["name"], max=MAX_NAME)
        if "color" in values and not _COLOR.fullmatch(values["color"]):
            checks.refuse(
                ("color",), "COLOR", "Write it as # and six small hexadecimal digits, like #1f6feb."
            )
        checks.done()
        return values


class BoardText(SQLModel, table=True):
    """One version of a text that somebody wrote on a board: facts refer to it, and erasing a person deletes it."""

    __tablename__ = "board_text"
    __table_args__ = (sa.Index("ix_board_text_subject", "subject_id", "field", "created_at"),)

    id: UUID = Field(primary_key=True)
    board_id: UUID = reference("board.id", index=True)
    # The task or the comment, and which of its texts.
    subject_id: UUID
    field: str = Field(max_length=20)
    author_id: UUID | None = reference("users.id", index=True)
    body: str = long_text()
    created_at: datetime = utc()


class BoardAct(SQLModel, table=True):
    """What somebody did to a board in one transaction, and how to take it back."""

    __tablename__ = "board_act"
    __table_args__ = (
        sa.Index("ix_board_act_order", "board_id", "first_number"),
        sa.Index("ix_board_act_outdated", "at"),
    )

    id: UUID = Field(primary_key=True)
    board_id: UUID = reference("board.id")
    actor_id: UUID = reference("users.id", index=True)
    verb: str = Field(max_length=40)
    at: datetime = utc()
    # Its facts in the board's stream.
    first_number: int = big()
    last_number: int = big()
    # Steps that take it back, in order, as `resolvers/board_steps.py` registers them.
    inverse: list[dict[str, Any]] = Field(sa_type=JSONB)
    # What it changed, and what it relied on: one act depends on an earlier one when it changed or relied on what that one
    # changed, or changed what that one relied on.
    touches: list[str] = Field(sa_type=ARRAY(sa.Text))
    uses: list[str] = Field(sa_type=ARRAY(sa.Text))
    # Not a foreign key: acts are forgotten one by one.
    undoes_id: UUID | None = None
    undone_at: datetime | None = utc(default=None)

    @property
    def undo_until(self) -> datetime:
        return self.at + UNDO_WINDOW

    def require_undoable(self, *, head: int, at: datetime) -> None:
        """Raises `UndoneAlready` or `UndoWindowClosed`."""
        if self.undone_at is not None:
            raise UndoneAlready(board_id=self.board_id)
        if at > self.undo_until or head - self.first_number > REMEMBERED:
            raise UndoWindowClosed(board_id=self.board_id)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a task is to stand: behind another one, before it, or at an end of the column. Exactly one is given."""

    after: UUID | None = None
    before: UUID | None = None
    edge: "Edge | None" = None

    @property
    def anchor(self) -> UUID | None:
        return self.after or self.before


class Edge(Vocabulary):
    """An end of a column."""

    TOP = "TOP", "Before all others."
    BOTTOM = "BOTTOM", "Behind all others."


class AnchorElsewhere(Invalid):
    """The task that the position names does not stand in that column."""

    def __init__(self, path: tuple[str, ...], *, moved_id: UUID | None) -> None:
        """`moved_id` is the task that was to be moved there, if there is one yet."""
        super().__init__(path, "ANCHOR", "This task does not stand in that column. Read the board again.")
        self.entity_id = moved_id


def _check_limit(checks: Checks, values: Mapping[str, Any], name: str, path: str) -> None:
    if values.get(name) is not None:
        checks.between((path,), values[name], min=1, max=MAX_LIMIT)
