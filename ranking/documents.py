"""What ranking knows of gigs and people: its own types, filled by whoever serves."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Gig:
    """Work to be done. `at` is when it was published, in days from any fixed day; money in minor units of one currency.

    Skills are names as the caller writes them (ids do, too): they are compared as they are. `nice` are wished for, not needed.
    `budget` is the most that is paid (for an hour, or in all, as people's `price` says); None matches any price.
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


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who offers work. `price` is the least they ask, compared with `Gig.budget`; `blocked` are ids of others."""

    id: str
    title: str = ""
    text: str = ""
    skills: tuple[str, ...] = ()
    price: int | None = None
    languages: frozenset[str] = frozenset()
    is_available: bool = True
    is_visible: bool = True
    blocked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Outcome:
    """One who took part in a past gig; `was_chosen` if they were the best or the accepted one, `worth` ≥ 0 how much they did."""

    person: str
    was_chosen: bool
    worth: float = 1.0


@dataclass(frozen=True, slots=True)
class PastGig:
    gig: Gig
    outcomes: tuple[Outcome, ...] = field(default=())
