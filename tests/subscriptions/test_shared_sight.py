"""What is shared among followers was for everybody to see when it was read, whatever became of the gig before and after."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import orjson
import pytest

from auth.viewer import ANONYMOUS, Viewer
from models.gig import GigVisibility
from models.ids import encode_id
from resolvers import gigs, invitations
from schema.execution import Frame
from tests.subscriptions.conftest import StartWorker, Worker
from tests.subscriptions.test_streaming import subscribed

OF_THE_GIG = """subscription ($gig: ID!, $after: StreamCursor) { gigEvents(gigId: $gig, after: $after) {
  event { __typename ... on GigEdited { gig { title } } ... on GigPaused { gig { title } } } } }"""
DEADLINE_S = 5


async def told(frames: AsyncGenerator[Frame, None], count: int) -> list[tuple[str, str | None]]:
    """The next facts: of each its kind, and the title of the gig it links to, None for a link that is null."""
    found: list[tuple[str, str | None]] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(found) < count:
            event = orjson.loads((await anext(frames)).raw)["data"]["gigEvents"]["event"]
            if "gig" in event:
                found.append((event["__typename"], event["gig"] and event["gig"]["title"]))
    return found


async def edit(worker: Worker, owner: Viewer, gig: Any, **content: Any) -> None:
    await gigs.edit_gig(worker.world.as_(owner), gig, content, expected_version=None)


async def test_what_an_owner_was_shown_while_the_gig_was_hidden_is_not_replayed_to_strangers(
    start: StartWorker,
) -> None:
    worker = await start()
    owner = await worker.world.client()
    gig_id = await worker.world.open_gig(owner, title="For all")
    gig = encode_id("gig", gig_id)

    async with subscribed(worker, owner, OF_THE_GIG, gig=gig) as its_owner:
        place = (await anext(its_owner)).cursor
        await edit(worker, owner, gig_id, visibility=GigVisibility.INVITE_ONLY, title="For few")
        hidden = await told(its_owner, 1)
        await edit(worker, owner, gig_id, visibility=GigVisibility.PUBLIC, title="For all again")
        shown = await told(its_owner, 1)
        async with subscribed(worker, ANONYMOUS, OF_THE_GIG, gig=gig, after=place) as stranger:
            replayed = await told(stranger, 2)

    assert (hidden, shown) == ([("GigEdited", "For few")], [("GigEdited", "For all again")])
    assert replayed == [("GigEdited", "For all again")] * 2


async def test_a_gig_that_is_hidden_before_a_fact_is_shown_is_not_shown_with_it(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    owner = await worker.world.client()
    gig_id = await worker.world.open_gig(owner, title="For all")
    db = worker.world.services.db
    read, is_asked, may_answer = db.read, asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any, **options: Any) -> Any:
        is_asked.set()
        await may_answer.wait()
        return await read(*arguments, **options)

    async with subscribed(worker, ANONYMOUS, OF_THE_GIG, gig=encode_id("gig", gig_id)) as stranger:
        await anext(stranger)
        monkeypatch.setattr(db, "read", slow)
        showing = asyncio.create_task(told(stranger, 1))
        await gigs.pause_gig(worker.world.as_(owner), gig_id)
        await is_asked.wait()
        await edit(worker, owner, gig_id, visibility=GigVisibility.INVITE_ONLY, title="For few")
        may_answer.set()

        assert await showing == [("GigPaused", None)]


async def test_a_gig_that_is_not_for_everybody_is_shown_to_those_it_is_for(start: StartWorker) -> None:
    worker = await start()
    owner, invited = await worker.world.client(), await worker.world.freelancer()
    gig_id = await worker.world.open_gig(owner, title="For few", visibility=GigVisibility.INVITE_ONLY)
    await invitations.invite_freelancer(
        worker.world.as_(owner), gig_id, freelancer_id=invited.require_user(), message=None
    )
    people = [owner, invited, invited, await worker.world.admin()]

    async with AsyncExitStack() as stack:
        following = [
            await stack.enter_async_context(
                subscribed(worker, viewer, OF_THE_GIG, gig=encode_id("gig", gig_id))
            )
            for viewer in people
        ]
        for frames in following:
            await anext(frames)
        await gigs.pause_gig(worker.world.as_(owner), gig_id)
        found = await asyncio.gather(*(told(frames, 1) for frames in following))

    assert found == [[("GigPaused", "For few")]] * 4
