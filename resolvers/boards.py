"""What members do with the board of a gig: settings, columns, labels, and taking acts back."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased
from sqlmodel import col

from models.board import (
    Board,
    BoardAct,
    BoardColumn,
    BoardLabel,
    Edge,
    OthersBuiltOnIt,
    Position,
)
from models.board_events import BoardCreated, BoardMemberJoined, BoardMemberLeft, ColumnAdded
from models.contract import LIVE, Contract
from models.errors import NotAllowed, NotFound
from models.gig import Gig
from models.store.sql import Receipt, Transaction
from models.table import check_version
from resolvers import column_steps as steps
from resolvers import label_steps
from resolvers.board_progress import progress_of
from resolvers.board_steps import plain, take
from resolvers.jobs import job
from resolvers.notices import tell
from resolvers.open_board import OpenBoard, board_of, opened
from resolvers.operation import Operation

Done = tuple[Receipt, BoardAct | None]
"""What an act on a board answers: the receipt, and the act that can be undone; None if nothing changed."""


async def edit_board(
    op: Operation, board_id: UUID, changes: Mapping[str, Any], *, expected_version: int | None
) -> Done:
    """Settings are the client's."""
    async with opened(op, board_id, path=("id",)) as board:
        if board.row.client_id != op.viewer.user_id:
            raise NotAllowed("CLIENT", "Only the client can change the settings of the board.")
        check_version(board.row, expected_version, entity_id=board.row.id)
        gig = await board.tx.by_id(Gig, board.row.gig_id)
        Board.check(changes, gig_number=None if gig is None else gig.number)
        inverse = await steps.edit_board(board, values=dict(changes))
        return await board.settle("EDIT_BOARD", board.row.id, inverse)


# -- columns -----------------------------------------------------------------------------------------------------------------


async def add_column(op: Operation, board_id: UUID, values: Mapping[str, Any], *, position: Position) -> Done:
    async with opened(op, board_id) as board:
        checked = BoardColumn.checked(values)
        key = op.new_id()
        behind = _behind(board, position, but=None)
        inverse = await steps.add_column(board, column_id=str(key), values=plain(checked), behind=behind)
        return await board.settle("ADD_COLUMN", key, inverse)


async def edit_column(
    op: Operation, column_id: UUID, changes: Mapping[str, Any], *, expected_version: int | None
) -> Done:
    async with opened(op, await board_of(op, BoardColumn, column_id), path=("id",), what="column") as board:
        column = await board.column(column_id, path=("id",))
        check_version(column, expected_version, entity_id=column.id)
        checked = BoardColumn.checked(changes)
        inverse = await steps.edit_column(board, column_id=str(column_id), values=checked)
        return await board.settle("EDIT_COLUMN", column_id, inverse)


async def move_column(op: Operation, column_id: UUID, *, position: Position) -> Done:
    async with opened(op, await board_of(op, BoardColumn, column_id), path=("id",), what="column") as board:
        column = await board.column(column_id, path=("id",))
        behind = _behind(board, position, but=column)
        inverse = await steps.move_column(board, column_id=str(column_id), behind=behind)
        return await board.settle("MOVE_COLUMN", column_id, inverse)


async def remove_column(op: Operation, column_id: UUID) -> Done:
    """Only an empty one; archived tasks do not count."""
    async with opened(op, await board_of(op, BoardColumn, column_id), path=("id",), what="column") as board:
        inverse = await steps.remove_column(board, column_id=str(column_id))
        return await board.settle("REMOVE_COLUMN", column_id, inverse)


def _behind(board: OpenBoard, position: Position, *, but: BoardColumn | None) -> list[str]:
    """The columns before a position, the nearest first. Raises `NotFound`."""
    ids = [column.id for column in steps.in_order(board.columns.values(), but=but)]
    if position.anchor is None:
        at = 0 if position.edge is Edge.TOP else len(ids)
    elif position.anchor in ids:
        at = ids.index(position.anchor) + (position.after is not None)
    else:
        raise NotFound("column", path=("position",))
    return [str(id) for id in reversed(ids[:at])]


# -- labels ------------------------------------------------------------------------------------------------------------------


async def add_label(op: Operation, board_id: UUID, values: Mapping[str, Any]) -> Done:
    async with opened(op, board_id) as board:
        key = op.new_id()
        inverse = await label_steps.add_label(board, label_id=str(key), values=BoardLabel.checked(values))
        return await board.settle("ADD_LABEL", key, inverse)


async def edit_label(op: Operation, label_id: UUID, changes: Mapping[str, Any]) -> Done:
    async with opened(op, await board_of(op, BoardLabel, label_id), path=("id",), what="label") as board:
        inverse = await label_steps.edit_label(
            board, label_id=str(label_id), values=BoardLabel.checked(changes)
        )
        return await board.settle("EDIT_LABEL", label_id, inverse)


async def remove_label(op: Operation, label_id: UUID) -> Done:
    async with opened(op, await board_of(op, BoardLabel, label_id), path=("id",), what="label") as board:
        inverse = await label_steps.remove_label(board, label_id=str(label_id))
        return await board.settle("REMOVE_LABEL", label_id, inverse)


# -- taking back -------------------------------------------------------------------------------------------------------------


async def undo(op: Operation, act_id: UUID) -> Done:
    """Take back an act of one's own while nothing later depends on it. Undoing an undo does the act again.

    Raises `UndoneAlready`, `UndoWindowClosed`, `OthersBuiltOnIt`, and whatever refuses the changes themselves.
    """
    async with opened(op, await board_of(op, BoardAct, act_id), path=("token",), what="act") as board:
        act = await board.find(BoardAct, act_id, what="act", path=("token",))
        if act.actor_id != op.viewer.user_id:
            raise NotAllowed("ACTOR", "Only whoever did something can undo it.")
        act.require_undoable(head=board.head, at=op.now())
        if (later := await _built_on(board, act)) is not None:
            raise OthersBuiltOnIt(later, board_id=board.row.id)
        inverse = await take(board, *act.inverse)
        done = await board.settle(f"UNDO_{act.verb.removeprefix('UNDO_')}", board.row.id, inverse, undoes=act)
        undone: BoardAct | None = act
        is_in_force = False
        while undone is not None:  # what it had undone is in force again, what that had undone is not …
            undone.undone_at = None if is_in_force else op.now()
            is_in_force = not is_in_force
            earlier = undone.undoes_id
            undone = None if earlier is None else await board.tx.by_id(BoardAct, earlier)
        return done


async def _built_on(board: OpenBoard, act: BoardAct) -> str | None:
    """The verb of a later act, still in force, that depends on this one."""
    later: Any = aliased(BoardAct)
    undone: Any = aliased(BoardAct)
    touched = sa.cast(act.touches, ARRAY(sa.Text))
    everything = sa.cast([*act.touches, *act.uses], ARRAY(sa.Text))
    statement = (
        sa.select(later.verb)
        .outerjoin(undone, undone.id == later.undoes_id)
        .where(
            later.board_id == act.board_id,
            later.first_number > act.last_number,
            later.undone_at.is_(None),
            # Both an act that came after this one and its undoing have cancelled each other.
            undone.id.is_(None) | (undone.first_number <= act.last_number),
            later.touches.overlap(everything) | later.uses.overlap(touched),
        )
        .order_by(later.first_number)
        .limit(1)
    )
    return (await board.tx.execute(statement)).scalar()


# -- made with the contract, and followed by the progress of the gig -------------------------------------------------------------


async def join_board(op: Operation, tx: Transaction, gig: Gig, freelancer_id: UUID) -> None:
    """The gig has a board from the first contract on; whoever is hired works on it."""
    board = await tx.lock_if_any(Board, col(Board.gig_id) == gig.id)
    if board is None:
        board = await _make_board(op, tx, gig)
    tx.emit(BoardMemberJoined(
        board_id=board.id, gig_id=gig.id, person_id=freelancer_id, at=op.now()
    ))  # fmt: skip


async def leave_board(op: Operation, tx: Transaction, gig: Gig, freelancer_id: UUID) -> None:
    """Whoever's contract ended early does not see the board any more."""
    board = await tx.lock_if_any(Board, col(Board.gig_id) == gig.id)
    if board is not None:
        tx.emit(BoardMemberLeft(board_id=board.id, gig_id=gig.id, person_id=freelancer_id, at=op.now()))


async def follows_board(tx: Transaction, gig_id: UUID) -> bool:
    """Whether the client chose that the gig's progress is what its board says."""
    board = await tx.get(Board, col(Board.gig_id) == gig_id)
    return board is not None and board.progress_follows


@job("make_board")
async def make_board(op: Operation, tx: Transaction, gig_id: UUID) -> None:
    """For work that began before there were boards."""
    gig = await tx.lock(Gig, col(Gig.id) == gig_id, what="gig")
    if await tx.lock_if_any(Board, col(Board.gig_id) == gig.id) is None:
        await _make_board(op, tx, gig)


async def _make_board(op: Operation, tx: Transaction, gig: Gig) -> Board:
    assert gig.number is not None
    board = Board.of_gig(gig.id, gig.client_id, gig.number, at=op.now())
    columns = BoardColumn.defaults(board.id, at=op.now())
    tx.add(board)
    await tx.session.flush()
    tx.add(*columns)
    about: dict[str, Any] = {"board_id": board.id, "gig_id": gig.id, "at": op.now()}
    tx.emit(BoardCreated(key=board.key, **about))
    before: UUID | None = None
    for column in columns:
        tx.emit(ColumnAdded(
            column_id=column.id, after_column_id=before, name=column.name, category=column.category,
            wip_limit=None, wip_is_hard=False, **about,
        ))  # fmt: skip
        before = column.id
    return board


@job("follow_progress")
async def follow_progress(op: Operation, tx: Transaction, board_id: UUID) -> None:
    """Write the share that is done on the board into the contracts of the gig, where the client chose so.

    A job, not part of each move: contracts are locked before boards, and many moves are told as one progress.
    """
    board = await tx.get(Board, col(Board.id) == board_id)
    if board is None or not board.progress_follows:
        return
    await tx.lock(Gig, col(Gig.id) == board.gig_id, what="gig")
    contracts = (
        await tx.execute(
            sa.select(Contract)
            .where(col(Contract.gig_id) == board.gig_id, col(Contract.status).in_(LIVE))
            .order_by(col(Contract.id))
            .with_for_update(key_share=True)
        )
    ).scalars()
    percent = (await tx.execute(sa.select(progress_of(board_id)))).scalar_one()
    for contract in contracts:
        if percent is not None and contract.progress_percent != percent and contract.takes_progress:
            await tell(op, tx, contract.report_progress(percent, remark_id=None, at=op.now()))
