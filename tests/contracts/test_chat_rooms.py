"""One set of use cases over both chat stores: what people do in a room comes to the same in either."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from models.chat import ChatKind
from models.errors import IdempotencyConflict
from models.idempotency import Outcome
from models.message import Content
from resolvers import messages, projection, reading
from resolvers.message_search import Asked, search_messages
from schema.execution import Executable
from subscriptions.broker import MemoryBroker
from subscriptions.follow import Streams
from subscriptions.log import LoggedFact
from subscriptions.pair import follow_both
from tests.resolvers.rooms import group, id_of, log_of, read, said, say, texts
from tests.world import Clock, World, make_test_chat, make_test_services, race


@pytest.fixture
async def room_world(
    chat_url: str, database_url: str, clock: Clock, schema: Executable
) -> AsyncIterator[World]:
    """A world whose rooms are in this chat store."""
    services = await make_test_services(database_url, clock)
    await services.chat.close()
    services = replace(services, chat=make_test_chat(database_url, chat_url=chat_url))
    await services.chat.check()
    yield World(services, clock, schema)
    await services.close()


async def test_people_talk_read_and_find_whatever_store_keeps_it(room_world: World) -> None:
    world = room_world
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other)

    outcomes = await race(say(world, one, room_id, "fences to paint", key="k") for _ in range(20))
    first = await said(world, other, room_id, "which?", mention_ids=(id_of(one),))
    await messages.edit_message(world.as_(other), room_id, first, Content("which fence?"))
    gone = await said(world, one, room_id, "no")
    await messages.delete_message(world.as_(one), room_id, gone)

    assert sorted(outcome[0].outcome for outcome in outcomes if isinstance(outcome, tuple)) == (
        ["APPLIED"] + ["REPLAYED"] * 19
    )
    assert await texts(world, other, room_id) == ["fences to paint", "which fence?", None]
    kinds = [fact.kind for fact in await log_of(world, room_id)]
    assert kinds == [ChatKind.SENT, ChatKind.SENT, ChatKind.EDITED, ChatKind.SENT, ChatKind.DELETED]
    found = (await reading.counts_in(world.as_(one), [room_id]))[room_id]
    assert (found.unread, found.mentions) == (1, 0)
    hits = await search_messages(world.as_(one), Asked("fence", room_id=room_id), limit=5)
    assert [hit.shown.message.id for hit in hits.hits] == [first, (await messages_first(world, room_id))]
    assert await projection.project(world.as_(one), room_id) == 0


async def test_files_come_and_go_with_messages_whatever_store_keeps_these(room_world: World) -> None:
    world = room_world
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other)
    kept, left = await world.upload(one, "kept", b"kept"), await world.upload(one, "left", b"left")

    outcomes = await race(say(world, one, room_id, "see", key="k", file_ids=(kept, left)) for _ in range(8))
    (message_id,) = {done[0].entity_id for done in outcomes if isinstance(done, tuple)}
    both = [file.name for shown in await read(world, other, room_id) for file in shown.files]
    await messages.edit_message(
        world.as_(one), room_id, message_id, Content("see", file_ids=(kept,)), keeps_files=False
    )
    one_left = [file.name for shown in await read(world, other, room_id) for file in shown.files]
    hits = await search_messages(world.as_(other), Asked(traits=("file",), room_id=room_id), limit=5)
    await messages.delete_message(world.as_(one), room_id, message_id)

    assert (both, one_left, [hit.shown.message.id for hit in hits.hits]) == (
        ["kept", "left"],
        ["kept"],
        [message_id],
    )
    assert not (
        await search_messages(world.as_(other), Asked(traits=("file",), room_id=room_id), limit=5)
    ).hits
    rows = await world.rows("select gone_at is null as there from attachment where room_id = :id", id=room_id)
    assert [row.there for row in rows] == [False, False]


async def test_what_an_act_is_called_by_its_author_is_in_no_store_and_known_for_ever(
    room_world: World, database_url: str, chat_url: str
) -> None:
    world = room_world
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other)
    key = "my fence, by Anna"

    first, _ = await say(world, one, room_id, "paint", key=key)
    await say(world, other, room_id, "paint, too", key=key)
    # Another process, which knows no key yet.
    chat = make_test_chat(database_url, chat_url=chat_url)
    elsewhere = World(replace(world.services, chat=chat), world.clock, world.schema)
    again, _ = await say(elsewhere, one, room_id, "paint", key=key)
    with pytest.raises(IdempotencyConflict):
        await say(elsewhere, one, room_id, "another", key=key)
    await chat.close()

    assert (again.outcome, again.entity_id) == (Outcome.REPLAYED, first.entity_id)
    ids = [fact.client_id for fact in await log_of(world, room_id)]
    assert [re.fullmatch("[0-9a-f]{64}", id) is not None for id in ids] == [True, True]
    # Nor does it show that two people chose the same words.
    assert ids[0] != ids[1]


async def messages_first(world: World, room_id: object) -> object:
    return (await log_of(world, room_id))[0].id  # type: ignore[arg-type]


async def as_they_are(facts: Sequence[LoggedFact]) -> Sequence[LoggedFact]:
    return facts


async def test_what_is_said_is_followed_whatever_store_keeps_it(room_world: World) -> None:
    world = room_world
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other)
    chat = world.services.chat
    streams = Streams(world.services.db, MemoryBroker(), chat=chat.store)
    places = {f"room:{room_id}": 0, f"roomstate:{room_id}": None}
    await say(world, one, room_id, "before")

    async with follow_both(streams, places, other) as pair:
        assert [fact.kind for fact in await pair.take(as_they_are)] == ["MessageSent"]
        await streams.sweep_rooms()
        await say(world, one, room_id, "after")
        await streams.sweep_rooms()
        await streams._hand_out([f"room:{room_id}"], streams._of_rooms)

        assert [(fact.kind, fact.number) for fact in await pair.take(as_they_are)] == [("MessageSent", 2)]
        assert pair.place() == {f"room:{room_id}": 2, f"roomstate:{room_id}": 3}
