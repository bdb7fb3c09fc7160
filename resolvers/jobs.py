"""Jobs: work that is owed for later, done exactly once in its effects.

A job is a row, written in the transaction that owes it. A worker claims one due row with SKIP LOCKED and runs its handler
in the same transaction that marks it done, so a crash undoes both. What a job does elsewhere than in PostgreSQL it does
between two transactions, of which the first leases the job for a while: it may be done again, and has to allow that. A failure is recorded in a transaction of its own,
with a growing delay; after the last attempt the job is dead and waits, visibly, for an administrator.
"""

import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlmodel import col

from models.ids import new_id
from models.job import Job, JobStatus
from models.store.compiled import compiled
from models.store.sql import Receipt, Transaction
from models.user import Role
from resolvers.operation import Operation

Handler = Callable[[Operation, Transaction, UUID], Awaitable[None]]
HANDLERS: dict[str, Handler] = {}
OutsideHandler = Callable[[Operation, UUID], Awaitable[None]]
OUTSIDE: dict[str, OutsideHandler] = {}
LEASE = timedelta(minutes=1)
_log = logging.getLogger("skillsync.jobs")


def job(kind: str) -> Callable[[Handler], Handler]:
    """Register the handler of a kind of job: it gets the operation, the open transaction and the subject's id."""

    def register(handler: Handler) -> Handler:
        HANDLERS[kind] = handler
        return handler

    return register


def outside_job(kind: str) -> Callable[[OutsideHandler], OutsideHandler]:
    """Register the handler of a kind of job that works outside of PostgreSQL: it holds no connection, and opens the
    transactions that it needs. What it does must be done once however often it runs."""

    def register(handler: OutsideHandler) -> OutsideHandler:
        OUTSIDE[kind] = handler
        return handler

    return register


async def schedule(tx: Transaction, kind: str, subject_id: UUID, *, run_at: datetime, at: datetime) -> None:
    """Owe the job for `subject_id`, or move it to another time: there is one of a kind for each subject."""
    await schedule_many(tx, kind, {subject_id: run_at}, at=at)


async def schedule_many(tx: Transaction, kind: str, run_at: Mapping[UUID, datetime], *, at: datetime) -> None:
    """`schedule` for each subject, all at once."""
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(),
            "kind": kind,
            "subject_id": subject_id,
            "payload": {},
            "status": JobStatus.WAITING,
            "run_at": moment,
            "attempts": 0,
            "last_error": None,
            "created_at": at,
            "finished_at": None,
        }
        for subject_id, moment in run_at.items()
    ]
    await tx.execute(_OWE, rows)


def _renewing() -> Insert:
    statement = insert(Job.__table__)  # type: ignore[attr-defined]
    renewed = ("status", "run_at", "attempts", "last_error", "finished_at")
    return statement.on_conflict_do_update(
        index_elements=["kind", "subject_id"], set_={name: statement.excluded[name] for name in renewed}
    )


# Made once, with the rows as parameters: a statement that holds its rows is compiled each time.
_OWE = _renewing()


async def run_due_jobs(op: Operation, *, at_most: int = 100) -> int:
    """Run what is due now, one transaction each; how many were run, failed ones included."""
    (row,) = await op.db.poll(_IS_DUE, {"now": op.now()})
    if not row["is_due"]:
        return 0
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


@dataclass(frozen=True, slots=True)
class _Claim:
    """The job as it was claimed: its row is not to be read any more once the transaction has failed."""

    job_id: UUID
    kind: str
    run_at: datetime
    attempts: int


async def _run_one(op: Operation) -> bool:
    claim: _Claim | None = None
    try:
        async with op.db.transaction(actor_id=None, at=op.now()) as tx:
            row = await _claim(tx, now=op.now())
            if row is None:
                return False
            subject_id = row.subject_id
            if row.kind in OUTSIDE:
                row.run_at = op.now() + LEASE
            claim = _Claim(row.id, row.kind, row.run_at, row.attempts)
            if row.kind not in OUTSIDE:
                await HANDLERS[row.kind](op, tx, subject_id)
                row.finish(at=op.now())
        if claim.kind in OUTSIDE:
            await OUTSIDE[claim.kind](op, subject_id)
            await _finish(op, claim)
    except Exception as error:
        if claim is None:
            raise
        _log.exception("job failed", extra={"job": str(claim.job_id), "kind": claim.kind})
        await _record_failure(op, claim, "".join(traceback.format_exception_only(error)))
    return True


async def _claim(tx: Transaction, *, now: datetime) -> Job | None:
    await tx.execute(_GIVE_WAY)
    statement = (
        sa.select(Job)
        .where(*_is_due(now))
        .order_by(col(Job.run_at), col(Job.id))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return (await tx.execute(statement)).scalars().one_or_none()


async def _finish(op: Operation, claim: _Claim) -> None:
    """Unless somebody ran the job or moved it since."""
    async with op.db.transaction(actor_id=None, at=op.now()) as tx:
        row = await _lock_claimed(tx, claim)
        if row is not None:
            row.finish(at=op.now())


async def _record_failure(op: Operation, claim: _Claim, error: str) -> None:
    """Unless somebody ran the job or moved it since: a moved deadline must not come back as the time of a retry."""
    async with op.db.transaction(actor_id=None, at=op.now()) as tx:
        row = await _lock_claimed(tx, claim)
        if row is not None:
            row.fail(error, at=op.now())


async def _lock_claimed(tx: Transaction, claim: _Claim) -> Job | None:
    return await tx.lock_if_any(
        Job,
        col(Job.id) == claim.job_id,
        col(Job.status) == JobStatus.WAITING,
        col(Job.run_at) == claim.run_at,
        col(Job.attempts) == claim.attempts,
    )


def _is_due(now: Any) -> tuple[sa.ColumnElement[bool], ...]:
    return col(Job.status) == JobStatus.WAITING, col(Job.run_at) <= now


_IS_DUE = compiled(
    sa.select(
        sa.exists().where(*_is_due(sa.bindparam("now", type_=sa.DateTime(timezone=True)))).label("is_due")
    )
)

# A job holds its own row and wants its subject's; whoever moves a job holds the subject and wants the job's row. The job
# gives way before PostgreSQL looks for deadlocks (after 1 s), so that never a person is the one who is refused.
_GIVE_WAY = sa.text("set local lock_timeout = '400ms'")
