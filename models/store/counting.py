"""Counting what the database is asked, whichever driver asks."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

_statements: ContextVar["Counter[str] | None"] = ContextVar("statements", default=None)


@contextmanager
def counting_statements() -> Iterator["Counter[str]"]:
    """Count what the database is asked inside the block, tasks started there included, by first word."""
    counter: Counter[str] = Counter()
    token = _statements.set(counter)
    try:
        yield counter
    finally:
        _statements.reset(token)


def count_statement(text: str) -> None:
    counter = _statements.get()
    if counter is not None:
        counter[_first_word(text)] += 1


@lru_cache(1_000)
def _first_word(text: str) -> str:
    return text.split(None, 1)[0].lower()
