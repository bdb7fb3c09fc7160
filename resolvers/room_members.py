"""How those who ask stand to rooms, and what people are called there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import col

from auth import access
from models.presence import MOST_PEOPLE, PersonState, RoomTooLarge
from models.room import Room, RoomKind, RoomMember, RoomRole
from models.store.sql import Transaction
from models.user import User, UserStatus
from resolvers.operation import Operation


@dataclass(frozen=True, slots=True)
class Part:
    """The caller's part in a room."""

    kind: RoomKind
    role: RoomRole
    is_muted: bool
    is_hidden: bool
    is_favorite: bool
    is_read_only: bool
    is_archived: bool
    is_blocked: bool
    slow_mode_s: int
    is_deserted: bool
    """A room of two whose other side was erased."""
    is_shut_out: bool
    """The caller's account was suspended or erased, which their token may not know yet."""


async def parts_in(
    op: Operation, room_ids: Sequence[UUID], *, tx: Transaction | None = None
) -> dict[UUID, Part]:
    """Of those of the rooms to which the caller belongs; in a transaction as of its locks."""
    statement = (
        sa.select(
            col(Room.id),
            col(Room.kind),
            col(RoomMember.role),
            col(RoomMember.is_muted),
            col(RoomMember.is_hidden),
            col(RoomMember.is_favorite),
            col(Room.is_read_only),
            col(Room.archived_at).is_not(None).label("is_archived"),
            access.is_blocked_between(col(Room.low_id), col(Room.high_id)).label("is_blocked"),
            col(Room.slow_mode_s),
            ((col(Room.kind) != RoomKind.GROUP) & _has_erased_member()).label("is_deserted"),
            is_shut_out(op).label("is_shut_out"),
        )
        .join(RoomMember, col(RoomMember.room_id) == col(Room.id))
        .where(
            col(Room.id).in_(room_ids),
            col(RoomMember.user_id) == op.viewer.user_id,
            col(RoomMember.left_at).is_(None),
        )
    )
    rows = await op.db.fetch(statement) if tx is None else (await tx.execute(statement)).all()
    return {row[0]: Part(*tuple(row)[1:]) for row in rows}


def _has_erased_member() -> sa.ColumnElement[bool]:
    """Of `Room`."""
    member: Any = aliased(RoomMember)
    erased = sa.exists().where(
        member.room_id == col(Room.id), col(User.id) == member.user_id, col(User.status) == UserStatus.ERASED
    )
    return erased.correlate(Room)


async def who_is_here(op: Operation, room_id: UUID) -> tuple[UUID, ...]:
    """Members other than the caller who are there now, as far as this process knows and the caller may see it.

    Raises `RoomTooLarge`.
    """
    user_id, left_at = col(RoomMember.user_id), col(RoomMember.left_at)
    other: Any = aliased(RoomMember)
    count = sa.select(sa.func.count()).where(other.room_id == room_id, other.left_at.is_(None))
    seen = (
        sa.select(user_id)
        .join(User, col(User.id) == user_id)
        .where(
            col(RoomMember.room_id) == room_id,
            left_at.is_(None),
            user_id != op.viewer.user_id,
            access.visible_presence(op.viewer),
        )
        .limit(MOST_PEOPLE)
        .subquery()
    )
    people = sa.select(sa.func.array_agg(seen.c.user_id))
    statement = sa.select(count.scalar_subquery().label("members"), people.scalar_subquery().label("people"))
    (row,) = await op.db.fetch(statement)
    if row.members > MOST_PEOPLE:
        raise RoomTooLarge(row.members)
    attendance = op.services.attendance
    here = (one for one in row.people or () if attendance.state_of(one) is PersonState.ONLINE)
    return tuple(sorted(here))


def is_shut_out(op: Operation) -> sa.ColumnElement[bool]:
    """Whether the caller's account is suspended or erased now."""
    until = col(User.suspended_until)
    return sa.exists().where(
        col(User.id) == op.viewer.user_id,
        col(User.status) != UserStatus.ACTIVE,
        until.is_(None) | (until > op.now()),
    )


async def names_in_rooms(op: Operation, user_ids: Sequence[UUID]) -> dict[UUID, str]:
    """What people are called, for whoever sees a room in which they are, or were: profiles may be hidden, not who writes to
    one. Whether the caller sees the room was decided before."""
    statement = sa.select(col(User.id), col(User.name)).where(col(User.id).in_(user_ids))
    return {row.id: row.name for row in await op.db.fetch(statement)}
