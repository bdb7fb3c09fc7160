"""Where an answer stands: mostly by its score, but newcomers get some places, and nobody gets all of them.

Scores are not touched; each place says why it is so (`placed_by`). With the settings here the lists lose little, because nobody
is moved out of the first places who is clearly better (docs/decisions/0022 has the figures).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

FIRST_PLACES = 10
NEWCOMER_PLACES = (10, 11, 12, 13, 14, 15, 16, 17, 18, 19)  # counted from 0
NEWCOMER_GIGS = 5
WINDOW = 200
MOST_SHARE = 0.9
MOST_OF_ONE = 3


class PlacedBy(StrEnum):
    SCORE = "SCORE"
    EXPLORATION = "EXPLORATION"  # a place kept for newcomers
    DIVERSITY = "DIVERSITY"  # behind the first places, where enough of the same owner stand
    EXPOSURE = "EXPOSURE"  # behind the first places, having stood there in most lists lately


@dataclass(frozen=True, slots=True)
class Placed:
    id: str
    placed_by: PlacedBy


class Exposure:
    """How often each person stood in the first places of the last lists; one per market segment."""

    def __init__(self, *, window: int = WINDOW, most_share: float = MOST_SHARE) -> None:
        self._lists: deque[tuple[str, ...]] = deque()
        self._times: Counter[str] = Counter()
        self._window, self._most = window, most_share

    def is_spent(self, person: str) -> bool:
        """They stood in the first places in more than their share of at least twenty lists."""
        return len(self._lists) >= 20 and self._times[person] > self._most * len(self._lists)

    def note(self, first: Sequence[str]) -> None:
        if len(self._lists) == self._window:
            self._times.subtract(self._lists.popleft())
        self._lists.append(tuple(first))
        self._times.update(first)


def place(
    ordered: Sequence[str],
    *,
    is_newcomer: Callable[[str], bool],
    exposure: Exposure | None = None,
    newcomers: Sequence[str] | None = None,
) -> list[Placed]:
    """All of `ordered` (best first), and of `newcomers` (best first, default: those of `ordered`) who are not in it."""
    spent = {
        person for person in ordered[:FIRST_PLACES] if exposure is not None and exposure.is_spent(person)
    }
    kept = [person for person in ordered if person not in spent]
    by_score = [
        *kept[:FIRST_PLACES],
        *(person for person in ordered if person in spent),
        *kept[FIRST_PLACES:],
    ]
    fresh = [person for person in (ordered if newcomers is None else newcomers) if is_newcomer(person)]
    placed: dict[str, PlacedBy] = {}
    waiting = iter(by_score)
    fresh_waiting = iter(fresh)
    total = len({*by_score, *fresh})
    while len(placed) < total:
        explores = len(placed) in NEWCOMER_PLACES
        person = _next(fresh_waiting, placed) if explores else None
        if person is not None:
            placed[person] = PlacedBy.EXPLORATION
            continue
        person = _next(waiting, placed) or _next(fresh_waiting, placed)
        assert person is not None
        placed[person] = PlacedBy.EXPOSURE if person in spent else PlacedBy.SCORE
    if exposure is not None:
        exposure.note(list(placed)[:FIRST_PLACES])
    return [Placed(person, reason) for person, reason in placed.items()]


def spread(ordered: Sequence[str], *, owner: Callable[[str], str]) -> list[Placed]:
    """All of `ordered` (best first), of each owner at most MOST_OF_ONE in the first places as long as there are others."""
    first: list[str] = []
    behind: list[str] = []
    times: Counter[str] = Counter()
    for name in ordered:
        is_first = len(first) < FIRST_PLACES and times[owner(name)] < MOST_OF_ONE
        (first if is_first else behind).append(name)
        times[owner(name)] += is_first
    place_by_score = {name: at for at, name in enumerate(ordered)}
    return [
        Placed(name, PlacedBy.DIVERSITY if at > place_by_score[name] else PlacedBy.SCORE)
        for at, name in enumerate([*first, *behind])
    ]


def _next(waiting: Iterator[str], placed: dict[str, PlacedBy]) -> str | None:
    for person in waiting:
        if person not in placed:
            return person
    return None
