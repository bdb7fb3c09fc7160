"""Who of a room's members is there, for those who follow the room and ask for it.

Whether somebody is there is their own word, and says nothing about rooms (`models.presence`). So when words change, one
statement finds which rooms those people belong to, however many are followed here, and what their members may know: those who
do not show themselves, and who has blocked whom. Onlookers get names only; what each of these does is looked up when it is told.
"""

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, aliased
from sqlmodel import col

from auth.access import hides_presence
from models.presence import MOST_PEOPLE, PERSON, Attendance, PersonState
from models.room import PersonBlock, RoomMember
from models.store.compiled import compiled
from models.store.sql import Database
from models.user import User, UserStatus
from subscriptions.log import CHAT, horizon_now
from subscriptions.onlooker import Onlooker

PAUSE_S = 0.5
"""Between two rounds: what happens meanwhile is told together."""
AT_ONCE = 4
"""Onlookers that are told before everybody else in the process has a turn: each looks up all it is told of."""
MOST_MOVED, MOST_NEW = 200, 10
"""People who moved, and rooms that somebody new asks for, in one round: what is read of them is handled at once."""
_RETRY_S = 1.0
_STATE = "roomstate:"
_log = logging.getLogger("skillsync.streams")


@dataclass(frozen=True, slots=True)
class _Round:
    """What is looked at together."""

    moved: Set[UUID]
    """People whose words have changed, in whatever room they are."""
    joined: Set[UUID]
    """People who may have joined one of `rooms`."""
    rooms: Set[UUID]
    new: Mapping[UUID, Set[Onlooker]]
    """Rooms, with those who begin to ask for them."""
    restated: Mapping[UUID, int]
    """People who say something else about themselves, in whatever room they are, with the version of it."""

    def news_of(self, room_id: UUID) -> Set[UUID]:
        everywhere = self.moved | self.restated.keys()
        return everywhere | self.joined if room_id in self.rooms else everywhere


class People:
    """Of one process: whose words have changed, and who asks."""

    def __init__(self, db: Database, attendance: Attendance, *, pause_s: float = PAUSE_S) -> None:
        self._db = db
        self._attendance = attendance
        self._pause_s = pause_s
        self._asking: dict[UUID, set[Onlooker]] = {}
        self._new: dict[UUID, set[Onlooker]] = {}
        self._viewers: Counter[UUID] = Counter()
        """Of those who ask: in how many rooms each does."""
        self._moved: set[UUID] = set()
        self._joined: set[UUID] = set()
        self._rooms: set[UUID] = set()
        """In which those who joined may be."""
        self._blocks_before: Set[tuple[UUID, UUID]] = frozenset()
        self._restated: dict[UUID, int] = {}
        self._statuses_before: Set[tuple[UUID, int]] = frozenset()
        self._horizon: int | None = None
        """Statuses that were not visible then are looked for next."""
        self._wake = asyncio.Event()

    def attend(self, room_id: UUID, onlooker: Onlooker) -> None:
        """Tell this one who is there, and who comes and goes, until it leaves."""
        self._asking.setdefault(room_id, set()).add(onlooker)
        self._new.setdefault(room_id, set()).add(onlooker)
        self._viewers[onlooker.viewer.require_user()] += 1
        self._wake.set()

    def leave(self, room_id: UUID, onlooker: Onlooker) -> None:
        for asking in (self._asking, self._new):
            if room_id in asking:
                asking[room_id].discard(onlooker)
                if not asking[room_id]:
                    del asking[room_id]
        me = onlooker.viewer.require_user()
        self._viewers[me] -= 1
        if not self._viewers[me]:
            del self._viewers[me]

    def note(self, person_id: UUID) -> None:
        """Somebody came, went, turned away, or is blocked, or no longer."""
        if self._asking:
            self._moved.add(person_id)
            self._wake.set()

    def note_restated(self, person_id: UUID, version: int) -> None:
        """Somebody says something else about themselves."""
        if self._asking:
            self._restated[person_id] = version
            self._wake.set()

    def note_joined(self, people: Set[UUID], rooms: Set[UUID]) -> None:
        """Some of these people may have joined some of these rooms."""
        if asked := rooms & self._asking.keys():
            self._joined |= people
            self._rooms |= asked
            self._wake.set()

    def heard(self, streams: Collection[str]) -> None:
        """Something happened that is told in these streams. If it is about rooms and people, they may have joined them: that is
        looked at shortly after it was told, as nobody here may follow a stream that tells it."""
        rooms = {UUID(name.removeprefix(_STATE)) for name in streams if name.startswith(_STATE)}
        if not rooms.isdisjoint(self._asking):
            people = {UUID(name.removeprefix(PERSON)) for name in streams if name.startswith(PERSON)}
            asyncio.get_running_loop().call_later(self._pause_s, self.note_joined, people, rooms)

    async def recheck(self) -> None:
        """Note those who blocked somebody, or let them be, or say something else about themselves, since this was last called:
        no word of theirs tells of it."""
        viewers = list(self._viewers)
        found = await self._db.fetch(_blocks_of(), {"viewers": viewers}) if viewers else ()
        blocks = {(row.blocker_id, row.blocked_id) for row in found}
        for two in blocks ^ self._blocks_before:
            for person_id in two:
                self.note(person_id)
        self._blocks_before = blocks
        await self._note_statuses()

    async def _note_statuses(self) -> None:
        """By writer, as heads that moved are found: who wrote before another one may have committed after them."""
        if self._horizon is None:
            self._horizon = await horizon_now(self._db)
        (found,) = await self._db.poll(_RESTATED, {"horizon": str(self._horizon)})
        statuses = set(zip(found["people"], found["versions"], strict=True))
        for person_id, version in statuses - self._statuses_before:
            self.note_restated(person_id, version)
        self._horizon, self._statuses_before = int(found["horizon"]), statuses

    async def run(self) -> None:
        """Tell until cancelled. While the database is away, it waits."""
        with contextlib.suppress(Exception):  # `recheck` does it then
            self._horizon = await horizon_now(self._db)
        while True:
            await self._wake.wait()
            self._wake.clear()
            round = self._next_round()
            is_last = not self._moved and not self._new and not self._restated
            try:
                await self._tell(round)
            except Exception as error:  # what was to be told is told later
                _log.warning("who is there is not told", extra={"problem": type(error).__name__})
                self._repeat(round)
                await asyncio.sleep(_RETRY_S)
            if is_last:
                await asyncio.sleep(self._pause_s)
            else:
                self._wake.set()

    def _next_round(self) -> _Round:
        moved = {self._moved.pop() for _ in range(min(MOST_MOVED, len(self._moved)))}
        new = {room_id: self._new.pop(room_id) for room_id in list(islice(self._new, MOST_NEW))}
        joined, self._joined = self._joined, set()
        rooms, self._rooms = self._rooms, set()
        restated = dict(self._restated.popitem() for _ in range(min(MOST_MOVED, len(self._restated))))
        return _Round(moved, joined, rooms, new, restated)

    def _repeat(self, round: _Round) -> None:
        self._moved |= round.moved
        self._joined |= round.joined
        self._rooms |= round.rooms
        self._restated = {**round.restated, **self._restated}
        for room_id, onlookers in round.new.items():
            if still := onlookers & self._asking.get(room_id, set()):
                self._new.setdefault(room_id, set()).update(still)
        self._wake.set()

    async def _tell(self, round: _Round) -> None:
        by_room: dict[UUID, set[UUID]] = {}
        values = {
            "moved": list(round.moved | round.restated.keys()),
            "joined": list(round.joined),
            "rooms": list(round.rooms),
            "new": list(round.new),
            "most": MOST_PEOPLE,
        }
        for row in await self._db.fetch(_members(), values):
            if row.room_id in self._asking:
                # Who does not show it is told of as gone, and only then.
                by_room[row.room_id] = set(row.shown) | (set(row.hidden) - self._who_is_there(row.hidden))
            await asyncio.sleep(0)
        # Who comes from now on is told in the next round: of them, no blocks are known here.
        asking = {room_id: tuple(self._asking.get(room_id, ())) for room_id in by_room}
        blocks = await self._blocks(set().union(*by_room.values()))
        for room_id, people in by_room.items():
            # Who is new begins with nobody: of those who did not move, only those who are there are news.
            news = people & round.news_of(room_id)
            there = news | self._who_is_there(people) if room_id in round.new else news
            for count, onlooker in enumerate(asking[room_id], 1):
                if onlooker in self._asking.get(room_id, ()):  # it may have left meanwhile
                    is_new = onlooker in round.new.get(room_id, ())
                    # But it may have been told of some as there, before it left the room or they did.
                    told = there | (people & onlooker.there.keys()) if is_new else news
                    me = onlooker.viewer.require_user()
                    onlooker.offer(f"{CHAT}{room_id}", told, blocks.get(me, frozenset()), round.restated)
                if count % AT_ONCE == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)

    def _who_is_there(self, people: Iterable[UUID]) -> set[UUID]:
        return {one for one in people if self._attendance.state_of(one) is not PersonState.OFFLINE}

    async def _blocks(self, people: Collection[UUID]) -> dict[UUID, set[UUID]]:
        """Of those who ask: those whom they blocked, or who blocked them."""
        viewers = list(self._viewers)
        if not people or not viewers:
            return {}
        blocks: dict[UUID, set[UUID]] = defaultdict(set)
        for row in await self._db.fetch(_blocks_between(), {"viewers": viewers, "people": list(people)}):
            blocks[row.blocker_id].add(row.blocked_id)
            blocks[row.blocked_id].add(row.blocker_id)
        return blocks


# Composed once each: to compose one takes the loop longer than anything else in a round.
@cache
def _members() -> sa.Select[UUID, Sequence[UUID], Sequence[UUID]]:
    """Of rooms that are not too large: the members that moved or joined, or of the new ones all; those who show whether they are
    there, and those who do not."""
    room_id, user_id, left_at = col(RoomMember.room_id), col(RoomMember.user_id), col(RoomMember.left_at)
    asked = (
        sa.select(room_id, user_id)
        .where(
            left_at.is_(None),
            _among(user_id, "moved")
            | (_among(room_id, "rooms") & _among(user_id, "joined"))
            | _among(room_id, "new"),
        )
        .cte("asked")
    )
    rooms = sa.select(asked.c.room_id).distinct().subquery("rooms")
    other: Any = aliased(RoomMember)
    # Not counted to the end: some rooms have thousands.
    is_large = (
        sa.select(other.user_id)
        .where(other.room_id == rooms.c.room_id, other.left_at.is_(None))
        .offset(sa.bindparam("most", type_=sa.Integer))
        .correlate(rooms)
        .exists()
    )
    small = sa.select(rooms.c.room_id).where(~is_large)
    is_shown = (col(User.status) == UserStatus.ACTIVE) & ~hides_presence(asked.c.user_id)
    shown, hidden = (_gathered(asked.c.user_id, where) for where in (is_shown, ~is_shown))
    return (
        sa.select(asked.c.room_id, shown.label("shown"), hidden.label("hidden"))
        .join(User, col(User.id) == asked.c.user_id)
        .where(asked.c.room_id.in_(small))
        .group_by(asked.c.room_id)
    )


@cache
def _blocks_of() -> sa.Select[UUID, UUID]:
    blocker, blocked = col(PersonBlock.blocker_id), col(PersonBlock.blocked_id)
    return sa.select(blocker, blocked).where(_among(blocker, "viewers") | _among(blocked, "viewers"))


@cache
def _blocks_between() -> sa.Select[UUID, UUID]:
    """Of viewers and people."""
    blocker, blocked = col(PersonBlock.blocker_id), col(PersonBlock.blocked_id)
    return sa.select(blocker, blocked).where(
        (_among(blocker, "people") & _among(blocked, "viewers"))
        | (_among(blocker, "viewers") & _among(blocked, "people"))
    )


def _gathered(
    user_id: sa.ColumnElement[UUID], where: sa.ColumnElement[bool]
) -> sa.ColumnElement[Sequence[UUID]]:
    """In one value: a row for each member takes the loop longer."""
    return sa.func.coalesce(sa.func.array_agg(user_id).filter(where), sa.literal([], sa.ARRAY(sa.Uuid)))


def _among(column: Mapped[UUID], name: str) -> sa.ColumnElement[bool]:
    """One parameter, however many there are."""
    return column == sa.any_(sa.bindparam(name, type_=sa.ARRAY(sa.Uuid)))


_RESTATED = compiled(
    sa.text("""
    select cast(pg_snapshot_xmin(pg_current_snapshot()) as text) as horizon,
           coalesce(array_agg(user_id), '{}') as people, coalesce(array_agg(version), '{}') as versions
    from person_status where x >= cast(cast(:horizon as text) as xid8)
""")
)
