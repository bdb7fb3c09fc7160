"""Changes of a board's settings and columns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.board import (
    MAX_COLUMNS,
    Board,
    BoardColumn,
    BoardFull,
    ColumnCategory,
    ColumnNotEmpty,
    KeyTaken,
    LastColumn,
)
from models.board_events import (
    BoardEdited,
    ColumnAdded,
    ColumnEdited,
    ColumnMoved,
    ColumnRemoved,
)
from models.rank import LONGEST, between, spread
from resolvers.board_steps import (
    plain,
    require_new_name,
    set_changed,
    step,
    told,
)
from resolvers.open_board import OpenBoard, Step


@step("edit_board")
async def edit_board(board: OpenBoard, *, values: Mapping[str, Any]) -> list[Step]:
    if "key" in values:
        taken = sa.select(col(Board.id)).where(
            col(Board.client_id) == board.row.client_id, col(Board.key) == values["key"], col(Board.id) != board.row.id
        )  # fmt: skip
        if (await board.tx.execute(taken)).first() is not None:
            raise KeyTaken.violated()
    before = set_changed(board.row, values)
    if not before:
        return []
    board.row.touch(at=board.op.now())
    board.tell(BoardEdited(changes=told(before, board.row), **board.about))
    board.touches.update(f"board:{name}" for name in before)
    return [{"do": "edit_board", "values": before}]


@step("add_column")
async def add_column(
    board: OpenBoard, *, column_id: str, values: Mapping[str, Any], behind: Sequence[str]
) -> list[Step]:
    """`behind` are the columns before it, the nearest first: it is put behind the first one that is still there."""
    live = in_order(board.columns.values())
    if len(live) >= MAX_COLUMNS:
        raise BoardFull("columns", limit=MAX_COLUMNS)
    require_new_name(values["name"], live)
    column = board.columns.get(UUID(column_id))
    if column is None:
        kind = ColumnCategory(values["category"])
        column = BoardColumn(
            id=UUID(column_id), board_id=board.row.id, rank="", updated_at=board.op.now(),
            **{**values, "category": kind},
        )  # fmt: skip
        board.tx.add(column)
    _put_behind(board, column, behind)
    board.columns[column.id] = column
    column.removed_at = None
    column.touch(at=board.op.now())
    await board.tx.session.flush()
    board.tell(ColumnAdded(
        column_id=column.id, after_column_id=next(map(UUID, before_column(board, column)), None), name=column.name, category=column.category,
        wip_limit=column.wip_limit, wip_is_hard=column.wip_is_hard, **board.about,
    ))  # fmt: skip
    board.touches.add(f"column:{column.id}")
    return [{"do": "remove_column", "column_id": column_id}]


@step("remove_column")
async def remove_column(board: OpenBoard, *, column_id: str) -> list[Step]:
    column = await board.column(UUID(column_id), path=("id",))
    count = await board.count_in(column.id)
    if count:
        raise ColumnNotEmpty(count, entity_id=column.id)
    if len(in_order(board.columns.values())) == 1:
        raise LastColumn(entity_id=column.id)
    column.removed_at = board.op.now()
    column.touch(at=board.op.now())
    board.tell(ColumnRemoved(column_id=column.id, **board.about))
    board.touches.add(f"column:{column.id}")
    values = {name: plain(getattr(column, name)) for name in sorted(BoardColumn.EDITABLE)}
    return [
        {"do": "add_column", "column_id": column_id, "values": values, "behind": before_column(board, column)}
    ]


@step("edit_column")
async def edit_column(board: OpenBoard, *, column_id: str, values: Mapping[str, Any]) -> list[Step]:
    column = await board.column(UUID(column_id), path=("id",))
    values = {**values}
    if "name" in values:
        require_new_name(values["name"], in_order(board.columns.values(), but=column))
    if "category" in values:
        values["category"] = ColumnCategory(values["category"])
        # Whoever stands in it would be started or done without having moved.
        if values["category"] is not column.category and (count := await board.count_in(column.id)):
            raise ColumnNotEmpty(count, entity_id=column.id)
    before = set_changed(column, values)
    if not before:
        return []
    column.touch(at=board.op.now())
    board.tell(ColumnEdited(column_id=column.id, changes=told(before, column), **board.about))
    board.uses.add(f"column:{column.id}")
    board.touches.update(f"column:{column.id}:{name}" for name in before)
    return [{"do": "edit_column", "column_id": column_id, "values": before}]


@step("move_column")
async def move_column(board: OpenBoard, *, column_id: str, behind: Sequence[str]) -> list[Step]:
    """`behind` as of `add_column`."""
    column = await board.column(UUID(column_id), path=("id",))
    before = before_column(board, column)
    _put_behind(board, column, behind)
    after = before_column(board, column)
    if before == after:
        return []
    column.touch(at=board.op.now())
    board.tell(ColumnMoved(
        column_id=column.id, after_column_id=UUID(after[0]) if after else None, **board.about
    ))  # fmt: skip
    board.uses.add(f"column:{column.id}")
    board.touches.add(f"column:{column.id}:rank")
    return [{"do": "move_column", "column_id": column_id, "behind": before}]


def in_order(columns: Iterable[BoardColumn], *, but: BoardColumn | None = None) -> list[BoardColumn]:
    """Those on the board, from left to right."""
    live = (column for column in columns if column.removed_at is None and column is not but)
    return sorted(live, key=lambda column: (column.rank, column.id))


def before_column(board: OpenBoard, column: BoardColumn) -> list[str]:
    """The columns before this one, the nearest first."""
    others = in_order(board.columns.values(), but=column)
    return [str(other.id) for other in reversed(others) if (other.rank, other.id) < (column.rank, column.id)]


def _put_behind(board: OpenBoard, column: BoardColumn, behind: Sequence[str]) -> None:
    """Give the column a rank behind the first of these that is on the board; before all others if none is."""
    others = in_order(board.columns.values(), but=column)
    ids = [str(other.id) for other in others]
    at = next((ids.index(id) + 1 for id in behind if id in ids), 0)
    ranks: list[str | None] = [None, *(other.rank for other in others), None]
    rank = between(ranks[at], ranks[at + 1])
    if len(rank) > LONGEST:
        others.insert(at, column)
        for one, new in zip(others, spread(len(others)), strict=True):
            one.rank = new
    else:
        column.rank = rank
