"""That the worlds which are measured still fit the tables: a column without a default would stop every measurement."""

import asyncpg
import sqlalchemy as sa

from bench.chat.world import Size
from bench.chat.world import write_world as write_chat
from bench.reads.servers import SUBMIT
from bench.search_world import WorldSize, write_world
from tests.chat_keys import ring_of


def dsn_of(url: str) -> str:
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


async def counted(url: str, *tables: str) -> dict[str, int]:
    connection = await asyncpg.connect(dsn_of(url))
    try:
        return {table: await connection.fetchval(f"select count(*) from {table}") for table in tables}
    finally:
        await connection.close()


async def test_the_world_of_gigs_is_written_as_large_as_it_was_asked_for(empty_database_url: str) -> None:
    size = WorldSize(users=20, gigs=10, applications=8, invitations=4, skills_per_freelancer=1)

    await write_world(dsn_of(empty_database_url), size)

    written = await counted(
        empty_database_url, "users", "gig", "application", "gig_invitation", "freelancer_skill"
    )
    assert written == {
        "users": 20, "gig": 10, "application": 8, "gig_invitation": 4, "freelancer_skill": 16,
    }  # fmt: skip


async def test_the_world_of_chat_is_written_as_large_as_it_was_asked_for(empty_database_url: str) -> None:
    connection = await asyncpg.connect(dsn_of(empty_database_url))
    try:
        await write_chat(connection, empty_database_url, Size(read=40, searched=30, members=25), ring_of(1))
    finally:
        await connection.close()

    written = await counted(
        empty_database_url, "users", "room", "room_member", "chat_word", "room_message", "room_progress"
    )
    assert written == {
        "users": 25, "room": 3, "room_member": 65, "chat_word": 30, "room_message": 70, "room_progress": 2,
    }  # fmt: skip


async def test_what_the_peers_write_for_an_application_fits_the_tables(empty_database_url: str) -> None:
    await write_world(dsn_of(empty_database_url), WorldSize(users=5, gigs=1, applications=0, invitations=0))
    _, claim, apply, insert = SUBMIT.read_text().split("\n-- name:")
    connection = await asyncpg.connect(dsn_of(empty_database_url))
    try:
        people = [row[0] for row in await connection.fetch("select user_id from freelancer_profile")]
        gig = await connection.fetchval("select id from gig")
        claimed = await connection.fetchrow(claim.partition("\n")[2], people[0], "key", b"hash", gig)
        client, currency = claimed["client_id"], claimed["currency"]
        applied = await connection.fetchrow(
            apply.partition("\n")[2], people[0], "key", gig, client, "I would.", 50_000, currency, "[]"
        )
        inserted = await connection.fetchrow(insert.partition("\n")[2], people[1], gig, "I would.", 50_000)
    finally:
        await connection.close()

    assert (claimed["claimed"], applied["status"], inserted["status"]) == (1, "SUBMITTED", "SUBMITTED")
    written = await counted(
        empty_database_url,
        "application", "idempotency_key", "room", "room_member", "notification", "fact", "stream_head",
    )  # fmt: skip
    assert written == {
        "application": 2, "idempotency_key": 1, "room": 1, "room_member": 2, "notification": 1, "fact": 3, "stream_head": 3,
    }  # fmt: skip
