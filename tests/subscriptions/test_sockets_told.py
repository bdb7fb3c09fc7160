"""One socket whose peer completes operations and uses their ids again while facts are told at once."""

import asyncio
import random
from collections.abc import Iterable
from functools import partial
from typing import Any

import orjson
import pytest
from starlette.types import Message

from models.ids import encode_id
from resolvers import gigs
from schema.streaming import perform
from tests.subscriptions.conftest import StartWorker, until
from tests.subscriptions.test_follow import DEADLINE_S
from transport.connection import Connection, Limits, Terms
from transport.traffic import Traffic

EVENTS = "subscription ($gig: ID!) { gigEvents(gigId: $gig) { event { __typename } } }"
LINKED = "subscription ($gig: ID!) { gigEvents(gigId: $gig) { event { __typename ... on GigPaused { gig { title } } } } }"
ACTS = 20


class Peer:
    """What it was sent, in order; slow now and then, and sometimes too full for what is told at once."""

    def __init__(self, chance: random.Random) -> None:
        self.said: asyncio.Queue[Message] = asyncio.Queue()
        self.heard: list[dict[str, Any]] = []
        self.at_once = 0
        self._chance = chance

    def say(self, **message: Any) -> None:
        self.said.put_nowait({"type": "websocket.receive", "text": orjson.dumps(message).decode()})

    async def take(self, message: Any) -> None:
        if self._chance.random() < 0.3:
            await asyncio.sleep(0.002)
        if "text" in message:
            self.heard.append(orjson.loads(message["text"]))

    def take_at_once(self, texts: Iterable[bytes]) -> bool:
        if self._chance.random() < 0.3:
            return False
        told = [orjson.loads(text) for text in texts]
        self.at_once += len(told)
        self.heard += told
        return True

    def of(self, id: str) -> list[str]:
        """The kinds of events that came under this id, and `complete`."""
        return [
            message["payload"]["data"]["gigEvents"]["event"]["__typename"]
            if message["type"] == "next"
            else message["type"]
            for message in self.heard
            if message.get("id") == id
        ]


@pytest.mark.parametrize("seed", range(2))
async def test_an_id_that_is_used_again_tells_nothing_of_the_operation_it_meant_before(
    start: StartWorker, seed: int
) -> None:
    worker = await start()
    owner = await worker.world.client()
    gig_id = await worker.world.open_gig(owner)
    chance, gig = random.Random(seed), encode_id("gig", gig_id)
    peer = Peer(chance)
    terms = Terms(
        partial(perform, worker.world.schema, worker.streams), worker.world.services, Limits(), lambda _: None, Traffic(),
        lambda _: True,
    )  # fmt: skip
    socket = Connection(terms, peer.said.get, peer.take, peer.take_at_once, lambda: None, device="")
    running = asyncio.create_task(socket.run())
    peer.say(type="connection_init")

    def subscribe(id: str) -> None:
        payload = {"query": chance.choice([EVENTS, LINKED]), "variables": {"gig": gig}}
        peer.say(type="subscribe", id=id, payload=payload)

    async def begin_again(id: str) -> list[list[str]]:
        """What came between two subscriptions under one id."""
        found: list[list[str]] = []
        while not is_over.is_set():
            peer.heard = [message for message in peer.heard if message.get("id") != id]
            subscribe(id)
            await until(lambda: "StreamReady" in peer.of(id))
            await asyncio.sleep(chance.random() * 0.1)
            peer.say(type="complete", id=id)
            # What was told before the server has heard of it is still of this one.
            await until(lambda: id not in socket._running)
            found.append(peer.of(id))
        return found

    is_over = asyncio.Event()
    subscribe("stays")
    async with asyncio.timeout(4 * DEADLINE_S), asyncio.TaskGroup() as tasks:
        await until(lambda: peer.of("stays") == ["StreamReady"])
        again = [tasks.create_task(begin_again(str(n))) for n in range(6)]
        for number in range(ACTS):
            await (gigs.resume_gig if number % 2 else gigs.pause_gig)(worker.world.as_(owner), gig_id)
            await asyncio.sleep(chance.random() * 0.02)
        await until(lambda: len(peer.of("stays")) == 1 + ACTS)
        is_over.set()
    await worker.streams.stop()
    await until(lambda: peer.of("stays")[-1] == "complete")
    peer.said.put_nowait({"type": "websocket.disconnect"})
    await running

    assert peer.of("stays") == [
        "StreamReady",
        *["GigPaused", "GigResumed"] * (ACTS // 2),
        "StreamEnd",
        "complete",
    ]
    visits = [visit for task in again for visit in task.result()]
    alternately = [["GigPaused", "GigResumed"], ["GigResumed", "GigPaused"]]
    for ready, *told in visits:
        assert ready == "StreamReady"
        assert any(told == (order * ACTS)[: len(told)] for order in alternately), told
    assert peer.at_once > ACTS // 4
    assert worker.streams.followers == 0
