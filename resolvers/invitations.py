"""Asking freelancers to apply, and their answers."""

from uuid import UUID

from sqlmodel import col

from auth import access
from models.errors import NotAllowed, NotFound
from models.invitation import GigInvitation
from models.profile import FreelancerProfile
from models.store.sql import Receipt
from resolvers.gigs import lock_own_gig
from resolvers.operation import Operation
from resolvers.remarks import write_remark


async def invite_freelancer(
    op: Operation, gig_id: UUID, *, freelancer_id: UUID, message: str | None
) -> Receipt:
    """Ask a freelancer to apply; they see the gig from now on, even an invite-only one."""
    async with op.transaction() as tx:
        gig = await lock_own_gig(op, tx, gig_id)
        visible = (col(FreelancerProfile.user_id) == freelancer_id) & access.visible_freelancers(op.viewer)
        if await tx.get(FreelancerProfile, visible) is None:
            raise NotFound("freelancer", path=("freelancerId",))
        if freelancer_id == gig.client_id:
            raise NotAllowed("OTHER_PERSON", "You cannot invite yourself.")
        remark_id = await write_remark(op, tx, message, path="message")
        invitation, event = GigInvitation.send(
            gig, freelancer_id=freelancer_id, remark_id=remark_id, at=op.now()
        )
        tx.add(invitation)
        tx.emit(event)
        return tx.done(invitation.id)


async def answer_invitation(
    op: Operation, invitation_id: UUID, *, accepts: bool, note: str | None
) -> Receipt:
    """The invited freelancer's word; the note goes with a no."""
    user_id = op.viewer.require_user()
    async with op.transaction() as tx:
        invitation = await tx.lock(
            GigInvitation,
            col(GigInvitation.id) == invitation_id,
            access.visible_invitations(op.viewer),
            what="invitation",
        )
        if invitation.freelancer_id != user_id:
            raise NotAllowed("INVITED_FREELANCER")
        remark_id = await write_remark(op, tx, note)
        if accepts:
            tx.emit(invitation.accept(at=op.now()))
        else:
            tx.emit(invitation.decline(remark_id=remark_id, at=op.now()))
        return tx.done(invitation.id)
