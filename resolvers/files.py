"""Files that people upload: kept with their first row, handed out to who sees what they hang on, given up when nothing
holds them."""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import access
from models.attachment import LOOSE_KEPT, REMOVED_KEPT, Attachment, FileQuotaReached
from models.errors import NotFound
from models.media import media_type_of
from models.store.chat import StoreAway
from models.store.files import Draft
from models.store.sql import Transaction
from resolvers.operation import Operation
from resolvers.projection import catch_up

_SETTLED = timedelta(hours=1)
"""How long a content may wait for its row, and a draft for its end: uploads take less."""
_BATCH = 500


def drafting(op: Operation) -> AbstractAsyncContextManager[Draft]:
    """A file of the caller's while it comes in; `keep_upload` keeps it."""
    op.viewer.require_user()
    return op.services.files.drafting(at=op.now())


async def keep_upload(op: Operation, draft: Draft, name: str) -> Attachment:
    """Keep what came in; to be attached within a day. The same file again answers the one that waits already.

    Raises `Refusals` for a name, and `FileQuotaReached`.
    """
    me, name = op.viewer.require_user(), Attachment.checked_name(name)
    await draft.finish()
    async with op.transaction() as tx:
        await _lock(tx, f"files of {me}")
        await _lock(tx, f"content {draft.sha256}")
        row = await tx.get(
            Attachment, col(Attachment.uploader_id) == me, col(Attachment.sha256) == draft.sha256,
            col(Attachment.name) == name, col(Attachment.subject_id).is_(None),
        )  # fmt: skip
        if row is None:
            await _require_room(op, tx, me, draft.size)
            row = Attachment(
                id=op.new_id(), uploader_id=me, name=name, media_type=media_type_of(draft.head), size=draft.size,
                sha256=draft.sha256, created_at=op.now(),
            )  # fmt: skip
            tx.add(row)
        row.created_at = op.now()
        await tx.session.flush()
        # Under the lock, so that nobody finds the content without a row and deletes it meanwhile.
        await op.services.files.keep(draft, at=op.now())
    return row


async def find_file(op: Operation, id: UUID) -> Attachment:
    """A file that hangs on something the caller sees. Raises `NotFound`, also for one whose bytes are gone."""
    table = Attachment.__table__  # type: ignore[attr-defined]
    statement = sa.select(table).where(
        col(Attachment.id) == id,
        col(Attachment.gone_at).is_(None),
        access.visible_attachments(op.viewer) | access.own_uploads(op.viewer),
    )
    rows = await op.db.fetch(statement)
    if not rows:
        raise NotFound("file")
    return Attachment(**rows[0]._mapping)


async def delete_loose_files(op: Operation) -> int:
    """Give up what nobody attached, what was taken away long ago, and what a killed server left; how many contents."""
    now, files = op.now(), op.services.files
    is_loose = col(Attachment.subject_id).is_(None) & (col(Attachment.created_at) <= now - LOOSE_KEPT)
    are_broken = await _broken_promises(op)
    async with op.db.transaction(actor_id=None, at=now) as tx:
        await tx.execute(_delete(is_loose | are_broken))
        await tx.execute(
            sa.update(Attachment)
            .where(col(Attachment.gone_at).is_(None), col(Attachment.removed_at) <= now - REMOVED_KEPT)
            .values(gone_at=now)
        )
    deleted = 0
    async for contents in files.contents(before=now - _SETTLED):
        for start in range(0, len(contents), _BATCH):
            some = contents[start : start + _BATCH]
            held = sa.select(col(Attachment.sha256)).where(
                col(Attachment.sha256).in_(some), col(Attachment.gone_at).is_(None)
            )
            kept = {sha256 for (sha256,) in await op.db.fetch(held)}
            for sha256 in sorted(set(some) - kept):
                deleted += await _delete_unless_held(op, sha256)
    await files.delete_drafts(before=now - _SETTLED)
    return deleted


def _delete(those: sa.ColumnElement[bool]) -> sa.Delete:
    """Not what somebody attaches just now."""
    free = sa.select(col(Attachment.id)).where(those).order_by(col(Attachment.id))
    return sa.delete(Attachment).where(col(Attachment.id).in_(free.with_for_update(skip_locked=True)))


async def _broken_promises(op: Operation) -> sa.ColumnElement[bool]:
    """Files of messages that were never stored: claimed a day ago, and not in the room's log as it stands now."""
    is_old = col(Attachment.promised_to).is_not(None) & (col(Attachment.attached_at) <= op.now() - LOOSE_KEPT)
    rows = await op.db.fetch(sa.select(col(Attachment.room_id)).where(is_old).distinct())
    try:
        await catch_up(op, [room_id for (room_id,) in rows])
    except StoreAway:
        return sa.false()
    return is_old


async def _delete_unless_held(op: Operation, sha256: str) -> bool:
    async with op.db.transaction(actor_id=None, at=op.now()) as tx:
        await _lock(tx, f"content {sha256}")
        held = sa.select(col(Attachment.id)).where(
            col(Attachment.sha256) == sha256, col(Attachment.gone_at).is_(None)
        )
        if (await tx.execute(held.limit(1))).first() is not None:
            return False
        await op.services.files.delete(sha256)
        return True


async def _require_room(op: Operation, tx: Transaction, user_id: UUID, size: int) -> None:
    statement = sa.select(
        sa.func.coalesce(sa.func.sum(sa.cast(col(Attachment.size), sa.BigInteger)), 0)
    ).where(col(Attachment.uploader_id) == user_id, col(Attachment.gone_at).is_(None))
    used = int((await tx.execute(statement)).scalar_one())
    if used + size > op.services.rules.file_quota_bytes:
        raise FileQuotaReached(limit=op.services.rules.file_quota_bytes, count=used)


async def _lock(tx: Transaction, name: str) -> None:
    await tx.execute(_LOCK.bindparams(name=name))


_LOCK = sa.text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
