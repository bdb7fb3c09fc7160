"""Finding messages by their words, blindly: each room has its own key, so each room of the caller is asked by itself."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.chat_words import asked_tokens
from models.errors import Invalid
from models.room import RoomMember, RoomMessage, RoomProgress
from models.store.chat_words import FoundMessage
from resolvers.messages import Shown, messages_of
from resolvers.operation import Operation
from resolvers.projection import LANGUAGE, catch_up

MOST_ROOMS = 100
"""Of somebody's rooms, how many are searched when none is named: those in which something was said last."""


@dataclass(frozen=True, slots=True)
class Asked:
    """All of it has to hold. `traits` are those of `Content.traits`."""

    query: str = ""
    author_id: UUID | None = None
    traits: tuple[str, ...] = ()
    sent_before: datetime | None = None
    sent_after: datetime | None = None


async def search_messages(op: Operation, asked: Asked, *, room_id: UUID | None, limit: int) -> list[Shown]:
    """The newest messages that fit, in one room or in all of the caller's; exact as of now. Raises `Invalid`, `StoreAway`."""
    if not (asked.query.strip() or asked.traits or asked.author_id):
        raise Invalid(("query",), "EMPTY", "Say what to look for: words, who wrote it, or what it has.")
    # What cannot be answered is refused even if there is nothing to look in.
    asked_tokens(asked.query, key=b"", language=LANGUAGE)
    rooms = await _rooms(op, room_id)
    await catch_up(op, rooms)
    found = await asyncio.gather(*(_in_room(op, room, asked, limit=limit) for room in rooms))
    shown = [
        one
        for room, hits in zip(rooms, found, strict=True)
        if hits
        for one in (await messages_of(op, room, [hit.message_id for hit in hits])).values()
        if one.message.deleted_at is None
    ]
    shown.sort(key=lambda one: (one.message.sent.at, one.message.id), reverse=True)
    return shown[:limit]


async def _in_room(op: Operation, room_id: UUID, asked: Asked, *, limit: int) -> Sequence[FoundMessage]:
    chat = op.services.chat
    key = await chat.keys.in_force(room_id, None, at=op.now())
    groups = asked_tokens(asked.query, key=key.secret, language=LANGUAGE, traits=asked.traits)
    before = after = None
    if asked.sent_before is not None or asked.sent_after is not None:
        before, after = await _numbers(op, room_id, asked)
    return await chat.words.search(
        room_id, groups, limit=limit, before=before, after=after, author_id=asked.author_id
    )


async def _numbers(op: Operation, room_id: UUID, asked: Asked) -> tuple[int | None, int | None]:
    """The numbers between which what was sent between two moments lies."""

    def at(moment: datetime, *, is_last: bool) -> sa.ScalarSelect[int]:
        is_before = col(RoomMessage.sent_at) <= moment if is_last else col(RoomMessage.sent_at) < moment
        of_room = sa.select(sa.func.coalesce(sa.func.max(col(RoomMessage.seq)), 0))
        return of_room.where(col(RoomMessage.room_id) == room_id, is_before).scalar_subquery()

    before = sa.null() if asked.sent_before is None else at(asked.sent_before, is_last=False) + 1
    after = sa.null() if asked.sent_after is None else at(asked.sent_after, is_last=True)
    row = (await op.db.fetch(sa.select(before.label("before"), after.label("after"))))[0]
    return row.before, row.after


async def _rooms(op: Operation, room_id: UUID | None) -> list[UUID]:
    mine = (
        sa.select(col(RoomMember.room_id))
        .outerjoin(RoomProgress, col(RoomProgress.room_id) == col(RoomMember.room_id))
        .where(col(RoomMember.user_id) == op.viewer.user_id, col(RoomMember.left_at).is_(None))
        .order_by(col(RoomProgress.said_at).desc().nulls_last(), col(RoomMember.room_id))
        .limit(MOST_ROOMS)
    )
    if room_id is not None:
        mine = mine.where(col(RoomMember.room_id) == room_id)
    return [row[0] for row in await op.db.fetch(mine)]
