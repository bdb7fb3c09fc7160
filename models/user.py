"""People and how they come back: accounts, sessions, refresh tokens."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.checks import Checks
from models.errors import AlreadyExists, DomainError, NotAllowed
from models.ids import new_id
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


class User(Versioned, table=True):
    __tablename__ = "users"
    __table_args__ = (sa.Index("uq_users_email_lower", sa.text("lower(email)"), unique=True),)

    id: UUID = Field(primary_key=True)
    email: str = Field(max_length=254)
    name: str = Field(max_length=80)
    password_hash: str
    roles: list[str] = Field(sa_type=ARRAY(sa.Text))
    status: UserStatus = words(UserStatus)
    created_at: datetime = utc()

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
