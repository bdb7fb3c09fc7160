"""Following streams: every fact after a place once, in order, for as long as the follower may see what it is about.

For each stream that somebody here follows, the process keeps a tail: the newest facts, read once for all its followers.
A commit in this process, a hint of another one, or the sweep of moved heads says that a stream has grown; then its facts
are read from the log, from the tail's end on. So hints may be lost, doubled or late, and there are neither gaps to fill
nor repeats to drop. A follower is nothing but a number: whoever falls behind the tail reads the log again, alone.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from itertools import islice

from sqlalchemy.exc import SQLAlchemyError

from auth.access import sees_fact
from auth.revocation import RevokedSessions
from auth.viewer import Viewer
from models.event import Audience
from models.store.sql import Database
from models.vocabulary import Vocabulary
from subscriptions.broker import Broker
from subscriptions.log import LoggedFact, heads, horizon_now, moved_since, read_after
from subscriptions.sight import may_follow, may_take_sight

TAIL = 1_000
"""Facts kept of each followed stream, for followers that are a little behind."""
RENDERED = 100
"""Of how many of them the renderings are kept: those that somebody who is not far behind still asks for."""
PAGE = 200
AT_ONCE = 50
"""Followers that are told before everybody else in the process has a turn: less than two milliseconds."""
SHORT_S, MOST_PAUSE_S = 0.005, 0.05
"""A round of telling that takes longer than `SHORT_S` is followed by a pause as long as itself, up to `MOST_PAUSE_S`."""
BEGINNINGS = 5
"""Attempts to begin a follow, each but the first after the database has answered a sweep."""
_RETRY_S = 0.2
_log = logging.getLogger("skillsync.streams")

TellAtOnce = Callable[[Sequence[LoggedFact]], bool]
"""Tells somebody these facts without waiting for anything; False if that cannot be, and nothing was told."""


class EndReason(Vocabulary):
    """Why a stream ended."""

    ACCESS_LOST = "ACCESS_LOST", "You may not see this any longer."
    SESSION_ENDED = "SESSION_ENDED", "Your session was ended. Sign in again."
    SERVER_STOPPING = "SERVER_STOPPING", "This server stops. Connect again, with the last cursor."


class TooOld(Exception):
    """Facts right after the follower's place are no longer kept."""


class Ahead(Exception):
    """The stream has not come that far: the place is of another database, or of a future that never happened."""


class Unseen(Exception):
    """There is no such subject, or the viewer may not see it."""


class _Tail:
    """The newest facts of one stream, up to `number`."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.number = -1
        """-1 until the head was read: a tail is listened to before that, so that nothing falls in between."""
        self.facts: deque[LoggedFact] = deque(maxlen=TAIL)
        self.followers: set[Follower] = set()

    async def extend(self, facts: Iterable[LoggedFact]) -> None:
        """Add what is new, and tell everybody. Whoever comes or goes meanwhile finds the new facts here."""
        before = self.number
        new = [fact for fact in facts if fact.number > before]
        for fact in new:
            self.facts.append(fact)
            self.number = fact.number
            if len(self.facts) > RENDERED:
                self.facts[-RENDERED - 1].grow_old()
        if not new:
            return
        are_public = all(fact.audience is Audience.PUBLIC for fact in new)
        for count, follower in enumerate(tuple(self.followers), 1):
            follower.offer(new, before, are_public=are_public)
            if count % AT_ONCE == 0:
                await asyncio.sleep(0)

    def after(self, number: int) -> list[LoggedFact] | None:
        """At most a page of facts after `number`; None if they are not all here."""
        if not self.facts or self.facts[0].number > number + 1:
            return None
        skipped = number + 1 - self.facts[0].number
        return list(islice(self.facts, skipped, skipped + PAGE))


class Follower:
    """One subscriber's place in one stream. Of facts that are not for its viewer, it tells no more than all may know."""

    def __init__(self, tail: _Tail, viewer: Viewer, db: Database) -> None:
        self.stream = tail.stream
        self.viewer = viewer
        self.number = -1
        self.head = -1
        """Where the stream was when this began: facts up to here are a replay."""
        self.ended: EndReason | None = None
        self.tell_at_once: TellAtOnce | None = None
        """Set by who has nothing to say before the next fact, for as long as they wait in `take`."""
        self._tail = tail
        self._db = db
        # Kept: each time it is asked for costs a system call.
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None

    async def take(self) -> list[LoggedFact]:
        """The next facts for this viewer, after waiting for some; empty when only its place has moved, or it has ended.

        Raises `TooOld`.
        """
        while self.ended is None:
            if self.number < self._tail.number:
                facts = self._tail.after(self.number)
                if facts is None:
                    facts = await self._from_the_log()
                    # It may have ended while the log was read: then nothing is told, and the place stays before it.
                    if facts is None or self.ended:
                        continue
                self.number = facts[-1].number
                return self._told(facts)
            self._waiting = self._loop.create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        return []

    def offer(self, facts: Sequence[LoggedFact], before: int, *, are_public: bool) -> None:
        """What follows `before`: told at once if possible, to spare whoever waits the way through a task of their own."""
        if self._waiting is None or self._waiting.done():
            return  # they will look themselves
        may_tell = self.number == before and self.ended is None
        if (
            may_tell
            and self.tell_at_once is not None
            and self.tell_at_once(facts if are_public else self._told(facts))
        ):
            self.number = facts[-1].number
        else:
            self.wake()

    def _told(self, facts: Iterable[LoggedFact]) -> list[LoggedFact]:
        told = (fact if sees_fact(self.viewer, fact) else fact.for_others() for fact in facts)
        return [fact for fact in told if fact is not None]

    async def _from_the_log(self) -> list[LoggedFact] | None:
        """A page of facts after this place; None if the database could not be asked, after a while. Raises `TooOld`."""
        try:
            facts = await read_after(self._db, {self.stream: self.number}, limit=PAGE)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            _log.warning("a replay waits", exc_info=error, extra={"stream": self.stream})
            await asyncio.sleep(_RETRY_S)
            return None
        # Also in between: retention goes by time and in batches, not by number.
        if not facts or facts[-1].number != self.number + len(facts):
            raise TooOld
        return facts

    def wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def end(self, reason: EndReason) -> None:
        """Nothing is delivered from now on."""
        self.ended = self.ended or reason
        self.wake()


class Streams:
    """All follows of this process."""

    def __init__(self, db: Database, broker: Broker) -> None:
        self.broker = broker
        self.problem: str | None = None
        """Why facts are not handed out now, as the class of an error; None while they are."""
        self._db = db
        self._tails: dict[str, _Tail] = {}
        self._grown: set[str] = set()
        self._has_grown = asyncio.Event()
        self._horizon: int | None = None
        self._swept = asyncio.Event()
        """Set, and replaced, with each sweep: the database answers."""
        self._is_stopping = False
        self._nobody_follows = asyncio.Event()
        self._nobody_follows.set()

    @property
    def followers(self) -> int:
        return sum(len(tail.followers) for tail in self._tails.values())

    # -- what has grown ------------------------------------------------------------------------------------------------

    def committed(self, streams: Collection[str]) -> None:
        """A transaction of this process has written facts of these streams. Never waits."""
        self._mark(streams)
        self.broker.publish(streams)

    def heard(self, streams: Collection[str] | None) -> None:
        self._mark(self._tails if streams is None else streams)

    def _mark(self, streams: Iterable[str]) -> None:
        self._grown.update(stream for stream in streams if stream in self._tails)
        if self._grown:
            self._has_grown.set()

    async def sweep(self) -> None:
        """Find what no hint told of."""
        if not self._tails:
            self._horizon = None
        elif self._horizon is None:
            self._horizon = await horizon_now(self._db)
            self._mark(self._tails)
        else:
            moved = await moved_since(self._db, self._horizon)
            self._horizon = moved.horizon
            self._mark(name for name, number in moved.heads.items() if self._is_behind(name, number))
        self._swept.set()
        self._swept = asyncio.Event()

    def _is_behind(self, stream: str, number: int) -> bool:
        tail = self._tails.get(stream)
        return tail is not None and tail.number < number

    # -- handing out ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Hand out facts until cancelled. What fails is tried again, and told by `problem`."""
        hearing = asyncio.create_task(self.broker.run(self.heard))
        try:
            while True:
                await self._has_grown.wait()
                began = time.monotonic()
                await self._hand_out_or_retry()
                took_s = time.monotonic() - began
                if took_s > SHORT_S:
                    # Most of a delivery is its system call. Where many follow what happens often, what happens in the pause is
                    # told together; and half of the time is left for everybody else.
                    await asyncio.sleep(min(took_s, MOST_PAUSE_S))
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def _hand_out_or_retry(self) -> None:
        self._has_grown.clear()
        grown, self._grown = self._grown, set()
        try:
            await self._hand_out(grown)
        except Exception as error:  # the database is gone, most likely; nothing is lost, only late
            if self.problem is None:
                _log.warning("facts wait", exc_info=error)
            self.problem = type(error).__name__
            self._mark(grown)
            await asyncio.sleep(_RETRY_S)
        else:
            if self.problem is not None:
                _log.info("facts are handed out again")
            self.problem = None

    async def _hand_out(self, grown: Collection[str]) -> None:
        places = {name: tail.number for name in grown if (tail := self._tails.get(name)) and tail.number >= 0}
        if not places:
            return
        by_stream: dict[str, list[LoggedFact]] = {}
        for fact in await read_after(self._db, places, limit=PAGE):
            by_stream.setdefault(fact.stream, []).append(fact)
        changed = [name for name, facts in by_stream.items() if any(map(may_take_sight, facts))]
        await self._end_the_blind(changed)
        for name, facts in by_stream.items():
            if tail := self._tails.get(name):
                await tail.extend(facts)
                if len(facts) == PAGE:
                    self._mark([name])

    # -- following -----------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def follow(
        self, stream: str, viewer: Viewer, *, after: int | None = None
    ) -> AsyncIterator[Follower]:
        """A follower from `after` on, or from now on; begins when the database answers. Raises `Unseen` and `Ahead`."""
        tail = self._tails.setdefault(stream, _Tail(stream))
        follower = Follower(tail, viewer, self._db)
        # First of all: whatever is committed, or takes the sight away, from now on finds the follower here.
        tail.followers.add(follower)
        self._nobody_follows.clear()
        try:
            await self._begin_when_possible(tail, follower, after)
            if self._is_stopping:
                follower.end(EndReason.SERVER_STOPPING)
            yield follower
        finally:
            # It holds the follower: nobody who is gone shall stay until cycles are collected.
            follower.tell_at_once = None
            tail.followers.discard(follower)
            if not tail.followers and self._tails.get(stream) is tail:
                del self._tails[stream]
            if not self._tails:
                self._nobody_follows.set()

    async def _begin_when_possible(self, tail: _Tail, follower: Follower, after: int | None) -> None:
        """Wait for a database that is away, as those do who follow already.

        Who comes meanwhile lost a worker or a connection beside it, and would take an error for the last word. They wait for the
        sweep and do not ask themselves: thousands that knock on a closed door would keep the process from all else.
        """
        for _ in range(BEGINNINGS - 1):
            try:
                return await self._begin(tail, follower, after)
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                problem = type(error).__name__
                _log.warning("a follow waits to begin", extra={"stream": tail.stream, "problem": problem})
                await self._swept.wait()
        return await self._begin(tail, follower, after)

    async def _begin(self, tail: _Tail, follower: Follower, after: int | None) -> None:
        if not await may_follow(self._db, [follower]):
            raise Unseen
        if tail.number < 0 or (after is not None and after > tail.number):
            head = (await heads(self._db, [tail.stream]))[tail.stream]
            if tail.number < 0:
                tail.number = head
            # Facts may have been committed that were told to a tail which did not know its place yet.
            self._mark([tail.stream])
            if after is not None and after > head:
                raise Ahead
        follower.head = tail.number
        follower.number = tail.number if after is None else after

    # -- ending --------------------------------------------------------------------------------------------------------

    async def recheck(self) -> None:
        """End all follows of what their viewers may not see any longer."""
        await self._end_the_blind(list(self._tails))

    async def _end_the_blind(self, names: Sequence[str]) -> None:
        followers = [f for name in names if name in self._tails for f in self._tails[name].followers]
        if not followers:
            return
        seeing = await may_follow(self._db, followers)
        for follower in followers:
            if follower not in seeing:
                follower.end(EndReason.ACCESS_LOST)

    def end_sessions(self, revoked: RevokedSessions) -> None:
        for tail in self._tails.values():
            for follower in tail.followers:
                if follower.viewer.session_id in revoked:
                    follower.end(EndReason.SESSION_ENDED)

    async def stop(self, *, timeout_s: float = 1) -> None:
        """End all follows, and those that begin later at once; then wait until everybody was told, or has had the time."""
        self._is_stopping = True
        for tail in self._tails.values():
            for follower in tail.followers:
                follower.end(EndReason.SERVER_STOPPING)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._nobody_follows.wait()
