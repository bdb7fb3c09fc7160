"""What is kept for a while only: deleted in small batches, so that nobody's act waits for it.

Deleted are idempotency keys, jobs that were done, acts on boards that cannot be undone any more, refresh tokens of sessions that have ended, after 90 days the facts of
people's own streams and of the administrators' and what was recommended, and, after half a year, notifications that were read or archived. Dead jobs
wait for an administrator, and facts of gigs, sessions and everything people wrote stay.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel, col

from models.board import BoardAct
from models.idempotency import KEPT_DAYS, IdempotencyKey
from models.job import Job, JobStatus
from models.notification import KEPT_DAYS as NOTIFICATION_KEPT_DAYS
from models.notification import Notification
from models.recommendation import KEPT_DAYS as RECOMMENDATION_KEPT_DAYS
from models.recommendation import RecommendationList, RecommendationShown
from models.stream import FOR_REPLAY_ONLY, REPLAY_KEPT_DAYS, Fact
from models.user import RefreshToken, Session
from resolvers.operation import Operation

Clause = sa.ColumnElement[bool]
KEPT = timedelta(days=KEPT_DAYS)
NOTIFICATION_KEPT = timedelta(days=NOTIFICATION_KEPT_DAYS)
RECOMMENDATION_KEPT = timedelta(days=RECOMMENDATION_KEPT_DAYS)
ACT_KEPT = timedelta(days=1)
REPLAY_KEPT = timedelta(days=REPLAY_KEPT_DAYS)


async def delete_outdated(op: Operation, *, batch: int = 1_000, batches: int = 100) -> int:
    """Delete what is kept no longer, one transaction a batch; how many rows. What is left is for the next time."""
    deleted = 0
    for model, outdated in _outdated(now=op.now()):
        for _ in range(batches):
            count = await _delete_batch(op, model, outdated, limit=batch)
            deleted += count
            if count < batch:
                break
    return deleted


def _outdated(*, now: datetime) -> list[tuple[type[SQLModel], Clause]]:
    before = now - KEPT
    ended = sa.select(col(Session.id)).where(
        (col(Session.expires_at) <= before) | (col(Session.revoked_at) <= before)
    )
    return [
        (IdempotencyKey, col(IdempotencyKey.created_at) <= before),
        (Job, (col(Job.status) == JobStatus.DONE) & (col(Job.finished_at) <= before)),
        (BoardAct, col(BoardAct.at) <= now - ACT_KEPT),
        (RefreshToken, col(RefreshToken.session_id).in_(ended)),
        # Heads stay: the next fact has the next number, and a cursor that is too old is recognised.
        (Fact, sa.text(f"({FOR_REPLAY_ONLY})") & (col(Fact.occurred_at) <= now - REPLAY_KEPT)),
        (RecommendationList, col(RecommendationList.made_at) <= now - RECOMMENDATION_KEPT),
        (RecommendationShown, col(RecommendationShown.shown_at) <= now - RECOMMENDATION_KEPT),
        (
            Notification,
            (col(Notification.created_at) <= now - NOTIFICATION_KEPT)
            & (col(Notification.read_at).is_not(None) | col(Notification.archived_at).is_not(None)),
        ),
    ]


async def _delete_batch(op: Operation, model: type[SQLModel], outdated: Clause, *, limit: int) -> int:
    key: tuple[sa.ColumnElement[Any], ...] = sa.inspect(model).primary_key
    # Two processes that delete at once take different rows instead of waiting for each other.
    found = sa.select(*key).where(outdated).limit(limit).with_for_update(skip_locked=True, of=model)
    statement = sa.delete(model).where(sa.tuple_(*key).in_(found)).returning(*key)
    async with op.db.transaction(actor_id=None, at=op.now()) as tx:
        result = await tx.execute(statement.execution_options(synchronize_session=False))
        return len(result.all())
