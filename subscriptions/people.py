"""Who of a room's members is there, for those who follow the room and ask for it.

Whether somebody is there is their own word, and says nothing about rooms (`models.presence`). So when words change, one
statement finds which of the rooms that are followed here those people belong to, and what their members may know: those who
do not show themselves, and who has blocked whom. Followers get names only; what each of these does is looked up when it is told.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth.access import hides_presence
from auth.viewer import Viewer
from models.presence import MOST_PEOPLE, Attendance, PersonState
from models.room import PersonBlock, RoomMember
from models.store.sql import Database
from models.user import User, UserStatus

PAUSE_S = 0.5
"""Between two rounds: what happens meanwhile is told together."""
_RETRY_S = 1.0
_log = logging.getLogger("skillsync.streams")


class Asking(Protocol):
    """A follower of a room's log. `people` are those of whom there may be something to tell."""

    stream: str
    viewer: Viewer
    people: set[UUID] | None

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
        self._wake = asyncio.Event()

    def attend(self, follower: Asking) -> None:
        """Tell this one who is there, and who comes and goes, until it leaves."""
        follower.people = set()
        self._asking[_room_of(follower)].add(follower)
        self._new.add(follower)
        self._wake.set()

    def leave(self, follower: Asking) -> None:
        room_id = _room_of(follower)
        self._new.discard(follower)
        self._asking[room_id].discard(follower)
        if not self._asking[room_id]:
            del self._asking[room_id]

    def note(self, person_id: UUID) -> None:
        """Somebody came, went, turned away, or joined a room."""
        if self._asking:
            self._moved.add(person_id)
            self._wake.set()

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
                self._new |= {one for one in new if one in self._asking.get(_room_of(one), ())}
                self._wake.set()
                await asyncio.sleep(_RETRY_S)
            await asyncio.sleep(self._pause_s)

    async def _tell(self, moved: Collection[UUID], new: Collection[Asking]) -> None:
        rooms = list(self._asking)
        found = [
            row
            for row in await self._db.fetch(_members(rooms, moved, {_room_of(one) for one in new}))
            if row.is_shown or self._attendance.state_of(row.user_id) is PersonState.OFFLINE
        ]
        blocks = await self._blocks({row.user_id for row in found})
        by_room: dict[UUID, list[UUID]] = defaultdict(list)
        for row in found:
            by_room[row.room_id].append(row.user_id)
        for room_id, people in by_room.items():
            for follower in tuple(self._asking.get(room_id, ())):
                # Who is new begins with nobody: only those who are there are news.
                of_interest = people if follower in new else [one for one in people if one in moved]
                _offer(follower, of_interest, blocks)

    async def _blocks(self, people: Collection[UUID]) -> set[tuple[UUID, UUID]]:
        viewers = {
            follower.viewer.user_id for followers in self._asking.values() for follower in followers
        } - {None}
        if not people or not viewers:
            return set()
        blocker, blocked = col(PersonBlock.blocker_id), col(PersonBlock.blocked_id)
        statement = sa.select(blocker, blocked).where(
            (blocker.in_(people) & blocked.in_(viewers)) | (blocker.in_(viewers) & blocked.in_(people))
        )
        rows = await self._db.fetch(statement)
        pairs = {(row.blocker_id, row.blocked_id) for row in rows}
        return pairs | {(blocked_id, blocker_id) for blocker_id, blocked_id in pairs}


def _offer(follower: Asking, people: Sequence[UUID], blocks: set[tuple[UUID, UUID]]) -> None:
    me = follower.viewer.user_id
    if me is None or follower.people is None:
        return
    told = [one for one in people if one != me and (me, one) not in blocks]
    if told:
        follower.people.update(told)
        follower.nudge()


def _members(
    rooms: Collection[UUID], moved: Collection[UUID], new: Collection[UUID]
) -> sa.Select[UUID, UUID, bool]:
    """Of these rooms, as far as they are not too large: the members that moved; of the new ones, all."""
    room_id, user_id, left_at = col(RoomMember.room_id), col(RoomMember.user_id), col(RoomMember.left_at)
    small = (
        sa.select(room_id)
        .where(room_id.in_(rooms), left_at.is_(None))
        .group_by(room_id)
        .having(sa.func.count() <= MOST_PEOPLE)
    )
    is_shown = (col(User.status) == UserStatus.ACTIVE) & ~hides_presence(user_id)
    return (
        sa.select(room_id, user_id, is_shown.label("is_shown"))
        .join(User, col(User.id) == user_id)
        .where(room_id.in_(small), left_at.is_(None), user_id.in_(moved) | room_id.in_(new))
    )


def _room_of(follower: Asking) -> UUID:
    return UUID(follower.stream.partition(":")[2])
