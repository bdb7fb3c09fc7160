"""Streams: gapless, ordered logs of facts, written as the last act of a transaction.

A head row holds the highest number of its stream. Whoever commits facts holds the row lock of each head from the moment
it takes numbers until COMMIT, so numbers are gapless and commit order is number order. `x` is the transaction that moved
the head last, so that a reader can ask for all heads changed since its last snapshot.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field, SQLModel

from models.event import Audience
from models.table import big, utc, words

REPLAY_KEPT_DAYS = 90
FOR_REPLAY_ONLY = "stream = 'admin' or starts_with(stream, 'user:')"
"""SQL for streams whose facts only followers read; those of gigs are their activity, and kept."""


OF_BOARDS = "starts_with(stream, 'board:')"


class Xid8(UserDefinedType[int]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


class StreamHead(SQLModel, table=True):
    __tablename__ = "stream_head"

    stream: str = Field(primary_key=True, max_length=80)
    number: int = big()
    x: int = Field(sa_type=Xid8, index=True)


class Fact(SQLModel, table=True):
    __table_args__ = (
        sa.CheckConstraint("number > 0", name="number_positive"),
        sa.Index("ix_fact_remark_id", "remark_id", postgresql_where=sa.text("remark_id is not null")),
        # What happened to one task.
        sa.Index(
            "ix_fact_of_task",
            sa.text("((payload ->> 'task_id')::uuid)"),
            "number",
            postgresql_where=sa.text(OF_BOARDS),
        ),
        sa.Index("ix_fact_outdated", "occurred_at", postgresql_where=sa.text(FOR_REPLAY_ONLY)),
    )

    stream: str = Field(primary_key=True, max_length=80)
    number: int = Field(primary_key=True, sa_type=sa.BigInteger)
    id: UUID = Field(index=True)
    kind: str = Field(max_length=60)
    audience: Audience = words(Audience)
    actor_id: UUID | None
    owner_id: UUID | None
    person_id: UUID | None
    # Not a foreign key: facts are kept when the remark is erased.
    remark_id: UUID | None
    occurred_at: datetime = utc()
    payload: dict[str, Any] = Field(sa_type=JSONB)


class StreamEpoch(SQLModel, table=True):
    """The incarnations of the log; the newest is in force. A restored database starts a new one, so that a cursor from
    a future that never happened is recognised."""

    __tablename__ = "stream_epoch"

    id: UUID = Field(primary_key=True)
    began_at: datetime = utc()
