"""Who is where, and what they do there: words of the moment, true for as long as their lease.

Kept in the memory of each process, and nowhere else. A subject is the name of a stream (`board:<id>`), a part of it an id
(a task). `user:<id>` is somebody themselves: whether they are there at all. A person is there with one client or several, such as two tabs; what two of them say alike is shown once. Whoever
says nothing again before the lease ends is gone, whether they left or crashed, or the process did that heard them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from uuid import UUID

from models.errors import LimitReached, RateLimited
from models.vocabulary import Vocabulary

LEASE = timedelta(seconds=30)
TYPING_LEASE = timedelta(seconds=10)
ONLINE_LEASE = timedelta(seconds=90)
"""The longest: browsers let a tab that nobody looks at speak once a minute."""
MOST_PEOPLE = 200
"""At one subject."""
MOST_CLIENTS = 10
"""Of one person at one subject. One more takes the place of the one that would be gone first."""
MAX_CLIENT = 40
MOST_WORDS, WORDS_WITHIN_S = 100, 10.0
"""Of one person to one process."""
PERSON = "user:"


class BoardDoing(Vocabulary):
    """What somebody does at a board, or at one of its tasks."""

    LOOKING = "LOOKING", "They look at it."
    DRAGGING = "DRAGGING", "They have the task in hand."
    AWAY = "AWAY", "They are gone; nobody is ever shown so."


class RoomDoing(Vocabulary):
    """What somebody does in a room who writes there."""

    WRITING = "WRITING", "They write a new message."
    EDITING = "EDITING", "They word a message of theirs anew."


class PersonState(Vocabulary):
    """Whether somebody is there."""

    ONLINE = "ONLINE", "They are there."
    AWAY = "AWAY", "Something of theirs is open, but they do nothing."
    OFFLINE = "OFFLINE", "They are not there."


class SaidTooOften(RateLimited):
    """Somebody says more often what they do than others need to know."""

    def __init__(self, *, retry_at: datetime) -> None:
        super().__init__(
            f"At most {MOST_WORDS} of these in {WORDS_WITHIN_S:.0f} seconds: say it again then.",
            retry_at=retry_at,
        )


class Crowded(LimitReached):
    """As many people are there already as can be shown."""

    retryable = True

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} people are shown there already; you can follow it all the same.",
            limit=MOST_PEOPLE,
            count=count,
        )


class RoomTooLarge(LimitReached):
    """Who is there is not looked at in so large a room."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"Those who are there can be mentioned in rooms of at most {MOST_PEOPLE} members, and this one has {count:,}. Mention "
            "people by name, or everybody with `mentionsRoom`.",
            limit=MOST_PEOPLE,
            count=count,
        )


@dataclass(frozen=True, slots=True)
class Present:
    """What one client of a person says; `doing` None: that they are gone."""

    subject: str
    person_id: UUID
    client: str
    doing: str | None
    part: UUID | None = None
    until: datetime | None = None
    """When the lease ends, by the clock of whoever heard it first; to be shown, not to be reckoned with."""


@dataclass(frozen=True, slots=True)
class _Stay:
    word: Present
    ends: float
    is_own: bool
    """Whether this process was told by the client itself."""


_MOST_COUNTED, _MOST_STALE = 10_000, 10_000
_Client = tuple[UUID, str]
_Shown = tuple[UUID, str, str]


class Attendance:
    """Everybody who is somewhere, as far as this process knows. Leases go by `clock`, in seconds, which never jumps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, lease: timedelta = LEASE) -> None:
        self.lease = lease
        self.on_word: Callable[[Present, float], None] = lambda word, left_s: None
        """Told what clients say to this process, for the others, and the seconds that its lease has to go."""
        self.on_change: Callable[[str], None] = lambda subject: None
        """Told the subject where people came, left or do something else."""
        self._clock = clock
        self._stays: dict[str, dict[_Client, _Stay]] = {}
        # When what was said ends, the first first; what was said again meanwhile, or taken back, is here all the same.
        self._ends: list[tuple[float, str, _Client]] = []
        self._words: dict[UUID, tuple[float, int]] = {}
        """Since when somebody's words are counted, and how many there were."""

    # -- what is said --------------------------------------------------------------------------------------------------

    def say(self, word: Present, *, lease: timedelta | None = None) -> None:
        """Take a client at its word for the length of a lease: that of all, or another one. Raises `Crowded`."""
        if word.doing is None:
            self._take_back(word)
            return
        count = self._people_but(word)
        if count >= MOST_PEOPLE:
            raise Crowded(count)
        left_s = (lease or self.lease).total_seconds()
        self._keep(word, left_s, is_own=True)
        self.on_word(word, left_s)

    def count_word(self, person_id: UUID, *, at: datetime) -> None:
        """Somebody is about to say something. Raises `SaidTooOften`, and nothing is counted."""
        now = self._clock()
        since, count = self._words.get(person_id, (now, 0))
        if now - since >= WORDS_WITHIN_S:
            since, count = now, 0
        if count >= MOST_WORDS:
            raise SaidTooOften(retry_at=at + timedelta(seconds=since + WORDS_WITHIN_S - now))
        if len(self._words) >= _MOST_COUNTED:
            self._words = {
                key: value for key, value in self._words.items() if now - value[0] < WORDS_WITHIN_S
            }
        self._words[person_id] = (since, count + 1)

    def hear(self, word: Present, *, left_s: float) -> None:
        """What another process was told, with `left_s` of its lease to go. What is too much is not kept."""
        if word.doing is None:
            self._forget(word.subject, (word.person_id, word.client))
        elif left_s > 0 and self._people_but(word) < MOST_PEOPLE:
            self._keep(word, min(left_s, ONLINE_LEASE.total_seconds()), is_own=False)

    def dismiss(self, subject: str, person_id: UUID) -> None:
        """Somebody may not be there any longer, with whatever client."""
        self._dismiss(subject, lambda word: word.person_id == person_id)

    def has_done(self, subject: str, person_id: UUID, doing: str, *, part: UUID | None = None) -> None:
        """Somebody has done what they said they do there, with whatever client: at this part, or at any."""
        self._dismiss(
            subject,
            lambda word: (word.person_id, word.doing) == (person_id, doing) and part in {None, word.part},
        )

    # -- who is there --------------------------------------------------------------------------------------------------

    def at(self, subject: str) -> list[Present]:
        """Who is there, by person; somebody whose clients do several things comes once with each."""
        now = self._clock()
        shown: dict[_Shown, Present] = {}
        for stay in self._stays.get(subject, {}).values():
            if stay.ends > now:
                known = shown.setdefault(_shown(stay.word), stay.word)
                if _until(known) < _until(stay.word):
                    shown[_shown(stay.word)] = stay.word
        return [shown[key] for key in sorted(shown)]

    def own(self) -> list[tuple[Present, float]]:
        """What clients told this process, each with the seconds that its lease has to go."""
        now = self._clock()
        stays = (stay for clients in self._stays.values() for stay in clients.values())
        return [(stay.word, stay.ends - now) for stay in stays if stay.is_own and stay.ends > now]

    def state_of(self, person_id: UUID) -> PersonState:
        """The liveliest that a client of theirs says."""
        said = {word.doing for word in self.at(person(person_id))}
        return next((state for state in PersonState if state in said), PersonState.OFFLINE)

    # -- leases --------------------------------------------------------------------------------------------------------

    @property
    def wait_s(self) -> float | None:
        """After which time some lease may have ended; None while nobody is anywhere."""
        return max(0.0, self._ends[0][0] - self._clock()) if self._ends else None

    def expire(self) -> None:
        """Forget those whose lease has ended."""
        now = self._clock()
        while self._ends and self._ends[0][0] <= now:
            ends, subject, client = heappop(self._ends)
            stay = self._stays.get(subject, {}).get(client)
            if stay is not None and stay.ends <= ends:
                self._forget(subject, client)
        self._drop_stale()

    def _keep(self, word: Present, left_s: float, *, is_own: bool) -> None:
        clients = self._stays.setdefault(word.subject, {})
        client = (word.person_id, word.client)
        before = clients.get(client)
        if before is None:
            self._make_room(word.subject, word.person_id)
        clients[client] = _Stay(word, self._clock() + left_s, is_own)
        heappush(self._ends, (clients[client].ends, word.subject, client))
        if before is None or _shown(before.word) != _shown(word):
            self.on_change(word.subject)

    def _drop_stale(self) -> None:
        """Of ends that mean nothing any more, those in front; and all, where they are the most by far."""
        while self._ends and not self._is_due(self._ends[0]):
            heappop(self._ends)
        if len(self._ends) > _MOST_STALE and len(self._ends) > 4 * sum(map(len, self._stays.values())):
            self._ends = [end for end in self._ends if self._is_due(end)]
            heapify(self._ends)

    def _is_due(self, end: tuple[float, str, _Client]) -> bool:
        ends, subject, client = end
        stay = self._stays.get(subject, {}).get(client)
        return stay is not None and stay.ends == ends

    def _take_back(self, word: Present) -> None:
        self._forget(word.subject, (word.person_id, word.client))
        self.on_word(word, 0)

    def _dismiss(self, subject: str, is_over: Callable[[Present], bool]) -> None:
        for (person, client), stay in list(self._stays.get(subject, {}).items()):
            if is_over(stay.word):
                self._take_back(Present(subject, person, client, None))

    def _make_room(self, subject: str, person_id: UUID) -> None:
        clients = self._stays[subject]
        theirs = [client for client in clients if client[0] == person_id]
        if len(theirs) >= MOST_CLIENTS:
            del clients[min(theirs, key=lambda client: clients[client].ends)]

    def _forget(self, subject: str, client: _Client) -> None:
        clients = self._stays.get(subject, {})
        if clients.pop(client, None) is None:
            return
        if not clients:
            del self._stays[subject]
        self.on_change(subject)

    def _people_but(self, word: Present) -> int:
        return len({person for person, _ in self._stays.get(word.subject, ())} - {word.person_id})


def person(person_id: UUID) -> str:
    """The subject under which somebody says whether they are there."""
    return f"{PERSON}{person_id}"


def _shown(word: Present) -> _Shown:
    return word.person_id, "" if word.part is None else str(word.part), word.doing or ""


def _until(word: Present) -> float:
    return 0.0 if word.until is None else word.until.timestamp()
