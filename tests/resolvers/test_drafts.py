"""Drafts: their author's alone, the last to save wins unless they say against which, gone once they are sent."""

from datetime import timedelta
from uuid import UUID

from auth.viewer import Viewer
from models.chat import KeptKind
from models.chat_cipher import Place
from models.errors import NotFound, StaleVersion
from models.ids import new_id
from models.kept_words import MessageDraft, ReportReason, sealed_in
from models.message import Content
from models.store.chat_keys import Unreadable
from models.store.chat_rotation import Rotation, renew
from resolvers import drafts, message_reports, rooms, scheduled_messages
from tests.resolvers.rooms import direct, group, id_of, log_of, said, texts
from tests.world import World, kinds, race


async def save(
    world: World,
    who: Viewer,
    room_id: UUID,
    text: str = "later",
    *,
    thread_id: UUID | None = None,
    version: int | None = None,
    key: str | None = None,
) -> UUID:
    op = world.as_(who, key=key)
    receipt = await drafts.save_draft(op, room_id, thread_id, Content(text), expected_version=version)
    return receipt.entity_id


async def kept(world: World, who: Viewer) -> list[tuple[str, int]]:
    """What somebody's drafts say, and how often each was saved, by their ids."""
    rows = await world.rows(
        "select id, version from message_draft where author_id = :me order by id", me=id_of(who)
    )
    words = await drafts.words_of_drafts(world.as_(who), [row.id for row in rows])
    return [(content.text, row.version) for row in rows if isinstance(content := words[row.id], Content)]


async def told(world: World, who: Viewer) -> list[str]:
    rows = await world.rows(
        "select kind from fact where stream = :stream and kind like 'MessageDraft%' order by number",
        stream=f"user:{id_of(who)}",
    )
    return [row.kind for row in rows]


async def test_ten_saves_at_once_keep_one_draft_and_the_last_one_wins(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)

    outcomes = await race(save(world, one, room_id, str(number)) for number in range(10))

    assert len({outcome for outcome in outcomes if isinstance(outcome, UUID)}) == 1
    ((text, version),) = await kept(world, one)
    assert text in {str(number) for number in range(10)} and version == 10
    assert await told(world, one) == ["MessageDraftSaved"] * 10
    assert await log_of(world, room_id) == []


async def test_of_two_who_save_against_one_version_one_is_refused(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    await save(world, one, room_id)

    outcomes = await race([save(world, one, room_id, text, version=1) for text in ("a", "b")])

    assert kinds(outcomes) == {"UUID": 1, StaleVersion.__name__: 1}
    assert [version for _, version in await kept(world, one)] == [2]


async def test_a_room_and_each_of_its_threads_have_drafts_of_their_own(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id, elsewhere = await direct(world, one, other), await direct(world, one, await world.freelancer())
    thread_id, foreign = await said(world, other, room_id), await said(world, one, elsewhere)

    await save(world, one, room_id, "room")
    await save(world, one, room_id, "thread", thread_id=thread_id)
    await save(world, other, room_id, "theirs")

    assert await kept(world, one) == [("room", 1), ("thread", 1)]
    assert await kept(world, other) == [("theirs", 1)]
    assert kinds(await race([save(world, one, room_id, thread_id=foreign)])) == {NotFound.__name__: 1}


async def test_a_draft_is_found_by_nobody_but_its_author(world: World) -> None:
    one, other, admin = await world.client(), await world.freelancer(), await world.admin()
    room_id = await direct(world, one, other)
    draft_id = await save(world, one, room_id)
    before = await world.footprint()

    for who in (other, admin):
        assert await drafts.words_of_drafts(world.as_(who), [draft_id]) == {}
        assert kinds(await race([drafts.discard_draft(world.as_(who), draft_id)])) == {NotFound.__name__: 1}
    assert kinds(await race([save(world, admin, room_id)])) == {NotFound.__name__: 1}

    assert await world.footprint() == before


async def test_sending_a_draft_discards_it_once_also_when_only_the_first_half_was_done(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    draft_id = await save(world, one, room_id, "hello")

    async def send() -> str:
        op = world.as_(one, key="k")
        return (await drafts.send_draft(op, room_id, Content("hello"), draft_id))[0].outcome

    # As if the process had died between the two.
    await said(world, one, room_id, "hello", key="k")
    outcomes = await race(send() for _ in range(5))

    assert outcomes == ["REPLAYED"] * 5
    assert await texts(world, other, room_id) == ["hello"]
    assert await kept(world, one) == []
    assert await told(world, one) == ["MessageDraftSaved", "MessageDraftDiscarded"]


async def test_a_refused_send_keeps_the_draft(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    draft_id = await save(world, one, room_id)
    await rooms.archive_room(world.as_(other), room_id, is_on=True)

    outcomes = await race([drafts.send_draft(world.as_(one), room_id, Content("later"), draft_id)])

    assert kinds(outcomes) == {"ArchivedRoom": 1}
    assert await kept(world, one) == [("later", 1)]


async def test_what_is_stored_of_a_draft_opens_nowhere_else_and_says_nothing(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other)
    await save(world, one, room_id, "planted words")
    (row,) = await world.rows("select * from message_draft where author_id = :me", me=id_of(one))
    right = MessageDraft.place_of(room_id, id_of(one), row.words_id, thread_id=None)
    wrong = [
        Place(right.room_id, right.author_id, right.message_id, right.fact_id, KeptKind.SCHEDULED),
        Place(right.room_id, id_of(other), right.message_id, right.fact_id, right.kind),
        Place(right.room_id, right.author_id, right.message_id, new_id(), right.kind),
        MessageDraft.place_of(room_id, id_of(one), row.words_id, thread_id=new_id()),
    ]

    opened = await world.services.chat.keys.unseal_at([(sealed_in(row), place) for place in [right, *wrong]])

    assert opened == [Content("planted words").as_bytes, *[Unreadable.FORGED] * 4]
    assert b"planted" not in row.sealed


async def test_whoever_is_erased_keeps_no_draft(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    await save(world, one, room_id, "mine")
    await save(world, other, room_id, "theirs")

    await world.services.chat.keys.destroy(id_of(one))

    assert (await kept(world, one), await kept(world, other)) == ([], [("theirs", 1)])


async def test_what_is_kept_outlives_the_keys_that_sealed_it(empty_world: World) -> None:
    world = empty_world
    one, other, admin = await world.client(), await world.freelancer(), await world.admin()
    room_id = await direct(world, one, other)
    op, later = world.as_(one), world.clock() + timedelta(days=1)
    await save(world, one, room_id, "draft")
    scheduled = (
        await scheduled_messages.schedule_message(op, room_id, Content("later"), send_at=later)
    ).entity_id
    message_id = await said(world, other, room_id, "evidence")
    reported = (
        await message_reports.report_message(op, room_id, message_id, ReportReason.SPAM, note=None)
    ).entity_id
    chat, report = world.services.chat, Rotation()
    held = {row.id for row in await world.rows("select id from chat_key")}

    for days in (1, 2):
        at = world.clock() + timedelta(days=days)
        made_before = world.clock() + timedelta(hours=1)
        await renew(chat.store, chat.keys, report, lambda _: None, made_before=made_before, at=at)

    assert (report.retired, report.dropped, report.unreadable) == (3, 3, 0)
    assert not held & {row.id for row in await world.rows("select id from chat_key")}
    assert await kept(world, one) == [("draft", 1)]
    assert await scheduled_messages.words_of_scheduled(op, [scheduled]) == {scheduled: Content("later")}
    found = await message_reports.evidence_of(world.as_(admin), [reported])
    assert found == {reported: Content("evidence")}
