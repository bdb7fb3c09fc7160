"""Sealing what is written in snippets anew, in its place: rows of `snippet_text`, by the keys they are under."""

from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from uuid import UUID

from models.chat import Sealed
from models.snippet import SealedText
from models.store.chat_sql import Statements


async def texts_under(
    statements: Statements, key_ids: Sequence[UUID], *, after: UUID, limit: int
) -> list[SealedText]:
    """Some of the texts that these keys seal, in the order of their ids."""
    rows = await statements.fetch(_UNDER, list(key_ids), after, limit)
    return [SealedText.of(SimpleNamespace(**row)) for row in rows]


async def reseal(statements: Statements, text: SealedText, sealed: Sealed) -> None:
    """Put other sealed words of the same text in place of those that were read, if they are still there."""
    await statements.fetch(_RESEAL, text.id, text.sealed.key_id, sealed.key_id, sealed.nonce, sealed.text)


async def drop_unused(statements: Statements, snippet_id: UUID, *, retired_before: datetime) -> int:
    """Destroy retired keys of the snippet that seal nothing, if nobody can have used them since; how many."""
    return len(await statements.fetch(_DROP, snippet_id, retired_before))


_UNDER = """
    select * from snippet_text where key_id = any(cast($1 as uuid[])) and id > $2 order by id limit $3
"""
_RESEAL = """
    update snippet_text set key_id = $3, nonce = $4, body = $5 where id = $1 and key_id = $2
"""
_DROP = """
    delete from chat_key k where room_id = $1 and retired_at < $2
    and not exists (select from snippet_text t where t.key_id = k.id) returning 1
"""
