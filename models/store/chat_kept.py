"""Sealing anew what is kept beside the logs, so that a data key can be destroyed."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from models.chat import Sealed
from models.chat_cipher import Place
from models.ids import new_id
from models.kept_words import MessageDraft, MessageReport, ScheduledMessage
from models.store.chat_keys import ChatKeys, Unreadable
from models.store.chat_sql import Statements

PAGE = 200


async def reseal_kept(
    statements: Statements, keys: ChatKeys, key_ids: Collection[UUID], *, at: datetime
) -> tuple[int, set[UUID]]:
    """Seal by the keys in force what these keys seal; how much, and the keys of what does not open."""
    resealed, stuck = 0, set[UUID]()
    for table, place_of in _PLACES.items():
        last = UUID(int=0)
        while rows := await statements.fetch(_READ.format(table=table), list(key_ids), last, PAGE):
            last = rows[-1]["id"]
            places = [place_of(row, row["words_id"]) for row in rows]
            sealed = [Sealed(row["key_id"], row["nonce"], row["sealed"]) for row in rows]
            opened = await keys.unseal_at(list(zip(sealed, places, strict=True)))
            for row, words in zip(rows, opened, strict=True):
                if isinstance(words, Unreadable):
                    stuck |= {row["key_id"]} if words is Unreadable.FORGED else set()
                    continue
                place = place_of(row, new_id())
                new = await keys.seal(words, place, at=at)
                # Unless somebody wrote it anew meanwhile, under the key in force.
                await statements.fetch(
                    _WRITE.format(table=table), row["id"], row["words_id"], new.key_id, new.nonce, new.text,
                    place.fact_id,
                )  # fmt: skip
                resealed += 1
    return resealed, stuck


def _of_draft(row: Any, words_id: UUID) -> Place:
    return MessageDraft.place_of(row["room_id"], row["author_id"], words_id, thread_id=row["thread_id"])


def _of_scheduled(row: Any, words_id: UUID) -> Place:
    return ScheduledMessage.place_of(row["room_id"], row["author_id"], words_id, id=row["id"])


def _of_report(row: Any, words_id: UUID) -> Place:
    return MessageReport.place_of(row["room_id"], row["message_id"], words_id)


_PLACES = {
    "message_draft": _of_draft,
    "scheduled_message": _of_scheduled,
    "message_report": _of_report,
}
_READ = "select * from {table} where key_id = any(cast($1 as uuid[])) and id > $2 order by id limit $3"
_WRITE = """
    update {table} set key_id = $3, nonce = $4, sealed = $5, words_id = $6 where id = $1 and words_id = $2
"""
