"""A contract: the work one freelancer does for one gig."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from models.application import Application
from models.checks import Checks
from models.errors import NotOpen
from models.event import Topic
from models.gig_events import ConcernedEvent
from models.ids import new_id
from models.money import Money
from models.notice import Notice, NotificationCategory, NotificationReason
from models.table import Versioned, big, reference, utc, words
from models.vocabulary import Vocabulary
from models.workflow import Workflow, step


class ContractStatus(Vocabulary):
    """Where the work is."""

    ACTIVE = "ACTIVE", "The freelancer works on it."
    PAUSED = "PAUSED", "Both wait; the client or the freelancer resumes it."
    SUBMITTED = "SUBMITTED", "The freelancer handed the work in; the client approves it or asks for changes."
    COMPLETED = "COMPLETED", "The client approved the work. An end state."
    ENDED = "ENDED", "One side ended it early, with a reason. An end state."


class EndReason(Vocabulary):
    """Why a contract is ended early."""

    NO_LONGER_NEEDED = "NO_LONGER_NEEDED", "The work is not needed any more."
    NOT_RESPONDING = "NOT_RESPONDING", "The other side does not answer."
    QUALITY = "QUALITY", "The work is not what was agreed."
    NO_TIME = "NO_TIME", "There is no time for it any more."
    MUTUAL = "MUTUAL", "Both sides agreed to stop."
    OTHER = "OTHER", "Something else; the note says what."


C = ContractStatus
CONTRACT_WORKFLOW = Workflow[ContractStatus](
    "contract",
    [
        step("report_progress", C.ACTIVE, C.ACTIVE, by="FREELANCER"),
        step("submit_work", C.ACTIVE, C.SUBMITTED, by="FREELANCER"),
        step("request_changes", C.SUBMITTED, C.ACTIVE, by="CLIENT"),
        step("approve", C.SUBMITTED, C.COMPLETED, by="CLIENT"),
        step("pause", C.ACTIVE, C.PAUSED, by="EITHER"),
        step("resume", C.PAUSED, C.ACTIVE, by="EITHER"),
        step("end", [C.ACTIVE, C.PAUSED, C.SUBMITTED], C.ENDED, by="EITHER"),
    ],
)

_THE_END = Notice(NotificationCategory.CONTRACTS, NotificationReason.YOU_WORK_ON_IT, is_decision=True)

LIVE = frozenset({C.ACTIVE, C.PAUSED, C.SUBMITTED})


class ContractNotOver(NotOpen):
    """Feedback speaks of finished work."""

    def __init__(self, status: ContractStatus, *, contract_id: UUID) -> None:
        message = f"This contract is {status}; feedback can be given when it is COMPLETED or ENDED."
        super().__init__(message, status=status, entity_id=contract_id)


class ProgressFollowsBoard(NotOpen):
    """The client chose that the progress follows the board of the gig."""

    def __init__(self, *, contract_id: UUID) -> None:
        message = "The progress of this gig follows its board: move tasks there instead."
        super().__init__(message, status="FOLLOWS_BOARD", entity_id=contract_id)


@dataclass(frozen=True, kw_only=True)
class ContractEvent(ConcernedEvent):
    topic: ClassVar[Topic] = Topic.CONTRACTS
    notice: ClassVar[Notice | None] = Notice(
        NotificationCategory.CONTRACTS, NotificationReason.YOU_WORK_ON_IT
    )

    contract_id: UUID


@dataclass(frozen=True, kw_only=True)
class ContractMoved(ContractEvent):
    before: ContractStatus | None
    after: ContractStatus
    progress_percent: int
    reason: str | None = None


class ContractStarted(ContractMoved):
    """The work may begin."""

    joins = True
    notice = None  # the same act told the freelancer that they were accepted


class ContractProgressReported(ContractMoved):
    """The freelancer said how far the work is."""


class WorkSubmitted(ContractMoved):
    """The freelancer handed the work in."""


class ChangesRequested(ContractMoved):
    """The client wants changes; the remark says which."""


class ContractCompleted(ContractMoved):
    """The client approved the work."""

    notice = _THE_END


class ContractPaused(ContractMoved):
    """The work rests."""


class ContractResumed(ContractMoved):
    """The work goes on."""


class ContractEnded(ContractMoved):
    """One side ended the contract early."""

    changes_counts = True
    notice = _THE_END


E = TypeVar("E", bound=ContractMoved)


class Contract(Versioned, table=True):
    __table_args__ = (
        sa.UniqueConstraint("application_id"),
        sa.CheckConstraint("progress_percent between 0 and 100", name="progress_range"),
        sa.Index("ix_contract_of_client", "client_id", "started_at", "id"),
        sa.Index("ix_contract_of_freelancer", "freelancer_id", "started_at", "id"),
    )

    id: UUID = Field(primary_key=True)
    gig_id: UUID = reference("gig.id", index=True)
    application_id: UUID = reference("application.id")
    client_id: UUID = reference("client_profile.user_id")
    freelancer_id: UUID = reference("freelancer_profile.user_id")
    price_minor: int = big()
    currency: str = Field(max_length=3)
    status: ContractStatus = words(ContractStatus)
    progress_percent: int = 0
    reason: str | None = Field(default=None, max_length=40)
    # The last note that came with the work: progress, hand-in, requested changes, or the end.
    remark_id: UUID | None = reference("remark.id", default=None)
    started_at: datetime = utc()
    submitted_at: datetime | None = utc(default=None)
    over_at: datetime | None = utc(default=None, index=True)

    @property
    def price(self) -> Money:
        return Money(self.price_minor, self.currency)

    @property
    def takes_progress(self) -> bool:
        return bool(CONTRACT_WORKFLOW.find("report_progress")[0].sources & {self.status})

    @classmethod
    def between(cls, application: Application, *, at: datetime) -> tuple[Self, ContractStarted]:
        """The contract that an accepted application becomes, on the terms of the bid."""
        contract = cls(
            id=new_id(),
            gig_id=application.gig_id,
            application_id=application.id,
            client_id=application.client_id,
            freelancer_id=application.freelancer_id,
            price_minor=application.price_minor,
            currency=application.currency,
            status=C.ACTIVE,
            started_at=at,
            updated_at=at,
        )
        return contract, contract._event(ContractStarted, before=None, at=at)

    def report_progress(
        self, percent: int, *, remark_id: UUID | None, at: datetime
    ) -> ContractProgressReported:
        checks = Checks()
        checks.between(("percent",), percent, min=0, max=100)
        checks.done()
        CONTRACT_WORKFLOW.check("report_progress", self.status, entity_id=self.id)
        self.progress_percent = percent
        return self._move("report_progress", ContractProgressReported, remark_id=remark_id, at=at)

    def submit_work(self, *, remark_id: UUID | None, at: datetime) -> WorkSubmitted:
        event = self._move("submit_work", WorkSubmitted, remark_id=remark_id, at=at)
        self.submitted_at = at
        return event

    def request_changes(self, *, remark_id: UUID, at: datetime) -> ChangesRequested:
        return self._move("request_changes", ChangesRequested, remark_id=remark_id, at=at)

    def approve(self, *, at: datetime) -> ContractCompleted:
        CONTRACT_WORKFLOW.check("approve", self.status, entity_id=self.id)
        self.progress_percent = 100
        self.over_at = at
        return self._move("approve", ContractCompleted, remark_id=None, at=at)

    def pause(self, *, remark_id: UUID | None, at: datetime) -> ContractPaused:
        return self._move("pause", ContractPaused, remark_id=remark_id, at=at)

    def resume(self, *, at: datetime) -> ContractResumed:
        return self._move("resume", ContractResumed, remark_id=None, at=at)

    def end(self, reason: EndReason, *, remark_id: UUID | None, at: datetime) -> ContractEnded:
        event = self._move("end", ContractEnded, remark_id=remark_id, at=at, reason=reason)
        self.reason, self.over_at = reason, at
        return event

    def require_over(self) -> datetime:
        """When the work was over. Raises `ContractNotOver`."""
        if self.over_at is None:
            raise ContractNotOver(self.status, contract_id=self.id)
        return self.over_at

    def _move(
        self, verb: str, event: type[E], *, remark_id: UUID | None, at: datetime, reason: str | None = None
    ) -> E:
        before = self.status
        self.status = CONTRACT_WORKFLOW.check(verb, before, entity_id=self.id)
        self.touch(at=at)
        self.remark_id = remark_id or self.remark_id
        return self._event(event, before=before, at=at, remark_id=remark_id, reason=reason)

    def _event(
        self,
        event: type[E],
        *,
        before: ContractStatus | None,
        at: datetime,
        remark_id: UUID | None = None,
        reason: str | None = None,
    ) -> E:
        return event(
            gig_id=self.gig_id,
            contract_id=self.id,
            owner_id=self.client_id,
            person_id=self.freelancer_id,
            before=before,
            after=self.status,
            progress_percent=self.progress_percent,
            reason=reason,
            remark_id=remark_id,
            at=at,
        )
