"""How processes tell each other that streams have grown.

A hint may be lost, doubled or late: the log is the truth, and a sweep of changed heads finds what no hint told. So a hint
is nothing but the names of streams, and whoever hears it reads the log.

Beside hints there are words: a few bytes that are true for a moment (who is where), which nobody keeps and nobody looks for
when they are lost. Whoever says one says it again as long as it is true.
"""

from collections.abc import Callable, Collection
from typing import Protocol

Heard = Callable[[Collection[str] | None], None]
"""Told the names of streams that may have grown; None when hints may have been missed, so that any may."""


Told = Callable[[bytes], None]
"""Told a word of another process, as it was said."""
WORD_LIMIT = 2_048
"""Bytes; a longer word is not said."""


def ignore(_: bytes) -> None:
    """For who hears hints only."""


class Broker(Protocol):
    """The port. Adapters are chosen by the scheme of their URL."""

    @property
    def name(self) -> str:
        """For health: which adapter is in force."""

    @property
    def problem(self) -> str | None:
        """Why hints do not travel now, as the class of an error; None while they do."""

    def publish(self, streams: Collection[str]) -> None:
        """Tell every process but this one. Never waits and never raises: a transaction has just been committed."""

    def say(self, word: bytes) -> None:
        """A word to every process but this one: never kept, at most once, lost without a sign. Never waits and never raises."""

    async def run(self, heard: Heard, told: Told = ignore) -> None:
        """Listen until cancelled; what goes wrong is retried with backoff, told by `problem`, and logged once."""


class MemoryBroker:
    """For one process: there is nobody else to tell."""

    name = "memory"
    problem = None

    def publish(self, streams: Collection[str]) -> None:
        return

    def say(self, word: bytes) -> None:
        return

    async def run(self, heard: Heard, told: Told = ignore) -> None:
        return
