"""Learning whom a gig leads to from what happened on this platform, and choosing between ways of ordering by what they reach.

A model is trained on several moments of the past, each with what was known then and the gigs that followed, so that it sees
its state as stale as it will be when it serves. It is kept only if it beats the simpler orders on the last moment, which it has
not seen: on a young market who is active says more than anything learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ranking.basis import Basis
from ranking.documents import Gig, PastGig
from ranking.experience import Evidence, Experience, Floats
from ranking.metrics import ndcg
from ranking.text import best_first
from ranking.trees import Trees, fit_trees

MOMENTS = (0.4, 0.5, 0.6, 0.7, 0.75)
LAST = 0.75
FOLLOWING = 0.25  # of all past gigs: how far behind the state may be when it serves
LOOKED_AT = 150
FEWEST_GROUPS = 200
HALF_LIVES = (3.0, 5.0, 8.0, 15.0, 40.0, 120.0)
GRADE_CHOSEN, GRADE_TOOK = 2, 1
LISTED = 10


@dataclass(frozen=True, slots=True)
class Segment:
    """Past gigs, in the order of time, of people who compete with each other; and their vectors if there is an encoder."""

    past: tuple[PastGig, ...]
    vectors: Floats | None = None

    @classmethod
    def of(cls, past: Sequence[PastGig], encode: Callable[[Sequence[Gig]], Floats | None]) -> Segment:
        return cls(tuple(past), encode([each.gig for each in past]))

    def until(self, end: int) -> Experience:
        return Experience(self.past[:end], None if self.vectors is None else self.vectors[:end])

    def vector(self, place: int) -> Floats | None:
        return None if self.vectors is None else self.vectors[place]


@dataclass(frozen=True, slots=True)
class Momentum:
    """Who did well lately, whatever the gig: worth of outcomes, aged by a half-life in gigs."""

    half_life: float

    basis = Basis.LEARNED

    def order(self, experience: Experience) -> NDArray[np.float64]:
        return experience.standing(half_life=self.half_life)


@dataclass(frozen=True, slots=True)
class FirstGuess:
    """Skills, words and activity added up: needs no training."""

    basis = Basis.LEXICAL


@dataclass(frozen=True, slots=True)
class Learned:
    trees: Trees

    basis = Basis.LEARNED


Simple = Momentum | FirstGuess
Order = Simple | Learned


@dataclass(frozen=True, slots=True)
class Training:
    """What was chosen, and the quality (nDCG@10 on the last moment) of everything that was tried."""

    order: Order
    reached: dict[str, float] = field(default_factory=dict)


def feature_names(columns: Sequence[str]) -> tuple[str, ...]:
    """Each column as it is, each relative to the best person, and what is the same for all people of a gig."""
    return (*columns, *(f"{name}/best" for name in columns), "gig_history", "gig_skills")


def features(experience: Experience, gig: Gig, evidence: Evidence, people: NDArray[np.intp]) -> Floats:
    """Rows for `people` (places), columns as `feature_names`."""
    plain = np.stack([column[people] for column in evidence.columns.values()], axis=1)
    same = np.tile(np.array([len(experience.past) / 1000, len(gig.skills)], np.float32), (len(people), 1))
    return np.concatenate([np.log1p(np.maximum(0, plain)), plain / evidence.best, same], axis=1).astype(
        np.float32
    )


def looked_at(evidence: Evidence, limit: int = LOOKED_AT) -> NDArray[np.intp]:
    return best_first(evidence.first_guess, limit)


@dataclass(frozen=True, slots=True)
class _Case:
    """One gig that followed a moment: its people, their grades, and all grades (some people may not be among those)."""

    moment: float  # both as a share of all past gigs
    happened: float
    rows: Floats
    grades: NDArray[np.int64]
    relevant: dict[int, int]


def train(segments: Sequence[Segment], *, rounds: int = 150) -> Training:
    """The best of the orders; the same data give the same result."""
    cases = [case for segment in segments for case in _cases(segment, MOMENTS)]
    last = [case for case in cases if case.moment == LAST]
    simple: dict[str, Simple] = {"first guess": FirstGuess()}
    simple |= {f"momentum {half_life:g}": Momentum(half_life) for half_life in HALF_LIVES}
    # Orders that learn nothing can be compared on every moment; what learns, only on the one it has not seen.
    reached = {name: _reached_simply(segments, cases, order, MOMENTS) for name, order in simple.items()}
    best = max(simple, key=lambda name: reached[name])
    before = [case for case in cases if case.moment < LAST and case.happened < LAST]
    if sum(bool(case.grades.any()) for case in before) < FEWEST_GROUPS:
        return Training(simple[best], reached)
    trees = _fit(before, _columns(segments), rounds)
    reached["learned, on the last"] = _reached(last, [trees.scores(case.rows) for case in last])
    reached[f"{best}, on the last"] = _reached_simply(segments, last, simple[best], (LAST,))
    if reached["learned, on the last"] <= reached[f"{best}, on the last"]:
        return Training(simple[best], reached)
    return Training(Learned(_fit(cases, _columns(segments), rounds)), reached)


def _cases(segment: Segment, moments: Sequence[float]) -> Iterator[_Case]:
    whole = len(segment.past)
    for moment in moments:
        now = int(whole * moment)
        if now < 2:
            continue
        experience = segment.until(now)
        for place in range(now, min(whole, now + int(whole * FOLLOWING))):
            past = segment.past[place]
            relevant = _grades(experience, past)
            if not relevant:
                continue
            evidence = experience.evidence(past.gig, segment.vector(place))
            people = looked_at(evidence)
            grades = np.array([relevant.get(person, 0) for person in people.tolist()])
            rows = features(experience, past.gig, evidence, people)
            yield _Case(moment, place / whole, rows, grades, relevant)


def _reached_simply(
    segments: Sequence[Segment], cases: Sequence[_Case], order: Simple, moments: Sequence[float]
) -> float:
    if isinstance(order, FirstGuess):  # the order in which cases hold their people
        return _reached(cases, [-np.arange(len(case.grades), dtype=float) for case in cases])
    found: list[float] = []
    for segment in segments:
        whole = len(segment.past)
        for moment in moments:
            now = int(whole * moment)
            if now < 2:
                continue
            experience = segment.until(now)
            listed = best_first(order.order(experience), LISTED).tolist()
            for past in segment.past[now : now + int(whole * FOLLOWING)]:
                grades = _grades(experience, past)
                if grades:
                    found.append(
                        ndcg([grades.get(person, 0) for person in listed], list(grades.values()), LISTED)
                    )
    return float(np.mean(found)) if found else 0.0


def _grades(experience: Experience, past: PastGig) -> dict[int, int]:
    """Of people who were known; nobody could have listed the others."""
    return {
        experience.place[outcome.person]: GRADE_CHOSEN if outcome.was_chosen else GRADE_TOOK
        for outcome in past.outcomes
        if outcome.person in experience.place
    }


def _columns(segments: Sequence[Segment]) -> tuple[str, ...]:
    first = segments[0]
    return feature_names(
        tuple(first.until(len(first.past)).evidence(first.past[0].gig, first.vector(0)).columns)
    )


def _fit(cases: Sequence[_Case], names: tuple[str, ...], rounds: int) -> Trees:
    useful = [case for case in cases if case.grades.any()]
    return fit_trees(
        np.concatenate([case.rows for case in useful]),
        np.concatenate([case.grades for case in useful]),
        [len(case.grades) for case in useful],
        names,
        rounds=rounds,
    )


def _reached(cases: Sequence[_Case], scores: Sequence[NDArray[np.floating]]) -> float:
    found = [
        ndcg(
            case.grades[best_first(np.asarray(score), LISTED)].tolist(), list(case.relevant.values()), LISTED
        )
        for case, score in zip(cases, scores, strict=True)
    ]
    return float(np.mean(found)) if found else 0.0
