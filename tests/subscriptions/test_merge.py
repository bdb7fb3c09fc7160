"""One stream of everything that concerns a person: nothing missing, nothing twice, in the order of each stream."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import orjson
import pytest

from auth.viewer import Viewer
from models.ids import encode_id
from resolvers import applications, contracts, gigs
from schema.execution import Frame, Response
from schema.places import unpacked
from subscriptions.merge import gigs_of
from tests.subscriptions.conftest import StartWorker, Worker
from tests.subscriptions.test_streaming import DEADLINE_S, ask

ALL = """subscription ($after: StreamCursor, $topics: [Topic!]) { viewerEvents(after: $after, topics: $topics) {
    cursor occurredAt event { __typename
      ... on GigPaused { gig { id } } ... on GigResumed { gig { id } } ... on GigCountsChanged { gig { id } }
      ... on ApplicationSubmitted { gig { id } } ... on ApplicationViewed { gig { id } } } } }"""
Item = dict[str, Any]


class Following:
    """One subscriber of everything."""

    def __init__(self, frames: AsyncGenerator[Frame, None]) -> None:
        self.frames = frames

    async def next(self) -> Item:
        async with asyncio.timeout(DEADLINE_S):
            item: Item = orjson.loads((await anext(self.frames)).raw)["data"]["viewerEvents"]
        return item

    async def until_ready(self) -> list[Item]:
        """What is told before `StreamReady`, and that."""
        items = [await self.next()]
        while items[-1]["event"]["__typename"] != "StreamReady":
            items.append(await self.next())
        return items

    async def close(self) -> None:
        await self.frames.aclose()


async def follow(worker: Worker, viewer: Viewer, after: str | None = None, **more: Any) -> Following:
    frames = await ask(worker, viewer, ALL, after=after, **more)
    assert not isinstance(frames, Response), frames
    return Following(frames)


async def replayed(worker: Worker, viewer: Viewer, after: str | None, **more: Any) -> list[Item]:
    following = await follow(worker, viewer, after, **more)
    items = await following.until_ready()
    await following.close()
    return items


async def place_of(worker: Worker, viewer: Viewer) -> str:
    document = "{ viewer { streamCursor } }"
    cursor: str = (await worker.world.data(viewer, document))["viewer"]["streamCursor"]
    return cursor


def kinds(items: list[Item]) -> list[str]:
    return [item["event"]["__typename"] for item in items]


def streams_in(worker: Worker, cursor: str) -> set[str]:
    message = worker.world.services.signer.open("stream", cursor)
    assert message is not None
    return set(unpacked(message)[1])


async def test_facts_of_ones_own_stream_and_of_ones_gigs_are_told_once(start: StartWorker) -> None:
    worker = await start()
    world, client = worker.world, await worker.world.client()
    anna, bela = await world.freelancer("Anna"), await world.freelancer("Bela")
    gig_id, other_id = await world.open_gig(client), await world.open_gig(client)
    await world.application(anna, gig_id)
    following = await follow(worker, anna, await place_of(worker, anna))
    assert kinds(await following.until_ready()) == ["StreamReady"]

    of_anna = await world.application(anna, other_id)  # joins this gig while the stream is followed
    told = [await following.next()]
    for act in (
        world.application(bela, gig_id),
        applications.mark_application_viewed(world.as_(client), of_anna),
        gigs.pause_gig(world.as_(client), other_id),
        gigs.pause_gig(world.as_(client), gig_id),
    ):
        await act
        told.append(await following.next())
    await following.close()

    one, other = encode_id("gig", gig_id), encode_id("gig", other_id)
    assert [(item["event"]["__typename"], item["event"]["gig"]["id"]) for item in told] == [
        ("ApplicationSubmitted", other), ("GigCountsChanged", one), ("ApplicationViewed", other),
        ("GigPaused", other), ("GigPaused", one),
    ]  # fmt: skip
    assert len({item["cursor"] for item in told}) == len(told)


async def test_from_every_place_the_rest_is_told(start: StartWorker) -> None:
    worker = await start()
    world, client, anna = worker.world, await worker.world.client(), await worker.world.freelancer("Anna")
    ids = [await world.open_gig(client) for _ in range(3)]
    place = await place_of(worker, anna)
    for gig_id in ids:
        await gigs.pause_gig(world.as_(client), gig_id)  # before she takes part in it: not her business
        await gigs.resume_gig(world.as_(client), gig_id)
        await world.application(anna, gig_id)
    for gig_id in reversed(ids):
        await gigs.pause_gig(world.as_(client), gig_id)

    told = (await replayed(worker, anna, place))[:-1]

    assert sorted(kinds(told)) == ["ApplicationSubmitted"] * 3 + ["GigPaused"] * 3
    for number, item in enumerate(told):
        rest = (await replayed(worker, anna, item["cursor"]))[:-1]
        assert sorted(map(_content, rest)) == sorted(map(_content, told[number + 1 :]))


def _content(item: Item) -> tuple[str, str]:
    return item["event"]["__typename"], item["event"]["gig"]["id"]


async def test_an_owner_learns_of_a_gig_that_was_begun_elsewhere(start: StartWorker) -> None:
    worker = await start()
    world, client = worker.world, await worker.world.client()
    place = await place_of(worker, client)

    gig_id = await world.open_gig(client)
    await gigs.pause_gig(world.as_(client), gig_id)

    assert kinds(await replayed(worker, client, place)) == [
        "GigCreated",
        "GigPublished",
        "GigPaused",
        "StreamReady",
    ]


async def test_what_happens_in_a_gig_that_was_joined_while_the_stream_began_is_told(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, elsewhere = await start(), await start()
    world, client, anna = worker.world, await worker.world.client(), await worker.world.freelancer("Anna")
    gig_id = await world.open_gig(client)
    has_acted = asyncio.Event()

    async def look_after_acts(*arguments: Any) -> Any:
        if not has_acted.is_set():  # by a worker of which only the sweep tells
            await elsewhere.world.application(anna, gig_id)
            await gigs.pause_gig(elsewhere.world.as_(client), gig_id)
            has_acted.set()
        return await gigs_of(*arguments)

    monkeypatch.setattr("subscriptions.merge.gigs_of", look_after_acts)
    following = await follow(worker, anna)
    beginning = asyncio.create_task(following.until_ready())
    async with asyncio.timeout(DEADLINE_S):
        await has_acted.wait()
        await worker.streams.sweep()
        await worker.streams.sweep()
        told = await beginning
        while len(told) < 3:
            told.append(await following.next())
    await following.close()

    assert [kind for kind in kinds(told) if kind != "StreamReady"] == ["ApplicationSubmitted", "GigPaused"]


async def test_a_gig_that_is_over_is_told_to_its_end_and_then_left(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    hired = await world.hired()
    stream = f"gig:{hired.gig_id}"
    place = await place_of(worker, hired.freelancer)
    assert stream in streams_in(worker, place)
    await contracts.submit_work(world.as_(hired.freelancer), hired.contract_id, note=None)
    await contracts.approve_work(world.as_(hired.client), hired.contract_id)

    following = await follow(worker, hired.freelancer, place)
    told = await following.until_ready()
    await world.hired(freelancer=hired.freelancer)
    told += [await following.next(), await following.next()]
    await following.close()

    assert kinds(told)[:3] == ["WorkSubmitted", "ContractCompleted", "GigCompleted"]
    assert stream not in streams_in(worker, told[-1]["cursor"])


async def test_places_in_gigs_are_kept_while_other_topics_are_followed(start: StartWorker) -> None:
    worker = await start()
    world, client, anna = worker.world, await worker.world.client(), await worker.world.freelancer("Anna")
    gig_id = await world.open_gig(client)
    await world.application(anna, gig_id)
    place = await place_of(worker, anna)

    await gigs.pause_gig(world.as_(client), gig_id)
    (ready,) = await replayed(worker, anna, place, topics=["APPLICATIONS"])

    assert kinds(await replayed(worker, anna, ready["cursor"])) == ["GigPaused", "StreamReady"]


async def test_a_cursor_of_ones_own_stream_alone_will_do_and_one_of_a_gig_will_not(
    start: StartWorker,
) -> None:
    worker = await start()
    world, client, anna = worker.world, await worker.world.client(), await worker.world.freelancer("Anna")
    own = (await world.data(anna, "{ notificationCounts { streamCursor } }"))["notificationCounts"][
        "streamCursor"
    ]
    gig_id = await world.open_gig(client)
    await world.application(anna, gig_id)
    document = "query ($id: ID!) { gig(id: $id) { streamCursor } }"
    of_gig = (await world.data(anna, document, id=encode_id("gig", gig_id)))["gig"]["streamCursor"]

    refused = await ask(worker, anna, ALL, after=of_gig)

    assert kinds(await replayed(worker, anna, own)) == ["ApplicationSubmitted", "StreamReady"]
    assert isinstance(refused, Response) and refused.code == "BAD_USER_INPUT"


async def test_no_place_is_longer_than_4_kb_and_what_is_followed_is_what_one_takes_part_in(
    start: StartWorker,
) -> None:
    worker = await start()
    world, client = worker.world, await worker.world.client()
    ids = [await world.draft(client) for _ in range(62)]

    cursor = await place_of(worker, client)

    newest = {f"gig:{gig_id}" for gig_id in ids[2:]}
    assert streams_in(worker, cursor) == {f"user:{client.user_id}"} | newest
    assert len(cursor) <= 4096
