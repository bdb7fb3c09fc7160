"""Rooms of chat and who belongs to them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlmodel import col

from auth import access
from models.application import Application
from models.checks import Checks
from models.contract import Contract
from models.errors import NotAllowed, NotFound, Path
from models.ids import new_id
from models.room import (
    MAX_AT_ONCE,
    MAX_MEMBERS,
    BlockedPerson,
    DirectWithOneself,
    LastOwner,
    PersonBlock,
    Room,
    RoomFull,
    RoomKind,
    RoomMember,
    RoomProgress,
    RoomRole,
)
from models.room_events import (
    PersonBlocked,
    PersonUnblocked,
    RoomArchived,
    RoomCreated,
    RoomEdited,
    RoomMemberAdded,
    RoomMemberLeft,
    RoomMemberRemoved,
    RoomMemberRoleSet,
    RoomPreferenceSet,
    RoomUnarchived,
)
from models.store.rows import new_row
from models.store.sql import Receipt, Transaction
from models.table import check_version
from models.user import AccountGone, User, UserStatus
from resolvers.operation import Operation
from resolvers.room_shares import narrow_shares

# -- making ------------------------------------------------------------------------------------------------------------------


async def open_direct(op: Operation, person_id: UUID) -> Receipt:
    """The one room of the caller and somebody else, made when it is opened first."""
    me = op.viewer.require_user()
    if person_id == me:
        raise DirectWithOneself
    async with op.transaction() as tx:
        await _require_reachable(op, tx, [person_id], path=("personId",))
        room = Room.direct(me, person_id, at=op.now())
        # Of those who make it at once, one does, and the others wait for that and find it.
        made = await tx.execute(
            insert(Room).values(room.model_dump()).on_conflict_do_nothing(constraint="uq_room_pair")
            .returning(col(Room.id))
        )  # fmt: skip
        if made.first() is None:
            found = await tx.get(Room, col(Room.low_id) == room.low_id, col(Room.high_id) == room.high_id)
            assert found is not None
            return tx.noop(found.id)
        tx.emit(RoomCreated(room_id=room.id, room_kind=room.kind, at=op.now()))
        for user_id in (me, person_id):
            _add(op, tx, room.id, user_id, RoomRole.MEMBER)
        return tx.done(room.id)


async def create_group(
    op: Operation, title: str, person_ids: Sequence[UUID], *, is_read_only: bool
) -> Receipt:
    """A group, which the caller owns."""
    me = op.viewer.require_user()
    async with op.transaction() as tx:
        others = await _checked_people(op, tx, person_ids, but=me)
        checked = Room.checked({"title": title})
        room = Room.group(op.new_id(), checked["title"], is_read_only=is_read_only, at=op.now())
        tx.add(room)
        await tx.session.flush()
        tx.emit(RoomCreated(room_id=room.id, room_kind=room.kind, at=op.now()))
        _add(op, tx, room.id, me, RoomRole.OWNER)
        for user_id in others:
            _add(op, tx, room.id, user_id, RoomRole.MEMBER)
        return tx.done(room.id)


def rows_of_application(application: Application, *, at: datetime) -> list[Room | RoomMember]:
    """The room around an application, and its two people, to be written with it."""
    return _rows_around(RoomKind.APPLICATION, application, at=at, application_id=application.id)


async def add_room_of_contract(tx: Transaction, contract: Contract, *, at: datetime) -> None:
    """The room around a contract, and its two people, written with it."""
    room, *members = _rows_around(RoomKind.CONTRACT, contract, at=at, contract_id=contract.id)
    for rows in ([room], members):
        tx.add(*rows)
        await tx.session.flush()


def _rows_around(
    kind: RoomKind, subject: Application | Contract, *, at: datetime, **ids: UUID
) -> list[Room | RoomMember]:
    room = new_row(Room, id=new_id(), kind=kind, gig_id=subject.gig_id, created_at=at, updated_at=at, **ids)
    people = (subject.client_id, subject.freelancer_id)
    return [
        room,
        *(
            new_row(RoomMember, room_id=room.id, user_id=user_id, role=RoomRole.MEMBER, joined_at=at)
            for user_id in people
        ),
    ]


# -- the room itself ---------------------------------------------------------------------------------------------------------


async def edit_room(
    op: Operation, room_id: UUID, changes: Mapping[str, Any], *, expected_version: int | None
) -> Receipt:
    async with op.transaction() as tx:
        room, me = await lock_room(op, tx, room_id)
        room.require_group()
        _require_moderating(me)
        check_version(room, expected_version, entity_id=room.id)
        checked = Room.checked(changes)
        told: dict[str, tuple[str | None, str | None]] = {}
        for name, value in checked.items():
            if getattr(room, name) != value:
                told[_PUBLIC[name]] = _told(getattr(room, name), value)
                setattr(room, name, value)
        if not told:
            return tx.noop(room.id)
        room.touch(at=op.now())
        tx.emit(RoomEdited(room_id=room.id, changes=told, at=op.now()))
        return tx.done(room.id)


async def archive_room(op: Operation, room_id: UUID, *, is_on: bool) -> Receipt:
    """Put a room away, or take it out again: a group by who moderates it, others by either side."""
    async with op.transaction() as tx:
        room, me = await lock_room(op, tx, room_id)
        if room.kind is RoomKind.GROUP:
            _require_moderating(me)
        if (room.archived_at is not None) == is_on:
            return tx.noop(room.id)
        room.archived_at = op.now() if is_on else None
        room.touch(at=op.now())
        tx.emit((RoomArchived if is_on else RoomUnarchived)(room_id=room.id, at=op.now()))
        return tx.done(room.id)


_PUBLIC = {"title": "title", "is_read_only": "isReadOnly", "slow_mode_s": "slowModeSeconds"}


def _told(before: object, after: object) -> tuple[str | None, str | None]:
    """Texts are named without their content."""
    if isinstance(after, int):
        return str(before).lower(), str(after).lower()
    return None, None


# -- members -----------------------------------------------------------------------------------------------------------------


async def add_members(op: Operation, room_id: UUID, person_ids: Sequence[UUID]) -> Receipt:
    async with op.transaction() as tx:
        room, me = await lock_room(op, tx, room_id)
        room.require_group()
        _require_moderating(me)
        people = await _checked_people(op, tx, person_ids, but=me.user_id)
        there = await tx.all(
            RoomMember, col(RoomMember.room_id) == room.id, col(RoomMember.user_id).in_(people)
        )
        known = {member.user_id: member for member in there}
        new = [user_id for user_id in people if user_id not in known or known[user_id].left_at is not None]
        if not new:
            return tx.noop(room.id)
        if (count := await _count_members(tx, room.id)) + len(new) > MAX_MEMBERS:
            raise RoomFull(count=count)
        progress = await tx.get(RoomProgress, col(RoomProgress.room_id) == room.id)
        said = 0 if progress is None else progress.seq
        for user_id in new:
            _add(op, tx, room.id, user_id, RoomRole.MEMBER, again=known.get(user_id), read_seq=said)
        return tx.done(room.id)


async def remove_member(op: Operation, room_id: UUID, person_id: UUID) -> Receipt:
    """Send somebody away; owners only by owners."""
    async with op.transaction() as tx:
        room, me = await lock_room(op, tx, room_id)
        room.require_group()
        _require_moderating(me)
        member = await _member(tx, room.id, person_id)
        if member is None:
            return tx.noop(room.id)
        if member.role is RoomRole.OWNER:
            await _part_with_owner(tx, room, me, member)
        member.left_at = op.now()
        tx.emit(RoomMemberRemoved(room_id=room.id, person_id=person_id, at=op.now()))
        await narrow_shares(op, tx, room.id)
        return tx.done(room.id)


async def leave_room(op: Operation, room_id: UUID) -> Receipt:
    async with op.transaction() as tx:
        room, me = await lock_room(op, tx, room_id)
        room.require_group()
        if me.role is RoomRole.OWNER:
            await _part_with_owner(tx, room, me, me)
        me.left_at = op.now()
        tx.emit(RoomMemberLeft(room_id=room.id, person_id=me.user_id, at=op.now()))
        await narrow_shares(op, tx, room.id)
        return tx.done(room.id)


async def leave_groups_for_good(op: Operation, tx: Transaction, user_id: UUID) -> None:
    """Of somebody who is erased. Where nobody else owns a group, whoever is there longest does from then on."""
    mine = (col(RoomMember.user_id) == user_id) & col(RoomMember.left_at).is_(None)
    groups = (
        sa.select(col(Room.id))
        .where(
            col(Room.kind) == RoomKind.GROUP, col(Room.id).in_(sa.select(col(RoomMember.room_id)).where(mine))
        )
        .order_by(col(Room.id))
        .with_for_update(key_share=True)
    )
    ids = (await tx.execute(groups)).scalars().all()
    heirs = (
        sa.select(RoomMember)
        .where(col(RoomMember.room_id).in_(ids), col(RoomMember.left_at).is_(None), ~mine)
        .ext(distinct_on(col(RoomMember.room_id)))
        .order_by(
            col(RoomMember.room_id),
            col(RoomMember.role) != RoomRole.OWNER,
            col(RoomMember.joined_at),
            col(RoomMember.user_id),
        )
    )
    heir_of = {heir.room_id: heir for heir in (await tx.execute(heirs)).scalars()} if ids else {}
    for me in await tx.all(
        RoomMember, mine, col(RoomMember.room_id).in_(ids), order_by=col(RoomMember.room_id)
    ):
        heir = heir_of.get(me.room_id)
        if me.role is RoomRole.OWNER and heir is not None and heir.role is not RoomRole.OWNER:
            heir.role = RoomRole.OWNER
            tx.emit(RoomMemberRoleSet(
                room_id=me.room_id, person_id=heir.user_id, room_role=RoomRole.OWNER, at=op.now()
            ))  # fmt: skip
        me.left_at = op.now()
        tx.emit(RoomMemberLeft(room_id=me.room_id, person_id=user_id, at=op.now()))


async def set_role(op: Operation, room_id: UUID, person_id: UUID, role: RoomRole) -> Receipt:
    async with op.transaction() as tx:
        room, me = await lock_room(op, tx, room_id)
        room.require_group()
        _require_owner(me)
        member = await _member(tx, room.id, person_id)
        if member is None:
            raise NotFound("member of this room", path=("personId",))
        if member.role is role:
            return tx.noop(room.id)
        if member.role is RoomRole.OWNER:
            await _part_with_owner(tx, room, me, member)
        member.role = role
        tx.emit(RoomMemberRoleSet(room_id=room.id, person_id=person_id, room_role=role, at=op.now()))
        return tx.done(room.id)


async def set_preference(op: Operation, room_id: UUID, changes: Mapping[str, bool]) -> Receipt:
    """How the caller wants to have a room. Nobody else is told."""
    async with op.transaction() as tx:
        room, me = await lock_room(op, tx, room_id)
        changed = {name: value for name, value in changes.items() if getattr(me, name) != value}
        if not changed:
            return tx.noop(room.id)
        for name, value in changed.items():
            setattr(me, name, value)
        tx.emit(RoomPreferenceSet(
            room_id=room.id, person_id=me.user_id, at=op.now(),
            **{name: getattr(me, name) for name in RoomMember.PREFERENCES},
        ))  # fmt: skip
        return tx.done(room.id)


async def _part_with_owner(tx: Transaction, room: Room, me: RoomMember, member: RoomMember) -> None:
    """A member is to be an owner no longer. Raises `NotAllowed` and `LastOwner`."""
    _require_owner(me)
    owners = sa.select(sa.func.count()).where(
        col(RoomMember.room_id) == room.id,
        col(RoomMember.left_at).is_(None),
        col(RoomMember.role) == RoomRole.OWNER,
        col(RoomMember.user_id) != member.user_id,
    )
    is_last = (await tx.execute(owners)).scalar_one() == 0
    if is_last and await _count_members(tx, room.id) > 1:
        raise LastOwner(room_id=room.id)


# -- blocking ----------------------------------------------------------------------------------------------------------------


async def block_person(op: Operation, person_id: UUID) -> Receipt:
    """Neither of the two can write to the other alone any more."""
    me = op.viewer.require_user()
    if person_id == me:
        raise DirectWithOneself
    async with op.transaction() as tx:
        await _require_known(op, tx, [person_id], path=("personId",))
        block = PersonBlock(blocker_id=me, blocked_id=person_id, created_at=op.now())
        written = await tx.execute(
            insert(PersonBlock).values(block.model_dump()).on_conflict_do_nothing()
            .returning(col(PersonBlock.blocked_id))
        )  # fmt: skip
        if written.first() is None:
            return tx.noop(person_id)
        tx.emit(PersonBlocked(person_id=me, other_id=person_id, at=op.now()))
        return tx.done(person_id)


async def unblock_person(op: Operation, person_id: UUID) -> Receipt:
    me = op.viewer.require_user()
    async with op.transaction() as tx:
        row = await tx.lock_if_any(
            PersonBlock, col(PersonBlock.blocker_id) == me, col(PersonBlock.blocked_id) == person_id
        )
        if row is None:
            return tx.noop(person_id)
        await tx.session.delete(row)
        tx.emit(PersonUnblocked(person_id=me, other_id=person_id, at=op.now()))
        return tx.done(person_id)


# -- within ------------------------------------------------------------------------------------------------------------------


async def lock_room(
    op: Operation, tx: Transaction, room_id: UUID, *, path: Path = ("id",)
) -> tuple[Room, RoomMember]:
    """The room under its lock, and the caller's part in it. Raises `NotFound`.

    Who belongs to a room changes only under its lock. Locked after gig, application, contract and board, before snippets; a transaction
    locks one room, or, for somebody who is erased, all of their groups in the order of their ids.
    """
    me = op.viewer.require_user()
    visible = (col(Room.id) == room_id) & access.visible_rooms(op.viewer)
    room = await tx.lock(Room, visible, what="room", path=path)
    # What the lock waited for may have been the end of the caller's part.
    member = await _member(tx, room.id, me)
    if member is None:
        raise NotFound("room", path=path)
    return room, member


async def _member(tx: Transaction, room_id: UUID, user_id: UUID) -> RoomMember | None:
    return await tx.get(
        RoomMember,
        col(RoomMember.room_id) == room_id,
        col(RoomMember.user_id) == user_id,
        col(RoomMember.left_at).is_(None),
    )


def _add(
    op: Operation,
    tx: Transaction,
    room_id: UUID,
    user_id: UUID,
    role: RoomRole,
    *,
    again: RoomMember | None = None,
    read_seq: int = 0,
) -> None:
    """`read_seq` is up to where what was said before them is not unread to them."""
    if again is None:
        tx.add(RoomMember(
            room_id=room_id, user_id=user_id, role=role, joined_at=op.now(), read_seq=read_seq
        ))  # fmt: skip
    else:
        again.role, again.joined_at, again.left_at = role, op.now(), None
        again.read_seq = max(again.read_seq, read_seq)
    tx.emit(RoomMemberAdded(room_id=room_id, person_id=user_id, room_role=role, at=op.now()))


async def _count_members(tx: Transaction, room_id: UUID) -> int:
    statement = sa.select(sa.func.count()).where(
        col(RoomMember.room_id) == room_id, col(RoomMember.left_at).is_(None)
    )
    return int((await tx.execute(statement)).scalar_one())


async def _checked_people(
    op: Operation, tx: Transaction, person_ids: Sequence[UUID], *, but: UUID
) -> list[UUID]:
    """Each once, in the order of their ids, and all of them people that the caller may write to."""
    checks = Checks()
    checks.count(("personIds",), person_ids, max=MAX_AT_ONCE)
    checks.done()
    people = sorted(set(person_ids) - {but})
    await _require_reachable(op, tx, people, path=("personIds",))
    return people


async def _require_reachable(
    op: Operation, tx: Transaction, people: Sequence[UUID], *, path: tuple[str, ...]
) -> None:
    """Raises `NotFound`, `BlockedPerson` and `AccountGone`."""
    await _require_known(op, tx, people, path=path)
    blocked = sa.select(sa.literal(1)).where(
        col(User.id).in_(people), access.is_blocked_between(col(User.id), op.viewer.user_id)
    )
    if people and (await tx.execute(blocked)).first() is not None:
        raise BlockedPerson
    gone = sa.select(sa.literal(1)).where(col(User.id).in_(people), col(User.status) == UserStatus.ERASED)
    if people and (await tx.execute(gone)).first() is not None:
        raise AccountGone


async def _require_known(
    op: Operation, tx: Transaction, people: Sequence[UUID], *, path: tuple[str, ...]
) -> None:
    """People are known whose profile one may see, and with whom one shares a board or a room. Raises `NotFound`."""
    known = access.visible_names(op.viewer) | access.visible_people(op.viewer)
    statement = sa.select(sa.func.count()).where(col(User.id).in_(people), known)
    if people and (await tx.execute(statement)).scalar_one() != len(people):
        raise NotFound("person", path=path)


def _require_moderating(me: RoomMember) -> None:
    if not me.is_moderating:
        raise NotAllowed("MODERATOR", "Only owners and moderators of the room can do this.")


def _require_owner(me: RoomMember) -> None:
    if me.role is not RoomRole.OWNER:
        raise NotAllowed("OWNER", "Only an owner of the room can do this.")
