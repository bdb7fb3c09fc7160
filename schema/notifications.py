"""Notifications as the person they are for sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from sqlmodel import col
from strawberry import Maybe

from auth import access
from models.errors import NotFound
from models.ids import decode_id
from models.notice import NotificationCategory, NotificationReason
from models.notification import AlwaysOn, Notification, NotificationChannel
from models.store.sql import Position
from models.vocabulary import Vocabulary
from resolvers import notifications
from resolvers.operation import Operation
from schema.activity import ActivityKind, names
from schema.analysis import priced
from schema.connections import ConnectionOf, FollowedConnection, paging_arguments
from schema.filters import Clause, Equality, compares, means
from schema.graph import Answered, Context, attached, column, computed, declare, node, one, source
from schema.keyset import newest
from schema.node import Node
from schema.notes import notes
from schema.payloads import IDEMPOTENCY, Answer, MutationPayload, Needs, mutation
from schema.places import stream_cursor
from schema.scalars import Markdown, StreamCursor
from schema.type_names import Application, Contract, Gig, Invitation, Room, Snippet, Task
from schema.words import words

for _vocabulary in (NotificationCategory, NotificationReason, NotificationChannel):
    words(_vocabulary)


@node(
    "notification",
    Notification,
    scope=access.visible_notifications,
    name="Notification",
    description="Something that somebody else did and that concerns you; only you see it.",
)
class NotificationType(Node):
    kind: ActivityKind = computed(ActivityKind, Notification.kind, description="What happened.")
    category: NotificationCategory = column(
        Notification.category, "What it is about; see `notificationPreferenceSet`."
    )
    reason: NotificationReason = column(Notification.reason, "Why you are told.")
    created_at: datetime = column(Notification.created_at, "When it happened.")
    seen_at: datetime | None = column(
        Notification.seen_at, "When you first had it before your eyes; null while it is unseen."
    )
    read_at: datetime | None = column(Notification.read_at, "When you read it; null while it is unread.")
    archived_at: datetime | None = column(
        Notification.archived_at, "When you put it away; null while it is in the feed."
    )
    group_key: str = column(
        Notification.group_key,
        "Opaque; the same for all that tell the same kind of thing about the same thing, to be shown as one: “3 people applied”.",
    )
    actor_name: str | None = source(
        names,
        "Who did it; null for the platform itself, if they are gone, or if they hide their profile from you.",
        key=Notification.actor_id,
    )
    gig: Gig | None = one(
        Notification.gig_id, "The gig; null if it is about none, and once you may not see it."
    )
    application: Application | None = one(
        Notification.application_id,
        "The application it is about; null if it is about none, or you may not see it.",
    )
    contract: Contract | None = one(
        Notification.contract_id, "The contract it is about; null if it is about none, or you may not see it."
    )
    invitation: Invitation | None = one(
        Notification.invitation_id,
        "The invitation it is about; null if it is about none, or you may not see it.",
    )
    task: Task | None = one(
        Notification.task_id, "The task it is about; null if it is about none, or you may not see it."
    )
    snippet: Snippet | None = one(
        Notification.snippet_id, "The snippet it is about; null if it is about none, or you may not see it."
    )
    room: Room | None = one(
        Notification.room_id, "The room it is about; null if it is about none, or you do not belong to it."
    )
    note: Markdown | None = source(
        notes,
        "What was written with it; null without a text, or if it was erased.",
        key=Notification.remark_id,
    )


# -- the feed ------------------------------------------------------------------------------------------------------------


class NotificationState(Vocabulary):
    """What you have done with a notification."""

    UNSEEN = "UNSEEN", "In the feed, and never before your eyes."
    UNREAD = "UNREAD", "In the feed and not read, seen or not."
    READ = "READ", "In the feed and read."
    ARCHIVED = "ARCHIVED", "Put away, read or not."


words(NotificationState)

_IN_FEED = col(Notification.archived_at).is_(None)
_STATES: dict[NotificationState, Clause] = {
    NotificationState.UNSEEN: _IN_FEED
    & col(Notification.read_at).is_(None)
    & col(Notification.seen_at).is_(None),
    NotificationState.UNREAD: _IN_FEED & col(Notification.read_at).is_(None),
    NotificationState.READ: _IN_FEED & col(Notification.read_at).is_not(None),
    NotificationState.ARCHIVED: col(Notification.archived_at).is_not(None),
}


@strawberry.input(description="Which of your notifications to list.")
class NotificationWhere:
    category: Maybe[Equality[NotificationCategory]] = compares(Notification.category, "By what it is about.")
    state: Maybe[NotificationState] = means(
        lambda state, _: _STATES[state], "By what you have done with it; everything but ARCHIVED if absent."
    )


@strawberry.type(name="NotificationConnection", description="One page of your notifications.")
class NotificationConnection(FollowedConnection[NotificationType]):
    pass


class _Feed(ConnectionOf):
    """What is archived shows only to those who ask for it."""

    def conditions(self, where: Any, op: Operation) -> list[Clause]:
        is_asked = where is not None and where.state is not None
        return super().conditions(where, op) + ([] if is_asked else [_IN_FEED])


def _notifications() -> Any:
    field = declare(
        _Feed(None, {}, newest(Notification.created_at), page_type=NotificationConnection),
        "What others did that concerns you, newest first; empty for an anonymous caller. What you have read or archived is "
        "kept for 180 days.",
    )
    field.arguments = paging_arguments(NotificationWhere, None)
    return field


# -- counts and preferences ----------------------------------------------------------------------------------------------


@strawberry.type(description="How many notifications of one category wait for you.")
class NotificationCategoryCounts:
    category: NotificationCategory = strawberry.field(description="The category.")
    unseen: int = strawberry.field(description="How many were never before your eyes.")
    unread: int = strawberry.field(description="How many are not read, seen or not.")


@strawberry.type(description="How many notifications wait for you, archived ones aside; exact.")
class NotificationCounts:
    unseen: int = strawberry.field(description="How many were never before your eyes: the number of a badge.")
    unread: int = strawberry.field(description="How many are not read, seen or not.")
    by_category: list[NotificationCategoryCounts] = strawberry.field(
        description="The same for every category, also for those without any."
    )
    stream_cursor: StreamCursor | None = strawberry.field(
        description="Where your stream stood when this was counted; with it in `after`, `notificationEvents` tells what came "
        "later. Null for an anonymous caller."
    )


@strawberry.type(description="Whether notifications of a category reach you by a channel.")
class NotificationPreference:
    category: NotificationCategory = strawberry.field(description="The category.")
    channel: NotificationChannel = strawberry.field(description="The channel.")
    is_on: bool = strawberry.field(
        description="Whether they do. Even if not, the feed tells of decisions: that you are accepted, that work is approved or "
        "ended."
    )
    can_be_switched_off: bool = strawberry.field(
        description="False for a critical category in the feed; switching it off is refused."
    )


async def counts_now(op: Operation) -> NotificationCounts:
    counts, user_id = await notifications.counts_of(op), op.viewer.user_id
    by_category = [NotificationCategoryCounts(**asdict(part)) for part in counts.by_category]
    place = None if user_id is None else stream_cursor(op, Position(f"user:{user_id}", counts.number))
    return NotificationCounts(
        unseen=counts.unseen, unread=counts.unread, by_category=by_category, stream_cursor=place
    )


async def _counts(context: Context) -> NotificationCounts:
    return await counts_now(context.op)


async def _preferences(context: Context) -> Any:
    return await notifications.preferences_of(context.op)


@strawberry.type
class NotificationQuery:
    notifications: NotificationConnection = _notifications()
    notification_counts: NotificationCounts = declare(
        Answered(_counts), "How many of your notifications wait for you; zeros for an anonymous caller."
    )
    notification_preferences: list[NotificationPreference] = declare(
        Answered(_preferences),
        "What you are told by which channel: a row for every category and channel; empty for an anonymous caller.",
        metadata=priced(size=len(NotificationCategory) * len(NotificationChannel)),
    )


# -- mutations -----------------------------------------------------------------------------------------------------------


async def counts_for(op: Operation, keys: Sequence[Any]) -> Mapping[Any, NotificationCounts]:
    """The caller's, whatever they are asked for."""
    return dict.fromkeys(keys, await counts_now(op))


async def _preferences_of(op: Operation, keys: Sequence[UUID]) -> Mapping[UUID, Any]:
    preferences = await notifications.preferences_of(op)
    return dict.fromkeys(keys, preferences)


@strawberry.type(description="Answer to a mutation of notifications.")
class NotificationsPayload(MutationPayload):
    counts: NotificationCounts | None = attached(
        counts_for, "entity_id", "How many of your notifications wait for you now; null if it was refused."
    )


@strawberry.type(description="Answer to `notificationPreferenceSet`.")
class NotificationPreferenceSetPayload(MutationPayload):
    preferences: list[NotificationPreference] | None = attached(
        _preferences_of, "entity_id", "What you are told by which channel now; null if it was refused."
    )


@strawberry.input(description="Input of `notificationsMarkSeen`.")
class NotificationsMarkSeenInput:
    up_to: strawberry.ID | None = strawberry.field(
        default=None,
        description="The newest notification you had before your eyes: it and all before it. All of them if absent.",
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Notifications by their ids.")
class NotificationIdsInput:
    ids: list[strawberry.ID] = strawberry.field(
        description="1 to 100 notifications of yours, each once. If one of them is not, nothing is changed."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)

    def keys(self) -> list[UUID]:
        """Raises `Invalid`."""
        return [decode_id("notification", id, path=("ids", str(index))) for index, id in enumerate(self.ids)]


@strawberry.input(description="Input of `notificationsMarkAllRead`.")
class NotificationsMarkAllReadInput:
    category: NotificationCategory | None = strawberry.field(
        default=None, description="Only those of this category; all if absent."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `notificationPreferenceSet`.")
class NotificationPreferenceSetInput:
    category: NotificationCategory = strawberry.field(description="What it is about.")
    channel: NotificationChannel = strawberry.field(
        description="By which way. Only IN_APP is in use; the others are kept for later."
    )
    is_on: bool = strawberry.field(description="Whether you want to be told so.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@mutation(
    NotificationsPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Say that you looked at the feed, so that the badge goes out; what you saw stays unread.",
)
async def notifications_mark_seen(op: Operation, input: NotificationsMarkSeenInput) -> Answer:
    up_to = None if input.up_to is None else decode_id("notification", input.up_to, path=("upTo",))
    return await notifications.mark_seen(op, up_to=up_to)


@mutation(
    NotificationsPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Say that you read some notifications; they count as seen, too. Undone by `notificationsMarkUnread`.",
)
async def notifications_mark_read(op: Operation, input: NotificationIdsInput) -> Answer:
    return await notifications.mark_read(op, input.keys())


@mutation(
    NotificationsPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Take back that you read some notifications; they stay seen.",
)
async def notifications_mark_unread(op: Operation, input: NotificationIdsInput) -> Answer:
    return await notifications.mark_unread(op, input.keys())


@mutation(
    NotificationsPayload,
    needs=Needs.SIGNED_IN,
    description="Say that you read everything in the feed, or everything of one category.",
)
async def notifications_mark_all_read(op: Operation, input: NotificationsMarkAllReadInput) -> Answer:
    return await notifications.mark_all_read(op, category=input.category)


@mutation(
    NotificationsPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Put some notifications away: they leave the feed and the counts. Undone by `notificationsUnarchive`.",
)
async def notifications_archive(op: Operation, input: NotificationIdsInput) -> Answer:
    return await notifications.archive(op, input.keys())


@mutation(
    NotificationsPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Bring archived notifications back into the feed, as read or unread as they were.",
)
async def notifications_unarchive(op: Operation, input: NotificationIdsInput) -> Answer:
    return await notifications.unarchive(op, input.keys())


@mutation(
    NotificationPreferenceSetPayload,
    AlwaysOn,
    needs=Needs.SIGNED_IN,
    description="Choose whether notifications of a category reach you by a channel, from now on. A critical category cannot be "
    "switched off in the feed.",
)
async def notification_preference_set(op: Operation, input: NotificationPreferenceSetInput) -> Answer:
    return await notifications.set_preference(op, input.category, input.channel, is_on=input.is_on)
