"""What was taken from people while their access tokens still live: sessions that were revoked, accounts that were suspended or
erased, roles that have changed. Every worker follows all of it; no request looks it up.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth.tokens import ACCESS_LIFETIME
from auth.viewer import SignInRequired, Viewer
from models.store.compiled import compiled
from models.store.sql import Database
from models.user import Session, User, UserStatus, suspended_until
from models.vocabulary import Vocabulary

SESSION_ENDED = "This session was ended. Sign in again."


class LossKind(Vocabulary):
    """Why an access token that was good is none any more."""

    SESSION_ENDED = "SESSION_ENDED", "The session was revoked, or the account erased."
    ACCOUNT_SUSPENDED = "ACCOUNT_SUSPENDED", "An administrator shut the account."
    ROLES_CHANGED = "ROLES_CHANGED", "The account has other roles than the token says."


@dataclass(frozen=True, slots=True)
class Loss:
    kind: LossKind
    until: datetime | None = None

    @property
    def refusal(self) -> SignInRequired:
        match self.kind:
            case LossKind.ACCOUNT_SUSPENDED:
                return SignInRequired(suspended_until(self.until), why=self.kind, until=self.until)
            case LossKind.ROLES_CHANGED:
                message = "Your roles have changed. Refresh the session for a token that knows them."
                return SignInRequired(message, why=self.kind)
            case _:
                return SignInRequired(SESSION_ENDED)


@dataclass(frozen=True, slots=True)
class Standing:
    """An account, as far as its access tokens depend on it, since `at`."""

    status: UserStatus
    until: datetime | None
    version: int
    at: datetime

    @classmethod
    def of(cls, user: User, *, at: datetime) -> "Standing":
        return cls(user.status, user.suspended_until, user.access_version, at)

    def loss_of(self, viewer: Viewer, *, now: datetime) -> Loss | None:
        if self.status is UserStatus.SUSPENDED and (self.until is None or now < self.until):
            return Loss(LossKind.ACCOUNT_SUSPENDED, self.until)
        if self.status is UserStatus.ERASED:
            return Loss(LossKind.SESSION_ENDED)
        return Loss(LossKind.ROLES_CHANGED) if viewer.access_version < self.version else None


class RevokedSessions:
    """What is done here is known at once; what another worker does with the next `follow`."""

    def __init__(self) -> None:
        self._ids: dict[UUID, datetime] = {}
        self._accounts: dict[UUID, Standing] = {}
        self._followed: dict[UUID, int] = {}
        """Versions of accounts as the last `follow` left them."""

    def __contains__(self, session_id: UUID | None) -> bool:
        return session_id in self._ids

    def add(self, session_id: UUID, *, at: datetime) -> None:
        self._ids[session_id] = at

    def note(self, user_id: UUID, standing: Standing) -> None:
        """Unless something later is known already."""
        known = self._accounts.get(user_id)
        if known is None or known.version < standing.version:
            self._accounts[user_id] = standing

    def loss_of(self, viewer: Viewer, *, now: datetime) -> Loss | None:
        """Why the viewer's access token is not good any more; None while it is."""
        if viewer.user_id is None:
            return None
        standing = self._accounts.get(viewer.user_id) if self._accounts else None
        is_revoked = viewer.session_id in self._ids
        if standing is None:
            return Loss(LossKind.SESSION_ENDED) if is_revoked else None
        loss = standing.loss_of(viewer, now=now)
        if is_revoked and (loss is None or loss.kind is LossKind.ROLES_CHANGED):
            return Loss(LossKind.SESSION_ENDED)
        return loss

    async def follow(self, db: Database, *, now: datetime) -> bool:
        """Learn what was taken within the lifetime of an access token, and forget what is older; whether an account has
        changed since the last time."""
        since = now - ACCESS_LIFETIME
        revoked: dict[UUID, datetime] = {}
        for id, at, version, status, until in await db.poll(_TAKEN, {"since": since}):
            if version is None:
                revoked[id] = at
            else:
                self.note(id, Standing(UserStatus(status), until, version, at))
        self._ids = {id: at for id, at in self._ids.items() if at > since} | revoked
        self._accounts = {id: known for id, known in self._accounts.items() if known.at > since}
        before, self._followed = self._followed, {id: known.version for id, known in self._accounts.items()}
        return any(before.get(id) != version for id, version in self._followed.items())


def _taken() -> sa.CompoundSelect[Any]:
    """Sessions, without a version, and accounts, since a moment."""
    since = sa.bindparam("since", type_=sa.DateTime(timezone=True))
    sessions: sa.Select[*tuple[Any, ...]] = sa.select(
        col(Session.id).label("id"),
        col(Session.revoked_at).label("at"),
        sa.cast(sa.null(), sa.Integer).label("version"),
        sa.cast(sa.null(), sa.Text).label("status"),
        sa.cast(sa.null(), sa.DateTime(timezone=True)).label("until"),
    ).where(col(Session.revoked_at) > since)
    accounts: sa.Select[*tuple[Any, ...]] = sa.select(
        col(User.id),
        col(User.access_changed_at),
        col(User.access_version),
        sa.cast(col(User.status), sa.Text),
        col(User.suspended_until),
    ).where(col(User.access_changed_at) > since)
    return sa.union_all(sessions, accounts)


_TAKEN = compiled(_taken())
