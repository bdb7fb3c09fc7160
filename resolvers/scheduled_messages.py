"""Messages that are sent at their time, by the use case that sends all others.

The client id is fixed when a message is scheduled, so it is stored once, whatever breaks off or is repeated. From the moment
in which its time has come and it is claimed, nobody changes or cancels it: what was cancelled is never sent.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import access
from auth.viewer import Viewer
from models.errors import DomainError, NotFound, RateLimited, Refusals, StaleVersion
from models.ids import encode_id
from models.kept_events import (
    MessageScheduled,
    ScheduledMessageCancelled,
    ScheduledMessageRefused,
    ScheduledMessageSent,
)
from models.kept_words import (
    MAX_SCHEDULED,
    ScheduledMessage,
    ScheduledState,
    TooManyScheduled,
    WordsLost,
    columns_of,
    sealed_in,
)
from models.message import Content
from models.store.chat_keys import Unreadable
from models.store.sql import Act, Receipt, Transaction
from models.table import check_version
from models.user import AccountSuspended, User, UserStatus
from resolvers import messages
from resolvers.drafts import lock_person, opened
from resolvers.jobs import outside_job, schedule
from resolvers.messages import here_in, settled
from resolvers.operation import Operation

JOB = "message.send"


async def schedule_message(op: Operation, room_id: UUID, content: Content, *, send_at: datetime) -> Receipt:
    """Say something later. That the caller may write there is asked now, and again at its time."""
    me = op.viewer.require_user()
    here = await here_in(op, room_id)
    content = content.checked()
    ScheduledMessage.check_time(send_at, now=op.now())
    here.require_writable()
    here.require_may_address(content)
    # What it answers and whom it mentions is settled again when it is sent.
    await settled(op, room_id, content)
    id = op.new_id()
    place = ScheduledMessage.place_of(room_id, me, op.new_id(), id=id)
    kept = columns_of(await op.services.chat.keys.seal(content.as_bytes, place, at=op.now()), place)
    async with op.transaction() as tx:
        await lock_person(tx, me)
        await _require_few(tx, me)
        row = ScheduledMessage(
            id=id, author_id=me, room_id=room_id, send_at=send_at, state=ScheduledState.WAITING,
            client_id=ScheduledMessage.client_id_of(id), created_at=op.now(), updated_at=op.now(), **kept,
        )  # fmt: skip
        tx.add(row)
        return await _set(op, tx, row)


async def edit_scheduled(
    op: Operation,
    scheduled_id: UUID,
    content: Content | None,
    *,
    send_at: datetime | None,
    expected_version: int | None,
) -> Receipt:
    """Word it anew, or have it sent at another time; one that was refused waits again. What it answers and quotes stays."""
    me = op.viewer.require_user()
    found = await op.db.fetch(_own(op, [scheduled_id]))
    if not found:
        raise NotFound("scheduled message")
    before = found[0]
    if send_at is not None:
        ScheduledMessage.check_time(send_at, now=op.now())
    kept = {}
    if content is not None:
        words = (await words_of_scheduled(op, [scheduled_id])).get(scheduled_id)
        new = content.checked()
        if isinstance(words, Content):
            new = replace(new, answers_id=words.answers_id, quote_id=words.quote_id)
        place = ScheduledMessage.place_of(before.room_id, me, op.new_id(), id=scheduled_id)
        kept = columns_of(await op.services.chat.keys.seal(new.as_bytes, place, at=op.now()), place)
    async with op.transaction() as tx:
        await lock_person(tx, me)
        scheduled = await _lock(op, tx, scheduled_id)
        check_version(scheduled, expected_version, entity_id=scheduled.id)
        scheduled.require_changeable()
        if kept and scheduled.words_id != before.words_id:
            # Somebody else's words of the same moment would be lost.
            raise StaleVersion(scheduled.version, entity_id=scheduled.id)
        for name, value in kept.items():
            setattr(scheduled, name, value)
        # One that was refused lies in the past: without a new time it is sent as soon as it can be checked.
        until = send_at or scheduled.send_at
        if scheduled.state is ScheduledState.REFUSED:
            await _require_few(tx, me)
        scheduled.wait(until=until, at=op.now())
        return await _set(op, tx, scheduled)


async def cancel_scheduled(op: Operation, scheduled_id: UUID) -> Receipt:
    """It is gone, and not sent."""
    me = op.viewer.require_user()
    async with op.transaction() as tx:
        await lock_person(tx, me)
        scheduled = await _lock(op, tx, scheduled_id)
        scheduled.require_changeable()
        await tx.session.delete(scheduled)
        tx.emit(ScheduledMessageCancelled(
            person_id=me, room_id=scheduled.room_id, removed_id=_public_id(scheduled), at=op.now()
        ))  # fmt: skip
        return tx.done(scheduled_id)


async def words_of_scheduled(op: Operation, ids: Sequence[UUID]) -> dict[UUID, Content | Unreadable]:
    """Of the caller's own."""
    rows = await op.db.fetch(_own(op, ids))
    places = [ScheduledMessage.place_of(row.room_id, row.author_id, row.words_id, id=row.id) for row in rows]
    return await opened(op, rows, places)


# -- at its time -------------------------------------------------------------------------------------------------------------


@outside_job(JOB)
async def send_scheduled(op: Operation, scheduled_id: UUID) -> None:
    """Send it, or say why not. May be done again, and by two at once: the client id is the same."""
    row = await _claim(op, scheduled_id)
    if row is None:
        return
    author = Operation(
        op.services,
        Viewer(user_id=row.author_id),
        op.request_id,
        act=Act("message_send", row.author_id, row.client_id, b""),
    )
    try:
        await _require_active(author)
        content = await _words(author, row)
        await messages.send_message(author, row.room_id, content)
    except RateLimited as refusal:
        await _put_off(op, row, until=refusal.retry_at)
    except (DomainError, Refusals) as refusal:
        # An earlier try may have stored it, and then been cut off.
        client_id = await messages.client_id_of(op, row.room_id, row.author_id, row.client_id)
        stored = await op.services.chat.store.repeat_of(row.room_id, row.author_id, client_id)
        await (_refuse(op, row, _code_of(refusal)) if stored is None else _forget(op, row))
    else:
        await _forget(op, row)


async def _require_active(author: Operation) -> None:
    """Raises `AccountSuspended`."""
    statement = sa.select(col(User.status)).where(col(User.id) == author.viewer.user_id)
    rows = await author.db.fetch(statement)
    if not rows or rows[0][0] is not UserStatus.ACTIVE:
        raise AccountSuspended(until=None, reason=None)


async def _words(op: Operation, row: ScheduledMessage) -> Content:
    """Raises `WordsLost`."""
    (raw,) = await op.services.chat.keys.unseal_at([(sealed_in(row), row.place)])
    if isinstance(raw, Unreadable):
        raise WordsLost(kept_id=row.id)
    return Content.of(raw)


def _code_of(refusal: DomainError | Refusals) -> str:
    return (refusal.refusals[0] if isinstance(refusal, Refusals) else refusal).code


async def _claim(op: Operation, scheduled_id: UUID) -> ScheduledMessage | None:
    """From here on it can be neither changed nor cancelled; None if there is nothing to send now."""
    async with op.db.transaction(actor_id=None, at=op.now()) as tx:
        row = await tx.lock_if_any(ScheduledMessage, col(ScheduledMessage.id) == scheduled_id)
        if row is None or row.state is ScheduledState.REFUSED or row.send_at > op.now():
            return None
        row.state = ScheduledState.SENDING
        return row


async def _put_off(op: Operation, row: ScheduledMessage, *, until: datetime) -> None:
    async with op.db.transaction(actor_id=None, at=op.now()) as tx:
        again = await _lock_sending(tx, row.id)
        if again is not None:
            again.state = ScheduledState.WAITING
            await schedule(tx, JOB, row.id, run_at=until, at=op.now())


async def _refuse(op: Operation, row: ScheduledMessage, code: str) -> None:
    async with op.db.transaction(actor_id=None, at=op.now()) as tx:
        again = await _lock_sending(tx, row.id)
        if again is not None:
            again.refuse(code, at=op.now())
            tx.emit(ScheduledMessageRefused(
                person_id=row.author_id, room_id=row.room_id, scheduled_id=row.id, reason=code, at=op.now()
            ))  # fmt: skip


async def _forget(op: Operation, row: ScheduledMessage) -> None:
    async with op.db.transaction(actor_id=None, at=op.now()) as tx:
        again = await _lock_sending(tx, row.id)
        if again is not None:
            await tx.session.delete(again)
            tx.emit(ScheduledMessageSent(
                person_id=row.author_id, room_id=row.room_id, removed_id=_public_id(row), at=op.now()
            ))  # fmt: skip


async def _lock_sending(tx: Transaction, id: UUID) -> ScheduledMessage | None:
    return await tx.lock_if_any(
        ScheduledMessage,
        col(ScheduledMessage.id) == id,
        col(ScheduledMessage.state) == ScheduledState.SENDING,
    )


# -- within ------------------------------------------------------------------------------------------------------------------


async def _set(op: Operation, tx: Transaction, row: ScheduledMessage) -> Receipt:
    await schedule(tx, JOB, row.id, run_at=row.send_at, at=op.now())
    tx.emit(MessageScheduled(person_id=row.author_id, room_id=row.room_id, scheduled_id=row.id, at=op.now()))
    return tx.done(row.id)


def _own(op: Operation, ids: Sequence[UUID]) -> sa.Select[tuple[object, ...]]:
    table = ScheduledMessage.__table__  # type: ignore[attr-defined]
    return sa.select(table).where(col(ScheduledMessage.id).in_(ids), access.visible_scheduled(op.viewer))


async def _lock(op: Operation, tx: Transaction, id: UUID) -> ScheduledMessage:
    return await tx.lock(
        ScheduledMessage,
        col(ScheduledMessage.id) == id,
        access.visible_scheduled(op.viewer),
        what="scheduled message",
    )


async def _require_few(tx: Transaction, user_id: UUID) -> None:
    statement = sa.select(sa.func.count()).where(
        col(ScheduledMessage.author_id) == user_id, col(ScheduledMessage.state) != ScheduledState.REFUSED
    )
    if (count := (await tx.execute(statement)).scalar_one()) >= MAX_SCHEDULED:
        raise TooManyScheduled(count=count)


def _public_id(row: ScheduledMessage) -> str:
    return encode_id("scheduled", row.id)
