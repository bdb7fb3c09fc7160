"""The next facts of one stream, read and made ready to be told while everything else goes on.

What they are read from, or what they show, may be in a store that is away. Until they are handed over the stream's place is
before them: whoever drops them has lost nothing, and no cursor names what was not told.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from models.store.chat import StoreAway
from subscriptions.follow import Follower
from subscriptions.log import LoggedFact

T = TypeVar("T")
Make = Callable[[Sequence[LoggedFact]], Awaitable[Sequence[T]]]
"""What is to be told of some facts."""

_RETRY_S = 1.0
_log = logging.getLogger("skillsync.streams")


class Batch(Generic[T]):
    """Begins at once. The follower has something to tell; nobody else takes from it before this was handed over or dropped."""

    __slots__ = ("_behind", "_doing", "_when_done", "follower")

    def __init__(self, follower: Follower, make: Make[T], when_done: Callable[[], None]) -> None:
        self.follower = follower
        self._behind = follower.number
        self._when_done = when_done
        self._doing = asyncio.create_task(self._do(make))
        self._doing.add_done_callback(self._done)

    @property
    def is_done(self) -> bool:
        return self._doing.done()

    def hand_over(self) -> Sequence[T]:
        """What is to be told now that it is done; the place is behind the facts from here on. Raises `TooOld` and `Gap`."""
        self.follower.number = self._behind
        return self._doing.result()

    def drop(self) -> None:
        self._doing.cancel()

    async def _do(self, make: Make[T]) -> Sequence[T]:
        before = self.follower.number
        try:
            facts = await self.follower.take()
        finally:
            self._behind, self.follower.number = self.follower.number, before
        while True:
            try:
                return await make(facts)
            except StoreAway:  # for long
                _log.warning("facts wait to be told", extra={"stream": self.follower.stream})
                await asyncio.sleep(_RETRY_S)

    def _done(self, doing: asyncio.Task[Any]) -> None:
        if not doing.cancelled():
            doing.exception()  # seen: what was dropped is not to be warned of
            self._when_done()
