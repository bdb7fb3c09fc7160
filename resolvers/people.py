"""Names of people and the texts they wrote, for whoever may see the thing they belong to."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import access
from models.remark import Remark
from models.user import User
from resolvers.operation import Operation


async def names_of(op: Operation, user_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The public name of each person; without an entry for those who are gone or hide their profiles from the viewer."""
    statement = sa.select(col(User.id), col(User.name)).where(
        col(User.id).in_(user_ids), access.visible_names(op.viewer)
    )
    return {row.id: row.name for row in await op.db.fetch(statement)}


async def remarks_of(op: Operation, remark_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The text of each remark. Who may read it is decided by the scope of the row that refers to it."""
    statement = sa.select(col(Remark.id), col(Remark.body)).where(col(Remark.id).in_(remark_ids))
    return {row.id: row.body for row in await op.db.fetch(statement)}
