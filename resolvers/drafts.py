"""Drafts: what somebody may say in a room some day. Theirs alone, the same on all their devices, never in the room's log."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import access
from models.chat_cipher import Place
from models.errors import NotFound
from models.ids import encode_id
from models.kept_events import MessageDraftDiscarded, MessageDraftSaved
from models.kept_words import MAX_DRAFTS, MessageDraft, TooManyDrafts, columns_of, sealed_in
from models.message import Content
from models.store.chat_keys import Unreadable
from models.store.sql import Receipt, Transaction
from models.table import check_version
from models.user import User
from resolvers import messages
from resolvers.messages import Done, here_in
from resolvers.open_words import contents_at
from resolvers.operation import Operation


async def save_draft(
    op: Operation,
    room_id: UUID,
    thread_id: UUID | None,
    content: Content,
    *,
    expected_version: int | None,
) -> Receipt:
    """Keep it in the place of what the caller wrote before for the same room, or the same thread of it."""
    me = op.viewer.require_user()
    await here_in(op, room_id)
    content = content.checked()
    if thread_id is not None and not await op.services.chat.store.messages(room_id, [thread_id]):
        raise NotFound("message", path=("threadId",))
    place = MessageDraft.place_of(room_id, me, op.new_id(), thread_id=thread_id)
    kept = columns_of(await op.services.chat.keys.seal(content.as_bytes, place, at=op.now()), place)
    async with op.transaction() as tx:
        await lock_person(tx, me)
        draft = await tx.get(
            MessageDraft,
            col(MessageDraft.author_id) == me,
            col(MessageDraft.room_id) == room_id,
            col(MessageDraft.thread_id).is_not_distinct_from(thread_id),
        )
        if draft is not None:
            check_version(draft, expected_version, entity_id=draft.id)
            for name, value in kept.items():
                setattr(draft, name, value)
            draft.touch(at=op.now())
        elif expected_version is not None:
            raise NotFound("draft", path=("expectedVersion",))
        else:
            await _require_few(tx, me)
            draft = MessageDraft(
                id=op.new_id(), author_id=me, room_id=room_id, thread_id=thread_id, created_at=op.now(),
                updated_at=op.now(), **kept,
            )  # fmt: skip
            tx.add(draft)
        tx.emit(MessageDraftSaved(person_id=me, room_id=room_id, draft_id=draft.id, at=op.now()))
        return tx.done(draft.id)


async def discard_draft(op: Operation, draft_id: UUID) -> Receipt:
    me = op.viewer.require_user()
    async with op.transaction() as tx:
        await lock_person(tx, me)
        draft = await tx.lock(
            MessageDraft, col(MessageDraft.id) == draft_id, access.visible_drafts(op.viewer), what="draft"
        )
        await _remove(op, tx, draft)
        return tx.done(draft_id)


async def send_draft(op: Operation, room_id: UUID, content: Content, draft_id: UUID) -> Done:
    """Say something, and discard the draft of it. A repeat does what is left to be done of the two."""
    me = op.viewer.require_user()
    done = await messages.send_message(op, room_id, content)
    # Not under the act's key: what is said has one of its own, for ever.
    async with op.db.transaction(actor_id=me, at=op.now()) as tx:
        await lock_person(tx, me)
        draft = await tx.lock_if_any(
            MessageDraft,
            col(MessageDraft.id) == draft_id,
            col(MessageDraft.room_id) == room_id,
            access.visible_drafts(op.viewer),
        )
        if draft is not None:
            await _remove(op, tx, draft)
    return done


async def words_of_drafts(op: Operation, draft_ids: Sequence[UUID]) -> dict[UUID, Content | Unreadable]:
    """Of the caller's own."""
    statement = sa.select(MessageDraft.__table__).where(  # type: ignore[attr-defined]
        col(MessageDraft.id).in_(draft_ids), access.visible_drafts(op.viewer)
    )
    rows = await op.db.fetch(statement)
    places = [
        MessageDraft.place_of(row.room_id, row.author_id, row.words_id, thread_id=row.thread_id)
        for row in rows
    ]
    return await opened(op, rows, places)


async def opened(
    op: Operation, rows: Sequence[sa.Row[object]], places: Sequence[Place]
) -> dict[UUID, Content | Unreadable]:
    """What is sealed in rows that are kept, each for its place, by their ids."""
    sealed = [(sealed_in(row), place) for row, place in zip(rows, places, strict=True)]
    found = await contents_at(op, sealed)
    return {row.id: words for row, words in zip(rows, found, strict=True)}


async def lock_person(tx: Transaction, user_id: UUID) -> None:
    """What somebody keeps is written one after the other, so that it is counted exactly. Locked before all others."""
    await tx.lock(User, col(User.id) == user_id, what="person")


async def _remove(op: Operation, tx: Transaction, draft: MessageDraft) -> None:
    await tx.session.delete(draft)
    removed_id = encode_id("draft", draft.id)
    tx.emit(
        MessageDraftDiscarded(
            person_id=draft.author_id, room_id=draft.room_id, removed_id=removed_id, at=op.now()
        )
    )


async def _require_few(tx: Transaction, user_id: UUID) -> None:
    statement = sa.select(sa.func.count()).where(col(MessageDraft.author_id) == user_id)
    if (count := (await tx.execute(statement)).scalar_one()) >= MAX_DRAFTS:
        raise TooManyDrafts(count=count)
