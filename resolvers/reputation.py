"""What people have done here, lifetime and lately. Only revealed feedback counts: nothing hidden shows through a number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.contract import LIVE, Contract, ContractStatus
from models.feedback import AXES, Feedback, FeedbackSide
from resolvers.operation import Operation

RECENT = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Record:
    """`rating_hundredths` is the mean of all axes × 100, None without feedback."""

    completed: int = 0
    ended: int = 0
    live: int = 0
    rating_hundredths: int | None = None
    rating_count: int = 0


async def of_freelancers(op: Operation, user_ids: Sequence[UUID], *, recent: bool) -> dict[UUID, Record]:
    return await _records(
        op, user_ids, col(Contract.freelancer_id), FeedbackSide.OF_FREELANCER, recent=recent
    )


async def of_clients(op: Operation, user_ids: Sequence[UUID], *, recent: bool) -> dict[UUID, Record]:
    return await _records(op, user_ids, col(Contract.client_id), FeedbackSide.OF_CLIENT, recent=recent)


async def _records(
    op: Operation, user_ids: Sequence[UUID], party: Any, side: FeedbackSide, *, recent: bool
) -> dict[UUID, Record]:
    since = op.now() - RECENT
    over = col(Contract.over_at) >= since if recent else sa.true()
    revealed = col(Feedback.revealed_at) >= since if recent else sa.true()
    contracts = (
        sa.select(
            party.label("person"),
            _count(col(Contract.status) == ContractStatus.COMPLETED, over).label("completed"),
            _count(col(Contract.status) == ContractStatus.ENDED, over).label("ended"),
            _count(col(Contract.status).in_(LIVE)).label("live"),
        )
        .where(party.in_(user_ids))
        .group_by(party)
        .subquery()
    )
    axis_mean = sa.func.avg(
        sum((col(getattr(Feedback, axis)) for axis in AXES[1:]), col(Feedback.availability))
    )
    ratings = (
        sa.select(
            col(Feedback.subject_id).label("person"),
            sa.func.round(axis_mean * sa.literal_column("100") / len(AXES)).label("hundredths"),
            sa.func.count().label("count"),
        )
        .where(
            col(Feedback.subject_id).in_(user_ids),
            col(Feedback.side) == side,
            col(Feedback.revealed_at).is_not(None),
            revealed,
        )
        .group_by(col(Feedback.subject_id))
        .subquery()
    )
    statement = sa.select(
        sa.func.coalesce(contracts.c.person, ratings.c.person).label("person"),
        contracts.c.completed,
        contracts.c.ended,
        contracts.c.live,
        ratings.c.hundredths,
        ratings.c.count,
    ).select_from(contracts.join(ratings, contracts.c.person == ratings.c.person, full=True))
    return {
        row.person: Record(
            completed=row.completed or 0,
            ended=row.ended or 0,
            live=row.live or 0,
            rating_hundredths=None if row.hundredths is None else int(row.hundredths),
            rating_count=row._mapping["count"] or 0,
        )
        for row in await op.db.fetch(statement)
    }


def _count(*where: Any) -> Any:
    return sa.func.count().filter(*where)
