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
from ranking.experience import Evidence, Experience, Floats, Glance
from ranking.metrics import ndcg
from ranking.text import best_first
from ranking.trees import Trees, fit_trees

MOMENTS = (0.4, 0.5, 0.6, 0.7, 0.75)
LAST, BEFORE_LAST = 0.75, 0.7
FOLLOWING = 0.25  # of all past gigs: how far behind the state may be when it serves
FEWEST_GROUPS = 200
ROUNDS = 150
# The second head: how it went must be known of so many; how much it counts is tried.
FEWEST_WELL = 100
WELL_ROUNDS = 60
WELL_WEIGHTS = (0.25, 0.5, 1.0)
HALF_LIVES = (3.0, 5.0, 8.0, 15.0, 40.0, 120.0)
GRADE_CHOSEN, GRADE_TOOK = 2, 1
LISTED = 10
# Of those who were shown and did nothing, for each gig: hundreds say no more, and each costs a row.
SHOWN_AT_MOST = 150

Progress = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many steps of it are."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Past gigs, in the order of time, of people who compete with each other; and their vectors if there is an encoder."""

    past: tuple[PastGig, ...]
    vectors: Floats | None = None

    @classmethod
    def of(cls, past: Sequence[PastGig], encode: Callable[[Sequence[Gig]], Floats | None]) -> Segment:
        return cls(tuple(past), encode([each.gig for each in past]))

    def until(self, end: int) -> Experience:
        """What was known when the gig at `end` was published: outcomes that came later are not in it."""
        past: Sequence[PastGig] = self.past[:end]
        if end < len(self.past):
            now = self.past[end].gig.at
            past = [each.known_at(now) for each in past]
        return Experience(past, None if self.vectors is None else self.vectors[:end])

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
    """What was chosen, and the quality (nDCG@10 on the last moment) of everything that was tried.

    `measured` gigs were in the last moment, `new` of them after the model in use was trained.
    """

    order: Order
    reached: dict[str, float] = field(default_factory=dict)
    measured: int = 0
    new: int = 0
    second: float = 0.0


def feature_names(columns: Sequence[str]) -> tuple[str, ...]:
    """Each column as it is, each relative to the best person, and what is the same for all people of a gig."""
    return (*columns, *(f"{name}/best" for name in columns), "gig_history", "gig_skills")


def features(experience: Experience, evidence: Evidence) -> Floats:
    """Rows for the people of the evidence, columns as `feature_names`."""
    table = evidence.table
    rows = np.empty((len(table), 2 * table.shape[1] + 2), np.float32)
    np.log1p(table, out=rows[:, : table.shape[1]])
    np.divide(table, evidence.best, out=rows[:, table.shape[1] : -2])
    rows[:, -2:] = len(experience.past) / 1000, len(evidence.gig.skills)
    return rows


@dataclass(frozen=True, slots=True)
class _Case:
    """One gig that followed a moment: its people, their grades, and all grades (some people may not be among those)."""

    moment: float  # both as a share of all past gigs
    happened: float
    at: float  # when, in days
    rows: Floats
    grades: NDArray[np.int64]
    well: Floats  # whether it went well with each, 1 or 0; NaN: not known
    relevant: dict[int, int]
    by_momentum: tuple[float, ...]  # what each of HALF_LIVES reached


def train(
    segments: Sequence[Segment],
    *,
    rounds: int = ROUNDS,
    in_use: Trees | None = None,
    since: float = -np.inf,
    on_progress: Progress = lambda what, done, of: None,
) -> Training:
    """The best of the orders; the same data give the same result.

    `in_use` is compared on what happened after `since`, when it was trained: before that it knows the answers.
    """
    cases = list(_all_cases(segments, on_progress))
    last = [case for case in cases if case.moment == LAST]
    simple: dict[str, Simple] = {"first guess": FirstGuess()}
    simple |= {f"momentum {half_life:g}": Momentum(half_life) for half_life in HALF_LIVES}
    # Orders that learn nothing can be compared on every moment; what learns, only on the one it has not seen.
    reached = {name: _reached_simply(cases, order) for name, order in simple.items()}
    best = max(simple, key=lambda name: reached[name])
    before = [case for case in cases if case.moment < LAST and case.happened < LAST]
    if sum(bool(case.grades.any()) for case in before) < FEWEST_GROUPS:
        return Training(simple[best], reached)
    names = _columns(segments)
    on_progress("trees", 0, 3)
    weight = _weight_of_second(before, names, rounds)
    on_progress("trees", 1, 3)
    trees = _fit(before, names, rounds, weight)
    on_progress("trees", 2, 3)
    reached["learned, on the last"] = _reached_by(trees, last)
    reached[f"{best}, on the last"] = _reached_simply(last, simple[best])
    new = [case for case in last if case.at > since]
    if in_use is not None and in_use.names == names:
        reached["learned, since"] = _reached_by(trees, new)
        reached["in use, since"] = _reached_by(in_use, new)
    if reached["learned, on the last"] <= reached[f"{best}, on the last"]:
        return Training(simple[best], reached, len(last), len(new))
    order = Learned(_fit(cases, names, rounds, weight))
    on_progress("trees", 3, 3)
    return Training(order, reached, len(last), len(new), weight)


def _all_cases(segments: Sequence[Segment], on_progress: Progress) -> Iterator[_Case]:
    done, of = 0, len(segments) * len(MOMENTS)
    for segment in segments:
        for moment in MOMENTS:
            on_progress("moments of the past", done, of)
            yield from _cases(segment, moment)
            done += 1
    on_progress("moments of the past", done, of)


def _cases(segment: Segment, moment: float) -> Iterator[_Case]:
    whole = len(segment.past)
    now = int(whole * moment)
    if now < 2:
        return
    experience = segment.until(now)
    listed = [best_first(Momentum(half).order(experience), LISTED).tolist() for half in HALF_LIVES]
    for place in range(now, min(whole, now + int(whole * FOLLOWING))):
        past = segment.past[place]
        relevant = _grades(experience, past)
        if not relevant:
            continue
        glance = experience.glance(past.gig, segment.vector(place))
        evidence = experience.evidence(glance, _with_shown(experience, glance, past))
        people = evidence.people.tolist()
        well = {
            experience.place[each.person]: float(each.went_well)
            for each in past.outcomes
            if each.went_well is not None and each.person in experience.place
        }
        yield _Case(
            moment,
            place / whole,
            past.gig.at,
            features(experience, evidence),
            np.array([relevant.get(person, 0) for person in people]),
            np.array([well.get(person, np.nan) for person in people], np.float32),
            relevant,
            tuple(_gain(relevant, people_listed) for people_listed in listed),
        )


def _gain(relevant: dict[int, int], listed: Sequence[int]) -> float:
    return ndcg([relevant.get(person, 0) for person in listed], list(relevant.values()), LISTED)


def _with_shown(experience: Experience, glance: Glance, past: PastGig) -> NDArray[np.intp]:
    """Who was shown and did nothing says as much as who was not looked at by the first guess; the likeliest of them."""
    shown = {experience.place[name] for name in past.shown if name in experience.place}
    more = np.array(sorted(shown.difference(glance.first.tolist())), np.intp)
    return np.concatenate([glance.first, more[best_first(glance.first_guess[more], SHOWN_AT_MOST)]])


def _reached_simply(cases: Sequence[_Case], order: Simple) -> float:
    if isinstance(order, FirstGuess):  # the order in which cases hold their people
        return _reached(cases, [-np.arange(len(case.grades), dtype=float) for case in cases])
    at = HALF_LIVES.index(order.half_life)
    return float(np.mean([case.by_momentum[at] for case in cases])) if cases else 0.0


def _grades(experience: Experience, past: PastGig) -> dict[int, int]:
    """Of people who were known; nobody could have listed the others."""
    return {
        experience.place[outcome.person]: GRADE_CHOSEN
        if outcome.was_chosen and outcome.went_well is not False
        else GRADE_TOOK
        for outcome in past.outcomes
        if outcome.person in experience.place
    }


def _columns(segments: Sequence[Segment]) -> tuple[str, ...]:
    return feature_names(segments[0].until(2).columns)


def _fit(cases: Sequence[_Case], names: tuple[str, ...], rounds: int, second: float) -> Trees:
    """Who will take it, plus `second` times who will do it well."""
    takes, well, rows = _heads(cases, names, rounds, with_second=second > 0)
    return takes if well is None else takes.plus(well, second, rows)


def _heads(
    cases: Sequence[_Case], names: tuple[str, ...], rounds: int, *, with_second: bool
) -> tuple[Trees, Trees | None, Floats]:
    """And the rows that they were trained on."""
    useful = [case for case in cases if case.grades.any()]
    rows = np.concatenate([case.rows for case in useful])
    grades = np.concatenate([case.grades for case in useful])
    takes = fit_trees(rows, grades, [len(case.grades) for case in useful], names, rounds=rounds)
    well = np.concatenate([case.well for case in useful])
    if not with_second or not _is_enough(well):
        return takes, None, rows
    known = ~np.isnan(well)
    labels = well[known].astype(np.int64)
    head = fit_trees(rows[known], labels, [len(labels)], names, rounds=WELL_ROUNDS, objective="binary")
    return takes, head, rows


def _is_enough(well: Floats) -> bool:
    good, bad = int((well == 1).sum()), int((well == 0).sum())
    return good + bad >= FEWEST_WELL and min(good, bad) >= FEWEST_WELL // 10


def _weight_of_second(cases: Sequence[_Case], names: tuple[str, ...], rounds: int) -> float:
    """What orders best at a moment before the last one; 0 unless the second head helps."""
    before = [case for case in cases if case.moment < BEFORE_LAST and case.happened < BEFORE_LAST]
    after = [case for case in cases if case.moment == BEFORE_LAST]
    if not before or not after or not _is_enough(np.concatenate([case.well for case in before])):
        return 0.0
    takes, well, rows = _heads(before, names, rounds, with_second=True)
    if well is None:
        return 0.0
    reached = {0.0: _reached_by(takes, after)}
    reached |= {weight: _reached_by(takes.plus(well, weight, rows), after) for weight in WELL_WEIGHTS}
    return max(reached, key=lambda weight: (reached[weight], -weight))


def _reached_by(trees: Trees, cases: Sequence[_Case]) -> float:
    return _reached(cases, [trees.scores(case.rows) for case in cases])


def _reached(cases: Sequence[_Case], scores: Sequence[NDArray[np.floating]]) -> float:
    found = [
        ndcg(
            case.grades[best_first(np.asarray(score), LISTED)].tolist(), list(case.relevant.values()), LISTED
        )
        for case, score in zip(cases, scores, strict=True)
    ]
    return float(np.mean(found)) if found else 0.0
