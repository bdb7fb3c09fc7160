"""Logs of rooms in PostgreSQL: one statement each, on connections of their own, committed as they end.

A statement may be sent twice: reading changes nothing, and appending finds what the first try wrote.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import asyncpg

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
from models.store.counting import count_statement
from models.store.pool import Pool

_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # A server that ended the connection while nothing was asked leaves the driver in the middle of something.
    asyncpg.InternalClientError,
    asyncpg.exceptions.OperatorInterventionError,
    OSError,
    TimeoutError,
)


class Statements(Pool):
    """A pool for statements that are committed as they end and answer any number of rows."""

    def __init__(
        self, url: str, *, size: int, is_generic: bool = True, statement_timeout_ms: int = 10_000
    ) -> None:
        """`is_generic`: one plan of PostgreSQL serves all arguments, because everything is looked up by a key (see
        `Database`)."""
        plans = {"plan_cache_mode": "force_custom_plan"}
        if is_generic:
            plans = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
            # A plan for a page of any size would read all facts about all messages for a join by hash: 90 ms in a room of
            # 100,000 messages, and 1 ms without it (measured).
            plans |= {"enable_hashjoin": "off", "enable_mergejoin": "off"}
        super().__init__(
            url,
            size=size,
            server_settings={
                "application_name": "skillsync-chat",
                "statement_timeout": str(statement_timeout_ms),
                "lock_timeout": str(statement_timeout_ms // 2),
                "timezone": "UTC",
                "jit": "off",
                "max_parallel_workers_per_gather": "0",
                **plans,
            },
        )

    async def fetch(self, text: str, *arguments: Any) -> list[Any]:
        """Raises `StoreAway` when the connection broke or none is to be had, and what asyncpg raises."""
        count_statement("select")
        try:
            lane = self._take_idle() or await self._take()
        except _AWAY as error:
            raise StoreAway from error
        is_usable = False
        try:
            rows = await lane.fetch(text, arguments)
            is_usable = True
        except asyncpg.QueryCanceledError:
            is_usable = True
            raise
        except _AWAY as error:
            raise StoreAway from error
        except asyncpg.PostgresError:
            is_usable = True
            raise
        else:
            return rows
        finally:
            self._give_back(lane, is_usable=is_usable)


class SqlChatStore(OptimisticLog):
    """The default. Durable as PostgreSQL's commit is."""

    name = "sql"

    def __init__(self, url: str, *, pool_size: int = 10, **options: Any) -> None:
        super().__init__(**options)
        self._statements = Statements(url, size=pool_size)

    async def prepare(self) -> None:
        """Migrations have made everything."""

    async def close(self) -> None:
        await self._statements.close()

    async def page(
        self,
        room_id: UUID,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        at: int | None = None,
    ) -> ChatPage:
        text, bound = (_BACKWARDS, before) if after is None else (_FORWARDS, after)
        rows = await self._fetch(text, room_id, at, bound, min(limit, MAX_PAGE) + 1)
        # The first row says where the log ends, and may be all there is.
        return page_of(
            [_fact(row) for row in rows if row["id"] is not None],
            limit=min(limit, MAX_PAGE), at=rows[0]["tip"], before=before, after=after,
        )  # fmt: skip

    async def facts_about(self, room_id: UUID, message_id: UUID) -> list[ChatFact]:
        return [_fact(row) for row in await self._fetch(_ABOUT, room_id, message_id)]

    async def repeat_of(self, room_id: UUID, author_id: UUID, client_id: str) -> ChatFact | None:
        rows = await self._fetch(_REPEATED, room_id, author_id, client_id)
        return _fact(rows[0]) if rows else None

    async def facts_after(self, room_id: UUID, seq: int, *, limit: int) -> list[ChatFact]:
        return [_fact(row) for row in await self._fetch(_AFTER, room_id, seq, limit)]

    async def heads(self, room_ids: Collection[UUID]) -> dict[UUID, int]:
        return {row["room_id"]: row["head"] for row in await self._fetch(_HEADS, list(room_ids))}

    async def moved_since(self, mark: str | None) -> MovedRooms:
        rows = await self._fetch(_MOVED, mark)
        heads = {row["room_id"]: row["head"] for row in rows if row["room_id"] is not None}
        return MovedRooms(rows[0]["horizon"], heads)

    async def rooms_after(self, room_id: UUID | None, *, limit: int) -> list[UUID]:
        return [row["room_id"] for row in await self._fetch(_ROOMS, room_id or UUID(int=0), limit)]

    async def copy(self, facts: Sequence[ChatFact]) -> None:
        """Everything or nothing."""
        if not facts:
            return
        columns = list(zip(*(_columns(fact) for fact in facts), strict=True))
        try:
            written = await self._statements.fetch(_COPY, [fact.seq for fact in facts], *columns)
        except asyncpg.UniqueViolationError as error:
            raise CopyRefused(f"room {facts[0].room_id} holds something else") from error
        if len(written) != len(facts):
            raise CopyRefused(f"room {facts[0].room_id} does not end before number {facts[0].seq}")

    async def reseal(self, before: ChatFact, after: ChatFact) -> bool:
        assert before.sealed is not None
        assert after.sealed is not None
        new = (after.sealed.key_id, after.sealed.nonce, after.sealed.text)
        rows = await self._fetch(
            _RESEAL, before.room_id, before.seq, before.id, before.sealed.key_id, before.sealed.nonce, *new
        )
        return bool(rows)

    async def _try(self, draft: ChatDraft) -> Appended | None:
        (row,) = await self._statements.fetch(_APPEND, *_columns(draft))
        if row["id"] is not None:
            return Appended(_fact(row), is_repeat=True)
        return Appended(ChatFact.of(draft, seq=row["taken"]), is_repeat=False) if row["taken"] else None

    async def _sent(self, room_id: UUID, message_id: UUID) -> ChatFact | None:
        rows = await self._fetch(_SENT, room_id, message_id)
        return _fact(rows[0]) if rows else None

    async def _facts_of(self, room_id: UUID, message_ids: Sequence[UUID]) -> list[ChatFact]:
        return [_fact(row) for row in await self._fetch(_OF_SEVERAL, room_id, list(message_ids))]

    async def _fetch(self, text: str, *arguments: Any) -> list[Any]:
        return await self._asked(lambda: self._statements.fetch(text, *arguments))


def _columns(draft: ChatDraft) -> tuple[Any, ...]:
    sealed = draft.sealed
    words = (sealed.key_id, sealed.nonce, sealed.text) if sealed else (None, None, None)
    return (
        draft.room_id, draft.id, draft.kind.value, draft.message_id, draft.author_id, draft.client_id, draft.at,
        draft.reaction, *words,
    )  # fmt: skip


def _fact(row: Any) -> ChatFact:
    sealed = None if row["key_id"] is None else Sealed(row["key_id"], row["nonce"], row["body"])
    return ChatFact(
        room_id=row["room_id"], seq=row["seq"], id=row["id"], kind=ChatKind(row["kind"]), message_id=row["message_id"],
        author_id=row["author_id"], client_id=row["client_id"], at=row["at"], reaction=row["reaction"], sealed=sealed,
    )  # fmt: skip


_COLUMNS = "room_id, id, kind, message_id, author_id, client_id, at, reaction, key_id, nonce, body"

# Without a target, so that neither a number taken nor a client id used is an error: the next try tells them apart.
_APPEND = f"""
    with repeated as (
        select * from chat_fact where room_id = $1 and author_id = $5 and client_id = $6
    ), written as (
        insert into chat_fact (seq, {_COLUMNS}, x)
        select coalesce((select max(seq) from chat_fact where room_id = $1), 0) + 1,
               $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, pg_current_xact_id()
        where not exists (select from repeated)
        on conflict do nothing returning seq
    )
    select (select seq from written) as taken, repeated.*
    from (select 1) as always left join repeated on true
"""  # noqa: S608  our own words

_TIP = """
    tip as (
        select least(coalesce(max(seq), 0), coalesce($2, 9223372036854775807)) as seq from chat_fact where room_id = $1
    )
"""

_WITH_FACTS = """
    , found as (
        select * from page
        union all
        select about.* from page join chat_fact about on about.message_id = page.id and about.kind <> 'SENT'
        where about.room_id = $1 and about.seq <= (select seq from tip)
    )
    select tip.seq as tip, found.* from tip left join found on true
"""

_BACKWARDS = f"""
    with {_TIP}, page as (
        select * from chat_fact
        where room_id = $1 and kind = 'SENT' and seq < least(coalesce($3, 9223372036854775807), (select seq + 1 from tip))
        order by seq desc limit $4
    ) {_WITH_FACTS}
"""  # noqa: S608  our own words

_FORWARDS = f"""
    with {_TIP}, page as (
        select * from chat_fact
        where room_id = $1 and kind = 'SENT' and seq > $3 and seq <= (select seq from tip)
        order by seq limit $4
    ) {_WITH_FACTS}
"""  # noqa: S608  our own words

_SENT = "select * from chat_fact where id = $2 and room_id = $1 and kind = 'SENT'"

_ABOUT = """
    select * from chat_fact where id = $2 and room_id = $1 and kind = 'SENT'
    union all
    (select * from chat_fact where message_id = $2 and room_id = $1 and kind <> 'SENT' order by seq)
"""

_REPEATED = "select * from chat_fact where room_id = $1 and author_id = $2 and client_id = $3"

# A join, so that each message is looked up in the indexes; see `Statements` for what a plan of any size would do.
_OF_SEVERAL = """
    with wanted as (select distinct id from unnest(cast($2 as uuid[])) as ids(id))
    select f.* from wanted join chat_fact f on f.id = wanted.id where f.room_id = $1 and f.kind = 'SENT'
    union all
    select f.* from wanted join chat_fact f on f.message_id = wanted.id and f.kind <> 'SENT' where f.room_id = $1
"""

_AFTER = "select * from chat_fact where room_id = $1 and seq > $2 order by seq limit $3"

_HEADS = """
    select room_id, coalesce((select max(seq) from chat_fact f where f.room_id = wanted.room_id), 0) as head
    from unnest(cast($1 as uuid[])) as wanted(room_id)
"""

_MOVED = """
    select cast(pg_snapshot_xmin(pg_current_snapshot()) as text) as horizon, moved.*
    from (select 1) as always left join (
        select room_id, max(seq) as head from chat_fact where x >= cast(cast($1 as text) as xid8) group by room_id
    ) as moved on true
"""

# One step of an index for each room, however long it is.
_ROOMS = """
    with recursive room as (
        (select room_id from chat_fact where room_id > $1 order by room_id limit 1)
        union all
        select (select f.room_id from chat_fact f where f.room_id > room.room_id order by f.room_id limit 1)
        from room where room.room_id is not null
    )
    select room_id from room where room_id is not null limit $2
"""

_COPY = f"""
    insert into chat_fact (seq, {_COLUMNS}, x)
    select fact.*, pg_current_xact_id()
    from unnest(
        cast($1 as bigint[]), cast($2 as uuid[]), cast($3 as uuid[]), cast($4 as text[]), cast($5 as uuid[]),
        cast($6 as uuid[]), cast($7 as text[]), cast($8 as timestamptz[]), cast($9 as text[]), cast($10 as uuid[]),
        cast($11 as bytea[]), cast($12 as bytea[])
    ) as fact
    where (cast($1 as bigint[]))[1] = 1 or exists (
        select from chat_fact f where f.room_id = (cast($2 as uuid[]))[1] and f.seq = (cast($1 as bigint[]))[1] - 1
    )
    returning 1
"""  # noqa: S608  our own words

_RESEAL = """
    update chat_fact set key_id = $6, nonce = $7, body = $8
    where room_id = $1 and seq = $2 and id = $3 and key_id = $4 and nonce = $5
    returning 1
"""
