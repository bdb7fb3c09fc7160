"""Whether boards keep their promise under many hands, how soon a move is seen, and how long keys grow.

    python -m bench.boards [--only hands|speed|keys] [--server-log FILE]

hands: 20 people move 200 tasks over 5 columns at random, 200 moves each, through 2 workers of which one is killed midway;
each follows the board and folds what they are told. speed: a board of 2,000 tasks; its first load, and from a move to the
sockets of 50 followers. keys: 10,000 moves between the same two tasks. The last line is the verdict; the exit code is 1
unless it is all zeros.
"""

import argparse
import asyncio
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from bench.boards.people import Member, Team, assemble
from bench.faults.load import ask
from bench.faults.servers import CannotMeasure, Stage, measured

PEOPLE, TASKS, MOVES = 20, 200, 200
WIP_LIMIT = 60
FOLLOWERS, MANY_TASKS = 50, 2_000
INSERTIONS = 10_000
_SEED = 5
_CATCH_UP_S = 30.0

CREATE = (
    """mutation($input: TaskCreateInput!) { taskCreate(input: $input) { task { id } errors { message } } }"""
)
MOVE = """mutation($input: TaskMoveInput!) { taskMove(input: $input) { outcome errors { code } } }"""
MOVES_AT_ONCE = (
    """mutation($input: TasksMoveInput!) { tasksMove(input: $input) { rows { outcome } errors { code } } }"""
)
LIMIT = """mutation($input: ColumnEditInput!) { columnEdit(input: $input) { outcome errors { message } } }"""
FIRST_LOAD = """query($id: ID!) { board(id: $id) { streamCursor columns { id name taskCount tasks(first: 50) { nodes {
  id key title priority assignees { id name } labels { id name } } } } } }"""


async def measure(place: Stage, only: str | None) -> list[str]:
    """Everything, printed as it is found; what was broken."""
    broken: list[str] = []
    if only in {None, "hands"}:
        broken += await many_hands(place)
    if only in {None, "speed"}:
        await first_load_and_moves(place)
    if only in {None, "keys"}:
        await insertions_at_one_place(place)
    return broken


# -- many hands --------------------------------------------------------------------------------------------------------------


async def many_hands(place: Stage) -> list[str]:
    team = await assemble(place.server.url, 1, people=PEOPLE)
    for number in range(TASKS):
        column = team.columns[number % len(team.columns)]
        await team.create(column, f"Task {number}")
    limited = team.columns[2]
    await ask(
        place.server.url, LIMIT, {"input": {"id": limited, "wipLimit": WIP_LIMIT, "wipIsHard": True}},
        team.members[0].token,
    )  # fmt: skip
    limits = {limited: WIP_LIMIT}
    for member in team.members:
        await member.begin(limits)
    before = team.members[0].number
    chance = random.Random(_SEED)
    began = time.monotonic()
    outcomes: dict[str, int] = {}
    done = asyncio.Event()
    striking = asyncio.create_task(_kill_a_worker(place, team, done))
    await asyncio.gather(*(
        _move_at_random(place.server.url, member, random.Random(chance.random()), outcomes) for member in team.members
    ))  # fmt: skip
    seconds = time.monotonic() - began
    done.set()
    killed = await striking
    order, number = await team.read()
    late = await _wait_for_all(team.members, number)
    wrong = sum(member.order != order for member in team.members)
    breaches = sum(member.breaches for member in team.members)
    lost = TASKS - sum(len(ids) for ids in order.values())
    equal = await _equal_positions(place)
    for member in team.members:
        await member.end()
    print(
        f"hands: {sum(outcomes.values())} moves in {seconds:.0f} s ({outcomes}), {number - before} facts, worker killed: {killed}; "
        f"boards that differ {wrong}, members that never caught up {late}, limits broken {breaches}, tasks lost {lost}, "
        f"equal positions {equal}"
    )
    return ["hands"] if wrong or late or breaches or lost or equal or not killed else []


async def _move_at_random(url: str, member: Member, chance: random.Random, outcomes: dict[str, int]) -> None:
    async with httpx.AsyncClient(timeout=10, headers={"authorization": f"Bearer {member.token}"}) as client:
        for turn in range(MOVES):
            key = f"{member.name}-{turn}"
            moved = {"id": chance.choice(member.known()), "columnId": chance.choice(list(member.order))}
            others = [id for id in member.order[moved["columnId"]] if id != moved["id"]]
            if others and chance.random() < 0.8:
                position: dict[str, str] = {chance.choice(["after", "before"]): chance.choice(others)}
            else:
                position = {"edge": chance.choice(["TOP", "BOTTOM"])}
            outcome = await _settle(client, url, {**moved, "position": position, "idempotencyKey": key})
            outcomes[outcome] = outcomes.get(outcome, 0) + 1


async def _settle(client: httpx.AsyncClient, url: str, wanted: dict[str, Any]) -> str:
    """Send it, and again under its key while nobody knows what became of it; what did."""
    for _ in range(200):
        try:
            answer = await client.post(url, json={"query": MOVE, "variables": {"input": wanted}})
            body = answer.json()
        except (httpx.TransportError, ValueError):
            await asyncio.sleep(0.1)
            continue
        if body.get("errors"):
            await asyncio.sleep(0.1)
            continue
        payload = body["data"]["taskMove"]
        return str(payload["errors"][0]["code"] if payload["errors"] else payload["outcome"])
    raise CannotMeasure(f"A move did not settle: {wanted}")


async def _kill_a_worker(place: Stage, team: Team, done: asyncio.Event) -> bool:
    """Midway through the moves; whether it was done before they ended."""
    first = team.members[0].number
    while team.members[0].number - first < PEOPLE * MOVES // 3:
        if done.is_set():
            return False
        await asyncio.sleep(0.05)
    pid = max(place.server.workers().items(), key=lambda item: item[1])[0]
    os.kill(pid, signal.SIGKILL)
    return True


async def _wait_for_all(members: Sequence[Member], number: int) -> int:
    deadline = time.monotonic() + _CATCH_UP_S
    while time.monotonic() < deadline and any(member.number < number for member in members):  # noqa: ASYNC110 - as many tasks
        await asyncio.sleep(0.05)
    return sum(member.number < number for member in members)


async def _equal_positions(place: Stage) -> int:
    connection = await asyncpg.connect(place.postgres.url.replace("+asyncpg", ""))
    try:
        return int(await connection.fetchval(
            "select count(*) from (select 1 from task where archived_at is null group by column_id, rank having count(*) > 1) as x"
        ))  # fmt: skip
    finally:
        await connection.close()


# -- speed -------------------------------------------------------------------------------------------------------------------


async def first_load_and_moves(place: Stage) -> None:
    team = await assemble(place.server.url, 2, people=5)
    url, client_token = place.server.url, team.members[0].token
    people = [member.person_id for member in team.members]
    for start in range(0, MANY_TASKS, 20):
        await asyncio.gather(*(
            team.create(team.columns[i % 5], f"Task {i}", assigneeIds=[people[i % 5]]) for i in range(start, start + 20)
        ))  # fmt: skip
    took = []
    async with httpx.AsyncClient(timeout=30, headers={"authorization": f"Bearer {client_token}"}) as client:
        for _ in range(40):
            began = time.monotonic()
            answer = await client.post(url, json={"query": FIRST_LOAD, "variables": {"id": team.board_id}})
            took.append(time.monotonic() - began)
            size = len(answer.content)
        board = answer.json()["data"]["board"]
        shown = sum(len(column["tasks"]["nodes"]) for column in board["columns"])
    print(
        f"speed: first load of {MANY_TASKS} tasks ({shown} shown, {size} bytes): "
        f"p50 {_ms(took, 50)}, p95 {_ms(took, 95)} ms"
    )
    followers = [await member.follow_beside() for member in team.members for _ in range(FOLLOWERS // 5)]
    await asyncio.sleep(1)
    ids = board["columns"][0]["tasks"]["nodes"]
    async with httpx.AsyncClient(timeout=30, headers={"authorization": f"Bearer {client_token}"}) as client:
        writes = []
        for i in range(150):
            began = time.monotonic()
            column = team.columns[1 + i % 4]
            wanted = {"id": ids[i % len(ids)]["id"], "columnId": column, "position": {"edge": "TOP"}}
            await client.post(url, json={"query": MOVE, "variables": {"input": wanted}})
            writes.append(time.monotonic() - began)
            await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    delays = [delay for follower in followers for delay in follower.delays]
    for follower in followers:
        follower.task.cancel()
    print(
        f"speed: taskMove answered in p50 {_ms(writes, 50)}, p95 {_ms(writes, 95)} ms; from its beginning (its `occurredAt`, so "
        f"before the commit) to {len(followers)} sockets: {len(delays)} deliveries of {150 * len(followers)}, "
        f"p50 {_ms(delays, 50)}, p99 {_ms(delays, 99)} ms"
    )


def _ms(values: Sequence[float], percent: int) -> str:
    return f"{1000 * statistics.quantiles(values, n=100, method='inclusive')[percent - 1]:.1f}"


# -- keys --------------------------------------------------------------------------------------------------------------------


async def insertions_at_one_place(place: Stage) -> None:
    """Two tasks take turns right behind a third one: each move halves what is left between it and its neighbour."""
    team = await assemble(place.server.url, 3, people=1)
    column = team.columns[0]
    first, a, b, _ = [await team.create(column, title) for title in "fabz"]
    began = time.monotonic()
    for _ in range(INSERTIONS // 100):
        moves = [
            {"taskId": (a, b)[i % 2], "columnId": column, "position": {"after": first}} for i in range(100)
        ]
        await ask(
            place.server.url, MOVES_AT_ONCE, {"input": {"boardId": team.board_id, "moves": moves}},
            team.members[0].token,
        )  # fmt: skip
    seconds = time.monotonic() - began
    connection = await asyncpg.connect(place.postgres.url.replace("+asyncpg", ""))
    try:
        longest = await connection.fetchval("select max(length(rank)) from task_stay")
    finally:
        await connection.close()
    print(
        f"keys: {INSERTIONS} moves between the same two tasks in {seconds:.0f} s, longest key {longest} characters"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.boards")
    parser.add_argument("--only", choices=["hands", "speed", "keys"])
    parser.add_argument("--server-log", type=Path)
    arguments = parser.parse_args()
    broken = measured("boards", lambda place: measure(place, arguments.only), server_log=arguments.server_log)
    print(f"boards: broken {len(broken)}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
