"""SQL for how far the work on a board is."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models.board import BoardColumn, ColumnCategory
from models.task import Task


def progress_of(board_id: Any) -> sa.ScalarSelect[Any]:
    """SQL for the share of the work that is done, in whole percent, rounded down; null without tasks.

    Of the estimates of all live tasks that are not cancelled; a task without an estimate counts as one point.
    """
    weight = sa.func.coalesce(col(Task.estimate), 1)
    done = sa.func.sum(weight).filter(col(BoardColumn.category) == ColumnCategory.COMPLETED)
    whole = sa.func.nullif(sa.func.sum(weight), 0)
    percent = sa.cast(sa.func.floor(100 * sa.func.coalesce(done, 0) / whole), sa.Integer)
    return (
        sa.select(percent)
        .select_from(Task)
        .join(BoardColumn, col(BoardColumn.id) == col(Task.column_id))
        .where(
            col(Task.board_id) == board_id, col(Task.archived_at).is_(None),
            col(BoardColumn.category) != ColumnCategory.CANCELLED,
        )
        .correlate_except(Task, BoardColumn)
        .scalar_subquery()
    )  # fmt: skip


def counted_in(column_id: Any) -> sa.Label[Any]:
    """SQL for how many live tasks stand in a column."""
    return (
        sa.select(sa.func.count())
        .select_from(Task)
        .where(col(Task.column_id) == column_id, col(Task.archived_at).is_(None))
        .correlate_except(Task)
        .scalar_subquery()
        .label("task_count")
    )
