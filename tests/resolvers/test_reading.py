"""What people have read: counts are exact whatever happened since, and markers go back only when somebody says so."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from auth.viewer import Viewer
from models.message import Content
from models.room import RoomRole
from models.store.chat_keys import Unreadable
from resolvers import messages, notifications, projection, reading, rooms
from resolvers.reading import AllCounts, Counts
from tests.resolvers.rooms import direct, group, id_of, said, say
from tests.world import World, kinds, race


async def counts(world: World, who: Viewer, room_id: object) -> tuple[int, int]:
    found: Counts = (await reading.counts_in(world.as_(who), [room_id]))[room_id]  # type: ignore[list-item, index]
    return found.unread, found.mentions


async def test_unread_are_messages_of_others_that_stand_and_mentions_those_that_speak_to_one(
    world: World,
) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, one, other, third)
    await rooms.set_role(world.as_(one), room_id, id_of(third), RoomRole.MODERATOR)
    gone = await said(world, one, room_id, "gone", mention_ids=(id_of(other),))
    await say(world, one, room_id, "to you", mention_ids=(id_of(other),))
    await say(world, other, room_id, "mine")
    kept = await said(world, third, room_id, "to all", mentions_room=True)
    assert await counts(world, other, room_id) == (3, 3)

    await messages.delete_message(world.as_(one), room_id, gone)
    await messages.edit_message(world.as_(third), room_id, kept, Content("to nobody"))
    await messages.react_to_message(world.as_(one), room_id, kept, "👍", is_on=True)

    assert await counts(world, other, room_id) == (2, 1)
    assert await counts(world, third, room_id) == (2, 0)
    assert await counts(world, one, room_id) == (2, 0)
    assert await reading.counts_in(world.as_(await world.client()), [room_id]) == {}


async def test_a_marker_never_goes_back_but_when_one_says_unread_from_here(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    first, second, third = [await said(world, one, room_id, text) for text in ("1", "2", "3")]
    op = world.as_(other)

    assert (await reading.mark_read(op, room_id, up_to=second)).outcome == "APPLIED"
    assert (await reading.mark_read(op, room_id, up_to=first)).outcome == "NOOP"
    assert await counts(world, other, room_id) == (1, 0)
    assert (await reading.mark_read(op, room_id, up_to=None)).outcome == "APPLIED"
    assert await counts(world, other, room_id) == (0, 0)
    assert (await reading.mark_unread(op, room_id, from_id=second)).outcome == "APPLIED"
    assert (await reading.mark_unread(op, room_id, from_id=third)).outcome == "NOOP"
    assert await counts(world, other, room_id) == (2, 0)

    rows = await world.rows(
        "select kind, payload from fact where stream = :stream and kind like 'RoomRead%' order by number",
        stream=f"user:{other.user_id}",
    )
    told = [(row.payload["number"], row.payload["unread"]) for row in rows]
    assert told == [(2, 1), (3, 0), (1, 2)]


async def feed(world: World, who: Viewer) -> list[tuple[str, bool]]:
    """What notifies of messages, and whether it was read, the oldest first."""
    rows = await world.rows(
        "select kind, read_at from notification where user_id = :id order by created_at, id", id=who.user_id
    )
    return [(row.kind, row.read_at is not None) for row in rows]


async def badges(world: World, who: Viewer) -> list[tuple[int, int]]:
    rows = await world.rows(
        "select payload from fact where stream = :stream and kind = 'NotificationsChanged' order by number",
        stream=f"user:{who.user_id}",
    )
    return [(row.payload["unseen"], row.payload["unread"]) for row in rows]


async def test_what_notifies_of_a_room_is_read_with_it_and_the_badge_is_told_once(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id, elsewhere = await direct(world, one, other), await group(world, one, other)
    ids = []
    for text in ("1", "2", "3"):
        world.clock.move(timedelta(seconds=1))
        ids.append(await said(world, one, room_id, text))
    await say(world, one, elsewhere, "you", mention_ids=(id_of(other),))
    for each in (room_id, elsewhere):
        await projection.project(world.as_(one), each)
    assert await feed(world, other) == [("MessageForPerson", False)] * 4

    await reading.mark_read(world.as_(other), room_id, up_to=ids[1])
    assert [is_read for _, is_read in await feed(world, other)].count(True) == 2
    assert await badges(world, other) == [(2, 2)]
    await reading.mark_read(world.as_(other), room_id, up_to=ids[0])
    await reading.mark_read(world.as_(other), room_id, up_to=None)
    assert await badges(world, other) == [(2, 2), (1, 1)]
    # Of a room that was read already, nothing is told again.
    await reading.mark_read(world.as_(other), room_id, up_to=None)
    found = await notifications.counts_of(world.as_(other))

    assert [is_read for _, is_read in await feed(world, other)].count(False) == 1
    assert (found.unseen, found.unread) == (1, 1)
    assert await badges(world, other) == [(2, 2), (1, 1)]


async def test_reading_rooms_and_notifications_and_writing_at_once_ends_with_exact_counts(
    world: World,
) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    rooms_of_two = [await direct(world, other, who) for who in (one, third)]
    for _ in range(3):
        world.clock.move(timedelta(seconds=1))
        ids = [
            await said(world, who, room_id) for who, room_id in zip((one, third), rooms_of_two, strict=True)
        ]
        outcomes = await race([
            *(reading.mark_read(world.as_(other), room_id, up_to=None) for room_id in rooms_of_two * 2),
            *(reading.mark_read(world.as_(who), room_id, up_to=id)
              for who, room_id, id in zip((one, third), rooms_of_two, ids, strict=True)),
            *(notifications.mark_all_read(world.as_(other), category=None) for _ in range(2)),
            *(projection.project(world.as_(one), room_id) for room_id in rooms_of_two),
            say(world, other, rooms_of_two[0]), say(world, other, rooms_of_two[1]),
        ])  # fmt: skip
        assert [one for one in outcomes if isinstance(one, BaseException)] == []

    assert await feed(world, other) == [("MessageForPerson", True)] * 6
    assert (await badges(world, other))[-1] == (0, 0)


async def test_markers_that_race_end_at_the_highest(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    ids = [await said(world, one, room_id, str(number)) for number in range(10)]

    await race(reading.mark_read(world.as_(other), room_id, up_to=id) for id in ids)

    found = (await reading.counts_in(world.as_(other), [room_id]))[room_id]
    assert found == Counts(unread=0, mentions=0, read_number=10)


async def test_all_rooms_are_counted_muted_ones_for_mentions_alone(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    quiet, loud = await group(world, one, other), await direct(world, one, other)
    await rooms.set_preference(world.as_(other), quiet, {"is_muted": True})
    await say(world, one, quiet, "hm")
    await say(world, one, quiet, "you", mention_ids=(id_of(other),))
    await say(world, one, loud, "hello")
    await say(world, one, loud, "hello?")

    assert await reading.counts_of_all(world.as_(other)) == AllCounts(unread=3, mentions=1, rooms=2)
    await reading.mark_read(world.as_(other), quiet, up_to=None)
    assert await reading.counts_of_all(world.as_(other)) == AllCounts(unread=2, mentions=0, rooms=1)


async def test_readers_are_those_who_let_others_know_and_only_members_ask(world: World) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, one, other, third)
    message_id = await said(world, one, room_id)
    await reading.set_receipts(world.as_(third), is_on=False)
    for who in (one, other, third):
        await reading.mark_read(world.as_(who), room_id, up_to=None)

    assert await reading.readers_of(world.as_(one), room_id, message_id) == [id_of(other)]
    assert await reading.readers_of(world.as_(await world.admin()), room_id, message_id) is None
    # What was read while it was off is not told later; what is read then is not taken back by an unread marker.
    await reading.set_receipts(world.as_(third), is_on=True)
    await reading.mark_unread(world.as_(other), room_id, from_id=message_id)
    assert await reading.readers_of(world.as_(one), room_id, message_id) == [id_of(other)]
    rows = await world.rows(
        "select person_id from fact where stream = :stream and kind = 'RoomReadReceipt' order by number",
        stream=f"roomstate:{room_id}",
    )
    assert [row.person_id for row in rows] == [id_of(one), id_of(other)]


async def test_who_does_not_belong_to_a_room_marks_nothing_and_no_other_rooms_message_marks(
    world: World,
) -> None:
    one, other, stranger = await world.client(), await world.freelancer(), await world.client()
    room_id, elsewhere = await direct(world, one, other), await direct(world, one, stranger)
    here, there = await said(world, one, room_id), await said(world, one, elsewhere)
    await projection.catch_up(world.as_(one), [room_id, elsewhere])
    before = await world.footprint()

    assert kinds(await race([
        reading.mark_read(world.as_(stranger), room_id, up_to=None),
        reading.mark_unread(world.as_(stranger), room_id, from_id=here),
        reading.mark_read(world.as_(other), room_id, up_to=there),
    ])) == {"NotFound": 3}  # fmt: skip

    assert await world.footprint() == before


async def test_who_comes_later_has_nothing_unread_of_before(world: World) -> None:
    one, other, late = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, one, other)
    await say(world, one, room_id)
    await projection.catch_up(world.as_(one), [room_id])

    await rooms.add_members(world.as_(one), room_id, [id_of(late)])
    await say(world, one, room_id, "welcome")

    assert await counts(world, late, room_id) == (1, 0)
    assert await counts(world, other, room_id) == (2, 0)


# -- the projection ----------------------------------------------------------------------------------------------------------


async def test_projecting_again_or_from_the_beginning_changes_nothing(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    first = await said(world, one, room_id, "first word", mention_ids=(id_of(other),))
    await say(world, other, room_id, "answer", answers_id=first)
    await messages.pin_message(world.as_(one), room_id, first, is_on=True)
    op = world.as_(one)
    assert await projection.project(op, room_id) == 3
    looks = "select * from room_message where room_id = :id order by seq"
    before = await world.rows(looks, id=room_id)
    words = await world.rows("select * from chat_word where room_id = :id order by seq", id=room_id)

    assert await projection.project(op, room_id) == 0
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        await tx.execute(sa.text("delete from room_progress where room_id = :id").bindparams(id=room_id))
    outcomes = await race(projection.project(op, room_id) for _ in range(5))

    assert sum(outcome for outcome in outcomes if isinstance(outcome, int)) == 3
    assert await world.rows(looks, id=room_id) == before
    assert await world.rows("select * from chat_word where room_id = :id order by seq", id=room_id) == words
    assert [(row.thread_id, row.is_pinned, list(row.mention_ids)) for row in before] == [
        (None, True, [id_of(other)]), (first, False, [])
    ]  # fmt: skip


async def test_the_sweep_finds_rooms_that_no_hint_told_of(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    await projection.sweep(world.as_(one))
    await say(world, one, room_id)

    await projection.sweep(world.as_(one))

    rows = await world.rows("select seq from room_progress where room_id = :id", id=room_id)
    assert [row.seq for row in rows] == [1]


@pytest.mark.parametrize("members", [3])
async def test_sending_writes_no_row_for_any_member(world: World, members: int) -> None:
    people = [await world.client(), *[await world.freelancer() for _ in range(members)]]
    room_id = await group(world, *people)
    await say(world, people[0], room_id, "first")
    await projection.catch_up(world.as_(people[0]), [room_id])
    before = await world.footprint()

    await say(world, people[0], room_id, "all of you", mentions_room=True)
    await projection.catch_up(world.as_(people[0]), [room_id])

    grown = {
        name: count - before[name]
        for name, count in (await world.footprint()).items()
        if count != before[name]
    }
    assert grown == {"chat_fact": 1, "chat_word": 1, "room_message": 1}


async def test_what_an_erased_author_said_still_counts_and_is_not_found(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    await say(world, one, room_id, "secret")
    await world.services.chat.keys.destroy(id_of(one))

    assert await counts(world, other, room_id) == (1, 0)
    page = await messages.page_of_messages(world.as_(other), room_id, limit=1)
    assert page is not None and page.messages[0].words is Unreadable.DESTROYED


async def test_whoever_is_written_to_is_told_once_in_their_own_stream_however_many_project(
    world: World,
) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    pair, many = await direct(world, one, other), await group(world, one, other, third)
    await say(world, one, pair, "hello")
    await say(world, one, many, "you", mention_ids=(id_of(other),))
    await say(world, one, many, "all of you", mentions_room=True)

    await race(projection.project(world.as_(one), room_id) for room_id in (pair, many) * 5)
    await rooms.set_preference(world.as_(other), pair, {"is_muted": True})
    await say(world, one, pair, "quiet")
    await projection.catch_up(world.as_(one), [pair])

    rows = await world.rows(
        "select stream, payload from fact where kind = 'MessageForPerson' and payload ->> 'room_id' = any(:ids) order by payload ->> 'is_mention'",
        ids=[str(pair), str(many)],
    )
    told = [(row.stream, row.payload["room_id"], row.payload["is_mention"]) for row in rows]
    stream = f"user:{other.user_id}"
    assert told == [(stream, str(pair), False), (stream, str(many), True)]


# -- threads and pins --------------------------------------------------------------------------------------------------------


async def test_a_thread_and_the_pinned_ones_are_paged_both_ways(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    first = await said(world, one, room_id, "0")
    answers = [await said(world, other, room_id, str(number), answers_id=first) for number in (1, 2, 3)]
    await say(world, one, room_id, "elsewhere")
    for id in (first, answers[2]):
        await messages.pin_message(world.as_(one), room_id, id, is_on=True)

    async def page(*, thread: bool, **asked: int) -> tuple[list[str], bool, bool]:
        found = await messages.page_of_some(
            world.as_(other),
            room_id,
            thread_id=first if thread else None,
            is_pinned=not thread,
            limit=2,
            **asked,
        )
        assert found is not None
        texts = [one.words.text for one in found.messages if isinstance(one.words, Content)]
        return texts, found.has_before, found.has_after

    assert await page(thread=True) == (["2", "3"], True, False)
    assert await page(thread=True, before=3) == (["0", "1"], False, True)
    assert await page(thread=True, after=0) == (["0", "1"], False, True)
    assert await page(thread=False) == (["0", "3"], False, False)
    stranger = world.as_(await world.client())
    assert await messages.page_of_some(stranger, room_id, thread_id=first, is_pinned=False, limit=2) is None
