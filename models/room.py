"""Rooms of chat and who belongs to them: direct, in groups, around an application or a contract.

Who may read and write is decided by these tables alone, wherever the messages are.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from models.checks import Checks
from models.errors import LimitReached, NotAllowed, NotOpen
from models.ids import new_id
from models.table import Versioned, big, long_text, reference, utc, words
from models.vocabulary import Vocabulary

MAX_TITLE = 100
MAX_MEMBERS = 5_000
MAX_SLOW_MODE_S = 21_600
MAX_AT_ONCE = 100
"""People who can be named in one act."""


class RoomKind(Vocabulary):
    """What a room is for, which says who belongs to it."""

    DIRECT = "DIRECT", "Two people; each pair has one."
    GROUP = "GROUP", "Whoever its owners and moderators invite."
    APPLICATION = "APPLICATION", "The client and the applicant; made with the application."
    CONTRACT = "CONTRACT", "The client and the freelancer; made with the contract."


class RoomRole(Vocabulary):
    """What a member may do in a room."""

    OWNER = "OWNER", "Everything, and gives roles."
    MODERATOR = (
        "MODERATOR",
        "Adds and removes members, pins and deletes messages, edits the room, writes where others read.",
    )
    MEMBER = "MEMBER", "Reads, and writes where the room is not read-only."


MODERATING = frozenset({RoomRole.OWNER, RoomRole.MODERATOR})


# -- refusals --------------------------------------------------------------------------------------------------------------


class ArchivedRoom(NotOpen):
    """The room was put away: it is read, not written."""

    def __init__(self, *, room_id: UUID) -> None:
        super().__init__("This room is archived; unarchive it first.", status="ARCHIVED", entity_id=room_id)


class ReadOnlyRoom(NotAllowed):
    """Only moderators write in this room."""

    def __init__(self) -> None:
        super().__init__("MODERATOR", "This room is read-only: only its owners and moderators write here.")


class BlockedPerson(NotAllowed):
    """One of the two has blocked the other."""

    def __init__(self) -> None:
        super().__init__("UNBLOCKED", "One of you two has blocked the other; neither can write to the other.")


class FixedMembers(NotOpen):
    """Who belongs to the room is given by what it is for."""

    def __init__(self, kind: RoomKind, *, room_id: UUID) -> None:
        message = (
            f"This is a room of kind {kind}: its people, roles and title are given. Make a group instead."
        )
        super().__init__(message, status=kind, entity_id=room_id)


class LastOwner(NotOpen):
    """A group that has members needs an owner."""

    def __init__(self, *, room_id: UUID) -> None:
        message = "You are the only owner of this room. Make somebody else an owner first."
        super().__init__(message, status="LAST_OWNER", entity_id=room_id)


class RoomFull(LimitReached):
    """A room has as many members as it can have."""

    def __init__(self, *, count: int) -> None:
        super().__init__(f"A room has at most {MAX_MEMBERS} members.", limit=MAX_MEMBERS, count=count)


class DirectWithOneself(NotAllowed):
    """A direct room needs two people."""

    def __init__(self) -> None:
        super().__init__("ANOTHER_PERSON", "A direct room is for you and somebody else.")


# -- tables ----------------------------------------------------------------------------------------------------------------


class Room(Versioned, table=True):
    __table_args__ = (
        # Direct rooms: one for each pair, the lower id first.
        sa.UniqueConstraint("low_id", "high_id", name="uq_room_pair"),
        sa.CheckConstraint(
            "(kind = 'DIRECT') = (low_id is not null) and (low_id is null) = (high_id is null) and low_id < high_id",
            name="pair_is_direct",
        ),
        sa.CheckConstraint("(kind = 'APPLICATION') = (application_id is not null)", name="of_an_application"),
        sa.CheckConstraint("(kind = 'CONTRACT') = (contract_id is not null)", name="of_a_contract"),
        sa.CheckConstraint("(kind = 'GROUP') = (title is not null)", name="groups_have_titles"),
        sa.CheckConstraint(f"slow_mode_s between 0 and {MAX_SLOW_MODE_S}", name="slow_mode_in_range"),
    )

    id: UUID = Field(primary_key=True)
    kind: RoomKind = words(RoomKind)
    title: str | None = Field(default=None, max_length=MAX_TITLE)
    low_id: UUID | None = reference("users.id", default=None)
    high_id: UUID | None = reference("users.id", default=None, index=True)
    # The gig around which it is, if it is around one.
    gig_id: UUID | None = reference("gig.id", default=None, index=True)
    application_id: UUID | None = reference("application.id", default=None, unique=True)
    contract_id: UUID | None = reference("contract.id", default=None, unique=True)
    # Whether only owners and moderators write.
    is_read_only: bool = False
    # Seconds that a member waits between two messages; 0 for none.
    slow_mode_s: int = 0
    archived_at: datetime | None = utc(default=None)
    created_at: datetime = utc()

    EDITABLE: ClassVar = frozenset({"title", "is_read_only", "slow_mode_s"})

    @classmethod
    def direct(cls, one: UUID, other: UUID, *, at: datetime) -> Self:
        low, high = sorted((one, other))
        return cls(id=new_id(), kind=RoomKind.DIRECT, low_id=low, high_id=high, created_at=at, updated_at=at)

    @classmethod
    def group(cls, id: UUID, title: str, *, is_read_only: bool, at: datetime) -> Self:
        return cls(
            id=id, kind=RoomKind.GROUP, title=title, is_read_only=is_read_only, created_at=at, updated_at=at
        )

    @staticmethod
    def checked(values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as they are kept. Raises `Refusals`."""
        checks, values = Checks(), dict(values)
        if "title" in values:
            values["title"] = checks.text(("title",), values["title"], max=MAX_TITLE)
        if "slow_mode_s" in values:
            checks.between(("slowModeSeconds",), values["slow_mode_s"], min=0, max=MAX_SLOW_MODE_S)
        checks.done()
        return values

    def require_group(self) -> None:
        """Raises `FixedMembers`."""
        if self.kind is not RoomKind.GROUP:
            raise FixedMembers(self.kind, room_id=self.id)


class RoomMember(SQLModel, table=True):
    """Whoever belongs to a room, or once did: the row stays, and with it what they wrote has a name."""

    __tablename__ = "room_member"
    __table_args__ = (
        sa.Index("ix_room_member_of", "user_id", "room_id", postgresql_where=sa.text("left_at is null")),
        sa.Index("ix_room_member_order", "room_id", "joined_at", "user_id"),
    )

    room_id: UUID = reference("room.id", primary_key=True)
    user_id: UUID = reference("users.id", primary_key=True)
    role: RoomRole = words(RoomRole)
    joined_at: datetime = utc()
    left_at: datetime | None = utc(default=None)
    # How the member wants to have the room, which nobody else is told.
    is_muted: bool = False
    is_hidden: bool = False
    is_favorite: bool = False
    # Everything up to this number of the room's log was read; it goes back only when its owner says so.
    read_seq: int = big(default=0)
    # The highest number that others were told was read.
    receipt_seq: int = big(default=0)

    PREFERENCES: ClassVar = ("is_muted", "is_hidden", "is_favorite")

    @property
    def is_moderating(self) -> bool:
        return self.role in MODERATING


class RoomMessage(SQLModel, table=True):
    """What is known here of a message, for counting and finding: a projection of the room's log, which is the truth.

    `fact_seq` is the number of the last fact that it takes into account. Nothing of the words is in it.
    """

    __tablename__ = "room_message"
    __table_args__ = (
        sa.UniqueConstraint("room_id", "seq"),
        sa.Index(
            "ix_room_message_thread", "thread_id", "seq", postgresql_where=sa.text("thread_id is not null")
        ),
        sa.Index("ix_room_message_sent", "room_id", "sent_at"),
        sa.Index("ix_room_message_pinned", "room_id", "seq", postgresql_where=sa.text("is_pinned")),
        # The threads in which somebody wrote: those they answered in, and those they began.
        sa.Index(
            "ix_room_message_answers",
            "author_id",
            "thread_id",
            postgresql_where=sa.text("thread_id is not null"),
        ),
        sa.Index(
            "ix_room_message_begun", "author_id", "message_id", postgresql_where=sa.text("begins_thread")
        ),
    )

    message_id: UUID = Field(primary_key=True)
    room_id: UUID = reference("room.id")
    seq: int = big()
    fact_seq: int = big()
    # Not a foreign key: the platform is an author that is no user.
    author_id: UUID
    thread_id: UUID | None
    # Whether somebody has answered it once, so that threads are found among all that somebody wrote.
    begins_thread: bool = False
    mention_ids: list[UUID] = Field(sa_type=ARRAY(sa.Uuid))
    mentions_room: bool
    is_pinned: bool
    is_deleted: bool
    sent_at: datetime = utc()


class RoomProgress(SQLModel, table=True):
    """How far a room's log was projected, and when something was said in it last."""

    __tablename__ = "room_progress"

    room_id: UUID = reference("room.id", primary_key=True)
    seq: int = big()
    said_at: datetime = utc()


class ChatMark(SQLModel, table=True):
    """Every room that moved before this mark of a chat store is projected."""

    __tablename__ = "chat_mark"

    store: str = Field(primary_key=True, max_length=40)
    mark: str = Field(max_length=80)


class ChatPreference(SQLModel, table=True):
    """What somebody chose for all their rooms; without a row, everything is on."""

    __tablename__ = "chat_preference"

    user_id: UUID = reference("users.id", primary_key=True)
    shows_receipts: bool = True
    shows_presence: bool = True


class PersonSeen(SQLModel, table=True):
    """When somebody said last that they are there; of those who show it."""

    __tablename__ = "person_seen"

    user_id: UUID = reference("users.id", primary_key=True)
    seen_at: datetime = utc()


class RoomNotice(SQLModel, table=True):
    """Something that the platform owes to say in a room: written with what happened, said once under its id."""

    __tablename__ = "room_notice"
    __table_args__ = (
        sa.Index("ix_room_notice_owed", "created_at", "id", postgresql_where=sa.text("said_at is null")),
    )

    id: UUID = Field(primary_key=True)
    room_id: UUID = reference("room.id", index=True)
    # The kind of the fact, and what it is about.
    kind: str = Field(max_length=60)
    about: dict[str, Any] = Field(sa_type=JSONB)
    text: str = long_text()
    created_at: datetime = utc()
    said_at: datetime | None = utc(default=None)


class PersonBlock(SQLModel, table=True):
    """Somebody who does not want to be written to by somebody else."""

    __tablename__ = "person_block"
    __table_args__ = (sa.CheckConstraint("blocker_id <> blocked_id", name="of_another"),)

    blocker_id: UUID = reference("users.id", primary_key=True)
    blocked_id: UUID = reference("users.id", primary_key=True, index=True)
    created_at: datetime = utc()
