"""Everything that concerns one person as one stream: their own, and those of the gigs they take part in.

Nothing is copied for it: the streams are merged while they are read, each in its order. The place in it is a number for
each of them. Which gigs these are changes with what a person does: facts of their own stream tell when they join one, and
from there on its stream is told, whether that happened now or while they were away.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from uuid import UUID

from sqlmodel import col

from auth.access import MOST_FOLLOWED, followed_gigs
from auth.viewer import Viewer
from models.gig import Gig
from models.store.sql import Database, Position, patiently
from subscriptions.follow import EndReason, Follower, Streams
from subscriptions.log import LoggedFact, heads, place_in


class Merged:
    """A follower of several streams. `unread` are places in streams that are not followed now, kept for another time."""

    def __init__(
        self, streams: Streams, db: Database, own: Follower, *, with_gigs: bool, unread: Mapping[str, int]
    ) -> None:
        self._streams = streams
        self._db = db
        self._own = own
        self._viewer = own.viewer
        self._me = own.viewer.require_user()
        self._with_gigs = with_gigs
        self._unread = unread
        self._gigs: dict[str, Follower] = {}
        self._over: set[str] = set()
        """Streams of gigs that the person has no part in any more: told to their end, then left."""
        self._has_looked_around = not with_gigs
        self._changed = asyncio.Event()
        self._is_nudged = False
        own.listener = self._changed.set

    @property
    def viewer(self) -> Viewer:
        return self._viewer

    @property
    def ended(self) -> EndReason | None:
        return self._own.ended

    @property
    def has_caught_up(self) -> bool:
        """Whether everything was told that had happened when this began."""
        followers = (self._own, *self._gigs.values())
        return self._has_looked_around and all(each.has_caught_up for each in followers)

    @property
    def lag(self) -> int:
        """How many facts there are, as far as is known here, that were not taken."""
        return sum(each.lag for each in (self._own, *self._gigs.values()))

    def nudge(self) -> None:
        """Let `take` return, whether there is something to tell or not."""
        self._is_nudged = True
        self._changed.set()

    def place(self, at: LoggedFact | Position | None = None) -> dict[str, int]:
        """The number in each stream; in that of `at`, the one it says."""
        followers = (self._own, *self._gigs.values())
        place = {**self._unread, **{each.stream: each.number for each in followers}}
        return place if at is None else place | {at.stream: at.number}

    async def take(self) -> Sequence[LoggedFact]:
        """The next facts of one stream, after waiting for some; empty when only the place has moved, it was nudged, or it has
        ended.

        Raises `TooOld` and `Gap`.
        """
        while self._own.ended is None:
            if self._is_nudged:
                self._is_nudged = False
                break
            if self._own.is_behind:
                facts = await self._own.take()
                for fact in facts:
                    await self._join_by(fact)
                return facts
            if not self._has_looked_around:
                await self._look_around()
                return ()
            self._changed.clear()
            for stream, follower in list(self._gigs.items()):
                if follower.ended is not None:
                    self._leave(stream)
                elif follower.is_behind:
                    facts = await follower.take()
                    self._leave_if_over(stream)
                    # What is in their own stream, too, is told there.
                    return [fact for fact in facts if not fact.is_in_stream_of(self._me)]
            if not self._own.is_behind:
                await self._changed.wait()
        return ()

    def close(self) -> None:
        for stream in list(self._gigs):
            self._leave(stream)

    # -- gigs --------------------------------------------------------------------------------------------------------

    async def follow_gigs(self, places: Mapping[str, int | None]) -> None:
        """From these places on, or from now on; not those that the person may not see. Raises `Ahead`."""
        new = {stream: after for stream, after in places.items() if stream not in self._gigs}
        for follower in await self._streams.open(new, self._viewer) if new else ():
            follower.listener = self._changed.set
            self._gigs[follower.stream] = follower
        while len(self._gigs) > MOST_FOLLOWED:
            self._leave(next(iter(self._gigs)))

    def _leave_if_over(self, stream: str) -> None:
        if stream in self._over and not self._gigs[stream].is_behind:
            self._leave(stream)

    def _leave(self, stream: str) -> None:
        self._over.discard(stream)
        self._streams.leave(self._gigs.pop(stream))

    async def _join_by(self, fact: LoggedFact) -> None:
        """Follow the gig of a fact that makes the person take part in it, from that fact on."""
        if self._with_gigs and fact.joins:
            stream = f"gig:{fact.payload['gig_id']}"
            if stream not in self._gigs:
                place = await patiently(lambda: place_in(self._db, stream, fact))
                await self.follow_gigs({stream: place})

    async def _look_around(self) -> None:
        """Follow the gigs that the own stream did not tell of, from now on; part with those that are over.

        Not before the own stream has told of everything that may have led to them: what it tells later begins where it says.
        """
        self._changed.clear()
        found = await patiently(lambda: gigs_of(self._db, self._viewer))
        own = self._own.stream
        if (await patiently(lambda: heads(self._db, [own])))[own] > self._own.number:
            self._streams.heard([own])
            if not self._own.is_behind and self._own.ended is None:
                await self._changed.wait()
            return
        names = [f"gig:{gig_id}" for gig_id in reversed(found)]
        self._over = self._gigs.keys() - names
        for name in list(self._gigs):
            self._leave_if_over(name)
        await self.follow_gigs(dict.fromkeys(names))
        self._has_looked_around = True


@contextlib.asynccontextmanager
async def follow_all(
    streams: Streams, db: Database, viewer: Viewer, *, after: Mapping[str, int] | None, with_gigs: bool
) -> AsyncIterator[Merged]:
    """A follower of everything that concerns the viewer, from a place of it on, or from now on. Raises `Ahead`."""
    stream = f"user:{viewer.require_user()}"
    gigs = {name: number for name, number in (after or {}).items() if name != stream}
    async with streams.follow(stream, viewer, after=None if after is None else after.get(stream)) as own:
        merged = Merged(streams, db, own, with_gigs=with_gigs, unread={} if with_gigs else gigs)
        try:
            if with_gigs:
                await merged.follow_gigs(gigs)
            yield merged
        finally:
            merged.close()


async def gigs_of(db: Database, viewer: Viewer) -> list[UUID]:
    """What the viewer follows, the newest first."""
    return [row.id for row in await db.fetch(followed_gigs(viewer, col(Gig.id)))]
