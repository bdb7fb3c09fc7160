"""The index of messages' words, in PostgreSQL wherever the messages are: written by whoever follows a room's log.

Writing may be repeated and may come late: only what a later fact says replaces what is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from models.chat import ChatMessage
from models.store.chat_sql import Statements


@dataclass(frozen=True, slots=True)
class FoundMessage:
    message_id: UUID
    seq: int


class ChatWords:
    """`statements` write; `searches` read, and must not be of one plan for all arguments: words are very uneven."""

    def __init__(self, statements: Statements, searches: Statements) -> None:
        self._statements = statements
        self._searches = searches

    async def write(self, message: ChatMessage, tokens: Sequence[int]) -> bool:
        """What the message can be found by now; nothing once it is deleted, or its author's keys are destroyed.

        Whether it was written: not if a later fact of the message was told before.
        """
        if message.words is None or message.words.sealed is None:
            rows = await self._statements.fetch(
                _WRITE, message.id, message.sent.room_id, message.sent.author_id, message.seq, message.last_seq, [], None
            )  # fmt: skip
        else:
            rows = await self._statements.fetch(
                _WRITE, message.id, message.sent.room_id, message.sent.author_id, message.seq, message.words.seq,
                list(tokens), message.words.sealed.key_id,
            )  # fmt: skip
        return bool(rows)

    async def search(
        self,
        room_id: UUID,
        groups: Sequence[Sequence[int]],
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        author_id: UUID | None = None,
    ) -> list[FoundMessage]:
        """The newest messages of the room that have a token of each group, with numbers between `before` and `after`."""
        arguments = (room_id, before, after, limit, *map(list, groups), *([author_id] if author_id else ()))
        newest, whole = _searches(len(groups), author_id is not None)
        rows = await self._searches.fetch(newest, *arguments)
        if len(rows) < limit:
            rows = await self._searches.fetch(whole, *arguments)
        return [FoundMessage(row["message_id"], row["seq"]) for row in rows]


# The key row is held until the end, so that whoever destroys it waits, and then finds the tokens.
_WRITE = """
    with key as (select id from chat_key where id = $7 for key share)
    insert into chat_word as w (message_id, room_id, author_id, seq, fact_seq, tokens)
    select $1, $2, $3, $4, $5, cast($6 as bigint[])
    where cast($7 as uuid) is null or exists (select from key)
    on conflict (message_id) do update set fact_seq = excluded.fact_seq, tokens = excluded.tokens
    where w.fact_seq < excluded.fact_seq
    returning 1
"""


# How often a word comes is not known: of most words PostgreSQL has no statistics. What is common is found among the newest
# messages; what is not there often enough is rare, and for that the index of words is quick. Left to choose, the planner
# read a room of 1,000,000 messages backwards in search of a word that never came: 3 s (measured).
_NEWEST = 2_000


@cache
def _searches(groups: int, has_author: bool) -> tuple[str, str]:
    words = [f"tokens && cast(${5 + number} as bigint[])" for number in range(groups)]
    author = [f"author_id = ${5 + groups}"] if has_author else []
    fits = " and ".join(["tokens <> '{}'", *words, *author])
    between = "room_id = $1 and seq < coalesce($2, 9223372036854775807) and seq > coalesce($3, 0)"
    newest = f"""
        select message_id, seq from (
            select * from chat_word where {between} order by seq desc limit {_NEWEST}
        ) as newest
        where {fits} order by seq desc limit $4
    """  # noqa: S608  numbers of parameters
    # Without words there is nothing to be quick about but the order.
    kept = "materialized" if groups else "not materialized"
    whole = f"""
        with found as {kept} (select message_id, seq from chat_word where {between} and {fits})
        select message_id, seq from found order by seq desc limit $4
    """  # noqa: S608  numbers of parameters
    return newest, whole
