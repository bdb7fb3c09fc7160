"""Where a text speaks of what somebody can do or knows: spans of words, learnt from marked sentences.

A linear-chain conditional random field (Lafferty 2001) for each kind of span. A word is seen by its letters, its neighbours,
phrases that were marked before, and its vector in context when there is an encoder; the field makes neighbours agree.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ranking.basis import Basis
from ranking.skills.field import Field, fit_field
from ranking.text import Sparse

Span = tuple[int, int]

OUTSIDE, BEGINS, INSIDE = 0, 1, 2
LONGEST_PHRASE = 5
PHRASE_SHARE = 0.3
LEAST_TIMES = 2
FOLDS = 5
# Taken from "outside"; above 0 finds more and errs more. A little was best in cross-validation.
LEAN = 0.25


class WordEncoder(Protocol):
    def words(self, sentences: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]: ...


@dataclass(frozen=True, slots=True)
class Marked:
    """A sentence in words and its spans, ends exclusive. `source` names the kind of text."""

    words: tuple[str, ...]
    spans: tuple[Span, ...] = ()
    source: str = ""


class SpanFinder:
    def __init__(
        self, features: _Features, field: Field, scale: _Scale | None, encoder: WordEncoder | None
    ) -> None:
        self._features = features
        self._field = field
        self._scale = scale
        self._encoder = encoder
        self.basis = Basis.LEARNED

    @classmethod
    def fit(cls, marked: Sequence[Marked], encoder: WordEncoder | None) -> SpanFinder:
        features = _Features.of(marked)
        # A phrase's own sentence must not vouch for it: in training, phrases come from the other folds.
        folds = [
            _phrases([each for place, each in enumerate(marked) if place % FOLDS != fold])
            for fold in range(FOLDS)
        ]
        sparse = features.matrix(marked, [folds[place % FOLDS] for place in range(len(marked))])
        scale, dense = None, np.zeros((sparse.shape[0], 0), np.float32)
        if encoder is not None:
            raw = np.concatenate(encoder.words([each.words for each in marked]))
            scale = _Scale(raw.mean(axis=0), raw.std(axis=0) + 1e-6)
            dense = scale(raw)
        labels = np.concatenate([_labels(each) for each in marked])
        field = fit_field(sparse, dense, labels, [len(each.words) for each in marked])
        return cls(features, field, scale, encoder)

    def find(self, sentences: Sequence[Marked]) -> list[list[Span]]:
        """Spans of each sentence from left to right, never overlapping; spans in `sentences` are not looked at."""
        sparse = self._features.matrix(sentences, [self._features.phrases] * len(sentences))
        dense = np.zeros((sparse.shape[0], 0), np.float32)
        if self._encoder is not None and self._scale is not None:
            dense = self._scale(np.concatenate(self._encoder.words([each.words for each in sentences])))
        lean = np.array([LEAN, 0.0, 0.0])
        labels = self._field.best(sparse, dense, [len(each.words) for each in sentences], lean=lean)
        return [list(_spans(each)) for each in labels]


@dataclass(frozen=True, slots=True)
class _Scale:
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def __call__(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        return ((raw - self.mean) / self.deviation).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Features:
    place: dict[str, int]
    phrases: frozenset[tuple[str, ...]]

    @classmethod
    def of(cls, marked: Sequence[Marked]) -> _Features:
        phrases = _phrases(marked)
        times = Counter(feature for each in marked for word in _seen(each, phrases) for feature in word)
        kept = sorted(feature for feature, count in times.items() if count >= LEAST_TIMES)
        return cls({feature: place for place, feature in enumerate(kept)}, phrases)

    def matrix(self, sentences: Sequence[Marked], phrases: Sequence[frozenset[tuple[str, ...]]]) -> Sparse:
        rows: list[int] = []
        columns: list[int] = []
        row = 0
        for each, known in zip(sentences, phrases, strict=True):
            for word in _seen(each, known):
                found = sorted({self.place[feature] for feature in word if feature in self.place})
                columns.extend(found)
                rows.extend([row] * len(found))
                row += 1
        return sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(row, len(self.place)))


def _phrases(marked: Sequence[Marked]) -> frozenset[tuple[str, ...]]:
    """What is marked at least so often as it occurs, by PHRASE_SHARE."""
    times: Counter[tuple[str, ...]] = Counter()
    hits: Counter[tuple[str, ...]] = Counter()
    for each in marked:
        words = tuple(word.lower() for word in each.words)
        hits.update(words[start:end] for start, end in each.spans if end - start <= LONGEST_PHRASE)
        for size in range(1, LONGEST_PHRASE + 1):
            times.update(words[start : start + size] for start in range(len(words) - size + 1))
    return frozenset(phrase for phrase, count in hits.items() if count / times[phrase] >= PHRASE_SHARE)


def _seen(sentence: Marked, phrases: frozenset[tuple[str, ...]]) -> list[list[str]]:
    words = [word.lower() for word in sentence.words]
    shapes = [_shape(word) for word in sentence.words]
    padded = ["<<", "<", *words, ">", ">>"]
    case = "lower" if all(word.islower() for word in sentence.words) else "mixed"
    seen = []
    for place, word in enumerate(words):
        before2, before, _, after, after2 = padded[place : place + 5]
        seen.append(
            [
                "any", f"w={word}", f"w-1={before}", f"w+1={after}", f"w-2={before2}", f"w+2={after2}",
                f"p2={word[:2]}", f"p3={word[:3]}", f"s2={word[-2:]}", f"s3={word[-3:]}", f"s4={word[-4:]}",
                f"shape={shapes[place]}", f"shape-1={shapes[place - 1] if place else '<'}",
                f"shape+1={shapes[place + 1] if place + 1 < len(words) else '>'}",
                f"pair-1={before}|{word}", f"pair+1={word}|{after}", f"source={sentence.source}",
                f"source,shape={sentence.source}|{shapes[place]}", "first" if place == 0 else "later", f"case={case}",
            ]
        )  # fmt: skip
    for size in range(1, LONGEST_PHRASE + 1):
        for start in range(len(words) - size + 1):
            if tuple(words[start : start + size]) in phrases:
                for place in range(start, start + size):
                    seen[place].append(f"{'begins' if place == start else 'inside'}{min(size, 3)}")
    return seen


def _shape(word: str) -> str:
    classes = re.sub("[a-z]", "x", re.sub("[A-Z]", "X", re.sub("[0-9]", "9", word)))
    return re.sub(r"(.)\1+", r"\1", classes)[:8]


def _labels(sentence: Marked) -> NDArray[np.int64]:
    labels = np.full(len(sentence.words), OUTSIDE)
    for start, end in sentence.spans:
        labels[start:end] = INSIDE
        labels[start] = BEGINS
    return labels


def _spans(labels: Sequence[int]) -> Iterator[Span]:
    start = None
    for place, label in enumerate([*labels, OUTSIDE]):
        if start is not None and label != INSIDE:
            yield start, place
            start = None
        if label == BEGINS:
            start = place
