"""What is written in snippets at rest: sealed for its place, renewed with the keys, gone with its author, in no dump."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from models.ids import encode_id
from models.store.chat import ChatStore
from models.store.chat_keys import ChatKeys
from models.store.chat_rotation import SETTLED, Rotation, renew, rewrap
from models.store.chat_sql import SqlChatStore
from resolvers.open_snippet import words_of
from tests.chat_keys import ring_of
from tests.resolvers.snippets import Shelf, shelf
from tests.world import World

SECRET = "Xylophon-Quagmire"


async def do(world: World, statement: str, **values: object) -> None:
    """What only somebody with the database in their hands can do."""
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        await tx.execute(sa.text(statement).bindparams(**values))


async def texts(made: Shelf) -> list[UUID]:
    """Of its versions by number, then of its comments and their wordings by time."""
    rows = await made.world.rows(
        "select id from snippet_text where snippet_id = :id order by kind desc, created_at, id", id=made.id
    )
    return [row.id for row in rows]


async def read(made: Shelf) -> list[str | None]:
    found = await words_of(made.owner, ids := await texts(made))
    return [found.get(id) for id in ids]


async def talked_about(world: World) -> Shelf:
    """Two versions of the owner's, and a comment of the other side's in two wordings."""
    made = await shelf(world, content="version one")
    await made.revise("version two")
    world.clock.move(timedelta(seconds=1))
    await made.say("wording one")
    return made


@pytest.fixture
async def made(empty_world: World) -> Shelf:
    return await talked_about(empty_world)


@pytest.fixture
def keys(made: Shelf) -> ChatKeys:
    return made.world.services.chat.keys


async def test_words_moved_to_another_place_are_read_by_nobody_and_the_others_are(made: Shelf) -> None:
    other = await shelf(made.world, hired=made.hired, content="elsewhere")
    (one, two, _), (elsewhere,) = await texts(made), await texts(other)
    move = (
        "update snippet_text t set key_id = f.key_id, nonce = f.nonce, body = f.body from snippet_text f "
        "where t.id = :to and f.id = :from"
    )

    await do(made.world, move, **{"from": one, "to": two})
    assert await read(made) == ["version one", None, "wording one"]
    await do(made.world, move, **{"from": elsewhere, "to": one})
    assert await read(made) == [None, None, "wording one"]
    assert await read(other) == ["elsewhere"]
    for change in (
        "body = substr(body, 1, length(body) - 1)",
        "nonce = substr(nonce, 2)",
        "kind = 'SNIPPET_COMMENT'",
    ):
        await do(made.world, f"update snippet_text set {change} where id = :id", id=elsewhere)
        assert await read(other) == [None]


async def test_code_that_cannot_be_read_is_null_and_all_else_is_shown(made: Shelf) -> None:
    one, _, _ = await texts(made)
    document = """query ($id: ID!) { snippet(id: $id) { title latest { content } versions { nodes { number content sha256 } }
        comments { nodes { body } } } }"""
    await do(made.world, "update snippet_text set body = nonce where id = :id", id=one)

    shown = await made.world.data(made.hired.client, document, id=encode_id("snippet", made.id))

    versions = [(v["number"], v["content"]) for v in shown["snippet"]["versions"]["nodes"]]
    assert versions == [(2, "version two"), (1, None)]
    assert shown["snippet"]["comments"]["nodes"] == [{"body": "wording one"}]


async def test_erasing_a_person_takes_their_words_and_nobody_elses(made: Shelf, keys: ChatKeys) -> None:
    await keys.destroy(made.hired.client.require_user())

    assert await read(made) == [None, None, "wording one"]
    # What was outdated or not cannot be known any more; the snippet goes on.
    await made.revise("version three")
    assert (await read(made))[2] == "version three"
    assert set((await made.places()).values()) == {None}


async def test_keys_are_renewed_while_snippets_are_written(
    made: Shelf, keys: ChatKeys, empty_database_url: str
) -> None:
    world, report = made.world, Rotation()
    before = {row.key_id for row in await world.rows("select key_id from snippet_text")}
    store: ChatStore = SqlChatStore(empty_database_url, pool_size=2)
    later = world.clock() + timedelta(days=1)

    await asyncio.gather(
        renew(store, keys, report, lambda _: None, made_before=later, at=later),
        *(made.revise(f"version of {number}") for number in range(3)),
    )
    await renew(store, keys, report, lambda _: None, made_before=world.clock(), at=later + SETTLED * 2)
    await store.close()

    left = {row.id for row in await world.rows("select id from chat_key")}
    used = {row.key_id for row in await world.rows("select key_id from snippet_text")}
    assert used <= left
    assert not used & before
    assert (report.unreadable, report.forged) == (0, 0)
    assert sorted(map(str, await read(made))) == sorted(
        ["version one", "version two", "wording one", *(f"version of {number}" for number in range(3))]
    )


async def test_a_key_that_seals_something_unreadable_is_kept(
    made: Shelf, keys: ChatKeys, empty_database_url: str
) -> None:
    world, report = made.world, Rotation()
    one, *_ = await texts(made)
    rows = await world.rows("select key_id from snippet_text where id = :id", id=one)
    await do(world, "update snippet_text set body = nonce where id = :id", id=one)
    store: ChatStore = SqlChatStore(empty_database_url, pool_size=2)
    later = world.clock() + timedelta(days=1)

    await renew(store, keys, report, lambda _: None, made_before=later, at=later)
    await renew(store, keys, report, lambda _: None, made_before=world.clock(), at=later + SETTLED * 2)
    await store.close()

    assert report.unreadable == 2  # met twice
    kept = await world.rows("select id from chat_key where retired_at is not null")
    assert [row.id for row in kept] == [rows[0].key_id]
    assert await read(made) == [None, "version two", "wording one"]


async def test_wrapping_keys_are_exchanged_under_snippets(made: Shelf) -> None:
    report, statements = Rotation(), made.world.services.chat.keys.statements
    both, new = ChatKeys(statements, ring_of(2, 1)), ChatKeys(statements, ring_of(2))

    await rewrap(both, report, lambda _: None)

    assert (report.rewrapped, await both.count_not_current()) == (2, 0)
    rows = await made.world.rows("select distinct key_id from snippet_text")
    assert None not in (await new.opened([row.key_id for row in rows])).values()
    both.close()
    new.close()


async def test_a_dump_shows_no_word_of_code_or_comments(empty_world: World) -> None:
    made = await shelf(empty_world, content=f"password = '{SECRET}'")
    await made.say(f"Is {SECRET} the password?")
    await made.revise(f"password = '{SECRET}!'")
    tables = await empty_world.rows(
        "select table_name from information_schema.tables where table_schema = 'public'"
    )

    found = [
        name
        for (name,) in tables
        for needle in (SECRET, SECRET.encode().hex())
        if (await empty_world.rows(
            f"select count(*) from {name} as row where cast(row as text) ilike :needle", needle=f"%{needle}%"
        ))[0][0]
    ]  # fmt: skip

    assert found == []
    # The proof that the search finds what is there.
    (hit,) = await empty_world.rows(
        "select count(*) from snippet as row where cast(row as text) ilike '%adding%'"
    )
    assert hit[0] == 1
