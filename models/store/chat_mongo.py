"""Logs of rooms in MongoDB: one document for each fact, written and read with majority concern.

Only what MongoDB and FerretDB (with SQLite) both do is used; ADR 18 has the list. Every question is one of `QUESTIONS`, and
each names the index that answers it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from bson.int64 import Int64
from pymongo import AsyncMongoClient, IndexModel
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidURI,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from models.chat import ChatDraft, ChatFact, ChatKind, Sealed
from models.store.chat import (
    MAX_PAGE,
    Appended,
    ChatPage,
    CopyRefused,
    MovedRooms,
    OptimisticLog,
    StoreAway,
    page_of,
)

T = TypeVar("T")
Document = dict[str, Any]
Keys = tuple[tuple[str, int], ...]

DATABASE = "skillsync"
COLLECTION = "chat_fact"
MOST_HEADS = 10_000
DUPLICATE = 11_000

# A fact may show as late as this after its stamp: clocks that differ, and an insert that was slow to be acknowledged.
SHOWS_WITHIN = timedelta(seconds=60)

_AWAY = (ConnectionFailure, ExecutionTimeout, WTimeoutError)


@dataclass(frozen=True, slots=True)
class Index:
    keys: Keys
    is_unique: bool = False


INDEXES: Mapping[str, Index] = {
    "room_seq": Index((("room", 1), ("seq", 1)), is_unique=True),
    "room_author_client": Index((("room", 1), ("author", 1), ("client", 1)), is_unique=True),
    "room_kind_seq": Index((("room", 1), ("kind", 1), ("seq", 1))),
    "room_message_seq": Index((("room", 1), ("message", 1), ("seq", 1))),
    "stamp": Index((("stamp", 1), ("room", 1), ("seq", 1))),
}
PRIMARY = Index((("_id", 1),), is_unique=True)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: fields compared for equality (or with a short list), then one that is ordered or bounded.

    `besides` are compared in the few documents that the index finds.
    """

    index: str
    equal: tuple[str, ...]
    ordered: str | None = None
    besides: tuple[str, ...] = ()


QUESTIONS: Mapping[str, Question] = {
    "head": Question("room_seq", ("room",), "seq"),
    "facts after a number": Question("room_seq", ("room",), "seq"),
    "fact at a number": Question("room_seq", ("room", "seq"), besides=("_id", "key", "nonce")),
    "next room": Question("room_seq", (), "room"),
    "repeat": Question("room_author_client", ("room", "author", "client")),
    "messages": Question("room_kind_seq", ("room", "kind"), "seq"),
    "facts about messages": Question("room_message_seq", ("room", "message"), "seq"),
    "facts of messages": Question("room_message_seq", ("room", "message")),
    "message sent": Question("_id", ("_id",), besides=("room", "kind")),
    "moved": Question("stamp", (), "stamp"),
}


class MongoChatStore(OptimisticLog):
    """The URL may name the database; without one it is `skillsync`."""

    name = "mongodb"

    def __init__(self, url: str, *, timeout_s: float = 10, **options: Any) -> None:
        """Raises ValueError with a sentence for the operator, without the URL: it may hold a password."""
        super().__init__(**options)
        try:
            database = parse_uri(url, validate=True, warn=False)["database"] or DATABASE
            self._client: AsyncMongoClient[Document] = AsyncMongoClient(
                url,
                appname="skillsync",
                serverSelectionTimeoutMS=round(min(timeout_s, 2) * 1000),
                connectTimeoutMS=round(min(timeout_s, 2) * 1000),
                socketTimeoutMS=round(timeout_s * 1000),
                waitQueueTimeoutMS=round(timeout_s * 1000),
            )
        except (InvalidURI, ValueError) as error:
            raise ValueError(
                "CHAT_URL cannot be read; write it as mongodb://user:password@host:27017/database "
                f"(special characters percent-encoded): {type(error).__name__}."
            ) from None
        self._facts = self._client.get_database(
            database,
            codec_options=CodecOptions(
                document_class=dict,
                tz_aware=True,
                tzinfo=UTC,
                uuid_representation=UuidRepresentation.STANDARD,
            ),
            write_concern=WriteConcern("majority", wtimeout=round(timeout_s * 1000)),
            read_concern=ReadConcern("majority"),
        )[COLLECTION]
        self._is_prepared = False
        # What this process knows of heads. It may be behind, never ahead: only what was acknowledged is noted.
        self._heads: OrderedDict[UUID, int] = OrderedDict()

    async def prepare(self) -> None:
        # One at a time: FerretDB panics over several.
        for name, index in INDEXES.items():
            model = IndexModel(list(index.keys), name=name, unique=index.is_unique)
            await self._again(partial(self._facts.create_indexes, [model]))
        self._is_prepared = True

    async def close(self) -> None:
        await self._client.close()

    async def page(
        self,
        room_id: UUID,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        at: int | None = None,
    ) -> ChatPage:
        head = await self._read_head(room_id)
        tip = head if at is None else min(at, head)
        if after is None:
            bounds = {"$lt": tip + 1 if before is None else min(before, tip + 1)}
        else:
            bounds = {"$gt": after, "$lte": tip}
        limit = min(limit, MAX_PAGE)
        sent = await self._find(
            "messages", {"room": room_id, "kind": ChatKind.SENT.value, "seq": bounds},
            order=-1 if after is None else 1, limit=limit + 1,
        )  # fmt: skip
        about = await self._about(room_id, [fact.id for fact in sent], up_to=tip)
        return page_of([*sent, *about], limit=limit, at=tip, before=before, after=after)

    async def facts_about(self, room_id: UUID, message_id: UUID) -> list[ChatFact]:
        sent = await self._sent(room_id, message_id)
        if sent is None:
            return []
        return [sent, *await self._about(room_id, [message_id], up_to=None)]

    async def repeat_of(self, room_id: UUID, author_id: UUID, client_id: str) -> ChatFact | None:
        found = await self._find("repeat", {"room": room_id, "author": author_id, "client": client_id})
        return found[0] if found else None

    async def facts_after(self, room_id: UUID, seq: int, *, limit: int) -> list[ChatFact]:
        return await self._find(
            "facts after a number", {"room": room_id, "seq": {"$gt": seq}}, order=1, limit=limit
        )

    async def heads(self, room_ids: Collection[UUID]) -> dict[UUID, int]:
        wanted = list(dict.fromkeys(room_ids))
        return dict(
            zip(wanted, await asyncio.gather(*(self._read_head(room) for room in wanted)), strict=True)
        )

    async def moved_since(self, mark: str | None) -> MovedRooms:
        now = datetime.now(UTC)
        if mark is None:
            return MovedRooms(now.isoformat(), {})
        since = datetime.fromisoformat(mark) - SHOWS_WITHIN
        heads: dict[UUID, int] = {}
        for found in await self._documents("moved", {"stamp": {"$gte": since}}, ("room", "seq")):
            heads[found["room"]] = max(found["seq"], heads.get(found["room"], 0))
        return MovedRooms(now.isoformat(), heads)

    async def rooms_after(self, room_id: UUID | None, *, limit: int) -> list[UUID]:
        rooms: list[UUID] = []
        while len(rooms) < limit:
            last = rooms[-1] if rooms else room_id or UUID(int=0)
            found = await self._documents("next room", {"room": {"$gt": last}}, ("room",), order=1, limit=1)
            if not found:
                break
            rooms.append(found[0]["room"])
        return rooms

    async def copy(self, facts: Sequence[ChatFact]) -> None:
        """In order, so that what was written when it breaks off is the beginning of it."""
        if not facts:
            return
        room_id, first = facts[0].room_id, facts[0].seq
        if self._heads.get(room_id) != first - 1 and await self._read_head(room_id) != first - 1:
            raise CopyRefused(f"room {room_id} does not end before number {first}")
        try:
            await self._facts.insert_many([_document(fact, fact.seq) for fact in facts], ordered=True)
        except BulkWriteError as error:
            if {each["code"] for each in error.details["writeErrors"]} != {DUPLICATE}:
                raise
            raise CopyRefused(f"room {room_id} holds something else") from error
        except _AWAY as error:
            raise StoreAway from error
        self._note_head(room_id, facts[-1].seq)

    async def reseal(self, before: ChatFact, after: ChatFact) -> bool:
        assert before.sealed is not None
        assert after.sealed is not None
        place = {"room": before.room_id, "seq": before.seq, "_id": before.id}
        place |= {"key": before.sealed.key_id, "nonce": before.sealed.nonce}
        words = {"key": after.sealed.key_id, "nonce": after.sealed.nonce, "body": after.sealed.text}
        self._check("fact at a number", place)
        # Done twice, the second finds the new words, which are not those of `before`: so the answer may be no after a yes
        # that was lost, and whoever reseals looks again.
        done = await self._again(lambda: self._facts.update_one(place, {"$set": words}))
        return done.matched_count == 1

    async def _try(self, draft: ChatDraft) -> Appended | None:
        if not self._is_prepared:
            # Nothing is written before the indexes are there that keep it from being written twice.
            await self.prepare()
        head = self._heads.get(draft.room_id)
        if head is None:
            head = await self._read_head(draft.room_id)
        try:
            await self._facts.insert_one(_document(draft, head + 1))
        except DuplicateKeyError:
            # Which key it was is not asked: a repeat is looked for, and otherwise the number was taken.
            repeated = await self._find(
                "repeat", {"room": draft.room_id, "author": draft.author_id, "client": draft.client_id}
            )
            if repeated:
                return Appended(repeated[0], is_repeat=True)
            self._heads.pop(draft.room_id, None)
            return None
        except _AWAY as error:
            self._heads.pop(draft.room_id, None)
            raise StoreAway from error
        self._note_head(draft.room_id, head + 1)
        return Appended(ChatFact.of(draft, seq=head + 1), is_repeat=False)

    async def _sent(self, room_id: UUID, message_id: UUID) -> ChatFact | None:
        found = await self._find(
            "message sent", {"_id": message_id, "room": room_id, "kind": ChatKind.SENT.value}
        )
        return found[0] if found else None

    async def _facts_of(self, room_id: UUID, message_ids: Sequence[UUID]) -> list[ChatFact]:
        return await self._find("facts of messages", {"room": room_id, "message": {"$in": list(message_ids)}})

    async def _about(
        self, room_id: UUID, message_ids: Sequence[UUID], *, up_to: int | None
    ) -> list[ChatFact]:
        if not message_ids:
            return []
        where: Document = {"room": room_id, "message": {"$in": list(message_ids)}}
        if up_to is not None:
            where["seq"] = {"$lte": up_to}
        facts = await self._find("facts about messages", where, order=1)
        return [fact for fact in facts if fact.kind is not ChatKind.SENT]

    async def _read_head(self, room_id: UUID) -> int:
        found = await self._documents("head", {"room": room_id}, ("seq",), order=-1, limit=1)
        return int(found[0]["seq"]) if found else 0

    def _note_head(self, room_id: UUID, seq: int) -> None:
        self._heads[room_id] = seq
        self._heads.move_to_end(room_id)
        if len(self._heads) > MOST_HEADS:
            self._heads.popitem(last=False)

    async def _find(
        self, question: str, where: Document, *, order: int = 0, limit: int = 0
    ) -> list[ChatFact]:
        return [
            _fact(found) for found in await self._documents(question, where, (), order=order, limit=limit)
        ]

    async def _documents(
        self, question: str, where: Document, parts: tuple[str, ...], *, order: int = 0, limit: int = 0
    ) -> list[Document]:
        """The only place that reads; `parts` are the fields to read, all of them without any."""
        asked = self._check(question, where)
        fields = {"_id": 0, **dict.fromkeys(parts, 1)} if parts else None

        async def ask() -> list[Document]:
            cursor = self._facts.find(where, fields, limit=limit)
            if order:
                assert asked.ordered is not None
                cursor = cursor.sort(asked.ordered, order)
            return await cursor.to_list()

        return await self._again(ask)

    def _check(self, question: str, where: Document) -> Question:
        asked = QUESTIONS[question]
        assert set(where) <= {*asked.equal, asked.ordered, *asked.besides}, question
        assert set(asked.equal) <= set(where), question
        return asked

    async def _again(self, ask: Callable[[], Awaitable[T]]) -> T:
        async def once() -> T:
            try:
                return await ask()
            except _AWAY as error:
                raise StoreAway from error

        return await self._asked(once)


def _document(draft: ChatDraft, seq: int) -> Document:
    document: Document = {
        "_id": draft.id,
        "room": draft.room_id,
        "seq": Int64(seq),
        "kind": draft.kind.value,
        "message": draft.message_id,
        "author": draft.author_id,
        "client": draft.client_id,
        "at": draft.at,
        "stamp": datetime.now(UTC),
    }
    if draft.reaction is not None:
        document["reaction"] = draft.reaction
    if draft.sealed is not None:
        document |= {"key": draft.sealed.key_id, "nonce": draft.sealed.nonce, "body": draft.sealed.text}
    return document


def _fact(found: Document) -> ChatFact:
    sealed = Sealed(found["key"], found["nonce"], found["body"]) if "key" in found else None
    return ChatFact(
        room_id=found["room"], seq=int(found["seq"]), id=found["_id"], kind=ChatKind(found["kind"]),
        message_id=found["message"], author_id=found["author"], client_id=found["client"], at=found["at"],
        reaction=found.get("reaction"), sealed=sealed,
    )  # fmt: skip
