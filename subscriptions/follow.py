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
from collections import defaultdict, deque
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from auth.access import sees_fact
from auth.revocation import LossKind, RevokedSessions
from auth.viewer import Viewer
from models.event import Audience
from models.presence import PERSON, Attendance
from models.room_events import RoomMemberAdded
from models.store.chat import ChatStore, StoreAway
from models.store.sql import Database, Position
from models.vocabulary import Vocabulary
from subscriptions.broker import Broker
from subscriptions.log import CHAT, LoggedFact, Logs, horizon_now, is_of_chat, moved_since, room_of
from subscriptions.onlooker import Onlooker
from subscriptions.people import People
from subscriptions.presence import Presence
from subscriptions.sight import blinded_by, may_follow

TAIL = 1_000
"""Facts kept of each followed stream, for followers that are a little behind."""
RENDERED = 100
"""Of how many of them the renderings are kept: those that somebody who is not far behind still asks for."""
PAGE = 200
AT_ONCE = 50
"""Followers that are told before everybody else in the process has a turn: less than two milliseconds."""
SHORT_S, MOST_PAUSE_S = 0.005, 0.05
"""A round of telling that takes longer than `SHORT_S`, preparations aside, is followed by a pause as long as itself, up to
`MOST_PAUSE_S`."""
PREPARE_S = 0.04
"""What some asked for may take so long to be made before everybody else is told."""
HEARTBEAT_S = 15.0
BEGINNINGS = 5
"""Attempts to begin a follow, each but the first after the database, or the chat store, has answered a sweep."""
_RETRY_S = 0.2
_JOINED = RoomMemberAdded.__name__
_log = logging.getLogger("skillsync.streams")


@dataclass(frozen=True, slots=True)
class Teller:
    """How a follower who waits is told without waking the task that waits."""

    kind: Hashable
    """Those of one kind tell the same of the same fact."""
    prepare: Callable[[Sequence[LoggedFact]], Awaitable[object]] | None
    """Reads what has to be known before facts can be told at once; None if nothing has to."""
    tell: Callable[[Sequence[LoggedFact]], bool]
    """Tells these facts without waiting for anything; False if that cannot be, and nothing was told."""


class EndReason(Vocabulary):
    """Why a stream ended."""

    ACCESS_LOST = "ACCESS_LOST", "You may not see this any longer."
    SESSION_ENDED = "SESSION_ENDED", "Your session was ended. Sign in again."
    ACCOUNT_SUSPENDED = (
        "ACCOUNT_SUSPENDED",
        "An administrator shut your account. Signing in tells until when.",
    )
    ROLES_CHANGED = (
        "ROLES_CHANGED",
        "Your roles have changed. Refresh the session, connect again, and go on with the last cursor.",
    )
    SERVER_STOPPING = "SERVER_STOPPING", "This server stops. Connect again, with the last cursor."


class TooOld(Exception):
    """Facts right after the follower's place are no longer kept."""


class Gap(Exception):
    """Facts in the middle, behind `before`, are no longer kept; the follower's place is behind them now."""

    def __init__(self, before: Position) -> None:
        super().__init__(before)
        self.before = before


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
        if any(fact.takes_words_back for fact in new):
            self.forget_rendered()
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

    def forget_rendered(self) -> None:
        """What was made of facts shows words that were taken back, or quotes them."""
        for fact in self.facts:
            fact.rendered.clear()

    def after(self, number: int) -> list[LoggedFact] | None:
        """At most a page of facts after `number`; None if they are not all here."""
        if not self.facts or self.facts[0].number > number + 1:
            return None
        skipped = number + 1 - self.facts[0].number
        return list(islice(self.facts, skipped, skipped + PAGE))


class Follower:
    """One subscriber's place in one stream. Of facts that are not for its viewer, it tells no more than all may know."""

    __slots__ = (
        "_is_nudged",
        "_logs",
        "_loop",
        "_waiting",
        "begun",
        "ended",
        "head",
        "listener",
        "number",
        "onlooker",
        "stream",
        "tail",
        "teller",
        "viewer",
    )

    def __init__(self, tail: _Tail, viewer: Viewer, logs: Logs) -> None:
        self.stream = tail.stream
        self.viewer = viewer
        self.number = -1
        self.head = -1
        """Where the stream was when this began: facts up to here are a replay."""
        self.begun = -1
        """Its place when this began."""
        self.ended: EndReason | None = None
        self.teller: Teller | None = None
        """Set by who has nothing to say before the next fact; used while they wait in `take`."""
        self.listener: Callable[[], None] | None = None
        """Called when there may be something to take, for who waits for several followers."""
        self.onlooker: Onlooker | None = None
        """Told where there may be news of people; None if nobody asks for them."""
        self.tail = tail
        self._logs = logs
        # Kept: each time it is asked for costs a system call.
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None
        self._is_nudged = False

    async def take(self) -> list[LoggedFact]:
        """The next facts for this viewer, after waiting for some; empty when only its place has moved, it was nudged, or it has
        ended.

        Raises `TooOld` and `Gap`.
        """
        while self.ended is None:
            if self._is_nudged:
                self._is_nudged = False
                break
            if self.number < self.tail.number:
                facts = self.tail.after(self.number)
                if facts is None:
                    facts = await self._from_the_log()
                    # It may have ended while the log was read: then nothing is told, and the place stays before it.
                    if facts is None or self.ended:
                        continue
                self.number = facts[-1].number
                return self.told(facts)
            self._waiting = self._loop.create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        return []

    def offer(self, facts: Sequence[LoggedFact], before: int, *, are_public: bool) -> None:
        """What follows `before`: told at once if possible, to spare whoever waits the way through a task of their own."""
        if not self.is_waiting:
            if self.listener is not None:
                self.listener()
            return  # they will look themselves
        if self._tells(facts, before, are_public=are_public):
            self.number = facts[-1].number
        else:
            self.wake()

    def _tells(self, facts: Sequence[LoggedFact], before: int, *, are_public: bool) -> bool:
        if self.teller is None or self.number != before or self.ended is not None:
            return False
        try:
            return self.teller.tell(facts if are_public else self.told(facts))
        except Exception as error:  # met again by their own task; everybody else is still to be told
            _log.warning("a follower is not told at once", exc_info=error, extra={"stream": self.stream})
            return False

    def told(self, facts: Iterable[LoggedFact]) -> list[LoggedFact]:
        """What this viewer is told of them."""
        told = (fact if sees_fact(self.viewer, fact) else fact.for_others() for fact in facts)
        return [fact for fact in told if fact is not None]

    async def _from_the_log(self) -> list[LoggedFact] | None:
        """A page of facts after this place; None if the database could not be asked, after a while.

        Raises `TooOld` and `Gap`.
        """
        try:
            facts = await self._logs.read_after({self.stream: self.number}, limit=PAGE)
        except (SQLAlchemyError, StoreAway, OSError, TimeoutError) as error:
            _log.warning("a replay waits", exc_info=error, extra={"stream": self.stream})
            await asyncio.sleep(_RETRY_S)
            return None
        # Also in between: retention goes by time and in batches, not by number.
        whole = [fact for count, fact in enumerate(facts, 1) if fact.number == self.number + count]
        if whole:
            return whole
        if self.number == self.begun:
            raise TooOld
        before = Position(self.stream, self.number)
        self.number = facts[0].number - 1 if facts else self.tail.number
        raise Gap(before)

    @property
    def has_caught_up(self) -> bool:
        """Whether everything was told that had happened when this began."""
        return self.number >= self.head

    @property
    def is_behind(self) -> bool:
        """Whether `take` has something to tell without waiting for it to happen."""
        return self.number < self.tail.number

    @property
    def lag(self) -> int:
        """How many facts there are, as far as is known here, that were not taken."""
        return self.tail.number - self.number

    def nudge(self) -> None:
        """Let `take` return, whether there is something to tell or not."""
        self._is_nudged = True
        self.wake()

    def wait_on(self, waiting: asyncio.Future[None] | None) -> None:
        """Who waits for several followers at once waits on this, in place of their `take`; None once they wait no more."""
        self._waiting = waiting

    @property
    def is_waiting(self) -> bool:
        """Whether `take` waits for something to happen."""
        return self._waiting is not None and not self._waiting.done()

    def wake(self) -> None:
        if self.listener is not None:
            self.listener()
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def end(self, reason: EndReason) -> None:
        """Nothing is delivered from now on."""
        self.ended = self.ended or reason
        self.wake()


class _Lane:
    """Streams that are read from one place: those of another that is away do not wait for it."""

    def __init__(self) -> None:
        self.grown: set[str] = set()
        self.has_grown = asyncio.Event()
        self.problem: str | None = None
        self.waited_s = 0.0
        """For what is being prepared, in this round."""
        self.swept = asyncio.Event()
        """Set, and replaced, with each sweep: the place answers."""

    def note_sweep(self) -> None:
        self.swept.set()
        self.swept = asyncio.Event()


class Streams:
    """All follows of this process."""

    def __init__(
        self,
        db: Database,
        broker: Broker,
        *,
        chat: ChatStore | None = None,
        attendance: Attendance | None = None,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        """Without `chat`, no room can be followed."""
        self.broker = broker
        self._attendance = attendance or Attendance()
        self._presence = Presence(self._attendance, broker, self._show_presence)
        self.people = People(db, self._attendance)
        self.heartbeat_s = heartbeat_s
        self.administered = asyncio.Event()
        """Set when something was done, in whatever process, that administrators are told: maybe to somebody who follows."""
        self._db = db
        self._chat = chat
        self._logs = Logs(db, chat)
        self._tails: dict[str, _Tail] = {}
        self._usual, self._of_rooms = _Lane(), _Lane()
        self._horizon: int | None = None
        self._mark_of_rooms: str | None = None
        self._preparing: set[asyncio.Future[object]] = set()
        self._is_stopping = False
        self._nobody_follows = asyncio.Event()
        self._nobody_follows.set()

    @property
    def followers(self) -> int:
        """Subscribers; whoever follows the market for this process itself is none."""
        return sum(len(tail.followers) for name, tail in self._tails.items() if name != "market")

    @property
    def problem(self) -> str | None:
        """Why facts are not handed out now, as the class of an error; None while they are."""
        return self._usual.problem

    @property
    def problem_of_rooms(self) -> str | None:
        """The same for what is said in rooms."""
        return self._of_rooms.problem

    # -- what has grown ------------------------------------------------------------------------------------------------

    def committed(self, streams: Collection[str]) -> None:
        """A transaction of this process has written facts of these streams. Never waits."""
        self._notice(streams)
        self.broker.publish(streams)

    def heard(self, streams: Collection[str] | None) -> None:
        """Something was written to these streams, or to whatever others (None). Never waits."""
        if streams is None:
            self._presence.ask()
            self._mark(self._tails)
            self.administered.set()
        else:
            self._notice(streams)

    def _notice(self, streams: Collection[str]) -> None:
        self._mark(streams)
        self.people.heard(streams)
        if "admin" in streams:
            self.administered.set()

    def _mark(self, streams: Iterable[str]) -> None:
        for stream in streams:
            if stream in self._tails:
                lane = self._of_rooms if is_of_chat(stream) else self._usual
                lane.grown.add(stream)
                lane.has_grown.set()

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
        self._usual.note_sweep()

    async def sweep_rooms(self) -> None:
        """The same for what is said in rooms."""
        rooms = [name for name in self._tails if is_of_chat(name)]
        if not rooms or self._chat is None:
            self._mark_of_rooms = None
            return
        is_first = self._mark_of_rooms is None
        moved = await self._chat.moved_since(self._mark_of_rooms)
        self._mark_of_rooms = moved.mark
        heads = {f"{CHAT}{room_id}": number for room_id, number in moved.heads.items()}
        self._mark(rooms if is_first else [name for name in heads if self._is_behind(name, heads[name])])
        self._of_rooms.note_sweep()

    def _is_behind(self, stream: str, number: int) -> bool:
        tail = self._tails.get(stream)
        return tail is not None and tail.number < number

    # -- handing out ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Hand out facts until cancelled. What fails is tried again, and told by `problem`."""
        beside = [
            asyncio.create_task(self.broker.run(self.heard, self._presence.told)),
            asyncio.create_task(self._presence.run()),
            asyncio.create_task(self.people.run()),
            asyncio.create_task(self._run_lane(self._of_rooms)),
        ]
        try:
            await self._run_lane(self._usual)
        finally:
            running: list[asyncio.Future[Any]] = [*beside, *self._preparing]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _run_lane(self, lane: _Lane) -> None:
        while True:
            await lane.has_grown.wait()
            began = time.monotonic()
            lane.waited_s = 0.0
            await self._hand_out_or_retry(lane)
            took_s = time.monotonic() - began - lane.waited_s
            if took_s > SHORT_S:
                # Most of a delivery is its system call. Where many follow what happens often, what happens in the pause is
                # told together; and half of the time is left for everybody else.
                await asyncio.sleep(min(took_s, MOST_PAUSE_S))

    def _show_presence(self, stream: str) -> None:
        if stream.startswith(PERSON):
            self.people.note(UUID(stream.removeprefix(PERSON)))
            return
        tail = self._tails.get(stream)
        for follower in tail.followers if tail is not None else ():
            if follower.onlooker is not None:
                follower.onlooker.note(stream)

    async def _hand_out_or_retry(self, lane: _Lane) -> None:
        lane.has_grown.clear()
        grown, lane.grown = lane.grown, set()
        try:
            await self._hand_out(grown, lane)
        except Exception as error:  # the database is gone, most likely; nothing is lost, only late
            if lane.problem is None:
                _log.warning("facts wait", exc_info=error)
            lane.problem = type(error).__name__
            self._mark(grown)
            await asyncio.sleep(_RETRY_S)
        else:
            if lane.problem is not None:
                _log.info("facts are handed out again")
            lane.problem = None

    async def _hand_out(self, grown: Collection[str], lane: _Lane) -> None:
        tails = {name: tail for name in grown if (tail := self._tails.get(name)) and tail.number >= 0}
        if not tails:
            return
        places = {name: tail.number for name, tail in tails.items()}
        by_stream: dict[str, list[LoggedFact]] = {}
        for fact in await self._logs.read_after(places, limit=PAGE):
            by_stream.setdefault(fact.stream, []).append(fact)
        await self._end_the_blind([
            name for facts in by_stream.values() for fact in facts for name in blinded_by(fact)
        ])  # fmt: skip
        for name, facts in by_stream.items():
            # Nobody's tail if all have left; who came since begins with the head, which may be further on.
            if (tail := tails[name]) is self._tails.get(name):
                await self._prepare(tail, facts, lane)
                await tail.extend(facts)
                for fact in facts:
                    if fact.kind == _JOINED and fact.person_id is not None:
                        self.people.note_joined({fact.person_id}, {UUID(fact.payload["room_id"])})
                if len(facts) == PAGE:
                    self._mark([name])

    async def _prepare(self, tail: _Tail, facts: Sequence[LoggedFact], lane: _Lane) -> None:
        """Have made once what several are told. What takes too long is waited for by those alone who want it, and what fails is
        made by each of them as it comes."""
        of_kind: dict[Hashable, list[Follower]] = defaultdict(list)
        for follower in tail.followers:
            # Not for who does not take what there is: it would be made for nobody, while all others wait.
            if follower.teller is not None and follower.teller.prepare is not None and follower.is_waiting:
                of_kind[follower.teller.kind].append(follower)
        beginning = [
            asyncio.ensure_future(some.teller.prepare(some.told(facts)))
            for some, *others in of_kind.values()
            if others and some.teller is not None and some.teller.prepare is not None
        ]
        if beginning:
            self._preparing.update(beginning)
            for preparation in beginning:
                preparation.add_done_callback(self._prepared)
            began = time.monotonic()
            await asyncio.wait(beginning, timeout=PREPARE_S)
            lane.waited_s += time.monotonic() - began

    def _prepared(self, preparation: asyncio.Future[object]) -> None:
        self._preparing.discard(preparation)
        if not preparation.cancelled() and (error := preparation.exception()) is not None:
            _log.warning("facts are made one by one", exc_info=error)

    # -- following -----------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def follow(
        self, stream: str, viewer: Viewer, *, after: int | None = None
    ) -> AsyncIterator[Follower]:
        """A follower from `after` on, or from now on; begins when what keeps it answers. Raises `Unseen` and `Ahead`."""
        followers = await self.open({stream: after}, viewer)
        try:
            if not followers:
                raise Unseen
            yield followers[0]
        finally:
            for follower in followers:
                self.leave(follower)

    async def open(self, places: Mapping[str, int | None], viewer: Viewer) -> list[Follower]:
        """A follower of each stream that the viewer may follow, from its place on; whoever gets them lets each `leave`.

        Raises `Ahead`.
        """
        begun: list[tuple[_Tail, Follower, int | None]] = []
        for stream, after in places.items():
            tail = self._tails.setdefault(stream, _Tail(stream))
            begun.append((tail, Follower(tail, viewer, self._logs), after))
            # First of all: whatever is committed, or takes the sight away, from now on finds the follower here.
            tail.followers.add(begun[-1][1])
            self._nobody_follows.clear()
        seeing: set[Follower] = set()
        try:
            seeing = await self._begin_when_possible(begun)
        finally:
            for _, follower, _ in begun:
                if follower not in seeing:
                    self.leave(follower)
        if self._is_stopping:
            for follower in seeing:
                follower.end(EndReason.SERVER_STOPPING)
        return [follower for _, follower, _ in begun if follower in seeing]

    def leave(self, follower: Follower) -> None:
        self._attend_no_more(follower)
        # They hold the follower: nobody who is gone shall stay until cycles are collected.
        follower.teller = follower.listener = follower.onlooker = None
        tail = follower.tail
        tail.followers.discard(follower)
        if not tail.followers and self._tails.get(tail.stream) is tail:
            del self._tails[tail.stream]
        if not self._tails:
            self._nobody_follows.set()

    def attend(self, follower: Follower, onlooker: Onlooker) -> None:
        """Tell this one of the people who are at the follower's subject, until it is left."""
        follower.onlooker = onlooker
        onlooker.watch(follower)
        if onlooker.sees_members:
            self.people.attend(room_of(follower.stream), onlooker)

    def _attend_no_more(self, follower: Follower) -> None:
        if (onlooker := follower.onlooker) is not None:
            onlooker.leave(follower.stream)
            if onlooker.sees_members:
                self.people.leave(room_of(follower.stream), onlooker)

    async def _begin_when_possible(
        self, begun: Sequence[tuple[_Tail, Follower, int | None]]
    ) -> set[Follower]:
        """Wait for a database or a chat store that is away, as those do who follow already.

        Who comes meanwhile lost a worker or a connection beside it, and would take an error for the last word. They wait for the
        sweep of what is away and do not ask themselves: thousands that knock on a closed door would keep the process from all
        else.
        """
        for _ in range(BEGINNINGS - 1):
            try:
                return await self._begin(begun)
            except (SQLAlchemyError, StoreAway, OSError, TimeoutError) as error:
                streams = [tail.stream for tail, _, _ in begun][:3]
                problem = type(error).__name__
                _log.warning("a follow waits to begin", extra={"streams": streams, "problem": problem})
                lane = self._of_rooms if isinstance(error, StoreAway) else self._usual
                await lane.swept.wait()
        return await self._begin(begun)

    async def _begin(self, begun: Sequence[tuple[_Tail, Follower, int | None]]) -> set[Follower]:
        """Those whose viewer may follow have their place then."""
        seeing = await may_follow(self._db, [follower for _, follower, _ in begun])
        beginning = [(tail, follower, after) for tail, follower, after in begun if follower in seeing]
        unknown = [
            tail.stream
            for tail, _, after in beginning
            if tail.number < 0 or (after is not None and after > tail.number)
        ]
        found = await self._logs.heads(unknown) if unknown else {}
        for tail, follower, after in beginning:
            head = found.get(tail.stream)
            if head is not None:
                if tail.number < 0:
                    tail.number = head
                # Facts may have been committed that were told to a tail which did not know its place yet.
                self._mark([tail.stream])
                if after is not None and after > head:
                    raise Ahead
            follower.head = tail.number
            follower.number = follower.begun = tail.number if after is None else after
        return seeing

    # -- ending --------------------------------------------------------------------------------------------------------

    async def recheck(self) -> None:
        """End all follows of what their viewers may not see any longer, and forget what was made of messages: the words of who
        is erased go with their key, and no fact of the room tells of that. Who is there is told anew of those who blocked."""
        for name, tail in self._tails.items():
            if is_of_chat(name):
                tail.forget_rendered()
        await self._end_the_blind(list(self._tails))
        await self.people.recheck()

    async def _end_the_blind(self, names: Sequence[str]) -> None:
        followers = [
            f for name in dict.fromkeys(names) if name in self._tails for f in self._tails[name].followers
        ]
        if not followers:
            return
        seeing = await may_follow(self._db, followers)
        for follower in followers:
            if follower not in seeing:
                follower.end(EndReason.ACCESS_LOST)
                if follower.viewer.user_id is not None:
                    self._attendance.dismiss(follower.stream, follower.viewer.user_id)

    def end_sessions(self, revoked: RevokedSessions, *, now: datetime) -> None:
        """End all follows of those whose access tokens are not good any more."""
        for tail in self._tails.values():
            for follower in tail.followers:
                if (loss := revoked.loss_of(follower.viewer, now=now)) is not None:
                    follower.end(EndReason(loss.kind.value))
                    if follower.viewer.user_id is not None and loss.kind is not LossKind.ROLES_CHANGED:
                        self._attendance.dismiss(follower.stream, follower.viewer.user_id)

    async def stop(self, *, timeout_s: float = 1) -> None:
        """End all follows, and those that begin later at once; then wait until everybody was told, or has had the time."""
        self._is_stopping = True
        for tail in self._tails.values():
            for follower in tail.followers:
                follower.end(EndReason.SERVER_STOPPING)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._nobody_follows.wait()
