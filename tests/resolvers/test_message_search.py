"""Messages are found by their words in all forms, by who wrote them and what they have, in rooms that one belongs to."""

from datetime import timedelta
from typing import Any

import pytest

from auth.viewer import Viewer
from models.errors import Invalid
from models.ids import encode_id
from models.message import Content
from resolvers import messages, rooms
from resolvers.message_search import Asked, search_messages
from tests.resolvers.rooms import direct, group, id_of, said, say
from tests.world import World


async def found(world: World, who: Viewer, room_id: object = None, **asked: object) -> list[str]:
    page = await search_messages(world.as_(who), Asked(room_id=room_id, **asked), limit=20)  # type: ignore[arg-type]
    return [hit.shown.words.text for hit in page.hits if isinstance(hit.shown.words, Content)]


async def test_words_are_found_in_all_their_forms_the_newest_first_and_edits_and_deletions_follow(
    world: World,
) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    await say(world, one, room_id, "Painting the fences")
    edited = await said(world, other, room_id, "I painted a fence")
    gone = await said(world, one, room_id, "fence!")

    assert await found(world, other, query="fence") == ["fence!", "I painted a fence", "Painting the fences"]
    assert await found(world, other, query="paints FENCE") == ["I painted a fence", "Painting the fences"]
    await messages.edit_message(world.as_(other), room_id, edited, Content("I painted a wall"))
    await messages.delete_message(world.as_(one), room_id, gone)
    assert await found(world, one, query="fence") == ["Painting the fences"]
    assert await found(world, one, query="wall") == ["I painted a wall"]


async def test_author_traits_and_times_narrow_what_is_found(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other)
    await say(world, one, room_id, "```python\nprint(1)\n```")
    world.clock.move(timedelta(hours=1))
    noon = world.clock()
    world.clock.move(timedelta(hours=1))
    await say(world, other, room_id, "print this", mention_ids=(id_of(one),))
    await say(world, other, room_id, "print that")

    assert await found(world, one, query="print", author_ids=(id_of(other),)) == ["print that", "print this"]
    assert await found(world, one, traits=("code",)) == ["```python\nprint(1)\n```"]
    assert await found(world, one, traits=(f"mention:{one.user_id}",)) == ["print this"]
    assert await found(world, one, query="print", sent_before=noon) == ["```python\nprint(1)\n```"]
    assert await found(world, one, query="print", sent_after=noon) == ["print that", "print this"]


async def test_only_rooms_that_one_belongs_to_are_searched(world: World) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    ours, theirs = await group(world, one, other, third), await direct(world, one, third)
    await say(world, one, ours, "needle in ours")
    await say(world, one, theirs, "needle in theirs")

    assert await found(world, one, query="needle") == ["needle in theirs", "needle in ours"]
    assert await found(world, one, ours, query="needle") == ["needle in ours"]
    assert await found(world, other, query="needle") == ["needle in ours"]
    assert await found(world, other, theirs, query="needle") == []
    await rooms.remove_member(world.as_(one), ours, id_of(other))
    assert await found(world, other, query="needle") == []
    assert await found(world, await world.admin(), query="needle") == []


@pytest.mark.parametrize(
    ("query", "constraint"), [("", "EMPTY"), ('"exact phrase"', "PHRASE"), ("begin*", "PREFIX")]
)
async def test_what_the_index_cannot_answer_is_refused_with_the_reason(
    world: World, query: str, constraint: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await search_messages(world.as_(await world.client()), Asked(query), limit=1)

    assert refused.value.constraint == constraint


# -- pages -------------------------------------------------------------------------------------------------------------------

PAGE = """query ($query: String! = "", $room: ID, $first: Int, $after: String, $last: Int, $before: String) {
    messageSearch(query: $query, roomId: $room, first: $first, after: $after, last: $last, before: $before) {
        nodes { text } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


async def page_of(world: World, who: Viewer, **asked: object) -> tuple[list[str], dict[str, object]]:
    found = (await world.data(who, PAGE, query="needle", **asked))["messageSearch"]
    return [node["text"] for node in found["nodes"]], found["pageInfo"]


async def haystack(world: World, who: Viewer, *rooms_of: object, count: int) -> list[str]:
    """Needles in turn in each room, two at the same moment each; the newest first."""
    texts = []
    for number in range(count):
        if number % 2 == 0:
            world.clock.move(timedelta(seconds=1))
        texts.append(f"needle {number}")
        await say(world, who, rooms_of[number % len(rooms_of)], texts[-1])  # type: ignore[arg-type]
        await say(world, who, rooms_of[0], f"straw {number}")  # type: ignore[arg-type]
    return texts[::-1]


async def test_a_search_is_paged_both_ways_in_one_order_over_all_rooms(world: World) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    ours, theirs = await group(world, one, other, third), await direct(world, one, third)
    await haystack(world, one, ours, theirs, count=11)
    whole, info = await page_of(world, one, first=100)
    assert (len(whole), info["hasNextPage"], info["hasPreviousPage"]) == (11, False, False)

    forwards: list[str] = []
    after: object = None
    while True:
        texts, info = await page_of(world, one, first=3, after=after)
        forwards += texts
        assert info["hasPreviousPage"] == (after is not None)
        if not info["hasNextPage"]:
            break
        after = info["endCursor"]
    backwards: list[str] = []
    before: object = None
    while True:
        texts, info = await page_of(world, one, last=4, before=before)
        backwards = texts + backwards
        assert info["hasNextPage"] == (before is not None)
        if not info["hasPreviousPage"]:
            break
        before = info["startCursor"]

    assert forwards == whole
    assert backwards == whole


async def test_what_is_said_while_one_pages_moves_nothing(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    texts = await haystack(world, one, room_id, count=6)

    first, info = await page_of(world, other, first=3)
    await say(world, one, room_id, "a newer needle")
    second, _ = await page_of(world, other, first=3, after=info["endCursor"])
    newer, _ = await page_of(world, other, last=3, before=info["startCursor"])

    assert first + second == texts
    assert newer == ["a newer needle"]


@pytest.mark.parametrize("deleted", [2, 4])
async def test_a_page_whose_messages_are_deleted_while_it_is_read_shows_those_behind_them(
    world: World, monkeypatch: pytest.MonkeyPatch, deleted: int
) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    texts = await haystack(world, one, room_id, count=6)
    hits = (await search_messages(world.as_(one), Asked("needle"), limit=deleted)).hits
    store = world.services.chat.store
    read, is_first = store.messages, True

    async def raced(*arguments: Any) -> Any:
        nonlocal is_first
        if is_first:
            is_first = False
            for hit in hits:
                await messages.delete_message(world.as_(one), room_id, hit.at.message_id)
        return await read(*arguments)

    with monkeypatch.context() as while_reading:
        while_reading.setattr(store, "messages", raced)
        first, info = await page_of(world, other, first=2)
    rest, end = await page_of(world, other, first=2, after=info["endCursor"])
    newer, _ = await page_of(world, other, last=2, before=info["endCursor"])

    assert first == texts[deleted : deleted + 2]
    assert (info["hasNextPage"], info["endCursor"] is None) == (deleted == 2, False)
    assert (rest, end["hasNextPage"]) == (texts[deleted + 2 :], False)
    assert newer == first[:1]


async def test_a_cursor_of_another_list_is_refused(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    await haystack(world, one, room_id, count=1)
    shown = await world.data(
        one,
        "query ($id: ID!) { messages(roomId: $id) { pageInfo { endCursor } } }",
        id=encode_id("room", room_id),
    )

    for cursor in (shown["messages"]["pageInfo"]["endCursor"], "nonsense"):
        answer = await world.graphql(one, PAGE, query="needle", first=1, after=cursor)
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_one_thread_and_several_authors_are_searched(world: World) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, one, other, third)
    begun = await said(world, one, room_id, "needle one")
    world.clock.move(timedelta(seconds=1))
    await say(world, other, room_id, "needle two", answers_id=begun)
    world.clock.move(timedelta(seconds=1))
    await say(world, third, room_id, "needle three")
    world.clock.move(timedelta(seconds=1))
    await say(world, third, room_id, "needle four", answers_id=begun)

    assert await found(world, one, room_id, query="needle", thread_id=begun) == [
        "needle four", "needle two", "needle one",
    ]  # fmt: skip
    assert await found(world, one, query="needle", author_ids=(id_of(one), id_of(other))) == [
        "needle two", "needle one",
    ]  # fmt: skip
    assert await found(world, one, room_id, thread_id=begun, author_ids=(id_of(third),)) == ["needle four"]
    for asked in (Asked("needle", thread_id=begun), Asked(author_ids=(id_of(one),) * 21)):
        with pytest.raises(Invalid):
            await search_messages(world.as_(one), asked, limit=1)


async def test_files_and_snippets_are_found_as_long_as_a_message_has_them(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    file_id = await world.upload(one)
    with_file = await said(world, one, room_id, "see the plan", file_ids=(file_id,))
    await say(world, other, room_id, f"see {encode_id('snippet', file_id)}, line 3")
    await say(world, other, room_id, "see the snippet_of_something")

    assert await found(world, other, traits=("file",)) == ["see the plan"]
    assert len(await found(world, other, traits=("snippet",))) == 1
    await messages.edit_message(world.as_(one), room_id, with_file, Content("see nothing"), keeps_files=False)
    assert await found(world, other, traits=("file",)) == []
