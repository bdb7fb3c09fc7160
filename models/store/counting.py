"""Counting what the database is asked, whichever driver asks."""

from collections import defaultdict
from contextvars import ContextVar, Token
from functools import lru_cache

Counts = defaultdict[str, int]
_statements: ContextVar[Counts | None] = ContextVar("statements", default=None)


class counting_statements:  # noqa: N801  reads as the function it stands for, which would cost five times as much
    """Count what the database is asked inside the block, tasks started there included, by first word."""

    __slots__ = ("_token",)
    _token: Token[Counts | None]

    def __enter__(self) -> Counts:
        counts: Counts = defaultdict(int)
        self._token = _statements.set(counts)
        return counts

    def __exit__(self, *_: object) -> None:
        _statements.reset(self._token)


def count_statement(text: str) -> None:
    counts = _statements.get()
    if counts is not None:
        counts[_first_word(text)] += 1


@lru_cache(1_000)
def _first_word(text: str) -> str:
    return text.split(None, 1)[0].lower()
