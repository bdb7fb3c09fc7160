"""What ranking answers to a process that does not rank itself: plain values, so that importing them costs nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Proof:
    """Where a skill is seen: PROFILE, GIG, TEXT (characters `start` to `end` of the profile's or gig's text) or PAST_GIG (`gig`, `at`)."""

    source: str
    gig: str | None = None
    at: float | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Near:
    """A skill they have that is often asked for together with a missing one; `likeness` 0 to 1."""

    skill: str
    missing: str
    likeness: float


@dataclass(frozen=True, slots=True)
class Answer:
    """One gig or person with its score: `points == sum of parts`. `wishes` are skills with the points they would lead to."""

    id: str
    points: int
    parts: tuple[tuple[str, int], ...]
    basis: str
    version: str
    matched: tuple[tuple[str, tuple[Proof, ...]], ...] = ()
    missing: tuple[str, ...] = ()
    missing_nice: tuple[str, ...] = ()
    adjacent: tuple[Near, ...] = ()
    wishes: tuple[tuple[str, int], ...] = ()
    is_newcomer: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """What the index holds. The meaning of `vectors` of `documents` is known; None without an encoder. `recalled` were not computed
    since the start, but kept from before."""

    gigs: int
    people: int
    past_gigs: int
    vectors: int | None
    recalled: int
    documents: int
    basis: str
    version: str
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Mentioned:
    """A skill of a text. `spans` are the characters that name it, none where it is only likely; `confidence` 0 to 1."""

    skill: str
    confidence: float
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SkillAnswer:
    """What is named, then what is likely, by `basis` and `version`."""

    basis: str
    version: str
    skills: tuple[Mentioned, ...]


@dataclass(frozen=True, slots=True)
class TeamMember:
    """Somebody who could join; `levels` holds the worth of each skill they have at the level asked for."""

    id: str
    cost: int
    levels: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class TeamRequest:
    """As `ranking.teams.problem.TeamProblem`, in plain values."""

    skills: tuple[str, ...]
    members: tuple[TeamMember, ...]
    largest: int
    capacity: int
    pair_cost: float = 0.0
    known_pairs: tuple[tuple[str, str], ...] = ()
    budget: int | None = None
    apart: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ProposedTeam:
    """`covers` says which member takes which skill."""

    members: tuple[str, ...]
    covers: tuple[tuple[str, str], ...]
    cost: int
    known_pairs: int


@dataclass(frozen=True, slots=True)
class Hindrance:
    """A condition without which there would be a team: SKILL, SIZE, BUDGET or APART; `needed` is what would do."""

    limit: str
    skill: str | None = None
    needed: int | None = None


@dataclass(frozen=True, slots=True)
class TeamAnswer:
    """Best first. `gap` is how much better a team could be at most, as a share; 0 where the best is proved."""

    teams: tuple[ProposedTeam, ...]
    gap: float
    is_proved: bool
    hindrances: tuple[Hindrance, ...] = ()
