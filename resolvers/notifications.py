"""What people do with their notifications. Others' acts write them: see `models/store/facts.py`.

Each change tells the person's own stream how many are left, so that the badge is the same in every tab.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from models.checks import Checks
from models.errors import NotFound
from models.notice import NotificationCategory
from models.notification import (
    Notification,
    NotificationChannel,
    NotificationPreference,
    NotificationsChanged,
    can_be_switched_off,
    check_preference,
    is_on_by_default,
)
from models.room import RoomMember, RoomMessage
from models.store.sql import Receipt, Transaction
from models.stream import StreamHead
from resolvers.operation import Operation

MAX_IDS = 100
Clause = sa.ColumnElement[bool]
_IS_CURRENT = col(Notification.archived_at).is_(None)


async def mark_seen(op: Operation, *, up_to: UUID | None) -> Receipt:
    """The person looked at the feed: at all of it, or at one notification and those before it."""
    user_id = op.viewer.require_user()
    async with op.transaction() as tx:
        which = _IS_CURRENT & col(Notification.seen_at).is_(None)
        if up_to is not None:
            last = await tx.get(Notification, col(Notification.id) == up_to, _of(user_id))
            if last is None:
                raise NotFound("notification", path=("upTo",))
            place = sa.tuple_(col(Notification.created_at), col(Notification.id))
            which &= place <= (last.created_at, last.id)
        return await _change_alone(op, tx, user_id, which, {"seen_at": op.now()})


async def mark_read(op: Operation, ids: Sequence[UUID]) -> Receipt:
    user_id = op.viewer.require_user()
    async with op.transaction() as tx:
        named = await _named(tx, user_id, ids)
        return await _change_alone(op, tx, user_id, named & col(Notification.read_at).is_(None), _read(op))


async def mark_unread(op: Operation, ids: Sequence[UUID]) -> Receipt:
    """They stay seen."""
    user_id = op.viewer.require_user()
    async with op.transaction() as tx:
        named = await _named(tx, user_id, ids)
        return await _change_alone(
            op, tx, user_id, named & col(Notification.read_at).is_not(None), {"read_at": None}
        )


async def mark_all_read(op: Operation, *, category: NotificationCategory | None) -> Receipt:
    """Everything that is not archived, or what is of one category."""
    user_id = op.viewer.require_user()
    async with op.transaction() as tx:
        which = _IS_CURRENT & col(Notification.read_at).is_(None)
        if category is not None:
            which &= col(Notification.category) == category
        return await _change_alone(op, tx, user_id, which, _read(op))


async def mark_read_in_room(op: Operation, tx: Transaction, member: RoomMember) -> None:
    """What tells of messages, or of the room, up to where the member has read it now. After everything else that is told."""
    is_unread_yet = sa.exists().where(
        col(RoomMessage.room_id) == member.room_id,
        col(RoomMessage.seq) > member.read_seq,
        col(RoomMessage.author_id) != member.user_id,
        # A notification has the moment of its message.
        col(RoomMessage.sent_at) == col(Notification.created_at),
    )
    which = (
        _IS_CURRENT
        & col(Notification.read_at).is_(None)
        & (col(Notification.category) == NotificationCategory.CHAT)
        & (col(Notification.room_id) == member.room_id)
        & ~is_unread_yet
    )
    await _change(op, tx, member.user_id, which, _read(op))


async def archive(op: Operation, ids: Sequence[UUID]) -> Receipt:
    user_id = op.viewer.require_user()
    async with op.transaction() as tx:
        named = await _named(tx, user_id, ids)
        return await _change_alone(op, tx, user_id, named & _IS_CURRENT, {"archived_at": op.now()})


async def unarchive(op: Operation, ids: Sequence[UUID]) -> Receipt:
    user_id = op.viewer.require_user()
    async with op.transaction() as tx:
        named = await _named(tx, user_id, ids)
        return await _change_alone(op, tx, user_id, named & sa.not_(_IS_CURRENT), {"archived_at": None})


async def set_preference(
    op: Operation, category: NotificationCategory, channel: NotificationChannel, *, is_on: bool
) -> Receipt:
    """What happens from now on is told so; what is in the feed stays there."""
    user_id = op.viewer.require_user()
    check_preference(category, channel, is_on=is_on)
    async with op.transaction() as tx:
        chosen = await tx.get(
            NotificationPreference,
            col(NotificationPreference.user_id) == user_id,
            col(NotificationPreference.category) == category,
            col(NotificationPreference.channel) == channel,
        )
        if is_on == (is_on_by_default(channel) if chosen is None else chosen.is_on):
            return tx.noop(user_id)
        statement = insert(NotificationPreference).values(
            user_id=user_id, category=category, channel=channel, is_on=is_on
        )
        key = ["user_id", "category", "channel"]
        await tx.execute(statement.on_conflict_do_update(index_elements=key, set_={"is_on": is_on}))
        await _tell(op, tx, user_id)
        return tx.done(user_id)


@dataclass(frozen=True, slots=True)
class CategoryCounts:
    category: NotificationCategory
    unseen: int = 0
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """What is in the feed and not archived."""

    by_category: tuple[CategoryCounts, ...]
    number: int
    """Where the person's stream stood."""

    @classmethod
    def of(cls, rows: Sequence[sa.Row[Any]], *, number: int = 0) -> "Counts":
        found = {row.category: CategoryCounts(row.category, row.unseen, row.unread) for row in rows}
        counts = (found.get(category, CategoryCounts(category)) for category in NotificationCategory)
        return cls(tuple(counts), number)

    @property
    def unseen(self) -> int:
        return sum(counts.unseen for counts in self.by_category)

    @property
    def unread(self) -> int:
        return sum(counts.unread for counts in self.by_category)


async def counts_of(op: Operation) -> Counts:
    """The caller's own; nothing for anonymous callers."""
    if op.viewer.user_id is None:
        return Counts.of(())
    stream = f"user:{op.viewer.user_id}"
    head = sa.select(col(StreamHead.number)).where(col(StreamHead.stream) == stream).scalar_subquery()
    # One statement, so that the place belongs to the counts; a row without a category where nothing is counted.
    place = sa.select(sa.func.coalesce(head, 0).label("number")).subquery("place")
    counting = _counting(op.viewer.user_id).subquery("counting")
    rows = await op.db.fetch(
        sa.select(place.c.number, *counting.c).select_from(place.outerjoin(counting, sa.true()))
    )
    return Counts.of([row for row in rows if row.category is not None], number=rows[0].number)


@dataclass(frozen=True, slots=True)
class Preference:
    category: NotificationCategory
    channel: NotificationChannel
    is_on: bool
    can_be_switched_off: bool


async def preferences_of(op: Operation) -> list[Preference]:
    """The caller's choice for every category and channel; nothing for anonymous callers."""
    if op.viewer.user_id is None:
        return []
    statement = sa.select(
        col(NotificationPreference.category),
        col(NotificationPreference.channel),
        col(NotificationPreference.is_on),
    ).where(col(NotificationPreference.user_id) == op.viewer.user_id)
    chosen = {(row.category, row.channel): row.is_on for row in await op.db.fetch(statement)}
    return [
        Preference(
            category,
            channel,
            chosen.get((category, channel), is_on_by_default(channel)),
            can_be_switched_off(category, channel),
        )
        for category in NotificationCategory
        for channel in NotificationChannel
    ]


def _of(user_id: UUID) -> Clause:
    return col(Notification.user_id) == user_id


def _read(op: Operation) -> Mapping[str, object]:
    """Who has read it has seen it."""
    return {"read_at": op.now(), "seen_at": sa.func.coalesce(col(Notification.seen_at), op.now())}


async def _named(tx: Transaction, user_id: UUID, ids: Sequence[UUID]) -> Clause:
    """The person's own notifications with these ids. Raises `Refusals` and `NotFound`."""
    checks = Checks()
    checks.count(("ids",), ids, min=1, max=MAX_IDS)
    checks.distinct(("ids",), ids)
    checks.done()
    named = col(Notification.id).in_(ids)
    own = set((await tx.execute(sa.select(col(Notification.id)).where(named, _of(user_id)))).scalars())
    for index, id in enumerate(ids):
        if id not in own:
            raise NotFound("notification", path=("ids", str(index)))
    return named


async def _change_alone(
    op: Operation, tx: Transaction, user_id: UUID, which: Clause, values: Mapping[str, object]
) -> Receipt:
    """As an act of its own."""
    is_changed = await _change(op, tx, user_id, which, values)
    return tx.done(user_id) if is_changed else tx.noop(user_id)


async def _change(
    op: Operation, tx: Transaction, user_id: UUID, which: Clause, values: Mapping[str, object]
) -> bool:
    """Change those of the person's notifications that are not so yet, and tell."""
    # Locked in one order: two changes at once wait for each other instead of both for ever.
    locked = (
        sa.select(col(Notification.id))
        .where(_of(user_id), which)
        .order_by(col(Notification.id))
        .with_for_update(key_share=True)
    )
    statement = sa.update(Notification).where(col(Notification.id).in_(locked)).values(**values)
    changed = await tx.execute(statement.returning(col(Notification.id)))
    if changed.first() is None:
        return False
    await _tell(op, tx, user_id)
    return True


async def _tell(op: Operation, tx: Transaction, user_id: UUID) -> None:
    """Tell the person's stream what is left. Counted with its head locked: nothing can come in between."""
    await tx.lock_heads(f"user:{user_id}")
    counts = Counts.of((await tx.execute(_counting(user_id))).all())
    tx.emit(NotificationsChanged(person_id=user_id, unseen=counts.unseen, unread=counts.unread, at=op.now()))


def _counting(user_id: UUID) -> sa.Select[NotificationCategory, int, int]:
    counting = sa.select(
        col(Notification.category),
        sa.func.count().label("unread"),
        sa.func.count().filter(col(Notification.seen_at).is_(None)).label("unseen"),
    )
    is_unread = col(Notification.read_at).is_(None)
    return counting.where(_of(user_id), _IS_CURRENT, is_unread).group_by(col(Notification.category))
