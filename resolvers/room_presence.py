"""Who writes in a room just now, and who is there at all. Words of the moment are kept in memory, under a lease."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from auth import access
from auth.viewer import SignInRequired
from models import presence
from models.checks import Checks
from models.errors import Invalid
from models.idempotency import Outcome
from models.presence import MAX_CLIENT, ONLINE_LEASE, TYPING_LEASE, PersonState, Present, RoomDoing
from models.room import ChatPreference, PersonSeen
from models.room_events import ChatPresenceSet
from models.store.sql import Receipt
from models.user import User
from resolvers.messages import here_in, require_editable
from resolvers.operation import Operation
from resolvers.room_members import is_shut_out


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether somebody is there, and when they were last; None if that is not known."""

    state: PersonState
    seen_at: datetime | None


def subject_of(room_id: UUID) -> str:
    return f"room:{room_id}"


async def say_typing(
    op: Operation,
    room_id: UUID,
    *,
    is_typing: bool,
    thread_id: UUID | None,
    message_id: UUID | None,
    client: str | None,
) -> list[Present]:
    """Say that one writes something, a new message or one of one's own anew, or does no longer; everybody who writes then.

    Raises `Refusals`, `NotFound`, `SaidTooOften`, `Crowded`, and what refuses a message.
    """
    me = op.viewer.require_user()
    client = _client(op, client)
    if thread_id is not None and message_id is not None:
        raise Invalid(
            ("threadId",), "PAIRING", "A message that is edited stays in its thread: leave this out."
        )
    subject, attendance = subject_of(room_id), op.services.attendance
    attendance.count_word(me, at=op.now())
    here = await here_in(op, room_id)
    word = Present(subject, me, client, None)
    if is_typing:
        here.require_writable()
        if message_id is not None:
            await require_editable(op, room_id, message_id, path="messageId")
        doing = RoomDoing.WRITING if message_id is None else RoomDoing.EDITING
        word = replace(word, doing=doing.value, part=message_id or thread_id, until=op.now() + TYPING_LEASE)
    attendance.say(word, lease=TYPING_LEASE)
    return attendance.at(subject)


async def say_presence(
    op: Operation, state: PersonState, *, client: str | None
) -> tuple[Receipt, PersonState]:
    """Say whether one is there, for the length of a lease; nobody is told of those who do not show it.

    Raises `Refusals` and `SaidTooOften`.
    """
    me = op.viewer.require_user()
    client = _client(op, client)
    attendance = op.services.attendance
    attendance.count_word(me, at=op.now())
    asked = sa.select(is_shut_out(op).label("is_shut_out"), access.hides_presence(me).label("hides"))
    (row,) = await op.db.fetch(asked)
    if row.is_shut_out:
        raise SignInRequired("Your account was changed a moment ago. Sign in again.")
    if row.hides:
        attendance.dismiss(presence.person(me), me)
        return Receipt(me, Outcome.NOOP), PersonState.OFFLINE
    doing = None if state is PersonState.OFFLINE else state.value
    word = Present(presence.person(me), me, client, doing, until=op.now() + ONLINE_LEASE)
    attendance.say(word, lease=ONLINE_LEASE)
    if state is not PersonState.AWAY:
        op.services.last_seen.note(me, at=op.now())
    return Receipt(me), attendance.state_of(me)


async def seen(op: Operation, people: Sequence[UUID]) -> dict[UUID, Seen]:
    """Of those of them whose presence the caller may see."""
    statement = (
        sa.select(col(User.id), col(PersonSeen.seen_at))
        .select_from(sa.outerjoin(User, PersonSeen, col(PersonSeen.user_id) == col(User.id)))
        .where(col(User.id).in_(people), access.visible_presence(op.viewer))
    )
    attendance = op.services.attendance
    return {
        row.id: Seen(attendance.state_of(row.id), _latest(op, row.id, row.seen_at))
        for row in await op.db.fetch(statement)
    }


def _latest(op: Operation, person_id: UUID, written: datetime | None) -> datetime | None:
    """What was written, or is known here and was not yet."""
    words = op.services.attendance.at(presence.person(person_id))
    said = [
        word.until - ONLINE_LEASE
        for word in words
        if word.until is not None and word.doing == PersonState.ONLINE
    ]
    known = [moment for moment in (written, op.services.last_seen.of(person_id), *said) if moment is not None]
    return max(known, default=None)


async def shows_presence(op: Operation) -> bool:
    """Whether members of the caller's rooms see if they are there."""
    if op.viewer.user_id is None:
        return True
    rows = await op.db.fetch(sa.select(access.hides_presence(op.viewer.user_id)))
    return not rows[0][0]


async def set_shown(op: Operation, *, is_on: bool) -> Receipt:
    """Whether members of the caller's rooms see if they are there. Who does not show it is gone at once, everywhere."""
    me = op.viewer.require_user()
    async with op.transaction() as tx:
        hides = bool((await tx.execute(sa.select(access.hides_presence(me)))).scalar_one())
        if hides is not is_on:
            return tx.noop(me)
        await tx.execute(insert(ChatPreference).values(
            user_id=me, shows_receipts=True, shows_presence=is_on
        ).on_conflict_do_update(index_elements=["user_id"], set_={"shows_presence": is_on}))  # fmt: skip
        tx.emit(ChatPresenceSet(person_id=me, shows_presence=is_on, at=op.now()))
        receipt = tx.done(me)
    if not is_on:
        op.services.attendance.dismiss(presence.person(me), me)
    return receipt


def _client(op: Operation, client: str | None) -> str:
    """Raises `Refusals`."""
    checks = Checks()
    client = checks.text(("client",), str(op.viewer.session_id) if client is None else client, max=MAX_CLIENT)
    checks.done()
    return client
