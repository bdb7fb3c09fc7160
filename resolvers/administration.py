"""What administrators do to accounts. Every act is told to the person and to administrators, and stands in the audit log.

Rows of people are locked first and by id: whoever acts, whom it is about, and all super admins. Whoever acts must still be who
they were once they are locked, and nobody acts on themselves: so of two super admins who turn on each other at once one
succeeds, and one is always left.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth.revocation import Standing
from auth.viewer import SignInRequired
from models.administration import AdminAct, AdminActKind
from models.errors import NotFound
from models.store.sql import Receipt, Transaction
from models.user import STAFF, LastSuperAdmin, OwnAccount, Role, Session, User, UserStatus
from resolvers.accounts import add_profile
from resolvers.jobs import job, schedule
from resolvers.operation import Operation
from resolvers.remarks import require_remark, write_remark

Kind = AdminActKind
END_OF_SUSPENSION = "end_suspension"


async def suspend_account(op: Operation, user_id: UUID, *, reason: str, until: datetime | None) -> Receipt:
    """Shut an account: all its sessions end, and nobody can sign in to it until then, or until it is restored."""
    async with op.transaction() as tx:
        user = await _lock_for_administrator(op, tx, user_id)
        if user.is_staff:
            op.viewer.require(Role.SUPER_ADMIN)
        remark_id = await require_remark(op, tx, reason, path="reason")
        tx.emit(user.suspend(until=until, remark_id=remark_id, at=op.now()))
        tx.add(act_of(op, Kind.SUSPENDED, user, until=until, remark_id=remark_id))
        await revoke_sessions(op, tx, user.id)
        if until is not None:
            await schedule(tx, END_OF_SUSPENSION, user.id, run_at=until, at=op.now())
        receipt = tx.done(user.id)
    note_standing(op, user)
    return receipt


async def restore_account(op: Operation, user_id: UUID, *, reason: str | None) -> Receipt:
    """Open an account that was shut; the person signs in again."""
    async with op.transaction() as tx:
        user = await _lock_for_administrator(op, tx, user_id)
        if user.is_staff:
            op.viewer.require(Role.SUPER_ADMIN)
        restored = user.restore(at=op.now())
        if restored is None:
            return tx.noop(user.id)
        tx.emit(restored)
        tx.add(act_of(op, Kind.RESTORED, user, remark_id=await write_remark(op, tx, reason, path="reason")))
        receipt = tx.done(user.id)
    note_standing(op, user)
    return receipt


async def grant_role(op: Operation, user_id: UUID, role: Role, *, reason: str) -> Receipt:
    """Give somebody a role, with the profile that belongs to it. Their access tokens are useless then: they refresh."""
    async with op.transaction() as tx:
        user = await _lock_for_administrator(op, tx, user_id)
        if role in STAFF:
            op.viewer.require(Role.SUPER_ADMIN)
        remark_id = await require_remark(op, tx, reason, path="reason")
        granted = user.grant(role, remark_id=remark_id, at=op.now())
        if granted is None:
            return tx.noop(user.id)
        tx.emit(granted)
        tx.add(act_of(op, Kind.ROLE_GRANTED, user, role=role, remark_id=remark_id))
        await add_profile(tx, role, user.id, at=op.now())
        receipt = tx.done(user.id)
    note_standing(op, user)
    return receipt


async def revoke_role(op: Operation, user_id: UUID, role: Role, *, reason: str) -> Receipt:
    """Take a role from somebody; what they did in it stays. Their access tokens are useless then: they refresh."""
    async with op.transaction() as tx:
        user = await _lock_for_administrator(op, tx, user_id)
        if role in STAFF:
            op.viewer.require(Role.SUPER_ADMIN)
        remark_id = await require_remark(op, tx, reason, path="reason")
        revoked = user.take(role, remark_id=remark_id, at=op.now())
        if revoked is None:
            return tx.noop(user.id)
        tx.emit(revoked)
        tx.add(act_of(op, Kind.ROLE_REVOKED, user, role=role, remark_id=remark_id))
        receipt = tx.done(user.id)
    note_standing(op, user)
    return receipt


@job(END_OF_SUSPENSION)
async def end_suspension(op: Operation, tx: Transaction, user_id: UUID) -> None:
    """At its end: nothing if the account is open, or shut for longer since."""
    user = await tx.lock_if_any(User, col(User.id) == user_id)
    if user is None or user.status is not UserStatus.SUSPENDED or user.is_suspended(at=op.now()):
        return
    restored = user.restore(at=op.now())
    assert restored is not None
    tx.emit(restored)
    tx.add(act_of(op, Kind.RESTORED, user))


# -- what several use cases need -----------------------------------------------------------------------------------------


async def lock_accounts(op: Operation, tx: Transaction, user_id: UUID) -> User:
    """Lock the account with whoever acts and all super admins. Raises `NotFound`, and `SignInRequired` for who was suspended or
    lost their roles a moment ago."""
    actor_id = op.viewer.require_user()
    everybody = col(User.id).in_([actor_id, user_id]) | _is_super_admin()
    statement = sa.select(User).where(everybody).order_by(col(User.id)).with_for_update(key_share=True)
    statement = statement.execution_options(populate_existing=True)
    found: Sequence[User] = (await tx.execute(statement)).scalars().all()
    people = {user.id: user for user in found}
    actor = people.get(actor_id)
    if actor is None or actor.is_suspended(at=op.now()) or not op.viewer.roles <= actor.role_set:
        raise SignInRequired("Your account was changed a moment ago. Sign in again.")
    if user_id not in people:
        raise NotFound("account")
    return people[user_id]


async def require_another_super_admin(tx: Transaction, user: User, *, at: datetime) -> None:
    """For who leaves: raises `LastSuperAdmin` if nobody else could appoint administrators. All super admins are locked."""
    if Role.SUPER_ADMIN not in user.role_set or user.is_suspended(at=at):
        return
    others = sa.select(User).where(_is_super_admin(), col(User.id) != user.id)
    if not any(not other.is_suspended(at=at) for other in (await tx.execute(others)).scalars()):
        raise LastSuperAdmin


async def revoke_sessions(op: Operation, tx: Transaction, user_id: UUID) -> None:
    statement = sa.update(Session).where(col(Session.user_id) == user_id, col(Session.revoked_at).is_(None))
    await tx.execute(statement.values(revoked_at=op.now()))


def note_standing(op: Operation, user: User) -> None:
    """Known in this process at once, in others with their next look."""
    op.services.revoked.note(user.id, Standing.of(user, at=op.now()))


def act_of(
    op: Operation,
    kind: AdminActKind,
    user: User,
    *,
    role: Role | None = None,
    until: datetime | None = None,
    remark_id: UUID | None = None,
) -> AdminAct:
    return AdminAct.of(
        kind,
        actor_id=op.viewer.user_id,
        account_id=user.id,
        at=op.now(),
        role=role,
        until=until,
        remark_id=remark_id,
    )


async def _lock_for_administrator(op: Operation, tx: Transaction, user_id: UUID) -> User:
    """Raises `NotAllowed`, `OwnAccount` and `NotFound`."""
    if op.viewer.require(Role.ADMIN) == user_id:
        raise OwnAccount
    return await lock_accounts(op, tx, user_id)


def _is_super_admin() -> sa.ColumnElement[bool]:
    return col(User.roles).contains([Role.SUPER_ADMIN.value]) & (col(User.status) != UserStatus.ERASED)
