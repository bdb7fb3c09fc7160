"""What people say about themselves beside their name."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from auth import access
from models.person_status import PersonStatus, Saying
from models.room_events import PersonStatusSet
from models.store.sql import Receipt
from models.user import User
from resolvers.operation import Operation


async def set_status(op: Operation, saying: Saying) -> Receipt:
    """Say something about oneself, in place of what one said before. Raises `Refusals`."""
    me = op.viewer.require_user()
    saying = saying.checked(now=op.now())
    async with op.transaction() as tx:
        # One after the other, the first one, too, of which there is no row yet.
        await tx.lock_if_any(User, col(User.id) == me)
        status = await tx.lock_if_any(PersonStatus, col(PersonStatus.user_id) == me)
        if saying == (Saying() if status is None else status.saying):
            return tx.noop(me)
        version = 1 if status is None else status.version + 1
        values = {
            "text": saying.text, "emoji": saying.emoji, "until": saying.until, "version": version,
            "updated_at": op.now(), "x": sa.func.pg_current_xact_id(),
        }  # fmt: skip
        await tx.execute(
            insert(PersonStatus)
            .values(user_id=me, **values)
            .on_conflict_do_update(index_elements=["user_id"], set_=values)
        )
        tx.emit(PersonStatusSet(person_id=me, at=op.now()))
        return tx.done(me)


async def statuses_of(op: Operation, people: Sequence[UUID]) -> dict[UUID, Saying]:
    """Of those of them who say something now that the caller may see."""
    text, emoji, until = col(PersonStatus.text), col(PersonStatus.emoji), col(PersonStatus.until)
    statement = (
        sa.select(col(User.id), text, emoji, until)
        .join(PersonStatus, col(PersonStatus.user_id) == col(User.id))
        .where(
            col(User.id).in_(people),
            text.is_not(None) | emoji.is_not(None),
            until.is_(None) | (until > op.now()),
            access.visible_status(op.viewer),
        )
    )
    return {row.id: Saying(row.text, row.emoji, row.until) for row in await op.db.fetch(statement)}
