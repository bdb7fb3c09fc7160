"""What the logs of rooms mean in PostgreSQL: which messages there are, whom they speak to, and what they can be found by.

A room's log is projected from where that ended last, at least once; doing it again changes nothing. Whoever has to be exact
projects what is missing first. Hints say which rooms moved, and a sweep finds those that no hint told of.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from models.chat import SYSTEM, ChatFact, ChatMessage
from models.chat_words import tokens_of
from models.message import Content
from models.room import ChatMark, Room, RoomKind, RoomMember, RoomMessage, RoomProgress
from models.room_events import MessageForPerson
from models.store.compiled import compiled
from models.store.sql import Transaction
from resolvers.message_files import Held, settle_files
from resolvers.open_words import contents_of
from resolvers.operation import Operation
from resolvers.thread_followers import followers_told

_log = logging.getLogger("skillsync.chat")

PAGE = 200
TOLD_AT_ONCE = 100
"""Facts for people in one transaction, about: more of them are too much to write down in one go beside others' work. The last
message is told to all that it is for."""
LANGUAGE = "english"
"""Whose stems are searched, as long as rooms name none."""
_MARK = compiled(sa.select(col(ChatMark.mark)).where(col(ChatMark.store) == sa.bindparam("store")))
_turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class _Read:
    """A message as it stands, and what it says; nothing if it is deleted or cannot be read."""

    message: ChatMessage
    content: Content | None


async def catch_up(op: Operation, room_ids: Collection[UUID]) -> None:
    """Project what is missing of these rooms. Raises `StoreAway`."""
    if not room_ids:
        return
    heads = await op.services.chat.store.heads(room_ids)
    known = await _progress(op, room_ids)
    behind = [room_id for room_id, head in heads.items() if head > known.get(room_id, 0)]
    await asyncio.gather(*(project(op, room_id) for room_id in behind))


async def project(op: Operation, room_id: UUID) -> int:
    """Project a room's log to its end; how many facts were new. Within one process, one at a time for a room."""
    turn = _turns.setdefault(room_id, asyncio.Lock())
    done = 0
    async with turn:
        while count := await _project_some(op, room_id):
            done += count
    return done


async def sweep(op: Operation) -> int:
    """Project all rooms that moved since the last sweep of any process; how many there were."""
    store = op.services.chat.store
    rows = await op.db.poll(_MARK, {"store": store.name})
    mark = rows[0]["mark"] if rows else None
    if mark is None:
        # Before the first mark, every room may have moved.
        moved = await store.moved_since(None)
        rooms = await _all_rooms(op)
    else:
        moved = await store.moved_since(mark)
        rooms = list(moved.heads)
    for start in range(0, len(rooms), PAGE):
        await catch_up(op, rooms[start : start + PAGE])
    # Where nothing moved, the old mark will do: noting each one would be a write every other second, for ever.
    if rooms or mark is None:
        async with op.db.transaction(actor_id=None, at=op.now()) as tx:
            values = {"store": store.name, "mark": moved.mark}
            await tx.execute(insert(ChatMark).values(values).on_conflict_do_update(
                index_elements=["store"], set_={"mark": moved.mark}
            ))  # fmt: skip
    return len(rooms)


async def _all_rooms(op: Operation) -> list[UUID]:
    rooms: list[UUID] = []
    last: UUID | None = None
    while some := await op.services.chat.store.rooms_after(last, limit=PAGE):
        rooms += some
        last = some[-1]
    return rooms


async def _begun(op: Operation, room_id: UUID) -> int | None:
    """How far the room is projected; None if there is no such room: a store may hold logs of another database."""
    statement = (
        sa.select(sa.func.coalesce(col(RoomProgress.seq), 0))
        .select_from(sa.outerjoin(Room, RoomProgress, col(RoomProgress.room_id) == col(Room.id)))
        .where(col(Room.id) == room_id)
    )
    rows = await op.db.fetch(statement)
    return int(rows[0][0]) if rows else None


async def _progress(op: Operation, room_ids: Collection[UUID]) -> dict[UUID, int]:
    statement = sa.select(col(RoomProgress.room_id), col(RoomProgress.seq)).where(
        col(RoomProgress.room_id).in_(room_ids)
    )
    return {row.room_id: row.seq for row in await op.db.fetch(statement)}


async def _project_some(op: Operation, room_id: UUID) -> int:
    chat = op.services.chat
    begun = await _begun(op, room_id)
    if begun is None:
        return 0
    facts = await chat.store.facts_after(room_id, begun, limit=PAGE)
    if not facts:
        return 0
    # As they stand now, which may be later than these facts: later ones will find nothing new.
    found = await chat.store.messages(room_id, {fact.message_id for fact in facts})
    messages = await _read(op, list(found.values()))
    await _index(op, room_id, messages)
    async with op.db.transaction(actor_id=None, at=op.now()) as tx:
        progress = await _lock_progress(tx, room_id, facts)
        await _write(tx, room_id, messages)
        await settle_files(tx, room_id, [_held(read) for read in messages], at=op.now())
        is_told = await _go_on(tx, progress, facts, messages)
    while not is_told:
        async with op.db.transaction(actor_id=None, at=op.now()) as tx:
            is_told = await _go_on(tx, await _lock_progress(tx, room_id, facts), facts, messages)
    return len(facts)


async def _lock_progress(tx: Transaction, room_id: UUID, facts: Sequence[ChatFact]) -> RoomProgress:
    """Of those who project the same at once, one tells people of it."""
    await tx.execute(insert(RoomProgress).values(
        room_id=room_id, seq=0, said_at=facts[0].at
    ).on_conflict_do_nothing())  # fmt: skip
    return await tx.lock(RoomProgress, col(RoomProgress.room_id) == room_id, what="room")


async def _go_on(
    tx: Transaction, progress: RoomProgress, facts: Sequence[ChatFact], messages: Sequence[_Read]
) -> bool:
    """Tell people of what is new, as much of it as one transaction takes; whether that was all."""
    if (last := facts[-1].seq) > progress.seq:
        new = [read for read in messages if progress.seq < read.message.seq <= last]
        progress.seq = await _tell(tx, progress.room_id, new) or last
        progress.said_at = max(fact.at for fact in facts)
    return progress.seq >= last


async def _tell(tx: Transaction, room_id: UUID, new: Sequence[_Read]) -> int | None:
    """Tell whoever is written to: the other one in a room of two, those whom a message names, and who follows the thread in which
    it answers. Not what is deleted already, nor what the platform says: they are told of the same by what brought it about.
    The number up to which that is done; None if it is all."""
    by_people = (read for read in new if read.content is not None and read.message.sent.author_id != SYSTEM)
    new = sorted(by_people, key=lambda read: read.message.seq)
    named = {id for read in new if read.content for id in read.content.mentioned_ids}
    is_of_two = col(Room.kind) != RoomKind.GROUP
    statement = (
        sa.select(col(RoomMember.user_id), col(RoomMember.is_muted), col(Room.kind))
        .join(Room, col(Room.id) == col(RoomMember.room_id))
        .where(
            col(RoomMember.room_id) == room_id,
            col(RoomMember.left_at).is_(None),
            is_of_two | col(RoomMember.user_id).in_(named),
        )
    )
    found = (await tx.execute(statement)).all() if new else ()
    people = [(row.user_id, row.kind is not RoomKind.GROUP and not row.is_muted) for row in found]
    is_group = all(row.kind is RoomKind.GROUP for row in found)
    count = 0
    for read in new:
        if count >= TOLD_AT_ONCE:
            return read.message.seq - 1
        assert read.content is not None
        author_id, thread_id = read.message.sent.author_id, read.content.thread_id
        told: dict[UUID, tuple[bool, UUID | None]] = {}
        if thread_id is not None and is_group:
            told = dict.fromkeys(await followers_told(tx, read.message, thread_id), (False, thread_id))
        # Whoever is told for a reason that says more is not told once more for following.
        for user_id, hears_all in people:
            is_mention = user_id in read.content.mentioned_ids
            if user_id != author_id and (is_mention or hears_all):
                told[user_id] = (is_mention, None)
        for user_id, (is_mention, followed) in told.items():
            tx.emit(MessageForPerson(
                room_id=room_id, message_id=read.message.id, person_id=user_id, is_mention=is_mention,
                followed_thread_id=followed, at=read.message.sent.at,
            ), by=author_id)  # fmt: skip
        count += len(told)
    return None


async def _read(op: Operation, messages: Sequence[ChatMessage]) -> list[_Read]:
    said = [message.words for message in messages if message.words is not None]
    opened = iter(await contents_of(op, said))
    read = []
    for message in messages:
        words = None if message.words is None else next(opened)
        read.append(_Read(message, words if isinstance(words, Content) else None))
    return read


async def _index(op: Operation, room_id: UUID, messages: Sequence[_Read]) -> None:
    """What they can be found by. Stemming takes CPU, so it is done beside the loop."""
    key = await op.services.chat.keys.in_force(room_id, None, at=op.now())
    for read in messages:
        tokens: list[int] = []
        thread_id = None if read.content is None else read.content.thread_id
        if read.content is not None:
            make = partial(
                tokens_of, read.content.text, key=key.secret, language=LANGUAGE, traits=read.content.traits
            )
            tokens = await asyncio.to_thread(make)
        await op.services.chat.words.write(read.message, tokens, thread_id=thread_id)


def _held(read: _Read) -> Held:
    message = read.message
    file_ids = None if read.content is None else read.content.file_ids
    return Held(
        message.id, message.sent.author_id, message.last_seq, is_edited=message.edits > 0,
        is_deleted=message.deleted_at is not None, file_ids=file_ids,
    )  # fmt: skip


async def _write(tx: Transaction, room_id: UUID, messages: Sequence[_Read]) -> None:
    rows: list[dict[str, Any]] = [
        {
            "message_id": read.message.id,
            "room_id": room_id,
            "seq": read.message.seq,
            "fact_seq": read.message.last_seq,
            "author_id": read.message.sent.author_id,
            "thread_id": None if read.content is None else read.content.thread_id,
            "begins_thread": False,
            "mention_ids": [] if read.content is None else list(read.content.mentioned_ids),
            "mentions_room": read.content is not None and read.content.mentions_room,
            "is_pinned": read.message.pinned_at is not None,
            "is_deleted": read.message.deleted_at is not None,
            "sent_at": read.message.sent.at,
        }
        for read in sorted(messages, key=lambda read: read.message.id)
    ]
    if rows:
        new = insert(RoomMessage)
        kept = {"message_id", "room_id", "seq", "author_id", "sent_at", "thread_id", "begins_thread"}
        changed = {name: new.excluded[name] for name in rows[0] if name not in kept}
        await tx.execute(
            new.on_conflict_do_update(
                index_elements=["message_id"],
                set_=changed,
                where=col(RoomMessage.fact_seq) < new.excluded.fact_seq,
            ),
            rows,
        )
    if begun := sorted({row["thread_id"] for row in rows} - {None}):
        # The first message of a thread stands before its answers, so its row is there.
        await tx.execute(
            sa.update(RoomMessage)
            .where(col(RoomMessage.message_id).in_(begun), ~col(RoomMessage.begins_thread))
            .values(begins_thread=True)
        )


class Projector:
    """Projects rooms as they move: told by hints of this process, and looked after by `sweep`."""

    def __init__(self, op: Operation) -> None:
        self._op = op
        self._moved: set[UUID] = set()
        self._has_moved = asyncio.Event()

    def hear(self, room_ids: Collection[UUID]) -> None:
        """These may have moved. Never waits."""
        self._moved.update(room_ids)
        self._has_moved.set()

    async def run(self) -> None:
        """Project rooms as they move, until cancelled. What fails is left to the next hint, or the sweep."""
        while True:
            await self._has_moved.wait()
            self._has_moved.clear()
            moved, self._moved = self._moved, set()
            for room_id in moved:
                try:
                    await project(self._op, room_id)
                except Exception as error:  # a store is away, most likely; the sweep tells of it
                    _log.warning("a projection waits", extra={"problem": type(error).__name__})
