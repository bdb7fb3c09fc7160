"""Who is asking."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from uuid import UUID

from models.errors import DomainError, NotAllowed
from models.user import Role


class SignInRequired(DomainError):
    """Nobody is signed in, or the access token is expired, revoked or forged.

    `why` is what programs read: UNAUTHENTICATED, or what was done to the account since the token was issued.
    """

    def __init__(
        self,
        message: str = "Sign in first: this needs an access token.",
        *,
        why: str = "UNAUTHENTICATED",
        until: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.why = why
        self.until = until

    @property
    def facts(self) -> dict[str, str]:
        """What the error says beside its message: `code`, and `until` of a suspension that ends by itself."""
        ends = {} if self.until is None else {"until": self.until.isoformat()}
        return {"code": self.why} | ends


@dataclass(frozen=True, slots=True)
class Viewer:
    """The caller of one operation; `user_id` is None for an anonymous one."""

    user_id: UUID | None = None
    session_id: UUID | None = None
    roles: frozenset[Role] = frozenset()
    access_version: int = field(default=0, compare=False)
    """Of the access token; see `RevokedSessions`."""

    @property
    def is_admin(self) -> bool:
        return bool(self.roles & {Role.ADMIN, Role.SUPER_ADMIN})

    @property
    def is_platform(self) -> bool:
        """Whether nobody asks, but the platform itself makes what it then hands to those who may see it."""
        return self.user_id is None and self.is_admin

    @property
    def kind(self) -> str:
        """For logs: the highest role, or anonymous."""
        return "anonymous" if self.user_id is None else _highest(self.roles)

    def require_user(self) -> UUID:
        """Raises `SignInRequired`."""
        if self.user_id is None:
            raise SignInRequired
        return self.user_id

    def require(self, role: Role) -> UUID:
        """The caller's id if they hold `role`; a super admin is an admin. Raises `NotAllowed`."""
        user_id = self.require_user()
        if role not in self.roles and not (role is Role.ADMIN and self.is_admin):
            raise NotAllowed(role.value)
        return user_id


@cache
def _highest(roles: frozenset[Role]) -> str:
    ranking = (Role.SUPER_ADMIN, Role.ADMIN, Role.CLIENT, Role.FREELANCER)
    return next((role.value.lower() for role in ranking if role in roles), "member")


ANONYMOUS = Viewer()
PLATFORM = Viewer(roles=frozenset({Role.SUPER_ADMIN}))
"""For what is made once for all who may see a subject, where not even administrators see it. No token makes this viewer."""
