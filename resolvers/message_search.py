"""Finding messages by their words, blindly: each room has its own key, so each room of the caller is asked by itself."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.chat_words import asked_tokens
from models.errors import Invalid
from models.room import RoomMember, RoomProgress
from models.store.chat_words import FoundMessage
from resolvers.messages import Shown, messages_of
from resolvers.operation import Operation
from resolvers.projection import LANGUAGE, catch_up

MOST_ROOMS = 100
"""Of somebody's rooms, how many are searched when none is named: those in which something was said last."""
MOST_AUTHORS = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """All of it has to hold. `traits` are those of `Content.traits`; a thread is one of `room_id`."""

    query: str = ""
    room_id: UUID | None = None
    thread_id: UUID | None = None
    author_ids: tuple[UUID, ...] = ()
    traits: tuple[str, ...] = ()
    sent_before: datetime | None = None
    sent_after: datetime | None = None

    def check(self) -> None:
        """Raises `Invalid`."""
        if self.thread_id is not None and self.room_id is None:
            raise Invalid(("threadId",), "PAIRING", "`threadId` goes with `roomId`.")
        if len(self.author_ids) > MOST_AUTHORS:
            raise Invalid(
                ("authorIds",), "COUNT", f"Name at most {MOST_AUTHORS} authors.", max=str(MOST_AUTHORS)
            )
        if not (self.query.strip() or self.traits or self.author_ids):
            raise Invalid(("query",), "EMPTY", "Say what to look for: words, who wrote it, or what it has.")
        # What cannot be answered is refused even if there is nothing to look in.
        asked_tokens(self.query, key=b"", language=LANGUAGE)


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found, and its place among all that are."""

    at: FoundMessage
    shown: Shown


@dataclass(frozen=True, slots=True)
class HitPage:
    """The newest first."""

    hits: Sequence[Hit]
    has_newer: bool
    has_older: bool


async def search_messages(
    op: Operation, asked: Asked, *, limit: int, beyond: FoundMessage | None = None, is_backwards: bool = False
) -> HitPage:
    """The newest messages that fit, `beyond` a place older than it, or `is_backwards` the oldest that are newer; in one room or in
    all of the caller's, exact as of now. Raises `Invalid`, `StoreAway`."""
    asked.check()
    rooms = await _rooms(op, asked.room_id)
    await catch_up(op, rooms)
    hits: list[Hit] = []
    place = beyond
    # What was found may be deleted before it is read. Then what is behind it is read, too: a page with more beyond it is full.
    while True:
        page, has_more = await _nearest(
            op, rooms, asked, limit=limit - len(hits), beyond=place, is_backwards=is_backwards
        )
        place = page[-1][0] if page else place
        hits += await _shown(op, page)
        if len(hits) >= limit or not has_more:
            break
    has_newer, has_older = (has_more, beyond is not None) if is_backwards else (beyond is not None, has_more)
    return HitPage(hits[::-1] if is_backwards else hits, has_newer, has_older)


async def _nearest(
    op: Operation,
    rooms: Sequence[UUID],
    asked: Asked,
    *,
    limit: int,
    beyond: FoundMessage | None,
    is_backwards: bool,
) -> tuple[Sequence[tuple[FoundMessage, UUID]], bool]:
    """The next that fit, each with its room, those that are nearest to `beyond` first; and whether there are more."""
    of_rooms = await asyncio.gather(*(
        _in_room(op, room, asked, limit=limit + 1, beyond=beyond, is_backwards=is_backwards) for room in rooms
    ))  # fmt: skip
    room_of = {one.message_id: room for room, found in zip(rooms, of_rooms, strict=True) for one in found}
    nearest = list(islice(merge(*of_rooms, reverse=not is_backwards), limit + 1))
    return [(at, room_of[at.message_id]) for at in nearest[:limit]], len(nearest) > limit


async def _shown(op: Operation, page: Sequence[tuple[FoundMessage, UUID]]) -> list[Hit]:
    """Without those that are deleted meanwhile."""
    by_room: dict[UUID, list[UUID]] = {}
    for at, room_id in page:
        by_room.setdefault(room_id, []).append(at.message_id)
    shown: dict[UUID, Shown] = {}
    for found in await asyncio.gather(*(messages_of(op, room, ids) for room, ids in by_room.items())):
        shown |= found
    hits = [Hit(at, shown[at.message_id]) for at, _ in page if at.message_id in shown]
    return [hit for hit in hits if hit.shown.message.deleted_at is None]


async def _in_room(
    op: Operation, room_id: UUID, asked: Asked, *, limit: int, beyond: FoundMessage | None, is_backwards: bool
) -> Sequence[FoundMessage]:
    chat = op.services.chat
    key = await chat.keys.in_force(room_id, None, at=op.now())
    groups = asked_tokens(asked.query, key=key.secret, language=LANGUAGE, traits=asked.traits)
    return await chat.words.search(
        room_id, groups, limit=limit, beyond=beyond, is_backwards=is_backwards, sent_before=asked.sent_before,
        sent_after=asked.sent_after, author_ids=asked.author_ids, thread_id=asked.thread_id,
    )  # fmt: skip


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
