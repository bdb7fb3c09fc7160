"""Being seen at a board. Nothing is written: who is there is kept in memory, under a lease."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import access
from auth.viewer import Viewer
from models.board import Board
from models.checks import Checks
from models.errors import NotAllowed, NotFound
from models.presence import LEASE, MAX_CLIENT, BoardDoing, Present
from models.task import Task
from resolvers.operation import Operation


def subject_of(board_id: UUID) -> str:
    return f"board:{board_id}"


async def set_presence(
    op: Operation, board_id: UUID, *, doing: BoardDoing, task_id: UUID | None, client: str | None
) -> list[Present]:
    """Say what one does at the board, for the length of a lease; everybody who is there then.

    Raises `Refusals`, `NotFound`, `NotAllowed` and `Crowded`.
    """
    me = op.viewer.require_user()
    checks = Checks()
    client = str(op.viewer.session_id) if client is None else client
    client = checks.text(("client",), client, max=MAX_CLIENT)
    if doing is BoardDoing.DRAGGING and task_id is None:
        checks.refuse(("taskId",), "REQUIRED", "Say which task is dragged.")
    checks.done()
    is_away = doing is BoardDoing.AWAY
    part = None if is_away else task_id
    await _require_member(op, board_id, part)
    subject, attendance = subject_of(board_id), op.services.attendance
    word = None if is_away else doing.value
    attendance.say(Present(subject, me, client, word, part, op.now() + LEASE))
    return attendance.at(subject)


async def _require_member(op: Operation, board_id: UUID, task_id: UUID | None) -> None:
    """Raises `NotFound`, for the task, too, and `NotAllowed` for administrators, who see a board without belonging to it."""
    as_person = Viewer(op.viewer.user_id, op.viewer.session_id)
    statement: sa.Select[Any, Any] = (
        sa.select(access.visible_boards(as_person).label("is_member"), col(Task.id).label("task_id"))
        .select_from(Board)
        .outerjoin(Task, (col(Task.board_id) == col(Board.id)) & (col(Task.id) == task_id))
        .where(col(Board.id) == board_id, access.visible_boards(op.viewer))
    )
    rows = await op.db.fetch(statement)
    if not rows or not rows[0].is_member:
        # They may have been one a moment ago.
        op.services.attendance.dismiss(subject_of(board_id), op.viewer.require_user())
    if not rows:
        raise NotFound("board", path=("boardId",))
    if not rows[0].is_member:
        raise NotAllowed("MEMBER", "Only members of the board are shown at it.")
    if rows[0].task_id != task_id:
        raise NotFound("task", path=("taskId",))
