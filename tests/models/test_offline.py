"""Moves that were queued offline, without a database: any order of arrival of independent moves gives the same column.

Clients see the same board, move tasks on their own copies of it, and what they did arrives in random interleavings, each
client's moves in its own order.
"""

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.board import NEVER, AnchorElsewhere, ColumnCategory, Edge, Position
from models.ids import new_id
from models.offline import Queued, neighbours_as_seen
from models.rank import between, spread
from models.task import TaskStay

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
COLUMNS, TASKS = 3, 9
BOARD = UUID(int=0)


@dataclass(frozen=True)
class Move:
    task: int
    column: int
    position: Position
    id: str
    device: str
    minute: int


@dataclass
class Client:
    """One device: its own copy of the board, and what it did to it."""

    device: str
    columns: list[list[int]]
    clock: int = 0
    queue: list[Move] = field(default_factory=list)

    def move(self, task: int, column: int, at: int, *, after: bool, minutes: int) -> None:
        for tasks in self.columns:
            if task in tasks:
                tasks.remove(task)
        here = self.columns[column]
        at = min(at, len(here))
        if at and (after or at == len(here)):
            position = Position(after=key(here[at - 1]))
        elif at < len(here):
            position = Position(before=key(here[at]))
        else:
            position = Position(edge=Edge.BOTTOM)
        here.insert(at, task)
        self.clock += minutes
        self.queue.append(
            Move(task, column, position, f"{self.device}{len(self.queue)}", self.device, self.clock)
        )


def key(number: int) -> UUID:
    return UUID(int=number + 1)


class Server:
    """The stays of all tasks, as moves have left them."""

    def __init__(self) -> None:
        self.number = 0
        self.stays: list[TaskStay] = []
        for column in range(COLUMNS):
            tasks = range(column, TASKS, COLUMNS)
            for task, rank in zip(tasks, spread(len(tasks)), strict=True):
                self.enter(task, column, rank, None, None, NOON)

    def enter(
        self, task: int, column: int, rank: str, device: str | None, move_id: str | None, at: datetime
    ) -> None:
        self.number += 1
        for stay in self.stays:
            if stay.task_id == key(task) and stay.until_number == NEVER:
                stay.until_number, stay.until_device = self.number, device
        self.stays.append(TaskStay(
            id=new_id(), board_id=BOARD, task_id=key(task), column_id=key(column), category=ColumnCategory.STARTED, rank=rank,
            from_number=self.number, from_at=NOON, device=device, move_id=move_id, moved_at=at, until_number=NEVER,
        ))  # fmt: skip

    def arrive(self, move: Move, seen: int) -> None:
        queued = Queued(move.id, move.device, seen, NOON + timedelta(minutes=move.minute))
        stays = [s for s in self.stays if s.column_id == key(move.column) and s.until_number > seen]
        low, high = neighbours_as_seen(stays, move.position, queued, moved_id=key(move.task))
        self.enter(move.task, move.column, between(low, high), move.device, move.id, queued.moved_at)

    def columns(self) -> list[list[int]]:
        live = [stay for stay in self.stays if stay.until_number == NEVER]
        live.sort(key=lambda stay: (stay.rank or "", stay.task_id))
        ranks = [(stay.column_id, stay.rank) for stay in live]
        assert len(set(ranks)) == len(ranks)
        return [[s.task_id.int - 1 for s in live if s.column_id == key(column)] for column in range(COLUMNS)]


def interleavings(
    queues: Sequence[Sequence[Move]], chance: random.Random, count: int
) -> Iterable[list[Move]]:
    for _ in range(count):
        left = [list(queue) for queue in queues]
        order = []
        while pending := [queue for queue in left if queue]:
            order.append(chance.choice(pending).pop(0))
        yield order


WISHES = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, TASKS - 1), st.integers(0, COLUMNS - 1), st.integers(0, 4), st.booleans(),
        st.integers(0, 5),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(WISHES, st.integers(0, 1_000))
# One puts a task where it stands already, another one beside it.
@example([(0, 4, 1, 1, False, 1), (2, 0, 1, 2, False, 0)], 0)
# One puts a task before another that then goes on.
@example([(0, 1, 1, 2, False, 1), (1, 2, 1, 3, False, 0), (1, 0, 1, 3, False, 1), (1, 2, 0, 0, False, 0)], 0)
def test_independent_moves_give_the_same_board_in_every_order_of_arrival(
    wishes: list[tuple[int, int, int, int, bool, int]], seed: int
) -> None:
    start = Server()
    clients = [Client(name, start.columns()) for name in "abcd"]
    mover: dict[int, Client] = {}
    anchored: dict[int, set[str]] = {}
    for who, task, column, at, after, minutes in wishes:
        client = clients[who]
        if mover.setdefault(task, client) is not client or anchored.get(task, set()) - {client.device}:
            continue  # it is another one's task, or another one's anchor
        kept = ([list(tasks) for tasks in client.columns], client.clock, list(client.queue))
        client.move(task, column, at, after=after, minutes=minutes)
        anchor = client.queue[-1].position.anchor
        if anchor is not None:
            number = anchor.int - 1
            if mover.get(number, client) is not client:
                client.columns, client.clock, client.queue = kept
                continue
            anchored.setdefault(number, set()).add(client.device)

    seen, boards = start.number, []
    for order in interleavings([client.queue for client in clients], random.Random(seed), 5):
        server = Server()
        for move in order:
            server.arrive(move, seen)
        boards.append(server.columns())

    assert all(board == boards[0] for board in boards)


@pytest.mark.parametrize("arrival", list(itertools.permutations(range(4))))
def test_moves_into_one_gap_stand_by_time_then_by_id_whatever_arrives_first(arrival: Sequence[int]) -> None:
    moves = [
        Move(3, 0, Position(after=key(0)), "m2", "a", 7),
        Move(1, 0, Position(before=key(3)), "m3", "b", 5),
        Move(2, 0, Position(after=key(0)), "m1", "c", 7),
        Move(4, 0, Position(after=key(0)), "m0", "d", 9),
    ]
    moves[0] = Move(5, 0, Position(after=key(0)), "m2", "a", 7)
    server = Server()
    seen = server.number

    for number in arrival:
        server.arrive(moves[number], seen)

    assert server.columns()[0] == [0, 1, 2, 5, 4, 3, 6]


def test_what_the_same_device_did_before_is_seen() -> None:
    server = Server()
    seen = server.number

    server.arrive(Move(1, 0, Position(edge=Edge.TOP), "m0", "a", 5), seen)
    server.arrive(Move(2, 0, Position(after=key(1)), "m1", "a", 5), seen)

    assert server.columns()[0] == [1, 2, 0, 3, 6]


def test_an_anchor_that_another_one_moved_is_refused() -> None:
    server = Server()
    seen = server.number
    server.arrive(Move(3, 1, Position(edge=Edge.TOP), "m0", "a", 5), seen)

    with pytest.raises(AnchorElsewhere):
        server.arrive(Move(1, 0, Position(after=key(3)), "m0", "b", 6), seen)
