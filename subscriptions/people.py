"""Who of a room's members is there, for those who follow the room and ask for it.

Whether somebody is there is their own word, and says nothing about rooms (`models.presence`). So when words change, one
statement finds which of the rooms that are followed here those people belong to, and what their members may know: those who
do not show themselves, and who has blocked whom. Followers get names only; what each of these does is looked up when it is told.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Set
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlmodel import col

from auth.access import hides_presence
from auth.viewer import Viewer
from models.presence import MOST_PEOPLE, Attendance, PersonState
from models.room import PersonBlock, RoomMember
from models.store.sql import Database
from models.user import User, UserStatus
from subscriptions.log import room_of

PAUSE_S = 0.5
"""Between two rounds: what happens meanwhile is told together."""
AT_ONCE = 4
"""Followers that are told before everybody else in the process has a turn: each looks up all it is told of."""
_ROWS_AT_ONCE = 200
_RETRY_S = 1.0
_log = logging.getLogger("skillsync.streams")


class Asking(Protocol):
    """A follower of a room's log. `people` are those of whom there may be something to tell; of those who are `blocked` it is that
    they are not there."""

    stream: str
    viewer: Viewer
    people: set[UUID] | None
    blocked: Set[UUID]

    def nudge(self) -> None: ...


class People:
    """Of one process: whose words have changed, and who asks."""

    def __init__(self, db: Database, attendance: Attendance, *, pause_s: float = PAUSE_S) -> None:
        self._db = db
        self._attendance = attendance
        self._pause_s = pause_s
        self._asking: dict[UUID, set[Asking]] = defaultdict(set)
        self._new: set[Asking] = set()
        self._moved: set[UUID] = set()
        self._blocks_before: Set[tuple[UUID, UUID]] = frozenset()
        self._wake = asyncio.Event()

    def attend(self, follower: Asking) -> None:
        """Tell this one who is there, and who comes and goes, until it leaves."""
        follower.people = set()
        self._asking[room_of(follower.stream)].add(follower)
        self._new.add(follower)
        self._wake.set()

    def leave(self, follower: Asking) -> None:
        room_id = room_of(follower.stream)
        self._new.discard(follower)
        self._asking[room_id].discard(follower)
        if not self._asking[room_id]:
            del self._asking[room_id]

    def note(self, person_id: UUID) -> None:
        """Somebody came, went, turned away, or joined a room."""
        if self._asking:
            self._moved.add(person_id)
            self._wake.set()

    async def recheck(self) -> None:
        """Note those who blocked somebody, or let them be, since this was last called: no word of theirs tells of it."""
        viewers = self._viewers()
        blocker, blocked = col(PersonBlock.blocker_id), col(PersonBlock.blocked_id)
        statement = sa.select(blocker, blocked).where(_among(blocker, viewers) | _among(blocked, viewers))
        blocks = (
            {(row.blocker_id, row.blocked_id) for row in await self._db.fetch(statement)}
            if viewers
            else set()
        )
        for two in blocks ^ self._blocks_before:
            for person_id in two:
                self.note(person_id)
        self._blocks_before = blocks

    async def run(self) -> None:
        """Tell until cancelled. While the database is away, it waits."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            moved, self._moved = self._moved, set()
            new, self._new = self._new, set()
            try:
                await self._tell(moved, new)
            except Exception as error:  # what was to be told is told later
                _log.warning("who is there is not told", extra={"problem": type(error).__name__})
                self._moved |= moved
                self._new |= {one for one in new if one in self._asking.get(room_of(one.stream), ())}
                self._wake.set()
                await asyncio.sleep(_RETRY_S)
            await asyncio.sleep(self._pause_s)

    async def _tell(self, moved: Collection[UUID], new: Collection[Asking]) -> None:
        rooms, new_rooms = list(self._asking), {room_of(name) for name in {one.stream for one in new}}
        by_room: dict[UUID, set[UUID]] = defaultdict(set)
        for count, row in enumerate(await self._db.fetch(_members(rooms, moved, new_rooms)), 1):
            if row.is_shown or self._attendance.state_of(row.user_id) is PersonState.OFFLINE:
                by_room[row.room_id].add(row.user_id)
            if count % _ROWS_AT_ONCE == 0:
                await asyncio.sleep(0)
        # Who comes from now on is told in the next round: of them, no blocks are known here.
        asking = {room_id: tuple(self._asking.get(room_id, ())) for room_id in by_room}
        blocks = await self._blocks(set().union(*by_room.values()))
        for room_id, people in by_room.items():
            news = people.intersection(moved)
            # Who is new begins with nobody: of those who did not move, only those who are there are news.
            there = {
                one for one in people if self._attendance.state_of(one) is not PersonState.OFFLINE
            } | news
            for count, follower in enumerate(asking[room_id], 1):
                if follower in self._asking.get(room_id, ()):  # it may have left meanwhile
                    _offer(follower, there if follower in new else news, blocks)
                if count % AT_ONCE == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def _blocks(self, people: Collection[UUID]) -> dict[UUID, set[UUID]]:
        """Of followers: those whom they blocked, or who blocked them."""
        viewers = self._viewers()
        if not people or not viewers:
            return {}
        blocker, blocked = col(PersonBlock.blocker_id), col(PersonBlock.blocked_id)
        statement = sa.select(blocker, blocked).where(
            (_among(blocker, people) & _among(blocked, viewers))
            | (_among(blocker, viewers) & _among(blocked, people))
        )
        blocks: dict[UUID, set[UUID]] = defaultdict(set)
        for row in await self._db.fetch(statement):
            blocks[row.blocker_id].add(row.blocked_id)
            blocks[row.blocked_id].add(row.blocker_id)
        return blocks

    def _viewers(self) -> set[UUID]:
        return {
            me
            for followers in self._asking.values()
            for follower in followers
            if (me := follower.viewer.user_id) is not None
        }


def _offer(follower: Asking, people: Set[UUID], blocks: Mapping[UUID, Set[UUID]]) -> None:
    me = follower.viewer.user_id
    if me is None or follower.people is None:
        return
    told = people - {me}
    follower.blocked = (follower.blocked - told) | (told & blocks.get(me, frozenset()))
    if told:
        follower.people |= told
        follower.nudge()


def _members(
    rooms: Collection[UUID], moved: Collection[UUID], new: Collection[UUID]
) -> sa.Select[UUID, UUID, bool]:
    """Of these rooms, as far as they are not too large: the members that moved; of the new ones, all."""
    room_id, user_id, left_at = col(RoomMember.room_id), col(RoomMember.user_id), col(RoomMember.left_at)
    small = (
        sa.select(room_id)
        .where(_among(room_id, rooms), left_at.is_(None))
        .group_by(room_id)
        .having(sa.func.count() <= MOST_PEOPLE)
    )
    is_shown = (col(User.status) == UserStatus.ACTIVE) & ~hides_presence(user_id)
    return (
        sa.select(room_id, user_id, is_shown.label("is_shown"))
        .join(User, col(User.id) == user_id)
        .where(room_id.in_(small), left_at.is_(None), _among(user_id, moved) | _among(room_id, new))
    )


def _among(column: Mapped[UUID], ids: Collection[UUID]) -> sa.ColumnElement[bool]:
    """One parameter, however many there are."""
    return column == sa.any_(sa.literal(list(ids), sa.ARRAY(sa.Uuid)))
