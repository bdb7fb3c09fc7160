"""How fast people may write: token buckets, each as the one moment at which it is full again.

A bucket of `burst` tokens that gets one every `every_s` is full at some moment; taking one moves that moment by `every_s`, and
there is none to take while it lies more than `(burst - 1) * every_s` ahead (the generic cell rate algorithm).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.errors import RateLimited
from models.table import utc

EVERYWHERE = UUID(int=0)
EVERYBODY = UUID(int=0)


class PaceKind(StrEnum):
    """What is counted together."""

    SENT = "SENT"
    REACTED = "REACTED"
    SLOW = "SLOW"


@dataclass(frozen=True, slots=True)
class Pace:
    """`per_minute` acts in the long run, and `burst` of them at once. Without a number there is no limit."""

    per_minute: int = 0
    burst: int = 1

    @property
    def every_s(self) -> float:
        return 60 / self.per_minute


@dataclass(frozen=True, slots=True)
class ChatPaces:
    """What the operator allows: each person in all rooms together, and each room by everybody together."""

    sends_of_person: Pace = Pace()
    sends_in_room: Pace = Pace()
    reactions_of_person: Pace = Pace()
    reactions_in_room: Pace = Pace()

    def buckets(self, kind: PaceKind, room_id: UUID, user_id: UUID) -> "list[Bucket]":
        """Which are limited at all."""
        of_person, in_room = (
            (self.sends_of_person, self.sends_in_room)
            if kind is PaceKind.SENT
            else (self.reactions_of_person, self.reactions_in_room)
        )
        pairs = ((of_person, EVERYWHERE, user_id), (in_room, room_id, EVERYBODY))
        return [
            Bucket(kind, room, user, pace.every_s, pace.burst)
            for pace, room, user in pairs
            if pace.per_minute
        ]


@dataclass(frozen=True, slots=True)
class Bucket:
    """One that a token is to be taken from."""

    kind: PaceKind
    room_id: UUID
    user_id: UUID
    every_s: float
    burst: int = 1

    @classmethod
    def slow_mode(cls, room_id: UUID, user_id: UUID, *, seconds: int) -> "Bucket":
        return cls(PaceKind.SLOW, room_id, user_id, seconds)


class SlowMode(RateLimited):
    """The room is in slow mode, and the member wrote a moment ago."""

    def __init__(self, *, seconds: int, retry_at: datetime) -> None:
        message = f"This room is in slow mode: one message every {seconds} seconds. Send it again then."
        super().__init__(message, retry_at=retry_at)


class TooFast(RateLimited):
    """Somebody writes, or everybody writes in one room, faster than the platform allows. Nothing was written."""

    def __init__(self, *, retry_at: datetime) -> None:
        super().__init__("That was too fast. Nothing was stored; repeat it then.", retry_at=retry_at)


class ChatPace(SQLModel, table=True):
    """A bucket that something was taken from. Unlogged: counting costs no write to disk, and a crash of the database fills
    all buckets."""

    __tablename__ = "chat_pace"
    __table_args__ = (
        sa.Index("ix_chat_pace_full_at", "full_at"),
        {"prefixes": ["UNLOGGED"]},
    )

    kind: str = Field(primary_key=True, max_length=10)
    room_id: UUID = Field(primary_key=True)
    user_id: UUID = Field(primary_key=True)
    full_at: datetime = utc()
    # Who took the last token, so that repeating that act takes no other.
    act_id: UUID | None
