"""What people did, as numbers: how much speaks for each person, for one gig.

Everything ages: what was done `h` gigs ago counts half of what is done now, for several half-lives h. Ages are counted in gigs,
not days, so that a slow market forgets no faster than a busy one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ranking.documents import Gig, PastGig
from ranking.embedding import Encoder
from ranking.nearest import Vectors
from ranking.text import WORD, Numbers, Sparse, best_first, bm25, joined, meeting, stop_words, unit

Floats = NDArray[np.float32]

NEAREST = 60
LOOKED_AT = 150
HALF_LIVES = (40, 120, 400)
LONG = 400
# Likeness is looked for among so many of the newest past gigs: older ones would count less than 2^-50 of a new one.
REMEMBERED = 20_000
PROVEN = 0.3
AT_A_TIME = 65_536
TOKENS = 128
TINY = 1e-9

WORDS = ("words_120", "words_400", "words_inf", "words_chosen", "words_worth")
SKILLS = (
    *("skill_40", "skill_120", "skill_400", "skill_inf", "skill_chosen", "skill_worth"),
    *("skills_depth", "skills_cover", "skills_share"),
)
MEANING = (
    *("meaning_40", "meaning_120", "meaning_400", "meaning_inf", "meaning_chosen", "meaning_worth"),
    "meaning_profile",
)


def words_of(gig: Gig) -> str:
    """What is compared by words; title and skills count twice."""
    return joined([gig.title, gig.title, gig.text, *gig.skills, *gig.skills])


def sentence_of(gig: Gig) -> str:
    return f"{gig.title}. {gig.text}"


def vectors_of(gigs: Sequence[Gig], encoder: Encoder | None) -> Floats | None:
    return None if encoder is None else encoder.encode([sentence_of(gig) for gig in gigs], tokens=TOKENS)


@dataclass(frozen=True, slots=True)
class Glance:
    """For one gig: past gigs that are like it, and a first guess of its people, which is all that is computed for everybody."""

    gig: Gig
    near: NDArray[np.intp]  # past gigs by place, and what each counts, by words
    near_weights: Numbers
    close: NDArray[np.intp] | None  # by meaning
    close_weights: Numbers | None
    direction: Floats | None
    gained: tuple[int, int] | None  # a person and a skill, by place
    first_guess: Floats  # orders people well enough to choose whom the model looks at
    first: NDArray[np.intp]  # people by place, best guess first


@dataclass(frozen=True, slots=True)
class Evidence:
    """For one gig: a row of numbers, none negative, for each of `people` (places)."""

    gig: Gig
    people: NDArray[np.intp]
    table: Floats
    best: Floats  # of each column, among those whom the first guess puts first


class Experience:
    """Of past gigs in the order of time. Does not change; made anew when enough has happened."""

    def __init__(self, past: Sequence[PastGig], vectors: Floats | None = None) -> None:
        self.past = list(past)
        self.people = sorted({outcome.person for each in past for outcome in each.outcomes})
        self.place = {person: place for place, person in enumerate(self.people)}
        self._took, self._chosen, self._worth, self._done_by_person = _outcomes(self.past, self.place)
        self._forgotten = max(0, len(past) - REMEMBERED)
        self._words = _Words([words_of(each.gig) for each in self.past[self._forgotten :]])
        self._ages = len(past) - 1 - np.arange(len(past), dtype=np.float64)
        self._decay = {str(half): 0.5 ** (self._ages / half) for half in HALF_LIVES}
        self._decay["inf"] = np.ones(len(past))
        self._worth_share = _shares(self._worth)
        self._skills = _SkillRecord(
            self.past, self._decay, self._took, self._chosen.data, self._worth_share.data
        )
        self.counts: Floats = np.asarray(self._took.sum(axis=0)).ravel().astype(np.float32)
        standing = self._standing_columns()
        self._standing_names = tuple(standing)
        self._standing = np.stack(list(standing.values()), axis=1)
        # Alike for every gig, and as long as there are people: looked through once.
        self._standing_best = self._standing.max(axis=0, initial=0.0) + TINY
        activity = standing["activity_120"]
        self._active: Floats = activity * np.float32(0.5 / (activity.max(initial=0.0) + TINY))
        self._vectors: Vectors | None = None
        if vectors is not None:
            # A copy, so that those of forgotten gigs can be given back.
            self._vectors = Vectors.of(vectors[self._forgotten :].copy())
            self._centres = self._centres_of(vectors, self._vectors)

    @property
    def has_vectors(self) -> bool:
        return self._vectors is not None

    @property
    def columns(self) -> tuple[str, ...]:
        """What the numbers of evidence are called."""
        return self._standing_names + WORDS + SKILLS + (MEANING if self.has_vectors else ())

    def glance(self, gig: Gig, vector: Floats | None) -> Glance:
        """Raises ValueError if there is no vector but those of past gigs: numbers would be missing."""
        near, likeness = self._words.nearest(words_of(gig))
        near = near + self._forgotten
        weights = (likeness / (likeness.max(initial=0.0) + TINY)) ** 2
        close = close_weights = direction = None
        if self._vectors is not None:
            if vector is None:
                raise ValueError("past gigs have vectors, this one has none")
            close, cosine = self._vectors.nearest(vector, NEAREST)
            close = close + self._forgotten
            close_weights = np.exp((cosine - cosine.max(initial=-1.0)) * 10)
            direction = self._vectors.seen(vector)
        guess = self._first_guess(gig, near, weights, None)
        first = best_first(guess, LOOKED_AT)
        return Glance(gig, near, weights, close, close_weights, direction, None, guess, first)

    def supposing(self, glance: Glance, person: str, skill: str) -> Glance:
        """As if that person had done one more gig with that skill just now."""
        gained = (self.place[person], self._skills.place.get(skill, -1))
        guess = self._first_guess(glance.gig, glance.near, glance.near_weights, gained)
        return replace(glance, gained=gained, first_guess=guess, first=best_first(guess, LOOKED_AT))

    def evidence(self, glance: Glance, people: NDArray[np.intp] | None = None) -> Evidence:
        """Of these people (default: those whom the first guess puts first)."""
        first = glance.first
        people = first if people is None else people
        everybody, at = np.unique(np.concatenate([first, people]), return_inverse=True)
        table = self._table(glance, everybody)
        best = table[at[: len(first)]].max(axis=0, initial=0.0) + np.float32(TINY)
        best[: len(self._standing_best)] = self._standing_best
        return Evidence(glance.gig, people, table[at[len(first) :]], best)

    def _first_guess(
        self, gig: Gig, near: NDArray[np.intp], weights: Numbers, gained: tuple[int, int] | None
    ) -> Floats:
        guess = self._active.copy()
        skilled = self._skills.total(gig.skills, "120", gained)
        guess += skilled * np.float32(1 / (skilled.max(initial=0.0) + TINY))
        cells, of_gig = self._cells(near)
        voted = np.bincount(
            self._took.indices[cells], (weights * self._decay["400"][near])[of_gig], minlength=len(guess)
        ).astype(np.float32)
        guess += voted * np.float32(0.5 / (voted.max(initial=0.0) + TINY))
        return guess

    def _table(self, glance: Glance, people: NDArray[np.intp]) -> Floats:
        parts = [
            self._standing[people],
            self._votes(people, glance.near, glance.near_weights, ("120", "400", "inf")),
            self._skills.table(glance.gig.skills, people, glance.gained),
        ]
        if glance.close is not None and glance.close_weights is not None and glance.direction is not None:
            halves = ("40", "120", "400", "inf")
            parts.append(self._votes(people, glance.close, glance.close_weights, halves))
            parts.append(np.maximum(0, self._centres[people] @ glance.direction)[:, None])
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def standing(self, *, half_life: float) -> NDArray[np.float64]:
        """Worth of what each person did, aged: who is doing well lately, whatever the gig."""
        return np.asarray(self._worth.T @ (0.5 ** (self._ages / half_life)))

    def gigs_of(self, person: str) -> list[int]:
        """Past gigs whose work this person brought to an end, by place."""
        place = self.place.get(person)
        if place is None:
            return []
        done = self._done_by_person
        gigs: list[int] = done.indices[done.indptr[place] : done.indptr[place + 1]].tolist()
        return gigs

    def newcomers(self, most: int) -> frozenset[str]:
        """People with at most so many past gigs."""
        return frozenset(
            person for person, count in zip(self.people, self.counts.tolist(), strict=True) if count <= most
        )

    def _cells(self, gigs: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where who took part in these gigs stands in the matrices of outcomes, and to which of the gigs each belongs."""
        starts, ends = self._took.indptr[gigs], self._took.indptr[gigs + 1]
        return _ranges(starts, ends), np.repeat(np.arange(len(gigs)), ends - starts)

    def _centres_of(self, vectors: Floats, seen_by: Vectors) -> Floats:
        """Whereto each person's past gigs point, as much of it as is kept; of so many at a time that memory is not doubled."""
        by_person = self._took.T.tocsr().astype(np.float32)
        by_person.data *= self._decay[str(LONG)].astype(np.float32)[by_person.indices]
        starts = range(0, max(1, len(self.people)), AT_A_TIME)
        return np.concatenate(
            [seen_by.seen(unit(by_person[start : start + AT_A_TIME] @ vectors)) for start in starts]
        )

    def _votes(
        self, people: NDArray[np.intp], gigs: NDArray[np.intp], weights: Numbers, halves: Sequence[str]
    ) -> Floats:
        """How much alike past gigs of each person count, by half-life; then of those they were chosen for; then their share."""
        cells, of_gig = self._cells(gigs)
        at, who = meeting(people, self._took.indices[cells])
        cells, of_gig = cells[at], of_gig[at]
        long = (weights * self._decay[str(LONG)][gigs])[of_gig]
        kinds = [(weights * self._decay[half][gigs])[of_gig] for half in halves]
        kinds += [long * self._chosen.data[cells], long * self._worth_share.data[cells]]
        return np.stack([np.bincount(who, kind, minlength=len(people)) for kind in kinds], axis=1)

    def _standing_columns(self) -> dict[str, Floats]:
        took, counts = self._took, self.counts
        columns = {f"activity_{half}": _sum(took, decay) for half, decay in self._decay.items()}
        columns["record_chosen"] = _sum(self._chosen, self._decay[str(LONG)])
        columns["record_rate"] = _floats((np.asarray(self._chosen.sum(axis=0)).ravel() + 1) / (counts + 3))
        columns["record_worth"] = _floats(
            (np.asarray(self._worth_share.sum(axis=0)).ravel() + 1) / (counts + 3)
        )
        pairs = took.tocoo()
        last = np.full(took.shape[1], float(len(self.past)))
        np.minimum.at(last, pairs.col, self._ages[pairs.row])
        columns["activity_last"] = _floats(np.log1p(last))
        columns["activity_trend"] = columns["activity_40"] / (columns["activity_400"] + 0.3)
        return columns


class _Words:
    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import CountVectorizer

        self._counter = CountVectorizer(token_pattern=WORD, stop_words=sorted(stop_words()))
        try:
            counts = self._counter.fit_transform(texts)
        except ValueError:  # no text holds a word
            self._counter, counts = None, sp.csr_matrix((len(texts), 1), dtype=np.float32)
        self._by_term = bm25(counts).T.tocsr()
        self._analyse = self._counter.build_analyzer() if self._counter else None

    def nearest(self, text: str) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        if self._counter is None or self._analyse is None:
            return np.empty(0, np.intp), np.empty(0)
        known = self._counter.vocabulary_
        rows = sorted({known[word] for word in self._analyse(text) if word in known})
        scores = np.zeros(self._by_term.shape[1])
        matrix = self._by_term
        for row in rows:
            start, end = matrix.indptr[row], matrix.indptr[row + 1]
            scores[matrix.indices[start:end]] += matrix.data[start:end]
        near = best_first(scores, NEAREST)
        near = near[scores[near] > 0]
        return near, scores[near]


class _SkillRecord:
    """For each skill, who did gigs with it, aged: short lists in the order of people, so that a gig's few skills cost little."""

    def __init__(
        self,
        past: Sequence[PastGig],
        decay: dict[str, Numbers],
        took: Sparse,
        chosen: Numbers,
        worth_share: Numbers,
    ) -> None:
        names = sorted({skill for each in past for skill in each.gig.skills})
        self.place = {name: place for place, name in enumerate(names)}
        pairs = [(self.place[s], row) for row, each in enumerate(past) for s in sorted(set(each.gig.skills))]
        skills, gigs = np.array(pairs, np.intp).reshape(-1, 2).T
        self._rarity = np.log(1 + len(past) / (1 + np.bincount(skills, minlength=len(names))))
        self._unseen = float(np.log(1 + len(past)))
        # One cell for each skill of a gig and each who took part in it; then one for each skill and person.
        starts, ends = took.indptr[gigs], took.indptr[gigs + 1]
        outcomes = _ranges(starts, ends)
        skills, gigs = np.repeat(skills, ends - starts), np.repeat(gigs, ends - starts)
        self._answers = np.bincount(skills, minlength=len(names)) + 1
        keys, cell = np.unique(skills * took.shape[1] + took.indices[outcomes], return_inverse=True)
        long = decay[str(LONG)][gigs]
        kinds = [ages[gigs] for ages in decay.values()]
        kinds += [long * chosen[outcomes], long * worth_share[outcomes]]
        self._numbers = np.stack([np.bincount(cell, kind) for kind in kinds], axis=1, dtype=np.float32)
        self._who = (keys % took.shape[1]).astype(np.int32)
        self._starts = np.searchsorted(keys, np.arange(len(names) + 1) * took.shape[1])
        self._column = {half: column for column, half in enumerate(decay)}
        self._people = took.shape[1]

    def total(self, skills: Sequence[str], half: str, gained: tuple[int, int] | None) -> Floats:
        """For everybody: how much they did with the skills, rare ones counting more."""
        column, whole = np.zeros(self._people, np.float32), self._whole(skills)
        for skill in self._known(skills):
            share = np.float32(self._rarity[skill] / whole)
            start, end = self._starts[skill : skill + 2]
            column[self._who[start:end]] += self._numbers[start:end, self._column[half]] * share
            if gained is not None and gained[1] == skill:
                column[gained[0]] += share
        return column

    def table(
        self, skills: Sequence[str], people: NDArray[np.intp], gained: tuple[int, int] | None
    ) -> Floats:
        """As `SKILLS` names the columns."""
        aged, whole = len(self._column), self._whole(skills)
        table = np.zeros((len(people), len(SKILLS)), np.float32)
        for skill in self._known(skills):
            start, end = self._starts[skill : skill + 2]
            at, where = meeting(self._who[start:end], people)
            numbers = np.zeros((len(people), self._numbers.shape[1]), np.float32)
            numbers[at] = self._numbers[start:end][where]
            if gained is not None and gained[1] == skill:
                numbers[people == gained[0], :aged] += 1.0
            lately = numbers[:, self._column[str(LONG)]]
            share = np.float32(self._rarity[skill] / whole)
            table[:, :-3] += numbers * share
            table[:, -3] += lately / (lately + 1) * share
            table[:, -2] += (lately > PROVEN) * share
            table[:, -1] += lately * np.float32(self._rarity[skill] / self._answers[skill])
        return table

    def _known(self, skills: Sequence[str]) -> list[int]:
        return [self.place[skill] for skill in sorted(set(skills)) if skill in self.place]

    def _whole(self, skills: Sequence[str]) -> float:
        """A skill nobody has ever worked with is part of what the gig needs."""
        known = self._known(skills)
        unseen = len(set(skills)) - len(known)
        return float(sum(self._rarity[skill] for skill in known) + self._unseen * unseen + TINY)


def _outcomes(past: Sequence[PastGig], place: dict[str, int]) -> tuple[Sparse, Sparse, Sparse, Sparse]:
    """Gigs × people: who took part, who was chosen, for how much; and gigs whose work was done, by person."""
    cells = [
        (row, place[outcome.person], float(outcome.was_chosen), outcome.worth, float(outcome.was_done))
        for row, each in enumerate(past)
        for outcome in each.outcomes
    ]
    rows, columns, chosen, worth, done = np.array(cells, float).reshape(-1, 5).T
    shape = (len(past), len(place))
    at = (rows.astype(np.intp), columns.astype(np.intp))
    took, best, much, ended = (
        sp.csr_matrix((numbers, at), shape=shape) for numbers in (np.ones(len(cells)), chosen, worth, done)
    )
    ended.eliminate_zeros()
    by_person = ended.tocsc()
    by_person.sort_indices()
    return took, best, much, by_person


def _shares(worth: Sparse) -> Sparse:
    """Each gig's worth divided among those who took part."""
    whole = np.asarray(worth.sum(axis=1)).ravel()
    shares = worth.copy()  # of the same structure, cell by cell
    shares.data = worth.data / np.repeat(np.where(whole > 0, whole, 1.0), np.diff(worth.indptr))
    return shares


def _ranges(starts: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.intp]:
    """All numbers from each start to before its end, one range after the other."""
    lengths = ends - starts
    offsets = np.cumsum(lengths) - lengths
    ranges: NDArray[np.intp] = np.arange(int(lengths.sum())) + np.repeat(starts - offsets, lengths)
    return ranges


def _sum(matrix: Sparse, weights: NDArray[np.float64]) -> Floats:
    return _floats(matrix.T @ weights)


def _floats(numbers: Any) -> Floats:
    return np.asarray(numbers, np.float32)
