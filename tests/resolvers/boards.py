"""Boards as the tests of their use cases look at them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import col

from auth.viewer import Viewer
from models.board import Board, BoardAct, BoardColumn, ColumnCategory, Edge, Position
from models.store.sql import Receipt
from resolvers import boards, tasks
from resolvers.operation import Operation
from tests.world import Hired, World

TOP, BOTTOM = Position(edge=Edge.TOP), Position(edge=Edge.BOTTOM)


@dataclass(frozen=True, slots=True)
class Stage:
    """A board with its two sides, and its columns by name."""

    world: World
    hired: Hired
    id: UUID
    columns: dict[str, UUID]

    @property
    def client(self) -> Operation:
        return self.world.as_(self.hired.client)

    @property
    def freelancer(self) -> Operation:
        return self.world.as_(self.hired.freelancer)

    async def task(self, title: str = "Paint", column: str = "To do", **values: Any) -> UUID:
        receipt, _ = await tasks.create_task(
            self.client, self.id, {"title": title, **values}, column_id=self.columns[column]
        )
        return receipt.entity_id

    async def move(
        self, task_id: UUID, column: str, position: Position = BOTTOM, *, op: Operation | None = None
    ) -> tuple[Receipt, BoardAct | None]:
        return await tasks.move_task(
            op or self.client,
            task_id,
            column_id=self.columns[column],
            position=position,
            expected_version=None,
        )

    async def titles(self, column: str) -> list[str]:
        """From top to bottom, as everybody sees them."""
        rows = await self.world.rows(
            "select title from task where column_id = :id and archived_at is null order by rank, id",
            id=self.columns[column],
        )
        return [row.title for row in rows]

    async def told(self) -> list[str]:
        """Kinds of the facts in the board's stream, in order."""
        rows = await self.world.rows(
            "select kind from fact where stream = :stream order by number", stream=f"board:{self.id}"
        )
        return [row.kind for row in rows]

    async def head(self) -> int:
        rows = await self.world.rows(
            "select number from stream_head where stream = :stream", stream=f"board:{self.id}"
        )
        return int(rows[0].number)

    async def undo(
        self, act: BoardAct | None, *, by: Viewer | None = None
    ) -> tuple[Receipt, BoardAct | None]:
        assert act is not None
        return await boards.undo(self.world.as_(by or self.hired.client), act.id)


async def board_stage(world: World, *, hired: Hired | None = None) -> Stage:
    hired = hired or await world.hired()
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        board = await tx.get(Board, col(Board.gig_id) == hired.gig_id)
        assert board is not None
        columns = await tx.all(
            BoardColumn, col(BoardColumn.board_id) == board.id, order_by=col(BoardColumn.rank)
        )
    return Stage(world, hired, board.id, {column.name: column.id for column in columns})


async def add_column(
    stage: Stage, name: str, category: ColumnCategory = ColumnCategory.STARTED, **values: Any
) -> UUID:
    receipt, _ = await boards.add_column(
        stage.client, stage.id,
        {"name": name, "category": category, "wip_limit": None, "wip_is_hard": False, **values}, position=BOTTOM,
    )  # fmt: skip
    stage.columns[name] = receipt.entity_id
    return receipt.entity_id
