"""What people did, as numbers: how much speaks for each person, for one gig.

Everything ages: what was done `h` gigs ago counts half of what is done now, for several half-lives h. Ages are counted in gigs,
not days, so that a slow market forgets no faster than a busy one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ranking.documents import Gig, PastGig
from ranking.embedding import Encoder
from ranking.text import WORD, Sparse, best_first, bm25, joined, stop_words, unit

Floats = NDArray[np.float32]

NEAREST = 60
HALF_LIVES = (40, 120, 400)
LONG = 400
# Vectors of more past gigs than this are searched coarsely first, by their most telling directions.
EXACT_VECTORS = 20_000
COARSE_DIMENSIONS = 64
COARSE_KEPT = 500
COMMON = 0.1
PROVEN = 0.3
TOKENS = 128


def words_of(gig: Gig) -> str:
    """What is compared by words; title and skills count twice."""
    return joined([gig.title, gig.title, gig.text, *gig.skills, *gig.skills])


def sentence_of(gig: Gig) -> str:
    return f"{gig.title}. {gig.text}"


def vectors_of(gigs: Sequence[Gig], encoder: Encoder | None) -> Floats | None:
    return None if encoder is None else encoder.encode([sentence_of(gig) for gig in gigs], tokens=TOKENS)


@dataclass(frozen=True, slots=True)
class Evidence:
    """For one gig: a column of numbers per named feature over all people of the experience, none negative."""

    columns: dict[str, Floats]
    best: Floats  # of each column
    first_guess: Floats  # orders people well enough to choose whom the model looks at
    similar: tuple[
        tuple[int, float], ...
    ]  # past gigs by place, with how similar their words are (1 for the nearest)


class Experience:
    """Of past gigs in the order of time. Does not change; made anew when enough has happened."""

    def __init__(self, past: Sequence[PastGig], vectors: Floats | None = None) -> None:
        self.past = list(past)
        self.people = sorted({outcome.person for each in past for outcome in each.outcomes})
        self.place = {person: place for place, person in enumerate(self.people)}
        self._took, self._chosen, self._worth = _outcomes(self.past, self.place)
        self._took_by_person = self._took.tocsc()
        self._words = _Words([words_of(each.gig) for each in past])
        self._ages = len(past) - 1 - np.arange(len(past), dtype=np.float64)
        self._decay = {str(half): 0.5 ** (self._ages / half) for half in HALF_LIVES}
        self._decay["inf"] = np.ones(len(past))
        self._skills = _SkillRecord(self.past, self._decay, self._took, self._chosen, self._worth)
        self.counts: Floats = np.asarray(self._took.sum(axis=0)).ravel().astype(np.float32)
        self._standing = self._standing_columns()
        # Alike for every gig, and as long as there are people: looked through once.
        self._standing_best = {
            name: column.max(initial=0.0) + 1e-9 for name, column in self._standing.items()
        }
        self._vectors = vectors
        if vectors is not None:
            weighted = sp.diags(self._decay[str(LONG)]) @ vectors
            self._centres = unit(self._took.T @ weighted).astype(np.float32)
            self._coarse = _Coarse(vectors) if len(vectors) > EXACT_VECTORS else None
            if self._coarse is not None:
                # All people are compared for every gig: a sixth of the numbers to read through.
                self._centres = self._coarse.projected(self._centres)

    @property
    def has_vectors(self) -> bool:
        return self._vectors is not None

    def evidence(self, gig: Gig, vector: Floats | None, *, gained: tuple[str, str] | None = None) -> Evidence:
        """For every person. `gained` (person, skill) supposes one more gig with that skill, done now by that person."""
        columns: dict[str, Floats] = {}
        near, likeness = self._words.nearest(words_of(gig))
        weights = (likeness / (likeness.max(initial=0.0) + 1e-9)) ** 2
        self._votes(columns, "words", near, weights, ("120", "400", "inf"))
        self._skills.columns(
            columns, gig.skills, None if gained is None else (self.place.get(gained[0]), gained[1])
        )
        if vector is not None and self._vectors is not None:
            close, cosine = self._nearest_vectors(vector)
            self._votes(
                columns,
                "meaning",
                close,
                np.exp((cosine - cosine.max(initial=-1.0)) * 10),
                ("40", "120", "400", "inf"),
            )
            columns["meaning_profile"] = np.maximum(0, self._centres @ self._seen(vector))
        best = {
            name: column.max(initial=0.0) + 1e-9 for name, column in columns.items()
        } | self._standing_best
        columns.update(self._standing)
        guess = sum(
            columns[name] * np.float32(weight / best[name])
            for name, weight in (("skill_120", 1.0), ("words_400", 0.5), ("activity_120", 0.5))
        )
        return Evidence(
            columns,
            _floats([best[name] for name in columns]),
            np.asarray(guess, np.float32),
            tuple(zip(near.tolist(), weights.tolist(), strict=True)),
        )

    def standing(self, *, half_life: float) -> NDArray[np.float64]:
        """Worth of what each person did, aged: who is doing well lately, whatever the gig."""
        return np.asarray(self._worth.T @ (0.5 ** (self._ages / half_life)))

    def gigs_of(self, person: str) -> list[int]:
        place = self.place.get(person)
        if place is None:
            return []
        by_person = self._took_by_person
        gigs: list[int] = by_person.indices[by_person.indptr[place] : by_person.indptr[place + 1]].tolist()
        return sorted(gigs)

    def newcomers(self, most: int) -> frozenset[str]:
        """People with at most so many past gigs."""
        return frozenset(
            person for person, count in zip(self.people, self.counts.tolist(), strict=True) if count <= most
        )

    def _votes(
        self,
        columns: dict[str, Floats],
        name: str,
        near: NDArray[np.intp],
        weights: NDArray[np.float64],
        halves: Sequence[str],
    ) -> None:
        starts, ends = self._took.indptr[near], self._took.indptr[near + 1]
        cells = np.concatenate(
            [np.arange(start, end) for start, end in zip(starts, ends, strict=True)] or [near]
        )
        who, of_gig = self._took.indices[cells], np.repeat(np.arange(len(near)), ends - starts)
        for half in halves:
            columns[f"{name}_{half}"] = self._per_person(who, (weights * self._decay[half][near])[of_gig])
        long = (weights * self._decay[str(LONG)][near])[of_gig]
        columns[f"{name}_chosen"] = self._per_person(who, long * self._chosen.data[cells])
        columns[f"{name}_worth"] = self._per_person(who, long * self._worth_share.data[cells])

    def _per_person(self, who: NDArray[np.intp], weights: NDArray[np.float64]) -> Floats:
        return _floats(np.bincount(who, weights, minlength=len(self.people)))

    def _seen(self, vector: Floats) -> Floats:
        return vector if self._coarse is None else self._coarse.projected(vector)

    def _nearest_vectors(self, vector: Floats) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        assert self._vectors is not None
        if self._coarse is None:
            cosines = self._vectors @ vector
            near = best_first(cosines, NEAREST)
            return near, cosines[near].astype(np.float64)
        kept = self._coarse.nearest(vector, COARSE_KEPT)
        cosines = self._vectors[kept] @ vector
        order = best_first(cosines, NEAREST)
        return kept[order], cosines[order].astype(np.float64)

    def _standing_columns(self) -> dict[str, Floats]:
        self._worth_share = _shares(self._worth)
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
        # Among many gigs, words in over a tenth of them say little and cost most.
        longest = len(scores) if len(scores) <= EXACT_VECTORS else COMMON * len(scores)
        for row in rows:
            start, end = matrix.indptr[row], matrix.indptr[row + 1]
            if end - start <= longest:
                scores[matrix.indices[start:end]] += matrix.data[start:end]
        near = best_first(scores, NEAREST)
        near = near[scores[near] > 0]
        return near, scores[near]


class _SkillRecord:
    """For each skill, who did gigs with it, aged: as short lists, so that a gig's few skills cost a few additions."""

    def __init__(
        self,
        past: Sequence[PastGig],
        decay: dict[str, NDArray[np.float64]],
        took: Sparse,
        chosen: Sparse,
        worth: Sparse,
    ) -> None:
        self.names = sorted({skill for each in past for skill in each.gig.skills})
        self._place = {name: place for place, name in enumerate(self.names)}
        pairs = [(self._place[s], row) for row, each in enumerate(past) for s in sorted(set(each.gig.skills))]
        rows, columns = np.array(pairs, np.intp).reshape(-1, 2).T
        holds = sp.csr_matrix(
            (np.ones(len(pairs)), (rows, columns)), shape=(max(1, len(self.names)), len(past))
        )
        gigs = np.asarray(holds.sum(axis=1)).ravel()
        self._rarity = np.log(1 + len(past) / (1 + gigs))
        self._unseen = float(np.log(1 + len(past)))
        self._lists = {half: (holds @ sp.diags(ages) @ took).tocsr() for half, ages in decay.items()}
        self._lists["chosen"] = (holds @ sp.diags(decay[str(LONG)]) @ chosen).tocsr()
        self._lists["worth"] = (holds @ sp.diags(decay[str(LONG)]) @ _shares(worth)).tocsr()
        self._answers = np.asarray(holds @ np.asarray(took.sum(axis=1)).ravel()).ravel() + 1
        self._people = took.shape[1]

    def columns(
        self, columns: dict[str, Floats], skills: Sequence[str], gained: tuple[int | None, str] | None
    ) -> None:
        known = [self._place[skill] for skill in sorted(set(skills)) if skill in self._place]
        # A skill nobody has ever worked with is part of what the gig needs.
        whole = (
            sum(self._rarity[row] for row in known) + self._unseen * (len(set(skills)) - len(known)) + 1e-9
        )
        for name, lists in self._lists.items():
            column = np.zeros(self._people, np.float32)
            for row in known:
                places, numbers = self._row(
                    lists, row, gained if name in ("40", "120", "400", "inf") else None
                )
                column[places] += numbers * (self._rarity[row] / whole)
            columns[f"skill_{name}"] = column
        depth, cover, share = np.zeros((3, self._people), np.float32)
        for row in known:
            places, numbers = self._row(self._lists[str(LONG)], row, gained)
            depth[places] += numbers / (numbers + 1) * (self._rarity[row] / whole)
            cover[places] += (numbers > PROVEN) * (self._rarity[row] / whole)
            share[places] += numbers * (self._rarity[row] / self._answers[row])
        columns["skills_depth"] = depth
        columns["skills_cover"] = cover
        columns["skills_share"] = share

    def _row(
        self, lists: Sparse, row: int, gained: tuple[int | None, str] | None
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        start, end = lists.indptr[row], lists.indptr[row + 1]
        places, numbers = lists.indices[start:end], lists.data[start:end]
        if gained is None or gained[0] is None or self._place.get(gained[1]) != row:
            return places, numbers
        at = np.flatnonzero(places == gained[0])
        if len(at):
            numbers = numbers.copy()
            numbers[at] += 1.0
            return places, numbers
        return np.append(places, gained[0]), np.append(numbers, 1.0)


class _Coarse:
    """Most telling directions of many vectors (principal components), to look at a few hundred closely."""

    def __init__(self, vectors: Floats) -> None:
        sample = vectors[:: max(1, len(vectors) // 10_000)]
        values, directions = np.linalg.eigh((sample.T @ sample).astype(np.float64))
        del values
        self._directions = directions[:, -COARSE_DIMENSIONS:].astype(np.float32)
        self._projected = self.projected(vectors)

    def projected(self, vectors: Floats) -> Floats:
        return np.ascontiguousarray(vectors @ self._directions)

    def nearest(self, vector: Floats, count: int) -> NDArray[np.intp]:
        scores = self._projected @ self.projected(vector)
        return best_first(scores, count)


def _outcomes(past: Sequence[PastGig], place: dict[str, int]) -> tuple[Sparse, Sparse, Sparse]:
    cells = [
        (row, place[outcome.person], float(outcome.was_chosen), outcome.worth)
        for row, each in enumerate(past)
        for outcome in each.outcomes
    ]
    rows, columns, chosen, worth = np.array(cells, float).reshape(-1, 4).T
    shape = (len(past), len(place))
    at = (rows.astype(np.intp), columns.astype(np.intp))
    took, best, much = (
        sp.csr_matrix((numbers, at), shape=shape) for numbers in (np.ones(len(cells)), chosen, worth)
    )
    return took, best, much


def _shares(worth: Sparse) -> Sparse:
    """Each gig's worth divided among those who took part."""
    whole = np.asarray(worth.sum(axis=1)).ravel()
    shares = worth.copy()  # of the same structure, cell by cell
    shares.data = worth.data / np.repeat(np.where(whole > 0, whole, 1.0), np.diff(worth.indptr))
    return shares


def _sum(matrix: Sparse, weights: NDArray[np.float64]) -> Floats:
    return _floats(matrix.T @ weights)


def _floats(numbers: Any) -> Floats:
    return np.asarray(numbers, np.float32)
