"""Subscriptions of the whole product through real sockets, with the reference client of the documentation."""

import asyncio
import gc
import json
import random
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.server import ServerProtocol

from app import Application
from auth.viewer import Viewer
from bench.faults.crowd import Silent
from docs.examples.follow import GIG_EVENTS, Refused, follow
from models.ids import encode_id, new_id
from resolvers import accounts, gigs
from subscriptions.follow import Follower
from tests.wire.server import serving, settings_for, until
from tests.world import World, make_test_services
from transport.connection import Connection
from transport.protocol import BoundedHttpProtocol, DroppableWebSocketProtocol

DEADLINE_S = 60


@asynccontextmanager
async def product(
    database_url: str, world: World, local: Path, *, port: int = 0, variables: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[str, World]]:
    """The address of a server with everything it does beside, and a world that writes through it."""
    services = await make_test_services(database_url, world.clock)
    app = Application(settings_for(local, **(variables or {})), services)
    try:
        async with serving(app, background=True, port=port) as (address, server):
            try:
                yield address, World(services, world.clock, world.schema)
            finally:
                await app.stop()
                server.should_exit = True
    finally:
        await services.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def kinds_until(items: AsyncIterator[dict[str, Any]], count: int) -> tuple[list[str], list[str]]:
    """Kinds and cursors of the next items."""
    found = []
    async with asyncio.timeout(DEADLINE_S):
        async for item in items:
            found.append(item)
            if len(found) == count:
                break
    return [item["event"]["__typename"] for item in found], [item["cursor"] for item in found]


@pytest.mark.long
async def test_a_client_goes_on_across_a_restart_of_the_server(
    database_url: str, world: World, tmp_path: Path
) -> None:
    port, client = free_port(), await world.client()
    gig_id = await world.open_gig(client)
    place = (
        await world.data(
            client, "query ($id: ID!) { gig(id: $id) { streamCursor } }", id=encode_id("gig", gig_id)
        )
    )["gig"]
    variables = {"gigId": encode_id("gig", gig_id), "after": place["streamCursor"]}
    items = follow(f"http://127.0.0.1:{port}/graphql", GIG_EVENTS, variables)
    told = asyncio.create_task(kinds_until(items, 6))

    for _ in range(2):
        async with product(database_url, world, tmp_path, port=port) as (_, its_world):
            await gigs.pause_gig(its_world.as_(client), gig_id)
            await gigs.resume_gig(its_world.as_(client), gig_id)
        # While nobody serves.
        if not told.done():
            await gigs.pause_gig(world.as_(client), gig_id)
            await gigs.resume_gig(world.as_(client), gig_id)
    async with product(database_url, world, tmp_path, port=port):
        kinds, cursors = await told

    assert kinds == ["GigPaused", "GigResumed"] * 3
    assert len(set(cursors)) == 6


@asynccontextmanager
async def cutting(port: int, chance: random.Random) -> AsyncIterator[int]:
    """A way to the server on `port` that is cut again and again, in the middle of whatever is said."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = chance.randint(300, 4_000)
        while left > 0 and (data := await reader.read(min(left, 200))):
            writer.write(data)
            left -= len(data)
        writer.transport.abort()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(carry(reader, there_writer))
            tasks.create_task(carry(there_reader, writer))

    async with await asyncio.start_server(join, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        server.close()


@pytest.mark.long
async def test_a_client_whose_connections_are_cut_at_random_gets_everything_once_in_order(
    database_url: str, world: World, tmp_path: Path
) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client)
    rounds = 15

    async with product(database_url, world, tmp_path) as (address, its_world):
        cursor = (
            await its_world.data(
                client, "query ($id: ID!) { gig(id: $id) { streamCursor } }", id=encode_id("gig", gig_id)
            )
        )["gig"]["streamCursor"]
        async with cutting(int(address.rpartition(":")[2]), random.Random(7)) as port:
            variables = {"gigId": encode_id("gig", gig_id), "after": cursor}
            items = follow(f"http://127.0.0.1:{port}/graphql", GIG_EVENTS, variables, longest_wait_s=0.1)
            told = asyncio.create_task(kinds_until(items, 2 * rounds))
            for _ in range(rounds):
                await gigs.pause_gig(its_world.as_(client), gig_id)
                await gigs.resume_gig(its_world.as_(client), gig_id)
            kinds, cursors = await told

    assert kinds == ["GigPaused", "GigResumed"] * rounds
    assert len(set(cursors)) == 2 * rounds


async def test_what_cannot_be_followed_is_told_and_not_tried_again(
    database_url: str, world: World, tmp_path: Path
) -> None:
    async with product(database_url, world, tmp_path) as (address, _):
        items = follow(f"{address}/graphql", GIG_EVENTS, {"gigId": encode_id("gig", new_id())})
        with pytest.raises(Refused, match="There is no such gig"):
            await kinds_until(items, 1)


@contextmanager
def no_collection_of_cycles() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def alive(*kinds: type[object]) -> set[tuple[type[object], int]]:
    """Of other tests, too: their servers may still be there."""
    return {(type(thing), id(thing)) for thing in gc.get_objects() if type(thing) in kinds}


@pytest.mark.long
async def test_nothing_of_a_subscriber_who_vanished_stays_until_cycles_are_collected(
    database_url: str, world: World, tmp_path: Path
) -> None:
    gig_id = encode_id("gig", await world.open_gig(await world.client()))
    parts = (Follower, Connection, DroppableWebSocketProtocol, ServerProtocol)

    async with product(database_url, world, tmp_path) as (address, _):
        with no_collection_of_cycles():
            before = alive(*parts, BoundedHttpProtocol)
            silent = await asyncio.to_thread(
                Silent, int(address.rpartition(":")[2]), GIG_EVENTS, {"gigId": gig_id}
            )
            await asyncio.to_thread(silent.wait)
            its = alive(*parts, BoundedHttpProtocol) - before

            silent.reset()

            await until(lambda: not its & alive(*parts))

    # The protocol of HTTP was gone as soon as it had been upgraded.
    assert {kind for kind, _ in its} == set(parts)
    assert len(its) == len(parts)


async def test_a_revoked_session_ends_its_streams_with_the_reason_and_is_refused_from_then_on(
    database_url: str, world: World, tmp_path: Path
) -> None:
    person = await world.freelancer()
    token = world.services.tokens.access_token(
        user_id=person.require_user(), session_id=session_of(person), roles=["FREELANCER"], now=world.clock()
    )
    document = "subscription { viewerEvents { cursor event { __typename ... on StreamEnd { reason } } } }"

    async with product(database_url, world, tmp_path) as (address, _):
        async with connect(
            address.replace("http", "ws") + "/graphql",
            subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
        ) as ws:
            await ws.send(
                json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
            )
            await ws.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": document}}))
            assert json.loads(await ws.recv()) == {"type": "connection_ack"}
            assert event_in(await ws.recv()) == {"__typename": "StreamReady"}
            # By another process: this one learns of it from the database.
            began = asyncio.get_running_loop().time()
            await accounts.revoke_session(world.as_(person), session_id=None)
            async with asyncio.timeout(DEADLINE_S):
                last = event_in(await ws.recv())
                took = asyncio.get_running_loop().time() - began
                complete = json.loads(await ws.recv())
                with pytest.raises(ConnectionClosed) as closed:
                    await ws.recv()
        refused = await asyncio.to_thread(
            httpx.post,
            f"{address}/graphql",
            json={"query": "{ viewer { name } }"},
            headers={"authorization": f"Bearer {token}"},
        )

    assert last == {"__typename": "StreamEnd", "reason": "SESSION_ENDED"}
    assert took < 2
    assert complete == {"id": "1", "type": "complete"}
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4403
    assert refused.status_code == 401


def session_of(viewer: Viewer) -> UUID:
    assert viewer.session_id is not None
    return viewer.session_id


def event_in(message: str | bytes) -> Any:
    (item,) = json.loads(message)["payload"]["data"].values()
    return item["event"]
