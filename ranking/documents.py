"""What ranking knows of gigs and people: its own types, filled by whoever serves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

MOST_TAGGED = 2_000
"""Public gigs of whose texts and skills is learnt, the newest: some minutes, and 100 MB where it serves."""


@dataclass(frozen=True, slots=True)
class Gig:
    """Work to be done. `at` is when it was published, in days from any fixed day; money in minor units of one currency.

    Skills are names as the caller writes them (ids do, too): they are compared as they are. `nice` are wished for, not needed.
    `budget` is the most that is paid (for an hour, or in all, as people's `price` says); None matches any price. `until` is the
    day until which it may be answered. Where there is a `zone` (an IANA name), so many hours of a working day have to be in common
    with it (`overlap`, 1 to 8).
    """

    id: str
    title: str
    text: str
    skills: tuple[str, ...] = ()
    nice: tuple[str, ...] = ()
    at: float = 0.0
    owner: str = ""
    budget: int | None = None
    languages: frozenset[str] = frozenset()
    is_visible: bool = True
    until: float | None = None
    zone: str | None = None
    overlap: int = 0


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who offers work. `price` is the least they ask, compared with `Gig.budget`; `blocked` are ids of others. `free_from` is
    the day from which they have time, compared with `Gig.until`; `zone` is compared with `Gig.zone`.
    """

    id: str
    title: str = ""
    text: str = ""
    skills: tuple[str, ...] = ()
    price: int | None = None
    languages: frozenset[str] = frozenset()
    is_available: bool = True
    is_visible: bool = True
    blocked: frozenset[str] = frozenset()
    free_from: float | None = None
    zone: str | None = None


class Step(StrEnum):
    """What may happen between a gig and a person. RATED comes after the work, for everybody to see."""

    SHOWN = "SHOWN"
    APPLIED = "APPLIED"
    SHORTLISTED = "SHORTLISTED"
    ACCEPTED = "ACCEPTED"
    COMPLETED = "COMPLETED"
    ENDED = "ENDED"
    RATED = "RATED"


@dataclass(frozen=True, slots=True)
class Happened:
    """One step, `at` in days as `Gig.at`; `rating` from 0 (bad) to 1 (excellent) if it was RATED."""

    gig: str
    person: str
    step: Step
    at: float
    rating: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One who took part in a past gig.

    `was_chosen` if they were the best or the accepted one, `worth` ≥ 0 how much they did, `went_well` whether what they did was
    good (None: not known), `was_done` if the work came to its end: only that is shown as evidence.
    """

    person: str
    was_chosen: bool
    worth: float = 1.0
    went_well: bool | None = None
    was_done: bool = True


@dataclass(frozen=True, slots=True)
class PastGig:
    """`outcomes` are what is known by now; if `happened` tells when, it can be asked what was known at another time."""

    gig: Gig
    outcomes: tuple[Outcome, ...] = field(default=())
    happened: tuple[Happened, ...] = field(default=())

    @classmethod
    def of(cls, gig: Gig, happened: Iterable[Happened]) -> PastGig:
        steps = tuple(sorted(happened, key=lambda each: (each.at, each.person, each.step)))
        return cls(gig, outcomes_of(steps), steps)

    def known_at(self, at: float) -> PastGig:
        """Nothing that happened later: who learns from it sees what was there to be seen."""
        return (
            PastGig.of(self.gig, (each for each in self.happened if each.at <= at)) if self.happened else self
        )

    @property
    def shown(self) -> frozenset[str]:
        return frozenset(each.person for each in self.happened if each.step is Step.SHOWN)


WORTH = {Step.APPLIED: 1.0, Step.SHORTLISTED: 2.0, Step.ACCEPTED: 3.0, Step.COMPLETED: 4.0}
"""What the farthest step counts; a good rating adds half, one that is bad takes it away."""
GOOD = 0.7
"""Four stars of five are 0.75."""


def outcomes_of(happened: Sequence[Happened]) -> tuple[Outcome, ...]:
    """One for each person who did more than be shown."""
    steps: dict[str, dict[Step, Happened]] = {}
    for each in happened:
        if each.step is not Step.SHOWN:
            steps.setdefault(each.person, {})[each.step] = each
    return tuple(_outcome(person, own) for person, own in sorted(steps.items()))


def _outcome(person: str, steps: dict[Step, Happened]) -> Outcome:
    worth = max((WORTH[step] for step in steps if step in WORTH), default=1.0)
    rating = steps[Step.RATED].rating if Step.RATED in steps else None
    went_well = None if rating is None else rating >= GOOD
    if Step.ENDED in steps:
        worth, went_well = WORTH[Step.APPLIED], False
    return Outcome(
        person,
        was_chosen=Step.ACCEPTED in steps,
        worth=worth if rating is None else worth + rating - 0.5,
        went_well=went_well,
        was_done=Step.COMPLETED in steps,
    )


def past_gigs(gigs: Iterable[Gig], happened: Iterable[Happened]) -> list[PastGig]:
    """Gigs in the order of time with what happened, in whatever order it comes; gigs about which nothing is told are left out."""
    told: dict[str, list[Happened]] = {}
    for each in happened:
        told.setdefault(each.gig, []).append(each)
    known = sorted((gig for gig in gigs if gig.id in told), key=lambda gig: (gig.at, gig.id))
    return [PastGig.of(gig, told[gig.id]) for gig in known]
