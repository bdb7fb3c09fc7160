"""Keys of words over both stores: rotation and destruction while everything is in use, and what a dump shows."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient

from models.chat import ChatDraft, ChatFact, ChatKind, fold
from models.chat_cipher import Place
from models.chat_words import asked_tokens, tokens_of
from models.ids import new_id
from models.message import Content
from models.store.chat import ChatStore
from models.store.chat_keys import MUCH_BYTES, ChatKeys, Unreadable
from models.store.chat_rotation import SETTLED, Rotation, renew, rewrap
from models.store.chat_sql import Statements
from models.store.chat_words import ChatWords
from models.store.keys import KeyForged, WrappingKeyMissing
from tests.chat_keys import ring_of
from tests.contracts.conftest import AT, about, log, sent
from tests.world import World

LATER = AT + timedelta(days=1)


@pytest.fixture
async def statements(database_url: str) -> AsyncIterator[Statements]:
    pool = Statements(database_url, size=4)
    # Rotation is of all keys there are, and each takes milliseconds of CPU.
    await pool.fetch("delete from chat_key")
    yield pool
    await pool.close()


@pytest.fixture
async def chat_words(statements: Statements, database_url: str) -> AsyncIterator[ChatWords]:
    searches = Statements(database_url, size=2, is_generic=False)
    yield ChatWords(statements, searches)
    await searches.close()


@pytest.fixture
async def keys(statements: Statements) -> AsyncIterator[ChatKeys]:
    keys = ChatKeys(statements, ring_of(1))
    yield keys
    keys.close()


async def say(
    store: ChatStore, keys: ChatKeys, room_id: UUID, text: str, *, author_id: UUID | None = None
) -> ChatFact:
    draft = sent(room_id, author_id=author_id or new_id())
    return await seal_and_append(store, keys, draft, text)


async def seal_and_append(store: ChatStore, keys: ChatKeys, draft: ChatDraft, text: str) -> ChatFact:
    sealed = await keys.seal(Content(text).as_bytes, Place.of(draft), at=AT)
    return (await store.append_fact(replace(draft, sealed=sealed))).fact


async def read(store: ChatStore, keys: ChatKeys, room_id: UUID) -> list[str | Unreadable]:
    facts = [fact for fact in await log(store, room_id) if fact.sealed]
    return [w if isinstance(w, Unreadable) else Content.of(w).text for w in await keys.unseal(facts)]


# -- sealing -----------------------------------------------------------------------------------------------------------


async def test_what_one_process_seals_another_opens(store: ChatStore, statements: Statements) -> None:
    room, author = new_id(), new_id()
    one, other = (ChatKeys(statements, ring_of(1)) for _ in range(2))

    facts = await asyncio.gather(
        *(say(store, keys, room, f"word {n}", author_id=author) for n, keys in enumerate([one, other] * 3))
    )

    assert sorted(map(str, await read(store, other, room))) == [f"word {n}" for n in range(6)]
    assert len({fact.sealed.key_id for fact in facts if fact.sealed}) == 1
    assert len({fact.sealed.nonce for fact in facts if fact.sealed}) == 6
    one.close()
    other.close()


async def test_long_words_are_read_like_short_ones(store: ChatStore, keys: ChatKeys) -> None:
    room, author = new_id(), new_id()
    long = "x" * (MUCH_BYTES // 2)
    first = await say(store, keys, room, long, author_id=author)
    await say(store, keys, room, f"{long}y", author_id=author)
    await say(store, keys, room, "short")

    assert await read(store, keys, room) == [long, f"{long}y", "short"]
    facts = await log(store, room)
    assert first.sealed is not None
    forged = replace(first, sealed=replace(first.sealed, text=first.sealed.text[:-1]))
    assert (await keys.unseal([forged, *facts[1:]]))[0] is Unreadable.FORGED


async def test_words_moved_within_the_store_show_as_forged_and_the_others_are_read(
    store: ChatStore, keys: ChatKeys
) -> None:
    room, other, author = new_id(), new_id(), new_id()
    here = await say(store, keys, room, "here", author_id=author)
    there = await say(store, keys, other, "there", author_id=author)
    edit = await seal_and_append(store, keys, about(here, ChatKind.EDITED), "edited")
    await say(store, keys, room, "honest")

    assert await store.reseal(here, replace(here, sealed=there.sealed))
    assert await read(store, keys, room) == [Unreadable.FORGED, "edited", "honest"]
    assert await store.reseal(edit, replace(edit, sealed=here.sealed))
    assert await read(store, keys, room) == [Unreadable.FORGED, Unreadable.FORGED, "honest"]


async def test_unwrapped_keys_are_bounded_in_number_and_in_time(statements: Statements, world: World) -> None:
    now = 0.0
    keys = ChatKeys(statements, ring_of(1), most_kept=3, kept_s=60, clock=lambda: now)
    room = new_id()
    made = [await keys.in_force(room, new_id(), at=AT) for _ in range(5)]

    assert (len(keys._opened), len(keys._in_force)) == (3, 3)
    assert set(await keys.opened([key.id for key in made])) == {key.id for key in made}
    assert len(keys._opened) == 3
    assert await keys.destroy(new_id()) == 0
    await statements.fetch("delete from chat_key where room_id = $1", room)
    assert set(await keys.opened([key.id for key in made])) == set(keys._opened)
    now = 61
    assert await keys.opened([key.id for key in made]) == {}
    assert keys._opened == {}
    keys.close()


async def test_a_wrapped_key_that_was_swapped_opens_nothing_and_seals_nothing(
    statements: Statements, keys: ChatKeys
) -> None:
    room, me = new_id(), new_id()
    mine, yours = [await keys.in_force(room, author, at=AT) for author in (me, new_id())]
    stranger = ChatKeys(statements, ring_of(2))

    with pytest.raises(WrappingKeyMissing):
        await stranger.opened([mine.id])
    await statements.fetch(
        "update chat_key set wrapped = (select wrapped from chat_key where id = $2) where id = $1",
        mine.id,
        yours.id,
    )
    fresh = ChatKeys(statements, ring_of(2, 1))
    assert await fresh.opened([mine.id, yours.id]) == {mine.id: None, yours.id: yours}
    with pytest.raises(KeyForged):
        await fresh.in_force(room, me, at=AT)
    _, forged = await fresh.rewrap_some(after=UUID(int=0), limit=1_000)
    assert forged == [mine.id]
    fresh.close()
    stranger.close()


# -- rotation ----------------------------------------------------------------------------------------------------------


async def test_wrapping_keys_rotate_while_words_are_read(
    store: ChatStore, keys: ChatKeys, statements: Statements
) -> None:
    room = new_id()
    for number in range(3):
        await say(store, keys, room, str(number))
    both, report = ChatKeys(statements, ring_of(2, 1)), Rotation()
    told: list[int] = []

    await rewrap(both, report, told.append)
    await rewrap(both, report, told.append)

    only_new = ChatKeys(statements, ring_of(2))
    assert (report.rewrapped, sum(told), report.forged) == (3, 3, 0)
    assert await both.count_not_current() == 0
    assert await read(store, only_new, room) == ["0", "1", "2"]
    assert [status.wrapping_key for status in await only_new.status()] == [ring_of(2).current]
    both.close()
    only_new.close()


async def test_data_keys_rotate_and_the_old_ones_go_once_nobody_can_use_them(
    store: ChatStore, keys: ChatKeys, statements: Statements
) -> None:
    room, author = new_id(), new_id()
    first = await say(store, keys, room, "first", author_id=author)
    await seal_and_append(store, keys, about(first, ChatKind.EDITED), "edited")
    await say(store, keys, room, "of another")
    before = await log(store, room)
    report = Rotation()

    await renew(store, keys, report, lambda _: None, made_before=LATER, at=LATER)
    after = await log(store, room)
    assert await read(store, keys, room) == ["first", "edited", "of another"]
    assert (report.retired, report.resealed, report.dropped, report.not_settled) == (2, 3, 0, 2)
    assert len(await keys.retired_in(room)) == 2
    await renew(store, keys, report, lambda _: None, made_before=AT, at=LATER + SETTLED + SETTLED)

    fresh = ChatKeys(statements, ring_of(1))
    assert await read(store, fresh, room) == ["first", "edited", "of another"]
    assert await keys.retired_in(room) == {}
    assert {f.sealed.key_id for f in before if f.sealed} & {
        f.sealed.key_id for f in after if f.sealed
    } == set()
    assert [(f.seq, f.id, f.client_id) for f in after] == [(f.seq, f.id, f.client_id) for f in before]
    fresh.close()


async def test_a_rotation_that_broke_off_goes_on_and_finds_what_was_written_meanwhile(
    store: ChatStore, keys: ChatKeys, statements: Statements
) -> None:
    room, author = new_id(), new_id()
    await say(store, keys, room, "before", author_id=author)
    late = ChatKeys(statements, ring_of(1))
    await late.in_force(room, author, at=AT)

    def break_off(_: int) -> None:
        raise KeyboardInterrupt

    report = Rotation()
    with pytest.raises(KeyboardInterrupt):
        await renew(store, keys, report, break_off, made_before=LATER, at=LATER)
    # Another process still holds the old key in force.
    await say(store, late, room, "meanwhile", author_id=author)
    await renew(store, keys, report, lambda _: None, made_before=AT, at=LATER + SETTLED + SETTLED)

    fresh = ChatKeys(statements, ring_of(1))
    assert await read(store, fresh, room) == ["before", "meanwhile"]
    assert await keys.retired_in(room) == {}
    late.close()
    fresh.close()


# -- destruction -------------------------------------------------------------------------------------------------------


async def test_destroying_the_keys_of_one_author_takes_their_words_and_nobody_elses(
    store: ChatStore, keys: ChatKeys, chat_words: ChatWords, statements: Statements
) -> None:
    room, other, author = new_id(), new_id(), new_id()
    facts = [
        await say(store, keys, room, "my secret", author_id=author),
        await say(store, keys, room, "your secret"),
        await say(store, keys, other, "my other secret", author_id=author),
    ]
    index = {room_id: (await keys.in_force(room_id, None, at=AT)).secret for room_id in (room, other)}
    tokens = [tokens_of("secret", key=index[fact.room_id], language="english") for fact in facts]
    assert [await chat_words.write(fold([f])[0], t) for f, t in zip(facts, tokens, strict=True)] == [True] * 3

    assert await keys.destroy(author) == 2
    assert await keys.destroy(author) == 0

    assert await read(store, keys, room) == [Unreadable.DESTROYED, "your secret"]
    assert await read(store, keys, other) == [Unreadable.DESTROYED]
    assert not await chat_words.write(fold(facts[:1])[0], tokens[0])
    found = await chat_words.search(
        room, asked_tokens("secret", key=index[room], language="english"), limit=10
    )
    assert [one.message_id for one in found] == [facts[1].id]
    rows = await statements.fetch("select 1 from chat_word where author_id = $1", author)
    assert rows == []


# -- what can be found -------------------------------------------------------------------------------------------------


async def test_the_index_follows_a_message_and_late_news_changes_nothing(
    store: ChatStore, keys: ChatKeys, chat_words: ChatWords
) -> None:
    room, author = new_id(), new_id()
    secret = (await keys.in_force(room, None, at=AT)).secret

    def tokens(text: str) -> list[int]:
        return tokens_of(text, key=secret, language="english")

    async def found(query: str, author_id: UUID | None = None) -> list[UUID]:
        groups = asked_tokens(query, key=secret, language="english")
        return [
            one.message_id
            for one in await chat_words.search(
                room, groups, limit=10, author_ids=[author_id] if author_id else []
            )
        ]

    one = await say(store, keys, room, "an apple", author_id=author)
    two = await say(store, keys, room, "apples and pears")
    edit = await seal_and_append(store, keys, about(one, ChatKind.EDITED), "a plum")
    sent_only, edited = fold([one])[0], fold([one, edit])[0]
    await chat_words.write(fold([two])[0], tokens("apples and pears"))
    await chat_words.write(sent_only, tokens("an apple"))
    assert await found("apple") == [two.id, one.id]
    assert await found("apple", author) == [one.id]
    assert await found("apple pear") == [two.id]

    assert await chat_words.write(edited, tokens("a plum"))
    assert not await chat_words.write(sent_only, tokens("an apple"))
    assert (await found("apple"), await found("plum")) == ([two.id], [one.id])

    deletion = (await store.append_fact(about(one, ChatKind.DELETED))).fact
    assert await chat_words.write(fold([one, edit, deletion])[0], [])
    assert not await chat_words.write(edited, tokens("a plum"))
    assert await found("plum") == []
    assert await found("") == [two.id]


# -- dumps -------------------------------------------------------------------------------------------------------------


async def test_a_dump_holds_no_word_of_anybody(
    store: ChatStore,
    keys: ChatKeys,
    chat_words: ChatWords,
    chat_url: str,
    world: World,
) -> None:
    planted = "Xylophon-Quagmire"
    room, author = new_id(), new_id()
    fact = await say(store, keys, room, f"the password is {planted}", author_id=author)
    await seal_and_append(store, keys, about(fact, ChatKind.EDITED), f"no, {planted} it is")
    secret = (await keys.in_force(room, None, at=AT)).secret
    await chat_words.write(fold([fact])[0], tokens_of(planted, key=secret, language="english"))
    # What is looked for would be found: a store does not look into words.
    await store.append_fact(sent(room, "Findable"))

    dump = await dump_of_postgresql(world)
    if chat_url != "sql:":
        dump += await dump_of_mongodb(chat_url)

    assert b"Findable" in dump
    for part in (planted, *planted.split("-")):
        assert part.lower().encode() not in dump.lower()
    for raw in (secret, secret.hex().encode()):
        assert raw not in dump


async def dump_of_postgresql(world: World) -> bytes:
    """Every row of every table of chat as text, bytes both as they are and in hexadecimal."""
    parts = []
    for table in ("chat_fact", "chat_key", "chat_word"):
        for (row,) in await world.services.db.fetch(sa.text(f"select cast(t as text) from {table} t")):
            parts.append(row.encode())
    for row in await world.services.db.fetch(sa.text("select body from chat_fact where body is not null")):
        parts.append(bytes(row[0]))
    return b"\n".join(parts)


async def dump_of_mongodb(url: str) -> bytes:
    """What mongodump would write: the bytes of every document of every collection."""
    client: AsyncMongoClient[RawBSONDocument] = AsyncMongoClient(url, document_class=RawBSONDocument)
    database = client.get_default_database()
    parts = []
    for name in await database.list_collection_names():
        parts += [document.raw async for document in database[name].find()]
    await client.close()
    return b"".join(parts)
