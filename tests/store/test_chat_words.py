"""The index of words in a long room: which indexes answer, and that what is rare is found however far back it is."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from models.ids import new_id
from models.store.chat_sql import Statements
from models.store.chat_words import ChatWords, FoundMessage, _searches
from tests.world import World

COUNT = 30_000
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
COMMON, RARE, ABSENT = 7, 11, 13
ROOM, AUTHOR, OTHER = new_id(), new_id(), new_id()

# Every second message has the common word, every 10,000th the rare one; the first third is by the other author.
_FILL = """
    insert into chat_word (message_id, room_id, author_id, seq, fact_seq, tokens, sent_at, thread_id)
    select gen_random_uuid(), $1, case when n <= $3 / 3 then $5::uuid else $4::uuid end, n, n,
           array_remove(array[100 + n % 5000, case when n % 2 = 0 then 7 end, case when n % 10000 = 0 then 11 end]::bigint[], null),
           $2::timestamptz + n * interval '1 second', case when n % 3000 = 0 then $6::uuid end
    from generate_series(1, $3) as n
"""


@pytest.fixture
async def words(empty_world: World, empty_database_url: str) -> AsyncIterator[ChatWords]:
    statements = Statements(empty_database_url, size=1)
    searches = Statements(empty_database_url, size=1, is_generic=False)
    await statements.fetch("alter table chat_word disable trigger all")
    await statements.fetch(_FILL, ROOM, BEGAN, COUNT, AUTHOR, OTHER, ROOM)
    await statements.fetch("analyze chat_word")
    yield ChatWords(statements, searches)
    await statements.close()
    await searches.close()


def numbers(found: list[FoundMessage]) -> list[int]:
    return [one.seq for one in found]


async def test_what_is_common_and_what_is_rare_is_found_from_any_place(words: ChatWords) -> None:
    async def search(*groups: int, **options: Any) -> list[int]:
        return numbers(await words.search(ROOM, [[group] for group in groups], limit=3, **options))

    middle = FoundMessage(BEGAN + timedelta(seconds=15_000), 15_000, UUID(int=0))
    beyond = {"beyond": middle}

    assert await search(COMMON) == [30_000, 29_998, 29_996]
    assert await search(COMMON, **beyond) == [14_998, 14_996, 14_994]
    assert await search(COMMON, **beyond, is_backwards=True) == [15_000, 15_002, 15_004]
    assert await search(RARE) == [30_000, 20_000, 10_000]
    assert await search(RARE, **beyond) == [10_000]
    assert await search(RARE, **beyond, is_backwards=True) == [20_000, 30_000]
    assert await search(COMMON, RARE) == [30_000, 20_000, 10_000]
    assert await search(ABSENT) == []
    assert await search(COMMON, author_ids=[OTHER]) == [10_000, 9_998, 9_996]
    assert await search(author_ids=[OTHER, new_id()]) == [10_000, 9_999, 9_998]
    between = {"sent_before": BEGAN + timedelta(seconds=10_002)}
    assert await search(author_ids=[OTHER, AUTHOR], **between) == [10_001, 10_000, 9_999]
    assert await search(RARE, thread_id=ROOM) == [30_000]
    assert await search(COMMON, sent_before=BEGAN + timedelta(seconds=5)) == [4, 2]
    assert await search(COMMON, sent_after=BEGAN + timedelta(seconds=29_998)) == [30_000]


async def test_the_first_look_reads_by_time_and_the_whole_one_by_words(
    words: ChatWords, empty_database_url: str
) -> None:
    searches = Statements(empty_database_url, size=1, is_generic=False)
    middle = (BEGAN + timedelta(seconds=15_000), 15_000, UUID(int=0))

    async def plan_of(text: str | None, *arguments: Any) -> str:
        rows = await searches.fetch(f"explain {text}", ROOM, 20, None, None, *arguments)
        return "\n".join(row[0] for row in rows)

    for is_backwards in (False, True):
        window, whole = _searches(1, False, False, is_backwards)
        for place in ((None, None, None), middle):
            assert "using ix_chat_word_sent" in await plan_of(window, *place, [COMMON])
            assert "ix_chat_word_tokens" in await plan_of(whole, *place, [ABSENT])
    by_author, _ = _searches(1, True, False, False)
    assert "using ix_chat_word_author" in await plan_of(by_author, *middle, [COMMON], new_id())
    _, of_thread = _searches(1, False, True, False)
    assert "ix_chat_word_thread" in await plan_of(of_thread, *middle, [COMMON], ROOM)
    await searches.close()
