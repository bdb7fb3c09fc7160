"""Whoever has a dump of every store, and no key, reads nothing of what people said."""

import base64
import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import asyncpg
import bson
import pytest
import sqlalchemy as sa
from pymongo import AsyncMongoClient

from models.chat_words import tokens_of
from models.ids import encode_id
from tests.ferretdb_server import FerretServer
from tests.resolvers.rooms import group
from tests.world import World, make_test_chat

PLANTED = ("quokkaberry", "wolframite", "zugzwanger", "xanthippe", "jabberwock", "bandersnatch")
TITLE = "Fence"
_SEND = """mutation($input: MessageSendInput!) { messageSend(input: $input) { outcome message { id } errors { message } } }"""
_EDIT = (
    """mutation($input: MessageEditInput!) { messageEdit(input: $input) { outcome errors { message } } }"""
)
_DELETE = """mutation($input: MessageDeleteInput!) { messageDelete(input: $input) { outcome errors { message } } }"""
_READ = "query($id: ID!) { messages(roomId: $id) { nodes { text quoted { text } } } }"


@pytest.fixture
async def talking(empty_world: World, empty_database_url: str, chat_url: str) -> AsyncIterator[World]:
    """A world with that chat store."""
    chat = make_test_chat(empty_database_url, chat_url=chat_url)
    await chat.store.prepare()
    yield World(replace(empty_world.services, chat=chat), empty_world.clock, empty_world.schema)
    await chat.close()


def guises(word: str) -> Iterator[bytes]:
    """As which a word might be hidden in plain sight: also inside a longer text in base64, at each of its three places."""
    for raw in (word.encode(), word.encode("utf-16-le"), word[::-1].encode()):
        yield raw
        yield raw.hex().encode()
        for before in range(3):
            # What is next to the word is unknown, so are the digits that it shares with that.
            digits = base64.b64encode(bytes(before) + raw)[(0, 2, 3)[before] :]
            yield digits.rstrip(b"=")[: (len(raw) + before) * 8 // 6 - (0, 2, 3)[before]]


def guises_in(word: str, dump: bytes) -> list[bytes]:
    lowered = dump.lower()
    return [
        guise for guise in guises(word) if guise in dump or (guise.lower() in lowered and guise.islower())
    ]


async def dump_of_postgres(url: str) -> bytes:
    """Every table, as PostgreSQL sends it: bytes as they are, and documents as text."""
    connection = await asyncpg.connect(
        sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    )
    out = io.BytesIO()
    try:
        for (name,) in await connection.fetch(
            "select tablename from pg_tables where schemaname = 'public' order by tablename"
        ):
            for form in ("binary", "text"):
                await connection.copy_from_table(name, output=out, format=form)
    finally:
        await connection.close()
    return out.getvalue()


async def dump_of_mongo(server: FerretServer, url: str) -> bytes:
    """Every document of every collection, and the files that they are kept in."""
    out = io.BytesIO()
    async with AsyncMongoClient[bson.raw_bson.RawBSONDocument](
        url, document_class=bson.raw_bson.RawBSONDocument
    ) as client:
        database = client.get_default_database()
        for name in await database.list_collection_names():
            async for document in database[name].find():
                out.write(document.raw)
    for path in server.directory.glob("*.sqlite*"):
        out.write(path.read_bytes())
    return out.getvalue()


async def test_dumps_of_all_stores_hold_no_word_that_somebody_wrote(
    talking: World, empty_database_url: str, chat_url: str, request: pytest.FixtureRequest
) -> None:
    one, other = await talking.client(), await talking.freelancer()
    room = encode_id("room", await group(talking, one, other))
    told, edited, answered, deleted, quoting, named = PLANTED

    async def send(text: str, key: str, **more: object) -> str:
        given = {"roomId": room, "text": text, "idempotencyKey": key, **more}
        answer = (await talking.data(one, _SEND, input=given))["messageSend"]
        assert answer["errors"] == []
        return str(answer["message"]["id"])

    first = await send(f"The {told} is ripe", "a")
    given = {"roomId": room, "id": first, "text": f"The {edited} is heavy", "idempotencyKey": "b"}
    assert (await talking.data(one, _EDIT, input=given))["messageEdit"]["outcome"] == "APPLIED"
    await send(f"```\n{answered}()\n```", "c", answersId=first)
    gone = await send(deleted, "d", mentionsRoom=True)
    await talking.data(one, _DELETE, input={"roomId": room, "id": gone})
    await send(f"{quoting}!", f"e of {named}", quoteId=first)
    # A refusal keeps nothing of what it refuses, and a repeat nothing of what it repeats.
    await talking.data(
        one, _SEND, input={"roomId": room, "text": f"{deleted} {deleted}", "idempotencyKey": f"e of {named}"}
    )
    await send(f"{quoting}!", f"e of {named}", quoteId=first)
    await index(talking)

    shown = (await talking.data(other, _READ, id=room))["messages"]["nodes"]
    dump = await dump_of_postgres(empty_database_url)
    assert guises_in(TITLE.lower(), dump.lower())
    if chat_url != "sql:":
        documents = await dump_of_mongo(request.getfixturevalue("shared_ferretdb"), chat_url)
        assert b"client" in documents
        dump += documents

    assert [(node["text"] or "").strip("`\n") for node in shown] == [
        f"The {edited} is heavy", f"{answered}()", "", f"{quoting}!",
    ]  # fmt: skip
    assert {word: guises_in(word, dump) for word in PLANTED} == {word: [] for word in PLANTED}


async def index(world: World) -> None:
    """All that was said, as whoever looks after the index of words does it."""
    chat = world.services.chat
    for room_id in await chat.store.rooms_after(None, limit=10):
        key = await chat.keys.in_force(room_id, None, at=world.clock())
        for message in (await chat.store.page(room_id, limit=100)).messages:
            assert message.words is None or message.words.sealed is not None
            text = (await chat.keys.unseal([message.words]))[0] if message.words else b""
            assert isinstance(text, bytes)
            await chat.words.write(message, tokens_of(text.decode(), key=key.secret, language="english"))


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_a_word_that_is_hidden_in_plain_sight_is_found(before: str) -> None:
    said = f"{before}{PLANTED[0]} and more"

    for dump in (
        said.upper().encode(),
        said.encode().hex().encode(),
        base64.b64encode(said.encode()),
        said.encode("utf-16-le"),
        said[::-1].encode(),
    ):
        assert guises_in(PLANTED[0], b"\x00" + dump), dump
        assert not guises_in(PLANTED[1], b"\x00" + dump)
