"""Both chat stores, and rooms to write in."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from models.chat import ChatDraft, ChatFact, ChatKind, Sealed
from models.ids import new_id
from models.store.chat import Appended, ChatStore
from models.store.chat_sql import Statements
from models.store.chats import chat_store_from
from tests.ferretdb_server import FerretServer, running_ferretdb

AT = datetime(2026, 11, 22, 12, 0, 0, 123_456, tzinfo=UTC)
KEY = new_id()
OpenStore = Callable[..., Awaitable[ChatStore]]


@pytest.fixture(scope="session", autouse=True)
async def rooms_of_themselves(database_url: str) -> None:
    await let_rooms_make_themselves(database_url)


async def let_rooms_make_themselves(database_url: str) -> None:
    """Every log has a room then, though nobody made it: stores are held to their promises without use cases."""
    statements = Statements(database_url, size=1)
    await statements.fetch("""
        create or replace function make_room() returns trigger language plpgsql as $$ begin
            insert into room (id, kind, title, is_read_only, slow_mode_s, created_at, updated_at, version)
            values (new.room_id, 'GROUP', 'test', false, 0, now(), now(), 1) on conflict do nothing;
            return new;
        end $$
    """)
    for table in ("chat_fact", "chat_key", "chat_word"):
        await statements.fetch(
            f"create or replace trigger make_room before insert on {table} for each row execute function make_room()"
        )
    await statements.close()


@pytest.fixture(scope="session")
def shared_ferretdb() -> Iterator[FerretServer]:
    yield from running_ferretdb()


@pytest.fixture
def ferretdb() -> Iterator[FerretServer]:
    """One that a test may kill."""
    yield from running_ferretdb()


@pytest.fixture(params=["sql", "mongodb"])
def chat_url(request: pytest.FixtureRequest) -> str:
    if request.param == "sql":
        return "sql:"
    server: FerretServer = request.getfixturevalue("shared_ferretdb")
    return server.url(f"test_{new_id().hex[-12:]}")


@pytest.fixture
async def open_store(chat_url: str, database_url: str) -> AsyncIterator[OpenStore]:
    """Opens the same store again and again, as processes do."""
    opened: list[ChatStore] = []

    async def open_one(*, pool_size: int = 4) -> ChatStore:
        store = chat_store_from(chat_url, database_url=database_url, pool_size=pool_size)
        opened.append(store)
        await store.prepare()
        return store

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_store: OpenStore) -> ChatStore:
    return await open_store()


def words(text: str) -> Sealed:
    """A store does not look into what is sealed."""
    return Sealed(KEY, b"nonce of 12b", text.encode())


def sent(room_id: UUID, text: str = "hello", **changes: object) -> ChatDraft:
    id = new_id()
    draft = ChatDraft(
        room_id=room_id, id=id, kind=ChatKind.SENT, message_id=id, author_id=new_id(), client_id=str(id), at=AT,
        sealed=words(text),
    )  # fmt: skip
    return replace(draft, **changes)  # type: ignore[arg-type]


def about(message: ChatDraft, kind: ChatKind, **changes: object) -> ChatDraft:
    """What happens to a message, by its author unless said otherwise."""
    id = new_id()
    text = words(str(changes.pop("text", ""))) if kind is ChatKind.EDITED else None
    draft = ChatDraft(
        room_id=message.room_id, id=id, kind=kind, message_id=message.id, author_id=message.author_id, client_id=str(id),
        at=AT, sealed=text, reaction=str(changes.pop("reaction")) if "reaction" in changes else None,
    )  # fmt: skip
    return replace(draft, **changes)  # type: ignore[arg-type]


async def write(store: ChatStore, *drafts: ChatDraft) -> list[Appended]:
    return [await store.append_fact(draft) for draft in drafts]


async def log(store: ChatStore, room_id: UUID) -> list[ChatFact]:
    return await store.facts_after(room_id, 0, limit=1_000)
