"""Jobs: work that is owed for later, done exactly once in its effects.

A job is a row, written in the transaction that owes it. A worker claims one due row with SKIP LOCKED and runs its handler
in the same transaction that marks it done, so a crash undoes both. A failure is recorded in a transaction of its own,
with a growing delay; after the last attempt the job is dead and waits, visibly, for an administrator.
"""

import logging
import traceback
from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from models.ids import new_id
from models.job import Job, JobStatus
from models.store.sql import Receipt, Transaction
from models.user import Role
from resolvers.operation import Operation

Handler = Callable[[Operation, Transaction, UUID], Awaitable[None]]
HANDLERS: dict[str, Handler] = {}
_log = logging.getLogger("skillsync.jobs")


def job(kind: str) -> Callable[[Handler], Handler]:
    """Register the handler of a kind of job: it gets the operation, the open transaction and the subject's id."""

    def register(handler: Handler) -> Handler:
        HANDLERS[kind] = handler
        return handler

    return register


async def schedule(tx: Transaction, kind: str, subject_id: UUID, *, run_at: datetime, at: datetime) -> None:
    """Owe the job for `subject_id`, or move it to another time: there is one of a kind for each subject."""
    values = {
        "status": JobStatus.WAITING,
        "run_at": run_at,
        "attempts": 0,
        "last_error": None,
        "finished_at": None,
    }
    statement = insert(Job).values(
        id=new_id(), kind=kind, subject_id=subject_id, payload={}, created_at=at, **values
    )
    await tx.execute(statement.on_conflict_do_update(index_elements=["kind", "subject_id"], set_=values))


async def run_due_jobs(op: Operation, *, at_most: int = 100) -> int:
    """Run what is due now, one transaction each; how many were run, failed ones included."""
    for done in range(at_most):
        if not await _run_one(op):
            return done
    return at_most


async def retry_job(op: Operation, job_id: UUID) -> Receipt:
    """Give a dead job another life."""
    op.viewer.require(Role.ADMIN)
    async with op.transaction() as tx:
        row = await tx.lock(Job, col(Job.id) == job_id, what="job")
        if row.status is not JobStatus.DEAD:
            return tx.noop(row.id)
        row.retry(at=op.now())
        return tx.done(row.id)


async def _run_one(op: Operation) -> bool:
    claimed: Job | None = None
    try:
        async with op.db.transaction(actor_id=None, at=op.now()) as tx:
            claimed = await _claim(tx, now=op.now())
            if claimed is None:
                return False
            await HANDLERS[claimed.kind](op, tx, claimed.subject_id)
            claimed.finish(at=op.now())
    except Exception as error:
        if claimed is None:
            raise
        _log.exception("job failed", extra={"job": str(claimed.id), "kind": claimed.kind})
        await _record_failure(op, claimed.id, "".join(traceback.format_exception_only(error)))
    return True


async def _claim(tx: Transaction, *, now: datetime) -> Job | None:
    statement = (
        sa.select(Job)
        .where(col(Job.status) == JobStatus.WAITING, col(Job.run_at) <= now)
        .order_by(col(Job.run_at), col(Job.id))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return (await tx.execute(statement)).scalars().one_or_none()


async def _record_failure(op: Operation, job_id: UUID, error: str) -> None:
    async with op.db.transaction(actor_id=None, at=op.now()) as tx:
        row = await tx.lock_if_any(Job, col(Job.id) == job_id)
        if row is not None and row.status is JobStatus.WAITING:
            row.fail(error, at=op.now())
