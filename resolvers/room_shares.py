"""What is shared with a room, as far as leaving it goes."""

from uuid import UUID

from sqlmodel import col

from models.snippet import SnippetShare
from models.snippet_events import SnippetShareNarrowed
from models.store.sql import Transaction
from resolvers.operation import Operation


async def narrow_shares(op: Operation, tx: Transaction, room_id: UUID) -> None:
    """Somebody leaves a room, which is locked: tell in the streams of its snippets, so that theirs end at once."""
    in_force = (col(SnippetShare.room_id) == room_id) & col(SnippetShare.ended_at).is_(None)
    for share in await tx.all(SnippetShare, in_force, order_by=col(SnippetShare.snippet_id)):
        tx.emit(SnippetShareNarrowed(
            snippet_id=share.snippet_id, share_id=share.id, share_kind=share.kind, at=op.now()
        ))  # fmt: skip
