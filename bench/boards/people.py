"""A team on one board: a client, who also works on it as everybody hired does, and clients of theirs that follow and fold."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bench.faults import load
from bench.faults.load import ask, place_in
from docs.examples.follow import follow

SNAPSHOT = """query($id: ID!) { board(id: $id) { streamCursor columns { id tasks(first: 100) {
  nodes { id } pageInfo { hasNextPage endCursor } } } } }"""
MORE = """query($id: ID!, $after: String!) { node(id: $id) { ... on BoardColumn { tasks(first: 100, after: $after) {
  nodes { id } pageInfo { hasNextPage endCursor } } } } }"""
EVENTS = """subscription($boardId: ID!, $after: StreamCursor) { boardEvents(boardId: $boardId, after: $after) { cursor occurredAt
  event { __typename ... on TaskMoved { task { id } column { id } afterTask { id } } } } }"""

Order = dict[str, list[str]]


@dataclass(slots=True)
class Beside:
    """One more subscription of somebody, of which only the delay is of interest: from the act's beginning, in seconds."""

    task: asyncio.Task[None] = field(init=False)
    delays: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Member:
    """Somebody with a copy of the board that is kept true by what they are told."""

    url: str
    board_id: str
    name: str
    token: str
    person_id: str = ""
    order: Order = field(default_factory=dict)
    number: int = 0
    breaches: int = 0
    _task: asyncio.Task[None] | None = None

    def known(self) -> list[str]:
        return [id for ids in self.order.values() for id in ids]

    async def begin(self, limits: dict[str, int]) -> None:
        self.order, self.number, cursor = await read_board(self.url, self.board_id, self.token)
        self._task = asyncio.create_task(self._fold(cursor, limits))

    async def end(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def follow_beside(self) -> Beside:
        beside = Beside()
        _, _, cursor = await read_board(self.url, self.board_id, self.token)
        beside.task = asyncio.create_task(self._time(beside, cursor))
        return beside

    async def _fold(self, cursor: str, limits: dict[str, int]) -> None:
        async for item in self._items(cursor):
            event = item["event"]
            if event["__typename"] == "TaskMoved":
                task_id, behind = event["task"]["id"], event["afterTask"]
                for ids in self.order.values():
                    if task_id in ids:
                        ids.remove(task_id)
                ids = self.order[event["column"]["id"]]
                ids.insert(0 if behind is None else ids.index(behind["id"]) + 1, task_id)
                self.breaches += any(len(self.order[id]) > limit for id, limit in limits.items())
            self.number = place_in(item["cursor"])[1]

    async def _time(self, beside: Beside, cursor: str) -> None:
        async for item in self._items(cursor):
            began = datetime.fromisoformat(item["occurredAt"]).timestamp()
            beside.delays.append(time.time() - began)

    def _items(self, cursor: str) -> Any:
        variables = {"boardId": self.board_id, "after": cursor}
        return follow(self.url, EVENTS, variables, token=lambda: self.token)


@dataclass(slots=True)
class Team:
    url: str
    board_id: str
    columns: list[str]
    members: list[Member]

    async def create(self, column_id: str, title: str, **values: Any) -> str:
        wanted = {"boardId": self.board_id, "columnId": column_id, "title": title, **values}
        return str(
            (await ask(self.url, load.ADD_TASK, {"input": wanted}, self.members[0].token))["task"]["id"]
        )

    async def read(self) -> tuple[Order, int]:
        order, number, _ = await read_board(self.url, self.board_id, self.members[0].token)
        return order, number


async def read_board(url: str, board_id: str, token: str) -> tuple[Order, int, str]:
    """Every column in order, and where the stream stood; only at rest, if a column is longer than a page."""
    board = await ask(url, SNAPSHOT, {"id": board_id}, token)
    order: Order = {}
    for column in board["columns"]:
        page = column["tasks"]
        ids = [node["id"] for node in page["nodes"]]
        while page["pageInfo"]["hasNextPage"]:
            more = {"id": column["id"], "after": page["pageInfo"]["endCursor"]}
            page = (await ask(url, MORE, more, token))["tasks"]
            ids += [node["id"] for node in page["nodes"]]
        order[column["id"]] = ids
    return order, place_in(board["streamCursor"])[1], board["streamCursor"]


async def assemble(url: str, number: int, *, people: int) -> Team:
    """The board of a gig with a client and as many hired people as are wanted beside them; the client is the first member."""
    gig = await load.make_gig(url, number, wanted=max(people - 1, 1))
    names = [f"hired{number}-{i}" for i in range(max(people - 1, 1))]
    tokens = [await load.sign_up(url, f"{name}@boards.example.com", name, "FREELANCER") for name in names]
    for token in tokens:
        await load.hire(url, gig, token)
    board = (await ask(url, load.BOARD_OF, {"id": gig.id}, gig.token))["board"]
    person_ids = {member["person"]["name"]: member["person"]["id"] for member in board["members"]}
    everybody = zip([f"Client {number}", *names], [gig.token, *tokens], strict=True)
    members = [Member(url, board["id"], name, token, person_ids[name]) for name, token in everybody]
    return Team(url, board["id"], [column["id"] for column in board["columns"]], members[:people])
