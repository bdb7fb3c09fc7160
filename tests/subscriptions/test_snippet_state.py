"""State and events make the fresh state, for snippets: whoever replaces what an event links to never reads again."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from copy import deepcopy
from datetime import timedelta
from functools import reduce
from typing import Any
from uuid import UUID

import orjson
import pytest
from graphql import GraphQLObjectType

from auth.viewer import ANONYMOUS, Viewer
from models.event import EVENTS
from models.ids import encode_id
from models.snippet import SnippetLanguage
from models.snippet_events import SnippetEvent, SnippetForPerson
from resolvers import rooms, snippet_shares, snippet_talk, snippets
from resolvers.operation import Operation
from schema.events import KINDS
from schema.execution import Frame, Request, Response
from schema.streaming import perform
from tests.resolvers.rooms import group
from tests.resolvers.snippets import CODE, Shelf, keep, shelf
from tests.subscriptions.conftest import StartWorker, Worker
from tests.subscriptions.frames import frames_of, replayed

State = dict[str, Any]
FIELDS = """
fragment S on Snippet { title language archivedAt version latest { number content } viewer { can }
  versions(first: 9) { nodes { number sha256 } } }
fragment C on SnippetComment { id body editedAt deletedAt resolvedAt currentFirstLine isOutdated thread { id } mentions { id }
  wordings { nodes { body } } }
fragment H on SnippetShare { id kind mayRevise endedAt }
"""
LINES = "comments(first: 9) { nodes { ...C } }"
SNAPSHOT = (
    f"""query ($id: ID!) {{ snippet(id: $id) {{ streamCursor ...S {LINES} shares {{ ...H }} }} }} {FIELDS}"""
)
EVENTS_OF = f"""subscription ($id: ID!, $after: StreamCursor) {{ snippetEvents(snippetId: $id, after: $after) {{ cursor event {{
  __typename ... on StreamEnd {{ reason }}
  %s
}} }} }} {FIELDS}"""
MORE = {"SnippetRevised": LINES, "SnippetShareNarrowed": "shares { ...H }"}
LINKS = {"snippetComment": "{ ...C }", "share": "{ ...H }"}


def told_kinds() -> set[str]:
    """Those that are told on the snippet itself."""
    return {
        name
        for name in KINDS
        if issubclass(EVENTS[name], SnippetEvent) and not issubclass(EVENTS[name], SnippetForPerson)
    }


def subscription(worker: Worker) -> str:
    parts = []
    for name in sorted(told_kinds()):
        kind = worker.world.schema._schema.type_map[name]
        assert isinstance(kind, GraphQLObjectType)
        links = " ".join(f"{link} {selection}" for link, selection in LINKS.items() if link in kind.fields)
        more = MORE.get(name, "")
        parts.append(f"... on {name} {{ snippet {{ ...S {more} }} {links} }}")
    return EVENTS_OF % " ".join(parts)


async def snapshot(worker: Worker, viewer: Viewer, snippet_id: str) -> tuple[State, str]:
    found = (await worker.world.data(viewer, SNAPSHOT, id=snippet_id))["snippet"]
    cursor = found.pop("streamCursor")
    comments = {comment["id"]: comment for comment in found.pop("comments")["nodes"]}
    shares = {share["id"]: share for share in found.pop("shares")}
    return {"snippet": found, "comments": comments, "shares": shares}, cursor


def apply(state: State, event: State) -> State:
    """The reference reducer."""
    snippet = event["snippet"]
    for comment in snippet.pop("comments", {"nodes": []})["nodes"]:
        state["comments"][comment["id"]] = comment
    if (shares := snippet.pop("shares", None)) is not None:
        # Of whoever left the room themselves, that share is not theirs to see any more.
        state["shares"] = {share["id"]: share for share in shares}
    state["snippet"] = snippet
    if comment := event.get("snippetComment"):
        state["comments"][comment["id"]] = comment
    if share := event.get("share"):
        state["shares"][share["id"]] = share
        if event["__typename"] == "SnippetShareEnded":
            del state["shares"][share["id"]]
    return state


async def follow(worker: Worker, viewer: Viewer, snippet_id: str, after: str) -> AsyncGenerator[Frame, None]:
    return await frames_of(worker, viewer, subscription(worker), id=snippet_id, after=after)


async def told_after(worker: Worker, viewer: Viewer, snippet_id: str, after: str) -> list[State]:
    """Everything up to now, in order."""
    frames = await follow(worker, viewer, snippet_id, after)
    return [item["event"] for item in await replayed(frames)]


Act = Callable[[], Awaitable[object]]


async def story(made: Shelf) -> AsyncGenerator[Act, None]:
    """Everything that can happen to a snippet; what an act needs to know of earlier ones is kept here."""
    op, other, me = made.owner, made.other, made.hired.client.require_user()
    kept: dict[str, UUID] = {}

    async def keep(name: str, pending: Awaitable[Any]) -> None:
        receipt = await pending
        kept[name] = receipt if isinstance(receipt, UUID) else receipt.entity_id

    yield lambda: keep("a", made.say("Hm.", first=2, last=2, mentions=[me]))
    yield lambda: keep("b", made.say("Well.", first=5, last=5))
    yield lambda: keep("c", made.answer(kept["a"]))
    yield lambda: made.revise(f"# sums\n{CODE.replace('a + b', 'b + a')}")
    yield lambda: snippet_talk.edit_comment(other, kept["a"], "Hm!")
    yield lambda: snippet_talk.resolve_thread(op, kept["a"])
    yield lambda: snippet_talk.reopen_thread(other, kept["a"])
    yield lambda: snippet_talk.delete_comment(op, kept["b"])
    yield lambda: snippet_shares.share_with_contract(op, made.id, made.hired.contract_id, may_revise=True)
    yield lambda: made.revise("other", op=other)
    yield lambda: keep("room", group(made.world, made.hired.client, made.hired.freelancer))
    yield lambda: snippet_shares.share_with_room(op, made.id, kept["room"], may_revise=False)
    yield lambda: rooms.leave_room(other, kept["room"])
    yield lambda: snippets.rename_snippet(
        op, made.id, {"title": "Sum", "language": SnippetLanguage.GO}, expected_version=None
    )
    yield lambda: snippets.archive_snippet(op, made.id)
    yield lambda: snippets.restore_snippet(op, made.id)


async def test_every_kind_of_fact_keeps_everybodys_state_true(start: StartWorker) -> None:
    worker = await start()
    made = await shelf(worker.world)
    snippet_id = encode_id("snippet", made.id)
    callers = [made.hired.client, made.hired.freelancer]
    told: set[str] = set()

    async for act in story(made):
        before = [await snapshot(worker, viewer, snippet_id) for viewer in callers]
        worker.world.clock.move(timedelta(seconds=1))
        await act()
        for viewer, (state, cursor) in zip(callers, before, strict=True):
            events = await told_after(worker, viewer, snippet_id, cursor)
            told |= {event["__typename"] for event in events}
            fresh, _ = await snapshot(worker, viewer, snippet_id)
            assert reduce(apply, events, state) == fresh

    # A link is the owner's business alone: others learn that there is one, and nothing of it.
    states = [await snapshot(worker, viewer, snippet_id) for viewer in callers]
    expires_at = worker.world.clock() + timedelta(days=1)
    receipt, _ = await snippet_shares.share_by_link(made.owner, made.id, expires_at=expires_at)
    await snippet_shares.end_share(made.owner, receipt.entity_id)
    for viewer, (state, cursor) in zip(callers, states, strict=True):
        events = await told_after(worker, viewer, snippet_id, cursor)
        told |= {event["__typename"] for event in events}
        assert [event["share"] is None for event in events] == [viewer is made.hired.freelancer] * 2
        fresh, _ = await snapshot(worker, viewer, snippet_id)
        assert reduce(apply, events, state) == fresh
    # The first fact is written before anybody can have seen the snippet.
    assert told_kinds() - told == {"SnippetCreated"}


@pytest.mark.parametrize("who", ["stranger", "administrator", "anonymous"])
async def test_nobody_else_follows_a_snippet(start: StartWorker, who: str) -> None:
    worker = await start()
    made = await shelf(worker.world)
    snippet_id = encode_id("snippet", made.id)
    _, cursor = await snapshot(worker, made.hired.client, snippet_id)
    make = {"stranger": worker.world.client, "administrator": worker.world.admin}
    viewer = ANONYMOUS if who == "anonymous" else await make[who]()

    request = Request(subscription(worker), {"id": snippet_id, "after": cursor})
    answer = await perform(
        worker.world.schema, worker.streams, request, Operation(worker.world.services, viewer, "test")
    )

    assert isinstance(answer, Response)
    (error,) = answer.body["errors"]
    assert (error["extensions"]["code"], error["message"]) == (
        "BAD_USER_INPUT",
        "There is no such snippet, or you cannot see it.",
    )


async def test_a_share_that_ends_ends_the_streams_of_those_who_saw_by_it(start: StartWorker) -> None:
    worker = await start()
    made = await shelf(worker.world)
    snippet_id = encode_id("snippet", made.id)
    _, cursor = await snapshot(worker, made.hired.freelancer, snippet_id)
    frames = await follow(worker, made.hired.freelancer, snippet_id, cursor)
    await anext(frames)

    await snippet_shares.end_share(made.owner, made.share_id)
    await made.revise("not for them")

    told = []
    async with asyncio.timeout(10):
        async for frame in frames:
            told.append(orjson.loads(frame.raw)["data"]["snippetEvents"]["event"])
    assert told[-1] == {"__typename": "StreamEnd", "reason": "ACCESS_LOST"}
    assert "not for them" not in str(told)
    await frames.aclose()


async def test_who_leaves_a_room_hears_no_more_of_what_is_shared_with_it_and_the_others_do(
    start: StartWorker,
) -> None:
    worker = await start()
    world = worker.world
    keeper, leaver, stayer = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, keeper, leaver, stayer)
    key = await keep(world, keeper)
    await snippet_shares.share_with_room(world.as_(keeper), key, room_id, may_revise=False)
    snippet_id = encode_id("snippet", key)
    _, cursor = await snapshot(worker, leaver, snippet_id)
    leaving = await follow(worker, leaver, snippet_id, cursor)
    staying = await follow(worker, stayer, snippet_id, cursor)
    for frames in (leaving, staying):
        await anext(frames)

    await rooms.leave_room(world.as_(leaver), room_id)
    await snippets.revise_snippet(
        world.as_(keeper), key, content="not for them", message=None, expected_version=None
    )

    told: dict[str, list[Any]] = {"leaving": [], "staying": []}
    async with asyncio.timeout(10):
        async for frame in leaving:
            told["leaving"].append(orjson.loads(frame.raw)["data"]["snippetEvents"]["event"])
        while len(told["staying"]) < 2:
            event = orjson.loads((await anext(staying)).raw)["data"]["snippetEvents"]["event"]
            told["staying"].append(event)
    assert told["leaving"][-1] == {"__typename": "StreamEnd", "reason": "ACCESS_LOST"}
    assert "not for them" not in str(told["leaving"])
    kinds = [event["__typename"] for event in told["staying"]]
    assert kinds == ["SnippetShareNarrowed", "SnippetRevised"]
    await leaving.aclose()
    await staying.aclose()


async def test_a_snapshot_taken_while_others_write_has_no_hole_and_no_double(start: StartWorker) -> None:
    worker = await start()
    made = await shelf(worker.world, may_revise=True)
    snippet_id, viewer = encode_id("snippet", made.id), made.hired.freelancer

    async def write(number: int) -> None:
        await made.revise(f"# {number}\n{CODE}", op=made.other if number % 2 else made.owner)
        await made.say(str(number))

    writing = asyncio.gather(*map(write, range(4)))
    states = await asyncio.gather(*(snapshot(worker, viewer, snippet_id) for _ in range(3)))
    await writing
    fresh, _ = await snapshot(worker, viewer, snippet_id)

    for state, cursor in states:
        folded = reduce(apply, await told_after(worker, viewer, snippet_id, cursor), deepcopy(state))
        assert folded == fresh


async def test_what_is_said_to_a_person_is_in_all_that_concerns_them(start: StartWorker) -> None:
    worker = await start()
    made = await shelf(worker.world)
    owner = made.hired.client
    document = """subscription ($after: StreamCursor) { viewerEvents(topics: [SNIPPETS], after: $after) { event { __typename
        ... on SnippetCommentNoticed { snippet { title } snippetComment { body } } } notification { snippet { title } } } }"""
    cursor = (await worker.world.data(owner, "{ viewer { streamCursor } }"))["viewer"]["streamCursor"]
    await made.say("Look.")

    frames = await frames_of(worker, owner, document, after=cursor)

    async with asyncio.timeout(10):
        item = orjson.loads((await anext(frames)).raw)["data"]["viewerEvents"]
    await frames.aclose()
    assert item == {
        "event": {"__typename": "SnippetCommentNoticed", "snippet": {"title": "Adding"}, "snippetComment": {"body": "Look."}},
        "notification": {"snippet": {"title": "Adding"}},
    }  # fmt: skip
