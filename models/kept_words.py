"""Words that are kept beside the log of a room: drafts, what is to be sent later, and what was reported.

They are in PostgreSQL wherever the log is, sealed as words in the log are. Each is bound to a place of a kind of its own, so
that what is stored of one can never pass for another, nor for a message.
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from models.chat import MAX_CLIENT_ID, SYSTEM, KeptKind, Sealed
from models.chat_cipher import Place
from models.checks import Checks
from models.errors import LimitReached, NotAllowed, NotOpen
from models.table import Versioned, reference, utc, words
from models.vocabulary import Vocabulary

MAX_DRAFTS = 500
MAX_SCHEDULED = 50
LONGEST_WAIT = timedelta(days=30)


class ScheduledState(Vocabulary):
    """Where a scheduled message stands. One that was sent is in the room, and no scheduled one any more."""

    WAITING = "WAITING", "It is sent at its time."
    SENDING = "SENDING", "Its time has come; it cannot be changed any more."
    REFUSED = (
        "REFUSED",
        "At its time you could not write there; `refusal` says why. Schedule it anew, or take the text elsewhere.",
    )


class ReportReason(Vocabulary):
    """Why somebody reports a message."""

    SPAM = "SPAM", "Advertising, or the same again and again."
    HARASSMENT = "HARASSMENT", "It insults, threatens or pesters."
    FRAUD = "FRAUD", "It wants to cheat somebody, or to pay around the platform."
    ILLEGAL = "ILLEGAL", "It breaks a law."
    OTHER = "OTHER", "Something else; the note says what."


class ReportState(Vocabulary):
    """Whether administrators have decided."""

    OPEN = "OPEN", "It waits for an administrator."
    RESOLVED = "RESOLVED", "An administrator has decided; `outcome` says what."


class ReportOutcome(Vocabulary):
    """What administrators decided about a reported message."""

    DISMISSED = "DISMISSED", "It may stay, and whoever wrote it is not told."
    WARNED = "WARNED", "It may stay; whoever wrote it is warned."
    REMOVED = "REMOVED", "It is deleted, and whoever wrote it is told."


# -- refusals --------------------------------------------------------------------------------------------------------------


class TooManyDrafts(LimitReached):
    """Somebody keeps as many drafts as they may."""

    def __init__(self, *, count: int) -> None:
        super().__init__(
            f"You have {MAX_DRAFTS} drafts; send or discard some.", limit=MAX_DRAFTS, count=count
        )


class TooManyScheduled(LimitReached):
    """Somebody has as many messages to be sent later as they may."""

    def __init__(self, *, count: int) -> None:
        message = f"You have {MAX_SCHEDULED} scheduled messages; cancel some, or wait."
        super().__init__(message, limit=MAX_SCHEDULED, count=count)


class SendingNow(NotOpen):
    """The time of a scheduled message has come: it is on its way."""

    def __init__(self, *, scheduled_id: UUID) -> None:
        message = "It is being sent just now. Once it is in the room, edit or delete it there."
        super().__init__(message, status="SENDING", entity_id=scheduled_id)


class WordsLost(NotOpen):
    """What is kept cannot be read any more, so that nothing can be made of it."""

    def __init__(self, *, kept_id: UUID) -> None:
        super().__init__(
            "Its words cannot be read any more; write them anew.", status="UNREADABLE", entity_id=kept_id
        )


class OwnMessage(NotAllowed):
    """Nobody reports what they wrote themselves, nor what the platform says."""

    def __init__(self) -> None:
        super().__init__("ANOTHER_PERSON", "Report what others wrote; what you wrote yourself, delete.")


class ReportResolved(NotOpen):
    """Another administrator has decided."""

    def __init__(self, *, report_id: UUID) -> None:
        super().__init__("This report is resolved already.", status="RESOLVED", entity_id=report_id)


# -- tables ----------------------------------------------------------------------------------------------------------------


class MessageDraft(Versioned, table=True):
    """One for each room and person, and for each thread of it. `thread_id` is not sealed: a draft is found by it."""

    __tablename__ = "message_draft"
    __table_args__ = (
        sa.Index(
            "uq_message_draft_place",
            "author_id",
            "room_id",
            "thread_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        sa.Index("ix_message_draft_newest", "author_id", "updated_at", "id"),
    )

    id: UUID = Field(primary_key=True)
    author_id: UUID = reference("users.id")
    room_id: UUID = reference("room.id", index=True)
    thread_id: UUID | None = None
    # Whoever's keys are destroyed keeps no draft.
    key_id: UUID = reference("chat_key.id", index=True, ondelete="CASCADE")
    nonce: bytes
    sealed: bytes
    words_id: UUID
    created_at: datetime = utc()

    @staticmethod
    def place_of(room_id: UUID, author_id: UUID, words_id: UUID, *, thread_id: UUID | None) -> Place:
        return Place(room_id, author_id, thread_id or room_id, words_id, KeptKind.DRAFT)

    @property
    def place(self) -> Place:
        return self.place_of(self.room_id, self.author_id, self.words_id, thread_id=self.thread_id)


class ScheduledMessage(Versioned, table=True):
    """What its author wants to have said at `send_at`, under the client id that was fixed when it was scheduled."""

    __tablename__ = "scheduled_message"
    __table_args__ = (
        sa.Index("ix_scheduled_message_of", "author_id", "send_at", "id"),
        sa.CheckConstraint("(state = 'REFUSED') = (refusal is not null)", name="refused_for_a_reason"),
    )

    id: UUID = Field(primary_key=True)
    author_id: UUID = reference("users.id")
    room_id: UUID = reference("room.id", index=True)
    send_at: datetime = utc()
    state: ScheduledState = words(ScheduledState)
    # The code of the refusal, as the API has it.
    refusal: str | None = Field(default=None, max_length=60)
    client_id: str = Field(max_length=MAX_CLIENT_ID)
    key_id: UUID = reference("chat_key.id", index=True, ondelete="CASCADE")
    nonce: bytes
    sealed: bytes
    words_id: UUID
    created_at: datetime = utc()

    @staticmethod
    def client_id_of(id: UUID) -> str:
        return f"scheduled:{id}"

    @staticmethod
    def place_of(room_id: UUID, author_id: UUID, words_id: UUID, *, id: UUID) -> Place:
        return Place(room_id, author_id, id, words_id, KeptKind.SCHEDULED)

    @property
    def place(self) -> Place:
        return self.place_of(self.room_id, self.author_id, self.words_id, id=self.id)

    @staticmethod
    def check_time(send_at: datetime, *, now: datetime) -> None:
        """Raises `Refusals`."""
        checks = Checks()
        checks.future(("at",), send_at, now=now)
        latest = now + LONGEST_WAIT
        if send_at > latest:
            checks.refuse(("at",), "RANGE", "It is at most 30 days ahead.", max=latest.isoformat())
        checks.done()

    def require_changeable(self) -> None:
        """Raises `SendingNow`."""
        if self.state is ScheduledState.SENDING:
            raise SendingNow(scheduled_id=self.id)

    def wait(self, *, until: datetime, at: datetime) -> None:
        self.state, self.refusal, self.send_at = ScheduledState.WAITING, None, until
        self.touch(at=at)

    def refuse(self, code: str, *, at: datetime) -> None:
        self.state, self.refusal = ScheduledState.REFUSED, code
        self.touch(at=at)


class MessageReport(Versioned, table=True):
    """Somebody's word against a message, with what that said then: sealed by the platform, not by a member of the room.

    Nothing else of the room can be read with it. The words go with the account of whoever wrote them.
    """

    __tablename__ = "message_report"
    __table_args__ = (
        sa.Index(
            "uq_message_report_open",
            "reporter_id",
            "message_id",
            unique=True,
            postgresql_where=sa.text("state = 'OPEN'"),
        ),
        sa.Index("ix_message_report_queue", "state", "created_at", "id"),
        sa.Index("ix_message_report_newest", "created_at", "id"),
        sa.CheckConstraint("num_nulls(key_id, nonce, sealed, words_id) in (0, 4)", name="words_are_sealed"),
        sa.CheckConstraint(
            "(state = 'RESOLVED') = (outcome is not null) and (outcome is null) = (resolved_at is null)",
            name="resolved_with_outcome",
        ),
    )

    id: UUID = Field(primary_key=True)
    room_id: UUID = reference("room.id", index=True)
    message_id: UUID = Field(index=True)
    author_id: UUID = reference("users.id", index=True)
    reporter_id: UUID = reference("users.id")
    reason: ReportReason = words(ReportReason)
    remark_id: UUID | None = reference("remark.id", default=None)
    key_id: UUID | None = Field(default=None, index=True)
    nonce: bytes | None = None
    sealed: bytes | None = None
    words_id: UUID | None = None
    sent_at: datetime = utc()
    edit_count: int = 0
    state: ReportState = words(ReportState)
    outcome: ReportOutcome | None = words(ReportOutcome, default=None)
    resolver_id: UUID | None = reference("users.id", default=None)
    resolution_id: UUID | None = reference("remark.id", default=None)
    resolved_at: datetime | None = utc(default=None)
    created_at: datetime = utc()

    REMOVAL: ClassVar = "report:{}"

    @staticmethod
    def place_of(room_id: UUID, message_id: UUID, words_id: UUID) -> Place:
        return Place(room_id, SYSTEM, message_id, words_id, KeptKind.REPORTED)

    @property
    def removal_client_id(self) -> str:
        """Of the fact that deletes the message: one for each report, so that it is appended once."""
        return self.REMOVAL.format(self.id)

    def resolve(
        self, outcome: ReportOutcome, *, resolver_id: UUID, resolution_id: UUID | None, at: datetime
    ) -> None:
        """Raises `ReportResolved`."""
        if self.state is ReportState.RESOLVED:
            raise ReportResolved(report_id=self.id)
        self.state, self.outcome, self.resolved_at = ReportState.RESOLVED, outcome, at
        self.resolver_id, self.resolution_id = resolver_id, resolution_id
        self.touch(at=at)


def columns_of(sealed: Sealed, place: Place) -> dict[str, Any]:
    """What a row keeps of sealed words."""
    return {"key_id": sealed.key_id, "nonce": sealed.nonce, "sealed": sealed.text, "words_id": place.fact_id}


def sealed_in(row: Any) -> Sealed:
    return Sealed(row.key_id, row.nonce, row.sealed)
