"""Following threads: whoever wrote in one does, and whoever says so, until they say otherwise; answers are told to them once."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from auth.viewer import ANONYMOUS, Viewer
from models.errors import Invalid, NotFound
from models.ids import new_id
from models.message import Content, DeletedMessage
from models.notice import NotificationCategory
from models.notification import NotificationChannel
from models.thread import MOST_TOLD
from resolvers import messages, notifications, projection, reading, rooms, threads
from resolvers.threads import Thread, ThreadPlace
from tests.resolvers.rooms import direct, group, id_of, said, say
from tests.world import World, kinds, race

FOLLOWS = "YOU_FOLLOW_THE_THREAD"


async def project(world: World, room_id: UUID) -> None:
    await projection.project(world.as_(ANONYMOUS), room_id)


async def answered(world: World, who: Viewer, room_id: UUID, thread_id: UUID, **content: object) -> UUID:
    """The message, told to whom it concerns."""
    message_id = await said(world, who, room_id, "answer", answers_id=thread_id, **content)
    await project(world, room_id)
    return message_id


async def told(world: World, message_id: UUID, *people: Viewer) -> list[str | None]:
    """Why each of them is notified of a message, if they are; once at most."""
    rows = await world.rows(
        "select n.user_id, n.reason from notification n join fact f on f.id = n.id where f.payload ->> 'message_id' = :id",
        id=str(message_id),
    )
    assert len({row.user_id for row in rows}) == len(rows)
    reasons = {row.user_id: row.reason for row in rows}
    return [reasons.get(id_of(who)) for who in people]


async def follow(
    world: World, who: Viewer, room_id: UUID, thread_id: UUID, *, is_on: bool, key: str | None = None
) -> str:
    op = world.as_(who, key=key, mutation="thread_follow_set")
    return (await threads.set_follow(op, room_id, thread_id, is_on=is_on))[0].outcome


async def thread(world: World, who: Viewer, room_id: UUID, message_id: UUID) -> Thread:
    return (await threads.threads_of(world.as_(who), [(room_id, message_id)]))[room_id, message_id]


async def followed(world: World, who: Viewer) -> list[UUID]:
    page = await threads.followed_threads(world.as_(who), limit=20)
    return [one.place.id for one in page.threads]


# -- who follows -------------------------------------------------------------------------------------------------------------


async def test_whoever_wrote_in_a_thread_is_told_of_each_answer_once_however_many_project(
    world: World,
) -> None:
    one, other, third, silent = await world.client("Olga"), *[await world.freelancer() for _ in range(3)]
    room_id = await group(world, one, other, third, silent)
    first = await said(world, one, room_id)
    await said(world, silent, room_id, "elsewhere")

    # All at once: of what comes before an answer, and of nothing behind it, somebody follows.
    answers = [await said(world, who, room_id, answers_id=first) for who in (other, third, one)]
    await race(projection.project(world.as_(one), room_id) for _ in range(5))

    people = (one, other, third, silent)
    assert [await told(world, answer, *people) for answer in answers] == [
        [FOLLOWS, None, None, None],
        [FOLLOWS, FOLLOWS, None, None],
        [None, FOLLOWS, FOLLOWS, None],
    ]
    rows = await world.rows(
        "select count(distinct group_key), min(category), min(kind) from notification where room_id = :id",
        id=room_id,
    )
    assert tuple(rows[0]) == (1, "CHAT", "MessageForPerson")
    payloads = await world.rows(
        "select payload from fact where kind = 'MessageForPerson' and stream = :stream",
        stream=f"user:{id_of(one)}",
    )
    assert [(row.payload["followed_thread_id"], row.payload["is_mention"]) for row in payloads] == [
        (str(first), False)
    ] * 2


async def test_what_somebody_chose_holds_whatever_they_write_later(world: World) -> None:
    one, quiet, curious = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, one, quiet, curious)
    first = await said(world, one, room_id)
    await answered(world, quiet, room_id, first)
    assert await follow(world, quiet, room_id, first, is_on=False) == "APPLIED"
    assert await follow(world, curious, room_id, first, is_on=True) == "APPLIED"
    await said(world, quiet, room_id, answers_id=first)

    answer = await answered(world, one, room_id, first)

    assert await told(world, answer, quiet, curious) == [None, FOLLOWS]
    assert [(await thread(world, who, room_id, first)).is_followed for who in (one, quiet, curious)] == [
        True, False, True
    ]  # fmt: skip
    assert [await followed(world, who) for who in (one, quiet, curious)] == [[first], [], [first]]
    assert await follow(world, quiet, room_id, first, is_on=True) == "APPLIED"
    assert await follow(world, curious, room_id, first, is_on=False) == "APPLIED"
    assert await told(world, await answered(world, one, room_id, first), quiet, curious) == [FOLLOWS, None]


async def test_a_thread_can_be_followed_before_it_begins_and_shows_once_it_has(world: World) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, one, other, third)
    first = await said(world, one, room_id)

    await follow(world, other, room_id, first, is_on=True)

    assert (await followed(world, one), await followed(world, other)) == ([], [])
    answer = await answered(world, third, room_id, first)
    assert await told(world, answer, one, other, third) == [FOLLOWS, FOLLOWS, None]
    assert [await followed(world, who) for who in (one, other, third)] == [[first]] * 3


async def test_whoever_is_told_for_a_better_reason_is_told_once(world: World) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    room_id, pair = await group(world, one, other, third), await direct(world, one, other)
    first, alone = await said(world, one, room_id), await said(world, one, pair)
    await answered(world, third, room_id, first)

    named = await answered(world, other, room_id, first, mention_ids=(id_of(one),), quote_id=first)
    to_one = await answered(world, other, pair, alone)

    assert await told(world, named, one, third) == ["YOU_ARE_MENTIONED", FOLLOWS]
    assert await told(world, to_one, one) == ["YOU_ARE_WRITTEN_TO"]


async def test_those_are_not_told_who_left_muted_the_room_switched_it_off_or_are_blocked(
    world: World,
) -> None:
    one, left, muted, off, blocking, blocked = [
        await world.client(),
        *[await world.freelancer() for _ in range(5)],
    ]
    room_id, pair = (
        await group(world, one, left, muted, off, blocking, blocked),
        await direct(world, one, muted),
    )
    first, alone = await said(world, one, room_id), await said(world, muted, pair)
    everybody = (left, muted, off, blocking, blocked)
    for who in everybody:
        await said(world, who, room_id, answers_id=first)
    assert await told(world, await answered(world, one, room_id, first), *everybody) == [FOLLOWS] * 5

    await rooms.leave_room(world.as_(left), room_id)
    for muted_id in (room_id, pair):
        await rooms.set_preference(world.as_(muted), muted_id, {"is_muted": True})
    await notifications.set_preference(
        world.as_(off), NotificationCategory.CHAT, NotificationChannel.IN_APP, is_on=False
    )
    await rooms.block_person(world.as_(blocking), id_of(one))
    await rooms.block_person(world.as_(one), id_of(blocked))

    assert await told(world, await answered(world, one, room_id, first), *everybody) == [None] * 5
    assert await told(world, await answered(world, one, pair, alone), muted) == [None]
    # The others of them are told of each other.
    assert (
        await told(world, await answered(world, muted, room_id, first), one, blocking, blocked)
        == [FOLLOWS] * 3
    )


async def test_of_very_many_who_follow_those_are_told_who_wrote_or_chose_last(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other)
    first = await said(world, one, room_id)
    await project(world, room_id)
    people = [new_id() for _ in range(MOST_TOLD + 5)]
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        for statement in (
            """insert into users (id, email, name, password_hash, roles, status, created_at, version, updated_at, access_version)
               select id, id || '@example.org', 'Somebody', '', '{}', 'ACTIVE', now(), 1, now(), 0 from unnest(:ids) as p(id)""",
            """insert into room_member (room_id, user_id, role, joined_at, is_muted, is_hidden, is_favorite, read_seq, receipt_seq)
               select :room_id, id, 'MEMBER', now(), false, false, false, 0, 0 from unnest(:ids) as p(id)""",
            """insert into thread_follow (user_id, thread_id, room_id, is_on, set_at)
               select id, :thread_id, :room_id, true, cast(:at as timestamptz) + n * interval '1 second'
               from unnest(:ids) with ordinality as p(id, n)""",
        ):
            names = {name for name in ("room_id", "thread_id", "at") if f":{name}" in statement}
            values = {"room_id": room_id, "thread_id": first, "at": world.clock()}
            await tx.execute(
                sa.text(statement)
                .bindparams(sa.bindparam("ids", people, sa.ARRAY(sa.Uuid)))
                .bindparams(**{name: values[name] for name in names})
            )

    # So much is told in several transactions, by whoever comes to it.
    answers = [await said(world, other, room_id, answers_id=first) for _ in range(3)]
    await race(projection.project(world.as_(one), room_id) for _ in range(3))

    rows = await world.rows(
        "select payload ->> 'message_id' as id, person_id from fact where kind = 'MessageForPerson' and payload ->> 'room_id' = :id",
        id=str(room_id),
    )
    # The author of the first message wrote before all of them chose.
    assert sorted((row.id, row.person_id) for row in rows) == sorted(
        (str(answer), person) for answer in answers for person in people[5:]
    )
    heads = await world.rows("select seq from room_progress where room_id = :id", id=room_id)
    assert [row.seq for row in heads] == [4]


async def test_an_answer_to_nobody_who_follows_writes_nothing_for_anybody(world: World) -> None:
    one, *others = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, one, *others)
    first = await said(world, one, room_id)
    await project(world, room_id)
    before = await world.footprint()

    await answered(world, one, room_id, first)

    after = await world.footprint()
    assert {name: count - before[name] for name, count in after.items() if count != before[name]} == {
        "chat_fact": 1, "chat_word": 1, "room_message": 1
    }  # fmt: skip


# -- choosing ----------------------------------------------------------------------------------------------------------------


async def test_of_ten_who_choose_the_same_at_once_one_changes_it_and_a_repeat_says_so(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other)
    first = await said(world, one, room_id)

    outcomes = await race(follow(world, other, room_id, first, is_on=True) for _ in range(10))
    keyed = [await follow(world, other, room_id, first, is_on=False, key="k") for _ in range(1)]
    repeated = await race([follow(world, other, room_id, first, is_on=False, key="k")])

    assert sorted(str(outcome) for outcome in outcomes) == ["APPLIED", *["NOOP"] * 9]
    assert (keyed, repeated) == (["APPLIED"], ["REPLAYED"])
    rows = await world.rows(
        "select payload from fact where stream = :stream and kind = 'ThreadFollowSet' order by number",
        stream=f"user:{id_of(other)}",
    )
    assert [(row.payload["thread_id"], row.payload["is_followed"]) for row in rows] == [
        (str(first), True), (str(first), False)
    ]  # fmt: skip


async def test_only_what_begins_a_thread_can_be_followed_by_who_reads_it(world: World) -> None:
    one, other, stranger, admin = (
        await world.client(), await world.freelancer(), await world.client(), await world.admin()
    )  # fmt: skip
    room_id, elsewhere = await group(world, one, other), await direct(world, one, other)
    first, foreign = await said(world, one, room_id), await said(world, one, elsewhere)
    answer = await answered(world, other, room_id, first)
    gone = await said(world, one, room_id)
    await messages.delete_message(world.as_(one), room_id, gone)
    await project(world, room_id)
    before = await world.footprint()

    refused = [
        await race([follow(world, who, room_id, id, is_on=True)])
        for who, id in ((other, answer), (other, gone), (other, foreign), (other, new_id()), (stranger, first), (admin, first))
    ]  # fmt: skip

    names = [Invalid, DeletedMessage, *[NotFound] * 4]
    assert [kinds(outcomes) for outcomes in refused] == [{cls.__name__: 1} for cls in names]
    (invalid,) = refused[0]
    assert isinstance(invalid, Invalid) and (invalid.path, invalid.constraint) == (
        ("threadId",),
        "FIRST_MESSAGE",
    )
    assert await world.footprint() == before


async def test_whoever_reads_an_archived_read_only_room_follows_in_it(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other, is_read_only=True)
    first = await said(world, one, room_id)
    await rooms.archive_room(world.as_(one), room_id, is_on=True)

    assert await follow(world, other, room_id, first, is_on=True) == "APPLIED"
    assert await follow(world, other, room_id, first, is_on=True) == "NOOP"


async def test_who_comes_back_follows_what_they_followed_and_missed_what_came_meanwhile(world: World) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, one, other, third)
    first, chosen, declined = [await said(world, one, room_id) for _ in range(3)]
    for thread_id in (first, chosen, declined):
        await answered(world, third, room_id, thread_id)
    await answered(world, other, room_id, first)
    await follow(world, other, room_id, chosen, is_on=True)
    await follow(world, other, room_id, declined, is_on=False)
    await rooms.leave_room(world.as_(other), room_id)
    away = [await answered(world, one, room_id, thread_id) for thread_id in (first, chosen)]
    assert await followed(world, other) == []
    assert kinds(await race([follow(world, other, room_id, first, is_on=False)])) == {NotFound.__name__: 1}

    await rooms.add_members(world.as_(one), room_id, [id_of(other)])

    assert [await told(world, answer, other) for answer in away] == [[None], [None]]
    assert sorted(await followed(world, other)) == sorted([first, chosen])
    back = [await answered(world, third, room_id, id) for id in (first, chosen, declined)]
    assert [await told(world, answer, other) for answer in back] == [[FOLLOWS], [FOLLOWS], [None]]


async def test_a_thread_outlives_its_first_message_and_what_is_taken_back_follows_nothing(
    world: World,
) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, one, other, third)
    first = await said(world, one, room_id)
    kept, gone = await answered(world, other, room_id, first), await answered(world, third, room_id, first)
    await messages.delete_message(world.as_(one), room_id, first)
    await messages.delete_message(world.as_(third), room_id, gone)

    answer = await said(world, other, room_id, answers_id=kept)
    await project(world, room_id)

    assert await told(world, answer, one, other, third) == [None, None, None]
    assert [await followed(world, who) for who in (one, other, third)] == [[], [first], []]
    page = await threads.followed_threads(world.as_(other), limit=1)
    assert [shown.first.message.deleted_at is not None for shown in page.threads] == [True]
    assert (await thread(world, other, room_id, gone)) == await thread(world, other, room_id, first)
    assert (await thread(world, other, room_id, first)).answers == 2
    # It is a thread still, so whoever wants to may follow it.
    assert await follow(world, one, room_id, first, is_on=True) == "APPLIED"
    assert await told(world, await answered(world, other, room_id, kept), one, other) == [FOLLOWS, None]


# -- what was read -----------------------------------------------------------------------------------------------------------


async def test_reading_the_room_reads_what_notifies_of_threads_and_unread_is_what_stands_behind(
    world: World,
) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other)
    first = await said(world, one, room_id)
    answers = []
    for _ in range(3):
        world.clock.move(timedelta(seconds=1))
        answers.append(await answered(world, other, room_id, first))
    await said(world, other, room_id, "elsewhere")
    await answered(world, one, room_id, first)

    async def seen() -> tuple[int, int, int]:
        """Answers, those unread, and notifications unread."""
        found = await thread(world, one, room_id, answers[0])
        return found.answers, found.unread, (await notifications.counts_of(world.as_(one))).unread

    assert await seen() == (4, 3, 3)
    await reading.mark_read(world.as_(one), room_id, up_to=answers[1])
    assert await seen() == (4, 1, 1)
    await reading.mark_read(world.as_(one), room_id, up_to=None)
    assert await seen() == (4, 0, 0)
    await reading.mark_unread(world.as_(one), room_id, from_id=answers[1])
    assert await seen() == (4, 2, 0)
    await messages.delete_message(world.as_(other), room_id, answers[2])
    assert await seen() == (3, 1, 0)
    assert (await thread(world, other, room_id, first)).unread == 1
    assert await threads.threads_of(world.as_(await world.client()), [(room_id, first)]) == {}


async def test_a_thread_is_told_by_the_last_answer_that_is_there(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other)
    first = await said(world, one, room_id)
    assert await thread(world, one, room_id, first) == Thread(first, 0, None, 0, is_followed=True)
    assert await thread(world, other, room_id, first) == Thread(first, 0, None, 0, is_followed=False)
    moments, answers = [], []
    for _ in range(2):
        world.clock.move(timedelta(minutes=1))
        answers.append(await said(world, other, room_id, answers_id=first))
        moments.append(world.clock().replace(microsecond=world.clock().microsecond // 1000 * 1000))

    assert await thread(world, one, room_id, answers[0]) == Thread(first, 2, moments[1], 2, is_followed=True)
    await messages.delete_message(world.as_(other), room_id, answers[1])
    assert await thread(world, one, room_id, answers[1]) == Thread(first, 1, moments[0], 1, is_followed=True)
    await messages.delete_message(world.as_(other), room_id, answers[0])
    assert await thread(world, one, room_id, first) == Thread(first, 0, None, 0, is_followed=True)
    assert (await followed(world, one), await followed(world, other)) == ([], [])


# -- the list ----------------------------------------------------------------------------------------------------------------


async def ids_of(
    world: World, who: Viewer, *, beyond: ThreadPlace | None = None, is_backwards: bool = False
) -> tuple[list[UUID], bool, bool, Sequence[ThreadPlace]]:
    page = await threads.followed_threads(world.as_(who), limit=2, beyond=beyond, is_backwards=is_backwards)
    places = [one.place for one in page.threads]
    assert [one.first.message.id for one in page.threads] == [place.id for place in places]
    return [place.id for place in places], page.has_newer, page.has_older, places


async def test_followed_threads_of_all_rooms_are_paged_both_ways_by_their_newest_answers(
    world: World,
) -> None:
    one, other = await world.client(), await world.freelancer()
    pair, team, left = (
        await direct(world, one, other),
        await group(world, one, other),
        await group(world, other, one),
    )
    begun = [await said(world, one, room_id, str(room_id)) for room_id in (pair, team, pair, team, pair)]
    lost = await said(world, one, left)
    # The moments of the two last ones are the same.
    for number, (room_id, thread_id) in enumerate(
        zip((pair, team, pair, team, pair, left), [*begun, lost], strict=True)
    ):
        world.clock.move(timedelta(minutes=number < 4))
        await said(world, other, room_id, answers_id=thread_id)
    await rooms.leave_room(world.as_(one), left)
    world.clock.move(timedelta(minutes=1))
    await said(world, other, team, answers_id=begun[1])
    tied = sorted(begun[3:], reverse=True)
    expected = [begun[1], *tied, begun[2], begun[0]]

    first, *_, places = page = await ids_of(world, one)
    second, *_, further = middle = await ids_of(world, one, beyond=places[-1])
    third, *_, _ = last = await ids_of(world, one, beyond=further[-1])

    assert first + second + third == expected
    assert [found[1:3] for found in (page, middle, last)] == [(False, True), (True, True), (True, False)]
    assert (await ids_of(world, one, is_backwards=True))[:3] == (expected[-2:], True, False)
    assert (await ids_of(world, one, beyond=further[0], is_backwards=True))[:3] == (first, False, True)
    assert (await ids_of(world, await world.client()))[:3] == ([], False, False)
    assert (await threads.followed_threads(world.as_(ANONYMOUS), limit=1)).threads == ()


async def test_threads_are_the_same_however_often_the_room_is_projected(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other)
    first = await said(world, one, room_id)
    await answered(world, other, room_id, first)
    await messages.edit_message(world.as_(one), room_id, first, Content("edited"))
    await project(world, room_id)
    before = await thread(world, one, room_id, first)
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        for table in ("room_progress", "room_message"):
            await tx.execute(sa.text(f"delete from {table} where room_id = :id").bindparams(id=room_id))

    await race(projection.project(world.as_(one), room_id) for _ in range(3))

    assert await thread(world, one, room_id, first) == before
    assert (await followed(world, one), await followed(world, other)) == ([first], [first])


@pytest.mark.parametrize("is_on", [True, False])
async def test_whoever_writes_and_chooses_at_once_follows_as_they_chose(world: World, is_on: bool) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other)
    first = await said(world, one, room_id)

    outcomes = await race([
        *(say(world, other, room_id, answers_id=first) for _ in range(3)),
        follow(world, other, room_id, first, is_on=is_on),
        *(projection.project(world.as_(one), room_id) for _ in range(3)),
    ])  # fmt: skip

    assert not [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert (await thread(world, other, room_id, first)).is_followed is is_on
    answer = await answered(world, one, room_id, first)
    assert await told(world, answer, other) == [FOLLOWS if is_on else None]
