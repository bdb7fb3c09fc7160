"""What every chat store keeps."""

import asyncio
from dataclasses import replace
from datetime import datetime
from time import perf_counter

import pytest
import sqlalchemy as sa

from models.chat import ChatFact, ChatKind, digest_of
from models.errors import OutcomeUnknown
from models.ids import new_id
from models.store.chat import ChatPage, ChatStore, CopyRefused
from models.store.chat_mongo import MongoChatStore
from models.store.chat_sql import SqlChatStore
from tests.contracts.conftest import AT, OpenStore, about, log, sent, words, write
from tests.ferretdb_server import FerretServer
from tests.world import World, kinds, race


def texts(page: ChatPage | None) -> list[str | None]:
    assert page is not None
    return [m.words.sealed.text.decode() if m.words and m.words.sealed else None for m in page.messages]


# -- appending ---------------------------------------------------------------------------------------------------------


async def test_racing_writers_of_several_processes_leave_no_gap_and_lose_nothing(
    open_store: OpenStore,
) -> None:
    stores = [await open_store() for _ in range(4)]
    room, other = new_id(), new_id()
    drafts = [sent(room if number % 5 else other, str(number)) for number in range(30)]

    appended = await asyncio.gather(
        *(stores[number % 4].append_fact(draft) for number, draft in enumerate(drafts))
    )

    assert [one.is_repeat for one in appended] == [False] * 30
    for room_id, count in ((room, 24), (other, 6)):
        facts = await log(stores[0], room_id)
        assert [fact.seq for fact in facts] == list(range(1, count + 1))
        assert {fact.id for fact in facts} == {draft.id for draft in drafts if draft.room_id == room_id}
    assert await stores[1].heads([room, other, drafts[0].id]) == {room: 24, other: 6, drafts[0].id: 0}


async def test_one_message_sent_by_many_at_once_is_written_once(open_store: OpenStore) -> None:
    stores = [await open_store() for _ in range(3)]
    first = sent(new_id(), "first")
    tries = []
    for number in range(12):
        id = new_id()
        tries.append(replace(first, id=id, message_id=id, sealed=words(str(number))))

    appended = await asyncio.gather(
        *(stores[number % 3].append_fact(one) for number, one in enumerate(tries))
    )

    assert [one.is_repeat for one in appended].count(False) == 1
    assert len({one.fact for one in appended}) == 1
    assert await log(stores[0], first.room_id) == [appended[0].fact]


async def test_a_repeat_is_answered_with_what_is_stored_whatever_came_after(store: ChatStore) -> None:
    draft = sent(new_id(), "once")
    first, *_ = await write(store, draft, sent(draft.room_id), sent(draft.room_id))
    id = new_id()

    again = await store.append_fact(replace(draft, id=id, message_id=id, sealed=words("other")))

    assert again.is_repeat
    assert again.fact == first.fact == ChatFact.of(draft, seq=1)
    assert await store.heads([draft.room_id]) == {draft.room_id: 3}


async def test_a_client_id_is_of_one_author_in_one_room(store: ChatStore) -> None:
    draft = sent(new_id(), client_id="1")

    appended = await write(
        store,
        draft,
        sent(draft.room_id, client_id="1"),
        sent(new_id(), client_id="1", author_id=draft.author_id),
    )

    assert [(one.is_repeat, one.fact.seq) for one in appended] == [(False, 1), (False, 2), (False, 1)]


async def test_every_part_of_a_fact_is_kept(open_store: OpenStore) -> None:
    writer, reader = await open_store(), await open_store()
    message = sent(new_id(), "ü 🦊 \n", client_id="ключ 🗝")
    drafts = [
        message,
        about(message, ChatKind.REACTED, reaction="👩‍💻"),
        about(message, ChatKind.EDITED, text="x"),
    ]

    await write(writer, *drafts)

    facts = await log(reader, message.room_id)
    assert facts == [ChatFact.of(draft, seq=seq) for seq, draft in enumerate(drafts, 1)]
    assert facts[0].at == datetime.fromisoformat("2026-11-22T12:00:00.123+00:00")
    assert await reader.facts_after(message.room_id, 1, limit=1) == facts[1:2]


async def test_a_room_that_is_too_busy_refuses_and_writes_nothing(database_url: str) -> None:
    store = SqlChatStore(database_url, patience_s=0)
    first, second = sent(new_id()), sent(new_id())
    second = replace(second, room_id=first.room_id)

    outcomes = await race([store.append_fact(draft) for draft in (first, second)])

    facts = await log(store, first.room_id)
    await store.close()
    assert kinds(outcomes) == {"Appended": 1, "RoomBusy": 1}
    assert facts == [ChatFact.of(first, seq=1)]


# -- reading -----------------------------------------------------------------------------------------------------------


async def test_a_message_is_folded_with_all_that_happened_to_it(store: ChatStore) -> None:
    room, friend, moderator = new_id(), new_id(), new_id()
    edited, deleted, pinned = (sent(room, text) for text in ("edited", "deleted", "pinned"))
    await write(
        store,
        edited,
        deleted,
        pinned,
        about(edited, ChatKind.EDITED, text="edited once"),
        about(edited, ChatKind.REACTED, reaction="👍", author_id=friend),
        about(edited, ChatKind.REACTED, reaction="🎉", author_id=friend),
        about(edited, ChatKind.REACTED, reaction="👍"),
        about(edited, ChatKind.REACTED, reaction="👍", author_id=friend),
        about(edited, ChatKind.UNREACTED, reaction="🎉", author_id=friend),
        about(deleted, ChatKind.DELETED, author_id=moderator),
        about(deleted, ChatKind.EDITED, text="too late"),
        about(edited, ChatKind.EDITED, text="not theirs", author_id=friend),
        about(edited, ChatKind.EDITED, text="edited twice"),
        about(pinned, ChatKind.PINNED, author_id=moderator),
        about(edited, ChatKind.PINNED),
        about(edited, ChatKind.UNPINNED),
    )

    page = await store.page(room, limit=10)

    one, two, three = page.messages
    assert texts(page) == ["edited twice", None, "pinned"]
    assert (one.edits, one.reactions, one.pinned_by, one.last_seq) == (
        2,
        {"👍": [friend, edited.author_id]},
        None,
        16,
    )
    assert (two.deleted_by, two.edits, two.last_seq) == (moderator, 0, 10)
    assert (three.pinned_by, three.edits) == (moderator, 0)
    assert (page.has_before, page.has_after, page.at) == (False, False, 16)
    assert await store.message(room, edited.id) == one
    history = await store.facts_about(room, edited.id)
    assert [fact.seq for fact in history] == [1, 4, 5, 6, 7, 8, 9, 12, 13, 15, 16]
    earlier = await store.page(room, limit=10, at=9)
    assert texts(earlier) == ["edited once", "deleted", "pinned"]


async def test_pages_go_both_ways_over_what_happens_in_between(store: ChatStore) -> None:
    room = new_id()
    first = sent(room, "0")
    await write(store, first)
    for number in range(1, 10):
        await write(store, about(first, ChatKind.REACTED, reaction=str(number)), sent(room, str(number)))

    newest = await store.page(room, limit=4)
    earlier = await store.page(room, limit=4, before=newest.messages[0].seq)
    oldest = await store.page(room, limit=4, before=earlier.messages[0].seq)
    onwards = await store.page(room, limit=4, after=oldest.messages[-1].seq)
    rest = await store.page(room, limit=4, after=onwards.messages[-1].seq)

    assert [texts(page) for page in (newest, earlier, oldest)] == [list("6789"), list("2345"), list("01")]
    assert [texts(onwards), texts(rest)] == [list("2345"), list("6789")]
    assert [(p.has_before, p.has_after) for p in (newest, earlier, oldest, onwards, rest)] == [
        (True, False), (True, True), (False, True), (True, True), (True, False),
    ]  # fmt: skip
    assert {page.at for page in (newest, earlier, oldest, onwards, rest)} == {19}
    assert sorted(oldest.messages[0].reactions) == [str(number) for number in range(1, 10)]


async def test_a_jump_shows_what_is_around_a_message(store: ChatStore) -> None:
    room, other = new_id(), new_id()
    drafts = [sent(room, str(number)) for number in range(10)]
    await write(store, *drafts, sent(other))
    reaction = (await write(store, about(drafts[4], ChatKind.REACTED, reaction="👍")))[0].fact

    middle = await store.around(room, drafts[4].id, earlier=2, later=3)
    start = await store.around(room, drafts[0].id, earlier=2, later=0)
    end = await store.around(room, drafts[9].id, earlier=0, later=2)
    before_it = await store.around(room, drafts[4].id, earlier=1, later=1, at=10)

    assert [texts(page) for page in (middle, start, end)] == [list("234567"), ["0"], ["9"]]
    assert [(p.has_before, p.has_after) for p in (middle, start, end) if p] == [
        (True, True),
        (False, True),
        (True, False),
    ]
    assert middle is not None
    assert middle.messages[2].reactions == {"👍": [reaction.author_id]}
    assert before_it is not None
    assert before_it.messages[1].reactions == {}
    assert await store.around(other, drafts[4].id, earlier=1, later=1) is None
    assert await store.around(room, reaction.id, earlier=1, later=1) is None
    assert await store.around(room, drafts[4].id, earlier=1, later=1, at=3) is None


async def test_a_room_without_messages_has_an_empty_page(store: ChatStore) -> None:
    for bounds in ({}, {"before": 5}, {"after": 0}):
        page = await store.page(new_id(), limit=5, **bounds)
        assert (list(page.messages), page.at) == ([], 0)


async def test_rooms_that_got_facts_are_found_since_a_mark(open_store: OpenStore) -> None:
    writer, reader = await open_store(), await open_store()
    old, new = new_id(), new_id()
    await write(writer, sent(old))
    mark = (await reader.moved_since(None)).mark
    await write(writer, sent(new), sent(new))

    moved = await reader.moved_since(mark)

    assert moved.heads[new] == 2
    assert {old, new} <= set(await reader.rooms_after(None, limit=10_000))
    in_order = sorted((old, new))
    after_first = await reader.rooms_after(in_order[0], limit=10_000)
    assert in_order[0] not in after_first
    assert in_order[1] in after_first


# -- moving and resealing ----------------------------------------------------------------------------------------------


async def test_facts_are_copied_as_they_are_and_only_to_the_end_of_a_log(store: ChatStore) -> None:
    room = new_id()
    facts = [ChatFact.of(sent(room, str(number)), seq=number) for number in range(1, 6)]

    await store.copy(facts[:2])
    for wrong in (facts[3:], facts[1:], [replace(facts[2], id=facts[0].id, message_id=facts[0].id)]):
        with pytest.raises(CopyRefused):
            await store.copy(wrong)
    await store.copy(facts[2:])
    appended = await store.append_fact(sent(room))

    assert appended.fact.seq == 6
    assert digest_of((await log(store, room))[:5]) == digest_of(facts)


async def test_sealed_words_are_replaced_only_if_they_are_those_that_were_read(store: ChatStore) -> None:
    (appended,) = await write(store, sent(new_id(), "under the old key"))
    before = appended.fact
    after = replace(before, sealed=replace(words("under the new key"), key_id=new_id()))

    assert await store.reseal(before, after)
    assert not await store.reseal(before, replace(before, sealed=words("by somebody late")))

    assert await log(store, before.room_id) == [after]


# -- failures ----------------------------------------------------------------------------------------------------------


async def test_what_was_written_is_there_for_the_next_process(open_store: OpenStore) -> None:
    room = new_id()
    before = await open_store()
    await write(before, sent(room, "kept"))
    await before.close()

    after = await open_store()

    assert texts(await after.page(room, limit=5)) == ["kept"]
    assert (await after.append_fact(sent(room))).fact.seq == 2


async def test_killed_connections_cost_nobody_anything(database_url: str, world: World) -> None:
    store = SqlChatStore(database_url, pool_size=3)
    room = new_id()
    drafts = [sent(room, str(number)) for number in range(40)]
    kill = sa.text(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and application_name = 'skillsync-chat'"
    )
    killed = 0

    writing = asyncio.gather(*(store.append_fact(draft) for draft in drafts))
    for reached in (5, 15, 25):
        while not writing.done() and (await store.heads([room]))[room] < reached:  # noqa: ASYNC110
            await asyncio.sleep(0)
        killed += len(await world.services.db.fetch(kill))
    appended = await writing
    await world.services.db.fetch(kill)
    facts = await log(store, room)
    await store.close()

    assert killed > 0
    assert [fact.seq for fact in facts] == list(range(1, 41))
    assert {one.fact for one in appended} == set(facts)


async def test_a_server_that_dies_and_returns_loses_nothing_that_was_acknowledged(
    ferretdb: FerretServer,
) -> None:
    store = MongoChatStore(ferretdb.url("chat"))
    await store.prepare()
    room = new_id()
    before = await write(store, *(sent(room) for _ in range(5)))
    ferretdb.kill()
    waiting = [asyncio.ensure_future(store.append_fact(sent(room))) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.to_thread(ferretdb.start)

    after = await asyncio.gather(*waiting)

    facts = await log(store, room)
    await store.close()
    assert [fact.seq for fact in facts] == list(range(1, 11))
    assert {one.fact for one in (*before, *after)} == set(facts)


async def test_a_store_that_stays_away_is_a_fault_and_not_a_refusal(ferretdb: FerretServer) -> None:
    store = MongoChatStore(ferretdb.url("chat"), patience_s=0, timeout_s=0.2)
    await store.prepare()
    await write(store, sent(new_id()))
    ferretdb.kill()

    with pytest.raises(OutcomeUnknown):
        await store.append_fact(sent(new_id(), at=AT))

    await store.close()


# -- large rooms -------------------------------------------------------------------------------------------------------


@pytest.mark.long
async def test_a_room_of_a_hundred_thousand_messages(chat_url: str, database_url: str) -> None:
    # FerretDB reads everything for every question, which takes longer than anybody would wait for MongoDB: a tenth of it
    # shows the same.
    is_sql = chat_url == "sql:"
    store = SqlChatStore(database_url) if is_sql else MongoChatStore(chat_url, timeout_s=300)
    await store.prepare()
    room, count = new_id(), 100_000 if is_sql else 10_000
    drafts = [sent(room, f"message {number}") for number in range(count)]
    for start in range(0, count, 5_000):
        await store.copy(
            [ChatFact.of(d, seq=start + i) for i, d in enumerate(drafts[start : start + 5_000], 1)]
        )

    began = perf_counter()
    newest = await store.page(room, limit=50)
    first_s, began = perf_counter() - began, perf_counter()
    middle = await store.around(room, drafts[count // 2].id, earlier=25, later=25)
    jump_s = perf_counter() - began

    print(f"{store.name}: first page {first_s * 1000:.1f} ms, jump {jump_s * 1000:.1f} ms")
    assert texts(newest) == [f"message {number}" for number in range(count - 50, count)]
    assert texts(middle) == [f"message {number}" for number in range(count // 2 - 25, count // 2 + 26)]
    assert (await store.append_fact(sent(room))).fact.seq == count + 1
    await store.close()


async def test_several_messages_are_read_at_once_each_as_it_stands(store: ChatStore) -> None:
    room_id, other = new_id(), new_id()
    first, second, elsewhere = sent(room_id), sent(room_id), sent(other)
    edit = about(first, ChatKind.EDITED, text="edited")
    await write(store, first, second, edit, about(second, ChatKind.DELETED), elsewhere)

    found = await store.messages(room_id, [second.id, first.id, first.id, elsewhere.id, new_id()])

    assert found == {draft.id: await store.message(room_id, draft.id) for draft in (first, second)}
    assert found[first.id].words == ChatFact.of(edit, seq=3)
    assert found[second.id].words is None
    assert await store.messages(room_id, []) == {}


async def test_what_an_author_wrote_under_a_client_id_is_found(store: ChatStore) -> None:
    room_id = new_id()
    draft = sent(room_id, client_id="k")
    await write(store, draft)

    assert await store.repeat_of(room_id, draft.author_id, "k") == ChatFact.of(draft, seq=1)
    assert await store.repeat_of(room_id, draft.author_id, "other") is None
    assert await store.repeat_of(room_id, new_id(), "k") is None
    assert await store.repeat_of(new_id(), draft.author_id, "k") is None
