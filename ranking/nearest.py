"""The nearest of many vectors by cosine: exactly while they are few; above, by their most telling directions first.

Reading is what costs: 384 numbers of each of 100,000 vectors are 150 MB. So of many vectors COARSE numbers each are read,
direction by direction, and a few times as many as are wanted looked at closely (docs/measurements.md says what is missed).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranking.embedding import DIMENSIONS
from ranking.text import best_first, promising

Floats = NDArray[np.float32]

EXACT_BELOW = 8_000
COARSE = 32
KEPT_FOR_EACH, FEWEST_KEPT = 5, 600
# Principal components change little with what comes later, and a sample shows them.
SAMPLE = 10_000


class Vectors:
    """Unit vectors by place, appended one at a time; those without one yet are given as None and are never near."""

    def __init__(self) -> None:
        self._full = np.zeros((16, DIMENSIONS), np.float32)
        self._directions: Floats | None = None
        self._coarse = np.zeros((COARSE, 0), np.float32)
        self._without: set[int] = set()
        self.has_any = False
        self._size = 0

    @classmethod
    def of(cls, vectors: Floats) -> Vectors:
        made = cls()
        made._full, made._size, made.has_any = vectors, len(vectors), len(vectors) > 0
        if len(vectors) >= EXACT_BELOW:
            made._make_coarse()
        return made

    def __len__(self) -> int:
        return self._size

    def append(self, vector: Floats | None) -> None:
        if self._size == len(self._full):
            self._full = np.concatenate([self._full, np.zeros_like(self._full)])
        if self._directions is not None and self._size == self._coarse.shape[1]:
            self._coarse = np.concatenate([self._coarse, np.zeros_like(self._coarse)], axis=1)
        self._without.add(self._size)
        self._size += 1
        if vector is not None:
            self.put(self._size - 1, vector)

    def put(self, place: int, vector: Floats) -> None:
        """For a place that had none, or another one."""
        self._without.discard(place)
        self._full[place] = vector
        self.has_any = True
        if self._directions is not None:
            self._coarse[:, place] = vector @ self._directions
        elif self._size - len(self._without) == EXACT_BELOW:
            self._make_coarse()

    def get(self, place: int) -> Floats | None:
        return None if place in self._without else self._full[place].copy()

    def cosines(self, places: NDArray[np.intp], vector: Floats) -> Floats:
        cosines: Floats = self._full[places] @ vector
        return cosines

    def nearest(
        self, vector: Floats, limit: int, *, among: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Places, nearest first, and cosines; at most `limit`."""
        if self._directions is None:
            kept = promising(_only(self._full[: self._size] @ vector, among), limit)
        else:
            kept = promising(_only(self._rough(vector, self._directions), among), kept_for(limit))
        if among is not None:
            kept = kept[among[kept]]
        cosines = self.cosines(kept, vector)
        order = best_first(cosines, limit)
        return kept[order], cosines[order].astype(np.float64)

    def seen(self, vectors: Floats) -> Floats:
        """As much of each as is kept in memory for many: the coarse numbers, or all while vectors are few."""
        return vectors if self._directions is None else np.ascontiguousarray(vectors @ self._directions)

    def _rough(self, vector: Floats, directions: Floats) -> Floats:
        return np.asarray((vector @ directions) @ self._coarse[:, : self._size], np.float32)

    def _make_coarse(self) -> None:
        used = self._full[: self._size]
        sample = used[:: max(1, len(used) // SAMPLE)]
        _, directions = np.linalg.eigh((sample.T @ sample).astype(np.float64))
        self._directions = directions[:, -COARSE:].astype(np.float32)
        self._coarse = np.ascontiguousarray((used @ self._directions).T)


def kept_for(limit: int) -> int:
    return max(FEWEST_KEPT, KEPT_FOR_EACH * limit)


def _only(scores: Floats, among: NDArray[np.bool_] | None) -> Floats:
    return scores if among is None else np.where(among, scores, np.float32(-2))
