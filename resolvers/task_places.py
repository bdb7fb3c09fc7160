"""Where a move wants its task to stand, as a rank: on the board as it is, or as whoever made the move offline saw it."""

from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.board import REMEMBERED, AnchorElsewhere, Edge, Position, TooLongAgo
from models.errors import Invalid, StaleVersion
from models.offline import Queued, neighbours_as_seen
from models.task import Task, TaskStay
from resolvers.open_board import OpenBoard


async def rank_now(board: OpenBoard, column_id: UUID, position: Position, *, but: UUID | None) -> str:
    """The rank for a position on the board as it is; that of `but` itself if it stands there. Raises `AnchorElsewhere`."""
    if position.anchor is None:
        is_top = position.edge is Edge.TOP
        end = await board.neighbour(column_id, None, below=not is_top, but=but)
        low, high = (None, end) if is_top else (end, None)
    else:
        anchor = await board.tx.by_id(Task, position.anchor)
        if (
            anchor is None
            or anchor.column_id != column_id
            or anchor.archived_at is not None
            or anchor.id == but
        ):
            raise AnchorElsewhere(("position",), moved_id=but)
        beside = await board.neighbour(column_id, anchor.rank, below=position.before is not None, but=but)
        low, high = (anchor, beside) if position.after is not None else (beside, anchor)
    low_rank, high_rank = (None if task is None else task.rank for task in (low, high))
    if but is not None and (kept := await _stands_between(board, but, column_id, low_rank, high_rank)):
        return kept
    return await board.rank_between(column_id, low_rank, high_rank)


async def rank_as_seen(
    board: OpenBoard,
    task: Task,
    column_id: UUID,
    position: Position,
    queued: Queued,
) -> str:
    """The rank for a position on the board as the maker of the move saw it.

    Raises `ArchivedTask`, `AnchorElsewhere`, `TooLongAgo`, and `StaleVersion` when somebody else has moved the task since.
    """
    task.require_live()
    if queued.seen > board.head:
        raise Invalid(("seen",), "CURSOR", "The board has not come that far. Take a cursor of this server.")
    if board.head - queued.seen > REMEMBERED:
        raise TooLongAgo(board_id=board.row.id)
    current = await board.current_stay(task.id)
    assert current is not None
    if not queued.saw(current.from_number, current.device):
        raise StaleVersion(task.version, entity_id=task.id)
    statement = sa.select(TaskStay).where(
        col(TaskStay.column_id) == column_id, col(TaskStay.until_number) > queued.seen,
        col(TaskStay.rank).is_not(None),
    )  # fmt: skip
    stays = (await board.tx.execute(statement)).scalars().all()
    low, high = neighbours_as_seen(stays, position, queued, moved_id=task.id)
    return await board.rank_between(column_id, low, high)


async def _stands_between(
    board: OpenBoard, task_id: UUID, column_id: UUID, low: str | None, high: str | None
) -> str | None:
    task = await board.task(task_id)
    is_there = (
        task.archived_at is None
        and task.column_id == column_id
        and (low is None or low < task.rank)
        and (high is None or task.rank < high)
    )
    return task.rank if is_there else None
