"""What can be done to boards, their columns and labels, and how acts are taken back."""

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry import Maybe

from models.board import (
    BoardAct,
    BoardFull,
    BoardRests,
    ColumnNotEmpty,
    KeyTaken,
    LastColumn,
    NameTaken,
    OthersBuiltOnIt,
    Position,
    UndoneAlready,
    UndoWindowClosed,
    WipLimit,
)
from models.errors import NotFound, StaleVersion
from models.ids import decode_id, encode_id
from models.task import ArchivedTask, BlockedTask, DeletedComment, TaskIsFull
from resolvers import boards
from resolvers.operation import Operation
from schema.board_words import ColumnCategory, Edge
from schema.boards import BoardColumnType, BoardLabelType, BoardType
from schema.graph import entity
from schema.inputs import given
from schema.payloads import IDEMPOTENCY, VERSION, Answer, MutationPayload, Needs, mutation

ON_BOARDS = (NotFound, BoardRests)


@strawberry.type(description="How to take an act on a board back.")
class BoardUndo:
    token: strawberry.ID = strawberry.field(description="For `boardUndo`; good for whoever did the act.")
    until: datetime = strawberry.field(description="Until when.")


@strawberry.interface(description="What every act on a board answers beside its entity.")
class BoardActPayload(MutationPayload):
    undo: BoardUndo | None = strawberry.field(
        default=None, description="How to take it back; null if nothing changed, and for a replay."
    )


def undoable(done: tuple[Any, BoardAct | None]) -> Answer:
    """What an act on a board answers: its receipt, and how to take it back."""
    receipt, act = done
    if act is None:
        return receipt, {}
    return receipt, {"undo": BoardUndo(token=strawberry.ID(encode_id("act", act.id)), until=act.undo_until)}


@strawberry.input(
    one_of=True, description="Where a column is to stand: behind another one, before it, or at an end."
)
class ColumnPositionInput:
    after: Maybe[strawberry.ID] = strawberry.field(description="Behind this column.")
    before: Maybe[strawberry.ID] = strawberry.field(description="Before this column.")
    edge: Maybe[Edge] = strawberry.field(description="TOP: the first one; BOTTOM: the last one.")


def position_of(input: Any, prefix: str, *, path: tuple[str, ...] = ("position",)) -> Position:
    """Raises `Invalid`."""
    values = given(input, "after", "before", "edge")
    for name in ("after", "before"):
        if name in values:
            values[name] = decode_id(prefix, values[name], path=(*path, name))
    return Position(**values)


@strawberry.input(description="Names a board to change.")
class BoardNameInput:
    board_id: strawberry.ID = strawberry.field(description="The board.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `boardEdit`; absent parts stay as they are.")
class BoardEditInput:
    id: strawberry.ID = strawberry.field(description="The board.")
    key: Maybe[str] = strawberry.field(
        description="What the keys of its tasks begin with: 2 to 8 capital letters and digits, a letter first, the same on no other board "
        "of yours; G and a number only that of the gig."
    )
    assignee_limit: Maybe[int | None] = strawberry.field(
        description="How many started tasks one person may have, 1 to 1,000; null: any number."
    )
    assignee_limit_is_hard: Maybe[bool] = strawberry.field(description="Whether the limit refuses more.")
    guards_completion: Maybe[bool] = strawberry.field(
        description="Whether a task that others block cannot be completed before them."
    )
    progress_follows: Maybe[bool] = strawberry.field(
        description="Whether the progress of the gig's contracts follows the board; then nobody reports it by hand."
    )
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.type(description="Answer to `boardEdit`.")
class BoardPayload(BoardActPayload):
    board: BoardType | None = entity("The board as it is now.")


@mutation(
    BoardPayload,
    *ON_BOARDS,
    StaleVersion,
    KeyTaken,
    needs=Needs.CLIENT,
    description="Change the settings of a board; they are the client's.",
)
async def board_edit(op: Operation, input: BoardEditInput) -> Answer:
    changes = given(
        input, "key", "assignee_limit", "assignee_limit_is_hard", "guards_completion", "progress_follows"
    )
    board_id = decode_id("board", input.id)
    return undoable(await boards.edit_board(op, board_id, changes, expected_version=input.expected_version))


# -- columns -----------------------------------------------------------------------------------------------------------------


@strawberry.type(description="Answer to a mutation of a column.")
class ColumnPayload(BoardActPayload):
    column: BoardColumnType | None = entity("The column as it is now.")


@strawberry.input(description="Names a column to change.")
class ColumnActInput:
    id: strawberry.ID = strawberry.field(description="The column.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `columnAdd`.")
class ColumnAddInput(BoardNameInput):
    name: str = strawberry.field(description="1 to 40 characters; no other column has it.")
    category: ColumnCategory = strawberry.field(description="What it means to stand in it.")
    wip_limit: int | None = strawberry.field(
        default=None, description="How many tasks it is to hold at most, 1 to 1,000."
    )
    wip_is_hard: bool = strawberry.field(default=False, description="Whether the limit refuses more.")
    position: ColumnPositionInput | None = strawberry.field(
        default=None, description="Where it is to stand; without it, the last one."
    )


@strawberry.input(description="Input of `columnEdit`; absent parts stay as they are.")
class ColumnEditInput(ColumnActInput):
    name: Maybe[str] = strawberry.field(description="1 to 40 characters; no other column has it.")
    category: Maybe[ColumnCategory] = strawberry.field(description="Only while the column is empty.")
    wip_limit: Maybe[int | None] = strawberry.field(description="1 to 1,000; null: any number.")
    wip_is_hard: Maybe[bool] = strawberry.field(description="Whether the limit refuses more.")
    expected_version: int | None = strawberry.field(default=None, description=VERSION)


@strawberry.input(description="Input of `columnMove`.")
class ColumnMoveInput(ColumnActInput):
    position: ColumnPositionInput = strawberry.field(description="Where it is to stand.")


_LAST = Position(edge=Edge.BOTTOM)


@mutation(
    ColumnPayload,
    *ON_BOARDS,
    BoardFull,
    NameTaken,
    needs=Needs.SIGNED_IN,
    description="Give a board another column.",
)
async def column_add(op: Operation, input: ColumnAddInput) -> Answer:
    values = {
        "name": input.name,
        "category": input.category,
        "wip_limit": input.wip_limit,
        "wip_is_hard": input.wip_is_hard,
    }
    position = _LAST if input.position is None else position_of(input.position, "column")
    board_id = decode_id("board", input.board_id, path=("boardId",))
    return undoable(await boards.add_column(op, board_id, values, position=position))


@mutation(
    ColumnPayload,
    *ON_BOARDS,
    StaleVersion,
    NameTaken,
    ColumnNotEmpty,
    needs=Needs.SIGNED_IN,
    description="Change a column. A limit below what stands in it moves nothing out.",
)
async def column_edit(op: Operation, input: ColumnEditInput) -> Answer:
    changes = given(input, "name", "category", "wip_limit", "wip_is_hard")
    column_id = decode_id("column", input.id)
    return undoable(await boards.edit_column(op, column_id, changes, expected_version=input.expected_version))


@mutation(ColumnPayload, *ON_BOARDS, needs=Needs.SIGNED_IN, description="Put a column elsewhere.")
async def column_move(op: Operation, input: ColumnMoveInput) -> Answer:
    position = position_of(input.position, "column")
    return undoable(await boards.move_column(op, decode_id("column", input.id), position=position))


@mutation(
    ColumnPayload,
    *ON_BOARDS,
    ColumnNotEmpty,
    LastColumn,
    needs=Needs.SIGNED_IN,
    description="Take an empty column away.",
)
async def column_remove(op: Operation, input: ColumnActInput) -> Answer:
    return undoable(await boards.remove_column(op, decode_id("column", input.id)))


# -- labels ------------------------------------------------------------------------------------------------------------------


@strawberry.type(description="Answer to a mutation of a label.")
class LabelPayload(BoardActPayload):
    label: BoardLabelType | None = entity("The label as it is now.")


@strawberry.input(description="Names a label to change.")
class LabelActInput:
    id: strawberry.ID = strawberry.field(description="The label.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `labelAdd`.")
class LabelAddInput(BoardNameInput):
    name: str = strawberry.field(description="1 to 40 characters; no other label has it.")
    color: str = strawberry.field(default="#8b949e", description="As # and six small hexadecimal digits.")


@strawberry.input(description="Input of `labelEdit`; absent parts stay as they are.")
class LabelEditInput(LabelActInput):
    name: Maybe[str] = strawberry.field(description="1 to 40 characters; no other label has it.")
    color: Maybe[str] = strawberry.field(description="As # and six small hexadecimal digits.")


@mutation(
    LabelPayload,
    *ON_BOARDS,
    BoardFull,
    NameTaken,
    needs=Needs.SIGNED_IN,
    description="Give a board another label.",
)
async def label_add(op: Operation, input: LabelAddInput) -> Answer:
    board_id = decode_id("board", input.board_id, path=("boardId",))
    return undoable(await boards.add_label(op, board_id, {"name": input.name, "color": input.color}))


@mutation(LabelPayload, *ON_BOARDS, NameTaken, needs=Needs.SIGNED_IN, description="Change a label.")
async def label_edit(op: Operation, input: LabelEditInput) -> Answer:
    return undoable(await boards.edit_label(op, decode_id("label", input.id), given(input, "name", "color")))


@mutation(
    LabelPayload,
    *ON_BOARDS,
    needs=Needs.SIGNED_IN,
    description="Take a label away, from all tasks too. `boardUndo` gives it back to them.",
)
async def label_remove(op: Operation, input: LabelActInput) -> Answer:
    return undoable(await boards.remove_label(op, decode_id("label", input.id)))


# -- taking back -------------------------------------------------------------------------------------------------------------


@strawberry.input(description="Input of `boardUndo`.")
class BoardUndoInput:
    token: strawberry.ID = strawberry.field(description="`undo.token` of the act's payload.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.type(description="Answer to `boardUndo`.")
class BoardUndoPayload(BoardActPayload):
    board: BoardType | None = entity("The board as it is now.")


@mutation(
    BoardUndoPayload,
    *ON_BOARDS,
    UndoneAlready,
    UndoWindowClosed,
    OthersBuiltOnIt,
    ColumnNotEmpty,
    LastColumn,
    NameTaken,
    KeyTaken,
    BoardFull,
    TaskIsFull,
    WipLimit,
    BlockedTask,
    ArchivedTask,
    DeletedComment,
    needs=Needs.SIGNED_IN,
    description="Take back what you did on a board, within ten minutes and while nothing later depends on it. Its own `undo` does "
    "it again.",
)
async def board_undo(op: Operation, input: BoardUndoInput) -> Answer:
    return undoable(await boards.undo(op, _act(input.token)))


def _act(token: str) -> UUID:
    return decode_id("act", token, path=("token",))
