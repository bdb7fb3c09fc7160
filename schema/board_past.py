"""Boards as they were, as clients see them."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import strawberry

from models.board_fold import TaskThen
from models.ids import decode_id, encode_id
from models.store.sql import Position
from resolvers.board_history import Past, board_as_of
from schema.analysis import priced
from schema.board_words import ColumnCategory, TaskPriority
from schema.graph import Answered, Context, argument, declare, reference
from schema.places import stream_cursor
from schema.scalars import Markdown, StreamCursor
from schema.type_names import Board, Person, Task


@strawberry.type(description="Somebody who was to do a task.")
class AssigneeThen:
    person: Person | None = reference("user_id", "Who; null if they are gone from the board.")
    user_id: strawberry.Private[UUID]


@strawberry.type(description="A task as it was.")
class BoardTaskThen:
    key: str = strawberry.field(description="Its handle then.")
    title: str | None = strawberry.field(
        description="What it was called; null if whoever wrote that is erased."
    )
    description: Markdown | None = strawberry.field(
        description="What was to be done; null if whoever wrote that is erased."
    )
    priority: TaskPriority = strawberry.field(description="How urgent it was.")
    starts_on: date | None = strawberry.field(description="When it was to be begun.")
    due_on: date | None = strawberry.field(description="When it was to be done.")
    estimate: int | None = strawberry.field(description="How much work it was thought to be, in points.")
    swimlane: str | None = strawberry.field(description="In which swimlane it was.")
    labels: list[str] = strawberry.field(description="Names of its labels, as they were then.")
    assignees: list[AssigneeThen] = strawberry.field(description="Who was to do it.")
    task: Task | None = reference("task_id", "The task as it is today; always there.")
    task_id: strawberry.Private[UUID]


@strawberry.type(description="A column as it was.")
class BoardColumnThen:
    id: strawberry.ID = strawberry.field(description="The column's id, as that of today's board.")
    name: str = strawberry.field(description="What it was called.")
    category: ColumnCategory = strawberry.field(description="What it meant to stand in it.")
    wip_limit: int | None = strawberry.field(description="Its limit; null: none.")
    wip_is_hard: bool = strawberry.field(description="Whether the limit refused more.")
    tasks: list[BoardTaskThen] = strawberry.field(
        description="What stood in it, from top to bottom.", metadata=priced(size=50)
    )


@strawberry.type(description="A board as it was at a moment.")
class BoardPast:
    key: str = strawberry.field(description="What the keys of its tasks began with.")
    columns: list[BoardColumnThen] = strawberry.field(description="From left to right.")
    archived: list[BoardTaskThen] = strawberry.field(description="Tasks that were archived, by number.")
    stream_cursor: StreamCursor = strawberry.field(
        description="The place in the board's stream: with it in `after`, `boardEvents` tells what came later."
    )
    board: Board | None = reference("board_id", "The board as it is today; always there.")
    board_id: strawberry.Private[UUID]


async def _board_as_of(context: Context, id: str, at: datetime) -> BoardPast | None:
    op, board_id = context.op, decode_id("board", id)
    past = await board_as_of(op, board_id, at)
    if past is None:
        return None
    board = past.board
    return BoardPast(
        key=board.key,
        columns=[
            BoardColumnThen(
                id=strawberry.ID(encode_id("column", column_id)),
                name=board.columns[column_id].name,
                category=board.columns[column_id].category,
                wip_limit=board.columns[column_id].wip_limit,
                wip_is_hard=board.columns[column_id].wip_is_hard,
                tasks=[_task(past, task) for task in board.standing(column_id)],
            )
            for column_id in board.column_ids
        ],
        archived=[_task(past, task) for task in board.tasks.values() if task.is_archived],
        stream_cursor=stream_cursor(op, Position(f"board:{board_id}", past.number)),
        board_id=board_id,
    )


def _task(past: Past, task: TaskThen) -> BoardTaskThen:
    text = past.texts.get(task.text_ids["description"])
    return BoardTaskThen(
        key=f"{past.board.key}-{task.number}",
        title=past.texts.get(task.text_ids["title"]),
        description=None if text is None else Markdown(text),
        priority=task.priority,
        starts_on=_date(task.starts_on),
        due_on=_date(task.due_on),
        estimate=task.estimate,
        swimlane=task.swimlane,
        labels=sorted(past.board.labels[label_id] for label_id in task.label_ids),
        assignees=[AssigneeThen(user_id=user_id) for user_id in sorted(task.assignee_ids)],
        task_id=task.id,
    )


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def board_as_of_field() -> Any:
    field = declare(
        Answered(_board_as_of),
        "A board as it was at a moment, folded from its stream: null if there is none, if it was not there yet, or if you may not "
        "see it.",
        metadata=priced(surcharge=20),
    )
    field.arguments = [
        argument("id", strawberry.ID, "The board."),
        argument("at", datetime, "The moment; the board of now if it lies ahead."),
    ]
    return field
