"""What hangs on tasks: checklists, and comments with threads, mentions and reactions."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.board_events import (
    ChecklistAdded,
    ChecklistItemAdded,
    ChecklistItemEdited,
    ChecklistItemRemoved,
    ChecklistRemoved,
    CommentAdded,
    CommentDeleted,
    CommentEdited,
    CommentMentioned,
    CommentNoticed,
    CommentReacted,
    CommentRestored,
)
from models.checks import Checks
from models.emoji import MAX_EMOJI, is_emoji
from models.errors import NotAllowed, NotFound
from models.task import (
    MAX_CHECKLISTS,
    MAX_COMMENT,
    MAX_ITEM,
    MAX_ITEMS,
    MAX_MENTIONS,
    MAX_REACTIONS,
    DeletedComment,
    Task,
    TaskAssignee,
    TaskChecklist,
    TaskChecklistItem,
    TaskComment,
    TaskIsFull,
    TaskMention,
    TaskReaction,
    TaskWatcher,
)
from resolvers.board_steps import keep_text, plain, set_changed, step, told, typed
from resolvers.boards import Done
from resolvers.open_board import OpenBoard, Step, board_of, opened
from resolvers.operation import Operation

# -- checklists ----------------------------------------------------------------------------------------------------------------


async def add_checklist(op: Operation, task_id: UUID, title: str) -> Done:
    """A new, empty checklist below a task."""
    async with opened(op, await board_of(op, Task, task_id), path=("taskId",), what="task") as board:
        checks = Checks()
        title = checks.text(("title",), title, max=MAX_ITEM)
        checks.done()
        key = op.new_id()
        inverse = await _add_checklist(board, task_id=str(task_id), checklist_id=str(key), title=title)
        return await board.settle("ADD_CHECKLIST", key, inverse)


async def remove_checklist(op: Operation, checklist_id: UUID) -> Done:
    """With all its items."""
    async with opened(
        op, await board_of(op, TaskChecklist, checklist_id), path=("id",), what="checklist"
    ) as board:
        inverse = await _remove_checklist(board, checklist_id=str(checklist_id))
        return await board.settle("REMOVE_CHECKLIST", checklist_id, inverse)


async def add_item(op: Operation, checklist_id: UUID, values: Mapping[str, Any]) -> Done:
    """A new item at the end of a checklist."""
    found = await board_of(op, TaskChecklist, checklist_id)
    async with opened(op, found, path=("checklistId",), what="checklist") as board:
        checked = await _checked_item(board, values)
        key = op.new_id()
        inverse = await _add_item(board, checklist_id=str(checklist_id), item_id=str(key), values=checked)
        return await board.settle("ADD_CHECKLIST_ITEM", key, inverse)


async def edit_item(op: Operation, item_id: UUID, changes: Mapping[str, Any]) -> Done:
    """Tick it, word it anew, give it to somebody."""
    async with opened(op, await board_of(op, TaskChecklistItem, item_id), path=("id",), what="item") as board:
        checked = await _checked_item(board, changes)
        inverse = await _edit_item(board, item_id=str(item_id), values=checked)
        return await board.settle("EDIT_CHECKLIST_ITEM", item_id, inverse)


async def remove_item(op: Operation, item_id: UUID) -> Done:
    async with opened(op, await board_of(op, TaskChecklistItem, item_id), path=("id",), what="item") as board:
        inverse = await _remove_item(board, item_id=str(item_id))
        return await board.settle("REMOVE_CHECKLIST_ITEM", item_id, inverse)


async def _checked_item(board: OpenBoard, values: Mapping[str, Any]) -> dict[str, Any]:
    checks, values = Checks(), dict(values)
    if "text" in values:
        values["text"] = checks.text(("text",), values["text"], max=MAX_ITEM)
    checks.done()
    if values.get("assignee_id") is not None and values["assignee_id"] not in await board.members():
        raise NotFound("member of this board", path=("assigneeId",))
    return values


@step("add_checklist")
async def _add_checklist(board: OpenBoard, *, task_id: str, checklist_id: str, title: str = "") -> list[Step]:
    task = await board.task(UUID(task_id), path=("taskId",))
    task.require_live()
    if await _count(board, TaskChecklist, col(TaskChecklist.task_id) == task.id) >= MAX_CHECKLISTS:
        raise TaskIsFull("checklists", limit=MAX_CHECKLISTS)
    found = await board.tx.get(TaskChecklist, col(TaskChecklist.id) == UUID(checklist_id))
    if found is None:
        found = TaskChecklist(
            id=UUID(checklist_id),
            board_id=board.row.id,
            task_id=task.id,
            title=title,
            created_at=board.op.now(),
        )
        board.tx.add(found)
    found.removed_at = None
    board.tell(ChecklistAdded(task_id=task.id, checklist_id=found.id, **board.about))
    board.touches.add(f"checklist:{checklist_id}")
    board.uses.add(f"task:{task_id}")
    return [{"do": "remove_checklist", "checklist_id": checklist_id}]


@step("remove_checklist")
async def _remove_checklist(board: OpenBoard, *, checklist_id: str) -> list[Step]:
    checklist = await _live(board, TaskChecklist, checklist_id, what="checklist")
    checklist.removed_at = board.op.now()
    board.tell(ChecklistRemoved(task_id=checklist.task_id, checklist_id=checklist.id, **board.about))
    board.touches.add(f"checklist:{checklist_id}")
    board.uses.add(f"task:{checklist.task_id}")
    return [{"do": "add_checklist", "task_id": str(checklist.task_id), "checklist_id": checklist_id}]


@step("add_item")
async def _add_item(
    board: OpenBoard, *, checklist_id: str, item_id: str, values: Mapping[str, Any] | None = None
) -> list[Step]:
    parent = await _live(board, TaskChecklist, checklist_id, what="checklist")
    if await _count(board, TaskChecklistItem, col(TaskChecklistItem.checklist_id) == parent.id) >= MAX_ITEMS:
        raise TaskIsFull("items on a checklist", limit=MAX_ITEMS)
    found = await board.tx.get(TaskChecklistItem, col(TaskChecklistItem.id) == UUID(item_id))
    if found is None:
        found = TaskChecklistItem(
            id=UUID(item_id), board_id=board.row.id, task_id=parent.task_id, checklist_id=parent.id,
            created_at=board.op.now(), **(values or {}),
        )  # fmt: skip
        board.tx.add(found)
        keep_text(board, found.id, "text", found.text)
    found.removed_at = None
    kept = {name: plain(getattr(found, name)) for name in sorted(TaskChecklistItem.EDITABLE - {"text"})}
    board.tell(ChecklistItemAdded(
        task_id=parent.task_id, checklist_id=parent.id, item_id=found.id, values=kept, **board.about
    ))  # fmt: skip
    board.touches.add(f"item:{item_id}")
    board.uses.update((f"task:{parent.task_id}", f"checklist:{checklist_id}"))
    return [{"do": "remove_item", "item_id": item_id}]


@step("edit_item")
async def _edit_item(board: OpenBoard, *, item_id: str, values: Mapping[str, Any]) -> list[Step]:
    item = await _live(board, TaskChecklistItem, item_id, what="item")
    before = set_changed(item, {name: _typed_item(name, value) for name, value in values.items()})
    if not before:
        return []
    changes = told(before, item)
    if "text" in changes:
        changes["text"] = (None, None)
        keep_text(board, item.id, "text", item.text)
    board.tell(ChecklistItemEdited(
        task_id=item.task_id, checklist_id=item.checklist_id, item_id=item.id, changes=changes, **board.about
    ))  # fmt: skip
    board.uses.update((f"task:{item.task_id}", f"checklist:{item.checklist_id}", f"item:{item_id}"))
    board.touches.update(f"item:{item_id}:{name}" for name in before)
    return [{"do": "edit_item", "item_id": item_id, "values": plain(before)}]


@step("remove_item")
async def _remove_item(board: OpenBoard, *, item_id: str) -> list[Step]:
    item = await _live(board, TaskChecklistItem, item_id, what="item")
    item.removed_at = board.op.now()
    board.tell(ChecklistItemRemoved(
        task_id=item.task_id, checklist_id=item.checklist_id, item_id=item.id, **board.about
    ))  # fmt: skip
    board.touches.add(f"item:{item_id}")
    board.uses.update((f"task:{item.task_id}", f"checklist:{item.checklist_id}"))
    return [{"do": "add_item", "checklist_id": str(item.checklist_id), "item_id": item_id}]


def _typed_item(name: str, value: Any) -> Any:
    return UUID(str(value)) if name == "assignee_id" and value is not None else typed(name, value)


async def _live(board: OpenBoard, model: Any, key: str, *, what: str) -> Any:
    """What hangs on a task that is on the board. Raises `NotFound` and `ArchivedTask`."""
    row = await board.find(model, UUID(key), what=what)
    if row.removed_at is not None:
        raise NotFound(what)
    task = await board.task(row.task_id)
    task.require_live(entity_id=row.id)
    return row


async def _count(board: OpenBoard, table: Any, where: sa.ColumnElement[bool]) -> int:
    statement = sa.select(sa.func.count()).select_from(table).where(where, table.removed_at.is_(None))
    return int((await board.tx.execute(statement)).scalar_one())


# -- comments ------------------------------------------------------------------------------------------------------------------


async def add_comment(
    op: Operation, task_id: UUID, body: str, *, answers_id: UUID | None, mentions: Sequence[UUID]
) -> Done:
    """Say something about a task, or answer a comment on it. Those mentioned, watching and assigned are notified."""
    async with opened(op, await board_of(op, Task, task_id), path=("taskId",), what="task") as board:
        task = await board.task(task_id, path=("taskId",))
        task.require_live()
        body = _checked_body(body)
        checks = Checks()
        checks.count(("mentionIds",), mentions, max=MAX_MENTIONS)
        checks.done()
        people = await board.members()
        if set(mentions) - people:
            raise NotFound("member of this board", path=("mentionIds",))
        thread_id = None
        if answers_id is not None:
            answered = await board.find(TaskComment, answers_id, what="comment", path=("answersId",))
            if answered.task_id != task.id:
                raise NotFound("comment", path=("answersId",))
            thread_id = answered.thread_id or answered.id
        comment = TaskComment(
            id=op.new_id(), board_id=board.row.id, task_id=task.id, thread_id=thread_id,
            author_id=op.viewer.require_user(), body=body, created_at=op.now(),
        )  # fmt: skip
        board.tx.add(comment)
        await board.tx.session.flush()
        keep_text(board, comment.id, "body", body)
        board.tx.add(
            *(TaskMention(comment_id=comment.id, user_id=user_id) for user_id in sorted(set(mentions)))
        )
        about = {"task_id": task.id, "comment_id": comment.id, **board.about}
        board.tell(CommentAdded(**about))
        for person_id in sorted(set(mentions) - {comment.author_id}):
            board.tx.emit(CommentMentioned(person_id=person_id, **about))
        for person_id in sorted(
            (await _interested(board, task.id) & people) - set(mentions) - {comment.author_id}
        ):
            board.tx.emit(CommentNoticed(person_id=person_id, **about))
        board.touches.add(f"comment:{comment.id}")
        board.uses.add(f"task:{task.id}")
        return await board.settle(
            "ADD_COMMENT", comment.id, [{"do": "delete_comment", "comment_id": str(comment.id)}]
        )


async def edit_comment(op: Operation, comment_id: UUID, body: str) -> Done:
    """The author words it anew; what it said before stays readable."""
    async with opened(op, await board_of(op, TaskComment, comment_id), path=("id",), what="comment") as board:
        comment = await board.find(TaskComment, comment_id, what="comment")
        if comment.author_id != op.viewer.user_id:
            raise NotAllowed("AUTHOR")
        inverse = await _edit_comment(board, comment_id=str(comment_id), body=_checked_body(body))
        return await board.settle("EDIT_COMMENT", comment_id, inverse)


async def delete_comment(op: Operation, comment_id: UUID) -> Done:
    """By its author or the client. Answers stay, below a place that says that something was here."""
    async with opened(op, await board_of(op, TaskComment, comment_id), path=("id",), what="comment") as board:
        comment = await board.find(TaskComment, comment_id, what="comment")
        if op.viewer.user_id not in {comment.author_id, board.row.client_id}:
            raise NotAllowed("AUTHOR", "Only the author or the client can do this.")
        inverse = await _delete_comment(board, comment_id=str(comment_id))
        return await board.settle("DELETE_COMMENT", comment_id, inverse)


async def react(op: Operation, comment_id: UUID, emoji: str, *, is_on: bool) -> Done:
    """Put an emoji beside a comment, or take it back."""
    async with opened(op, await board_of(op, TaskComment, comment_id), path=("id",), what="comment") as board:
        checks = Checks()
        emoji = checks.text(("emoji",), emoji, max=MAX_EMOJI)
        if not is_emoji(emoji):
            checks.refuse(("emoji",), "EMOJI", "It takes one emoji, no letters.")
        checks.done()
        inverse = await _react(board, comment_id=str(comment_id), emoji=emoji, is_on=is_on)
        return await board.settle("REACT" if is_on else "UNREACT", comment_id, inverse)


@step("edit_comment")
async def _edit_comment(board: OpenBoard, *, comment_id: str, body: str) -> list[Step]:
    comment = await _spoken(board, comment_id)
    before = comment.body
    if body == before:
        return []
    comment.body, comment.edited_at = body, board.op.now()
    keep_text(board, comment.id, "body", body)
    board.tell(CommentEdited(task_id=comment.task_id, comment_id=comment.id, **board.about))
    board.touches.add(f"comment:{comment_id}:body")
    board.uses.add(f"comment:{comment_id}")
    return [{"do": "edit_comment", "comment_id": comment_id, "body": before}]


@step("delete_comment")
async def _delete_comment(board: OpenBoard, *, comment_id: str) -> list[Step]:
    comment = await _spoken(board, comment_id)
    comment.deleted_at = board.op.now()
    board.tell(CommentDeleted(task_id=comment.task_id, comment_id=comment.id, **board.about))
    board.touches.add(f"comment:{comment_id}")
    return [{"do": "restore_comment", "comment_id": comment_id}]


@step("restore_comment")
async def _restore_comment(board: OpenBoard, *, comment_id: str) -> list[Step]:
    comment = await board.find(TaskComment, UUID(comment_id), what="comment")
    if comment.deleted_at is None:
        return []
    task = await board.task(comment.task_id)
    task.require_live(entity_id=comment.id)
    comment.deleted_at = None
    board.tell(CommentRestored(task_id=comment.task_id, comment_id=comment.id, **board.about))
    board.touches.add(f"comment:{comment_id}")
    return [{"do": "delete_comment", "comment_id": comment_id}]


@step("react")
async def _react(board: OpenBoard, *, comment_id: str, emoji: str, is_on: bool) -> list[Step]:
    comment, me = await _spoken(board, comment_id), board.op.viewer.require_user()
    found = await board.tx.get(
        TaskReaction, col(TaskReaction.comment_id) == comment.id, col(TaskReaction.user_id) == me,
        col(TaskReaction.emoji) == emoji,
    )  # fmt: skip
    if (found is not None) is is_on:
        return []
    if found is None:
        count = sa.select(sa.func.count()).where(col(TaskReaction.comment_id) == comment.id)
        if (await board.tx.execute(count)).scalar_one() >= MAX_REACTIONS:
            raise TaskIsFull("reactions to a comment", limit=MAX_REACTIONS)
        board.tx.add(TaskReaction(comment_id=comment.id, user_id=me, emoji=emoji))
    else:
        await board.tx.session.delete(found)
    board.tell(CommentReacted(
        task_id=comment.task_id, comment_id=comment.id, person_id=me, emoji=emoji, is_on=is_on, **board.about
    ))  # fmt: skip
    board.touches.add(f"reaction:{comment_id}:{me}:{emoji}")
    board.uses.add(f"comment:{comment_id}")
    return [{"do": "react", "comment_id": comment_id, "emoji": emoji, "is_on": not is_on}]


async def _spoken(board: OpenBoard, comment: str) -> TaskComment:
    """Raises `NotFound`, `DeletedComment` and `ArchivedTask`."""
    row = await board.find(TaskComment, UUID(comment), what="comment")
    if row.deleted_at is not None:
        raise DeletedComment(comment_id=row.id)
    task = await board.task(row.task_id)
    task.require_live(entity_id=row.id)
    return row


async def _interested(board: OpenBoard, task_id: UUID) -> set[UUID]:
    watching = sa.select(col(TaskWatcher.user_id)).where(col(TaskWatcher.task_id) == task_id)
    assigned = sa.select(col(TaskAssignee.user_id)).where(col(TaskAssignee.task_id) == task_id)
    return {key for (key,) in await board.tx.execute(sa.union(watching, assigned))}


def _checked_body(body: str) -> str:
    checks = Checks()
    body = checks.text(("body",), body, max=MAX_COMMENT)
    checks.done()
    return body
