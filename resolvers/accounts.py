"""Registering, signing in and out, staying signed in."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth.passwords import PasswordsBusy
from auth.tokens import ACCESS_LIFETIME, hash_of
from auth.viewer import SignInRequired
from models.administration import AdminAct, AdminActKind
from models.checks import Checks
from models.errors import NotAllowed, NotFound, RateLimited
from models.profile import ClientProfile, FreelancerProfile
from models.remark import Remark
from models.store.sql import Receipt, Transaction
from models.user import (
    REFRESH_LIFETIME,
    AccessTokenRefused,
    AccountSuspended,
    OnlyOverSocket,
    RefreshToken,
    Role,
    RoleTaken,
    Session,
    SessionEnded,
    TokenOfAnother,
    User,
    UserStatus,
    WrongCredentials,
)
from resolvers.operation import Operation

RETRY_AFTER = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client keeps: the access token for each request, the refresh token for the next pair."""

    access_token: str
    access_expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime


async def register_account(
    op: Operation, *, email: str, password: str, name: str, roles: Sequence[Role]
) -> tuple[Receipt, Credentials]:
    """A new person with the profiles of their roles, signed in at once."""
    user = User.register(
        id=op.new_id(), email=email, name=name, password=password, roles=list(roles), at=op.now()
    )
    with asking_to_come_again(op):
        user.password_hash = await op.services.passwords.hash(password)
    async with op.transaction() as tx:
        tx.add(user)
        await tx.session.flush()
        for role in roles:
            await add_profile(tx, role, user.id, at=op.now())
        credentials = await _open_session(op, tx, user)
        receipt = tx.done(user.id)
    return receipt, credentials


async def create_session(op: Operation, *, email: str, password: str) -> tuple[Receipt, Credentials]:
    """Sign in. A wrong password and an unknown address answer the same, as fast; that an account is suspended, only its
    password opens."""
    found = await find_by_email(op, email)
    with asking_to_come_again(op):
        matches = await op.services.passwords.verify(found.password_hash if found else None, password)
    if found is None or not matches:
        raise WrongCredentials
    async with op.transaction() as tx:
        # Locked, as it is by who suspends: a session that is opened at the same moment would not be revoked.
        user = await tx.lock_if_any(User, col(User.id) == found.id)
        if user is None or user.status is UserStatus.ERASED:
            raise WrongCredentials
        await _require_open(op, tx, user)
        credentials = await _open_session(op, tx, user)
        receipt = tx.done(user.id)
    return receipt, credentials


async def refresh_session(op: Operation, *, refresh_token: str) -> tuple[Receipt, Credentials]:
    """A new pair for an old refresh token. Two tabs that race get the same child; an old token revokes the session."""
    async with op.transaction() as tx:
        token = await tx.get(RefreshToken, col(RefreshToken.hash) == hash_of(refresh_token))
        if token is None:
            raise SessionEnded
        session_id = token.session_id
        session = await tx.lock(Session, col(Session.id) == session_id, what="session")
        await tx.session.refresh(token)
        user = await tx.get(User, col(User.id) == session.user_id)
        reused = token.is_reused(at=op.now())
        if reused:
            session.revoke(at=op.now())
        elif user is not None:
            await _require_open(op, tx, user)
        alive = user is not None and session.is_alive(at=op.now())
        if alive and user is not None:
            child = op.services.tokens.child_of(refresh_token)
            if token.replaced_at is None:
                token.replaced_at = op.now()
                tx.add(RefreshToken(hash=hash_of(child), session_id=session.id, issued_at=op.now()))
            session.last_seen_at = op.now()
            session.expires_at = op.now() + REFRESH_LIFETIME
            receipt = tx.done(user.id)
            return receipt, _credentials(op, user, session, child)
    # Committed, because the revocation of a stolen session has to last.
    if reused:
        op.services.revoked.add(session_id, at=op.now())
    raise SessionEnded


async def refresh_socket(op: Operation, *, access_token: str) -> tuple[Receipt, datetime]:
    """Let the socket stay until a fresh token of its user expires, which is when. Nothing is written."""
    user_id = op.viewer.require_user()
    if op.renew_socket is None:
        raise OnlyOverSocket
    try:
        bearer = op.services.tokens.viewer_of(access_token, now=op.now())
        expires_at = op.services.tokens.expiry_of(access_token, now=op.now())
    except SignInRequired as error:
        raise AccessTokenRefused(error.message) from error
    if (loss := op.services.revoked.loss_of(bearer, now=op.now())) is not None:
        raise AccessTokenRefused(loss.refusal.message)
    if bearer.user_id != user_id:
        raise TokenOfAnother
    op.renew_socket(bearer, expires_at)
    assert bearer.session_id is not None
    return Receipt(bearer.session_id), expires_at


async def revoke_session(op: Operation, *, session_id: UUID | None) -> Receipt:
    """Sign out: this session, or another one of the caller's."""
    user_id = op.viewer.require_user()
    wanted = session_id or op.viewer.session_id
    async with op.transaction() as tx:
        session = await tx.lock(
            Session, col(Session.id) == wanted, col(Session.user_id) == user_id, what="session"
        )
        was_alive = session.revoke(at=op.now())
        receipt = tx.done(session.id) if was_alive else tx.noop(session.id)
    op.services.revoked.add(receipt.entity_id, at=op.now())
    return receipt


async def add_role(op: Operation, *, role: Role) -> Receipt:
    """Become a freelancer or a client as well, with the profile that belongs to it."""
    user_id = op.viewer.require_user()
    checks = Checks()
    if role not in {Role.FREELANCER, Role.CLIENT}:
        checks.refuse(("role",), "SELF_SERVICE", "Only FREELANCER and CLIENT can be taken by oneself.")
    checks.done()
    async with op.transaction() as tx:
        user = await tx.lock(User, col(User.id) == user_id, what="user")
        if role in user.role_set:
            return tx.noop(user.id)
        if await _was_taken(tx, user.id, role):
            raise RoleTaken
        user.roles = [*user.roles, role.value]
        user.touch(at=op.now())
        await add_profile(tx, role, user.id, at=op.now())
        return tx.done(user.id)


async def appoint(op: Operation, *, email: str, role: Role) -> UUID:
    """Make the person with this address an administrator. Only the command line may, or a super admin."""
    if op.viewer.user_id is not None and Role.SUPER_ADMIN not in op.viewer.roles:
        raise NotAllowed(Role.SUPER_ADMIN)
    user = await find_by_email(op, email)
    if user is None:
        raise NotFound("person", path=("email",))
    async with op.transaction() as tx:
        user = await tx.lock(User, col(User.id) == user.id, what="user")
        receipt = tx.done(user.id)
        granted = user.grant(role, remark_id=None, at=op.now())
        if granted is not None:
            tx.emit(granted)
            tx.add(
                AdminAct.of(
                    AdminActKind.ROLE_GRANTED,
                    actor_id=op.viewer.user_id,
                    account_id=user.id,
                    role=role,
                    at=op.now(),
                )
            )
    return receipt.entity_id


async def find_by_email(op: Operation, email: str) -> User | None:
    if "\0" in email:
        return None  # no address has it, and PostgreSQL cannot even be asked
    statement = sa.select(User).where(sa.func.lower(col(User.email)) == email.strip().lower())
    rows = await op.db.fetch(statement)
    return User(**rows[0]._mapping) if rows else None


async def add_profile(tx: Transaction, role: Role, user_id: UUID, *, at: datetime) -> None:
    """The profile that belongs to a role, if there is one and it is not there yet: roles come and go, profiles stay."""
    if role is Role.FREELANCER and await tx.by_id(FreelancerProfile, user_id) is None:
        tx.add(FreelancerProfile(user_id=user_id, created_at=at, updated_at=at))
    elif role is Role.CLIENT and await tx.by_id(ClientProfile, user_id) is None:
        tx.add(ClientProfile(user_id=user_id, created_at=at, updated_at=at))


@contextlib.contextmanager
def asking_to_come_again(op: Operation) -> Iterator[None]:
    try:
        yield
    except PasswordsBusy as error:
        message = "Very many people are signing in right now. Try again in a few seconds."
        raise RateLimited(message, retry_at=op.now() + RETRY_AFTER) from error


async def _was_taken(tx: Transaction, user_id: UUID, role: Role) -> bool:
    """Whether the last that administrators did about this role was to take it."""
    about = (col(AdminAct.account_id) == user_id) & (col(AdminAct.role) == role)
    statement = (
        sa.select(col(AdminAct.kind)).where(about).order_by(col(AdminAct.at).desc(), col(AdminAct.id).desc())
    )
    return (await tx.execute(statement.limit(1))).scalar() is AdminActKind.ROLE_REVOKED


async def _require_open(op: Operation, tx: Transaction, user: User) -> None:
    """Raises `AccountSuspended`."""
    if user.is_suspended(at=op.now()):
        assert user.suspension_remark_id is not None
        remark = await tx.by_id(Remark, user.suspension_remark_id)
        raise AccountSuspended(until=user.suspended_until, reason=remark.body if remark else None)


async def _open_session(op: Operation, tx: Transaction, user: User) -> Credentials:
    session = Session.open(user_id=user.id, device=op.device, at=op.now())
    token = op.services.tokens.new_refresh_token()
    tx.add(session)
    await tx.session.flush()
    tx.add(RefreshToken(hash=hash_of(token), session_id=session.id, issued_at=op.now()))
    return _credentials(op, user, session, token)


def _credentials(op: Operation, user: User, session: Session, refresh_token: str) -> Credentials:
    access = op.services.tokens.access_token(
        user_id=user.id, session_id=session.id, roles=user.roles, now=op.now(), version=user.access_version
    )
    return Credentials(access, op.now() + ACCESS_LIFETIME, refresh_token, session.expires_at)
