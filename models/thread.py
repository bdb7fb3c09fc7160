"""Who wants to be told of answers in a thread: those who said so, and those who wrote in it and did not say otherwise."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.table import reference, utc

MOST_TOLD = 200
"""Of those who follow a thread, how many are told of an answer: those who wrote in it, or chose to follow it, last."""


class ThreadFollow(SQLModel, table=True):
    """What somebody chose about a thread. Without a row, whoever wrote in it follows it."""

    __tablename__ = "thread_follow"
    __table_args__ = (
        sa.Index("ix_thread_follow_on", "thread_id", "set_at", postgresql_where=sa.text("is_on")),
    )

    user_id: UUID = reference("users.id", primary_key=True)
    # Its first message. Not a foreign key: what is known here of messages can be projected anew.
    thread_id: UUID = Field(primary_key=True)
    room_id: UUID = reference("room.id", index=True)
    is_on: bool
    set_at: datetime = utc()
