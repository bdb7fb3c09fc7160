"""Files on tasks: hung there by whoever uploaded them, taken away by any member, and back."""

from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.attachment import MAX_ATTACHMENTS, AttachedAlready, Attachment, AttachmentSubject
from models.board_events import TaskAttached, TaskDetached
from models.errors import NotFound
from models.task import Task, TaskIsFull
from resolvers.board_steps import step
from resolvers.boards import Done
from resolvers.open_board import OpenBoard, Step, board_of, opened
from resolvers.operation import Operation


async def attach(op: Operation, task_id: UUID, file_id: UUID) -> Done:
    """Hang a file of one's own on a task."""
    async with opened(op, await board_of(op, Task, task_id), path=("id",), what="task") as board:
        row = await board.tx.lock(
            Attachment, col(Attachment.id) == file_id, col(Attachment.uploader_id) == op.viewer.user_id,
            what="file of yours", path=("fileId",),
        )  # fmt: skip
        if row.subject_id not in {None, task_id}:
            raise AttachedAlready("This file hangs on something else; upload it again.", path=("fileId",))
        inverse = await _attach(board, task_id=str(task_id), file_id=str(file_id))
        return await board.settle("ATTACH_FILE", row.id, inverse)


async def detach(op: Operation, file_id: UUID) -> Done:
    """Take a file away from its task; its bytes are kept for thirty days, so that it can come back."""
    async with opened(op, await board_of(op, Attachment, file_id), path=("id",), what="file") as board:
        inverse = await _detach(board, file_id=str(file_id))
        return await board.settle("DETACH_FILE", file_id, inverse)


@step("attach")
async def _attach(board: OpenBoard, *, task_id: str, file_id: str) -> list[Step]:
    task = await board.task(UUID(task_id))
    task.require_live()
    row = await board.tx.by_id(Attachment, UUID(file_id))
    if row is None or row.gone_at is not None:
        raise NotFound("file", path=("fileId",))
    if row.subject_id is not None and row.removed_at is None:
        return []
    count = sa.select(sa.func.count()).where(
        col(Attachment.subject_id) == task.id, col(Attachment.removed_at).is_(None)
    )
    if (await board.tx.execute(count)).scalar_one() >= MAX_ATTACHMENTS:
        raise TaskIsFull("files", limit=MAX_ATTACHMENTS)
    row.subject_kind, row.subject_id, row.board_id = AttachmentSubject.TASK, task.id, board.row.id
    row.attached_at = row.attached_at or board.op.now()
    row.removed_at = None
    board.tell(TaskAttached(task_id=task.id, attachment_id=row.id, **board.about))
    board.touches.add(f"file:{file_id}")
    board.uses.add(f"task:{task_id}")
    return [{"do": "detach", "file_id": file_id}]


@step("detach")
async def _detach(board: OpenBoard, *, file_id: str) -> list[Step]:
    row = await board.find(Attachment, UUID(file_id), what="file")
    if row.removed_at is not None or row.subject_id is None:
        raise NotFound("file")
    task = await board.task(row.subject_id)
    task.require_live(entity_id=row.id)
    row.removed_at = board.op.now()
    board.tell(TaskDetached(task_id=task.id, attachment_id=row.id, **board.about))
    board.touches.add(f"file:{file_id}")
    board.uses.add(f"task:{task.id}")
    return [{"do": "attach", "task_id": str(task.id), "file_id": file_id}]
