"""Reads that are asked for at the same moment: one statement for all, and to everybody what they would be told alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from models.store.coalescing import MOST, CoalescedReads
from models.store.pool import Pool
from tests.wire.server import until

DOUBLED = "select $1::int4 * 2 as doubled, gen_random_uuid() as read"
ONE, TWO = UUID(int=1), UUID(int=2)
MOMENT = datetime(2026, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC)
VALUES: dict[str, tuple[Any, ...]] = {
    "bool": (True, False, None),
    "int2": (-32_768, 0, 32_767),
    "int4": (-2_147_483_648, 2_147_483_647, None),
    "int8": (-9_223_372_036_854_775_808, 9_223_372_036_854_775_807),
    "numeric": (Decimal("0.10"), Decimal("-12345678901234567890.123456789")),
    "text": ("", 'it\'s "so"', "back\\slash $1 \n\t 漢字 😀", "null", "[1]", None),
    "varchar": ("{a,b}", "x"),
    "uuid": (ONE, TWO, None),
    "date": (date(2026, 2, 28), date(1, 1, 1)),
    "timestamptz": (MOMENT, datetime(1999, 12, 31, tzinfo=UTC), None),
    "text[]": ([], ["a", "b,c", '"', "\\", "", "NULL", None], None),
    "uuid[]": ([ONE, TWO], [], [TWO]),
    "int4[]": ([1, 2, 3], [], None),
}


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = Pool(database_url, size=2, server_settings={"application_name": "coalescing"}, wait_s=0.2)
    yield pool
    await pool.close()


async def test_who_asks_in_one_turn_is_answered_by_one_statement(pool: Pool) -> None:
    reads = CoalescedReads(pool)

    rows = await asyncio.gather(*(reads.fetch_row(DOUBLED, [number]) for number in range(5)))

    assert [row["doubled"] for row in rows] == [0, 2, 4, 6, 8]
    assert (reads.asked, reads.statements) == (5, 1)


async def test_who_asks_with_equal_arguments_is_read_for_once(pool: Pool) -> None:
    reads = CoalescedReads(pool)

    rows = await asyncio.gather(*(reads.fetch_row(DOUBLED, [number]) for number in (1, 2, 1)))

    assert [row["doubled"] for row in rows] == [2, 4, 2]
    assert rows[0]["read"] == rows[2]["read"] != rows[1]["read"]


async def test_who_asks_alone_or_in_other_words_is_answered_alone(pool: Pool) -> None:
    reads = CoalescedReads(pool)

    await reads.fetch_row(DOUBLED, [1])
    await reads.fetch_row(DOUBLED, [1])
    await asyncio.gather(reads.fetch_row(DOUBLED, [1]), reads.fetch_row("select $1::int4", [1]))

    assert (reads.asked, reads.statements) == (4, 4)


async def test_more_than_fit_into_one_statement_take_two(pool: Pool) -> None:
    reads = CoalescedReads(pool)

    rows = await asyncio.gather(*(reads.fetch_row(DOUBLED, [number]) for number in range(MOST + 3)))

    assert [row["doubled"] for row in rows] == [2 * number for number in range(MOST + 3)]
    assert (reads.asked, reads.statements) == (MOST + 3, 2)


@pytest.mark.parametrize("type_name", VALUES)
async def test_arguments_of_this_type_mean_the_same_in_company(type_name: str, pool: Pool) -> None:
    reads, text = (
        CoalescedReads(pool),
        f"select $1::{type_name} as value, '$1' as literal, $2::int4 as number",
    )
    arguments = [(value, number) for number, value in enumerate(VALUES[type_name])]
    alone = [(await pool.fetch_rows(text, each))[0] for each in arguments]

    together = await asyncio.gather(*(reads.fetch_row(text, each) for each in arguments))

    assert [tuple(row)[:3] for row in together] == [tuple(row) for row in alone]
    assert [row["value"] for row in together] == list(VALUES[type_name])
    assert reads.statements == 1


@pytest.mark.parametrize(("type_name", "values"), [("bytea", (b"\0", b"x")), ("float8", (0.1, float("inf")))])
async def test_arguments_that_json_would_change_are_asked_one_by_one(
    type_name: str, values: tuple[Any, ...], pool: Pool
) -> None:
    reads = CoalescedReads(pool)

    rows = await asyncio.gather(
        *(reads.fetch_row(f"select $1::{type_name} as value", [value]) for value in values)
    )

    assert tuple(row["value"] for row in rows) == values
    assert reads.statements == 2


async def test_one_who_cannot_be_answered_is_told_so_alone(pool: Pool) -> None:
    reads = CoalescedReads(pool)

    found = await asyncio.gather(
        *(reads.fetch_row("select 6 / $1::int4 as value", [number]) for number in (1, 0, 2)),
        return_exceptions=True,
    )

    assert [row["value"] for row in (found[0], found[2]) if not isinstance(row, BaseException)] == [6, 3]
    assert isinstance(found[1], asyncpg.DivisionByZeroError)
    assert reads.statements == 4


async def test_text_that_no_database_keeps_is_refused_to_its_asker_alone(pool: Pool) -> None:
    reads = CoalescedReads(pool)

    found = await asyncio.gather(
        *(reads.fetch_row("select $1::text as value", [text]) for text in ("a", "\0", "\ud800")),
        return_exceptions=True,
    )

    assert not isinstance(found[0], BaseException) and found[0]["value"] == "a"
    assert [type(error) for error in found[1:]] == [asyncpg.CharacterNotInRepertoireError, asyncpg.DataError]


@pytest.mark.parametrize("leaving", [0, 1])
async def test_who_leaves_takes_nobody_along(leaving: int, pool: Pool) -> None:
    reads, text = CoalescedReads(pool), "select pg_sleep(0.1), $1::int4 as value"
    asking = [asyncio.ensure_future(reads.fetch_row(text, [number])) for number in range(3)]
    await until(lambda: pool.busy == 1)

    asking[leaving].cancel()
    found = await asyncio.gather(*asking, return_exceptions=True)

    assert isinstance(found.pop(leaving), asyncio.CancelledError)
    others = [number for number in range(3) if number != leaving]
    assert [row["value"] for row in found if not isinstance(row, BaseException)] == others
    assert pool.busy == 0


async def test_who_leaves_before_anything_was_asked_takes_nobody_along(pool: Pool) -> None:
    reads = CoalescedReads(pool)
    asking = [asyncio.ensure_future(reads.fetch_row(DOUBLED, [number])) for number in range(3)]
    await asyncio.sleep(0)

    asking[0].cancel()
    found = await asyncio.gather(*asking, return_exceptions=True)

    assert isinstance(found[0], asyncio.CancelledError)
    assert [row["doubled"] for row in found[1:] if not isinstance(row, BaseException)] == [2, 4]
    assert (await reads.fetch_row(DOUBLED, [7]))["doubled"] == 14


async def test_a_connection_that_breaks_costs_nobody_their_answer(pool: Pool, database_url: str) -> None:
    reads, text = CoalescedReads(pool), "select pg_sleep(0.1), $1::int4 as value, pg_backend_pid() as pid"
    first = await asyncio.gather(*(reads.fetch_row(text, [number]) for number in range(2)))
    asking = asyncio.gather(*(reads.fetch_row(text, [number]) for number in range(2)))
    await until(lambda: pool.busy == 1)

    killer = Pool(database_url, size=1, server_settings={})
    await killer.fetch_rows("select pg_terminate_backend($1::int4)", [first[0]["pid"]])
    second = await asking

    assert [row["value"] for row in second] == [0, 1]
    assert second[0]["pid"] != first[0]["pid"]
    await killer.close()


async def test_a_connection_that_breaks_before_the_form_is_known_costs_nobody_their_answer(
    pool: Pool, database_url: str
) -> None:
    reads = CoalescedReads(pool)
    ((pid,),) = await pool.fetch_rows("select pg_backend_pid()", [])
    killer = Pool(database_url, size=1, server_settings={})
    await killer.fetch_rows("select pg_terminate_backend($1::int4, 1000)", [pid])

    rows = await asyncio.gather(*(reads.fetch_row(DOUBLED, [number]) for number in range(3)))

    assert [row["doubled"] for row in rows] == [0, 2, 4]
    assert reads.statements == 1
    await killer.close()


async def test_what_was_slow_together_is_asked_apart_for_a_while(pool: Pool) -> None:
    reads, text = CoalescedReads(pool, apart_s=0.5), "select pg_sleep($1::int4 * 0.01), $1::int4 as value"

    async def statements_for(*values: int) -> int:
        before = reads.statements
        rows = await asyncio.gather(*(reads.fetch_row(text, [value]) for value in values))
        assert [row["value"] for row in rows] == [*values]
        return reads.statements - before

    counts = [await statements_for(0, 1), await statements_for(20, 21), await statements_for(0, 1)]
    await until(lambda: is_together(statements_for))

    assert counts == [1, 1, 2]


async def is_together(statements_for: Callable[..., Awaitable[int]]) -> bool:
    return await statements_for(0, 1) == 1


async def test_where_all_connections_stay_busy_everybody_is_told_after_one_wait(pool: Pool) -> None:
    reads = CoalescedReads(pool)
    await asyncio.gather(*(reads.fetch_row(DOUBLED, [number]) for number in range(2)))
    async with pool.begin(), pool.begin():
        before = asyncio.get_running_loop().time()
        found = await asyncio.gather(
            *(reads.fetch_row(DOUBLED, [number]) for number in range(3)), return_exceptions=True
        )
        waited = asyncio.get_running_loop().time() - before

    assert [type(error) for error in found] == [TimeoutError] * 3
    assert 0.19 < waited < 0.4
    assert reads.statements == 2
