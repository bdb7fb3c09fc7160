"""What is said in rooms: stored once for ever, folded as it stands, refused without a trace."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest

from auth.viewer import Viewer
from models.chat import MAX_CLIENT_ID
from models.errors import NotAllowed, NotFound, Refusals
from models.ids import new_id
from models.message import MAX_TEXT, Content, DeletedMessage
from models.room import ReadOnlyRoom, RoomRole
from models.store.chat_keys import Unreadable
from resolvers import messages, reading, rooms, scheduled_messages
from resolvers.messages import Done
from tests.resolvers.rooms import direct, group, id_of, log_of, read, said, say, texts
from tests.world import World, kinds, race

THUMB, HEART = "👍", "❤️"


async def test_twenty_sends_with_one_client_id_store_one_message(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)

    outcomes = await race(say(world, one, room_id, "once", key="k") for _ in range(20))

    done = [outcome for outcome in outcomes if isinstance(outcome, tuple)]
    assert sorted(receipt.outcome for receipt, _ in done) == ["APPLIED"] + ["REPLAYED"] * 19
    assert len({(receipt.entity_id, receipt.position) for receipt, _ in done}) == 1
    assert await texts(world, other, room_id) == ["once"]
    assert len(await log_of(world, room_id)) == 1


async def test_a_repeat_with_another_content_is_refused_and_with_the_same_answered_whatever_became_of_the_room(
    world: World,
) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    first = await said(world, one, room_id, "first", key="k")
    await messages.edit_message(world.as_(one), room_id, first, Content("edited"))
    await rooms.archive_room(world.as_(other), room_id, is_on=True)

    assert kinds(await race([say(world, one, room_id, "another", key="k")])) == {"IdempotencyConflict": 1}
    receipt, shown = await say(world, one, room_id, "first", key="k")

    assert (receipt.entity_id, receipt.outcome) == (first, "REPLAYED")
    assert shown is not None and shown.words == Content("edited")
    assert len(await log_of(world, room_id)) == 2


async def test_a_client_id_names_one_act_of_its_author_in_the_room(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    message_id = await said(world, one, room_id, "mine", key="k")

    # Another's key is another one; the same one for another act is refused.
    assert (await say(world, other, room_id, "theirs", key="k"))[0].outcome == "APPLIED"
    edit = messages.edit_message(world.as_(one, key="k"), room_id, message_id, Content("new"))
    assert kinds(await race([edit])) == {"IdempotencyConflict": 1}
    assert await texts(world, one, room_id) == ["mine", "theirs"]


async def test_an_edit_repeated_is_one_edit_also_after_a_later_one(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    message_id = await said(world, one, room_id, "first")

    async def edit(text: str, key: str) -> Done:
        return await messages.edit_message(world.as_(one, key=key), room_id, message_id, Content(text))

    await edit("second", "a")
    await edit("third", "b")
    receipt, _ = await edit("second", "a")

    assert receipt.outcome == "REPLAYED"
    assert await texts(world, other, room_id) == ["third"]
    versions = await messages.versions_of(world.as_(other), room_id, message_id)
    assert [version.words for version in versions] == [Content("first"), Content("second"), Content("third")]


async def test_deleting_leaves_a_tombstone_without_words_versions_or_reactions(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    message_id = await said(world, one, room_id, "secret")
    await messages.react_to_message(world.as_(other), room_id, message_id, THUMB, is_on=True)

    await messages.delete_message(world.as_(one), room_id, message_id)
    again, _ = await messages.delete_message(world.as_(one), room_id, message_id)

    (shown,) = await read(world, other, room_id)
    assert (shown.words, shown.message.reactions, shown.message.deleted_by) == (None, {}, one.user_id)
    assert again.outcome == "NOOP"
    assert await messages.versions_of(world.as_(other), room_id, message_id) == []
    edit = messages.edit_message(world.as_(one), room_id, message_id, Content("back"))
    assert kinds(await race([edit])) == {DeletedMessage.__name__: 1}


async def test_answers_are_of_the_thread_that_the_first_message_began(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    first = await said(world, one, room_id, "first")
    second = await said(world, other, room_id, "second", answers_id=first)
    await said(world, one, room_id, "third", answers_id=second, quote_id=first)

    shown = await read(world, one, room_id)

    assert [
        (each.words.answers_id, each.words.thread_id) for each in shown if isinstance(each.words, Content)
    ] == [(None, None), (first, first), (second, first)]
    assert shown[2].quoted is not None and shown[2].quoted.words == Content("first")
    # Quoted words are today's.
    await messages.edit_message(world.as_(one), room_id, first, Content("edited"))
    assert (await read(world, one, room_id))[2].quoted.words == Content("edited")  # type: ignore[union-attr]


async def test_only_members_can_be_mentioned_and_only_messages_of_the_room_answered_or_quoted(
    world: World,
) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    room_id, elsewhere = await direct(world, one, other), await direct(world, one, third)
    there = await said(world, one, elsewhere, "there")
    before = await world.footprint()

    for content in ({"mention_ids": (id_of(third),)}, {"answers_id": there}, {"quote_id": there}):
        assert kinds(await race([say(world, one, room_id, "hm", **content)])) == {NotFound.__name__: 1}

    # A key may have been made for the author; no message.
    after = await world.footprint()
    assert after["chat_fact"] == before["chat_fact"]
    _, shown = await say(world, one, room_id, "you", mention_ids=(id_of(other),), mentions_room=True)
    assert shown is not None
    assert shown.words == Content("you", mention_ids=(id_of(other),), mentions_room=True)


async def test_reactions_count_each_person_once_however_they_race(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    message_id = await said(world, one, room_id)

    await race(
        messages.react_to_message(world.as_(who), room_id, message_id, THUMB, is_on=True)
        for who in (one, other) * 5
    )
    receipt, shown = await messages.react_to_message(world.as_(one), room_id, message_id, HEART, is_on=True)

    assert receipt.outcome == "APPLIED" and shown is not None
    assert {emoji: sorted(people) for emoji, people in shown.message.reactions.items()} == {
        THUMB: sorted([id_of(one), id_of(other)]), HEART: [id_of(one)]
    }  # fmt: skip
    _, shown = await messages.react_to_message(world.as_(other), room_id, message_id, THUMB, is_on=False)
    assert shown is not None and shown.message.reactions[THUMB] == [id_of(one)]
    again, _ = await messages.react_to_message(world.as_(other), room_id, message_id, THUMB, is_on=False)
    assert again.outcome == "NOOP"


async def test_in_a_group_moderators_pin_and_delete_and_write_where_others_read(world: World) -> None:
    owner, moderator, member = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, owner, moderator, member)
    await rooms.set_role(world.as_(owner), room_id, id_of(moderator), RoomRole.MODERATOR)
    message_id = await said(world, member, room_id, "mine")
    await rooms.edit_room(world.as_(owner), room_id, {"is_read_only": True}, expected_version=None)
    before = await log_of(world, room_id)

    assert kinds(await race([say(world, member, room_id)])) == {ReadOnlyRoom.__name__: 1}
    pin = messages.pin_message(world.as_(member), room_id, message_id, is_on=True)
    assert kinds(await race([pin])) == {NotAllowed.__name__: 1}
    edit = messages.edit_message(world.as_(moderator), room_id, message_id, Content("theirs"))
    assert kinds(await race([edit])) == {NotAllowed.__name__: 1}
    assert await log_of(world, room_id) == before

    _, shown = await messages.pin_message(world.as_(moderator), room_id, message_id, is_on=True)
    assert shown is not None and shown.message.pinned_by == moderator.user_id
    await messages.delete_message(world.as_(moderator), room_id, message_id)
    await say(world, moderator, room_id, "rules")
    assert await texts(world, member, room_id) == [None, "rules"]


async def test_in_other_rooms_nobody_deletes_what_the_other_wrote(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    message_id = await said(world, one, room_id)

    delete = messages.delete_message(world.as_(other), room_id, message_id)

    assert kinds(await race([delete])) == {NotAllowed.__name__: 1}
    assert len(await log_of(world, room_id)) == 1


@pytest.mark.parametrize("who", ["stranger", "removed", "admin"])
async def test_who_does_not_belong_to_a_room_reads_and_writes_nothing_in_it(world: World, who: str) -> None:
    owner, member = await world.client(), await world.freelancer()
    room_id = await group(world, owner, member)
    message_id = await said(world, owner, room_id, "ours")
    await rooms.remove_member(world.as_(owner), room_id, id_of(member))
    outsider = {"removed": member, "stranger": await world.client(), "admin": await world.admin()}[who]
    op = world.as_(outsider)
    before = await world.footprint()

    acts: list[Callable[[], Awaitable[object]]] = [
        lambda: say(world, outsider, room_id),
        lambda: messages.edit_message(op, room_id, message_id, Content("no")),
        lambda: messages.delete_message(op, room_id, message_id),
        lambda: messages.react_to_message(op, room_id, message_id, THUMB, is_on=True),
        lambda: messages.pin_message(op, room_id, message_id, is_on=True),
    ]
    for act in acts:
        assert kinds(await race([act()])) == {NotFound.__name__: 1}

    assert await world.footprint() == before
    assert await messages.page_of_messages(op, room_id, limit=10) is None
    assert await messages.page_around(op, room_id, message_id, earlier=1, later=1) is None
    assert await messages.message_in(op, room_id, message_id) is None
    assert await messages.versions_of(op, room_id, message_id) == []


async def test_a_send_beside_a_removal_is_stored_or_refused_and_none_begins_after_it(world: World) -> None:
    owner, member = await world.client(), await world.freelancer()
    room_id = await group(world, owner, member)

    sends = [say(world, member, room_id, str(number), key=str(number)) for number in range(10)]
    *outcomes, _ = await race([*sends, rooms.remove_member(world.as_(owner), room_id, id_of(member))])

    stored = [text for text in await texts(world, owner, room_id) if text is not None]
    sent = [str(number) for number, outcome in enumerate(outcomes) if isinstance(outcome, tuple)]
    assert sorted(stored, key=int) == sent
    assert kinds(outcomes) == {**({"tuple": len(sent)} if sent else {}), **(
        {"NotFound": 10 - len(sent)} if len(sent) < 10 else {}
    )}  # fmt: skip
    assert kinds(await race([say(world, member, room_id, "late")])) == {"NotFound": 1}


async def test_pages_go_both_ways_and_jump(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    ids = [await said(world, one, room_id, str(number)) for number in range(10)]
    op = world.as_(other)

    async def page(**asked: int) -> tuple[list[str], bool, bool]:
        found = await messages.page_of_messages(op, room_id, limit=3, **asked)
        assert found is not None
        return [each.words.text for each in found.messages if isinstance(each.words, Content)], \
            found.has_before, found.has_after  # fmt: skip

    assert await page() == (["7", "8", "9"], True, False)
    assert await page(before=8) == (["4", "5", "6"], True, True)
    assert await page(after=0) == (["0", "1", "2"], True, True)
    around = await messages.page_around(op, room_id, ids[4], earlier=1, later=2)
    assert around is not None
    assert [each.message.id for each in around.messages] == ids[3:7]


async def test_what_is_empty_or_too_long_is_refused_before_anything_is_written(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    before = await world.footprint()

    for text in ("", "  ", "x" * (MAX_TEXT + 1), "nul\0"):
        assert kinds(await race([say(world, one, room_id, text)])) == {Refusals.__name__: 1}
    emoji = messages.react_to_message(world.as_(one), room_id, new_id(), "no emoji", is_on=True)
    assert kinds(await race([emoji])) == {"Invalid": 1}

    assert await world.footprint() == before
    assert kinds(await race([say(world, one, room_id, "x" * MAX_TEXT, key="k" * MAX_CLIENT_ID)])) == {
        "tuple": 1
    }


async def test_no_dump_shows_what_was_said_and_an_erased_author_takes_their_words_along(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    await say(world, one, room_id, "plantedword")
    await say(world, other, room_id, "theirs")

    rows = await world.rows("select cast(f as text) as row from chat_fact f where room_id = :id", id=room_id)
    await world.services.chat.keys.destroy(id_of(one))

    assert not any("plantedword" in row.row or b"plantedword".hex() in row.row for row in rows)
    shown = await read(world, other, room_id)
    assert [each.words for each in shown] == [Unreadable.DESTROYED, Content("theirs")]


async def test_messages_are_numbered_without_gaps_in_the_order_in_which_all_read_them(world: World) -> None:
    people: list[Viewer] = [await world.client(), *[await world.freelancer() for _ in range(4)]]
    room_id: UUID = await group(world, *people)

    await asyncio.gather(*(
        say(world, who, room_id, f"{index}-{number}")
        for number in range(5)
        for index, who in enumerate(people)
    ))  # fmt: skip

    numbers = [fact.seq for fact in await log_of(world, room_id)]
    assert numbers == list(range(1, 26))
    assert await texts(world, people[0], room_id) == await texts(world, people[4], room_id)


async def test_in_a_group_only_who_moderates_it_speaks_to_everybody(world: World) -> None:
    owner, moderator, member = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, owner, moderator, member)
    await rooms.set_role(world.as_(owner), room_id, id_of(moderator), RoomRole.MODERATOR)
    mine = await said(world, member, room_id, "mine")
    before = await log_of(world, room_id)

    for act in (
        say(world, member, room_id, "all of you", mentions_room=True),
        messages.edit_message(world.as_(member), room_id, mine, Content("all of you", mentions_room=True)),
        scheduled_messages.schedule_message(
            world.as_(member),
            room_id,
            Content("all of you", mentions_room=True),
            send_at=world.clock() + timedelta(hours=1),
        ),
    ):
        with pytest.raises(NotAllowed) as refused:
            await act
        assert refused.value.needed == "MODERATOR"

    assert await log_of(world, room_id) == before
    for who in (owner, moderator):
        await say(world, who, room_id, "all of you", mentions_room=True)
    # Whoever lost the role keeps what they said, and may still word it better.
    kept = await said(world, moderator, room_id, "everybody", mentions_room=True)
    await rooms.set_role(world.as_(owner), room_id, id_of(moderator), RoomRole.MEMBER)
    await messages.edit_message(
        world.as_(moderator), room_id, kept, Content("everybody!", mentions_room=True)
    )
    found = (await reading.counts_in(world.as_(member), [room_id]))[room_id]
    assert (found.unread, found.mentions) == (3, 3)
    pair = await direct(world, owner, member)
    assert (await say(world, member, pair, "you", mentions_room=True))[0].outcome == "APPLIED"
