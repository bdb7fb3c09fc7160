"""Finding names by what they mean: skills meant by a sentence, occupations meant by a title.

Three views, each standardised over all names and added: the vector of the whole text and of its parts, letters (spelling,
inflection), and how much of a name's words the text holds. Without the encoder the last two are left, and the answer says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.basis import Basis
from ranking.embedding import Encoder
from ranking.text import Sparse, best_first, standardised, terms, tfidf, unit

LETTERS = 0.25
WORDS = 0.25
GROUP_CENTRE = 1.0
NEIGHBOURS = 5
QUERIES_AT_ONCE = 64
# What joins things in a list or a clause; a part between two of them often names one thing.
_JOINTS = re.compile(r"[,;:/().]| and | or | such as | with | of | in | to | for | as | is ")
_PLACEHOLDER = re.compile(r"<\w+>|[•*]")


@dataclass(frozen=True, slots=True)
class Named:
    """A name to be found; names with one `group` mean the same."""

    id: str
    text: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    id: str
    score: float


class NameSearch:
    """Names that do not change; made anew when they do.

    With groups, the best name of each group comes first, then the rest: ten names of one thing answer one question.
    Without groups, each name's vector moves towards those of its nearest names, and so does the text's: names of one role lie
    in clusters (database-side augmentation and average query expansion, Chum et al. 2007).
    """

    def __init__(
        self, names: Sequence[Named], encoder: Encoder | None, *, vectors: NDArray[np.float32] | None = None
    ) -> None:
        self.names = list(names)
        self._encoder = encoder
        self._letters = tfidf(analyzer="char_wb", ngram_range=(2, 4))
        self._by_letters: Sparse = self._letters.fit_transform([name.text for name in names])
        self._coverage = _Coverage([terms(name.text) for name in names])
        self._groups = _Groups([name.group or name.id for name in names])
        if encoder is not None:
            raw = encoder.encode([name.text for name in names]) if vectors is None else vectors
            self._mean = raw.mean(axis=0)
            self._vectors = unit(raw - self._mean).astype(np.float32)
            self._centres = self._groups.centres(self._vectors)

    @property
    def basis(self) -> Basis:
        return Basis.HYBRID if self._encoder is not None else Basis.LEXICAL

    def find(self, text: str, *, limit: int = 20, parts: bool = False) -> list[Found]:
        """Best first. `parts` also compares what stands between commas and small words, for texts that name several things."""
        return self.find_all([text], limit=limit, parts=parts)[0]

    def find_all(
        self, texts: Sequence[str], *, limit: int, parts: bool = False, clusters: bool = False
    ) -> list[list[Found]]:
        answers: list[list[Found]] = []
        for start in range(0, len(texts), QUERIES_AT_ONCE):
            scores = self._scores(texts[start : start + QUERIES_AT_ONCE], parts=parts, clusters=clusters)
            for row in scores:
                places = best_first(row, limit)
                answers.append([Found(self.names[place].id, float(row[place])) for place in places])
        return answers

    def _scores(self, texts: Sequence[str], *, parts: bool, clusters: bool) -> NDArray[np.float64]:
        letters = standardised((self._letters.transform(texts) @ self._by_letters.T).toarray())
        words = standardised(np.stack([self._coverage.of(terms(text)) for text in texts]))
        if self._encoder is None:
            return self._grouped(letters + words, None)
        vectors = unit(self._encoder.encode(texts) - self._mean).astype(np.float32)
        if clusters:
            return standardised(self._clustered(vectors))
        scores = standardised(vectors @ self._vectors.T)
        if parts:
            scores = scores + standardised(self._parts(texts))
        return self._grouped(scores + LETTERS * letters + WORDS * words, vectors)

    def _parts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        assert self._encoder is not None
        split = [_parts_of(text) for text in texts]
        known = sorted({part for each in split for part in each})
        places = {part: place for place, part in enumerate(known)}
        vectors = unit(self._encoder.encode(known) - self._mean).astype(np.float32)
        return np.stack(
            [(vectors[[places[part] for part in each]] @ self._vectors.T).max(axis=0) for each in split]
        )

    def _clustered(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        names = _drawn_together(self._vectors, self._vectors, skip_self=True)
        expanded = _drawn_together(vectors, names, skip_self=False)
        scores: NDArray[np.float32] = expanded @ names.T
        return scores

    def _grouped(
        self, scores: NDArray[np.float64], vectors: NDArray[np.float32] | None
    ) -> NDArray[np.float64]:
        if not self._groups.any_shared:
            return scores
        best = self._groups.best(scores)
        groups = best
        if vectors is not None:
            groups = best + GROUP_CENTRE * standardised(vectors @ self._centres.T)
        leads = scores >= best[:, self._groups.of] - 1e-9
        spread = float(np.ptp(groups)) + float(np.ptp(scores)) + 1.0
        return np.asarray(groups[:, self._groups.of] + 1e-3 * scores + spread * leads)


def _parts_of(text: str) -> list[str]:
    plain = _PLACEHOLDER.sub(" ", text)
    found = [part.strip() for part in _JOINTS.split(plain) if part.strip()]
    return found or [text]


def _drawn_together(
    vectors: NDArray[np.float32], towards: NDArray[np.float32], *, skip_self: bool
) -> NDArray[np.float32]:
    """Each vector plus the mean of its nearest in `towards`."""
    drawn = np.empty_like(vectors)
    for start in range(0, len(vectors), 512):
        rows = vectors[start : start + 512]
        near = np.argsort(-(rows @ towards.T), axis=1, kind="stable")[:, : NEIGHBOURS + skip_self]
        if skip_self:
            near = near[:, 1:]
        drawn[start : start + 512] = rows + towards[near].mean(axis=1)
    return unit(drawn).astype(np.float32)


class _Coverage:
    """How much of each name, by the rarity of its words, stands in a text: 0 to 1."""

    def __init__(self, names: Sequence[Sequence[str]]) -> None:
        holding = Counter(word for name in names for word in set(name))
        self._rarity = {word: float(np.log(1 + len(names) / (1 + count))) for word, count in holding.items()}
        self._whole = np.array([sum(self._rarity[word] for word in name) for name in names]) + 1e-9
        self._with: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            for word in name:
                self._with.setdefault(word, []).append(place)

    def of(self, text: Sequence[str]) -> NDArray[np.float64]:
        held = np.zeros(len(self._whole))
        for word in sorted(set(text)):
            np.add.at(held, self._with.get(word, []), self._rarity.get(word, 0.0))
        return held / self._whole


class _Groups:
    def __init__(self, groups: Sequence[str]) -> None:
        self.names, self.of = np.unique(np.array(groups), return_inverse=True)
        self.any_shared = len(self.names) < len(groups)
        self._order = np.argsort(self.of, kind="stable")
        self._starts = np.searchsorted(self.of[self._order], np.arange(len(self.names)))

    def best(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.maximum.reduceat(scores[:, self._order], self._starts, axis=1)

    def centres(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return unit(np.add.reduceat(vectors[self._order], self._starts, axis=0)).astype(np.float32)
