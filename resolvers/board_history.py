"""Boards as they were: an operation whose reads find the board of a moment in its tables."""

import asyncio
import dataclasses
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlmodel import SQLModel, col

from auth import access
from models.attachment import Attachment
from models.board import Board, BoardColumn, BoardLabel
from models.board_fold import Told, fold_board
from models.errors import Invalid
from models.store.shadow import Shadow
from models.stream import Fact
from models.task import (
    Task,
    TaskAssignee,
    TaskChecklist,
    TaskChecklistItem,
    TaskComment,
    TaskLabel,
    TaskReaction,
    TaskRelation,
)
from resolvers.operation import Operation


async def as_of(op: Operation, board_id: UUID, at: datetime) -> Operation | None:
    """The operation with the board as it was at that moment, wherever it reads it; None if the caller does not see it.

    Everything else is read as it is now: who may see the board, what people are called, other boards. Facts are folded in a
    thread: ten thousand take some 50 ms. Raises `Invalid` for a moment when there was no board yet, or that lies ahead.
    """
    seen = sa.select(col(Board.created_at)).where(col(Board.id) == board_id, access.visible_boards(op.viewer))
    found = await op.db.fetch(seen)
    if not found:
        return None
    _require_between(at, found[0].created_at, op.now())
    stream = f"board:{board_id}"
    last = (
        sa.select(sa.func.max(col(Fact.number)))
        .where(col(Fact.stream) == stream, col(Fact.occurred_at) <= at)
        .scalar_subquery()
    )
    told = sa.func.json_build_array(
        col(Fact.kind), col(Fact.person_id), col(Fact.occurred_at), col(Fact.payload), col(Fact.number)
    )
    # As one text, which is read in the thread, too.
    facts = sa.select(sa.cast(sa.func.json_agg(told).aggregate_order_by(col(Fact.number)), sa.Text)).where(
        col(Fact.stream) == stream, col(Fact.number) <= last
    )
    text = (await op.db.fetch(facts))[0][0]
    shadow = await asyncio.to_thread(_shadow_of, board_id, text)
    past = dataclasses.replace(op, as_of=at, act=None)
    past.db = op.db.seen_through(shadow)
    return past


def _require_between(at: datetime, first: datetime, last: datetime) -> None:
    if first <= at <= last:
        return
    if at < first:
        message = "There was no board yet. Ask for a moment from `min` on, which is when it was made."
    else:
        message = "Nobody knows the future. Leave `asOf` out for the board of now."
    raise Invalid(("asOf",), "RANGE", message, min=first.isoformat(), max=last.isoformat())


def _shadow_of(board_id: UUID, facts: str) -> Shadow:
    told = orjson.loads(facts)
    board = fold_board(board_id, (Told(*fact[:4]) for fact in told))
    # What was said until the last of these facts; clocks of two acts may stand the other way round.
    until = max(at for _, _, at, _, _ in told)
    rows = orjson.dumps(board.rows()).decode()
    return Shadow(_tables(), (rows, str(board_id), str(told[-1][4]), until))


# -- what stands for the tables ---------------------------------------------------------------------------------------------

_ROWS, _BOARD, _NUMBER, _UNTIL = "{0}", "CAST({1} AS uuid)", "CAST({2} AS bigint)", "CAST({3} AS timestamptz)"
_OF_TASK = "EXISTS (SELECT 1 FROM task t WHERE t.id = r.task_id AND t.board_id = {board})"
_OF_COMMENT = "EXISTS (SELECT 1 FROM task_comment t WHERE t.id = r.comment_id AND t.board_id = {board})"
_LATEST = (
    "coalesce((SELECT body FROM board_text x WHERE x.subject_id = r.id AND x.field = '{field}' AND x.created_at <= {until} "
    "ORDER BY x.created_at DESC, x.id DESC LIMIT 1), '')"
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    """How a table is put together: its rows of other boards, and those of this one with the columns `folded` as they were.

    `folded` are all columns where rows come and go; `texts` are expressions for columns that hold what people wrote.
    """

    model: type[SQLModel]
    folded: tuple[str, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    is_here: str = "r.board_id = {board}"

    def expression(self) -> str:
        table: sa.Table = self.model.__table__  # type: ignore[attr-defined]
        names = [column.name for column in table.columns]
        texts, here = dict(self.texts), self.is_here.format(board=_BOARD)
        columns = {name: f"r.{name}" for name in names}
        rows = f"jsonb_populate_recordset(NULL::{table.name}, (SELECT told -> '{table.name}' FROM _past))"  # noqa: S608  names of ours
        if self.folded:
            source = f"{rows} f JOIN {table.name} r ON r.id = f.id"
            then = {name: f"f.{name}" if name in self.folded else columns[name] for name in names}
        else:
            source, then = f"{rows} r", columns
        then |= {name: text.format(field=name, until=_UNTIL) for name, text in texts.items()}
        listed = ", ".join(names)
        past = ", ".join(f"{text} AS {name}" for name, text in then.items())
        return (
            f"_{table.name} AS MATERIALIZED (SELECT {past} FROM {source}), "  # noqa: S608  names of ours
            f"{table.name} AS NOT MATERIALIZED (SELECT {listed} FROM {table.name} r WHERE NOT ({here}) "
            f"UNION ALL SELECT {listed} FROM _{table.name})"
        )


_VERSION = "coalesce((SELECT body FROM board_text x WHERE x.id = CAST(f.{field} AS uuid)), '')"
# What says to which board a row belongs stands behind it: the real one has to be asked.
_KEPT = (
    _Kept(TaskLabel, is_here=_OF_TASK),
    _Kept(TaskAssignee, is_here=_OF_TASK),
    _Kept(TaskReaction, is_here=_OF_COMMENT),
    _Kept(TaskRelation),
    _Kept(Attachment, ("removed_at",)),
    _Kept(TaskChecklist, ("removed_at",)),
    _Kept(TaskChecklistItem, ("is_done", "assignee_id", "due_on", "removed_at"), (("text", _LATEST),)),
    _Kept(TaskComment, ("edited_at", "deleted_at"), (("body", _LATEST),)),
    _Kept(
        Task,
        ("column_id", "rank", "priority", "starts_on", "due_on", "estimate", "swimlane", "parent_id", "started_at",
         "completed_at", "archived_at", "version", "updated_at"),
        (("title", _VERSION), ("description", _VERSION)),
    ),
    _Kept(BoardColumn, ("name", "category", "rank", "wip_limit", "wip_is_hard", "removed_at", "version")),
    _Kept(BoardLabel, ("name", "color", "removed_at")),
    _Kept(
        Board,
        ("key", "next_number", "assignee_limit", "assignee_limit_is_hard", "guards_completion", "progress_follows",
         "version", "updated_at"),
        is_here="r.id = {board}",
    ),
)  # fmt: skip


@cache
def _tables() -> str:
    """The log and its head come last, and versions of texts after all that is made of them."""
    stream = "concat('board:', {1})"
    cut: dict[Any, str] = {
        "board_text": f"NOT (r.board_id = {_BOARD} AND r.created_at > {_UNTIL})",
        "fact": f"NOT (r.stream = {stream} AND r.number > {_NUMBER})",
    }
    return ", ".join([
        f"_past AS MATERIALIZED (SELECT CAST({_ROWS} AS jsonb) AS told)",
        *(kept.expression() for kept in _KEPT),
        *(f"{name} AS NOT MATERIALIZED (SELECT * FROM {name} r WHERE {where})" for name, where in cut.items()),  # noqa: S608
        f"stream_head AS NOT MATERIALIZED (SELECT stream, CASE WHEN stream = {stream} "  # noqa: S608
        f"THEN {_NUMBER} ELSE number END AS number, x FROM stream_head)",
    ])  # fmt: skip
