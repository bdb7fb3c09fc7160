"""Who belongs to boards."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import access
from models.board import Board
from models.contract import LIVE, Contract, ContractStatus
from resolvers.operation import Operation


async def members_of(op: Operation, board_ids: Sequence[UUID]) -> dict[UUID, list[tuple[UUID, bool]]]:
    """Of each board that the caller sees: the client, then who was hired and did not leave early, in that order; each with
    whether they can change the board. At the moment at which the operation looks at it."""
    is_hired, is_live = _hired(op.as_of)
    statement = (
        sa.select(
            col(Board.id),
            col(Board.client_id),
            col(Contract.freelancer_id),
            sa.func.bool_or(is_live).label("is_active"),
        )
        .outerjoin(
            Contract,
            (col(Contract.gig_id) == col(Board.gig_id)) & is_hired,
        )
        .where(col(Board.id).in_(board_ids), access.visible_boards(op.viewer))
        .group_by(col(Board.id), col(Board.client_id), col(Contract.freelancer_id))
        .order_by(col(Board.id), sa.func.min(col(Contract.started_at)), col(Contract.freelancer_id))
    )
    members: dict[UUID, list[tuple[UUID, bool]]] = defaultdict(list)
    for row in await op.db.fetch(statement):
        if not members[row.id]:
            members[row.id].append((row.client_id, True))
        if row.freelancer_id is not None:
            members[row.id].append((row.freelancer_id, row.is_active))
    return members


def _hired(as_of: datetime | None) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """Whether a contract makes one a member, and one who can change things."""
    status = col(Contract.status)
    if as_of is None:
        return status != ContractStatus.ENDED, status.in_(LIVE)
    was_live = col(Contract.over_at).is_(None) | (col(Contract.over_at) > as_of)
    return (col(Contract.started_at) <= as_of) & (was_live | (status != ContractStatus.ENDED)), was_live
