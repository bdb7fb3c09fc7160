"""A board under its lock: what one act reads, changes, tells, and keeps so that it can be taken back.

Whoever changes anything on a board locks its row first (after gig, application and contract, before stream heads). So acts
on one board come one after the other: limits hold, neighbours are known, and the numbers of the facts are known before
they are written, because nobody else writes to the board's stream meanwhile.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import SQLModel, col

from auth import access
from models.board import (
    MAX_TASKS,
    NEVER,
    REMEMBERED,
    Board,
    BoardAct,
    BoardColumn,
    BoardFull,
    BoardRests,
    ColumnCategory,
    WipLimit,
)
from models.board_events import BoardEvent
from models.contract import LIVE, Contract
from models.errors import NotAllowed, NotFound, Path
from models.ids import new_id
from models.rank import LONGEST, between, spread
from models.store.sql import Receipt, Transaction
from models.stream import StreamHead
from models.task import Task, TaskAssignee, TaskStay
from resolvers.jobs import schedule
from resolvers.operation import Operation

Step = dict[str, Any]
"""One change of a board as data: `do` names it, the rest are its arguments, all of them plain enough for JSON."""

M = TypeVar("M", bound=SQLModel)


@dataclass(slots=True)
class OpenBoard:
    op: Operation
    tx: Transaction
    row: Board
    head: int
    """The number of the last fact in the board's stream when it was locked."""
    columns: dict[UUID, BoardColumn]
    number: int = 0
    """The number of the last fact that was told."""
    touches: set[str] = field(default_factory=set)
    uses: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.number = self.head

    @property
    def about(self) -> dict[str, Any]:
        """What every event of the board says."""
        return {"board_id": self.row.id, "gig_id": self.row.gig_id, "at": self.op.now()}

    def tell(self, event: BoardEvent) -> None:
        self.number += 1
        self.tx.emit(event)

    async def column(self, column_id: UUID, *, path: Path = ("columnId",)) -> BoardColumn:
        """Raises `NotFound`."""
        found = self.columns.get(column_id)
        if found is None or found.removed_at is not None:
            raise NotFound("column", path=path)
        return found

    async def task(self, task_id: UUID, *, path: Path = ("id",)) -> Task:
        """Raises `NotFound`."""
        return await self.find(Task, task_id, what="task", path=path)

    async def find(self, model: type[M], key: UUID, *, what: str, path: Path = ("id",)) -> M:
        """The row of this board. Raises `NotFound`."""
        row: Any = await self.tx.by_id(model, key)
        if row is None or row.board_id != self.row.id:
            raise NotFound(what, path=path)
        found: M = row
        return found

    async def members(self) -> set[UUID]:
        """The client and those whose contract goes on."""
        statement = sa.select(col(Contract.freelancer_id)).where(
            col(Contract.gig_id) == self.row.gig_id, col(Contract.status).in_(LIVE)
        )
        return {self.row.client_id, *(key for (key,) in await self.tx.execute(statement))}

    # -- order -----------------------------------------------------------------------------------------------------------

    async def neighbour(
        self, column_id: UUID, rank: str | None, *, below: bool, but: UUID | None
    ) -> Task | None:
        """The live task next to `rank` (None: to the end) in a column, on the side of the top if `below`."""
        beyond = sa.true() if rank is None else col(Task.rank) < rank if below else col(Task.rank) > rank
        order = (col(Task.rank).desc(), col(Task.id).desc()) if below else (col(Task.rank), col(Task.id))
        statement = sa.select(Task).where(
            col(Task.column_id) == column_id, col(Task.archived_at).is_(None), beyond,
            sa.true() if but is None else col(Task.id) != but,
        ).order_by(*order).limit(1)  # fmt: skip
        return (await self.tx.execute(statement)).scalars().first()

    async def id_before(self, task: Task) -> UUID | None:
        """The task that this one stands behind; None if it is the first of its column."""
        before = await self.neighbour(task.column_id, task.rank, below=True, but=task.id)
        return None if before is None else before.id

    async def rank_between(self, column_id: UUID, low: str | None, high: str | None) -> str:
        """A key between two; where keys have grown too long, all of the column are spread anew."""
        rank = between(low, high)
        if len(rank) <= LONGEST:
            return rank
        renamed = await self._spread(column_id)
        return between(None if low is None else renamed[low], None if high is None else renamed[high])

    async def _spread(self, column_id: UUID) -> dict[str, str]:
        """Give all places of a column new keys in the same order, those that are still remembered included."""
        remembered = [
            col(TaskStay.column_id) == column_id, col(TaskStay.until_number) > self.head - REMEMBERED
        ]  # fmt: skip
        await self.tx.execute(
            sa.update(TaskStay)
            .where(col(TaskStay.column_id) == column_id, col(TaskStay.until_number) <= self.head - REMEMBERED)
            .values(rank=None)
        )
        found = await self.tx.execute(sa.select(col(TaskStay.rank)).where(*remembered).distinct())
        old = sorted(rank for (rank,) in found if rank is not None)
        renamed = dict(zip(old, spread(len(old)), strict=True))
        pairs = (
            sa.func.unnest(
                sa.cast(old, sa.ARRAY(sa.Text)), sa.cast(list(renamed.values()), sa.ARRAY(sa.Text))
            )
            .table_valued("old", "new")
            .render_derived("renamed")
        )
        for table, where in ((TaskStay, remembered), (Task, [col(Task.column_id) == column_id])):
            await self.tx.execute(
                sa.update(table)
                .where(*where, table.rank == pairs.c.old)  # type: ignore[arg-type]
                .values(rank=pairs.c.new)
                .execution_options(synchronize_session=False)
            )
        for row in self.tx.session.identity_map.values():
            if isinstance(row, Task | TaskStay) and row.column_id == column_id and row.rank in renamed:
                set_committed_value(row, "rank", renamed[row.rank])
        return renamed

    async def current_stay(self, task_id: UUID) -> TaskStay | None:
        where = (col(TaskStay.task_id) == task_id, col(TaskStay.until_number) == NEVER)
        return (await self.tx.execute(sa.select(TaskStay).where(*where))).scalars().one_or_none()

    # -- limits ----------------------------------------------------------------------------------------------------------

    async def require_room(self, column: BoardColumn, task: Task) -> None:
        """Raises `WipLimit` when a hard limit lets the task not come into the column."""
        if column.wip_is_hard and column.wip_limit is not None:
            column.require_room(await self.count_in(column.id, but=task.id), entity_id=task.id)
        before = self.columns.get(task.column_id)
        was_started = (
            before is not None and before.category is ColumnCategory.STARTED and not task.archived_at
        )
        if self._limits_hands and column.category is ColumnCategory.STARTED and not was_started:
            await self.require_hands(sorted(await self.assignees(task.id)), but=task)

    @property
    def _limits_hands(self) -> bool:
        return self.row.assignee_limit is not None and self.row.assignee_limit_is_hard

    async def assignees(self, task_id: UUID) -> set[UUID]:
        chosen = sa.select(col(TaskAssignee.user_id)).where(col(TaskAssignee.task_id) == task_id)
        return {key for (key,) in await self.tx.execute(chosen)}

    async def require_hands(self, user_ids: Sequence[UUID], *, but: Task) -> None:
        """Raises `WipLimit` when one of these has as many started tasks as a person may."""
        limit = self.row.assignee_limit
        if limit is None or not self._limits_hands or not user_ids:
            return
        started = [c.id for c in self.columns.values() if c.category is ColumnCategory.STARTED]
        statement = (
            sa.select(sa.func.count())
            .select_from(TaskAssignee)
            .join(Task, col(Task.id) == col(TaskAssignee.task_id))
            .where(
                col(TaskAssignee.user_id).in_(user_ids), col(Task.board_id) == self.row.id, col(Task.id) != but.id,
                col(Task.column_id).in_(started), col(Task.archived_at).is_(None),
            )
            .group_by(col(TaskAssignee.user_id))
            .order_by(sa.func.count().desc())
            .limit(1)
        )  # fmt: skip
        most = (await self.tx.execute(statement)).scalar() or 0
        if most >= limit:
            raise WipLimit("What one person has in hand", limit=limit, count=most, entity_id=but.id)

    async def require_capacity(self) -> None:
        """Raises `BoardFull` when no task more may be on the board."""
        statement = sa.select(sa.func.count()).where(
            col(Task.board_id) == self.row.id, col(Task.archived_at).is_(None)
        )
        if (await self.tx.execute(statement)).scalar_one() >= MAX_TASKS:
            raise BoardFull("tasks", limit=MAX_TASKS)

    async def count_in(self, column_id: UUID, *, but: UUID | None = None) -> int:
        """How many live tasks stand in a column."""
        statement = sa.select(sa.func.count()).where(
            col(Task.column_id) == column_id,
            col(Task.archived_at).is_(None),
            sa.true() if but is None else col(Task.id) != but,
        )
        return int((await self.tx.execute(statement)).scalar_one())

    # -- the end of the act ----------------------------------------------------------------------------------------------

    async def settle(
        self, verb: str, entity_id: UUID, inverse: list[Step], *, undoes: BoardAct | None = None
    ) -> tuple[Receipt, BoardAct | None]:
        """Keep how to take the act back; a NOOP when nothing was told."""
        if self.number == self.head:
            return self.tx.noop(entity_id), None
        act = BoardAct(
            id=new_id(),
            board_id=self.row.id,
            actor_id=self.op.viewer.require_user(),
            verb=verb,
            at=self.op.now(),
            first_number=self.head + 1,
            last_number=self.number,
            inverse=inverse,
            touches=sorted(self.touches),
            uses=sorted(self.uses),
            undoes_id=None if undoes is None else undoes.id,
        )
        self.tx.add(act)
        if self.row.progress_follows:
            await schedule(self.tx, "follow_progress", self.row.id, run_at=self.op.now(), at=self.op.now())
        return self.tx.done(entity_id), act


@asynccontextmanager
async def opened(
    op: Operation, board_id: UUID | None, *, path: Path = ("boardId",), what: str = "board"
) -> AsyncIterator[OpenBoard]:
    """One transaction on a board that the caller is an active member of; `board_id` is None where nothing was found.

    Raises `NotFound`, `NotAllowed` and `BoardRests`.
    """
    op.viewer.require_user()
    async with op.transaction() as tx:
        if board_id is None:
            raise NotFound(what, path=path)
        row = await tx.lock(
            Board, col(Board.id) == board_id, access.visible_boards(op.viewer), what=what, path=path
        )
        await _require_active(op, tx, row)
        head = sa.select(col(StreamHead.number)).where(col(StreamHead.stream) == f"board:{row.id}")
        number = (await tx.execute(head)).scalar() or 0
        columns = await tx.all(
            BoardColumn, col(BoardColumn.board_id) == row.id, order_by=col(BoardColumn.rank)
        )
        yield OpenBoard(op, tx, row, number, {column.id: column for column in columns})


async def board_of(op: Operation, model: type[SQLModel], key: UUID) -> UUID | None:
    """The board that a row belongs to, if the caller sees it: read before the transaction, as a row keeps its board."""
    table: Any = model
    visible = access.on_visible_boards(col(table.board_id))(op.viewer)
    found = await op.db.fetch(sa.select(table.board_id).where(table.id == key, visible))
    return found[0][0] if found else None


async def _require_active(op: Operation, tx: Transaction, board: Board) -> None:
    me = op.viewer.user_id
    if board.client_id == me:
        return
    statement = sa.select(col(Contract.status)).where(
        col(Contract.gig_id) == board.gig_id, col(Contract.freelancer_id) == me
    )
    statuses = {status for (status,) in await tx.execute(statement)}
    if not statuses:
        raise NotAllowed("MEMBER", "Only members of the board can do this.")
    if not statuses & LIVE:
        raise BoardRests(board_id=board.id)
