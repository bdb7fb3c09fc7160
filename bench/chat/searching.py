"""Searching a room of a million messages: the blind index, then the messages that were found, then their words."""

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from bench.chat.online import percentile
from bench.chat.world import LANGUAGE, SEARCHED, person_id
from bench.search_world import vocabulary
from models.chat_words import asked_tokens
from models.store.chat_keys import ChatKeys, Unreadable
from models.store.chat_sql import SqlChatStore, Statements
from models.store.chat_words import ChatWords
from models.store.keys import KeyRing

LIMIT_MS = 100.0
PAGE = 20
WARM_UP = 10
ABSENT = "xylophonist"

Asked = tuple[str, UUID | None]


@dataclass(frozen=True, slots=True)
class Found:
    """One kind of search. Times in milliseconds, ascending."""

    name: str
    times: Sequence[float]
    messages: float
    """In an answer, on average."""

    @property
    def p95(self) -> float:
        return percentile(self.times, 0.95)

    def __str__(self) -> str:
        p50, p99 = percentile(self.times, 0.5), percentile(self.times, 0.99)
        return f"{self.name:58}{p50:9.1f}{self.p95:9.1f}{p99:9.1f} ms  {self.messages:4.1f} found"


def _shapes() -> dict[str, Callable[[random.Random], Asked]]:
    words = vocabulary()
    common, usual, rare = words[:20], words[80:300], words[4_000:]
    return {
        "a common word": lambda c: (c.choice(common), None),
        "a word of some thousands": lambda c: (c.choice(usual), None),
        "a rare word": lambda c: (c.choice(rare), None),
        "two common words": lambda c: (" ".join(c.sample(common, 2)), None),
        "a common and a rare word": lambda c: (f"{c.choice(common)} {c.choice(rare)}", None),
        "three words": lambda c: (" ".join([c.choice(common), *c.sample(usual, 2)]), None),
        "a common word by one author": lambda c: (c.choice(common), person_id(c.randrange(20))),
        "a rare word by one author": lambda c: (c.choice(rare), person_id(c.randrange(20))),
        "a word that nobody said": lambda _: (ABSENT, None),
    }


async def search_all(url: str, ring: KeyRing, *, requests: int) -> list[Found]:
    """Without HTTP: what the index, the store and the keys take."""
    statements, searches = Statements(url, size=2), Statements(url, size=2, is_generic=False)
    keys, store = ChatKeys(statements, ring), SqlChatStore(url, pool_size=2)
    words = ChatWords(statements, searches)
    try:
        key = await keys.in_force(SEARCHED, None, at=datetime.now(UTC))

        async def search(asked: Asked) -> int:
            query, author_id = asked
            author_ids = [author_id] if author_id else []
            groups = asked_tokens(query, key=key.secret, language=LANGUAGE)
            found = await words.search(SEARCHED, groups, limit=PAGE, author_ids=author_ids)
            messages = await store.messages(SEARCHED, [one.message_id for one in found])
            facts = [message.words for message in messages.values() if message.words is not None]
            read = await keys.unseal(facts) if facts else []
            assert len(read) == len(found)
            assert not any(isinstance(one, Unreadable) for one in read)
            return len(read)

        return [await _measure(name, search, draw, requests) for name, draw in _shapes().items()]
    finally:
        keys.close()
        for each in (store, statements, searches):
            await each.close()


async def _measure(
    name: str,
    search: Callable[[Asked], Awaitable[int]],
    draw: Callable[[random.Random], Asked],
    requests: int,
) -> Found:
    chance = random.Random(name)
    times: list[float] = []
    counts: list[int] = []
    for number in range(WARM_UP + requests):
        asked = draw(chance)
        began = time.perf_counter()
        count = await search(asked)
        if number >= WARM_UP:
            times.append(1000 * (time.perf_counter() - began))
            counts.append(count)
    return Found(name, sorted(times), sum(counts) / len(counts))
