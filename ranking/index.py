"""Documents that come, change and go one at a time, and how well each answers a question: words, skills, meaning, price.

Everything is an array by slot. A removed document leaves its slot and its entries in the lists behind, hidden by a mask;
when a quarter is hidden, the index is compacted, so a change costs what its document is long, amortised.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ranking.embedding import DIMENSIONS
from ranking.text import best_first, stop_words, terms

Floats = NDArray[np.float32]

COARSE = 64
# With fewer documents all vectors are compared exactly; above, as many as KEPT by the coarse ones first.
EXACT_BELOW = 20_000
KEPT = 500
# A question's rarest words; common ones (in over a tenth of many documents) say little and cost most.
MOST_TERMS = 24
COMMON = 0.1
FEW = 1_000
HIDDEN_SHARE = 0.25
K1, B = 1.2, 0.75


@dataclass(frozen=True, slots=True)
class Document:
    """What is indexed of a gig or a person. `price` is compared as money, `languages` need one in common (none: any)."""

    id: str
    text: str
    skills: tuple[str, ...] = ()
    vector: Floats | None = None
    price: int | None = None
    languages: frozenset[str] = frozenset()
    owner: str = ""
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """`most` and `least` bound the document's price; `without` are ids of documents, or their owners, to leave out."""

    text: str
    skills: tuple[str, ...] = ()
    nice: tuple[str, ...] = ()
    vector: Floats | None = None
    most: int | None = None
    least: int | None = None
    languages: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Answers:
    """Slots that passed the filters, with shares from 0 to 1."""

    slots: NDArray[np.intp]
    words: NDArray[np.float64]
    skills: NDArray[np.float64]
    nice: NDArray[np.float64]
    meaning: NDArray[np.float64] | None


class _Growing:
    """An array that doubles."""

    def __init__(self, dtype: type[np.generic], width: int = 0) -> None:
        self._all = np.zeros((16, width) if width else 16, dtype)
        self.size = 0

    def append(self, value: object) -> None:
        if self.size == len(self._all):
            self._all = np.concatenate([self._all, np.zeros_like(self._all)])
        self._all[self.size] = value
        self.size += 1

    @property
    def used(self) -> NDArray:  # type: ignore[type-arg]
        return self._all[: self.size]


@dataclass(slots=True)
class _List:
    slots: _Growing = field(default_factory=lambda: _Growing(np.int32))
    counts: _Growing = field(default_factory=lambda: _Growing(np.float32))


class Index:
    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.documents: list[Document | None] = []
        self._slot: dict[str, int] = {}
        self._words: dict[str, _List] = {}
        self._skills: dict[str, _List] = {}
        self._owned: dict[str, list[int]] = {}
        self._open = _Growing(np.bool_)
        self._length = _Growing(np.float32)
        self._price = _Growing(np.float64)
        self._languages = _Growing(np.uint64)
        self._language_bit: dict[str, int] = {}
        self._vectors = _Growing(np.float32, DIMENSIONS)
        self._coarse: _Growing | None = None
        self._directions: Floats | None = None
        self._has_vectors = False
        self._hidden = 0

    def __len__(self) -> int:
        return len(self._slot)

    def put(self, document: Document) -> None:
        """Add it, or replace the one with its id; it is found from now on."""
        self.remove(document.id)
        slot = len(self.documents)
        self.documents.append(document)
        self._slot[document.id] = slot
        found = [term for term in terms(document.text) if term not in stop_words()]
        counts: dict[str, int] = {}
        for term in found:
            counts[term] = counts.get(term, 0) + 1
        for term, count in counts.items():
            entry = self._words.setdefault(term, _List())
            entry.slots.append(slot)
            entry.counts.append(count)
        for skill in dict.fromkeys(document.skills):
            self._skills.setdefault(skill, _List()).slots.append(slot)
        if document.owner:
            self._owned.setdefault(document.owner, []).append(slot)
        self._open.append(document.is_open)
        self._length.append(len(found))
        self._price.append(np.nan if document.price is None else document.price)
        self._languages.append(self._bits(document.languages))
        self._put_vector(document.vector)

    def remove(self, document_id: str) -> None:
        """Nothing happens if it is not there."""
        slot = self._slot.pop(document_id, None)
        if slot is None:
            return
        self.documents[slot] = None
        self._open.used[slot] = False
        self._hidden += 1
        if self._hidden > FEW and self._hidden > HIDDEN_SHARE * len(self.documents):
            kept = [document for document in self.documents if document is not None]
            self._clear()
            for document in kept:
                self.put(document)

    def get(self, document_id: str) -> Document | None:
        slot = self._slot.get(document_id)
        return None if slot is None else self.documents[slot]

    def allowed(self, question: Question) -> NDArray[np.bool_]:
        """By slot: open, affordable, with a common language, not excluded. Before anything is scored."""
        mask = self._open.used.copy()
        price = self._price.used
        if question.most is not None:
            mask &= ~(price > question.most)
        if question.least is not None:
            mask &= ~(price < question.least)
        if question.languages:
            spoken = self._languages.used
            mask &= (spoken == 0) | ((spoken & np.uint64(self._bits(question.languages))) != 0)
        for name in question.without:
            mask[self._owned.get(name, [])] = False
            if name in self._slot:
                mask[self._slot[name]] = False
        return mask

    def answers(self, question: Question, *, limit: int) -> Answers:
        """The `limit` most promising documents by any view, with their shares."""
        allowed = self.allowed(question)
        words = self._by_words(question.text)
        skills = self._by_skills(question.skills)
        nice = self._by_skills(question.nice)
        promising = words + 2 * skills + 0.2 * nice
        candidates = self._best(np.where(allowed, promising, -1.0), limit)
        meaning: NDArray[np.float64] | None = None
        if question.vector is not None and self._has_vectors:
            near = self._by_meaning(question.vector, allowed, limit)
            candidates = np.union1d(candidates, near)
            candidates = candidates[allowed[candidates]]
            meaning = np.clip(self._vectors.used[candidates] @ question.vector, 0, 1).astype(np.float64)
        return Answers(candidates, words[candidates], skills[candidates], nice[candidates], meaning)

    def _best(self, scores: NDArray[np.float64], limit: int) -> NDArray[np.intp]:
        found = best_first(scores, limit)
        return found[scores[found] > 0]

    def _by_words(self, text: str) -> NDArray[np.float64]:
        """BM25 over what the question itself would reach: 0 to 1."""
        size = len(self.documents)
        scores = np.zeros(size)
        asked = [(self._words[term], term) for term in dict.fromkeys(terms(text)) if term in self._words]
        common = COMMON * size if size > FEW else size
        asked = sorted(
            (entry for entry in asked if entry[0].slots.size <= common), key=lambda e: (e[0].slots.size, e[1])
        )
        mean = float(self._length.used.mean()) if size else 1.0
        reach = 0.0
        for entry, _ in asked[:MOST_TERMS]:
            slots, counts = entry.slots.used, entry.counts.used
            rarity = float(np.log(1 + (size - len(slots) + 0.5) / (len(slots) + 0.5)))
            penalty = K1 * (1 - B + B * self._length.used[slots] / max(mean, 1e-9))
            scores[slots] += rarity * counts * (K1 + 1) / (counts + penalty)
            reach += rarity * (K1 + 1) / 2
        return np.minimum(1.0, scores / (reach + 1e-9))

    def _by_skills(self, skills: Sequence[str]) -> NDArray[np.float64]:
        scores = np.zeros(len(self.documents))
        wanted = list(dict.fromkeys(skills))
        for skill in wanted:
            if skill in self._skills:
                scores[self._skills[skill].slots.used] += 1 / len(wanted)
        return scores

    def _by_meaning(self, vector: Floats, allowed: NDArray[np.bool_], limit: int) -> NDArray[np.intp]:
        if self._directions is None or self._coarse is None:
            return self._best(np.where(allowed, self._vectors.used @ vector, -1.0).astype(np.float64), limit)
        rough = np.where(allowed, self._coarse.used @ (vector @ self._directions), -np.inf)
        near = best_first(rough, KEPT)
        exact = self._vectors.used[near] @ vector
        return near[np.argsort(-exact, kind="stable")[:limit]]

    def _put_vector(self, vector: Floats | None) -> None:
        self._has_vectors = self._has_vectors or vector is not None
        self._vectors.append(0 if vector is None else vector)
        if self._coarse is not None and self._directions is not None:
            self._coarse.append(0 if vector is None else vector @ self._directions)
        elif self._has_vectors and self._vectors.size == EXACT_BELOW:
            self._make_coarse()

    def _make_coarse(self) -> None:
        """Principal components of what is there: they change little with what comes later."""
        used = self._vectors.used
        _, directions = np.linalg.eigh((used.T @ used).astype(np.float64))
        self._directions = directions[:, -COARSE:].astype(np.float32)
        self._coarse = _Growing(np.float32, COARSE)
        for row in used @ self._directions:
            self._coarse.append(row)

    def _bits(self, languages: Iterable[str]) -> int:
        bits = 0
        for language in sorted(languages):
            # A 65th language shares the last bit: it is compared again when results are explained, and never lost.
            bit = self._language_bit.setdefault(language, min(63, len(self._language_bit)))
            bits |= 1 << bit
        return bits
