"""Boards as their members see them. What can be done to them is in `board_acts`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import strawberry
from sqlmodel import col

from auth import abilities as may
from auth import access
from auth.abilities import BoardAction
from models.board import Board, BoardColumn, BoardLabel
from models.stream import Fact
from models.task import Task as TaskRow
from models.task import TaskStay
from resolvers import board_history, board_members
from resolvers.board_progress import counted_in, progress_of
from resolvers.operation import Operation
from schema.abilities import Abilities, abilities
from schema.activity import ActivityType
from schema.board_flow import Flow, Forecast, flows, forecasts
from schema.board_presence import BoardPresence, people_at
from schema.board_words import ColumnCategory
from schema.connections import Connection, connection
from schema.graph import column, computed, lookup, many, node, one, reference, source, sql
from schema.keyset import Key, newest
from schema.node import Node
from schema.places import current_place
from schema.scalars import StreamCursor
from schema.tasks import TaskOrder, TaskType, TaskWhere, live, task_orders
from schema.type_names import Gig, Person


def _rank_now(place: Sequence[Any]) -> sa.ColumnElement[Any]:
    """Where the task of a cursor stands in its column, or stood last: ranks are spread anew at times, and tasks move on.

    Forgotten with both is a task that left a thousand facts ago a column whose ranks were spread since.
    """
    rank, column_id, task_id = place
    task, stay = sa.alias(TaskRow.__table__, "standing"), sa.alias(TaskStay.__table__, "stood")  # type: ignore[attr-defined]
    stands = sa.select(task.c.rank).where(
        task.c.id == task_id, task.c.column_id == column_id, task.c.archived_at.is_(None)
    )
    stood = sa.select(stay.c.rank).where(stay.c.task_id == task_id, stay.c.column_id == column_id)
    last = stood.order_by(stay.c.from_number.desc()).limit(1)
    return sa.func.coalesce(
        stands.scalar_subquery(), last.scalar_subquery(), sa.literal(rank, task.c.rank.type)
    )


@node(
    "column",
    BoardColumn,
    scope=access.on_visible_boards(col(BoardColumn.board_id)),
    name="BoardColumn",
    description="A column of a board; its members see it.",
)
class BoardColumnType(Node):
    name: str = column(BoardColumn.name, "What it is called; at most 40 characters.")
    category: ColumnCategory = column(BoardColumn.category, "What it means for a task to stand in it.")
    wip_limit: int | None = column(
        BoardColumn.wip_limit, "How many tasks it is to hold at most; null: any number."
    )
    wip_is_hard: bool = column(
        BoardColumn.wip_is_hard, "Whether the limit refuses more; otherwise it only shows."
    )
    version: int = column(BoardColumn.version, "Counts the changes; for `expectedVersion`.")
    removed_at: datetime | None = column(
        BoardColumn.removed_at, "When it was removed; null while it is on the board."
    )
    task_count: int = computed(
        lambda count: count, counted_in(sql(BoardColumn.id)), description="How many tasks stand in it."
    )
    is_over_limit: bool = computed(
        lambda count, limit: limit is not None and count > limit,
        counted_in(sql(BoardColumn.id)),
        BoardColumn.wip_limit,
        description="Whether more stand in it than its limit says.",
    )
    tasks: Connection[TaskType] = connection(
        TaskRow.column_id,
        "The tasks in it, from top to bottom. Archived ones are not on the board.",
        # Of one column, so that its id orders nothing: a cursor carries it.
        default=(Key(sql(TaskRow.rank), now=_rank_now), Key(sql(TaskRow.column_id))),
        narrowed=live,
        where=TaskWhere,
    )


@node(
    "label",
    BoardLabel,
    scope=access.on_visible_boards(col(BoardLabel.board_id)),
    name="BoardLabel",
    description="A label that tasks of a board can have; its members see it.",
)
class BoardLabelType(Node):
    name: str = column(BoardLabel.name, "What it is called; at most 40 characters.")
    color: str = column(BoardLabel.color, "As # and six hexadecimal digits.")
    removed_at: datetime | None = column(
        BoardLabel.removed_at, "When it was removed; null while it can be used."
    )


@strawberry.type(description="Somebody who belongs to a board.")
class BoardMember:
    is_active: bool = strawberry.field(
        description="Whether they can change the board: the client, and who has a contract that goes on. Others only read."
    )
    person: Person | None = reference("user_id", "Who it is; always there.")
    user_id: strawberry.Private[UUID]


async def _members(op: Operation, keys: Sequence[UUID]) -> dict[UUID, list[BoardMember]]:
    found = await board_members.members_of(op, keys)
    return {
        key: [BoardMember(user_id=user_id, is_active=is_active) for user_id, is_active in people]
        for key, people in found.items()
    }


async def _can(op: Operation, keys: Sequence[UUID]) -> dict[UUID, Abilities[BoardAction]]:
    found = await board_members.members_of(op, keys)
    return {
        key: abilities(may.on_board(op.viewer, people, is_past=op.as_of is not None))
        for key, people in found.items()
    }


@node(
    "board",
    Board,
    scope=access.visible_boards,
    name="Board",
    description="The tasks of a gig in columns: made with the first contract, shared by the client and everybody hired, live "
    "by `boardEvents`.",
)
class BoardType(Node):
    key: str = column(
        Board.key, "What the keys of its tasks begin with; another one on each board of a client."
    )
    gig: Gig | None = one(Board.gig_id, "The gig; always there.")
    columns: list[BoardColumnType] = many(
        BoardColumn.board_id,
        "Its columns, from left to right.",
        order=[BoardColumn.rank, BoardColumn.id],
        where=sql(BoardColumn.removed_at).is_(None),
    )
    labels: list[BoardLabelType] = many(
        BoardLabel.board_id,
        "Its labels, by name.",
        order=[BoardLabel.name, BoardLabel.id],
        where=sql(BoardLabel.removed_at).is_(None),
    )
    members: list[BoardMember] = source(
        _members, "The client first, then those who were hired and did not leave early.", default=list
    )
    tasks: Connection[TaskType] = connection(
        TaskRow.board_id,
        "All tasks, newest first unless ordered otherwise; archived ones too, unless `where` says otherwise.",
        default=newest(TaskRow.created_at),
        where=TaskWhere,
        order=TaskOrder,
        orders=task_orders(),
    )
    activity: Connection[ActivityType] = connection(
        Fact.stream,
        "What happened on it, in order.",
        default=(Key(sql(Fact.number)),),
        tie_break=Fact.id,
        stream="board",
    )
    assignee_limit: int | None = column(
        Board.assignee_limit,
        "How many tasks one person may have in columns that are STARTED, in all together; null: any number.",
    )
    assignee_limit_is_hard: bool = column(
        Board.assignee_limit_is_hard, "Whether that limit refuses more; otherwise it only shows."
    )
    guards_completion: bool = column(
        Board.guards_completion, "Whether a task that others block cannot be completed before them."
    )
    progress_follows: bool = column(
        Board.progress_follows, "Whether `progressPercent` is written into the contracts of the gig."
    )
    progress_percent: int | None = computed(
        lambda percent: percent,
        progress_of(sql(Board.id)).label("board_progress"),
        description="The share of the estimates that is completed, rounded down; a task without one counts as 1, cancelled "
        "ones not at all. Null without tasks.",
    )
    flow: Flow | None = source(
        flows, "How work has flowed over the last 90 days; null of a board of the past.", is_of_now=True
    )
    forecast: Forecast | None = source(
        forecasts,
        "When the remaining tasks will be done; null when nothing was completed in the last 90 days, and of a board of the "
        "past.",
        is_of_now=True,
    )
    presence: list[BoardPresence] | None = source(
        people_at,
        "Who is at it now, by person, as far as this server knows; `PresenceChanged` of `boardEvents` tells every change. Null "
        "of a board of the past: who was there is kept nowhere.",
        is_of_now=True,
    )
    version: int = column(Board.version, "Counts the changes of its settings; for `expectedVersion`.")
    created_at: datetime = column(Board.created_at, "When it was made.")
    updated_at: datetime = column(Board.updated_at, "When its settings changed last.")
    stream_cursor: StreamCursor = current_place(
        "board",
        Board.id,
        "Where the board's stream stood when this was read, or at the moment `asOf`; with it in `after`, `boardEvents` tells "
        "what came later.",
    )
    viewer: Abilities[BoardAction] = source(
        _can, "What you can do to it now; nothing to a board of the past."
    )


@strawberry.type
class BoardQuery:
    board: BoardType | None = lookup(
        "A board by its id; null if there is none or you may not see it.",
        past=board_history.as_of,
        as_of="Show the board as it was at this moment, from when it was made until now, with all that is below it: columns, "
        "tasks, texts, people, comments, activity. Who may see it, what people are called, and everything beside the board is "
        "as it is now. Null is what nobody knows any more (`presence`, `flow`, `forecast`, `watchers`), `version` is 0, texts "
        "of erased people are empty.",
    )
    task: TaskType | None = lookup("A task by its id; null if there is none or you may not see it.")
    boards: Connection[BoardType] = connection(
        None, "Boards you may see, newest first.", default=newest(Board.created_at)
    )
