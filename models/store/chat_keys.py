"""The keys of people's words: kept wrapped in PostgreSQL, wherever the words are; unwrapped in memory, a bounded number.

Whoever destroys the keys of an author makes every word of theirs unreadable, in copies and dumps as well, and nobody else's.
Processes that hold one unwrapped ask every `kept_s` whether it is still there, and forget it otherwise.
"""

import asyncio
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from models.chat import ChatFact, Sealed
from models.chat_cipher import KEY_BYTES, NONCE_BYTES, DataKey, Place, WordsForged, seal, unseal
from models.ids import new_id
from models.store.chat_sql import Statements
from models.store.keys import KeyForged, KeyRing

_log = logging.getLogger("skillsync.chat")

KEPT_S = 60
MOST_KEPT = 20_000
MUCH_BYTES = 500_000
"""What takes more than a millisecond or two of CPU to unseal: a page of very long messages."""


class Unreadable(Enum):
    """Why words cannot be read."""

    DESTROYED = "the author's key is destroyed"
    FORGED = "they are not those that were sealed for this place"


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A row of `chat_key`."""

    id: UUID
    room_id: UUID
    author_id: UUID | None
    wrapping_key: str
    wrapped: bytes

    @property
    def belongs_to(self) -> bytes:
        """What the wrapping binds it to, so that a row cannot pass for another."""
        author = self.author_id.bytes if self.author_id else b"search"
        return b"skillsync chat key 1\0" + self.id.bytes + self.room_id.bytes + author


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """How many keys one wrapping key wraps."""

    wrapping_key: str
    in_force: int
    retired: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """Keys of rooms' searches, and about how many messages are indexed: as PostgreSQL's statistics have it."""

    keys: int
    messages: int


class ChatKeys:
    """Seals and unseals. The cache is bounded in number and in time; unwrapping runs in a thread of its own."""

    def __init__(
        self,
        statements: Statements,
        ring: KeyRing,
        *,
        kept_s: float = KEPT_S,
        most_kept: int = MOST_KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ring = ring
        self.statements = statements
        self._kept_s = kept_s
        self._most_kept = most_kept
        self._clock = clock
        self._opened: OrderedDict[UUID, tuple[float, DataKey]] = OrderedDict()
        self._in_force: OrderedDict[tuple[UUID, UUID | None], tuple[float, DataKey]] = OrderedDict()
        # One batch at a time: who waits finds what the one before has unwrapped.
        self._unwrapping = asyncio.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="unwrap")

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    # -- words -------------------------------------------------------------------------------------------------------

    async def seal(self, words: bytes, place: Place, *, at: datetime) -> Sealed:
        key = await self.in_force(place.room_id, place.author_id, at=at)
        return seal(words, key=key, place=place, nonce=os.urandom(NONCE_BYTES))

    async def unseal(self, facts: Sequence[ChatFact]) -> list[bytes | Unreadable]:
        """The words of each fact, which must have some. Raises `WrappingKeyMissing` and `StoreAway`."""
        places = [Place.of(fact) for fact in facts]
        return await self.unseal_at([
            (fact.sealed, place) for fact, place in zip(facts, places, strict=True) if fact.sealed
        ])  # fmt: skip

    async def unseal_at(self, texts: Sequence[tuple[Sealed, Place]]) -> list[bytes | Unreadable]:
        """What each says that was sealed for its place. Raises `WrappingKeyMissing` and `StoreAway`."""
        keys = await self.opened({sealed.key_id for sealed, _ in texts})
        if sum(len(sealed.text) for sealed, _ in texts) > MUCH_BYTES:
            return await asyncio.to_thread(_words_of_all, texts, keys)
        return _words_of_all(texts, keys)

    # -- keys --------------------------------------------------------------------------------------------------------

    async def in_force(self, room_id: UUID, author_id: UUID | None, *, at: datetime) -> DataKey:
        """The key that seals an author's words in a room now, or without an author the key of the room's search; made when
        it is needed first."""
        kept = self._in_force.get((room_id, author_id))
        if kept is not None and kept[0] > self._clock():
            return kept[1]
        until = self._clock() + self._kept_s
        row = await self._find_in_force(room_id, author_id) or await self._make(room_id, author_id, at=at)
        key = await self._unwrap(row)
        self._keep(self._opened, row.id, until, key)
        self._keep(self._in_force, (room_id, author_id), until, key)
        return key

    async def opened(self, ids: Collection[UUID]) -> dict[UUID, DataKey | None]:
        """Those of the keys that are not destroyed; None for one that does not open in its place, so that one row that was
        tampered with does not hide what others wrote."""
        found, missing = self._kept(ids)
        if missing:
            async with self._unwrapping:
                more, missing = self._kept(missing)
                until = self._clock() + self._kept_s
                rows = (
                    [_wrapped(row) for row in await self.statements.fetch(_BY_ID, list(missing))]
                    if missing
                    else []
                )
                for id in missing - {row.id for row in rows}:
                    self._opened.pop(id, None)
                fresh = await self._still_or_newly_opened(rows)
            for id, key in fresh.items():
                if key is not None:
                    self._keep(self._opened, id, until, key)
            return {**found, **more, **fresh}
        return {**found}

    async def destroy(self, author_id: UUID) -> int:
        """Make everything that this author ever wrote unreadable and unfindable; how many keys are gone.

        May be repeated. Keys go first: who indexes words holds on to their key while writing, and finds none afterwards.
        """
        gone = await self.statements.fetch(_DESTROY, author_id)
        await self.statements.fetch(_FORGET_WORDS, author_id)
        await self.statements.fetch(_FORGET_EVIDENCE, author_id)
        for row in gone:
            self._opened.pop(row["id"], None)
            self._in_force.pop((row["room_id"], author_id), None)
        return len(gone)

    async def status(self) -> list[KeyStatus]:
        return [KeyStatus(*row) for row in await self.statements.fetch(_STATUS)]

    async def index_status(self) -> IndexStatus:
        (row,) = await self.statements.fetch(_INDEX_STATUS)
        return IndexStatus(int(row["keys"]), int(row["messages"]))

    # -- what rotation needs -----------------------------------------------------------------------------------------

    async def rewrap_some(self, *, after: UUID, limit: int) -> tuple[list[UUID], list[UUID]]:
        """Wrap some of the keys that an older key of the ring wraps by the current one, in the order of their ids; which
        were, and which do not open."""
        older = [id for id in self.ring.ids if id != self.ring.current]
        rows = [_wrapped(row) for row in await self.statements.fetch(_WRAPPED_BY, older, after, limit)]
        opened = await self._in_thread(rows)
        wrapped = {
            row: self.ring.wrap(key.secret, belongs_to=row.belongs_to)
            for row in rows
            if (key := opened[row.id]) is not None
        }
        before = [row.wrapping_key for row in wrapped]
        ids = [row.id for row in wrapped]
        await self.statements.fetch(_REWRAP, ids, before, list(wrapped.values()), self.ring.current)
        return ids, [row.id for row in rows if row not in wrapped]

    async def count_not_current(self) -> int:
        """Keys that another key than the current one wraps, whether the ring holds it or not."""
        return int((await self.statements.fetch(_COUNT_OLDER, self.ring.current))[0]["count"])

    async def retire_some(self, *, made_before: datetime, at: datetime, limit: int) -> int:
        """Take some of the authors' keys out of force; the next word gets a new one, everywhere within `kept_s`."""
        retired = await self.statements.fetch(_RETIRE, made_before, at, limit)
        for row in retired:
            self._in_force.pop((row["room_id"], row["author_id"]), None)
        return len(retired)

    async def rooms_with_retired(self) -> list[UUID]:
        return [row["room_id"] for row in await self.statements.fetch(_RETIRED_ROOMS)]

    async def snippets_with_retired(self) -> list[UUID]:
        return [row["room_id"] for row in await self.statements.fetch(_RETIRED_SNIPPETS)]

    async def retired_in(self, room_id: UUID) -> dict[UUID, int]:
        """Each retired key of the room, and up to which number it seals nothing any more."""
        return {row["id"]: row["swept"] for row in await self.statements.fetch(_RETIRED_IN, room_id)}

    async def note_swept(self, ids: Iterable[UUID], *, up_to: int) -> None:
        await self.statements.fetch(_NOTE_SWEPT, list(ids), up_to)

    async def drop_swept(self, room_id: UUID, *, head: int, retired_before: datetime) -> int:
        """Destroy retired keys that seal nothing up to `head`, if nobody can have used them since."""
        return len(await self.statements.fetch(_DROP_SWEPT, room_id, head, retired_before))

    # -- within ------------------------------------------------------------------------------------------------------

    async def _find_in_force(self, room_id: UUID, author_id: UUID | None) -> WrappedKey | None:
        if author_id is None:
            rows = await self.statements.fetch(_OF_SEARCH, room_id)
        else:
            rows = await self.statements.fetch(_OF_AUTHOR, room_id, author_id)
        return _wrapped(rows[0]) if rows else None

    async def _make(self, room_id: UUID, author_id: UUID | None, *, at: datetime) -> WrappedKey:
        made = WrappedKey(new_id(), room_id, author_id, self.ring.current, b"")
        wrapped = self.ring.wrap(os.urandom(KEY_BYTES), belongs_to=made.belongs_to)
        await self.statements.fetch(_MAKE, made.id, room_id, author_id, self.ring.current, wrapped, at)
        # Of those who make one at once, one wins, and all use it.
        found = await self._find_in_force(room_id, author_id)
        return found or await self._make(room_id, author_id, at=at)

    async def _unwrap(self, row: WrappedKey) -> DataKey:
        """Raises `KeyForged`: nothing may be sealed then."""
        async with self._unwrapping:
            key = (await self._still_or_newly_opened([row]))[row.id]
        if key is None:
            raise KeyForged(f"key {row.id} does not open in its place")
        return key

    async def _still_or_newly_opened(self, rows: Sequence[WrappedKey]) -> dict[UUID, DataKey | None]:
        """What a row wraps never changes: one that was unwrapped before need not be again, once its row is seen."""
        still: dict[UUID, DataKey | None] = {
            row.id: self._opened[row.id][1] for row in rows if row.id in self._opened
        }
        return still | await self._in_thread([row for row in rows if row.id not in still])

    async def _in_thread(self, rows: Sequence[WrappedKey]) -> dict[UUID, DataKey | None]:
        if not rows:
            return {}
        return await asyncio.get_running_loop().run_in_executor(self._thread, _unwrap_all, self.ring, rows)

    def _kept(self, ids: Collection[UUID]) -> tuple[dict[UUID, DataKey], set[UUID]]:
        found: dict[UUID, DataKey] = {}
        missing: set[UUID] = set()
        for id in ids:
            kept = self._opened.get(id)
            if kept is not None and kept[0] > self._clock():
                found[id] = kept[1]
            else:
                missing.add(id)
        return found, missing

    def _keep(
        self, cache: OrderedDict[Any, tuple[float, DataKey]], name: Any, until: float, key: DataKey
    ) -> None:
        cache[name] = (until, key)
        cache.move_to_end(name)
        if len(cache) > self._most_kept:
            cache.popitem(last=False)


def _words_of_all(
    texts: Sequence[tuple[Sealed, Place]], keys: Mapping[UUID, DataKey | None]
) -> list[bytes | Unreadable]:
    return [_words(sealed, place, keys) for sealed, place in texts]


def _words(sealed: Sealed, place: Place, keys: Mapping[UUID, DataKey | None]) -> bytes | Unreadable:
    if sealed.key_id not in keys:
        return Unreadable.DESTROYED
    key = keys[sealed.key_id]
    if key is None:
        return Unreadable.FORGED
    try:
        return unseal(sealed, key=key, place=place)
    except WordsForged:
        return Unreadable.FORGED


def _unwrap_all(ring: KeyRing, rows: Sequence[WrappedKey]) -> dict[UUID, DataKey | None]:
    return {row.id: _unwrap(ring, row) for row in rows}


def _unwrap(ring: KeyRing, row: WrappedKey) -> DataKey | None:
    try:
        secret = ring.unwrap(row.wrapped, by=row.wrapping_key, belongs_to=row.belongs_to)
    except KeyForged:
        _log.error("a wrapped key does not open in its place", extra={"key": str(row.id)})
        return None
    return DataKey(row.id, secret)


def _wrapped(row: Any) -> WrappedKey:
    return WrappedKey(row["id"], row["room_id"], row["author_id"], row["wrapping_key"], row["wrapped"])


_BY_ID = "select * from chat_key where id = any(cast($1 as uuid[]))"
_OF_AUTHOR = "select * from chat_key where room_id = $1 and author_id = $2 and retired_at is null"
_OF_SEARCH = "select * from chat_key where room_id = $1 and author_id is null and retired_at is null"
_MAKE = """
    insert into chat_key (id, room_id, author_id, wrapping_key, wrapped, created_at, swept)
    values ($1, $2, $3, $4, $5, $6, 0) on conflict do nothing
"""
_DESTROY = "delete from chat_key where author_id = $1 returning id, room_id"
_FORGET_WORDS = "delete from chat_word where author_id = $1"
_FORGET_EVIDENCE = """
    update message_report set key_id = null, nonce = null, sealed = null, words_id = null
    where author_id = $1 and key_id is not null
"""
_STATUS = """
    select wrapping_key, count(*) filter (where retired_at is null), count(*) filter (where retired_at is not null),
           min(created_at)
    from chat_key group by wrapping_key order by wrapping_key
"""
# Counting millions of rows would take seconds.
_INDEX_STATUS = """
    select (select count(*) from chat_key where author_id is null) as keys,
           (select greatest(reltuples, 0) from pg_class where oid = 'chat_word'::regclass) as messages
"""
_WRAPPED_BY = """
    select * from chat_key where wrapping_key = any(cast($1 as text[])) and id > $2 order by id limit $3
"""
_REWRAP = """
    update chat_key k set wrapped = f.wrapped, wrapping_key = $4
    from unnest(cast($1 as uuid[]), cast($2 as text[]), cast($3 as bytea[])) as f(id, before, wrapped)
    where k.id = f.id and k.wrapping_key = f.before
"""
_COUNT_OLDER = "select count(*) from chat_key where wrapping_key <> $1"
_RETIRE = """
    update chat_key set retired_at = $2 where id in (
        select id from chat_key where retired_at is null and author_id is not null and created_at < $1 limit $3
    ) returning room_id, author_id
"""
# What is written in a snippet is not in the log of a room: see `snippet_rotation.py`.
_RETIRED_ROOMS = """
    select distinct room_id from chat_key k where retired_at is not null
    and not exists (select from snippet s where s.id = k.room_id) order by room_id
"""
_RETIRED_SNIPPETS = """
    select distinct room_id from chat_key k where retired_at is not null
    and exists (select from snippet s where s.id = k.room_id) order by room_id
"""
_RETIRED_IN = "select id, swept from chat_key where room_id = $1 and retired_at is not null"
_NOTE_SWEPT = """
    update chat_key set swept = $2
    where id = any(cast($1 as uuid[])) and retired_at is not null and swept < $2
"""
_DROP_SWEPT = """
    delete from chat_key k where room_id = $1 and retired_at < $3 and swept >= $2
      and not exists (select from message_draft where key_id = k.id)
      and not exists (select from scheduled_message where key_id = k.id)
      and not exists (select from message_report where key_id = k.id)
    returning 1
"""
