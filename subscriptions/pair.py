"""Two streams about one subject as one: what is said in a room, and what becomes of the room.

Each is told in its order; there is none across them. A place is a number in each. Both followers wait on one future, so that
either can be told at once, and what one of them is told names the place in the other: who has come equally far in both gets
the same bytes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from auth.viewer import Viewer
from models.store.sql import Position
from subscriptions.batch import Batch, Make, T
from subscriptions.follow import EndReason, Follower, Streams, Unseen
from subscriptions.log import LoggedFact


class Pair:
    """One subscriber's place in two streams."""

    def __init__(self, one: Follower, other: Follower) -> None:
        self.legs = (one, other)
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None
        self._is_nudged = False
        self._batch: Batch[Any] | None = None
        """What is told next; its cursors name both places, so neither moves before."""
        for leg in self.legs:
            leg.listener = self._wake

    @property
    def viewer(self) -> Viewer:
        return self.legs[0].viewer

    @property
    def ended(self) -> EndReason | None:
        return self.legs[0].ended or self.legs[1].ended

    @property
    def has_caught_up(self) -> bool:
        """Whether everything was told that had happened when this began."""
        return all(leg.has_caught_up for leg in self.legs)

    @property
    def is_behind(self) -> bool:
        """Whether `take` has something to tell without waiting for it to happen."""
        if self._batch is not None:
            return self._batch.is_done
        return any(leg.is_behind for leg in self.legs)

    @property
    def lag(self) -> int:
        """How many facts there are, as far as is known here, that were not taken."""
        return sum(leg.lag for leg in self.legs)

    def nudge(self) -> None:
        """Let `take` return, whether there is something to tell or not."""
        self._is_nudged = True
        self._wake()

    def place(self, at: LoggedFact | Position | None = None) -> dict[str, int]:
        """The number in each stream; in that of `at`, the one it says."""
        place = {leg.stream: leg.number for leg in self.legs}
        return place if at is None else place | {at.stream: at.number}

    def number_beside(self, fact: LoggedFact) -> int:
        """The number in the other stream."""
        one, other = self.legs
        return other.number if one.stream == fact.stream else one.number

    async def take(self, make: Make[T]) -> Sequence[T]:
        """What is made of the next facts of one of the two, after waiting for some; empty when only a place has moved, it was
        nudged, or it has ended.

        Raises `TooOld` and `Gap`.
        """
        while self.ended is None:
            if self._is_nudged:
                self._is_nudged = False
                break
            if self._batch is not None:
                if self._batch.is_done:
                    batch, self._batch = self._batch, None
                    return batch.hand_over()
                await self._wait(())
            elif (behind := next((leg for leg in self.legs if leg.is_behind), None)) is not None:
                self._batch = Batch(behind, make, self._wake)
            else:
                await self._wait(self.legs)
        return ()

    def close(self) -> None:
        if self._batch is not None:
            self._batch.drop()

    async def _wait(self, legs: Sequence[Follower]) -> None:
        """These may be told at once meanwhile."""
        self._waiting = self._loop.create_future()
        for leg in legs:
            leg.wait_on(self._waiting)
        try:
            await self._waiting
        finally:
            self._waiting = None
            for leg in legs:
                leg.wait_on(None)

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


@contextlib.asynccontextmanager
async def follow_both(
    streams: Streams, places: Mapping[str, int | None], viewer: Viewer
) -> AsyncIterator[Pair]:
    """A follower of two streams from these places on, or from now on. Raises `Unseen` and `Ahead`."""
    followers = await streams.open(places, viewer)
    pair: Pair | None = None
    try:
        if len(followers) != len(places):
            raise Unseen
        pair = Pair(*followers)
        yield pair
    finally:
        if pair is not None:
            pair.close()
        for follower in followers:
            streams.leave(follower)
