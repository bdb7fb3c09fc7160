"""What can be done to tasks, one by one and many at once, and to what hangs on them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry import Maybe

from models.attachment import AttachedAlready
from models.board import AnchorElsewhere, BoardFull, Position, TooLongAgo, WipLimit
from models.errors import Invalid, StaleVersion
from models.idempotency import Outcome
from models.ids import decode_id
from models.store.sql import Receipt
from models.task import (
    ArchivedTask,
    BlockedTask,
    DeletedComment,
    TaskIdTaken,
    TaskIsFull,
)
from models.vocabulary import Vocabulary
from resolvers import task_files, task_talk, tasks
from resolvers.operation import Operation
from resolvers.tasks import BOTTOM
from schema.attachments import AttachmentType
from schema.board_acts import ON_BOARDS, BoardActPayload, BoardNameInput, position_of, undoable
from schema.board_words import Edge, TaskPriority, TaskRelationKind
from schema.boards import BoardType
from schema.graph import entity, reference
from schema.inputs import given, given_as
from schema.payloads import (
    IDEMPOTENCY,
    VERSION,
    Answer,
    MutationError,
    Needs,
    member_for,
    mutation,
)
from schema.places import NewEpoch, place_of
from schema.scalars import Markdown, StreamCursor
from schema.task_parts import TaskChecklistItemType, TaskChecklistType, TaskCommentType
from schema.tasks import TaskType
from schema.words import words


class ErrorPolicy(Vocabulary):
    """What becomes of many acts at once when one is refused."""

    IGNORE_FAILED = "IGNORE_FAILED", "The others are done."
    REJECT_EVERYTHING = "REJECT_EVERYTHING", "None is done."


words(ErrorPolicy)


@strawberry.input(
    one_of=True,
    description="Where a task is to stand: behind another one, before it, or at an end of the column.",
)
class TaskPositionInput:
    after: Maybe[strawberry.ID] = strawberry.field(description="Behind this task.")
    before: Maybe[strawberry.ID] = strawberry.field(description="Before this task.")
    edge: Maybe[Edge] = strawberry.field(description="At this end of the column.")


@strawberry.type(description="Answer to a mutation of a task.")
class TaskPayload(BoardActPayload):
    task: TaskType | None = entity("The task as it is now, after a refusal too.")


@strawberry.input(description="Names a task to change.")
class TaskActInput:
    id: strawberry.ID = strawberry.field(description="The task.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `taskCreate`.")
class TaskCreateInput(BoardNameInput):
    id: strawberry.ID | None = strawberry.field(
        default=None, description="An id of your own making (`task_` and a UUIDv7); made here if absent."
    )
    column_id: strawberry.ID | None = strawberry.field(
        default=None, description="Where it is to stand; without it, in the first column."
    )
    position: TaskPositionInput | None = strawberry.field(
        default=None, description="Where in the column; without it, at the bottom."
    )
    title: str = strawberry.field(description="1 to 200 characters.")
    description: Markdown = strawberry.field(default=Markdown(""), description="At most 20,000 characters.")
    priority: TaskPriority = strawberry.field(default=TaskPriority.NONE, description="How urgent it is.")
    starts_on: date | None = strawberry.field(default=None, description="When it shall be begun.")
    due_on: date | None = strawberry.field(
        default=None, description="When it shall be done; not before it starts."
    )
    estimate: int | None = strawberry.field(default=None, description="In points, 0 to 1,000.")
    swimlane: str | None = strawberry.field(default=None, description="At most 40 characters.")
    parent_id: strawberry.ID | None = strawberry.field(
        default=None, description="The task it is a part of; at most five levels."
    )
    assignee_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Who shall do it: members of the board, at most 20."
    )
    label_ids: list[strawberry.ID] = strawberry.field(default_factory=list, description="At most 20.")


@strawberry.input(description="Changes of a task; absent parts stay as they are.")
class TaskChangesInput:
    title: Maybe[str] = strawberry.field(description="1 to 200 characters.")
    description: Maybe[Markdown] = strawberry.field(description="At most 20,000 characters.")
    priority: Maybe[TaskPriority] = strawberry.field(description="How urgent it is.")
    starts_on: Maybe[date | None] = strawberry.field(
        description="When it shall be begun; null: nobody knows."
    )
    due_on: Maybe[date | None] = strawberry.field(description="When it shall be done; null: nobody knows.")
    estimate: Maybe[int | None] = strawberry.field(description="In points, 0 to 1,000; null: nobody knows.")
    swimlane: Maybe[str | None] = strawberry.field(description="At most 40 characters; null: none.")
    parent_id: Maybe[strawberry.ID | None] = strawberry.field(
        description="The task it is a part of; null: none."
    )
    assignee_ids: Maybe[list[strawberry.ID]] = strawberry.field(
        description="The whole list: members of the board, at most 20."
    )
    label_ids: Maybe[list[strawberry.ID]] = strawberry.field(description="The whole list; at most 20.")
    expected_version: int | None = strawberry.field(default=None, description=VERSION)


@strawberry.input(description="Input of `taskEdit`; absent parts stay as they are.")
class TaskEditInput(TaskChangesInput):
    id: strawberry.ID = strawberry.field(description="The task.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Where a task is to go.")
class TaskPlaceInput:
    column_id: strawberry.ID = strawberry.field(description="The column it is to stand in.")
    position: TaskPositionInput = strawberry.field(description="Where in that column.")
    expected_version: int | None = strawberry.field(default=None, description=VERSION)


@strawberry.input(description="Input of `taskMove`.")
class TaskMoveInput(TaskPlaceInput):
    id: strawberry.ID = strawberry.field(description="The task.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `taskRestore`.")
class TaskRestoreInput(TaskActInput):
    column_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Without it, the column it was archived in, or the first one if that is gone.",
    )
    position: TaskPositionInput | None = strawberry.field(
        default=None, description="Without it, at the bottom."
    )


@strawberry.input(description="Says how one task stands to another.")
class TaskRelateInput(TaskActInput):
    other_id: strawberry.ID = strawberry.field(description="The other task, on the same board.")
    kind: TaskRelationKind = strawberry.field(description="How the task `id` stands to it.")


def _column(id: str, path: tuple[str, ...] = ("columnId",)) -> UUID:
    return decode_id("column", id, path=path)


def _place(input: Any, path: tuple[str, ...] = ("position",)) -> Position:
    return BOTTOM if input is None else position_of(input, "task", path=path)


def _people(ids: Sequence[str], path: tuple[str, ...]) -> list[UUID]:
    return [decode_id("person", id, path=(*path, str(i))) for i, id in enumerate(ids)]


def _labels(ids: Sequence[str], path: tuple[str, ...]) -> list[UUID]:
    return [decode_id("label", id, path=(*path, str(i))) for i, id in enumerate(ids)]


def _parent(id: str | None, path: tuple[str, ...]) -> UUID | None:
    return None if id is None else decode_id("task", id, path=path)


def _changes(input: Any, path: tuple[str, ...] = ()) -> dict[str, Any]:
    plain = ("title", "description", "priority", "starts_on", "due_on", "estimate", "swimlane")
    return {
        **given(input, *plain),
        **given_as(input, "parent_id", lambda id: {"parent_id": _parent(id, (*path, "parentId"))}),
        **given_as(input, "assignee_ids", lambda ids: {"assignee_ids": _people(ids, (*path, "assigneeIds"))}),
        **given_as(input, "label_ids", lambda ids: {"label_ids": _labels(ids, (*path, "labelIds"))}),
    }


_WRITES = (*ON_BOARDS, StaleVersion, ArchivedTask)
_MOVES = (*_WRITES, WipLimit, BlockedTask, AnchorElsewhere)


@mutation(
    TaskPayload,
    *ON_BOARDS,
    BoardFull,
    WipLimit,
    TaskIdTaken,
    needs=Needs.SIGNED_IN,
    description="Write a new task.",
)
async def task_create(op: Operation, input: TaskCreateInput) -> Answer:
    values = {
        "title": input.title,
        "description": input.description,
        "priority": input.priority,
        "starts_on": input.starts_on,
        "due_on": input.due_on,
        "estimate": input.estimate,
        "swimlane": input.swimlane,
        "parent_id": _parent(input.parent_id, ("parentId",)),
        "assignee_ids": _people(input.assignee_ids, ("assigneeIds",)),
        "label_ids": _labels(input.label_ids, ("labelIds",)),
    }
    return undoable(await tasks.create_task(
        op, decode_id("board", input.board_id, path=("boardId",)), values,
        column_id=None if input.column_id is None else _column(input.column_id),
        position=_place(input.position), id=None if input.id is None else decode_id("task", input.id),
    ))  # fmt: skip


@mutation(TaskPayload, *_WRITES, WipLimit, needs=Needs.SIGNED_IN, description="Change parts of a task.")
async def task_edit(op: Operation, input: TaskEditInput) -> Answer:
    return undoable(await tasks.edit_task(
        op, _id(input), _changes(input), expected_version=input.expected_version
    ))  # fmt: skip


@mutation(
    TaskPayload,
    *_MOVES,
    needs=Needs.SIGNED_IN,
    description="Put a task elsewhere, beside another one or at an end of a column. Moving it where it stands is a NOOP.",
)
async def task_move(op: Operation, input: TaskMoveInput) -> Answer:
    return undoable(await tasks.move_task(
        op, _id(input), column_id=_column(input.column_id), position=_place(input.position),
        expected_version=input.expected_version,
    ))  # fmt: skip


@mutation(
    TaskPayload,
    *ON_BOARDS,
    needs=Needs.SIGNED_IN,
    description="Put a task away; `taskRestore` brings it back.",
)
async def task_archive(op: Operation, input: TaskActInput) -> Answer:
    return undoable(await tasks.archive_task(op, _id(input)))


@mutation(
    TaskPayload,
    *ON_BOARDS,
    BoardFull,
    WipLimit,
    BlockedTask,
    needs=Needs.SIGNED_IN,
    description="Bring an archived task back.",
)
async def task_restore(op: Operation, input: TaskRestoreInput) -> Answer:
    column_id = None if input.column_id is None else _column(input.column_id)
    return undoable(
        await tasks.restore_task(op, _id(input), column_id=column_id, position=_place(input.position))
    )


@mutation(
    TaskPayload,
    *ON_BOARDS,
    ArchivedTask,
    TaskIsFull,
    needs=Needs.SIGNED_IN,
    description="Say how a task stands to another; `id` is not archived.",
)
async def task_relate(op: Operation, input: TaskRelateInput) -> Answer:
    return undoable(await tasks.relate_tasks(op, _id(input), _other(input), input.kind, is_on=True))


@mutation(
    TaskPayload,
    *ON_BOARDS,
    ArchivedTask,
    needs=Needs.SIGNED_IN,
    description="Say that a task stands to another no more.",
)
async def task_unrelate(op: Operation, input: TaskRelateInput) -> Answer:
    return undoable(await tasks.relate_tasks(op, _id(input), _other(input), input.kind, is_on=False))


@mutation(
    TaskPayload,
    *ON_BOARDS,
    ArchivedTask,
    needs=Needs.SIGNED_IN,
    description="Be notified of comments on a task.",
)
async def task_watch(op: Operation, input: TaskActInput) -> Answer:
    return await tasks.watch_task(op, _id(input), is_on=True)


@mutation(
    TaskPayload,
    *ON_BOARDS,
    ArchivedTask,
    needs=Needs.SIGNED_IN,
    description="Be notified of comments on a task no more.",
)
async def task_unwatch(op: Operation, input: TaskActInput) -> Answer:
    return await tasks.watch_task(op, _id(input), is_on=False)


def _id(input: Any) -> UUID:
    return decode_id("task", input.id)


def _other(input: TaskRelateInput) -> UUID:
    return decode_id("task", input.other_id, path=("otherId",))


# -- many at once --------------------------------------------------------------------------------------------------------------


@strawberry.type(description="What became of one of many.")
class TaskRow:
    outcome: Outcome = strawberry.field(
        description="What became of it. With REJECT_EVERYTHING nothing counts unless all do."
    )
    errors: list[MutationError] = strawberry.field(description="Why it was refused; empty unless REJECTED.")
    task: TaskType | None = reference("task_id", "The task as it is now; null if you may not see it.")
    task_id: strawberry.Private[UUID]


@strawberry.type(description="Answer to acts on many tasks.")
class TasksPayload(BoardActPayload):
    board: BoardType | None = entity("The board as it is now.")
    rows: list[TaskRow] = strawberry.field(
        default_factory=list, description="One for each act, in their order; none for a replay."
    )


@strawberry.input(description="One of many moves.")
class TaskMoveRowInput(TaskPlaceInput):
    task_id: strawberry.ID = strawberry.field(description="The task.")
    move_id: str | None = strawberry.field(
        default=None,
        description="Your name for a move made offline, at most 80 characters; the same one moves once.",
    )
    moved_at: datetime | None = strawberry.field(
        default=None, description="When it was made offline, by your clock."
    )


@strawberry.input(description="Input of `tasksMove`.")
class TasksMoveInput(BoardNameInput):
    moves: list[TaskMoveRowInput] = strawberry.field(description="1 to 100, in the order they were made.")
    error_policy: ErrorPolicy = strawberry.field(
        default=ErrorPolicy.IGNORE_FAILED, description="What if one is refused."
    )
    seen: StreamCursor | None = strawberry.field(
        default=None,
        description="For moves made offline: the last `cursor` or `streamCursor` of the board that you had. Their places are "
        "understood by what you saw, and each needs `moveId` and `movedAt`.",
    )
    device: str | None = strawberry.field(
        default=None,
        description="With `seen`: the same text for all moves of one device, at most 40 characters; yours alone.",
    )


@strawberry.input(description="One of many changes; absent parts stay as they are.")
class TaskEditRowInput(TaskChangesInput):
    task_id: strawberry.ID = strawberry.field(description="The task.")


@strawberry.input(description="Input of `tasksEdit`.")
class TasksEditInput(BoardNameInput):
    edits: list[TaskEditRowInput] = strawberry.field(description="1 to 100, in the order to do them.")
    error_policy: ErrorPolicy = strawberry.field(
        default=ErrorPolicy.IGNORE_FAILED, description="What if one is refused."
    )


@mutation(
    TasksPayload,
    *_MOVES,
    TooLongAgo,
    needs=Needs.SIGNED_IN,
    description="Move many tasks of one board, each by itself or all or nothing. Takes the queue of a client that was offline, "
    "too: independent moves give the same board in whatever order they arrive.",
)
async def tasks_move(op: Operation, input: TasksMoveInput) -> Answer:
    moves = []
    for at, move in enumerate(input.moves):
        path = ("moves", str(at))
        moves.append(tasks.Move(
            task_id=decode_id("task", move.task_id, path=(*path, "taskId")),
            column_id=_column(move.column_id, (*path, "columnId")),
            position=_place(move.position, (*path, "position")),
            expected_version=move.expected_version, id=move.move_id, moved_at=move.moved_at,
        ))  # fmt: skip
    board_id = decode_id("board", input.board_id, path=("boardId",))
    return await _many(tasks.move_tasks(
        op, board_id, moves, all_or_nothing=input.error_policy is ErrorPolicy.REJECT_EVERYTHING,
        seen=_seen(op, input.seen, board_id), device=input.device,
    ), board_id)  # fmt: skip


@mutation(
    TasksPayload,
    *_WRITES,
    WipLimit,
    needs=Needs.SIGNED_IN,
    description="Change many tasks of one board, each by itself or all or nothing.",
)
async def tasks_edit(op: Operation, input: TasksEditInput) -> Answer:
    edits = []
    for at, edit in enumerate(input.edits):
        path = ("edits", str(at))
        task_id = decode_id("task", edit.task_id, path=(*path, "taskId"))
        edits.append(tasks.Edit(task_id, _changes(edit, path), edit.expected_version))
    board_id = decode_id("board", input.board_id, path=("boardId",))
    all_or_nothing = input.error_policy is ErrorPolicy.REJECT_EVERYTHING
    return await _many(tasks.edit_tasks(op, board_id, edits, all_or_nothing=all_or_nothing), board_id)


async def _many(pending: Any, board_id: UUID) -> Answer:
    try:
        bulk = await pending
    except tasks.AllRefused as refused:
        return Receipt(board_id, Outcome.REJECTED), {
            "rows": _rows(refused.rows),
            "errors": [member_for(refusal) for row in refused.rows for refusal in row.refusals],
        }
    receipt, further = undoable((bulk.receipt, bulk.act))  # type: ignore[misc]
    return receipt, {**further, "rows": _rows(bulk.rows)}


def _rows(rows: Sequence[tasks.Row]) -> list[TaskRow]:
    return [
        TaskRow(outcome=row.outcome, errors=[member_for(r) for r in row.refusals], task_id=row.task_id)
        for row in rows
    ]


def _seen(op: Operation, cursor: str | None, board_id: UUID) -> int | None:
    try:
        return place_of(op, cursor, f"board:{board_id}")
    except Invalid as refusal:
        refusal.path = ("seen",)
        raise
    except NewEpoch:
        raise TooLongAgo(board_id=board_id) from None


# -- files -----------------------------------------------------------------------------------------------------------------------


@strawberry.type(description="Answer to a mutation of a file on a task.")
class AttachmentPayload(BoardActPayload):
    attachment: AttachmentType | None = entity("The file as it is now.")


@strawberry.input(description="Input of `taskAttach`.")
class TaskAttachInput(TaskActInput):
    file_id: strawberry.ID = strawberry.field(
        description="The `id` that `PUT /files` answered, of a file of yours that hangs on nothing yet."
    )


@strawberry.input(description="Input of `taskDetach`.")
class TaskDetachInput:
    id: strawberry.ID = strawberry.field(description="The file.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@mutation(
    AttachmentPayload,
    *ON_BOARDS,
    ArchivedTask,
    AttachedAlready,
    TaskIsFull,
    needs=Needs.SIGNED_IN,
    description="Hang a file on a task, within a day after it was uploaded. At most 50 hang on one.",
)
async def task_attach(op: Operation, input: TaskAttachInput) -> Answer:
    file_id = decode_id("file", input.file_id, path=("fileId",))
    return undoable(await task_files.attach(op, _id(input), file_id))


@mutation(
    AttachmentPayload,
    *ON_BOARDS,
    ArchivedTask,
    needs=Needs.SIGNED_IN,
    description="Take a file away from its task. `boardUndo` brings it back.",
)
async def task_detach(op: Operation, input: TaskDetachInput) -> Answer:
    return undoable(await task_files.detach(op, decode_id("file", input.id)))


# -- checklists ----------------------------------------------------------------------------------------------------------------


@strawberry.type(description="Answer to a mutation of a checklist.")
class ChecklistPayload(BoardActPayload):
    checklist: TaskChecklistType | None = entity("The checklist as it is now.")


@strawberry.type(description="Answer to a mutation of a line of a checklist.")
class ChecklistItemPayload(BoardActPayload):
    item: TaskChecklistItemType | None = entity("The line as it is now.")


@strawberry.input(description="Input of `checklistAdd`.")
class ChecklistAddInput:
    task_id: strawberry.ID = strawberry.field(description="The task.")
    title: str = strawberry.field(description="1 to 200 characters.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `checklistRemove`.")
class ChecklistRemoveInput:
    id: strawberry.ID = strawberry.field(description="The checklist.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `checklistItemAdd`.")
class ChecklistItemAddInput:
    checklist_id: strawberry.ID = strawberry.field(description="The checklist.")
    text: str = strawberry.field(description="1 to 200 characters.")
    assignee_id: strawberry.ID | None = strawberry.field(default=None, description="A member of the board.")
    due_on: date | None = strawberry.field(default=None, description="When it shall be done.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `checklistItemEdit`; absent parts stay as they are.")
class ChecklistItemEditInput:
    id: strawberry.ID = strawberry.field(description="The line.")
    text: Maybe[str] = strawberry.field(description="1 to 200 characters.")
    is_done: Maybe[bool] = strawberry.field(description="Whether it is ticked.")
    assignee_id: Maybe[strawberry.ID | None] = strawberry.field(
        description="A member of the board; null: nobody in particular."
    )
    due_on: Maybe[date | None] = strawberry.field(description="When it shall be done; null: nobody knows.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `checklistItemRemove`.")
class ChecklistItemRemoveInput:
    id: strawberry.ID = strawberry.field(description="The line.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


_LISTS = (*ON_BOARDS, ArchivedTask, TaskIsFull)


@mutation(ChecklistPayload, *_LISTS, needs=Needs.SIGNED_IN, description="Give a task a checklist.")
async def checklist_add(op: Operation, input: ChecklistAddInput) -> Answer:
    return undoable(await task_talk.add_checklist(op, _task(input), input.title))


@mutation(
    ChecklistPayload,
    *ON_BOARDS,
    ArchivedTask,
    needs=Needs.SIGNED_IN,
    description="Take a checklist away, with its lines.",
)
async def checklist_remove(op: Operation, input: ChecklistRemoveInput) -> Answer:
    return undoable(await task_talk.remove_checklist(op, decode_id("checklist", input.id)))


@mutation(ChecklistItemPayload, *_LISTS, needs=Needs.SIGNED_IN, description="Add a line to a checklist.")
async def checklist_item_add(op: Operation, input: ChecklistItemAddInput) -> Answer:
    values = {
        "text": input.text,
        "assignee_id": None if input.assignee_id is None else _person(input.assignee_id),
        "due_on": input.due_on,
    }
    checklist_id = decode_id("checklist", input.checklist_id, path=("checklistId",))
    return undoable(await task_talk.add_item(op, checklist_id, values))


@mutation(
    ChecklistItemPayload,
    *ON_BOARDS,
    ArchivedTask,
    needs=Needs.SIGNED_IN,
    description="Tick a line of a checklist, word it anew, give it to somebody.",
)
async def checklist_item_edit(op: Operation, input: ChecklistItemEditInput) -> Answer:
    changes = {
        **given(input, "text", "is_done", "due_on"),
        **given_as(input, "assignee_id", lambda id: {"assignee_id": None if id is None else _person(id)}),
    }
    return undoable(await task_talk.edit_item(op, decode_id("item", input.id), changes))


@mutation(
    ChecklistItemPayload,
    *ON_BOARDS,
    ArchivedTask,
    needs=Needs.SIGNED_IN,
    description="Take a line of a checklist away.",
)
async def checklist_item_remove(op: Operation, input: ChecklistItemRemoveInput) -> Answer:
    return undoable(await task_talk.remove_item(op, decode_id("item", input.id)))


def _task(input: Any) -> UUID:
    return decode_id("task", input.task_id, path=("taskId",))


def _person(id: str) -> UUID:
    return decode_id("person", id, path=("assigneeId",))


# -- comments ------------------------------------------------------------------------------------------------------------------


@strawberry.type(description="Answer to a mutation of a comment.")
class CommentPayload(BoardActPayload):
    comment: TaskCommentType | None = entity("The comment as it is now.")


@strawberry.input(description="Input of `commentAdd`.")
class CommentAddInput:
    task_id: strawberry.ID = strawberry.field(description="The task.")
    body: Markdown = strawberry.field(description="1 to 10,000 characters.")
    answers_id: strawberry.ID | None = strawberry.field(
        default=None, description="The comment it answers; it joins that one's thread."
    )
    mention_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Members it speaks to, at most 20; they are notified."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Names a comment to change.")
class CommentActInput:
    id: strawberry.ID = strawberry.field(description="The comment.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `commentEdit`.")
class CommentEditInput(CommentActInput):
    body: Markdown = strawberry.field(description="1 to 10,000 characters.")


@strawberry.input(description="Names an emoji beside a comment.")
class CommentReactionInput(CommentActInput):
    emoji: str = strawberry.field(description="One emoji.")


_COMMENTS = (*ON_BOARDS, ArchivedTask, DeletedComment)


@mutation(
    CommentPayload,
    *ON_BOARDS,
    ArchivedTask,
    needs=Needs.SIGNED_IN,
    description="Say something about a task. Those it speaks to, who watch the task or shall do it are notified.",
)
async def comment_add(op: Operation, input: CommentAddInput) -> Answer:
    answers_id = input.answers_id
    return undoable(await task_talk.add_comment(
        op, _task(input), input.body,
        answers_id=None if answers_id is None else decode_id("comment", answers_id, path=("answersId",)),
        mentions=_people(input.mention_ids, ("mentionIds",)),
    ))  # fmt: skip


@mutation(CommentPayload, *_COMMENTS, needs=Needs.SIGNED_IN, description="Word a comment of yours anew.")
async def comment_edit(op: Operation, input: CommentEditInput) -> Answer:
    return undoable(await task_talk.edit_comment(op, _comment(input), input.body))


@mutation(
    CommentPayload,
    *_COMMENTS,
    needs=Needs.SIGNED_IN,
    description="Take a comment away: its author or the client may. Answers to it stay.",
)
async def comment_delete(op: Operation, input: CommentActInput) -> Answer:
    return undoable(await task_talk.delete_comment(op, _comment(input)))


@mutation(
    CommentPayload,
    *_COMMENTS,
    TaskIsFull,
    needs=Needs.SIGNED_IN,
    description="Put an emoji beside a comment.",
)
async def comment_react(op: Operation, input: CommentReactionInput) -> Answer:
    return undoable(await task_talk.react(op, _comment(input), input.emoji, is_on=True))


@mutation(CommentPayload, *_COMMENTS, needs=Needs.SIGNED_IN, description="Take an emoji of yours back.")
async def comment_unreact(op: Operation, input: CommentReactionInput) -> Answer:
    return undoable(await task_talk.react(op, _comment(input), input.emoji, is_on=False))


def _comment(input: Any) -> UUID:
    return decode_id("comment", input.id)
