"""How good a list is."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2


def ndcg(listed: Sequence[int], all_grades: Sequence[int], limit: int) -> float:
    """Discounted gain of the grades as listed over that of the best possible list (Järvelin & Kekäläinen 2002), 0 to 1."""
    best = _gain(sorted(all_grades, reverse=True)[:limit])
    return _gain(listed[:limit]) / best if best else 0.0


def _gain(grades: Sequence[int]) -> float:
    return sum(float(2**grade - 1) / log2(place + 2) for place, grade in enumerate(grades))
