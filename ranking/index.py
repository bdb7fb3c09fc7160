"""Documents that come, change and go one at a time, and how well each answers a question: words, skills, meaning, price.

Everything is an array by slot. A removed document leaves its slot and its entries in the lists behind, hidden by a mask;
when a quarter is hidden, the index is compacted, so a change costs what its document is long, amortised.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ranking.hours import hours_with
from ranking.nearest import Vectors
from ranking.text import best_first, meeting, stop_words, terms

Floats = NDArray[np.float32]

# A question's rarest words; common ones (in over a tenth of many documents) say little and cost most.
MOST_TERMS = 24
COMMON = 0.1
FEW = 1_000
HIDDEN_SHARE = 0.25
K1, B = 1.2, 0.75


@dataclass(frozen=True, slots=True)
class Document:
    """What is indexed of a gig or a person. `price` is compared as money, `day` as a day, `languages` need one in common (none: any).

    Of a working day in `zone`, whoever asks has to have `overlap` hours in common (no zone: any).
    """

    id: str
    text: str
    skills: tuple[str, ...] = ()
    vector: Floats | None = None
    price: int | None = None
    day: float | None = None
    languages: frozenset[str] = frozenset()
    owner: str = ""
    is_open: bool = True
    zone: str | None = None
    overlap: int = 0


@dataclass(frozen=True, slots=True)
class Hours:
    """Of a working day in `zone`, `overlap` hours have to be in common (0: so many as the document says), as clocks stand `at` a moment."""

    zone: str
    at: datetime
    overlap: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """`most` and `least` bound the document's price, `not_after` and `not_before` its day; `without` are ids of documents, or their
    owners, to leave out. With `hours`, a document's zone is compared."""

    text: str
    skills: tuple[str, ...] = ()
    nice: tuple[str, ...] = ()
    vector: Floats | None = None
    most: int | None = None
    least: int | None = None
    not_after: float | None = None
    not_before: float | None = None
    languages: frozenset[str] = frozenset()
    hours: Hours | None = None
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

    def __init__(self, dtype: type[np.generic]) -> None:
        self._all = np.zeros(16, dtype)
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
        self.moves = 0  # how often slots were given anew
        self._clear()

    def _clear(self) -> None:
        self.moves += 1
        self.documents: list[Document | None] = []  # their vectors are kept apart
        self._slot: dict[str, int] = {}
        self._words: dict[str, _List] = {}
        self._skills: dict[str, _List] = {}
        self._owned: dict[str, list[int]] = {}
        self._open = _Growing(np.bool_)
        self._length = _Growing(np.float32)
        self._total_length = 0
        self._price = _Growing(np.float64)
        self._day = _Growing(np.float64)
        self._languages = _Growing(np.uint64)
        self._language_bit: dict[str, int] = {}
        self._zone = _Growing(np.int16)
        self._zone_number: dict[str | None, int] = {None: 0}
        self._overlap = _Growing(np.int8)
        self._vectors = Vectors()
        self._hidden = 0

    def __len__(self) -> int:
        return len(self._slot)

    def put(self, document: Document) -> None:
        """Add it, or replace the one with its id; it is found from now on."""
        self.remove(document.id)
        slot = len(self.documents)
        self.documents.append(replace(document, vector=None))
        self._slot[document.id] = slot
        found = [term for term in terms(document.text) if term not in stop_words()]
        counts: dict[str, int] = {}
        for term in found:
            counts[term] = counts.get(term, 0) + 1
        for term, count in counts.items():
            entry = self._words.get(term) or self._words.setdefault(term, _List())
            entry.slots.append(slot)
            entry.counts.append(count)
        for skill in dict.fromkeys(document.skills):
            (self._skills.get(skill) or self._skills.setdefault(skill, _List())).slots.append(slot)
        if document.owner:
            self._owned.setdefault(document.owner, []).append(slot)
        self._open.append(document.is_open)
        self._length.append(len(found))
        self._total_length += len(found)
        self._price.append(np.nan if document.price is None else document.price)
        self._day.append(np.nan if document.day is None else document.day)
        self._languages.append(self._bits(document.languages))
        self._zone.append(self._zone_number.setdefault(document.zone, len(self._zone_number)))
        self._overlap.append(document.overlap)
        self._vectors.append(document.vector)

    def remove(self, document_id: str) -> None:
        """Nothing happens if it is not there."""
        slot = self._slot.pop(document_id, None)
        if slot is None:
            return
        self.documents[slot] = None
        self._open.used[slot] = False
        self._hidden += 1
        if self._hidden > FEW and self._hidden > HIDDEN_SHARE * len(self.documents):
            documents, vectors = self.documents, self._vectors
            self._clear()
            for place, document in enumerate(documents):
                if document is not None:
                    self.put(replace(document, vector=vectors.get(place)))

    def know(self, document_id: str, vector: Floats) -> None:
        """The vector of a document that was put without one."""
        if (slot := self._slot.get(document_id)) is not None:
            self._vectors.put(slot, vector)

    def vector(self, document_id: str) -> Floats | None:
        slot = self._slot.get(document_id)
        return None if slot is None else self._vectors.get(slot)

    def allowed(self, question: Question) -> NDArray[np.bool_]:
        """By slot: open, affordable, in time, with a common language and hours in common, not excluded. Before anything is scored."""
        mask = self._open.used.copy()
        price, day = self._price.used, self._day.used
        if question.most is not None:
            mask &= ~(price > question.most)
        if question.least is not None:
            mask &= ~(price < question.least)
        if question.not_after is not None:
            mask &= ~(day > question.not_after)
        if question.not_before is not None:
            mask &= ~(day < question.not_before)
        if question.languages:
            spoken = self._languages.used
            mask &= (spoken == 0) | ((spoken & np.uint64(self._bits(question.languages))) != 0)
        if question.hours is not None:
            needed = question.hours.overlap or self._overlap.used
            mask &= self._common(question.hours)[self._zone.used] >= needed
        for name in question.without:
            mask[self._owned.get(name, [])] = False
            if name in self._slot:
                mask[self._slot[name]] = False
        return mask

    def slot(self, name: str) -> int:
        """Where a document stands in `allowed`, -1 if it is not there; until it is put again, or `moves` grows."""
        return self._slot.get(name, -1)

    def answers(self, question: Question, *, limit: int, allowed: NDArray[np.bool_] | None = None) -> Answers:
        """The `limit` most promising documents by any view, with their shares; of `allowed` (default: as the filters say)."""
        allowed = self.allowed(question) if allowed is None else allowed
        words = self._by_words(question.text)
        promising = words.copy()
        for wanted, weight in ((question.skills, 2.0), (question.nice, 0.2)):
            for slots in self._holding(wanted):
                promising[slots] += np.float32(weight / len(set(wanted)))
        promising *= allowed
        touched = np.flatnonzero(promising)
        candidates = touched[best_first(promising[touched], limit)]
        meaning: NDArray[np.float64] | None = None
        if question.vector is not None and self._vectors.has_any:
            near, cosines = self._vectors.nearest(question.vector, limit, among=allowed)
            others = np.setdiff1d(candidates, near, assume_unique=True)
            candidates = np.concatenate([near, others])
            meaning = np.concatenate([cosines, self._vectors.cosines(others, question.vector)])
            meaning = np.clip(meaning, 0, 1)
        return Answers(
            candidates,
            words[candidates].astype(np.float64),
            self._share(question.skills, candidates),
            self._share(question.nice, candidates),
            meaning,
        )

    def _by_words(self, text: str) -> Floats:
        """BM25 over what the question itself would reach: 0 to 1."""
        size = len(self.documents)
        scores = np.zeros(size, np.float32)
        asked = [(self._words[term], term) for term in dict.fromkeys(terms(text)) if term in self._words]
        common = COMMON * size if size > FEW else size
        asked = sorted(
            (entry for entry in asked if entry[0].slots.size <= common), key=lambda e: (e[0].slots.size, e[1])
        )
        mean = self._total_length / max(size, 1)
        lengths = self._length.used * np.float32(K1 * B / max(mean, 1e-9))
        reach = 0.0
        for entry, _ in asked[:MOST_TERMS]:
            slots, counts = entry.slots.used, entry.counts.used
            rarity = float(np.log(1 + (size - len(slots) + 0.5) / (len(slots) + 0.5)))
            penalty = lengths[slots] + np.float32(K1 * (1 - B))
            scores[slots] += np.float32(rarity * (K1 + 1)) * counts / (counts + penalty)
            reach += rarity * (K1 + 1) / 2
        scores *= np.float32(1 / (reach + 1e-9))
        return np.minimum(scores, np.float32(1), out=scores)

    def _holding(self, skills: Sequence[str]) -> Iterator[NDArray[np.int32]]:
        """For each distinct skill that is known, the slots of those who have it, rising."""
        for skill in dict.fromkeys(skills):
            if skill in self._skills:
                yield self._skills[skill].slots.used

    def _share(self, skills: Sequence[str], slots: NDArray[np.intp]) -> NDArray[np.float64]:
        """Which share of the skills each of these documents has."""
        held = np.zeros(len(slots))
        for holders in self._holding(skills):
            held[meeting(holders, slots)[0]] += 1
        return held / max(1, len(set(skills)))

    def _common(self, hours: Hours) -> NDArray[np.float64]:
        """Hours in common with each zone that documents name, by its number."""
        return np.array(hours_with(hours.zone, self._zone_number, at=hours.at))

    def _bits(self, languages: Iterable[str]) -> int:
        bits = 0
        for language in sorted(languages):
            # A 65th language shares the last bit: it is compared again when results are explained, and never lost.
            bit = self._language_bit.setdefault(language, min(63, len(self._language_bit)))
            bits |= 1 << bit
        return bits
