"""What people have read in rooms: markers, exact counts, and who lets others know."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from auth import access
from models.errors import NotFound
from models.room import ChatPreference, RoomMember, RoomMessage
from models.room_events import ChatPreferenceSet, RoomReadMarked, RoomReadReceipt
from models.store.sql import Receipt, Transaction
from resolvers.notifications import mark_read_in_room
from resolvers.operation import Operation
from resolvers.projection import catch_up

MOST_READERS = 5_000


@dataclass(frozen=True, slots=True)
class Counts:
    """What somebody has not read in a room: messages of others that are not deleted, and those of them that speak to them."""

    unread: int
    mentions: int
    read_number: int


@dataclass(frozen=True, slots=True)
class AllCounts:
    """The same in all rooms of theirs; muted rooms count for their mentions alone."""

    unread: int
    mentions: int
    rooms: int
    """How many rooms have something unread that counts."""


# -- counts ------------------------------------------------------------------------------------------------------------------


async def counts_in(op: Operation, room_ids: Sequence[UUID]) -> dict[UUID, Counts]:
    """Of those of the rooms to which the caller belongs; exact as of now. Raises `StoreAway`."""
    await catch_up(op, room_ids)
    rows = await op.db.fetch(_counted(op.viewer.user_id, col(RoomMember.room_id).in_(room_ids)))
    return {row.room_id: Counts(row.unread, row.mentions, row.read_seq) for row in rows}


async def counts_of_all(op: Operation) -> AllCounts:
    """Exact as of now. Raises `StoreAway`."""
    if op.viewer.user_id is None:
        return AllCounts(0, 0, 0)
    mine = sa.select(col(RoomMember.room_id)).where(
        col(RoomMember.user_id) == op.viewer.user_id, col(RoomMember.left_at).is_(None)
    )
    await catch_up(op, [row[0] for row in await op.db.fetch(mine)])
    rows = await op.db.fetch(_counted(op.viewer.user_id, sa.true()))
    counted = [(row.mentions if row.is_muted else row.unread, row.mentions) for row in rows]
    return AllCounts(
        sum(unread for unread, _ in counted),
        sum(mentions for _, mentions in counted),
        sum(unread > 0 for unread, _ in counted),
    )


def _counted(
    user_id: UUID | None, where: sa.ColumnElement[bool]
) -> sa.Select[tuple[UUID, int, int, int, bool]]:
    """Of each of a person's rooms."""
    speaks = col(RoomMessage.mentions_room) | (
        sa.literal(user_id, sa.Uuid) == sa.any_(col(RoomMessage.mention_ids))
    )
    unread = (
        sa.select(sa.func.count().label("unread"), sa.func.count().filter(speaks).label("mentions"))
        .where(
            col(RoomMessage.room_id) == col(RoomMember.room_id),
            col(RoomMessage.seq) > col(RoomMember.read_seq),
            col(RoomMessage.author_id) != user_id,
            ~col(RoomMessage.is_deleted),
        )
        .correlate(RoomMember)
        .lateral("unread")
    )
    return (
        sa.select(
            col(RoomMember.room_id),
            unread.c.unread,
            unread.c.mentions,
            col(RoomMember.read_seq).label("read_seq"),
            col(RoomMember.is_muted).label("is_muted"),
        )
        .select_from(sa.join(RoomMember, unread, sa.true()))
        .where(col(RoomMember.user_id) == user_id, col(RoomMember.left_at).is_(None), where)
    )


# -- markers -----------------------------------------------------------------------------------------------------------------


async def mark_read(op: Operation, room_id: UUID, *, up_to: UUID | None) -> Receipt:
    """Everything up to a message, or all of it, was read, and what notifies of it. Never takes back what was read before."""
    await _require_member(op, room_id)
    number = await _number(op, room_id, up_to, path="upTo")
    await catch_up(op, [room_id])
    async with op.transaction() as tx:
        member = await _lock_member(op, tx, room_id)
        if number <= member.read_seq:
            return tx.noop(room_id)
        member.read_seq = number
        if number > member.receipt_seq and await _shows_receipts(tx, member.user_id):
            member.receipt_seq = number
            tx.emit(RoomReadReceipt(
                room_id=room_id, person_id=member.user_id, number=number, at=op.now()
            ))  # fmt: skip
        await _tell(op, tx, member)
        await mark_read_in_room(op, tx, member)
        return tx.done(room_id)


async def mark_unread(op: Operation, room_id: UUID, *, from_id: UUID) -> Receipt:
    """A message and all after it are unread again. What others were told of it stays."""
    await _require_member(op, room_id)
    number = await _number(op, room_id, from_id, path="from") - 1
    await catch_up(op, [room_id])
    async with op.transaction() as tx:
        member = await _lock_member(op, tx, room_id)
        if number >= member.read_seq:
            return tx.noop(room_id)
        member.read_seq = number
        await _tell(op, tx, member)
        return tx.done(room_id)


async def _tell(op: Operation, tx: Transaction, member: RoomMember) -> None:
    await tx.session.flush()
    counted = _counted(member.user_id, col(RoomMember.room_id) == member.room_id)
    row = (await tx.execute(counted)).one()
    tx.emit(RoomReadMarked(
        room_id=member.room_id, person_id=member.user_id, number=member.read_seq, unread=row.unread,
        mentions=row.mentions, at=op.now(),
    ))  # fmt: skip


async def _number(op: Operation, room_id: UUID, message_id: UUID | None, *, path: str) -> int:
    store = op.services.chat.store
    if message_id is None:
        return (await store.heads([room_id]))[room_id]
    message = await store.message(room_id, message_id)
    if message is None:
        raise NotFound("message", path=(path,))
    return message.seq


async def _require_member(op: Operation, room_id: UUID) -> None:
    """Raises `NotFound`. Before the chat store is asked for anything; asked again under the lock."""
    statement = sa.select(sa.literal(1)).where(
        col(RoomMember.room_id) == room_id,
        col(RoomMember.user_id) == op.viewer.require_user(),
        col(RoomMember.left_at).is_(None),
    )
    if not await op.db.fetch(statement):
        raise NotFound("room")


async def _lock_member(op: Operation, tx: Transaction, room_id: UUID) -> RoomMember:
    """The caller's own row. Raises `NotFound`."""
    return await tx.lock(
        RoomMember,
        col(RoomMember.room_id) == room_id,
        col(RoomMember.user_id) == op.viewer.user_id,
        col(RoomMember.left_at).is_(None),
        what="room",
    )


# -- receipts ----------------------------------------------------------------------------------------------------------------


async def readers_of(op: Operation, room_id: UUID, message_id: UUID) -> list[UUID] | None:
    """Members who have read a message, and show it, by when they came; None if the caller does not see the room, or it has no
    such message."""
    seen = access.visible_room_members(op.viewer) & (col(RoomMember.room_id) == room_id)
    if not await op.db.fetch(sa.select(sa.literal(1)).select_from(RoomMember).where(seen).limit(1)):
        return None
    message = await op.services.chat.store.message(room_id, message_id)
    if message is None:
        return None
    statement = (
        sa.select(col(RoomMember.user_id))
        .where(
            seen,
            col(RoomMember.left_at).is_(None),
            col(RoomMember.receipt_seq) >= message.seq,
            col(RoomMember.user_id) != message.sent.author_id,
            ~_hides_receipts(col(RoomMember.user_id)),
        )
        .order_by(col(RoomMember.joined_at), col(RoomMember.user_id))
        .limit(MOST_READERS)
    )
    return [row[0] for row in await op.db.fetch(statement)]


async def shows_receipts(op: Operation) -> bool:
    """Whether others are told what the caller has read."""
    rows = await op.db.fetch(
        sa.select(col(ChatPreference.shows_receipts)).where(col(ChatPreference.user_id) == op.viewer.user_id)
    )
    return bool(rows[0][0]) if rows else True


async def set_receipts(op: Operation, *, is_on: bool) -> Receipt:
    """Whether others are told what the caller has read: what they have read while it is off stays theirs."""
    me = op.viewer.require_user()
    async with op.transaction() as tx:
        if await _shows_receipts(tx, me) == is_on:
            return tx.noop(me)
        await tx.execute(insert(ChatPreference).values(
            user_id=me, shows_receipts=is_on, shows_presence=True
        ).on_conflict_do_update(
            index_elements=["user_id"], set_={"shows_receipts": is_on}
        ))  # fmt: skip
        tx.emit(ChatPreferenceSet(person_id=me, shows_receipts=is_on, at=op.now()))
        return tx.done(me)


async def _shows_receipts(tx: Transaction, user_id: UUID) -> bool:
    return not bool((await tx.execute(sa.select(_hides_receipts(user_id)))).scalar_one())


def _hides_receipts(user_id: object) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        col(ChatPreference.user_id) == user_id, col(ChatPreference.shows_receipts).is_(False)
    )
