"""Sessions that were revoked while their access tokens still live. Every worker follows the set; no request looks it up."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth.tokens import ACCESS_LIFETIME
from models.store.sql import Database
from models.user import Session


class RevokedSessions:
    """A revocation made here is known at once; one made by another worker with the next `follow`."""

    def __init__(self) -> None:
        self._ids: dict[UUID, datetime] = {}

    def __contains__(self, session_id: UUID | None) -> bool:
        return session_id in self._ids

    def add(self, session_id: UUID, *, at: datetime) -> None:
        self._ids[session_id] = at

    async def follow(self, db: Database, *, now: datetime) -> None:
        """Learn what was revoked within the lifetime of an access token, and forget what is older."""
        since = now - ACCESS_LIFETIME
        statement = sa.select(col(Session.id), col(Session.revoked_at)).where(col(Session.revoked_at) > since)
        known = {row.id: row.revoked_at for row in await db.fetch(statement)}
        recent = {session_id: at for session_id, at in self._ids.items() if at > since}
        self._ids = recent | known
