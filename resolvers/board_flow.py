"""Figures of flow of boards, counted off the event loop."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import access
from models.flow import Flow, Forecast, Stay, flow_of, forecast_of
from models.task import TaskStay
from resolvers.operation import Operation


async def flows(op: Operation, board_ids: Sequence[UUID]) -> dict[UUID, Flow]:
    """Over the last 90 days."""
    now = op.now()
    found = await _stays(op, board_ids)
    return await asyncio.to_thread(lambda: {key: flow_of(stays, now=now) for key, stays in found.items()})


async def forecasts(op: Operation, board_ids: Sequence[UUID]) -> dict[UUID, Forecast | None]:
    """The same for the same board on the same day, whoever asks."""
    now = op.now()
    found = await _stays(op, board_ids)
    return await asyncio.to_thread(
        lambda: {key: forecast_of(stays, now=now, seed=key.int) for key, stays in found.items()}
    )


async def _stays(op: Operation, board_ids: Sequence[UUID]) -> dict[UUID, list[Stay]]:
    columns = (TaskStay.board_id, TaskStay.task_id, TaskStay.category, TaskStay.from_at, TaskStay.until_at)
    statement = sa.select(*(col(column) for column in columns)).where(
        col(TaskStay.board_id).in_(board_ids),
        ~col(TaskStay.is_undone),
        access.on_visible_boards(col(TaskStay.board_id))(op.viewer),
    )
    stays: dict[UUID, list[Stay]] = {key: [] for key in board_ids}
    for row in await op.db.fetch(statement):
        stays[row.board_id].append(Stay(row.task_id, row.category, row.from_at, row.until_at))
    return stays
