"""Files that messages show: claimed for a message before it is stored, settled when its room is projected.

The message may be in another database than the file's row, so neither waits for the other's commit. Whoever sends claims the
files first, in the name of the act: a repeat of it, and nobody else, may claim them again. From then on members of the room read
them, who learn of them by the message alone. What the log says then is made true of the rows by whoever projects it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.attachment import AttachedAlready, Attachment, AttachmentSubject
from models.chat import ChatDraft, ChatFact
from models.errors import NotFound
from models.room import RoomMessage
from models.store.sql import Transaction
from resolvers.operation import Operation


@dataclass(frozen=True, slots=True)
class MessageFile:
    """A file as a message shows it."""

    id: UUID
    name: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Held:
    """Which files a message shows as it stands; None if what it says cannot be read."""

    message_id: UUID
    author_id: UUID
    last_seq: int
    is_edited: bool
    is_deleted: bool
    file_ids: Sequence[UUID] | None


async def require_free(op: Operation, room_id: UUID, file_ids: Sequence[UUID], *, client_id: str) -> None:
    """Nothing is claimed yet: what is refused shall not count as said. Raises `NotFound` and `AttachedAlready`."""
    if file_ids:
        table = Attachment.__table__  # type: ignore[attr-defined]
        rows = await op.db.fetch(sa.select(table).where(_own(op, file_ids)))
        _require_free(op, room_id, file_ids, {row.id: row for row in rows}, client_id)


async def claim_files(
    op: Operation, room_id: UUID, message_id: UUID, file_ids: Sequence[UUID], *, client_id: str
) -> None:
    """Let a message of the caller's show files of theirs that hang on nothing. Raises `NotFound` and `AttachedAlready`."""
    if not file_ids:
        return
    # Not under the act's key: what is said has one of its own, for ever.
    async with op.db.transaction(actor_id=op.viewer.require_user(), at=op.now()) as tx:
        found = await _locked(tx, _own(op, file_ids))
        promise = _require_free(op, room_id, file_ids, found, client_id)
        for row in found.values():
            row.subject_kind, row.subject_id, row.room_id = AttachmentSubject.MESSAGE, message_id, room_id
            row.attached_at, row.promised_to = op.now(), promise


async def return_files(
    op: Operation, claimed_by: ChatDraft, stored: ChatFact, named: Collection[UUID] | None
) -> None:
    """A repeat that came as the first try was stored has claimed files once more. Those that the first one named are its own;
    others hang on nothing again. None: what it named cannot be read."""
    promise = promise_of(stored.room_id, stored.author_id, stored.client_id)
    mine = (col(Attachment.promised_to) == promise) & (col(Attachment.subject_id) == claimed_by.message_id)
    async with op.db.transaction(actor_id=op.viewer.user_id, at=op.now()) as tx:
        for row in (await _locked(tx, mine)).values():
            if named is None or row.id in named:
                row.subject_id = stored.message_id
            else:
                row.subject_kind = row.subject_id = row.room_id = row.attached_at = row.promised_to = None


async def let_files_go(op: Operation, message_id: UUID, file_ids: Collection[UUID] | None = None) -> None:
    """A message shows these no longer, or none any more; their bytes go with the next round. May be repeated."""
    those = [
        col(Attachment.subject_id) == message_id,
        col(Attachment.subject_kind) == AttachmentSubject.MESSAGE,
    ]
    if file_ids is not None:
        those.append(col(Attachment.id).in_(file_ids))
    async with op.db.transaction(actor_id=op.viewer.user_id, at=op.now()) as tx:
        for row in (await _locked(tx, *those, col(Attachment.gone_at).is_(None))).values():
            _let_go(row, at=op.now())


async def settle_files(tx: Transaction, room_id: UUID, messages: Sequence[Held], *, at: datetime) -> None:
    """Make the rows say what messages of a room show, where nothing later is known of these."""
    # Most messages show none, and never did.
    messages = [one for one in messages if one.file_ids or one.is_edited or one.is_deleted]
    if not messages:
        return
    named = {id for message in messages for id in message.file_ids or ()}
    ids = [message.message_id for message in messages]
    concerned = col(Attachment.subject_id).in_(ids) | col(Attachment.id).in_(named)
    is_here = (col(Attachment.room_id) == room_id) & col(Attachment.gone_at).is_(None)
    rows = await _locked(tx, is_here, concerned)
    if not rows:
        return
    newest = sa.select(col(RoomMessage.message_id), col(RoomMessage.fact_seq)).where(
        col(RoomMessage.message_id).in_(ids)
    )
    known = {row.message_id: row.fact_seq for row in await tx.execute(newest)}
    for message in messages:
        if known[message.message_id] <= message.last_seq:
            _settle(rows, message, at=at)


def _own(op: Operation, file_ids: Sequence[UUID]) -> sa.ColumnElement[bool]:
    return col(Attachment.id).in_(file_ids) & (col(Attachment.uploader_id) == op.viewer.require_user())


def _require_free(
    op: Operation, room_id: UUID, file_ids: Sequence[UUID], found: Mapping[UUID, Any], client_id: str
) -> UUID:
    """The promise of the act, which may have claimed them before."""
    promise = promise_of(room_id, op.viewer.require_user(), client_id)
    for index, id in enumerate(file_ids):
        row, path = found.get(id), ("attachmentIds", str(index))
        if row is None or row.gone_at is not None:
            raise NotFound("file of yours", path=path)
        if row.subject_id is not None and row.promised_to != promise:
            raise AttachedAlready("This file hangs on something else; upload it again.", path=path)
    return promise


def promise_of(room_id: UUID, author_id: UUID, client_id: str) -> UUID:
    """The name of an act: the same for a repeat of it, and for nothing else."""
    name = room_id.bytes + author_id.bytes + client_id.encode()
    return UUID(bytes=sha256(name).digest()[:16])


async def files_in(op: Operation, room_id: UUID, file_ids: Collection[UUID]) -> Mapping[UUID, MessageFile]:
    """Those of the files that messages of a room show, which the caller is known to see."""
    if not file_ids:
        return {}
    columns = ("id", "name", "media_type", "size", "sha256")
    statement = sa.select(*(col(getattr(Attachment, name)) for name in columns)).where(
        col(Attachment.id).in_(file_ids),
        col(Attachment.room_id) == room_id,
        col(Attachment.gone_at).is_(None),
    )
    return {row.id: MessageFile(*tuple(row)) for row in await op.db.fetch(statement)}


def _settle(rows: Mapping[UUID, Attachment], message: Held, *, at: datetime) -> None:
    for row in rows.values():
        if row.id in (message.file_ids or ()) and row.uploader_id == message.author_id:
            row.subject_id, row.promised_to = message.message_id, None
        elif row.subject_id == message.message_id:
            # What is promised to an edit that is on its way is not named yet.
            is_named_no_longer = message.file_ids is not None and row.promised_to is None
            if message.is_deleted or is_named_no_longer:
                _let_go(row, at=at)


def _let_go(row: Attachment, *, at: datetime) -> None:
    row.removed_at = row.gone_at = at
    row.promised_to = None


async def _locked(tx: Transaction, *where: sa.ColumnElement[bool]) -> dict[UUID, Attachment]:
    statement = (
        sa.select(Attachment).where(*where).order_by(col(Attachment.id)).with_for_update(key_share=True)
    )
    rows = (await tx.execute(statement.execution_options(populate_existing=True))).scalars()
    return {row.id: row for row in rows}
