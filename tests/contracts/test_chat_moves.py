"""Moving logs from one store to another, and the commands that an operator runs."""

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app import copy_chat, load_chat_ring, parse_arguments, rotate_keys
from models.chat import ChatFact, ChatKind
from models.chat_cipher import Place
from models.ids import new_id
from models.store.chat import ChatStore
from models.store.chat_copy import CopyReport, copy_rooms, count_facts
from models.store.chat_keys import ChatKeys
from models.store.chat_mongo import MongoChatStore
from models.store.chat_sql import SqlChatStore, Statements
from settings import Settings, SettingsError
from tests.chat_keys import pem_path, ring_of
from tests.contracts.conftest import AT, about, let_rooms_make_themselves, log, sent, words, write
from tests.ferretdb_server import FerretServer


@pytest.fixture
async def source(empty_database_url: str) -> AsyncIterator[ChatStore]:
    await let_rooms_make_themselves(empty_database_url)
    store = SqlChatStore(empty_database_url, pool_size=2)
    yield store
    await store.close()


@pytest.fixture
async def target(shared_ferretdb: FerretServer) -> AsyncIterator[ChatStore]:
    store = MongoChatStore(shared_ferretdb.url(f"copy_{new_id().hex[-12:]}"))
    await store.prepare()
    yield store
    await store.close()


async def test_a_move_goes_on_where_it_broke_off_and_catches_up(source: ChatStore, target: ChatStore) -> None:
    rooms = sorted(new_id() for _ in range(3))
    for number, room in enumerate(rooms, 1):
        message = sent(room, f"room {number}")
        await write(
            source,
            message,
            about(message, ChatKind.REACTED, reaction="👍"),
            *(sent(room) for _ in range(number)),
        )
    seen = []

    def break_off(verified: int) -> None:
        seen.append(verified)
        raise KeyboardInterrupt

    first, second, third = CopyReport(), CopyReport(), CopyReport()
    with pytest.raises(KeyboardInterrupt):
        await copy_rooms(source, target, first, break_off)
    await copy_rooms(source, target, second, seen.append)
    await write(source, sent(rooms[0], "meanwhile"))
    await copy_rooms(source, target, third, seen.append)

    assert (first.copied, second.copied, third.copied) == (3, 9, 1)
    assert (second.rooms, second.verified, third.verified, third.refused) == (3, 12, 13, [])
    assert seen == [3, 3, 4, 5, 4, 4, 5]
    assert second.digest != third.digest
    for room in rooms:
        assert await log(target, room) == await log(source, room)
    assert await count_facts(target) == await count_facts(source) == 13


async def test_a_move_takes_over_words_that_were_sealed_anew_and_refuses_other_facts(
    source: ChatStore, target: ChatStore
) -> None:
    good, bad, ahead = sorted(new_id() for _ in range(3))
    facts = {room: (await write(source, sent(room)))[0].fact for room in (good, bad, ahead)}
    await target.copy([facts[good]])
    await target.copy([ChatFact.of(sent(bad), seq=1)])
    await target.copy([facts[ahead], ChatFact.of(sent(ahead), seq=2)])
    fresh = replace(facts[good], sealed=replace(words("anew"), key_id=new_id()))
    assert await source.reseal(facts[good], fresh)
    report = CopyReport()

    await copy_rooms(source, target, report, lambda _: None)

    assert (report.copied, report.resealed, report.verified) == (0, 1, 1)
    assert report.refused == [
        f"room {bad}: number 1 is another fact in the copy",
        f"room {ahead}: the copy has facts that the source does not have",
    ]
    assert await log(target, good) == [fresh]


# -- commands ----------------------------------------------------------------------------------------------------------


def settings_with(local: Path, url: str, **variables: str) -> Settings:
    return Settings.read(
        {
            "LOCAL_DIRECTORY": str(local),
            "DATABASE_URL": url,
            "DEMO_WORLD": "0",
            "DATABASE_POOL": "2",
            **variables,
        }
    )


@pytest.mark.long
def test_an_operator_copies_and_rotates(
    empty_database_url: str, shared_ferretdb: FerretServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = shared_ferretdb.url(f"copy_{new_id().hex[-12:]}")
    asyncio.run(_write_sealed(empty_database_url, count=3))
    settings = settings_with(tmp_path, empty_database_url, CHAT_KEYS=f"{pem_path(2)},{pem_path(1)}")

    copied = copy_chat(settings, parse_arguments(["chat-copy", "--from", "sql:", "--to", to]))
    rotated = rotate_keys(settings, parse_arguments(["keys", "rotate", "--older-than-days", "0"]))
    again = copy_chat(settings, parse_arguments(["chat-copy", "--from", "sql:", "--to", to]))

    assert (copied, rotated, again) == (0, 0, 0)
    said = capsys.readouterr().err
    assert "Copied 3 facts of 1 rooms. In both stores: 3 facts, SHA-256 " in said
    assert "Wrapped 3 keys anew, replaced 3, sealed 3 texts anew, destroyed 0 old keys." in said
    assert "3 old keys may just have been used. Run this again in ten minutes" in said
    assert "Copied 0 facts of 1 rooms. In both stores: 3 facts, SHA-256 " in said


async def _write_sealed(url: str, *, count: int) -> None:
    await let_rooms_make_themselves(url)
    store, statements = SqlChatStore(url, pool_size=2), Statements(url, size=2)
    keys, room = ChatKeys(statements, ring_of(1)), new_id()
    for _ in range(count):
        draft = sent(room)
        sealed = await keys.seal(b"words", Place.of(draft), at=AT)
        await store.append_fact(replace(draft, sealed=sealed))
    keys.close()
    await statements.close()
    await store.close()


def test_a_store_is_not_copied_to_itself(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, "postgresql+asyncpg://nowhere.invalid/x")

    with pytest.raises(SettingsError, match="to itself"):
        copy_chat(settings, Namespace(source="sql:", target="sql:"))


def test_a_development_key_is_made_once_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_with(tmp_path, "embedded:")

    first = load_chat_ring(settings)
    warning = capsys.readouterr().err
    second = load_chat_ring(settings)

    path = tmp_path / "keys" / "chat.pem"
    assert "WARNING" in warning
    assert str(path) in warning
    assert "CHAT_KEYS" in warning
    assert capsys.readouterr().err == ""
    assert first.ids == second.ids
    assert path.stat().st_mode & 0o077 == 0


def test_keys_come_from_files_or_from_the_environment(tmp_path: Path) -> None:
    texts = pem_path(2).read_text() + pem_path(1).read_text()

    by_path = load_chat_ring(settings_with(tmp_path, "embedded:", CHAT_KEYS=str(pem_path(1))))
    by_text = load_chat_ring(settings_with(tmp_path, "embedded:", CHAT_KEYS=texts))

    assert by_text.ids == ring_of(2, 1).ids
    assert by_path.ids == by_text.ids[1:]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("nowhere.pem", "CHAT_KEYS names a file that cannot be read"),
        (__file__, "CHAT_KEYS must name RSA private keys"),
    ],
)
def test_keys_that_do_not_work_stop_the_start(tmp_path: Path, value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        load_chat_ring(settings_with(tmp_path, "embedded:", CHAT_KEYS=value))
