"""Threads as somebody has them: what was answered, what of it they have not read, and whether they follow it.

Whoever wrote in a thread follows it until they say otherwise; no row is written for that. What they say holds for ever.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import col

from models.errors import Invalid, NotFound
from models.message import DeletedMessage
from models.room import RoomMember, RoomMessage
from models.room_events import ThreadFollowSet
from models.store.sql import Receipt, Replayed, Transaction
from models.thread import ThreadFollow
from resolvers.messages import Done, Shown, here_in, message_in, messages_of
from resolvers.operation import Operation
from resolvers.projection import catch_up


@dataclass(frozen=True, slots=True)
class Thread:
    """`id` is the first message. Answers that are deleted do not count; `unread` are those of others."""

    id: UUID
    answers: int
    last_answer_at: datetime | None
    unread: int
    is_followed: bool


class ThreadPlace(NamedTuple):
    """Where a thread stands among those that somebody follows: at its last answer."""

    answered_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class FollowedThread:
    place: ThreadPlace
    first: Shown


@dataclass(frozen=True, slots=True)
class ThreadPage:
    """The one with the newest answer first."""

    threads: Sequence[FollowedThread]
    has_newer: bool
    has_older: bool


# -- following ---------------------------------------------------------------------------------------------------------------


async def set_follow(op: Operation, room_id: UUID, thread_id: UUID, *, is_on: bool) -> Done:
    """Be told of answers in a thread, or not, whatever one writes in it later. To choose what is so by itself keeps it so.
    Answers with the first message, also a repeat."""
    op.viewer.require_user()
    await here_in(op, room_id)
    await catch_up(op, [room_id])
    try:
        receipt = await _choose(op, room_id, thread_id, is_on=is_on)
    except Replayed as replay:
        receipt = replay.receipt
    return receipt, await message_in(op, room_id, thread_id)


async def _choose(op: Operation, room_id: UUID, thread_id: UUID, *, is_on: bool) -> Receipt:
    me = op.viewer.require_user()
    async with op.transaction() as tx:
        # One's own part: what this waited for may have been the end of it, and one's choices come one after the other.
        await tx.lock(
            RoomMember,
            col(RoomMember.room_id) == room_id,
            col(RoomMember.user_id) == me,
            col(RoomMember.left_at).is_(None),
            what="room",
            path=("roomId",),
        )
        await _require_thread(tx, room_id, thread_id)
        chosen = await tx.get(
            ThreadFollow, col(ThreadFollow.user_id) == me, col(ThreadFollow.thread_id) == thread_id
        )
        if chosen is not None and chosen.is_on == is_on:
            return tx.noop(thread_id)
        if chosen is None:
            tx.add(
                ThreadFollow(user_id=me, thread_id=thread_id, room_id=room_id, is_on=is_on, set_at=op.now())
            )
        else:
            chosen.is_on, chosen.set_at = is_on, op.now()
        tx.emit(ThreadFollowSet(
            room_id=room_id, thread_id=thread_id, person_id=me, is_followed=is_on, at=op.now()
        ))  # fmt: skip
        return tx.done(thread_id)


async def _require_thread(tx: Transaction, room_id: UUID, thread_id: UUID) -> None:
    """A message that begins a thread, or may still. Raises `NotFound`, `Invalid` and `DeletedMessage`."""
    first = await tx.get(
        RoomMessage, col(RoomMessage.message_id) == thread_id, col(RoomMessage.room_id) == room_id
    )
    if first is None:
        raise NotFound("message", path=("threadId",))
    if first.thread_id is not None:
        raise Invalid(
            ("threadId",), "FIRST_MESSAGE", "This message answers in a thread. Name the first one: its `threadId`."
        )  # fmt: skip
    if first.is_deleted:
        answered = sa.select(
            sa.exists().where(col(RoomMessage.thread_id) == thread_id, ~col(RoomMessage.is_deleted))
        )
        if not (await tx.execute(answered)).scalar_one():
            raise DeletedMessage


# -- reading -----------------------------------------------------------------------------------------------------------------


async def threads_of(op: Operation, places: Sequence[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], Thread]:
    """Of messages, each with its room before it, in rooms of the caller: the thread that it begins, or answers in; exact as of now.
    Raises `StoreAway`."""
    await catch_up(op, {room_id for room_id, _ in places})
    rows = await op.db.fetch(_threads(op.viewer.user_id, [message_id for _, message_id in places]))
    return {
        (row.room_id, row.message_id): Thread(
            row.thread_id, row.answers, row.last_answer_at, row.unread, row.is_followed
        )
        for row in rows
    }


def _threads(user_id: UUID | None, message_ids: Sequence[UUID]) -> sa.Select[Any]:
    asked = (
        sa.select(
            col(RoomMessage.message_id),
            sa.func.coalesce(col(RoomMessage.thread_id), col(RoomMessage.message_id)).label("thread_id"),
        )
        .where(col(RoomMessage.message_id).in_(message_ids))
        .cte("asked")
    )
    begun = sa.select(asked.c.thread_id).distinct().subquery("begun")
    first: Any = aliased(RoomMessage, name="first")
    answer: Any = aliased(RoomMessage, name="answer")
    mine = answer.author_id == user_id
    counted = (
        sa.select(
            sa.func.count().label("answers"),
            sa.func.count().filter(~mine, answer.seq > col(RoomMember.read_seq)).label("unread"),
            sa.func.coalesce(sa.func.bool_or(mine), sa.false()).label("is_mine"),
        )
        .where(answer.thread_id == first.message_id, ~answer.is_deleted)
        .correlate(first, RoomMember)
        .lateral("counted")
    )
    is_on = (
        sa.select(col(ThreadFollow.is_on))
        .where(col(ThreadFollow.user_id) == user_id, col(ThreadFollow.thread_id) == first.message_id)
        .correlate(first)
        .scalar_subquery()
    )
    is_begun_by_me = (first.author_id == user_id) & ~first.is_deleted
    threads = (
        sa.select(
            first.room_id,
            first.message_id.label("thread_id"),
            counted.c.answers,
            counted.c.unread,
            _last_answer_at(first.message_id).label("last_answer_at"),
            sa.func.coalesce(is_on, counted.c.is_mine | is_begun_by_me).label("is_followed"),
        )
        .select_from(begun)
        .join(first, first.message_id == begun.c.thread_id)
        .join(RoomMember, (col(RoomMember.room_id) == first.room_id) & _is_mine(user_id))
        .join(counted, sa.true())
        .cte("thread")
        # Otherwise PostgreSQL counts a thread again for each message: 800 ms for a page that is all of a thread of 10,000.
        .prefix_with("materialized")
    )
    return sa.select(asked.c.message_id, threads).join(threads, threads.c.thread_id == asked.c.thread_id)


def _last_answer_at(thread_id: Any) -> sa.ScalarSelect[datetime]:
    answer: Any = aliased(RoomMessage, name="last")
    return (
        sa.select(answer.sent_at)
        .where(answer.thread_id == thread_id, ~answer.is_deleted)
        .order_by(answer.seq.desc())
        .limit(1)
        .correlate_except(answer)
        .scalar_subquery()
    )


async def followed_threads(
    op: Operation, *, limit: int, beyond: ThreadPlace | None = None, is_backwards: bool = False
) -> ThreadPage:
    """Threads with an answer that the caller follows in their rooms: those next to `beyond` with an older last answer, or
    `is_backwards` a newer one; exact as of now. Raises `StoreAway`."""
    me = op.viewer.user_id
    if me is None:
        return ThreadPage((), has_newer=False, has_older=False)
    rooms = sa.select(col(RoomMember.room_id)).where(_is_mine(me))
    await catch_up(op, [row[0] for row in await op.db.fetch(rooms)])
    found = _followed(me).subquery("followed")
    statement = sa.select(found).where(found.c.answered_at.is_not(None))
    place = sa.tuple_(found.c.answered_at, found.c.thread_id)
    if beyond is not None:
        there = sa.tuple_(
            sa.literal(beyond.answered_at, sa.DateTime(timezone=True)), sa.literal(beyond.id, sa.Uuid)
        )
        statement = statement.where(place > there if is_backwards else place < there)
    order = (found.c.answered_at, found.c.thread_id)
    statement = statement.order_by(*(order if is_backwards else (key.desc() for key in order)))
    rows = await op.db.fetch(statement.limit(limit + 1))
    has_more, rows = len(rows) > limit, rows[:limit]
    shown = await _shown(op, [(row.room_id, row.thread_id) for row in rows])
    threads = [
        FollowedThread(ThreadPlace(row.answered_at, row.thread_id), shown[row.thread_id])
        for row in (reversed(rows) if is_backwards else rows)
        if row.thread_id in shown
    ]
    newer, older = (has_more, beyond is not None) if is_backwards else (beyond is not None, has_more)
    return ThreadPage(threads, has_newer=newer, has_older=older)


def _followed(me: UUID) -> sa.Select[Any]:
    """Each with its room and when it was answered last; None for what was not answered."""
    wrote = (col(RoomMessage.author_id) == me) & ~col(RoomMessage.is_deleted)
    chosen = sa.select(col(ThreadFollow.thread_id)).where(col(ThreadFollow.user_id) == me)
    candidates = sa.union(
        sa.select(col(RoomMessage.thread_id).label("thread_id")).where(
            wrote, col(RoomMessage.thread_id).is_not(None)
        ),
        sa.select(col(RoomMessage.message_id)).where(wrote, col(RoomMessage.begins_thread)),
        chosen.where(col(ThreadFollow.is_on)),
    ).subquery("candidate")
    thread_id = candidates.c.thread_id
    first: Any = aliased(RoomMessage, name="first")
    return (
        sa.select(thread_id, first.room_id, _last_answer_at(thread_id).label("answered_at"))
        .select_from(candidates)
        .join(first, first.message_id == thread_id)
        .join(RoomMember, (col(RoomMember.room_id) == first.room_id) & _is_mine(me))
        .where(thread_id.not_in(chosen.where(~col(ThreadFollow.is_on))))
    )


def _is_mine(user_id: UUID | None) -> sa.ColumnElement[bool]:
    return (col(RoomMember.user_id) == user_id) & col(RoomMember.left_at).is_(None)


async def _shown(op: Operation, places: Sequence[tuple[UUID, UUID]]) -> dict[UUID, Shown]:
    """Messages, each with its room before it, of which the caller is known to be a member."""
    by_room: dict[UUID, list[UUID]] = {}
    for room_id, message_id in places:
        by_room.setdefault(room_id, []).append(message_id)
    found = await asyncio.gather(*(messages_of(op, room_id, ids) for room_id, ids in by_room.items()))
    return {id: one for some in found for id, one in some.items()}
