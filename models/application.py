"""An application: a freelancer's bid on a gig, and the client's word on it."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.errors import AlreadyExists, NotOpen
from models.event import Topic
from models.gig_events import ConcernedEvent
from models.money import Money
from models.notice import Notice, NotificationCategory, NotificationReason
from models.table import Versioned, big, long_text, reference, utc, words
from models.vocabulary import Vocabulary
from models.workflow import Workflow, step

MAX_COVER_LETTER, MAX_ANSWER = 10_000, 2_000


class ApplicationStatus(Vocabulary):
    """What became of an application so far."""

    SUBMITTED = "SUBMITTED", "The client has not looked at it; the freelancer may still change it."
    VIEWED = "VIEWED", "The client has looked at it."
    SHORTLISTED = "SHORTLISTED", "The client keeps it in the closer choice."
    DECLINED = "DECLINED", "The client said no, with a reason. An end state."
    WITHDRAWN = (
        "WITHDRAWN",
        "The freelancer took it back. An end state; a new one may follow while the gig is open.",
    )
    ACCEPTED = "ACCEPTED", "A contract came of it. An end state."


class DeclineReason(Vocabulary):
    """Why a client declines."""

    PRICE = "PRICE", "The price does not fit."
    SKILLS = "SKILLS", "Other skills are needed."
    EXPERIENCE = "EXPERIENCE", "More experience is needed."
    AVAILABILITY = "AVAILABILITY", "The time does not fit."
    ANOTHER_CHOSEN = "ANOTHER_CHOSEN", "Somebody else was chosen."
    OTHER = "OTHER", "Something else; the note says what."


class WithdrawReason(Vocabulary):
    """Why a freelancer withdraws."""

    NO_TIME = "NO_TIME", "Has no time for it now."
    FOUND_OTHER_WORK = "FOUND_OTHER_WORK", "Took other work."
    TERMS = "TERMS", "The terms do not fit after all."
    MISTAKE = "MISTAKE", "Applied by mistake."
    OTHER = "OTHER", "Something else; the note says what."


A = ApplicationStatus
APPLICATION_WORKFLOW = Workflow[ApplicationStatus](
    "application",
    [
        step("edit", A.SUBMITTED, A.SUBMITTED, by="APPLICANT"),
        step("withdraw", [A.SUBMITTED, A.VIEWED, A.SHORTLISTED], A.WITHDRAWN, by="APPLICANT"),
        step("mark_viewed", A.SUBMITTED, A.VIEWED, by="OWNER"),
        step("shortlist", [A.SUBMITTED, A.VIEWED], A.SHORTLISTED, by="OWNER"),
        step("unshortlist", A.SHORTLISTED, A.VIEWED, by="OWNER"),
        step("decline", [A.SUBMITTED, A.VIEWED, A.SHORTLISTED], A.DECLINED, by="OWNER"),
        step("accept", [A.SUBMITTED, A.VIEWED, A.SHORTLISTED], A.ACCEPTED, by="OWNER"),
    ],
)


class ApplicationSeen(NotOpen):
    """The client has looked at it, so it cannot be changed under their eyes."""

    def __init__(self, status: ApplicationStatus, *, application_id: UUID) -> None:
        message = f"This application is {status}; it can be changed only until the client has looked at it."
        super().__init__(message, status=status, entity_id=application_id)


class ApplicantAway(NotOpen):
    """The freelancer is suspended or gone, and cannot begin to work."""

    def __init__(self, *, application_id: UUID) -> None:
        message = "This freelancer cannot work now. Choose somebody else, or wait until they are back."
        super().__init__(message, status="AWAY", entity_id=application_id)


class OwnGig(AlreadyExists):
    """Nobody applies for their own gig."""

    guarded_by = "ck_application_not_own_gig"

    @classmethod
    def violated(cls) -> "OwnGig":
        return cls("This gig is your own; you cannot apply for it.", path=("gigId",))


class ApplicationIdTaken(AlreadyExists):
    """The id that the caller chose is in use."""

    guarded_by = "pk_application"

    @classmethod
    def violated(cls) -> "ApplicationIdTaken":
        return cls("This id is taken. Leave it out, or make a new one.", path=("id",))


@dataclass(frozen=True, kw_only=True)
class ApplicationEvent(ConcernedEvent):
    topic = Topic.APPLICATIONS
    notice = Notice(NotificationCategory.APPLICATIONS, NotificationReason.YOU_APPLIED)

    application_id: UUID


@dataclass(frozen=True, kw_only=True)
class ApplicationMoved(ApplicationEvent):
    before: ApplicationStatus | None
    after: ApplicationStatus
    reason: str | None = None


class ApplicationSubmitted(ApplicationMoved):
    """A freelancer applied."""

    changes_counts = True
    joins = True


class ApplicationEdited(ApplicationMoved):
    """The freelancer changed the application before it was seen."""


class ApplicationWithdrawn(ApplicationMoved):
    """The freelancer took the application back."""

    changes_counts = True


class ApplicationViewed(ApplicationMoved):
    """The client looked at the application."""


class ApplicationShortlisted(ApplicationMoved):
    """The client took the application into the closer choice."""


class ApplicationUnshortlisted(ApplicationMoved):
    """The client took the application out of the closer choice."""


class ApplicationDeclined(ApplicationMoved):
    """The client said no."""


class ApplicationAccepted(ApplicationMoved):
    """The client said yes; a contract follows."""

    changes_counts = True
    notice = Notice(NotificationCategory.APPLICATIONS, NotificationReason.YOU_APPLIED, is_decision=True)


E = TypeVar("E", bound=ApplicationMoved)


class Application(Versioned, table=True):
    __table_args__ = (
        # One live application per person and gig; after withdrawing one may apply again.
        sa.Index("uq_application_live", "gig_id", "freelancer_id", unique=True,
                 postgresql_where=sa.text("status <> 'WITHDRAWN'")),
        sa.Index("ix_application_of_gig", "gig_id", "submitted_at", "id"),
        sa.Index("ix_application_of_freelancer", "freelancer_id", "submitted_at", "id"),
        sa.CheckConstraint("client_id <> freelancer_id", name="not_own_gig"),
        sa.CheckConstraint("price_minor > 0", name="price_positive"),
    )  # fmt: skip

    id: UUID = Field(primary_key=True)
    gig_id: UUID = reference("gig.id")
    client_id: UUID = reference("client_profile.user_id", index=True)
    freelancer_id: UUID = reference("freelancer_profile.user_id")
    status: ApplicationStatus = words(ApplicationStatus)
    cover_letter: str = long_text()
    price_minor: int = big()
    currency: str = Field(max_length=3)
    duration_days: int | None
    reason: str | None = Field(default=None, max_length=40)
    remark_id: UUID | None = reference("remark.id", default=None)
    submitted_at: datetime = utc()
    viewed_at: datetime | None = utc(default=None)

    @property
    def price(self) -> Money:
        return Money(self.price_minor, self.currency)

    def submitted(self) -> ApplicationSubmitted:
        return self._event(ApplicationSubmitted, before=None, at=self.submitted_at)

    def edit(self, *, at: datetime) -> ApplicationEdited:
        """Announce that the columns have changed; only until the client has looked."""
        if self.status is not A.SUBMITTED:
            raise ApplicationSeen(self.status, application_id=self.id)
        return self._move("edit", ApplicationEdited, at=at)

    def withdraw(
        self, reason: WithdrawReason, *, remark_id: UUID | None, at: datetime
    ) -> ApplicationWithdrawn:
        return self._move("withdraw", ApplicationWithdrawn, at=at, reason=reason, remark_id=remark_id)

    def mark_viewed(self, *, at: datetime) -> ApplicationViewed:
        event = self._move("mark_viewed", ApplicationViewed, at=at)
        self.viewed_at = at
        return event

    def shortlist(self, *, at: datetime) -> ApplicationShortlisted:
        event = self._move("shortlist", ApplicationShortlisted, at=at)
        self.viewed_at = self.viewed_at or at
        return event

    def unshortlist(self, *, at: datetime) -> ApplicationUnshortlisted:
        return self._move("unshortlist", ApplicationUnshortlisted, at=at)

    def decline(self, reason: DeclineReason, *, remark_id: UUID | None, at: datetime) -> ApplicationDeclined:
        return self._move("decline", ApplicationDeclined, at=at, reason=reason, remark_id=remark_id)

    def accept(self, *, at: datetime) -> ApplicationAccepted:
        return self._move("accept", ApplicationAccepted, at=at)

    def _move(
        self,
        verb: str,
        event: type[E],
        *,
        at: datetime,
        reason: str | None = None,
        remark_id: UUID | None = None,
    ) -> E:
        before = self.status
        self.status = APPLICATION_WORKFLOW.check(verb, before, entity_id=self.id)
        self.touch(at=at)
        if reason is not None:
            self.reason, self.remark_id = reason, remark_id
        return self._event(event, before=before, at=at, reason=reason, remark_id=remark_id)

    def _event(
        self,
        event: type[E],
        *,
        before: ApplicationStatus | None,
        at: datetime,
        reason: str | None = None,
        remark_id: UUID | None = None,
    ) -> E:
        return event(
            gig_id=self.gig_id,
            application_id=self.id,
            owner_id=self.client_id,
            person_id=self.freelancer_id,
            before=before,
            after=self.status,
            reason=reason,
            remark_id=remark_id,
            at=at,
        )


class ApplicationAnswer(SQLModel, table=True):
    __tablename__ = "application_answer"

    application_id: UUID = reference("application.id", primary_key=True)
    question_id: UUID = reference("gig_question.id", primary_key=True)
    body: str = long_text()
    position: int
