"""Subscriptions through the schema: exact frames, who is told what, and what a fact costs when many are told the same."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import orjson
import pytest
import sqlalchemy as sa
from graphql import GraphQLObjectType, get_named_type, is_leaf_type

from auth.revocation import RevokedSessions
from auth.viewer import ANONYMOUS, Viewer
from models.event import Topic
from models.ids import encode_id, new_id
from models.notice import NotificationCategory
from models.notification import NotificationChannel
from models.store.sql import counting_statements
from resolvers import applications, gigs, notifications, people
from resolvers.operation import Operation, Rules
from resolvers.retention import REPLAY_KEPT, delete_outdated
from schema.activity import concrete_events
from schema.execution import Frame, Request, Response
from schema.streaming import SendAtOnce, perform
from tests.subscriptions.conftest import StartWorker, Worker, until
from tests.subscriptions.frames import frames_of, replayed

DEADLINE_S = 5
EVENTS = """subscription ($gig: ID!, $after: StreamCursor) { gigEvents(gigId: $gig, after: $after) {
  cursor event { __typename
    ... on StreamReady { replayed } ... on StreamReset { resetBecause: reason } ... on StreamEnd { endBecause: reason }
    ... on GigPaused { gigStatusBefore gigStatus } ... on GigResumed { gigStatusBefore gigStatus } } } }"""
OF_THE_GIG = """subscription ($gig: ID!, $after: StreamCursor) { gigEvents(gigId: $gig, after: $after) {
  cursor event { __typename ... on GigPaused { note gig { id title status skills { name } } } } } }"""
LINKED = """subscription ($gig: ID!, $after: StreamCursor) { gigEvents(gigId: $gig, after: $after) {
  cursor actorName event { __typename ... on GigPaused { gig { status } } } } }"""

ACTORS = "subscription ($gig: ID!) { gigEvents(gigId: $gig) { cursor actor { name } event { __typename } } }"


async def ask(
    worker: Worker,
    viewer: Viewer,
    document: str = EVENTS,
    send_at_once: SendAtOnce | None = None,
    **variables: Any,
) -> Response | AsyncGenerator[Frame, None]:
    operation = Operation(worker.world.services, viewer, "test")
    request = Request(document, variables)
    return await perform(worker.world.schema, worker.streams, request, operation, send_at_once)


@asynccontextmanager
async def subscribed(
    worker: Worker, viewer: Viewer, document: str = EVENTS, **variables: Any
) -> AsyncIterator[AsyncGenerator[Frame, None]]:
    frames = await ask(worker, viewer, document, **variables)
    assert not isinstance(frames, Response), frames.body
    yield frames
    await frames.aclose()


async def items(frames: AsyncGenerator[Frame, None], count: int) -> list[dict[str, Any]]:
    """The next items, each with the cursor of its frame, which must be the one in it."""
    found = []
    async with asyncio.timeout(DEADLINE_S):
        for _ in range(count):
            frame = await anext(frames)
            item = orjson.loads(frame.raw)["data"]["gigEvents"]
            assert item["cursor"] == frame.cursor
            found.append(item)
    return found


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [item["event"]["__typename"] for item in found]


async def refusal(worker: Worker, viewer: Viewer, document: str = EVENTS, **variables: Any) -> dict[str, Any]:
    response = await ask(worker, viewer, document, **variables)
    assert isinstance(response, Response)
    assert not response.executed
    assert worker.streams.followers == 0
    error: dict[str, Any] = response.body["errors"][0]
    return error


async def test_a_subscription_is_ready_then_tells_what_happens(start: StartWorker) -> None:
    worker = await start()
    client = await worker.world.client()
    gig_id = await worker.world.open_gig(client)
    id = encode_id("gig", gig_id)

    async with subscribed(worker, ANONYMOUS, gig=id) as frames:
        ready = await items(frames, 1)
        await gigs.pause_gig(worker.world.as_(client), gig_id)
        await gigs.resume_gig(worker.world.as_(client), gig_id)
        told = await items(frames, 2)

    assert [item["event"] for item in ready + told] == [
        {"__typename": "StreamReady", "replayed": 0},
        {"__typename": "GigPaused", "gigStatusBefore": "OPEN", "gigStatus": "PAUSED"},
        {"__typename": "GigResumed", "gigStatusBefore": "PAUSED", "gigStatus": "OPEN"},
    ]
    assert worker.streams.followers == 0


async def test_it_goes_on_behind_a_cursor_of_an_item_a_snapshot_or_a_payload(start: StartWorker) -> None:
    worker = await start()
    world, client = worker.world, await worker.world.client()
    gig_id = await world.open_gig(client)
    id = encode_id("gig", gig_id)
    snapshot = await world.data(ANONYMOUS, "query ($id: ID!) { gig(id: $id) { streamCursor } }", id=id)
    payload = await world.data(
        client, "mutation ($id: ID!) { gigPause(input: {id: $id}) { position } }", id=id
    )
    await gigs.resume_gig(world.as_(client), gig_id)

    async with subscribed(worker, ANONYMOUS, gig=id, after=snapshot["gig"]["streamCursor"]) as frames:
        after_snapshot = await items(frames, 3)
    async with subscribed(worker, ANONYMOUS, gig=id, after=payload["gigPause"]["position"]) as frames:
        after_payload = await items(frames, 2)
    async with subscribed(worker, ANONYMOUS, gig=id, after=after_snapshot[0]["cursor"]) as frames:
        after_item = await items(frames, 2)

    assert kinds(after_snapshot) == ["GigPaused", "GigResumed", "StreamReady"]
    assert after_snapshot[2]["event"]["replayed"] == 2
    assert kinds(after_payload) == kinds(after_item) == ["GigResumed", "StreamReady"]
    assert after_payload == after_item


async def test_facts_reach_their_audience_and_nobody_else(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    client, one, other = await world.client(), await world.freelancer(), await world.freelancer()
    gig_id = await world.open_gig(client)
    application_id = await world.application(one, gig_id)
    await world.application(other, gig_id)
    await applications.shortlist_application(world.as_(client), application_id)
    await gigs.pause_gig(world.as_(client), gig_id)
    id = encode_id("gig", gig_id)
    start_of_time = (await world.data(client, "query ($id: ID!) { gig(id: $id) { streamCursor } }", id=id))[
        "gig"
    ]
    beginning = world.services.signer.sign("stream", orjson.dumps([world.services.epoch, f"gig:{gig_id}", 0]))
    expected = {
        client: ["GigCreated", "GigPublished", "ApplicationSubmitted", "ApplicationSubmitted", "ApplicationShortlisted", "GigPaused"],
        one: ["GigPublished", "ApplicationSubmitted", "GigCountsChanged", "ApplicationShortlisted", "GigPaused"],
        other: ["GigPublished", "GigCountsChanged", "ApplicationSubmitted", "GigPaused"],
        ANONYMOUS: ["GigPublished", "GigCountsChanged", "GigCountsChanged", "GigPaused"],
    }  # fmt: skip

    for viewer, told in expected.items():
        async with subscribed(worker, viewer, gig=id, after=beginning) as frames:
            found = await items(frames, len(told) + 1)
        assert kinds(found) == [*told, "StreamReady"]
        # Whatever was passed over, the place behind it all is the same.
        assert found[-1]["cursor"] == start_of_time["streamCursor"]


async def test_what_a_fact_links_to_is_todays_state_under_the_subscribers_scope(start: StartWorker) -> None:
    worker = await start()
    world, client = worker.world, await worker.world.client("Carla")
    gig_id = await world.open_gig(client)
    id = encode_id("gig", gig_id)

    async with (
        subscribed(worker, ANONYMOUS, LINKED, gig=id) as stranger,
        subscribed(worker, client, LINKED, gig=id) as owner,
    ):
        await items(stranger, 1)
        await items(owner, 1)
        await gigs.pause_gig(world.as_(client), gig_id)
        seen, own = await items(stranger, 1), await items(owner, 1)

    assert own[0]["event"] == seen[0]["event"] == {"__typename": "GigPaused", "gig": {"status": "PAUSED"}}
    assert seen[0]["actorName"] == own[0]["actorName"] == "Carla"


async def test_a_fact_is_shown_once_for_all_it_is_the_same_for(start: StartWorker) -> None:
    worker = await start()
    world, client = worker.world, await worker.world.client()
    people = [ANONYMOUS, client, *[await world.freelancer() for _ in range(3)]]
    gig_id = await world.open_gig(client)
    gig = encode_id("gig", gig_id)

    async def all_told(document: str) -> tuple[int, int, int]:
        """How many were told, how many different texts, and the statements that it took."""
        asked = [await ask(worker, viewer, document, gig=gig) for viewer in people for _ in range(2)]
        frames = [frame for frame in asked if not isinstance(frame, Response)]
        for one in frames:
            await items(one, 1)
        await gigs.pause_gig(world.as_(client), gig_id)
        with counting_statements() as statements:
            async with asyncio.timeout(DEADLINE_S):
                told = await asyncio.gather(*(anext(one) for one in frames))
        await gigs.resume_gig(world.as_(client), gig_id)
        for one in frames:
            await one.aclose()
        return len(told), len({id(frame.raw) for frame in told}), sum(statements.values())

    assert await all_told(EVENTS) == (10, 1, 0)
    # The gig is the same for all who may follow it; its skills are in the same statement.
    assert await all_told(OF_THE_GIG) == (10, 1, 1)
    # Who did it may hide from some: the name, and the gig, once for each of the five.
    assert await all_told(LINKED) == (10, 5, 10)
    # The person behind it may be unknown to some: the name decides, and the person is read, once for each.
    assert await all_told(ACTORS) == (10, 5, 10)


@pytest.mark.parametrize("document", [EVENTS, OF_THE_GIG, LINKED], ids=["facts", "shared", "personal"])
async def test_who_waits_is_told_at_once_where_that_is_possible_and_in_order_where_not(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch, document: str
) -> None:
    monkeypatch.setattr("subscriptions.follow.PREPARE_S", DEADLINE_S)
    worker = await start()
    world, client = worker.world, await worker.world.client()
    gig_id = await world.open_gig(client)
    told: list[list[Frame]] = [[], []]
    is_open = [True, False]

    def sender(number: int) -> SendAtOnce:
        def send_at_once(frames: Sequence[Frame]) -> bool:
            told[number] += frames if is_open[number] else []
            return is_open[number]

        return send_at_once

    asked = [await ask(worker, client, document, sender(n), gig=encode_id("gig", gig_id)) for n in range(2)]
    quick, slow = (frames for frames in asked if not isinstance(frames, Response))
    await anext(quick)
    await anext(slow)
    waiting = asyncio.create_task(anext(quick))
    woken = [asyncio.create_task(anext(slow))]
    async with asyncio.timeout(DEADLINE_S):
        for act in (gigs.pause_gig, gigs.resume_gig, gigs.pause_gig):
            await act(world.as_(client), gig_id)
            told[1].append(await woken[-1])
            woken.append(asyncio.create_task(anext(slow)))
        await until(lambda: len(told[0]) == 3)
        is_open[0] = False
        await gigs.resume_gig(world.as_(client), gig_id)
        told[0].append(await waiting)
        told[1].append(await woken[-1])

    assert [frame.cursor for frame in told[0]] == [frame.cursor for frame in told[1]]
    assert len({frame.cursor for frame in told[0]}) == 4
    assert [frame.raw for frame in told[0]] == [frame.raw for frame in told[1]]
    await quick.aclose()
    await slow.aclose()


async def test_whatever_is_shared_of_a_gig_shows_each_follower_what_they_would_read_themselves(
    start: StartWorker,
) -> None:
    worker = await start()
    world, owner = worker.world, await worker.world.client()
    applicant, saver = await world.freelancer("Anna"), await world.freelancer("Saul")
    gig_id = await world.open_gig(owner)
    await world.application(applicant, gig_id)
    await gigs.save_gig(world.as_(saver), gig_id)
    people = [ANONYMOUS, owner, applicant, saver, await world.client(), await world.admin()]
    kind = world.schema._schema.type_map["Gig"]
    assert isinstance(kind, GraphQLObjectType)
    selections = {name: f"{name}{leaves(field.type)}" for name, field in kind.fields.items()}

    followed: dict[tuple[str, int], AsyncGenerator[Frame, None]] = {}
    for (name, selection), (number, viewer) in itertools.product(selections.items(), enumerate(people)):
        event = f"event {{ ... on GigPaused {{ gig {{ {selection} }} }} }}"
        document = f"subscription ($gig: ID!) {{ gigEvents(gigId: $gig) {{ {event} }} }}"
        frames = await ask(worker, viewer, document, gig=encode_id("gig", gig_id))
        assert not isinstance(frames, Response)
        followed[name, number] = frames
        await anext(frames)  # StreamReady
    await gigs.pause_gig(world.as_(owner), gig_id)
    told = dict(zip(followed, await asyncio.gather(*map(anext, followed.values())), strict=True))
    for frames in followed.values():
        await frames.aclose()

    for (name, number), frame in told.items():
        document = f"query ($gig: ID!) {{ gig(id: $gig) {{ {selections[name]} }} }}"
        read = await world.data(people[number], document, gig=encode_id("gig", gig_id))
        assert orjson.loads(frame.raw)["data"]["gigEvents"]["event"]["gig"] == read["gig"], (name, number)
    shared = [name for name in selections if len({id(told[name, n].raw) for n in range(len(people))}) == 1]
    assert {"title", "status", "applicationCount", "skills"} <= set(shared)
    assert not {"viewer", "isSaved", "client", "applications", "statusNote"} & set(shared)


def leaves(kind: Any) -> str:
    """What can be selected without going deeper than one object; nothing of what has no fields."""
    named = get_named_type(kind)
    if not isinstance(named, GraphQLObjectType):
        return ""
    if "nodes" in named.fields:
        return (
            " { totalCount nodes { __typename id } }"
            if named.name not in {"ActivityConnection", "FreelancerRecommendations"}
            else " { totalCount }"
        )
    parts = [
        name if is_leaf_type(get_named_type(field.type)) else f"{name} {{ __typename }}"
        for name, field in named.fields.items()
        if not field.args
    ]
    return f" {{ {' '.join(parts)} }}"


async def test_what_was_made_of_old_facts_is_not_kept(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subscriptions.follow.RENDERED", 2)
    worker = await start()
    client = await worker.world.client()
    gig_id = await worker.world.open_gig(client)

    async with subscribed(worker, ANONYMOUS, gig=encode_id("gig", gig_id)) as frames:
        await items(frames, 1)
        for _ in range(2):
            await gigs.pause_gig(worker.world.as_(client), gig_id)
            await gigs.resume_gig(worker.world.as_(client), gig_id)
        await items(frames, 4)
        kept = [len(fact.rendered) for fact in worker.streams._tails[f"gig:{gig_id}"].facts]

    assert kept == [0, 0, 1, 1]


async def test_a_field_that_fails_is_told_as_the_specification_says_and_the_stream_goes_on(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    world, client = worker.world, await worker.world.client()
    gig_id = await world.open_gig(client)

    async def failing(*_: Any) -> Any:
        raise LookupError("a bug")

    async with subscribed(worker, client, LINKED, gig=encode_id("gig", gig_id)) as frames:
        await items(frames, 1)
        with monkeypatch.context() as patch:
            patch.setattr("resolvers.people.names_of", failing)
            await gigs.pause_gig(world.as_(client), gig_id)
            async with asyncio.timeout(DEADLINE_S):
                broken = orjson.loads((await anext(frames)).raw)
        await gigs.resume_gig(world.as_(client), gig_id)
        healthy = await items(frames, 1)

    assert broken["data"]["gigEvents"]["actorName"] is None
    assert broken["data"]["gigEvents"]["event"] == {"__typename": "GigPaused", "gig": {"status": "PAUSED"}}
    assert [error["path"] for error in broken["errors"]] == [["gigEvents", "actorName"]]
    assert broken["errors"][0]["extensions"] == {"code": "INTERNAL", "requestId": "test"}
    assert kinds(healthy) == ["GigResumed"]


async def test_an_event_waits_for_the_database_rather_than_come_without_what_it_links_to(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    world, client = worker.world, await worker.world.client()
    gig_id = await world.open_gig(client)
    read, failures = world.services.db.read, iter([ConnectionResetError(), asyncpg.InterfaceError("closed")])

    async def away_at_first(*arguments: Any, **options: Any) -> Any:
        for error in failures:
            raise error
        return await read(*arguments, **options)

    async with subscribed(worker, client, LINKED, gig=encode_id("gig", gig_id)) as frames:
        await items(frames, 1)
        monkeypatch.setattr(world.services.db, "read", away_at_first)
        await gigs.pause_gig(world.as_(client), gig_id)
        told = await items(frames, 1)

    assert next(failures, None) is None
    assert told[0]["event"] == {"__typename": "GigPaused", "gig": {"status": "PAUSED"}}


async def test_who_leaves_while_another_renders_for_all_takes_nobody_along(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    world, client = worker.world, await worker.world.client()
    gig_id = await world.open_gig(client)
    names_of, is_asked, may_answer = people.names_of, asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any) -> Any:
        is_asked.set()
        await may_answer.wait()
        return await names_of(*arguments)

    async with contextlib.AsyncExitStack() as stack:
        frames = [
            await stack.enter_async_context(
                subscribed(worker, ANONYMOUS, LINKED, gig=encode_id("gig", gig_id))
            )
            for _ in range(3)
        ]
        for one in frames:
            await items(one, 1)
        monkeypatch.setattr("resolvers.people.names_of", slow)
        telling = [asyncio.create_task(items(one, 1)) for one in frames]
        await gigs.pause_gig(world.as_(client), gig_id)
        await is_asked.wait()
        # The others wait for what the first one makes.
        telling[1].cancel()
        await asyncio.gather(telling[1], return_exceptions=True)
        may_answer.set()
        told = await asyncio.gather(telling[0], telling[2])

    assert [kinds(found) for found in told] == [["GigPaused"], ["GigPaused"]]


async def test_bad_places_and_hidden_gigs_are_refused_before_anything_begins(start: StartWorker) -> None:
    worker = await start()
    world, client = worker.world, await worker.world.client()
    gig_id, other_id, draft_id = (
        await world.open_gig(client), await world.open_gig(client), await world.draft(client),
    )  # fmt: skip
    id = encode_id("gig", gig_id)

    def cursor(stream: str, number: int) -> str:
        return world.services.signer.sign("stream", orjson.dumps([world.services.epoch, stream, number]))

    async def argument_of(**variables: Any) -> tuple[str, str, str]:
        extensions = (await refusal(worker, ANONYMOUS, **variables))["extensions"]
        return extensions["code"], extensions["argument"], extensions["constraint"]

    assert await argument_of(gig=id, after="AAAA") == ("BAD_USER_INPUT", "after", "CURSOR")
    assert await argument_of(gig=id, after=cursor(f"gig:{other_id}", 1)) == (
        "BAD_USER_INPUT",
        "after",
        "CURSOR",
    )
    assert await argument_of(gig=id, after=cursor(f"gig:{gig_id}", 3)) == (
        "BAD_USER_INPUT",
        "after",
        "CURSOR",
    )
    assert await argument_of(gig=encode_id("gig", draft_id)) == ("BAD_USER_INPUT", "gigId", "VISIBLE")
    assert await argument_of(gig=encode_id("gig", new_id())) == ("BAD_USER_INPUT", "gigId", "VISIBLE")
    assert (await argument_of(gig=encode_id("skill", new_id())))[:2] == ("BAD_USER_INPUT", "gigId")
    syntax = await refusal(worker, ANONYMOUS, "subscription {")
    assert syntax["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
    unknown = await refusal(worker, ANONYMOUS, "subscription { weather }")
    assert unknown["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    two = await refusal(worker, ANONYMOUS, "subscription ($gig: ID!) { a: gigEvents(gigId: $gig) { cursor } b: gigEvents(gigId: $gig) { cursor } }", gig=id)  # fmt: skip
    assert two["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_queries_and_mutations_are_answered_the_same_way(start: StartWorker) -> None:
    worker = await start()
    response = await ask(worker, ANONYMOUS, "{ __typename }")
    assert isinstance(response, Response)
    assert response.body["data"] == {"__typename": "Query"}


async def test_over_a_transport_with_one_answer_a_subscription_is_refused_with_the_way_to_do_it(
    start: StartWorker,
) -> None:
    worker = await start()
    body = await worker.world.graphql(ANONYMOUS, EVENTS, gig=encode_id("gig", new_id()))
    assert body["errors"][0]["extensions"]["code"] == "SUBSCRIPTION_NEEDS_STREAM"
    assert "graphql-transport-ws" in body["errors"][0]["message"]


async def test_a_cursor_of_another_epoch_resets_the_stream(start: StartWorker) -> None:
    worker = await start()
    world, client = worker.world, await worker.world.client()
    gig_id = await world.open_gig(client)
    old = world.services.signer.sign("stream", orjson.dumps(["0" * 32, f"gig:{gig_id}", 2]))

    async with subscribed(worker, ANONYMOUS, gig=encode_id("gig", gig_id), after=old) as frames:
        found = await items(frames, 1)
        with pytest.raises(StopAsyncIteration):
            await anext(frames)

    assert found[0]["event"] == {"__typename": "StreamReset", "resetBecause": "NEW_EPOCH"}


async def test_the_streams_of_a_revoked_session_end_with_the_reason(start: StartWorker) -> None:
    worker = await start()
    client = replace(await worker.world.client(), session_id=new_id())
    gig_id = await worker.world.open_gig(client)
    revoked = RevokedSessions()
    assert client.session_id is not None

    async with subscribed(worker, client, gig=encode_id("gig", gig_id)) as frames:
        await items(frames, 1)
        revoked.add(client.session_id, at=worker.world.clock())
        worker.streams.end_sessions(revoked, now=worker.world.clock())
        found = await items(frames, 1)
        with pytest.raises(StopAsyncIteration):
            await anext(frames)

    assert found[0]["event"] == {"__typename": "StreamEnd", "endBecause": "SESSION_ENDED"}
    assert worker.streams.followers == 0


# -- the other roots ------------------------------------------------------------------------------------------------------

OWN = "subscription ($after: StreamCursor) { viewerEvents(after: $after) { cursor event { __typename } } }"
ADMINISTRATION = "subscription ($after: StreamCursor) { adminEvents(after: $after) { cursor event { __typename ... on GigRejected { note } } } }"


async def test_everybody_follows_what_concerns_them_from_the_place_of_their_snapshot(
    start: StartWorker,
) -> None:
    worker = await start()
    world, client, freelancer = worker.world, await worker.world.client(), await worker.world.freelancer()
    place = (await world.data(freelancer, "{ viewer { streamCursor } }"))["viewer"]["streamCursor"]
    application_id = await world.application(freelancer, await world.open_gig(client))
    await applications.shortlist_application(world.as_(client), application_id)

    async with subscribed(worker, freelancer, OWN, after=place) as frames:
        found = [orjson.loads((await anext(frames)).raw)["data"]["viewerEvents"] for _ in range(3)]

    assert kinds(found) == ["ApplicationSubmitted", "ApplicationShortlisted", "StreamReady"]


async def test_one_follows_only_some_topics_of_what_concerns_them(start: StartWorker) -> None:
    worker = await start()
    world, client, freelancer = worker.world, await worker.world.client(), await worker.world.freelancer()
    document = (
        "subscription ($topics: [Topic!]) { viewerEvents(topics: $topics) { cursor event { __typename } } }"
    )
    asked = [
        await ask(worker, freelancer, document, topics=topics)
        for topics in (["CONTRACTS"], ["APPLICATIONS", "CONTRACTS"], None)
    ]
    followed = [frames for frames in asked if not isinstance(frames, Response)]
    for frames in followed:
        await anext(frames)  # StreamReady

    await world.hired(client=client, freelancer=freelancer)
    told = []
    async with asyncio.timeout(DEADLINE_S):
        for frames, count in zip(followed, (1, 3, 3), strict=True):
            told.append(
                [orjson.loads((await anext(frames)).raw)["data"]["viewerEvents"] for _ in range(count)]
            )
            await frames.aclose()

    assert kinds(told[0]) == ["ContractStarted"]
    assert (
        kinds(told[1]) == kinds(told[2]) == ["ApplicationSubmitted", "ApplicationAccepted", "ContractStarted"]
    )
    assert told[0][0]["cursor"] == told[1][2]["cursor"]
    refused = await refusal(worker, freelancer, document, topics=[])
    assert (refused["extensions"]["code"], refused["extensions"]["argument"]) == ("BAD_USER_INPUT", "topics")


def test_every_fact_has_a_topic() -> None:
    assert {name for name, kind in concrete_events().items() if not isinstance(kind.topic, Topic)} == set()


async def test_a_subscription_that_skips_its_only_field_is_refused(start: StartWorker) -> None:
    worker = await start()
    document = "subscription ($skip: Boolean!) { viewerEvents @skip(if: $skip) { cursor } }"

    refused = await refusal(worker, await worker.world.client(), document, skip=True)

    assert refused["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


RESETTING = OWN.replace("__typename", "__typename ... on StreamReset { reason }")


async def test_after_retention_an_old_cursor_resets_and_who_is_at_the_head_goes_on(
    start: StartWorker,
) -> None:
    worker = await start()
    world, client = worker.world, await worker.world.client()
    gig_id = await world.open_gig(client, deadline=world.clock() + 2 * REPLAY_KEPT)
    before = (await world.data(client, "{ viewer { streamCursor } }"))["viewer"]["streamCursor"]
    await world.application(await world.freelancer(), gig_id)
    head = (await world.data(client, "{ viewer { streamCursor } }"))["viewer"]["streamCursor"]
    world.clock.move(REPLAY_KEPT)

    deleted = await delete_outdated(Operation(world.services))

    assert await own_items(worker, client, before, count=1) == [("StreamReset", "NOT_KEPT")]
    async with subscribed(worker, client, RESETTING, after=head) as frames:
        ready = own_item(await anext(frames))
        await world.application(await world.freelancer(), gig_id)
        async with asyncio.timeout(DEADLINE_S):
            told = own_item(await anext(frames))
    assert deleted >= 2
    assert (ready["event"], told["event"]) == (
        {"__typename": "StreamReady"},
        {"__typename": "ApplicationSubmitted"},
    )
    # The new fact is there for whoever was at the head, and not for whoever was before it.
    assert await own_items(worker, client, head, count=2) == [
        ("ApplicationSubmitted", None),
        ("StreamReady", None),
    ]
    assert await own_items(worker, client, before, count=1) == [("StreamReset", "NOT_KEPT")]


async def test_a_hole_in_what_is_kept_is_told_with_the_places_around_it(start: StartWorker) -> None:
    worker = await start()
    world, client = worker.world, await worker.world.client()
    gig_id = await world.open_gig(client)
    before = (await world.data(client, "{ viewer { streamCursor } }"))["viewer"]["streamCursor"]
    for _ in range(3):
        await world.application(await world.freelancer(), gig_id)
    async with world.as_(ANONYMOUS).transaction() as tx:
        hole = "delete from fact where stream = :stream and number = 3"
        await tx.execute(sa.text(hole).bindparams(stream=f"user:{client.user_id}"))
    document = OWN.replace("__typename", "__typename ... on StreamGap { from to reason }")

    async with subscribed(worker, client, document, after=before) as frames, asyncio.timeout(DEADLINE_S):
        told = [own_item(await anext(frames)) for _ in range(4)]

    first, gap, *_ = told
    assert kinds(told) == ["ApplicationSubmitted", "StreamGap", "ApplicationSubmitted", "StreamReady"]
    assert gap["event"] == {
        "__typename": "StreamGap",
        "from": first["cursor"],
        "to": gap["cursor"],
        "reason": "NOT_KEPT",
    }
    assert await own_items(worker, client, gap["cursor"], count=2) == [
        ("ApplicationSubmitted", None),
        ("StreamReady", None),
    ]


async def test_a_heartbeat_leads_past_what_is_not_for_the_viewer(start: StartWorker) -> None:
    worker = await start()
    worker.streams.heartbeat_s = 0.02
    world, client, freelancer = worker.world, await worker.world.client(), await worker.world.freelancer()
    gig_id = await world.open_gig(client)
    application_id = await world.application(freelancer, gig_id)
    document = "subscription ($after: StreamCursor) { notificationEvents(after: $after) { cursor event { __typename %s } } }"

    async def next_of(frames: AsyncGenerator[Frame, None]) -> dict[str, Any]:
        item: dict[str, Any] = orjson.loads((await anext(frames)).raw)["data"]["notificationEvents"]
        return item

    async with asyncio.timeout(DEADLINE_S):
        alive = document % "... on StreamHeartbeat { lag }"
        async with (
            subscribed(worker, freelancer, alive) as frames,
            subscribed(worker, freelancer, document % "") as silent,
        ):
            ready, quiet = await next_of(frames), await next_of(silent)
            first = await next_of(frames)
            await applications.edit_application(  # what one does oneself notifies nobody
                world.as_(freelancer), application_id, {"cover_letter": "Better."}, expected_version=None
            )
            later = await next_of(frames)
            while later["cursor"] == first["cursor"]:
                later = await next_of(frames)
            await applications.mark_application_viewed(world.as_(client), application_id)
            told = await next_of(silent)

    assert ready["event"] == quiet["event"] == {"__typename": "StreamReady"}
    assert first["event"] == later["event"] == {"__typename": "StreamHeartbeat", "lag": 0}
    assert told["event"] == {"__typename": "ApplicationViewed"}


async def test_a_merged_stream_beats_too(start: StartWorker) -> None:
    worker = await start()
    worker.streams.heartbeat_s = 0.02
    client = await worker.world.client()
    await worker.world.open_gig(client)
    document = OWN.replace("__typename", "__typename ... on StreamHeartbeat { lag }")

    async with subscribed(worker, client, document) as frames, asyncio.timeout(DEADLINE_S):
        told = [own_item(await anext(frames)) for _ in range(3)]

    beat = {"__typename": "StreamHeartbeat", "lag": 0}
    assert [item["event"] for item in told] == [{"__typename": "StreamReady"}, beat, beat]


def own_item(frame: Frame) -> dict[str, Any]:
    item: dict[str, Any] = orjson.loads(frame.raw)["data"]["viewerEvents"]
    return item


async def own_items(
    worker: Worker, viewer: Viewer, after: str, *, count: int
) -> list[tuple[str, str | None]]:
    """What a subscription that begins now is told first: kinds, and reasons of a reset."""
    async with subscribed(worker, viewer, RESETTING, after=after) as frames, asyncio.timeout(DEADLINE_S):
        found = [own_item(await anext(frames))["event"] for _ in range(count)]
    return [(event["__typename"], event.get("reason")) for event in found]


async def test_administrators_follow_what_waits_for_them_and_what_they_decided(start: StartWorker) -> None:
    worker = await start()
    admin, client = await worker.world.admin(), await worker.world.client()
    strict = worker.world.with_rules(Rules(gigs_need_approval=True))
    gig_id = await worker.world.draft(client)

    async with subscribed(worker, admin, ADMINISTRATION) as frames:
        ready = orjson.loads((await anext(frames)).raw)["data"]["adminEvents"]
        await gigs.publish_gig(strict.as_(client), gig_id)
        await gigs.reject_gig(strict.as_(admin), gig_id, reason="Not here.")
        async with asyncio.timeout(DEADLINE_S):
            found = [orjson.loads((await anext(frames)).raw)["data"]["adminEvents"] for _ in range(2)]

    assert kinds([ready, *found]) == ["StreamReady", "GigSubmittedForApproval", "GigRejected"]
    assert found[1]["event"]["note"] == "Not here."


@pytest.mark.parametrize(
    ("document", "caller", "code"),
    [
        (OWN, "anonymous", "UNAUTHENTICATED"),
        (OWN.replace("viewerEvents", "notificationEvents"), "anonymous", "UNAUTHENTICATED"),
        (ADMINISTRATION, "anonymous", "UNAUTHENTICATED"),
        (ADMINISTRATION, "client", "FORBIDDEN"),
        (ADMINISTRATION, "freelancer", "FORBIDDEN"),
    ],
)
async def test_streams_are_for_those_they_say(
    start: StartWorker, document: str, caller: str, code: str
) -> None:
    worker = await start()
    people = {
        "anonymous": ANONYMOUS,
        "client": await worker.world.client(),
        "freelancer": await worker.world.freelancer(),
    }

    assert (await refusal(worker, people[caller], document))["extensions"]["code"] == code


# -- notifications --------------------------------------------------------------------------------------------------------

NOTIFIED = """subscription ($after: StreamCursor) { notificationEvents(after: $after) { cursor
  notification { kind reason readAt gig { title } } notificationCounts { unseen unread }
  event { __typename ... on NotificationsChanged { unseen unread } } } }"""
BADGE = "{ notificationCounts { unseen unread streamCursor } }"
MARK_ALL = "mutation { notificationsMarkAllRead(input: {}) { outcome counts { unread } } }"


async def notified(frames: AsyncGenerator[Frame, None]) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        body = orjson.loads((await anext(frames)).raw)
    assert "errors" not in body, body
    item: dict[str, Any] = body["data"]["notificationEvents"]
    return item


async def test_two_tabs_are_told_of_notifications_and_agree_on_the_badge(start: StartWorker) -> None:
    worker = await start()
    world, client, freelancer = worker.world, await worker.world.client(), await worker.world.freelancer()
    gig_id = await world.open_gig(client, title="Translate a menu")
    badge = (await world.data(client, BADGE))["notificationCounts"]

    async with (
        subscribed(worker, client, NOTIFIED, after=badge["streamCursor"]) as one,
        subscribed(worker, client, NOTIFIED, after=badge["streamCursor"]) as other,
    ):
        ready = [await notified(one), await notified(other)]
        # One's own act, which notifies nobody here, and another's, which does.
        await gigs.pause_gig(world.as_(client), gig_id)
        await gigs.resume_gig(world.as_(client), gig_id)
        await world.application(freelancer, gig_id)
        told = [await notified(one), await notified(other)]
        marked = await world.data(client, MARK_ALL)
        changed = [await notified(one), await notified(other)]
        fresh = (await world.data(client, BADGE))["notificationCounts"]

    assert (badge["unseen"], badge["unread"]) == (0, 0)
    assert [item["event"]["__typename"] for item in ready] == ["StreamReady"] * 2
    assert told[0] == told[1]
    assert told[0]["event"]["__typename"] == "ApplicationSubmitted"
    assert told[0]["notification"] == {
        "kind": "APPLICATION_SUBMITTED", "reason": "YOU_ARE_THE_CLIENT", "readAt": None, "gig": {"title": "Translate a menu"},
    }  # fmt: skip
    assert told[0]["notificationCounts"] == {"unseen": 1, "unread": 1}
    assert marked["notificationsMarkAllRead"] == {"outcome": "APPLIED", "counts": {"unread": 0}}
    assert changed[0] == changed[1]
    assert changed[0]["event"] == {"__typename": "NotificationsChanged", "unseen": 0, "unread": 0}
    assert fresh["streamCursor"] == changed[0]["cursor"]


async def test_what_somebody_switched_off_is_no_notification(start: StartWorker) -> None:
    worker = await start()
    world, client, freelancer = worker.world, await worker.world.client(), await worker.world.freelancer()
    gig_id = await world.open_gig(client)
    await notifications.set_preference(
        world.as_(client), NotificationCategory.APPLICATIONS, NotificationChannel.IN_APP, is_on=False
    )

    async with subscribed(worker, client, NOTIFIED) as frames:
        await notified(frames)
        await world.application(freelancer, gig_id)
        told = await notified(frames)

    assert told["event"]["__typename"] == "ApplicationSubmitted"
    assert told["notification"] is None
    assert told["notificationCounts"] == {"unseen": 0, "unread": 0}


async def test_a_page_of_the_feed_and_what_is_told_behind_its_place_are_everything_once(
    start: StartWorker,
) -> None:
    worker = await start()
    world, client = worker.world, await worker.world.client()
    gig_ids = [await world.open_gig(client) for _ in range(3)]
    document = "{ notifications(first: 50) { streamCursor nodes { id } } }"
    following = """subscription ($after: StreamCursor) { notificationEvents(after: $after) { cursor notification { id }
      event { __typename } } }"""
    pages: list[dict[str, Any]] = []

    async def write() -> None:
        for _ in range(3):
            await asyncio.gather(*[world.application(await world.freelancer(), gig_id) for gig_id in gig_ids])

    async def read() -> None:
        while not writing.done():
            pages.append((await world.data(client, document))["notifications"])

    writing = asyncio.create_task(write())
    await asyncio.gather(writing, read())
    last = (await world.data(client, document))["notifications"]

    seen = {len(page["nodes"]) for page in pages}
    everything = sorted(node["id"] for node in last["nodes"])
    assert len(everything) == 9
    assert len(seen) > 2, "nothing was written while the feed was read"
    for page in [*pages, last]:
        frames = await frames_of(worker, client, following, after=page["streamCursor"])
        told = [item["notification"]["id"] for item in await replayed(frames)]
        assert sorted([*told, *(node["id"] for node in page["nodes"])]) == everything
