"""Everything that concerns one person as one stream: their own, those of the gigs they take part in, and what is said in their
rooms.

Nothing is copied for it: the streams are merged while they are read, each in its order. The place in it is a number for
each of them. Which gigs and rooms these are changes with what a person does: facts of their own stream tell when they join
one, and from there on its stream is told, whether that happened now or while they were away.

Rooms may be in another store. They are opened, and their facts read and made ready, beside the rest, which does not wait for a
store that is away.
"""

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth.access import MOST_FOLLOWED, MOST_ROOMS, followed_gigs, followed_rooms
from auth.viewer import Viewer
from models.gig import Gig
from models.room import RoomMember, RoomMessage, RoomProgress
from models.room_events import RoomMemberAdded, RoomMemberLeft, RoomMemberRemoved, RoomPreferenceSet
from models.store.sql import Database, Position, patiently
from subscriptions.batch import Batch, Make, T
from subscriptions.follow import Ahead, EndReason, Follower, Streams
from subscriptions.log import CHAT, LoggedFact, heads, is_of_chat, place_in
from subscriptions.log import room_of as room_id_of
from subscriptions.onlooker import Onlooker

GIGS, ROOMS = "gig", "room"
PATIENCE_S = 1.0
"""How long `StreamReady` waits for rooms."""
BEFORE = timedelta(minutes=1)
"""What was said shortly before somebody came, or unmuted a room, may be told them: a message carries the moment at which its
author began to send it, so of two moments that are close to each other nobody knows which came first in the room's log."""
_RETRY_S = 1.0
_ADJUSTING = frozenset(
    kind.__name__ for kind in (RoomMemberAdded, RoomMemberLeft, RoomMemberRemoved, RoomPreferenceSet)
)
_log = logging.getLogger("skillsync.streams")


class Merged:
    """A follower of several streams. `unread` are places in streams that are not followed now, kept for another time."""

    def __init__(
        self,
        streams: Streams,
        db: Database,
        own: Follower,
        *,
        kinds: Collection[str],
        unread: Mapping[str, int],
    ) -> None:
        """`kinds` are those of streams, beside the own one: `GIGS` and `ROOMS`."""
        self._streams = streams
        self._db = db
        self._own = own
        self._viewer = own.viewer
        self._me = own.viewer.require_user()
        self._kinds = kinds
        self._unread = unread
        self._gigs: dict[str, Follower] = {}
        self._over: set[str] = set()
        """Streams of gigs that the person has no part in any more: told to their end, then left."""
        self._rooms: dict[str, Follower] = {}
        self._waiting: dict[str, int] = {}
        """Places in rooms that are not opened yet."""
        self._kept: dict[str, int] = {}
        """Places in rooms that were parted with: who comes back is told nothing again."""
        self._batch: Batch[Any] | None = None
        """Of the room that is told of next. One at a time: if their store is away, all have to wait."""
        self._is_batch_late = False
        self._timer: asyncio.TimerHandle | None = None
        self._opening: asyncio.Task[None] | None = None
        self._is_patient = True
        self._has_looked_around = not kinds
        self._changed = asyncio.Event()
        self._is_nudged = False
        self._onlooker: Onlooker | None = None
        own.listener = self._changed.set

    @property
    def viewer(self) -> Viewer:
        return self._viewer

    @property
    def ended(self) -> EndReason | None:
        return self._own.ended

    @property
    def has_caught_up(self) -> bool:
        """Whether everything was told that had happened when this began; but for rooms that cannot be asked."""
        if self._is_patient and self._waiting:
            return False
        asked = (self._own, *self._gigs.values()) if self._is_batch_late else self._all
        return self._has_looked_around and all(each.has_caught_up for each in asked)

    @property
    def is_behind(self) -> bool:
        """Whether `take` has something to tell without waiting for it to happen."""
        if self._batch is not None and self._batch.is_done:
            return True
        rooms = self._rooms.values() if self._batch is None else ()
        return any(each.is_behind for each in (self._own, *self._gigs.values(), *rooms))

    @property
    def lag(self) -> int:
        """How many facts there are, as far as is known here, that were not taken."""
        return sum(each.lag for each in self._all)

    @property
    def _all(self) -> Sequence[Follower]:
        return (self._own, *self._gigs.values(), *self._rooms.values())

    def nudge(self) -> None:
        """Let `take` return, whether there is something to tell or not."""
        self._is_nudged = True
        self._changed.set()

    def attend(self, onlooker: Onlooker) -> None:
        """Tell this one of the people in each room, for as long as it is followed."""
        self._onlooker = onlooker
        for follower in self._rooms.values():
            self._streams.attend(follower, onlooker)

    def place(self, at: LoggedFact | Position | None = None) -> dict[str, int]:
        """The number in each stream; in that of `at`, the one it says."""
        place = {
            **self._unread,
            **self._kept,
            **self._waiting,
            **{each.stream: each.number for each in self._all},
        }
        return place if at is None else place | {at.stream: at.number}

    async def take(self, make: Make[T]) -> Sequence[T]:
        """What is made of the next facts of one stream, after waiting for some; empty when only the place has moved, it was
        nudged, or it has ended. What is made of facts of a room is waited for beside everything else.

        Raises `TooOld` and `Gap`.
        """
        while self._own.ended is None:
            if self._is_nudged:
                self._is_nudged = False
                break
            if self._own.is_behind:
                return await make(await self._take_own())
            if not self._has_looked_around:
                await self._look_around()
                return ()
            self._changed.clear()
            if (batch := self._done_batch()) is not None:
                self._forget_batch()
                return batch.hand_over()
            for stream, follower in list(self._gigs.items()):
                if follower.ended is not None:
                    self._leave(stream)
                elif follower.is_behind:
                    facts = await follower.take()
                    self._leave_if_over(stream)
                    # What is in their own stream, too, is told there.
                    return await make([fact for fact in facts if not fact.is_in_stream_of(self._me)])
            for stream, follower in list(self._rooms.items()):
                if follower.ended is not None:
                    # They may belong to it again already.
                    await self._adjust(room_id_of(stream))
                elif self._batch is None and follower.is_behind:
                    self._begin_batch(Batch(follower, make, self._changed.set))
            if not self._own.is_behind:
                await self._changed.wait()
        return ()

    async def _take_own(self) -> Sequence[LoggedFact]:
        before = self._own.number
        facts = await self._own.take()
        for fact in facts:
            await self._join_by(fact)
        if self._own.ended is None:
            return facts
        # The end is told next, with a place that must not be behind what was not.
        self._own.number = before
        return ()

    def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        self._drop_batch()
        for follower in (*self._gigs.values(), *self._rooms.values()):
            self._streams.leave(follower)
        self._onlooker = None

    async def _join_by(self, fact: LoggedFact) -> None:
        """Follow the gig or the room of a fact that makes the person take part in it, from that fact on."""
        if GIGS in self._kinds and fact.joins:
            stream = f"gig:{fact.payload['gig_id']}"
            if stream not in self._gigs:
                place = await patiently(lambda: place_in(self._db, stream, fact))
                await self.follow_gigs({stream: place})
        if ROOMS in self._kinds and fact.kind in _ADJUSTING:
            is_set = fact.kind == RoomPreferenceSet.__name__
            await self._adjust(
                UUID(fact.payload["room_id"]),
                unmuted_at=fact.occurred_at if is_set else None,
                is_muted=is_set and fact.payload["is_muted"],
            )

    async def _look_around(self) -> None:
        """Follow the gigs and rooms that the own stream did not tell of, from now on; part with those that are over.

        Not before the own stream has told of everything that may have led to them: what it tells later begins where it says.
        """
        self._changed.clear()
        gigs = await patiently(lambda: gigs_of(self._db, self._viewer)) if GIGS in self._kinds else []
        rooms = await patiently(lambda: rooms_of(self._db, self._viewer)) if ROOMS in self._kinds else {}
        own = self._own.stream
        if (await patiently(lambda: heads(self._db, [own])))[own] > self._own.number:
            self._streams.heard([own])
            if not self._own.is_behind and self._own.ended is None:
                await self._changed.wait()
            return
        if GIGS in self._kinds:
            names = [f"gig:{gig_id}" for gig_id in reversed(gigs)]
            self._over = self._gigs.keys() - names
            for name in list(self._gigs):
                self._leave_if_over(name)
            await self.follow_gigs(dict.fromkeys(names))
        if ROOMS in self._kinds:
            for name in [*self._rooms, *self._waiting]:
                if name not in rooms:
                    self._part_with_room(name)
            self.follow_rooms(dict(reversed(rooms.items())))
        self._has_looked_around = True

    # -- gigs --------------------------------------------------------------------------------------------------------

    async def follow_gigs(self, places: Mapping[str, int | None]) -> None:
        """From these places on, or from now on; not those that the person may not see. Raises `Ahead`."""
        new = {stream: after for stream, after in places.items() if stream not in self._gigs}
        for follower in await self._streams.open(new, self._viewer) if new else ():
            follower.listener = self._changed.set
            self._gigs[follower.stream] = follower
        while len(self._gigs) > MOST_FOLLOWED:
            self._leave(next(iter(self._gigs)))

    def _leave(self, stream: str) -> None:
        self._over.discard(stream)
        self._streams.leave(self._gigs.pop(stream))

    def _leave_if_over(self, stream: str) -> None:
        if stream in self._over and not self._gigs[stream].is_behind:
            self._leave(stream)

    # -- rooms -------------------------------------------------------------------------------------------------------

    def follow_rooms(self, places: Mapping[str, int]) -> None:
        """From these places on, as soon as their store answers; not those that the person may not see."""
        for stream, after in places.items():
            if stream not in self._rooms:
                self._waiting.setdefault(stream, max(after, self._kept.pop(stream, 0)))
        while len(self._rooms) + len(self._waiting) > MOST_ROOMS:
            self._part_with_room(next(iter(self._rooms or self._waiting)))
        if self._waiting and (self._opening is None or self._opening.done()):
            self._opening = asyncio.create_task(self._open_rooms())

    async def _adjust(
        self, room_id: UUID, *, unmuted_at: datetime | None = None, is_muted: bool = False
    ) -> None:
        """Follow a room that the person belongs to and did not mute, and no other, as it is now: from where they came, or from
        where it was unmuted. If it `is_muted` by what is told now, a later fact tells where it was unmuted."""
        stream = f"{CHAT}{room_id}"
        has_ended = stream in self._rooms and self._rooms[stream].ended is not None
        since = None if has_ended else unmuted_at
        place = await patiently(lambda: place_in_room(self._db, self._viewer, room_id, since))
        if place is None or has_ended:
            self._part_with_room(stream)
        if place is not None and stream not in self._rooms and (has_ended or not is_muted):
            self.follow_rooms({stream: place})

    def _part_with_room(self, stream: str) -> None:
        place = self._waiting.pop(stream, None)
        if stream in self._rooms:
            follower = self._rooms.pop(stream)
            if self._batch is not None and self._batch.follower is follower:
                self._drop_batch()
            place = follower.number
            self._streams.leave(follower)
        if place is not None:
            self._kept[stream] = place
        while self._kept and len(self._rooms) + len(self._waiting) + len(self._kept) > MOST_ROOMS:
            del self._kept[next(iter(self._kept))]

    def _begin_batch(self, batch: Batch[Any]) -> None:
        self._batch = batch
        self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._note_late_batch)

    def _note_late_batch(self) -> None:
        self._is_batch_late = True
        self.nudge()

    def _done_batch(self) -> Batch[Any] | None:
        batch = self._batch
        return batch if batch is not None and batch.is_done and batch.follower.ended is None else None

    def _drop_batch(self) -> None:
        if self._batch is not None:
            self._batch.drop()
            self._forget_batch()
            self._changed.set()  # others may be told of

    def _forget_batch(self) -> None:
        self._batch, self._is_batch_late = None, False
        if self._timer is not None:
            self._timer.cancel()

    async def _open_rooms(self) -> None:
        """Until none waits. Whatever goes wrong is tried again, for the rooms alone."""
        timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._lose_patience)
        try:
            while self._waiting:
                places = dict(self._waiting)
                try:
                    try:
                        await self._open(places)
                    except Ahead:
                        await self._open_one_by_one(places)
                except Exception as error:  # a store is away for long, most likely
                    _log.warning("rooms wait", extra={"problem": type(error).__name__})
                    self._lose_patience()
                    await asyncio.sleep(_RETRY_S)
        finally:
            timer.cancel()
            self.nudge()

    async def _open_one_by_one(self, places: Mapping[str, int]) -> None:
        for stream, after in places.items():
            try:
                await self._open({stream: after})
            except Ahead:
                # Its log is shorter than it was: of another store, or of one that lost something.
                _log.warning("a room has not come as far as a place in it", extra={"stream": stream})
                self._waiting.pop(stream, None)

    async def _open(self, places: Mapping[str, int]) -> None:
        for follower in await self._streams.open(places, self._viewer):
            if self._waiting.get(follower.stream) != follower.number:
                self._streams.leave(follower)  # muted meanwhile
                continue
            del self._waiting[follower.stream]
            follower.listener = self._changed.set
            self._rooms[follower.stream] = follower
            if self._onlooker is not None:
                self._streams.attend(follower, self._onlooker)
        for stream, after in places.items():
            if self._waiting.get(stream) == after:
                self._part_with_room(stream)
                # Who was sent away a moment ago may be there again.
                may_be_there = True
                try:
                    place = await patiently(
                        functools.partial(place_in_room, self._db, self._viewer, room_id_of(stream))
                    )
                    may_be_there = place is not None
                finally:
                    if may_be_there:
                        self.follow_rooms({stream: after})
        self._changed.set()

    def _lose_patience(self) -> None:
        self._is_patient = False
        self.nudge()


@contextlib.asynccontextmanager
async def follow_all(
    streams: Streams,
    db: Database,
    viewer: Viewer,
    *,
    after: Mapping[str, int] | None,
    kinds: Collection[str],
) -> AsyncIterator[Merged]:
    """A follower of everything of these kinds that concerns the viewer, from a place of it on, or from now on. Raises `Ahead`."""
    stream = f"user:{viewer.require_user()}"
    places = {name: number for name, number in (after or {}).items() if name != stream}
    asked = {name: number for name, number in places.items() if name.partition(":")[0] in kinds}
    unread = {name: number for name, number in places.items() if name not in asked}
    async with streams.follow(stream, viewer, after=None if after is None else after.get(stream)) as own:
        merged = Merged(streams, db, own, kinds=kinds, unread=unread)
        try:
            await merged.follow_gigs({name: asked[name] for name in asked if not is_of_chat(name)})
            merged.follow_rooms({name: asked[name] for name in asked if is_of_chat(name)})
            yield merged
        finally:
            merged.close()


async def gigs_of(db: Database, viewer: Viewer) -> list[UUID]:
    """What the viewer follows, the newest first."""
    return [row.id for row in await db.fetch(followed_gigs(viewer, col(Gig.id)))]


async def rooms_of(db: Database, viewer: Viewer) -> dict[str, int]:
    """The logs of the rooms that the viewer follows, where something was said last first, and how far each is projected: what
    is told from there on may be known already, and nothing is missing."""
    found = await db.fetch(followed_rooms(viewer, col(RoomMember.room_id).label("id"), _known_at()))
    return {f"{CHAT}{row.id}": row.known_at for row in found}


async def place_in_room(
    db: Database, viewer: Viewer, room_id: UUID, since: datetime | None = None
) -> int | None:
    """The number in its log before which everything was said before the viewer came, or before `since` if they came earlier;
    None if they do not belong to it, or muted it."""
    moment = col(RoomMember.joined_at) if since is None else sa.func.greatest(RoomMember.joined_at, since)
    said_before = (
        sa.select(sa.func.coalesce(sa.func.max(col(RoomMessage.seq)), 0))
        .where(
            col(RoomMessage.room_id) == col(RoomMember.room_id),
            col(RoomMessage.sent_at) < moment - BEFORE,
        )
        .correlate(RoomMember)
        .scalar_subquery()
        .label("place")
    )
    statement = followed_rooms(viewer, said_before).where(col(RoomMember.room_id) == room_id)
    rows = await db.fetch(statement)
    return rows[0].place if rows else None


def _known_at() -> sa.Label[int]:
    return sa.func.coalesce(col(RoomProgress.seq), 0).label("known_at")
