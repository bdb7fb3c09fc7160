"""Invitations to apply, as clients see them."""

from datetime import datetime

import strawberry

from auth import access
from models.errors import InvalidTransition, NotFound
from models.gig import GigNotOpen
from models.ids import decode_id
from models.invitation import AlreadyInvited, GigInvitation, InvitationStatus
from resolvers import invitations
from resolvers.operation import Operation
from schema.graph import column, entity, node, one, source
from schema.node import Node
from schema.notes import notes
from schema.payloads import IDEMPOTENCY, Answer, MutationPayload, Needs, mutation
from schema.profiles import FreelancerType
from schema.scalars import Markdown
from schema.type_names import Gig
from schema.words import words

words(InvitationStatus)


@node(
    "invitation",
    GigInvitation,
    scope=access.visible_invitations,
    name="GigInvitation",
    description="A client asks a freelancer to apply; both see it.",
)
class InvitationType(Node):
    status: InvitationStatus = column(GigInvitation.status, "What became of it.")
    created_at: datetime = column(GigInvitation.created_at, "When it was sent.")
    version: int = column(GigInvitation.version, "Counts the changes.")
    gig: Gig | None = one(GigInvitation.gig_id, "The gig; null once you may not see it.")
    freelancer: FreelancerType | None = one(GigInvitation.freelancer_id, "Who is invited.")
    message: Markdown | None = source(
        notes, "What the client wrote; null without a text.", key=GigInvitation.remark_id
    )


@strawberry.input(description="Input of `gigInvite`.")
class GigInviteInput:
    gig_id: strawberry.ID = strawberry.field(description="An open gig of yours.")
    freelancer_id: strawberry.ID = strawberry.field(description="Whom to ask.")
    message: str | None = strawberry.field(default=None, description="At most 2,000 characters.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `invitationAccept`.")
class InvitationAcceptInput:
    id: strawberry.ID = strawberry.field(description="The invitation.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `invitationDecline`.")
class InvitationDeclineInput(InvitationAcceptInput):
    note: str | None = strawberry.field(
        default=None, description="A word to the client; at most 2,000 characters."
    )


@strawberry.type(description="Answer to a mutation of an invitation.")
class InvitationPayload(MutationPayload):
    invitation: InvitationType | None = entity("The invitation as it is now.")


@mutation(
    InvitationPayload,
    NotFound,
    GigNotOpen,
    AlreadyInvited,
    needs=Needs.CLIENT,
    description="Ask a freelancer to apply. They see the gig from now on, even an invite-only one.",
)
async def gig_invite(op: Operation, input: GigInviteInput) -> Answer:
    return await invitations.invite_freelancer(
        op,
        decode_id("gig", input.gig_id, path=("gigId",)),
        freelancer_id=decode_id("freelancer", input.freelancer_id, path=("freelancerId",)),
        message=input.message,
    )


@mutation(
    InvitationPayload,
    NotFound,
    InvalidTransition,
    needs=Needs.FREELANCER,
    description="Say that you want to look at the gig; `applicationSubmit` applies for it.",
)
async def invitation_accept(op: Operation, input: InvitationAcceptInput) -> Answer:
    return await invitations.answer_invitation(op, decode_id("invitation", input.id), accepts=True, note=None)


@mutation(
    InvitationPayload,
    NotFound,
    InvalidTransition,
    needs=Needs.FREELANCER,
    description="Say that you are not interested.",
)
async def invitation_decline(op: Operation, input: InvitationDeclineInput) -> Answer:
    return await invitations.answer_invitation(
        op, decode_id("invitation", input.id), accepts=False, note=input.note
    )
