"""Rooms of a size for measuring, sealed and indexed as the product does it: made once, in a database of their own, and kept."""

import hashlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from os import urandom
from pathlib import Path
from uuid import UUID

import asyncpg

from bench.search import digest_of, execute
from bench.search_world import vocabulary
from models.chat import ChatDraft, ChatFact, ChatKind
from models.chat_cipher import NONCE_BYTES, DataKey, Place, seal
from models.chat_words import tokens_of
from models.message import Content
from models.store import migrations
from models.store.chat_keys import ChatKeys
from models.store.chat_sql import SqlChatStore, Statements
from models.store.embedded import EmbeddedCluster
from models.store.keys import KeyRing

CHECKOUT = Path(__file__).resolve().parent.parent.parent
DATABASE = "bench_chat"
LANGUAGE = "english"
READ, SEARCHED, ONLINE = (UUID(int=number << 96) for number in (2, 3, 4))
"""The rooms."""
AUTHORS = 20
REACTED_EVERY = 20
"""Messages of the room that is read, for one reaction."""
WORDS = 12
BATCH = 2_000
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Size:
    """Messages of each room, and members of the one in which people are online."""

    read: int = 100_000
    searched: int = 1_000_000
    members: int = 2_000


def person_id(number: int) -> UUID:
    return UUID(int=(1 << 96) + number)


def message_id(room_id: UUID, number: int) -> UUID:
    """Of the message with that number among those sent, from 1 on."""
    return UUID(int=room_id.int + number)


async def build(cluster: EmbeddedCluster, size: Size, ring: KeyRing, *, rebuild: bool) -> str:
    """Make the database unless one of this migration, this generator, this key and this size is there; its URL."""
    admin = cluster.url("postgres")
    sources = [*sorted((CHECKOUT / "alembic" / "versions").glob("*.py")), Path(__file__)]
    material = b"".join(path.read_bytes() for path in sources) + repr((size, ring.ids)).encode()
    digest = hashlib.sha256(material).hexdigest()[:16]
    if not rebuild and await digest_of(admin, DATABASE) == digest:
        return cluster.url(DATABASE)
    print(f"building {DATABASE} …", flush=True)
    began = time.perf_counter()
    draft = f"{DATABASE}_draft"
    await migrations.drop_database(admin, draft)
    await migrations.ensure_database(admin, draft)
    await migrations.migrate(cluster.url(draft))
    dsn = f"postgresql://postgres@/{draft}?host={cluster.socket_directory}&port={cluster.port}"
    connection = await asyncpg.connect(dsn)
    try:
        await write_world(connection, cluster.url(draft), size, ring)
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()
    await migrations.drop_database(admin, DATABASE)
    await migrations.rename_database(admin, draft, DATABASE)
    await execute(cluster.url(DATABASE), f"comment on database {DATABASE} is '{digest}'")
    print(f"built in {time.perf_counter() - began:.0f} s", flush=True)
    return cluster.url(DATABASE)


async def write_world(connection: asyncpg.Connection, url: str, size: Size, ring: KeyRing) -> None:
    """Fill a migrated database; `connection` is to the one of `url`."""
    await _write_people(connection, size)
    await _write_messages(connection, url, size, ring)


async def _write_people(connection: asyncpg.Connection, size: Size) -> None:
    people = max(size.members, AUTHORS)
    await connection.executemany(
        "insert into users (id, email, name, password_hash, roles, status, created_at, version, updated_at, "
        "access_version) values ($1, $2, $3, '', '{FREELANCER}', 'ACTIVE', $4, 1, $4, 0)",
        [(person_id(n), f"member{n}@chat.example.com", f"Member {n}", _BEGAN) for n in range(people)],
    )
    for room_id, members in ((READ, AUTHORS), (SEARCHED, AUTHORS), (ONLINE, size.members)):
        await connection.execute(
            "insert into room (id, kind, title, is_read_only, slow_mode_s, created_at, version, updated_at) "
            "values ($1, 'GROUP', 'Bench', false, 0, $2, 1, $2)",
            room_id, _BEGAN,
        )  # fmt: skip
        await connection.executemany(
            "insert into room_member (room_id, user_id, role, joined_at, is_muted, is_hidden, is_favorite, read_seq, "
            "receipt_seq) values ($1, $2, $3, $4, false, false, false, 0, 0)",
            [(room_id, person_id(n), "MEMBER" if n else "OWNER", _BEGAN) for n in range(members)],
        )


async def _write_messages(connection: asyncpg.Connection, url: str, size: Size, ring: KeyRing) -> None:
    statements = Statements(url, size=2)
    keys = ChatKeys(statements, ring)
    store = SqlChatStore(url, pool_size=1)
    try:
        for room_id, count in ((READ, size.read), (SEARCHED, size.searched)):
            authors = [await keys.in_force(room_id, person_id(n), at=_BEGAN) for n in range(AUTHORS)]
            search = await keys.in_force(room_id, None, at=_BEGAN)
            said = _said(room_id, count, authors)
            head = 0
            while batch := list(islice(said, BATCH)):
                await store.copy([fact for fact, _ in batch])
                head = batch[-1][0].seq
                await connection.copy_records_to_table(
                    "room_message",
                    records=[_projected(fact) for fact, _ in batch if fact.kind is ChatKind.SENT],
                    columns=_PROJECTED,
                )
                if room_id == SEARCHED:
                    await connection.copy_records_to_table(
                        "chat_word",
                        records=[
                            (
                                fact.id,
                                room_id,
                                fact.author_id,
                                fact.seq,
                                fact.seq,
                                _tokens(words, search),
                                fact.at,
                            )
                            for fact, words in batch
                        ],
                        columns=(
                            "message_id",
                            "room_id",
                            "author_id",
                            "seq",
                            "fact_seq",
                            "tokens",
                            "sent_at",
                        ),
                    )
            # A server in use has long projected what was said; otherwise it would do that while it is measured.
            await connection.execute(
                "insert into room_progress (room_id, seq, said_at) values ($1, $2, $3)",
                room_id, head, _BEGAN + timedelta(seconds=count),
            )  # fmt: skip
        mark = (await store.moved_since(None)).mark
        await connection.execute("insert into chat_mark (store, mark) values ($1, $2)", store.name, mark)
    finally:
        keys.close()
        await store.close()
        await statements.close()


_PROJECTED = (
    "message_id", "room_id", "seq", "fact_seq", "author_id", "begins_thread", "mention_ids", "mentions_room", "is_pinned",
    "is_deleted", "sent_at",
)  # fmt: skip


def _projected(fact: ChatFact) -> tuple[object, ...]:
    """A message as the projection knows it. Reactions change nothing there."""
    return fact.id, fact.room_id, fact.seq, fact.seq, fact.author_id, False, [], False, False, False, fact.at


def _said(room_id: UUID, count: int, keys: Sequence[DataKey]) -> Iterator[tuple[ChatFact, Sequence[str]]]:
    """Each message with its words, and now and then a reaction in the room that is read."""
    chance = random.Random(1)
    words = vocabulary()
    weights = list(accumulate(1 / (rank + 5) for rank in range(len(words))))
    seq = 0
    for number in range(1, count + 1):
        seq += 1
        some = chance.choices(words, cum_weights=weights, k=WORDS)
        author = number % AUTHORS
        id = message_id(room_id, number)
        place = Place(room_id, person_id(author), id, id, ChatKind.SENT)
        raw = Content(" ".join(some)).as_bytes
        at = _BEGAN + timedelta(seconds=number)
        draft = ChatDraft(
            room_id=room_id, id=id, kind=ChatKind.SENT, message_id=id, author_id=place.author_id, client_id=str(number),
            at=at, sealed=seal(raw, key=keys[author], place=place, nonce=urandom(NONCE_BYTES)),
        )  # fmt: skip
        yield ChatFact.of(draft, seq=seq), some
        if room_id == READ and number % REACTED_EVERY == 0:
            seq += 1
            reaction = ChatDraft(
                room_id=room_id, id=UUID(int=id.int + (1 << 64)), kind=ChatKind.REACTED, message_id=id,
                author_id=person_id((author + 1) % AUTHORS), client_id=f"reaction {number}", at=at, reaction="👍",
            )  # fmt: skip
            yield ChatFact.of(reaction, seq=seq), ()


_known: dict[tuple[str, bytes], list[int]] = {}


def _tokens(words: Sequence[str], key: DataKey) -> list[int]:
    """As `tokens_of` makes them of the whole; each word only once."""
    found: set[int] = set()
    for word in words:
        if (word, key.secret) not in _known:
            _known[word, key.secret] = tokens_of(word, key=key.secret, language=LANGUAGE)
        found.update(_known[word, key.secret])
    return sorted(found)
