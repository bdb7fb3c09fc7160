"""Notifications: what a person is told in their own feed, and what they want to be told.

They are written with the facts that they come from, as part of the last statement of the transaction (`store/facts.py`).
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.errors import Invalid
from models.event import Event, ToPerson, Topic
from models.notice import CRITICAL, NotificationCategory, NotificationReason
from models.table import reference, utc, words
from models.vocabulary import Vocabulary

KEPT_DAYS = 180


class NotificationChannel(Vocabulary):
    """A way in which notifications reach a person."""

    IN_APP = "IN_APP", "The feed, `notifications`. The only channel in use; on until it is switched off."
    EMAIL = "EMAIL", "Mail. Nothing is sent yet; the choice is kept for the day it is. Off until switched on."
    WEBHOOK = "WEBHOOK", "A request to an address of the person's own. Nothing is sent yet; as EMAIL."


class AlwaysOn(Invalid):
    """A critical category stays on in the feed: somebody has to be told."""

    def __init__(self, category: NotificationCategory) -> None:
        message = f"{category} cannot be switched off in the feed. Other channels can."
        super().__init__(("isOn",), "CRITICAL", message)


@dataclass(frozen=True, kw_only=True)
class NotificationsChanged(ToPerson, Event):
    """Somebody read, archived or chose notifications of their own; the counts are those from then on."""

    topic = Topic.NOTIFICATIONS

    unseen: int
    unread: int


class Notification(SQLModel, table=True):
    __table_args__ = (
        sa.CheckConstraint("read_at is null or seen_at is not null", name="read_is_seen"),
        sa.Index("ix_notification_feed", "user_id", "created_at", "id"),
        # Whatever is unseen is unread too, so the exact counts of both come from these entries alone.
        sa.Index("ix_notification_unread", "user_id", "category", "seen_at",
                 postgresql_where=sa.text("read_at is null and archived_at is null")),
        sa.Index("ix_notification_outdated", "created_at",
                 postgresql_where=sa.text("read_at is not null or archived_at is not null")),
    )  # fmt: skip

    id: UUID = Field(primary_key=True)
    user_id: UUID = reference("users.id")
    kind: str = Field(max_length=60)
    category: NotificationCategory = words(NotificationCategory)
    reason: NotificationReason = words(NotificationReason)
    # As in a fact, not foreign keys: the transaction that wrote what they name wrote the notification.
    actor_id: UUID | None
    # Of an account, a room or a snippet, no gig is known.
    gig_id: UUID | None
    application_id: UUID | None
    contract_id: UUID | None
    invitation_id: UUID | None
    task_id: UUID | None
    room_id: UUID | None
    snippet_id: UUID | None
    remark_id: UUID | None
    group_key: str = Field(max_length=120)
    created_at: datetime = utc()
    seen_at: datetime | None = utc(default=None)
    read_at: datetime | None = utc(default=None)
    archived_at: datetime | None = utc(default=None)


class NotificationPreference(SQLModel, table=True):
    """A choice that differs, or once differed, from `is_on_by_default`."""

    __tablename__ = "notification_preference"

    user_id: UUID = reference("users.id", primary_key=True)
    category: NotificationCategory = words(NotificationCategory, primary_key=True)
    channel: NotificationChannel = words(NotificationChannel, primary_key=True)
    is_on: bool


def is_on_by_default(channel: NotificationChannel) -> bool:
    return channel is NotificationChannel.IN_APP


def can_be_switched_off(category: NotificationCategory, channel: NotificationChannel) -> bool:
    return category not in CRITICAL or channel is not NotificationChannel.IN_APP


def check_preference(category: NotificationCategory, channel: NotificationChannel, *, is_on: bool) -> None:
    """Raises `AlwaysOn`."""
    if not is_on and not can_be_switched_off(category, channel):
        raise AlwaysOn(category)
