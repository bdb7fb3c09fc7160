"""How processes tell each other that streams have grown.

A hint may be lost, doubled or late: the log is the truth, and a sweep of changed heads finds what no hint told. So a hint
is nothing but the names of streams, and whoever hears it reads the log.
"""

from collections.abc import Callable, Collection
from typing import Protocol

Heard = Callable[[Collection[str] | None], None]
"""Told the names of streams that may have grown; None when hints may have been missed, so that any may."""


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

    async def run(self, heard: Heard) -> None:
        """Listen until cancelled; what goes wrong is retried with backoff, told by `problem`, and logged once."""


class MemoryBroker:
    """For one process: there is nobody else to tell."""

    name = "memory"
    problem = None

    def publish(self, streams: Collection[str]) -> None:
        return

    async def run(self, heard: Heard) -> None:
        return
