"""The index of messages' words, in PostgreSQL wherever the messages are: written by whoever follows a room's log.

Writing may be repeated and may come late: only what a later fact says replaces what is there.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from models.chat import ChatMessage
from models.store.chat_sql import Statements


class FoundMessage(NamedTuple):
    """Where a message stands among all that are found: by time, then as its room's log has it."""

    sent_at: datetime
    seq: int
    message_id: UUID


class ChatWords:
    """`statements` write; `searches` read, and must not be of one plan for all arguments: words are very uneven."""

    def __init__(self, statements: Statements, searches: Statements) -> None:
        self._statements = statements
        self._searches = searches

    async def write(
        self, message: ChatMessage, tokens: Sequence[int], *, thread_id: UUID | None = None
    ) -> bool:
        """What the message can be found by now; nothing once it is deleted, or its author's keys are destroyed.

        Whether it was written: not if a later fact of the message was told before.
        """
        sent, words = message.sent, message.words
        is_there = words is not None and words.sealed is not None
        fact_seq = words.seq if words is not None and is_there else message.last_seq
        key_id = words.sealed.key_id if words is not None and words.sealed is not None else None
        rows = await self._statements.fetch(
            _WRITE, message.id, sent.room_id, sent.author_id, message.seq, fact_seq, list(tokens) if is_there else [],
            key_id, sent.at, thread_id,
        )  # fmt: skip
        return bool(rows)

    async def search(
        self,
        room_id: UUID,
        groups: Sequence[Sequence[int]],
        *,
        limit: int,
        beyond: FoundMessage | None = None,
        is_backwards: bool = False,
        sent_before: datetime | None = None,
        sent_after: datetime | None = None,
        author_ids: Sequence[UUID] = (),
        thread_id: UUID | None = None,
    ) -> list[FoundMessage]:
        """The newest messages of the room that have a token of each group, `beyond` a place: older than that, or
        `is_backwards` the oldest of the newer ones. Of one thread, or by some authors, if these are named."""
        if len(author_ids) > 1:
            # Each by their own index; together they would be read by time, however long ago they spoke.
            options: dict[str, Any] = {
                "limit": limit, "beyond": beyond, "is_backwards": is_backwards, "sent_before": sent_before,
                "sent_after": sent_after, "thread_id": thread_id,
            }  # fmt: skip
            of_each = [await self.search(room_id, groups, author_ids=[id], **options) for id in author_ids]
            return list(islice(merge(*of_each, reverse=not is_backwards), limit))
        place = beyond or (None, None, None)
        arguments = [room_id, limit, sent_before, sent_after, *place, *map(list, groups)]
        arguments += [*author_ids]
        arguments += [thread_id] if thread_id else []
        window, whole = _searches(len(groups), bool(author_ids), thread_id is not None, is_backwards)
        rows: list[Any] = []
        if window is not None:
            rows = await self._searches.fetch(window, *arguments)
            # The first row says how many were looked at, and may be all there is.
            if rows[0]["looked_at"] < _WINDOW:
                return _found(rows)
        if len(found := _found(rows)) < limit:
            found = _found(await self._searches.fetch(whole, *arguments))
        return found


def _found(rows: Sequence[Any]) -> list[FoundMessage]:
    return [
        FoundMessage(row["sent_at"], row["seq"], row["message_id"])
        for row in rows
        if row["message_id"] is not None
    ]


# The key row is held until the end, so that whoever destroys it waits, and then finds the tokens.
_WRITE = """
    with key as (select id from chat_key where id = $7 for key share)
    insert into chat_word as w (message_id, room_id, author_id, seq, fact_seq, tokens, sent_at, thread_id)
    select $1, $2, $3, $4, $5, cast($6 as bigint[]), $8, $9
    where cast($7 as uuid) is null or exists (select from key)
    on conflict (message_id) do update set fact_seq = excluded.fact_seq, tokens = excluded.tokens
    where w.fact_seq < excluded.fact_seq
    returning 1
"""


# How often a word comes is not known: of most words PostgreSQL has no statistics. What is common is found among the messages
# that come first; what is not there often enough is rare, and for that the index of words is quick. Left to choose, the planner
# read a room of 1,000,000 messages backwards in search of a word that never came: 3 s (measured).
_WINDOW = 2_000


@cache
def _searches(groups: int, has_author: bool, in_thread: bool, is_backwards: bool) -> tuple[str | None, str]:
    """A look at the messages that come first, and one at all of them. A plan is made for each search, with what it asks for."""
    words = [f"tokens && cast(${8 + number} as bigint[])" for number in range(groups)]
    thread = f"${8 + groups + has_author}"
    than, direction = (">", "asc") if is_backwards else ("<", "desc")
    bounds = [
        "room_id = $1",
        "(cast($3 as timestamptz) is null or sent_at < $3)",
        "(cast($4 as timestamptz) is null or sent_at > $4)",
        f"(cast($5 as timestamptz) is null or (sent_at, seq, message_id) {than} ($5, cast($6 as bigint), cast($7 as uuid)))",
        *([f"author_id = ${8 + groups}"] if has_author else []),
        *([f"(thread_id = {thread} or message_id = {thread})"] if in_thread else []),
    ]
    between, fits = " and ".join(bounds), " and ".join(["tokens <> '{}'", *words])
    order = f"order by sent_at {direction}, seq {direction}"
    window = f"""
        with first as materialized (select * from chat_word where {between} {order} limit {_WINDOW})
        select looked_at, message_id, seq, sent_at
        from (select count(*) as looked_at from first) as looked
        left join (select * from first where {fits} {order} limit $2) as found on true {order}
    """  # noqa: S608  numbers of parameters
    # Without words there is nothing to be quick about but the order.
    kept = "materialized" if groups else "not materialized"
    whole = f"""
        with found as {kept} (select message_id, seq, sent_at from chat_word where {between} and {fits})
        select message_id, seq, sent_at from found {order} limit $2
    """  # noqa: S608  numbers of parameters
    # A thread is found by its own index, whole.
    return None if in_thread else window, whole
