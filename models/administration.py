"""The audit log: what was done to accounts, by whom, why and when. Rows are only ever added; a trigger refuses all else.

It holds ids, never names or words, so it stays when a person is erased. The reasons are remarks, which can be erased.
"""

from datetime import datetime
from typing import Self
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.ids import new_id
from models.table import reference, utc, words
from models.user import Role
from models.vocabulary import Vocabulary


class AdminActKind(Vocabulary):
    """What was done to an account."""

    SUSPENDED = "SUSPENDED", "It was shut."
    RESTORED = "RESTORED", "It was opened again."
    ROLE_GRANTED = "ROLE_GRANTED", "A role was given."
    ROLE_REVOKED = "ROLE_REVOKED", "A role was taken away."
    ERASED = "ERASED", "It was erased, by the person or by a super admin."


class AdminAct(SQLModel, table=True):
    __tablename__ = "admin_act"
    __table_args__ = (
        sa.Index("ix_admin_act_newest", "at", "id"),
        sa.Index("ix_admin_act_of_account", "account_id", "at", "id"),
        sa.Index("ix_admin_act_by_actor", "actor_id", "at", "id"),
    )

    id: UUID = Field(primary_key=True)
    kind: AdminActKind = words(AdminActKind)
    # Null for the platform itself: its clock, or the command line.
    actor_id: UUID | None = reference("users.id")
    account_id: UUID = reference("users.id")
    role: Role | None = words(Role)
    until: datetime | None = utc()
    remark_id: UUID | None = reference("remark.id", index=True)
    at: datetime = utc()

    @classmethod
    def of(
        cls,
        kind: AdminActKind,
        *,
        actor_id: UUID | None,
        account_id: UUID,
        at: datetime,
        role: Role | None = None,
        until: datetime | None = None,
        remark_id: UUID | None = None,
    ) -> Self:
        return cls(
            id=new_id(), kind=kind, actor_id=actor_id, account_id=account_id, role=role, until=until, remark_id=remark_id, at=at,
        )  # fmt: skip
