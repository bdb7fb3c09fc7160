"""Messages are found by their words in all forms, by who wrote them and what they have, in rooms that one belongs to."""

from datetime import timedelta

import pytest

from auth.viewer import Viewer
from models.errors import Invalid
from models.message import Content
from resolvers import messages, rooms
from resolvers.message_search import Asked, search_messages
from tests.resolvers.rooms import direct, group, id_of, said, say
from tests.world import World


async def found(world: World, who: Viewer, room_id: object = None, **asked: object) -> list[str]:
    hits = await search_messages(world.as_(who), Asked(**asked), room_id=room_id, limit=20)  # type: ignore[arg-type]
    return [hit.words.text for hit in hits if isinstance(hit.words, Content)]


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

    assert await found(world, one, query="print", author_id=id_of(other)) == ["print that", "print this"]
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
        await search_messages(world.as_(await world.client()), Asked(query), room_id=None, limit=1)

    assert refused.value.constraint == constraint
