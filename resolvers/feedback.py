"""Feedback after the work, revealed for both at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import access
from models.contract import Contract
from models.feedback import (
    WINDOW,
    Feedback,
    FeedbackExists,
    FeedbackSide,
    FeedbackWindowClosed,
    reveal,
)
from models.profile import ClientProfile, FreelancerProfile
from models.store.sql import Receipt, Transaction
from resolvers.contracts import require_participant
from resolvers.jobs import job
from resolvers.operation import Operation


async def leave_feedback(
    op: Operation, contract_id: UUID, *, axes: Mapping[str, int], comment: str
) -> Receipt:
    """Say how it was; the second of the two opens both."""
    user_id = op.viewer.require_user()
    async with op.transaction() as tx:
        contract = await tx.lock(
            Contract,
            col(Contract.id) == contract_id,
            access.visible_contracts(op.viewer),
            what="contract",
            path=("contractId",),
        )
        require_participant(op, contract)
        given = await tx.all(Feedback, col(Feedback.contract_id) == contract.id)
        if any(other.author_id == user_id for other in given):
            raise FeedbackExists.violated()
        if any(other.revealed_at is not None for other in given):
            # Opened by a worker whose clock is ahead of ours: answering now would be answering to what was read.
            raise FeedbackWindowClosed(contract_id=contract.id)
        feedback, event = Feedback.give(contract, author_id=user_id, axes=axes, comment=comment, at=op.now())
        tx.add(feedback)
        await tx.session.flush()
        tx.emit(event)
        if given:
            await _reveal(op, tx, contract, [*given, feedback])
        return tx.done(feedback.id)


async def reply_to_feedback(op: Operation, feedback_id: UUID, *, body: str) -> Receipt:
    """The one spoken of answers once, in public."""
    user_id = op.viewer.require_user()
    async with op.transaction() as tx:
        feedback = await tx.lock(
            Feedback, col(Feedback.id) == feedback_id, access.visible_feedback(op.viewer), what="feedback"
        )
        contract = await tx.get(Contract, col(Contract.id) == feedback.contract_id)
        assert contract is not None
        tx.emit(feedback.answer(contract, author_id=user_id, body=body, at=op.now()))
        return tx.done(feedback.id)


@job("reveal_feedback")
async def reveal_feedback(op: Operation, tx: Transaction, contract_id: UUID) -> None:
    """Fourteen days after the end: open what there is, if it is not open yet."""
    contract = await tx.lock_if_any(Contract, col(Contract.id) == contract_id)
    if contract is None:
        return
    hidden = await tx.all(
        Feedback, col(Feedback.contract_id) == contract_id, col(Feedback.revealed_at).is_(None)
    )
    if hidden:
        await _reveal(op, tx, contract, hidden)


async def _reveal(op: Operation, tx: Transaction, contract: Contract, hidden: Sequence[Feedback]) -> None:
    tx.emit(reveal(contract, hidden, at=op.now()))
    # Profiles are locked freelancer first, then client: the same order for everybody.
    sides: tuple[tuple[FeedbackSide, type[FreelancerProfile] | type[ClientProfile]], ...] = (
        (FeedbackSide.OF_FREELANCER, FreelancerProfile),
        (FeedbackSide.OF_CLIENT, ClientProfile),
    )
    for side, profile in sides:
        for feedback in hidden:
            if feedback.side is side:
                row = await tx.lock(profile, col(profile.user_id) == feedback.subject_id, what="profile")
                row.add_rating(feedback.axis_total)


@dataclass(frozen=True, slots=True)
class FeedbackState:
    you_answered: bool
    other_answered: bool
    revealed_at: datetime | None
    closes_at: datetime | None


async def states_of(op: Operation, contract_ids: Sequence[UUID]) -> dict[UUID, FeedbackState]:
    """Who has answered for each contract, never what."""
    mine = col(Feedback.author_id) == op.viewer.user_id
    statement = (
        sa.select(
            col(Contract.id),
            col(Contract.over_at),
            sa.func.count(col(Feedback.id)).filter(mine).label("mine"),
            sa.func.count(col(Feedback.id)).filter(sa.not_(mine)).label("others"),
            sa.func.max(col(Feedback.revealed_at)).label("revealed_at"),
        )
        .outerjoin(Feedback, col(Feedback.contract_id) == col(Contract.id))
        .where(col(Contract.id).in_(contract_ids), access.visible_contracts(op.viewer))
        .group_by(col(Contract.id), col(Contract.over_at))
    )
    return {
        row.id: FeedbackState(
            you_answered=row.mine > 0,
            other_answered=row.others > 0,
            revealed_at=row.revealed_at,
            closes_at=None if row.over_at is None else row.over_at + WINDOW,
        )
        for row in await op.db.fetch(statement)
    }
