"""Feedback: what two people say of each other after the work, hidden until both have spoken or 14 days have passed.

Until the reveal nobody but the author can learn content or score. The reveal is one transaction, by the second feedback
or by the job at day 14; after day 14 no feedback is accepted, so nobody can answer to what they have read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.checks import Checks
from models.contract import Contract, ContractEvent
from models.errors import AlreadyExists, NotAllowed, NotOpen
from models.event import Topic
from models.ids import new_id
from models.notice import Notice, NotificationCategory, NotificationReason
from models.table import long_text, reference, utc, words
from models.vocabulary import Vocabulary

WINDOW = timedelta(days=14)
MAX_COMMENT, MAX_REPLY = 4_000, 2_000
AXES = ("availability", "communication", "cooperation", "deadlines", "quality", "skills")


class FeedbackSide(Vocabulary):
    """Who speaks of whom."""

    OF_FREELANCER = "OF_FREELANCER", "The client speaks of the freelancer."
    OF_CLIENT = "OF_CLIENT", "The freelancer speaks of the client."


class FeedbackWindowClosed(NotOpen):
    """The fourteen days are over."""

    def __init__(self, *, contract_id: UUID) -> None:
        message = "Feedback can be given for 14 days after the end of the contract; they are over."
        super().__init__(message, status="CLOSED", entity_id=contract_id)


class FeedbackHidden(NotOpen):
    """A reply needs something to reply to."""

    def __init__(self, *, feedback_id: UUID) -> None:
        message = "This feedback is not revealed yet: give yours, or wait until 14 days after the end."
        super().__init__(message, status="HIDDEN", entity_id=feedback_id)


class FeedbackExists(AlreadyExists):
    """One feedback from each side of a contract."""

    guarded_by = "uq_feedback_contract_id_author_id"

    @classmethod
    def violated(cls) -> "FeedbackExists":
        return cls(
            "You have given your feedback on this contract; it cannot be changed.", path=("contractId",)
        )


class ReplyExists(AlreadyExists):
    """One public reply to each feedback."""


_NOTICE = Notice(NotificationCategory.FEEDBACK, NotificationReason.YOU_WORK_ON_IT)


@dataclass(frozen=True, kw_only=True)
class FeedbackEvent(ContractEvent):
    """Carries nothing of the content: who answered is known to both sides, what was said is not."""

    topic = Topic.FEEDBACK
    notice = _NOTICE

    side: FeedbackSide


class FeedbackGiven(FeedbackEvent):
    """One side has answered."""


class FeedbackReplied(FeedbackEvent):
    """The one spoken of replied in public."""


@dataclass(frozen=True, kw_only=True)
class FeedbackRevealed(ContractEvent):
    """What both said can be read from now on."""

    topic = Topic.FEEDBACK
    notice = _NOTICE

    sides: tuple[FeedbackSide, ...]


E = TypeVar("E", bound=FeedbackEvent)


class Feedback(SQLModel, table=True):
    __table_args__ = (
        sa.UniqueConstraint("contract_id", "author_id"),
        sa.CheckConstraint(
            "least(availability, communication, cooperation, deadlines, quality, skills) >= 1"
            " and greatest(availability, communication, cooperation, deadlines, quality, skills) <= 5",
            name="axes_range",
        ),
        sa.Index("ix_feedback_of_subject", "subject_id", "side", "revealed_at", "id"),
    )

    id: UUID = Field(primary_key=True)
    contract_id: UUID = reference("contract.id")
    gig_id: UUID = reference("gig.id")
    author_id: UUID = reference("users.id")
    subject_id: UUID = reference("users.id")
    side: FeedbackSide = words(FeedbackSide)
    availability: int
    communication: int
    cooperation: int
    deadlines: int
    quality: int
    skills: int
    comment: str = long_text()
    given_at: datetime = utc()
    revealed_at: datetime | None = utc(default=None)
    reply: str | None = long_text(default=None)
    replied_at: datetime | None = utc(default=None)

    @classmethod
    def give(
        cls, contract: Contract, *, author_id: UUID, axes: Mapping[str, int], comment: str, at: datetime
    ) -> tuple[Self, FeedbackGiven]:
        """`axes` are whole numbers 1 (bad) to 5 (excellent) for each of `AXES`."""
        over_at = contract.require_over()
        if at >= over_at + WINDOW:
            raise FeedbackWindowClosed(contract_id=contract.id)
        checks = Checks()
        for axis in AXES:
            checks.between((axis,), axes[axis], min=1, max=5)
        comment = checks.text(("comment",), comment, max=MAX_COMMENT)
        checks.done()
        by_client = author_id == contract.client_id
        feedback = cls(
            id=new_id(),
            contract_id=contract.id,
            gig_id=contract.gig_id,
            author_id=author_id,
            subject_id=contract.freelancer_id if by_client else contract.client_id,
            side=FeedbackSide.OF_FREELANCER if by_client else FeedbackSide.OF_CLIENT,
            comment=comment,
            given_at=at,
            availability=axes["availability"],
            communication=axes["communication"],
            cooperation=axes["cooperation"],
            deadlines=axes["deadlines"],
            quality=axes["quality"],
            skills=axes["skills"],
        )
        return feedback, feedback._event(FeedbackGiven, contract, at=at)

    @property
    def axis_total(self) -> int:
        return sum(getattr(self, axis) for axis in AXES)

    def answer(self, contract: Contract, *, author_id: UUID, body: str, at: datetime) -> FeedbackReplied:
        if author_id != self.subject_id:
            raise NotAllowed("SUBJECT", "Only the one this feedback speaks of can reply to it.")
        if self.revealed_at is None:
            raise FeedbackHidden(feedback_id=self.id)
        if self.reply is not None:
            raise ReplyExists("You have replied to this feedback; one reply is all there is.")
        checks = Checks()
        reply = checks.text(("reply",), body, max=MAX_REPLY)
        checks.done()
        self.reply, self.replied_at = reply, at
        return self._event(FeedbackReplied, contract, at=at)

    def _event(self, event: type[E], contract: Contract, *, at: datetime) -> E:
        return event(
            gig_id=contract.gig_id,
            contract_id=contract.id,
            owner_id=contract.client_id,
            person_id=contract.freelancer_id,
            side=self.side,
            at=at,
        )


def reveal(contract: Contract, hidden: Sequence[Feedback], *, at: datetime) -> FeedbackRevealed:
    """Open what both said, at once. The caller adds each score to its subject's rating."""
    for feedback in hidden:
        feedback.revealed_at = at
    return FeedbackRevealed(
        gig_id=contract.gig_id,
        contract_id=contract.id,
        owner_id=contract.client_id,
        person_id=contract.freelancer_id,
        sides=tuple(sorted(feedback.side for feedback in hidden)),
        at=at,
    )
