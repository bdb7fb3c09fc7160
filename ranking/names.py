"""Finding names by their beginning, or by likeness where somebody mistyped. All in memory: a few thousand names are few."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Name(Generic[K]):
    """One of the names of the thing called `key`, casefolded. Of equally good finds the smaller `order` comes first."""

    text: str
    key: K
    is_preferred: bool
    order: tuple[str | int, ...]


class NameIndex(Generic[K]):
    """Names that do not change; made anew when they do."""

    def __init__(self, names: Iterable[Name[K]]) -> None:
        self._names = sorted(names, key=lambda name: name.text)
        self._texts = [name.text for name in self._names]
        self._sizes: list[int] = []
        self._with: dict[str, list[int]] = {}
        for place, text in enumerate(self._texts):
            found = trigrams(text)
            self._sizes.append(len(found))
            for trigram in found:
                self._with.setdefault(trigram, []).append(place)

    def starting(self, beginning: str, *, limit: int) -> list[K]:
        """Keys with a name that starts so: exact names first, then preferred ones, then by their order."""
        best: dict[K, tuple[bool, bool, tuple[str | int, ...]]] = {}
        for name in self._starting(beginning):
            exact, preferred, _ = best.get(name.key, (True, True, ()))
            best[name.key] = (
                exact and name.text != beginning,
                preferred and not name.is_preferred,
                name.order,
            )
        return sorted(best, key=best.__getitem__)[:limit]

    def resembling(self, text: str, *, near: float, limit: int) -> list[K]:
        """Keys with a name that shares at least `near` (0 to 1) of the trigrams, most alike first, then by their order."""
        wanted = trigrams(text)
        shared: Counter[int] = Counter()
        for trigram in wanted:
            shared.update(self._with.get(trigram, ()))
        best: dict[K, tuple[float, tuple[str | int, ...]]] = {}
        for place, count in shared.items():
            likeness = count / (len(wanted) + self._sizes[place] - count)
            name = self._names[place]
            if likeness >= near and -likeness < best.get(name.key, (0.0, ()))[0]:
                best[name.key] = (-likeness, name.order)
        return sorted(best, key=best.__getitem__)[:limit]

    def _starting(self, beginning: str) -> Iterator[Name[K]]:
        place = bisect_left(self._texts, beginning)
        while place < len(self._texts) and self._texts[place].startswith(beginning):
            yield self._names[place]
            place += 1


def trigrams(text: str) -> set[str]:
    """Every three letters of each word, the word padded by two spaces before and one behind, as `pg_trgm` takes them."""
    return {
        padded[start : start + 3]
        for word in _WORD.findall(text)
        for padded in (f"  {word} ",)
        for start in range(len(padded) - 2)
    }
