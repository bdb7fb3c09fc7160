"""An invitation: a client asks a freelancer to apply, and the freelancer's word on it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from models.errors import AlreadyExists
from models.event import Topic
from models.gig import Gig
from models.gig_events import ConcernedEvent
from models.ids import new_id
from models.notice import Notice, NotificationCategory, NotificationReason
from models.table import Versioned, reference, utc, words
from models.vocabulary import Vocabulary
from models.workflow import Workflow, step


class InvitationStatus(Vocabulary):
    """What became of an invitation."""

    PENDING = "PENDING", "Not answered yet."
    ACCEPTED = "ACCEPTED", "The freelancer wants to look at the gig and may apply."
    DECLINED = "DECLINED", "The freelancer is not interested."


INVITATION_WORKFLOW = Workflow[InvitationStatus](
    "invitation",
    [
        step("accept", InvitationStatus.PENDING, InvitationStatus.ACCEPTED, by="FREELANCER"),
        step("decline", InvitationStatus.PENDING, InvitationStatus.DECLINED, by="FREELANCER"),
    ],
)


class AlreadyInvited(AlreadyExists):
    """One invitation for each freelancer and gig."""

    guarded_by = "uq_gig_invitation_gig_id_freelancer_id"

    @classmethod
    def violated(cls) -> "AlreadyInvited":
        return cls("This freelancer is invited to this gig already.", path=("freelancerId",))


@dataclass(frozen=True, kw_only=True)
class InvitationEvent(ConcernedEvent):
    topic = Topic.INVITATIONS
    notice = Notice(NotificationCategory.INVITATIONS, NotificationReason.YOU_ARE_INVITED)

    invitation_id: UUID


class FreelancerInvited(InvitationEvent):
    """The client invited a freelancer to apply."""

    joins = True


class InvitationAccepted(InvitationEvent):
    """The freelancer wants to look at the gig."""


class InvitationDeclined(InvitationEvent):
    """The freelancer is not interested."""


E = TypeVar("E", bound=InvitationEvent)


class GigInvitation(Versioned, table=True):
    __tablename__ = "gig_invitation"
    __table_args__ = (sa.UniqueConstraint("gig_id", "freelancer_id"),)

    id: UUID = Field(primary_key=True)
    gig_id: UUID = reference("gig.id")
    client_id: UUID = reference("client_profile.user_id")
    freelancer_id: UUID = reference("freelancer_profile.user_id", index=True)
    status: InvitationStatus = words(InvitationStatus)
    remark_id: UUID | None = reference("remark.id")
    created_at: datetime = utc()

    @classmethod
    def send(
        cls, gig: Gig, *, freelancer_id: UUID, remark_id: UUID | None, at: datetime
    ) -> tuple[Self, FreelancerInvited]:
        gig.require_open()
        invitation = cls(
            id=new_id(),
            gig_id=gig.id,
            client_id=gig.client_id,
            freelancer_id=freelancer_id,
            status=InvitationStatus.PENDING,
            remark_id=remark_id,
            created_at=at,
            updated_at=at,
        )
        return invitation, invitation._event(FreelancerInvited, remark_id=remark_id, at=at)

    def accept(self, *, at: datetime) -> InvitationAccepted:
        return self._answer("accept", InvitationAccepted, remark_id=None, at=at)

    def decline(self, *, remark_id: UUID | None, at: datetime) -> InvitationDeclined:
        return self._answer("decline", InvitationDeclined, remark_id=remark_id, at=at)

    def _answer(self, verb: str, event: type[E], *, remark_id: UUID | None, at: datetime) -> E:
        self.status = INVITATION_WORKFLOW.check(verb, self.status, entity_id=self.id)
        self.touch(at=at)
        return self._event(event, remark_id=remark_id, at=at)

    def _event(self, event: type[E], *, remark_id: UUID | None, at: datetime) -> E:
        return event(
            gig_id=self.gig_id,
            invitation_id=self.id,
            owner_id=self.client_id,
            person_id=self.freelancer_id,
            remark_id=remark_id,
            at=at,
        )
