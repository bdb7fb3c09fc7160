"""Reading the log of streams: facts after a place, the heads, and which heads have moved."""

import asyncio
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from models.chat import ChatFact, ChatKind
from models.event import EVENTS, Audience
from models.notification import NotificationsChanged
from models.store.chat import ChatStore
from models.store.compiled import compiled
from models.store.sql import Database

COUNTS_CHANGED = "GigCountsChanged"


@dataclass(slots=True, eq=False)
class LoggedFact:
    """A fact as it was written. `rendered` holds what was made of it for subscribers, by what makes a difference; of a fact
    that `is_old` nothing is kept, as hardly anybody will ask."""

    stream: str
    number: int
    id: UUID
    kind: str
    audience: Audience
    actor_id: UUID | None
    owner_id: UUID | None
    person_id: UUID | None
    remark_id: UUID | None
    occurred_at: datetime
    payload: Mapping[str, Any]
    rendered: dict[Hashable, Any] = field(default_factory=dict)
    is_old: bool = False
    others: "LoggedFact | None" = None

    def grow_old(self) -> None:
        self.is_old = True
        self.rendered.clear()
        if self.others is not None:
            self.others.grow_old()

    @property
    def joins(self) -> bool:
        """Whether somebody takes part in the gig from it on."""
        kind = EVENTS.get(self.kind)
        return kind is not None and kind.joins

    @property
    def takes_words_back(self) -> bool:
        """Whether nobody is to be shown any more what somebody said before it."""
        return self.kind == CHAT_KINDS[ChatKind.DELETED]

    def notifies(self, user_id: UUID | None) -> bool:
        """Whether it tells this person of what others did, or how many notifications are left after what they did."""
        kind = EVENTS.get(self.kind)
        if kind is None or user_id is None:
            return False
        if issubclass(kind, NotificationsChanged):
            return self.person_id == user_id
        people = kind.told(owner_id=self.owner_id, person_id=self.person_id, actor_id=self.actor_id)
        return user_id in people

    def is_in_stream_of(self, user_id: UUID) -> bool:
        """Whether the person's own stream has the same fact."""
        kind = EVENTS.get(self.kind)
        if kind is None:
            return False
        people = kind.followed_by(owner_id=self.owner_id, person_id=self.person_id)
        return user_id in people or self.notifies(user_id)

    def for_others(self) -> "LoggedFact | None":
        """What those who may not see the fact are told of it: that the gig's numbers changed, where they did."""
        kind = EVENTS.get(self.kind)
        if kind is None or not kind.changes_counts or not self.stream.startswith("gig:"):
            return None
        if self.others is None:
            # Kept, so that it is rendered once for all of them.
            self.others = replace(
                self, kind=COUNTS_CHANGED, audience=Audience.PUBLIC, actor_id=None, owner_id=None, person_id=None,
                remark_id=None, payload={"gig_id": self.payload["gig_id"]}, rendered={},
            )  # fmt: skip
        return self.others


CHAT = "room:"
"""What the names of streams begin with that are logs of the chat store; all others are in PostgreSQL."""
CHAT_KINDS = {
    ChatKind.SENT: "MessageSent",
    ChatKind.EDITED: "MessageEdited",
    ChatKind.DELETED: "MessageDeleted",
    ChatKind.REACTED: "MessageReacted",
    ChatKind.UNREACTED: "MessageUnreacted",
    ChatKind.PINNED: "MessagePinned",
    ChatKind.UNPINNED: "MessageUnpinned",
}


def is_of_chat(stream: str) -> bool:
    return stream.startswith(CHAT)


def room_of(stream: str) -> UUID:
    return UUID(stream.removeprefix(CHAT))


@dataclass(frozen=True, slots=True)
class Logs:
    """Reads streams from where they are kept: logs of rooms from the chat store, all others from PostgreSQL.

    A call of `read_after` is about streams of one kind. Of rooms all raise `StoreAway`.
    """

    db: Database
    chat: ChatStore | None = None

    async def read_after(self, places: Mapping[str, int], *, limit: int) -> list[LoggedFact]:
        """The facts after each place, by stream and number; at most `limit` of a stream."""
        if not any(map(is_of_chat, places)):
            return await read_after(self.db, places, limit=limit)
        read = (
            self._of_chat.facts_after(room_of(name), number, limit=limit) for name, number in places.items()
        )
        return [_logged(fact) for facts in await asyncio.gather(*read) for fact in facts]

    async def heads(self, streams: Collection[str]) -> dict[str, int]:
        """The highest number of each stream; 0 for one that has no fact yet."""
        of_chat = [name for name in streams if is_of_chat(name)]
        others = [name for name in streams if not is_of_chat(name)]
        found = await heads(self.db, others) if others else {}
        if of_chat:
            rooms = await self._of_chat.heads([room_of(name) for name in of_chat])
            found |= {name: rooms[room_of(name)] for name in of_chat}
        return found

    @property
    def _of_chat(self) -> ChatStore:
        if self.chat is None:
            raise LookupError("these streams are read without a chat store")
        return self.chat


def _logged(fact: ChatFact) -> LoggedFact:
    """A fact of a room's log, told to whoever sees the room. What was said is not in it: the message it leads to says that."""
    payload = {"room_id": fact.room_id, "message_id": fact.message_id, "reaction": fact.reaction}
    return LoggedFact(
        f"{CHAT}{fact.room_id}", fact.seq, fact.id, CHAT_KINDS[fact.kind], Audience.PUBLIC, fact.author_id, None, None,
        None, fact.at, payload,
    )  # fmt: skip


async def read_after(db: Database, places: Mapping[str, int], *, limit: int) -> list[LoggedFact]:
    """The facts after each place, by stream and number; at most `limit` of a stream."""
    statement = _AFTER.bindparams(streams=list(places), numbers=list(places.values()), limit=limit)
    return [
        LoggedFact(
            row.stream, row.number, row.id, row.kind, Audience(row.audience), row.actor_id, row.owner_id, row.person_id,
            row.remark_id, row.occurred_at, row.payload,
        )
        for row in await db.fetch(statement)
    ]  # fmt: skip


async def place_in(db: Database, stream: str, fact: LoggedFact) -> int | None:
    """The number that a fact of another stream has in this one: the same act wrote the same fact to both."""
    statement = _SAME.bindparams(
        stream=stream, kind=fact.kind, occurred_at=fact.occurred_at, payload=dict(fact.payload)
    )
    found = await db.fetch(statement)
    return int(found[0].number) if found else None


async def heads(db: Database, streams: Iterable[str]) -> dict[str, int]:
    """The highest number of each stream; 0 for one that has no fact yet."""
    wanted = list(streams)
    found = {row.stream: row.number for row in await db.fetch(_HEADS.bindparams(streams=wanted))}
    return {stream: found.get(stream, 0) for stream in wanted}


@dataclass(frozen=True, slots=True)
class Moved:
    """The heads that moved, with their numbers; ask again with this `horizon`."""

    horizon: int
    heads: Mapping[str, int]


async def moved_since(db: Database, horizon: int) -> Moved:
    """The heads moved by transactions that were not visible at `horizon`.

    Not by name but by writer: a head carries the transaction that moved it last, and whatever could not be seen at the
    time of a horizon has that transaction's number or a higher one.
    """
    (row,) = await db.poll(_MOVED, {"horizon": str(horizon)})
    return Moved(int(row["horizon"]), dict(zip(row["streams"], row["numbers"], strict=True)))


async def horizon_now(db: Database) -> int:
    (row,) = await db.poll(_HORIZON)
    return int(row["horizon"])


_AFTER = sa.text("""
    select f.stream, f.number, f.id, f.kind, f.audience, f.actor_id, f.owner_id, f.person_id, f.remark_id, f.occurred_at,
           f.payload
    from unnest(cast(:streams as text[]), cast(:numbers as bigint[])) as wanted(stream, number)
    cross join lateral (
        select * from fact where fact.stream = wanted.stream and fact.number > wanted.number
        order by fact.number limit :limit
    ) as f
    order by f.stream, f.number
""").columns(payload=JSONB)

_SAME = sa.text("""
    select number from fact
    where stream = :stream and kind = :kind and occurred_at = :occurred_at and payload = :payload
""").bindparams(
    sa.bindparam("payload", type_=JSONB), sa.bindparam("occurred_at", type_=sa.DateTime(timezone=True))
)

_HEADS = sa.text("select stream, number from stream_head where stream = any(cast(:streams as text[]))")

_HORIZON = compiled(sa.text("select cast(pg_snapshot_xmin(pg_current_snapshot()) as text) as horizon"))

_MOVED = compiled(
    sa.text("""
    select cast(pg_snapshot_xmin(pg_current_snapshot()) as text) as horizon,
           coalesce(array_agg(stream), '{}') as streams, coalesce(array_agg(number), '{}') as numbers
    from stream_head where x >= cast(cast(:horizon as text) as xid8)
""")
)
