"""Skills a client would tag a gig with, those that its text does not name included: learnt from tagged gigs.

Each skill gets some twenty numbers for a text: how many of the most similar gigs have it (by words, by meaning, by both), what a
kernel ridge regression says, how common it is, whether the text names it and how far such naming could be trusted so far, and
what it is usually tagged together with. Boosted trees make one probability of them. They are trained on numbers computed
as for unknown texts, in folds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.basis import Basis
from ranking.documents import Gig
from ranking.embedding import Encoder
from ranking.text import WORD, Sparse, best_first, stop_words, tfidf
from ranking.trees import Trees, fit_trees

FOLDS = 5
LOOKED_AT = 80
LONGEST = 4
NEAR = 40
RIDGE = 1.0
ROUNDS = 150
SAME_FIELD = 0.3
FEWEST = 50
_TOKEN = re.compile(r"[a-z0-9#+]+")

Numbers = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tagged:
    """A text with the skills it was tagged with; `field` is a coarse category, "" if there is none."""

    title: str
    text: str
    skills: tuple[str, ...] = ()
    field: str = ""


def tagged_as(gig: Gig) -> Tagged:
    """By every skill that it asks for."""
    return Tagged(gig.title, gig.text, tuple(dict.fromkeys((*gig.skills, *gig.nice))))


@dataclass(frozen=True, slots=True)
class Suggested:
    """`is_likely`: more likely than not to help, by the threshold that was best in training. `is_named`: the text names it."""

    skill: str
    probability: float
    is_likely: bool
    is_named: bool


@dataclass(frozen=True, slots=True, eq=False)
class TrainedSuggester:
    """What was learnt of `gigs` texts until `last` (days), and the quality (nDCG@10) of what was tried on the newest of them. No text is in it."""

    trees: Trees
    threshold: float
    reached: dict[str, float]
    gigs: int = 0
    last: float = 0.0


class SkillSuggester:
    def __init__(
        self, known: _Known, trees: Trees | None, threshold: float, basis: Basis, encoder: Encoder | None
    ) -> None:
        self._known = known
        self._trees = trees
        self._threshold = threshold
        self._encoder = encoder
        self.basis = basis

    @classmethod
    def fit(cls, tagged: Sequence[Tagged], encoder: Encoder | None) -> SkillSuggester:
        vectors = _vectors(tagged, encoder)
        if len(tagged) < FEWEST:
            return cls(
                _Known(tagged, vectors), None, 0.5, Basis.HYBRID if encoder else Basis.LEXICAL, encoder
            )
        return cls.of(tagged, learn(tagged, vectors), encoder, vectors)

    @classmethod
    def of(
        cls,
        tagged: Sequence[Tagged],
        trained: TrainedSuggester,
        encoder: Encoder | None,
        vectors: Numbers | None,
    ) -> SkillSuggester:
        """What was learnt, over the texts that are there now."""
        return cls(_Known(tagged, vectors), trained.trees, trained.threshold, Basis.LEARNED, encoder)

    def suggest(self, texts: Sequence[Tagged], *, limit: int = 10) -> list[list[Suggested]]:
        """For each text, the likeliest first; the skills in `texts` are not looked at."""
        numbers = self._known.numbers(texts, _vectors(texts, self._encoder))
        return [self._ordered(each, limit) for each in numbers]

    def _ordered(self, numbers: Numbers, limit: int) -> list[Suggested]:
        places = _looked_at(numbers)
        guess = numbers[places, RIDGE_COLUMN].astype(np.float64)
        if self._trees is not None:
            guess = _likelihood(self._trees, _rows(numbers, places))
        order = best_first(guess, limit)
        return [
            Suggested(
                self._known.skills[places[at]],
                float(np.clip(guess[at], 0, 1)),
                bool(guess[at] >= self._threshold),
                bool(numbers[places[at], NAMED_COLUMN] > 0),
            )
            for at in order
        ]


COLUMNS = (
    "near_words", "nearer_words", "near_meaning", "nearer_meaning", "near_both", "ridge", "field", "common",
    "named", "named_in_title", "named_in_part", "named_trust", "named_lift", "together", "together_with_named",
)  # fmt: skip
RIDGE_COLUMN = COLUMNS.index("ridge")
BOTH_COLUMN = COLUMNS.index("near_both")
TRUST_COLUMN = COLUMNS.index("named_trust")
NAMED_COLUMN = COLUMNS.index("named")


class _Known:
    """Tagged texts as numbers."""

    def __init__(self, tagged: Sequence[Tagged], vectors: Numbers | None) -> None:
        self.skills = sorted({skill for each in tagged for skill in each.skills})
        self._place = {skill: place for place, skill in enumerate(self.skills)}
        self._tags = np.zeros((len(tagged), len(self.skills)), np.float32)
        for row, each in enumerate(tagged):
            self._tags[row, [self._place[skill] for skill in each.skills]] = 1
        self._vectors = vectors
        self._fields = [each.field for each in tagged]
        least = 2 if len(tagged) >= FEWEST else 1
        self._tfidf = tfidf(
            token_pattern=WORD, ngram_range=(1, 2), min_df=least, stop_words=sorted(stop_words())
        )
        self._words: Sparse = self._tfidf.fit_transform([_weighted(each) for each in tagged])
        self._common = self._tags.mean(axis=0)
        self._by_field = self._shares_by_field()
        self._named = _Naming(self.skills)
        named = self._named.whole([f"{each.title}\n{each.text}" for each in tagged])
        times, hits = named.sum(axis=0), (named * self._tags).sum(axis=0)
        self._trust = (hits + 1) / (times + 4)
        self._lift = (hits + 0.5) / (times + 1) / (self._common + 0.01)
        together = self._tags.T @ self._tags
        self._together = together / (np.diag(together)[:, None] + 3)
        np.fill_diagonal(self._together, 0)
        kernel = self._likeness(self._words, vectors, self._fields)
        self._ridge = np.linalg.solve(
            kernel + RIDGE * np.eye(len(tagged), dtype=np.float32), self._tags - self._common
        )

    def numbers(self, texts: Sequence[Tagged], vectors: Numbers | None) -> Numbers:
        """Shape (texts, skills, COLUMNS)."""
        words = self._tfidf.transform([_weighted(each) for each in texts])
        by_words = (words @ self._words.T).toarray()
        by_meaning = (
            by_words if vectors is None or self._vectors is None else np.maximum(0, vectors @ self._vectors.T)
        )
        both = by_words / by_words.max(axis=1, keepdims=True).clip(1e-6)
        both = both + by_meaning / by_meaning.max(axis=1, keepdims=True).clip(1e-6)
        ridge = self._likeness(words, vectors, [each.field for each in texts]) @ self._ridge + self._common
        named = self._named.whole([each.text for each in texts])
        in_title = self._named.whole([each.title for each in texts])
        anywhere = np.maximum(named, in_title)
        trusted = anywhere * self._trust
        columns = (
            self._near(by_words, NEAR, 1.5), self._near(by_words, 10, 1.5),
            self._near(by_meaning, NEAR, 4), self._near(by_meaning, 10, 4), self._near(both, 30, 4),
            ridge, np.stack([self._by_field.get(each.field, self._common) for each in texts]),
            np.tile(self._common, (len(texts), 1)),
            named, in_title, self._named.part([f"{each.title}\n{each.text}" for each in texts]), trusted,
            anywhere * self._lift, np.clip(ridge, 0, 1) @ self._together, trusted @ self._together,
        )  # fmt: skip
        return np.stack(columns, axis=2).astype(np.float32)

    def _likeness(self, words: Sparse, vectors: Numbers | None, fields: Sequence[str]) -> Numbers:
        alike = (words @ self._words.T).toarray()
        if vectors is not None and self._vectors is not None:
            alike = alike + vectors @ self._vectors.T
        same = np.array(fields, dtype=object)[:, None] == np.array(self._fields, dtype=object)[None, :]
        return np.asarray(alike + SAME_FIELD * same, np.float32)

    def _near(self, likeness: Numbers, count: int, power: float) -> Numbers:
        """Share of the `count` most similar texts that have each skill, weighted by likeness to some power."""
        count = min(count, likeness.shape[1])
        least = np.partition(likeness, -count, axis=1)[:, -count][:, None]
        weights = np.where(likeness >= least, np.maximum(likeness, 0), 0) ** power
        return np.asarray((weights @ self._tags) / (weights.sum(axis=1, keepdims=True) + 1e-9), np.float32)

    def _shares_by_field(self) -> dict[str, Numbers]:
        fields = np.array(self._fields, dtype=object)
        return {
            field: (self._tags[fields == field].sum(axis=0) + 5 * self._common)
            / (int((fields == field).sum()) + 5)
            for field in sorted(set(self._fields))
        }


class _Naming:
    """Which skills a text names, wholly or by some of their words."""

    def __init__(self, skills: Sequence[str]) -> None:
        self._tokens = [tuple(_TOKEN.findall(skill.lower())) for skill in skills]
        self._by_tokens: dict[tuple[str, ...], list[int]] = {}
        self._with: dict[str, list[int]] = {}
        for place, tokens in enumerate(self._tokens):
            self._by_tokens.setdefault(tokens, []).append(place)
            for token in set(tokens):
                self._with.setdefault(token, []).append(place)

    def whole(self, texts: Sequence[str]) -> Numbers:
        found = np.zeros((len(texts), len(self._tokens)), np.float32)
        for row, text in enumerate(texts):
            for line in text.split("\n"):
                tokens = _TOKEN.findall(line.lower())
                for start in range(len(tokens)):
                    for end in range(start + 1, min(start + LONGEST, len(tokens)) + 1):
                        # Mostly there is none, and to write nothing into an array takes longest.
                        if places := self._by_tokens.get(tuple(tokens[start:end])):
                            found[row, places] = 1
        return found

    def part(self, texts: Sequence[str]) -> Numbers:
        found = np.zeros((len(texts), len(self._tokens)), np.float32)
        sizes = np.array([max(1, len(set(tokens))) for tokens in self._tokens])
        for row, text in enumerate(texts):
            for token in set(_TOKEN.findall(text.lower())):
                found[row, self._with.get(token, [])] += 1
        return np.asarray(found / sizes, np.float32)


def learn(tagged: Sequence[Tagged], vectors: Numbers | None) -> TrainedSuggester:
    """Of at least FEWEST texts, with their vectors if there is an encoder."""
    rows: list[Numbers] = []
    labels: list[NDArray[np.int64]] = []
    tags = 0
    for fold in range(FOLDS):
        inside = [place for place in range(len(tagged)) if place % FOLDS != fold]
        outside = list(range(fold, len(tagged), FOLDS))
        known = _Known([tagged[place] for place in inside], None if vectors is None else vectors[inside])
        numbers = known.numbers(
            [tagged[place] for place in outside], None if vectors is None else vectors[outside]
        )
        for place, each in zip(outside, numbers, strict=True):
            places = _looked_at(each)
            own = set(tagged[place].skills)
            tags += len(own)
            rows.append(_rows(each, places))
            labels.append(np.array([known.skills[at] in own for at in places], np.int64))
    trees = fit_trees(
        np.concatenate(rows), np.concatenate(labels), [len(each) for each in labels], _names(), rounds=ROUNDS, objective="binary"
    )  # fmt: skip
    threshold = _best_threshold(_likelihood(trees, np.concatenate(rows)), np.concatenate(labels), tags)
    return TrainedSuggester(trees, threshold, {}, len(tagged))


def _likelihood(trees: Trees, rows: Numbers) -> NDArray[np.float64]:
    """From log odds."""
    return np.asarray(1 / (1 + np.exp(-trees.scores(rows))))


def _best_threshold(probabilities: NDArray[np.float64], labels: NDArray[np.int64], tags: int) -> float:
    """Where the F1 of all suggestions together is best."""
    order = np.argsort(-probabilities, kind="stable")
    right = np.cumsum(labels[order])
    f1 = 2 * right / (np.arange(1, len(order) + 1) + tags)
    return float(probabilities[order[int(f1.argmax())]])


def _names() -> tuple[str, ...]:
    return (*COLUMNS, *(f"{name}/best" for name in COLUMNS), "ridge_place", "both_place", "skills_expected")


def _looked_at(numbers: Numbers) -> NDArray[np.intp]:
    guess = numbers[:, RIDGE_COLUMN] + 0.5 * numbers[:, BOTH_COLUMN] + 0.3 * numbers[:, TRUST_COLUMN]
    return best_first(guess, LOOKED_AT)


def _rows(numbers: Numbers, places: NDArray[np.intp]) -> Numbers:
    own = numbers[places]
    best = np.abs(numbers).max(axis=0) + 1e-9
    ranks = [np.argsort(best_first(own[:, at], len(own))) for at in (RIDGE_COLUMN, BOTH_COLUMN)]
    expected = np.full(len(places), numbers[:, RIDGE_COLUMN].clip(0).sum())
    return np.column_stack([own, own / best, np.log1p(np.stack(ranks, axis=1)), expected]).astype(np.float32)


def _weighted(each: Tagged) -> str:
    return f"{each.title} {each.title} {each.text}"


def _vectors(texts: Sequence[Tagged], encoder: Encoder | None) -> Numbers | None:
    return None if encoder is None else encoder.encode([f"{each.title}. {each.text}" for each in texts])
