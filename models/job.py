"""Work to be done later, written in the transaction that owes it; see `resolvers/jobs.py` for who does it."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.table import long_text, utc, words
from models.vocabulary import Vocabulary

MAX_ATTEMPTS = 8
_LONGEST_BACKOFF = timedelta(hours=1)


class JobStatus(Vocabulary):
    """Where a job is in its life."""

    WAITING = "WAITING", "It runs at `runAt`, or again then after a failure."
    DONE = "DONE", "It ran to its end."
    DEAD = "DEAD", "It failed as often as it may; an administrator has to look at it."


class Job(SQLModel, table=True):
    __table_args__ = (
        sa.UniqueConstraint("kind", "subject_id"),
        sa.Index("ix_job_due", "run_at", postgresql_where=sa.text("status = 'WAITING'")),
        sa.Index("ix_job_finished", "finished_at", postgresql_where=sa.text("finished_at is not null")),
    )

    id: UUID = Field(primary_key=True)
    kind: str = Field(max_length=60)
    subject_id: UUID
    payload: dict[str, Any] = Field(sa_type=JSONB)
    status: JobStatus = words(JobStatus)
    run_at: datetime = utc()
    attempts: int = 0
    last_error: str | None = long_text()
    created_at: datetime = utc()
    finished_at: datetime | None = utc()

    def finish(self, *, at: datetime) -> None:
        self.status = JobStatus.DONE
        self.finished_at = at
        self.last_error = None

    def fail(self, error: str, *, at: datetime) -> None:
        """Try again after 2, 4, 8 … seconds, at most an hour; after `MAX_ATTEMPTS` it is dead and stays visible."""
        self.attempts += 1
        # PostgreSQL's text holds neither NUL nor lone surrogates; an error must not be able to hide that it happened.
        self.last_error = error[:2_000].replace("\0", "�").encode(errors="replace").decode()
        if self.attempts >= MAX_ATTEMPTS:
            self.status = JobStatus.DEAD
            self.finished_at = at
        else:
            self.run_at = at + min(timedelta(seconds=2**self.attempts), _LONGEST_BACKOFF)

    def retry(self, *, at: datetime) -> None:
        self.status = JobStatus.WAITING
        self.attempts = 0
        self.run_at = at
        self.finished_at = None
