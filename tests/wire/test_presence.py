"""Who looks and who drags, writes, and is there, over real sockets: two members, and two servers behind one Redis."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from app import Application
from models.ids import encode_id
from models.presence import LEASE, Attendance
from tests.redis_server import RedisServer
from tests.resolvers.boards import board_stage
from tests.resolvers.rooms import direct
from tests.wire.server import serving, settings_for, token_of
from tests.world import World, make_test_services

FOLLOW = """subscription ($id: ID!) { boardEvents(boardId: $id) { event { __typename
  ... on PresenceChanged { people { doing person { name } task { title } } } } } }"""
SET = "mutation ($i: BoardPresenceSetInput!) { boardPresenceSet(input: $i) { outcome people { doing } } }"
FOLLOW_ALL = """subscription { viewerEvents { event { __typename
  ... on TypingChanged { roomId typists { person { name } } }
  ... on MembersPresenceChanged { members { state person { name } } } } } }"""
TYPE = "mutation ($i: RoomTypingInput!) { roomTyping(input: $i) { outcome } }"
TELL = "mutation ($i: PresenceTellInput!) { presenceTell(input: $i) { outcome } }"
SHORT = timedelta(seconds=2)
LOOKING = {"doing": "LOOKING", "person": {"name": "Carla"}, "task": None}
DRAGGING = {"doing": "DRAGGING", "person": {"name": "Farid"}, "task": {"title": "Paint"}}


@asynccontextmanager
async def product(
    database_url: str, world: World, local: Path, *, lease: timedelta = LEASE, **variables: str
) -> AsyncIterator[str]:
    """The address of a server that ends as one does that crashes: without a word about who is where."""
    services = await make_test_services(database_url, world.clock)
    services.attendance = Attendance(lease=lease)
    app = Application(settings_for(local, **variables), services)
    try:
        async with serving(app, background=True) as (address, server):
            try:
                yield address
            finally:
                await app.stop()
                server.should_exit = True
    finally:
        await services.close()


@asynccontextmanager
async def following(address: str, token: str, board: str | None) -> AsyncIterator[ClientConnection]:
    """A socket that follows the board, or all that concerns one, and is ready."""
    url = address.replace("http", "ws") + "/graphql"
    async with connect(url, subprotocols=["graphql-transport-ws"]) as ws:  # type: ignore[list-item]
        await ws.send(
            json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
        )
        payload = {"query": FOLLOW_ALL} if board is None else {"query": FOLLOW, "variables": {"id": board}}
        await ws.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        assert json.loads(await ws.recv())["type"] == "connection_ack"
        assert await told(ws) == {"__typename": "StreamReady"}
        yield ws


async def told(ws: ClientConnection) -> Any:
    async with asyncio.timeout(10):
        (item,) = json.loads(await ws.recv())["payload"]["data"].values()
        return item["event"]


async def people(ws: ClientConnection) -> Any:
    return (await told(ws))["people"]


async def say(address: str, token: str, document: str = SET, **input: Any) -> None:
    body = {"query": document, "variables": {"i": input}}
    headers = {"authorization": f"Bearer {token}"}
    # Trusting nobody: reading the machine's certificates takes a quarter of a second.
    async with httpx.AsyncClient(verify=False) as http:
        answer = await http.post(f"{address}/graphql", json=body, headers=headers)
    (payload,) = answer.json()["data"].values()
    assert payload["outcome"] == "APPLIED"


@dataclass(frozen=True)
class Members:
    """Tokens of the two members of a board, and what they look at."""

    client: str
    freelancer: str
    board: str
    task: str


async def staged(world: World) -> Members:
    client, freelancer = await world.client("Carla"), await world.freelancer("Farid")
    stage = await board_stage(world, hired=await world.hired(client=client, freelancer=freelancer))
    task_id = await stage.task("Paint")
    return Members(
        token_of(world, client), token_of(world, freelancer), encode_id("board", stage.id), encode_id("task", task_id)
    )  # fmt: skip


async def test_a_member_sees_within_a_second_what_another_one_drags_until_they_are_gone(
    database_url: str, world: World, tmp_path: Path
) -> None:
    its = await staged(world)

    async with (
        product(database_url, world, tmp_path) as address,
        following(address, its.client, its.board) as ws,
    ):
        await say(address, its.client, boardId=its.board, doing="LOOKING", client="tab 1")
        alone = await people(ws)
        began = time.monotonic()
        await say(address, its.freelancer, boardId=its.board, doing="DRAGGING", taskId=its.task)
        dragging = await people(ws)
        took_s = time.monotonic() - began
        await say(address, its.freelancer, boardId=its.board, doing="AWAY")
        left = await people(ws)

    assert alone == left == [LOOKING]
    assert dragging == [LOOKING, DRAGGING]
    assert took_s < 1


async def test_who_follows_everything_sees_who_writes_and_who_is_there_at_another_server(
    database_url: str, world: World, tmp_path: Path, redis_server: RedisServer
) -> None:
    me, other = await world.client("Carla"), await world.freelancer("Farid")
    my_token, their_token = token_of(world, me), token_of(world, other)
    room = encode_id("room", await direct(world, me, other))

    async with (
        product(database_url, world, tmp_path, BROKER_URL=redis_server.url) as address,
        product(database_url, world, tmp_path, BROKER_URL=redis_server.url) as elsewhere,
        following(address, my_token, None) as ws,
    ):
        await say(elsewhere, their_token, TYPE, roomId=room)
        writing = await told(ws)
        await say(elsewhere, their_token, TELL, state="ONLINE")
        there = await told(ws)
        await say(elsewhere, their_token, TYPE, roomId=room, isTyping=False)
        silent = await told(ws)

    assert writing == {
        "__typename": "TypingChanged",
        "roomId": room,
        "typists": [{"person": {"name": "Farid"}}],
    }
    assert there["members"] == [{"state": "ONLINE", "person": {"name": "Farid"}}]
    assert silent["typists"] == []


@pytest.mark.long
async def test_nobody_is_seen_longer_than_a_lease_after_their_server_has_died(
    database_url: str, world: World, tmp_path: Path, redis_server: RedisServer
) -> None:
    its = await staged(world)
    variables = {"BROKER_URL": redis_server.url}

    async with (
        product(database_url, world, tmp_path, lease=SHORT, **variables) as address,
        following(address, its.client, its.board) as ws,
    ):
        async with product(database_url, world, tmp_path, lease=SHORT, **variables) as dying:
            await say(dying, its.freelancer, boardId=its.board, doing="DRAGGING", taskId=its.task)
            dragging, began = await people(ws), time.monotonic()
        gone = await people(ws)
        took_s = time.monotonic() - began

    assert (dragging, gone) == ([DRAGGING], [])
    assert took_s < SHORT.total_seconds() + 1
