"""What people do not want recommended. It counts from the next list on; lists that were made leave it out, too."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from auth import access
from models.errors import NotFound
from models.gig import Gig
from models.profile import FreelancerProfile
from models.recommendation import DismissReason, HiddenClient, RecommendationDismissal
from models.store.sql import Receipt, Transaction
from models.user import Role
from resolvers.gigs import require_owner
from resolvers.operation import Operation


async def dismiss(
    op: Operation, gig_id: UUID, *, freelancer_id: UUID | None, reason: DismissReason
) -> Receipt:
    """Not this gig for oneself, or, of an own gig, not this freelancer for it. The newest reason counts."""
    user_id = op.viewer.require_user()
    async with op.transaction() as tx:
        await _visible_gig(op, tx, gig_id, is_own=freelancer_id is not None)
        if freelancer_id is None:
            op.viewer.require(Role.FREELANCER)
        elif not await _sees_freelancer(op, tx, freelancer_id):
            raise NotFound("freelancer", path=("freelancerId",))
        values = {
            "user_id": user_id,
            "gig_id": gig_id,
            "freelancer_id": freelancer_id or user_id,
            "reason": reason,
            "dismissed_at": op.now(),
        }
        changed = {"reason": reason, "dismissed_at": op.now()}
        statement = (
            insert(RecommendationDismissal)
            .values(values)
            .on_conflict_do_update(
                constraint="pk_recommendation_dismissal",
                set_=changed,
                where=col(RecommendationDismissal.reason) != reason,
            )
            .returning(col(RecommendationDismissal.gig_id))
        )
        return tx.done(gig_id) if (await tx.execute(statement)).first() else tx.noop(gig_id)


async def restore(op: Operation, gig_id: UUID, *, freelancer_id: UUID | None) -> Receipt:
    """Take the dismissal back."""
    user_id = op.viewer.require_user()
    async with op.transaction() as tx:
        statement = sa.delete(RecommendationDismissal).where(
            col(RecommendationDismissal.user_id) == user_id,
            col(RecommendationDismissal.gig_id) == gig_id,
            col(RecommendationDismissal.freelancer_id) == (freelancer_id or user_id),
        )
        result = await tx.execute(statement.returning(col(RecommendationDismissal.gig_id)))
        return tx.done(gig_id) if result.first() else tx.noop(gig_id)


async def hide_client(op: Operation, gig_id: UUID) -> Receipt:
    """No more gigs of whoever posted this one."""
    user_id = op.viewer.require(Role.FREELANCER)
    async with op.transaction() as tx:
        gig = await _visible_gig(op, tx, gig_id, is_own=False)
        values = {"user_id": user_id, "client_id": gig.client_id, "hidden_at": op.now()}
        statement = insert(HiddenClient).values(values).on_conflict_do_nothing()
        result = await tx.execute(statement.returning(col(HiddenClient.client_id)))
        return tx.done(gig_id) if result.first() else tx.noop(gig_id)


async def unhide_client(op: Operation, gig_id: UUID) -> Receipt:
    user_id = op.viewer.require(Role.FREELANCER)
    async with op.transaction() as tx:
        gig = await _visible_gig(op, tx, gig_id, is_own=False)
        statement = sa.delete(HiddenClient).where(
            col(HiddenClient.user_id) == user_id, col(HiddenClient.client_id) == gig.client_id
        )
        result = await tx.execute(statement.returning(col(HiddenClient.client_id)))
        return tx.done(gig_id) if result.first() else tx.noop(gig_id)


async def _visible_gig(op: Operation, tx: Transaction, gig_id: UUID, *, is_own: bool) -> Gig:
    """Raises `NotFound`, and `NotAllowed` if it has to be the caller's own and is not."""
    gig = await tx.get(Gig, col(Gig.id) == gig_id, access.visible_gigs(op.viewer))
    if gig is None:
        raise NotFound("gig", path=("gigId",))
    if is_own:
        require_owner(op, gig)
    return gig


async def _sees_freelancer(op: Operation, tx: Transaction, freelancer_id: UUID) -> bool:
    seen = access.visible_freelancers(op.viewer)
    return await tx.get(FreelancerProfile, col(FreelancerProfile.user_id) == freelancer_id, seen) is not None
