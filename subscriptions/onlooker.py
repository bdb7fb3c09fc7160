"""What one subscription is to be told of people: who is at its subjects, and who of the members of its rooms is there.

Its subjects come and go. Only where there may be something to tell is noted; what it is, is looked up when it is told. So of
several changes the last is told, and nothing grows with what happens.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

from auth.access import MOST_ROOMS
from auth.viewer import Viewer
from models.presence import MOST_PEOPLE, Attendance, PersonState, Present, RoomDoing

MOST_THERE = MOST_ROOMS * MOST_PEOPLE
"""People who are remembered as told of. Beyond it are those of rooms that were left: the first of them are forgotten."""


_WRITES = frozenset(RoomDoing)
_NOBODY: Mapping[UUID, int] = MappingProxyType({})
AT_ONCE = 50
"""People in one word: to look them up and to show them takes the loop two milliseconds."""


class Watched(Protocol):
    """A follower of a subject's stream."""

    stream: str

    @property
    def ended(self) -> object | None: ...


@dataclass(frozen=True, slots=True)
class At:
    """Everybody who is at a subject now."""

    subject: str
    people: Sequence[Present]


@dataclass(frozen=True, slots=True)
class Moved:
    """Members of rooms who are in another state than was told, or have another status."""

    people: Sequence[tuple[UUID, PersonState]]


class Onlooker:
    """Who asks for people. `nudge` is called when there may be something to tell."""

    def __init__(
        self,
        attendance: Attendance,
        viewer: Viewer,
        nudge: Callable[[], None],
        *,
        sees_subjects: bool,
        sees_members: bool,
    ) -> None:
        self.viewer = viewer
        self.sees_members = sees_members
        self.there: dict[UUID, PersonState] = {}
        """Who was told of as there, and not as gone since: whoever is not here is OFFLINE for the subscriber."""
        self._attendance = attendance
        self._nudge = nudge
        self._sees_subjects = sees_subjects
        self._watched: dict[str, Watched] = {}
        self._shown: dict[str, Set[tuple[UUID, str | None, UUID | None]]] = {}
        """Who was told of as at a subject, where there is anybody."""
        self._changed: dict[str, None] = {}
        """Subjects where others may be than was told, in the order in which they are looked at."""
        self._moved: dict[str, set[UUID]] = {}
        """Of rooms, members who may be in another state than was told."""
        self._anew: dict[UUID, int] = {}
        """Of members who say something else about themselves, the version of it, until it is told."""
        self._said: dict[UUID, int] = {}
        """Which version was told last, of those who said something else."""
        self._blocked: Set[UUID] = frozenset()
        """Of members: those who blocked the viewer, or whom they blocked. They are told of as not there."""

    def watch(self, follower: Watched) -> None:
        """Be told of this subject, beginning with who is there now, until it is left."""
        self._watched[follower.stream] = follower
        self.note(follower.stream)

    def leave(self, subject: str) -> None:
        """Nothing is told of it from now on, whatever was noted."""
        for noted in (self._watched, self._changed, self._moved, self._shown):
            noted.pop(subject, None)
        # Of those who are in another room, too, it is told all the same.
        still: Set[UUID] = set().union(*self._moved.values()) if self._anew else frozenset()
        self._anew = {one: version for one, version in self._anew.items() if one in still}

    def note(self, subject: str) -> None:
        """Somebody came to a subject, left it, or does something else there."""
        if self._sees_subjects:
            self._changed[subject] = None
            self._nudge()

    def offer(
        self, subject: str, people: Set[UUID], blocked: Set[UUID], anew: Mapping[UUID, int] = _NOBODY
    ) -> None:
        """These members of a room may be in another state than was told; those of them who are `blocked` are gone. Some say
        something else about themselves since: `anew` has the version of it."""
        people = people - {self.viewer.user_id}
        self._blocked = (self._blocked - people) | (people & blocked)
        for one in people & anew.keys() - blocked:
            if self._said.get(one, 0) < anew[one]:
                self._anew[one] = anew[one]
        for one in blocked & self._anew.keys():
            del self._anew[one]
        if news := {
            one for one in people if one in self._anew or self._state_of(one) is not self._told_of(one)
        }:
            self._moved.setdefault(subject, set()).update(news)
            self._nudge()

    async def next(self) -> At | Moved | None:
        """What is to be told now, of one subject; None if there is nothing."""
        while self._moved or self._changed:
            # There may be 80 rooms of 200 people: everybody else has a turn between two of them.
            await asyncio.sleep(0)
            if (news := self._look()) is not None:
                return news
        return None

    def _look(self) -> At | Moved | None:
        """What there is to tell of one subject."""
        if (subject := next(iter(self._moved), None)) is not None:
            people = self._moved[subject]
            some = {people.pop() for _ in range(min(AT_ONCE, len(people)))}
            if not people:
                del self._moved[subject]
            return self._in_other_states(some) if self._may_see(subject) else None
        if (subject := next(iter(self._changed), None)) is not None:
            del self._changed[subject]
            return self._at(subject) if self._may_see(subject) else None
        return None  # it was left meanwhile

    def _may_see(self, subject: str) -> bool:
        """Not if its follower has ended, which is told next."""
        return self._watched[subject].ended is None

    def _at(self, subject: str) -> At | None:
        """Who is there, if others are than was told, or they do something else. What one writes oneself is no news."""
        people = [
            one
            for one in self._attendance.at(subject)
            if one.doing not in _WRITES or one.person_id != self.viewer.user_id
        ]
        shown = {(one.person_id, one.doing, one.part) for one in people}
        if shown == self._shown.get(subject, set()):
            return None
        self._shown[subject] = shown
        return At(subject, people)

    def _in_other_states(self, people: Set[UUID]) -> Moved | None:
        found = []
        for person_id in people:
            state = self._state_of(person_id)
            version = self._anew.pop(person_id, None)
            if version is None and state is self._told_of(person_id):
                continue
            found.append((person_id, state))
            if version is not None:
                self._said[person_id] = version
            self.there.pop(person_id, None)
            if state is not PersonState.OFFLINE:
                self.there[person_id] = state
        for told in (self.there, self._said):
            while len(told) > MOST_THERE:
                del told[next(iter(told))]
        return Moved(found) if found else None

    def _state_of(self, person_id: UUID) -> PersonState:
        is_blocked = person_id in self._blocked
        return PersonState.OFFLINE if is_blocked else self._attendance.state_of(person_id)

    def _told_of(self, person_id: UUID) -> PersonState:
        return self.there.get(person_id, PersonState.OFFLINE)
