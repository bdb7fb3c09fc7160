"""People and how they come back: accounts, what administrators do to them, sessions, refresh tokens."""

from abc import ABC
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.checks import Checks
from models.errors import AlreadyExists, DomainError, NotAllowed, NotOpen
from models.event import Audience, Event, Topic
from models.ids import encode_id, new_id
from models.notice import Notice, NotificationCategory, NotificationReason
from models.table import Versioned, reference, utc, words
from models.vocabulary import Vocabulary

PASSWORD_MIN, PASSWORD_MAX = 10, 200
REFRESH_LIFETIME = timedelta(days=30)
# Two tabs that refresh at the same moment both get the same child; later, an old token is a stolen one.
REUSE_GRACE = timedelta(seconds=20)


class Role(Vocabulary):
    """What a person may be on the platform; one person may hold several."""

    FREELANCER = "FREELANCER", "Applies for gigs and works on them."
    CLIENT = "CLIENT", "Posts gigs and chooses who works on them."
    ADMIN = "ADMIN", "Keeps the marketplace in order: approves gigs, looks after jobs."
    SUPER_ADMIN = "SUPER_ADMIN", "Does what an administrator does, and appoints administrators."


class UserStatus(Vocabulary):
    """Whether a person may sign in."""

    ACTIVE = "ACTIVE", "The person may sign in."
    SUSPENDED = "SUSPENDED", "An administrator has shut the account; nobody can sign in to it."
    ERASED = "ERASED", "The person is gone: nothing personal is left. An end state."


ERASED_NAME = "Erased person"
STAFF = frozenset({Role.ADMIN, Role.SUPER_ADMIN})
"""Roles that only super admins grant and take away."""


class EmailTaken(AlreadyExists):
    """Somebody has registered with this address."""

    guarded_by = "uq_users_email_lower"

    @classmethod
    def violated(cls) -> "EmailTaken":
        message = "An account with this e-mail address exists. Sign in, or use another address."
        return cls(message, path=("email",))


class CredentialsRefused(DomainError):
    """What the caller offered as proof of who they are does not hold."""


class WrongCredentials(CredentialsRefused):
    """E-mail and password do not belong together; which of them is wrong is nobody's business."""

    def __init__(self) -> None:
        super().__init__("This e-mail address and password do not belong together.")


class AccountSuspended(DomainError):
    """An administrator has shut the account for a while, or until somebody opens it again; nobody can sign in to it."""

    def __init__(self, *, until: datetime | None, reason: str | None) -> None:
        super().__init__(suspended_until(until) + (f" The reason: {reason}" if reason else ""))
        self.until = until
        self.reason = reason


class AccountGone(NotOpen):
    """The account was erased; nothing can be done to it any more, and nobody is there to be written to."""

    def __init__(self, *, user_id: UUID | None = None) -> None:
        super().__init__("This account was erased.", status=UserStatus.ERASED, entity_id=user_id)


class OwnAccount(NotAllowed):
    """Nobody administers themselves."""

    def __init__(self) -> None:
        super().__init__("ANOTHER_ADMIN", "This is your own account. Another administrator has to do this.")


class LastSuperAdmin(NotAllowed):
    """Without this person nobody could appoint administrators."""

    def __init__(self) -> None:
        message = "This is the last super admin who can sign in. Make somebody else one first."
        super().__init__("ANOTHER_SUPER_ADMIN", message)


class RoleTaken(NotAllowed):
    """An administrator took the role from this person; only one gives it back."""

    def __init__(self) -> None:
        super().__init__(
            Role.ADMIN, "An administrator took this role from you, and only one can give it back."
        )


class ContractsActive(DomainError):
    """Somebody still works with this person: contracts have to be completed or ended first."""

    def __init__(self, contract_ids: list[UUID], *, user_id: UUID) -> None:
        super().__init__(
            f"Contracts that are not over: {len(contract_ids)}. Complete or end them first.",
            entity_id=user_id,
        )
        self.contract_ids = tuple(encode_id("contract", id) for id in contract_ids)


class WrongPassword(CredentialsRefused):
    """Whoever is signed in does not know the password of the account."""

    def __init__(self) -> None:
        super().__init__("This is not the password of your account.", path=("password",))


class SessionEnded(CredentialsRefused):
    """The refresh token is unknown, expired or revoked."""

    def __init__(self) -> None:
        super().__init__("This session has ended. Sign in again.", path=("refreshToken",))


class AccessTokenRefused(CredentialsRefused):
    """The access token has expired, belongs to a session that has ended, or is none of ours."""

    def __init__(self, why: str) -> None:
        super().__init__(why, path=("accessToken",))


class TokenOfAnother(CredentialsRefused):
    """The access token is of another user than who opened the socket."""

    def __init__(self) -> None:
        super().__init__(
            "This token is of another user. Open another socket for them.", path=("accessToken",)
        )


class OnlyOverSocket(NotAllowed):
    """There is no socket to refresh: the call came over HTTP."""

    def __init__(self) -> None:
        super().__init__(
            "SOCKET",
            "This call came over HTTP, which has no socket to refresh. Send the fresh access token as "
            "`Authorization: Bearer …` with each request; `sessionRefresh` gives one.",
        )


def suspended_until(until: datetime | None) -> str:
    """A sentence for people."""
    if until is None:
        return "This account is suspended."
    return f"This account is suspended until {until:%Y-%m-%d %H:%M} UTC."


# -- what happens to accounts --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AccountEvent(Event, ABC):
    """Something was done to the account of `person_id`: told to them and to administrators."""

    topic = Topic.ACCOUNT
    notice: ClassVar[Notice | None] = Notice(
        NotificationCategory.SYSTEM, NotificationReason.IT_IS_YOUR_ACCOUNT
    )

    @property
    def audience(self) -> Audience:
        return Audience.SUBJECT

    def streams(self) -> tuple[str, ...]:
        return ("admin", f"user:{self.person_id}")


class MarketedAccountEvent(AccountEvent):
    """Whoever ranks gigs and people on the market takes this one and their gigs out, or in again; nobody is told there."""

    def streams(self) -> tuple[str, ...]:
        return (*super().streams(), "market")


@dataclass(frozen=True, kw_only=True)
class SuspensionBegan(MarketedAccountEvent):
    """An administrator shut an account; the note says why."""

    until: datetime | None


class SuspensionEnded(MarketedAccountEvent):
    """An account that was shut is open again: its time is over, or an administrator opened it."""


@dataclass(frozen=True, kw_only=True)
class RoleGranted(AccountEvent):
    """Somebody was given a role."""

    role: Role


@dataclass(frozen=True, kw_only=True)
class RoleRevoked(AccountEvent):
    """A role was taken from somebody."""

    role: Role


class AccountErased(MarketedAccountEvent):
    """Somebody left for good, and nothing personal is left of them."""

    notice = None


class User(Versioned, table=True):
    __tablename__ = "users"
    __table_args__ = (
        sa.Index("uq_users_email_lower", sa.text("lower(email)"), unique=True),
        sa.Index("ix_users_newest", "created_at", "id"),
        # Whatever is shown of people is shown with their names.
        sa.Index("ix_users_name", "id", postgresql_include=["name"]),
        # Read by the scopes of profiles: few, and from the index alone.
        sa.Index("ix_users_not_active", "status", "id", postgresql_where=sa.text("status <> 'ACTIVE'")),
        sa.Index("ix_users_roles", "roles", postgresql_using="gin"),
        # What every process asks for twice a second.
        sa.Index("ix_users_access_changed_at", "access_changed_at",
                 postgresql_where=sa.text("access_changed_at is not null")),
        sa.Index("ix_users_name_trigram", "name", postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"}),
        sa.Index("ix_users_email_trigram", "email", postgresql_using="gin", postgresql_ops={"email": "gin_trgm_ops"}),
        sa.CheckConstraint("suspended_until is null or status = 'SUSPENDED'", name="until_of_suspension"),
    )  # fmt: skip

    id: UUID = Field(primary_key=True)
    email: str = Field(max_length=254)
    name: str = Field(max_length=80)
    password_hash: str
    roles: list[str] = Field(sa_type=ARRAY(sa.Text))
    status: UserStatus = words(UserStatus)
    created_at: datetime = utc()
    # Null while it is suspended: until somebody opens it again.
    suspended_until: datetime | None = utc(default=None)
    # Not a foreign key: remarks refer to people.
    suspension_remark_id: UUID | None = None
    # An access token of an older version is useless; `access_changed_at` is when it became so.
    access_version: int = 0
    access_changed_at: datetime | None = utc(default=None)

    @classmethod
    def register(
        cls, *, id: UUID, email: str, name: str, password: str, roles: list[Role], at: datetime
    ) -> "User":
        """A person without a password hash yet: hashing takes 50 ms of CPU and is the caller's to place.

        Raises `Refusals`.
        """
        checks = Checks()
        email = checks.email(("email",), email)
        name = checks.text(("name",), name, max=80)
        check_password(checks, password, email=email)
        checks.count(("roles",), roles, min=1, max=2)
        checks.distinct(("roles",), roles)
        if not set(roles) <= {Role.FREELANCER, Role.CLIENT}:
            checks.refuse(
                ("roles",), "SELF_SERVICE", "Only FREELANCER and CLIENT can be chosen when registering."
            )
        checks.done()
        return cls(
            id=id,
            email=email,
            name=name,
            password_hash="",
            roles=[role.value for role in roles],
            status=UserStatus.ACTIVE,
            created_at=at,
            updated_at=at,
        )

    @property
    def role_set(self) -> frozenset[Role]:
        return frozenset(Role(role) for role in self.roles)

    @property
    def is_staff(self) -> bool:
        return bool(self.role_set & STAFF)

    def is_suspended(self, *, at: datetime) -> bool:
        """The status may be a moment behind the clock: a job opens the account when its time is over."""
        is_shut = self.status is UserStatus.SUSPENDED
        return is_shut and (self.suspended_until is None or at < self.suspended_until)

    # -- what administrators do: check, change, report ------------------------------------------------------------------

    def suspend(self, *, until: datetime | None, remark_id: UUID, at: datetime) -> SuspensionBegan:
        """Once more, too: with another end, or for another reason. Raises `AccountGone` and `Refusals`."""
        self.require_there()
        checks = Checks()
        if until is not None:
            checks.future(("until",), until, now=at)
        checks.done()
        self.status, self.suspended_until, self.suspension_remark_id = UserStatus.SUSPENDED, until, remark_id
        self._change_access(at=at)
        return SuspensionBegan(person_id=self.id, until=until, remark_id=remark_id, at=at)

    def restore(self, *, at: datetime) -> SuspensionEnded | None:
        """None if it is open. Raises `AccountGone`."""
        self.require_there()
        if self.status is UserStatus.ACTIVE:
            return None
        self.status, self.suspended_until, self.suspension_remark_id = UserStatus.ACTIVE, None, None
        self._change_access(at=at)
        return SuspensionEnded(person_id=self.id, at=at)

    def grant(self, role: Role, *, remark_id: UUID | None, at: datetime) -> RoleGranted | None:
        """None if the person has it. Raises `AccountGone`."""
        self.require_there()
        if role in self.role_set:
            return None
        self.roles = [*self.roles, role.value]
        self._change_access(at=at)
        return RoleGranted(person_id=self.id, role=role, remark_id=remark_id, at=at)

    def take(self, role: Role, *, remark_id: UUID, at: datetime) -> RoleRevoked | None:
        """None if the person has it not. Raises `AccountGone`."""
        self.require_there()
        if role not in self.role_set:
            return None
        self.roles = [held for held in self.roles if held != role.value]
        self._change_access(at=at)
        return RoleRevoked(person_id=self.id, role=role, remark_id=remark_id, at=at)

    def erase(self, *, remark_id: UUID | None, at: datetime) -> AccountErased:
        """Nothing personal is left in the row, and nobody can sign in. Raises `AccountGone`."""
        self.require_there()
        self.email, self.name, self.password_hash = f"{self.id.hex}@erased.invalid", ERASED_NAME, ""
        self.roles, self.status = [], UserStatus.ERASED
        self.suspended_until = self.suspension_remark_id = None
        self._change_access(at=at)
        return AccountErased(person_id=self.id, remark_id=remark_id, at=at)

    def require_there(self) -> None:
        if self.status is UserStatus.ERASED:
            raise AccountGone(user_id=self.id)

    def _change_access(self, *, at: datetime) -> None:
        """Access tokens that were issued before are useless from now on."""
        self.access_version += 1
        self.access_changed_at = at
        self.touch(at=at)


def check_password(checks: Checks, password: str, *, email: str) -> None:
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        message = f"A password has {PASSWORD_MIN} to {PASSWORD_MAX} characters."
        checks.refuse(("password",), "LENGTH", message, min=PASSWORD_MIN, max=PASSWORD_MAX)
    elif password.casefold() in {email.casefold(), email.partition("@")[0].casefold()}:
        checks.refuse(("password",), "GUESSABLE", "A password must not be the e-mail address.")
    elif len(set(password)) < 4:
        checks.refuse(("password",), "GUESSABLE", "A password needs at least four different characters.")


class Session(SQLModel, table=True):
    """One sign-in on one device. Revoking it ends its refresh tokens and its access tokens."""

    id: UUID = Field(primary_key=True)
    user_id: UUID = reference("users.id", index=True)
    device: str = Field(max_length=200)
    created_at: datetime = utc()
    last_seen_at: datetime = utc()
    expires_at: datetime = utc()
    revoked_at: datetime | None = utc(index=True)

    @classmethod
    def open(cls, *, user_id: UUID, device: str, at: datetime) -> "Session":
        return cls(
            id=new_id(),
            user_id=user_id,
            device=device[:200],
            created_at=at,
            last_seen_at=at,
            expires_at=at + REFRESH_LIFETIME,
            revoked_at=None,
        )

    def is_alive(self, *, at: datetime) -> bool:
        return self.revoked_at is None and at < self.expires_at

    def revoke(self, *, at: datetime) -> bool:
        """True if it was alive until now."""
        was_alive = self.is_alive(at=at)
        self.revoked_at = self.revoked_at or at
        return was_alive


class RefreshToken(SQLModel, table=True):
    """Only the SHA-256 of a token is stored. A token is used once, for its child."""

    __tablename__ = "refresh_token"

    hash: bytes = Field(primary_key=True)
    session_id: UUID = reference("session.id", index=True)
    issued_at: datetime = utc()
    replaced_at: datetime | None = utc()

    def is_reused(self, *, at: datetime) -> bool:
        return self.replaced_at is not None and at - self.replaced_at > REUSE_GRACE
