"""A score in whole points with named parts that sum exactly to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from math import floor

import numpy as np
from numpy.typing import NDArray

from ranking.shapley import ShapleyTables, Unusual
from ranking.trees import Trees


class Part(StrEnum):
    """What speaks for somebody; BASE is where everybody starts, LIMIT what lies beyond 0 or 100."""

    BASE = "BASE"
    SKILLS = "SKILLS"
    NICE_SKILLS = "NICE_SKILLS"
    SKILL_EXPERIENCE = "SKILL_EXPERIENCE"
    WORDS = "WORDS"
    MEANING = "MEANING"
    ACTIVITY = "ACTIVITY"
    RECORD = "RECORD"
    PRICE = "PRICE"
    LIMIT = "LIMIT"


# How columns of the model (ranking/experience.py) are named in the explanation, by what stands before the first "_".
PART_OF_COLUMN = {
    "words": Part.WORDS,
    "meaning": Part.MEANING,
    "skill": Part.SKILL_EXPERIENCE,
    "skills": Part.SKILLS,
    "activity": Part.ACTIVITY,
    "record": Part.RECORD,
    "gig": Part.BASE,
}


@dataclass(frozen=True, slots=True)
class Score:
    """0 to 100 points. The promise: `points == sum(parts.values())`."""

    points: int
    parts: Mapping[Part, int]


def score_of(exact: Mapping[Part, float]) -> Score:
    """Parts in points, rounded; what lies beyond 0 or 100 is taken back by LIMIT."""
    total = sum(exact.values())
    within = min(100.0, max(0.0, total))
    parts = dict(exact)
    if within != total:
        parts[Part.LIMIT] = parts.get(Part.LIMIT, 0.0) + within - total
    rounded = largest_remainder(parts, round(within))
    return Score(round(within), rounded)


def largest_remainder(parts: Mapping[Part, float], whole: int) -> dict[Part, int]:
    """Whole numbers that sum to `whole`, each as near as may be: down first, then up where most was cut off (Hamilton).

    `whole` must lie within len(parts) of the sum of the parts.
    """
    rounded = {part: floor(value) for part, value in parts.items()}
    left = whole - sum(rounded.values())
    by_remainder = sorted(parts, key=lambda part: (rounded[part] - parts[part], part))
    step = 1 if left >= 0 else -1
    for part in (by_remainder if left >= 0 else by_remainder[::-1])[: abs(left)]:
        rounded[part] += step
    return rounded


def parts_of_trees(trees: Trees, rows: NDArray[np.float32]) -> list[dict[Part, float]]:
    """Shapley values of the served score, in points, grouped; the scale is a line, so they stay Shapley values."""
    scale = 100 / (trees.high - trees.low)
    groups, tables = tables_of(trees)
    if tables is None:
        whole = trees.contributions(rows)
        columns = np.array([groups.index(part_of(name)) for name in trees.names])
        values = whole[:, :-1] @ np.eye(len(groups))[columns]
        base = whole[:, -1]
    else:
        values, base = tables.values(rows), np.full(len(rows), tables.base)
    values[:, groups.index(Part.BASE)] += base - trees.low
    return [dict(zip(groups, row, strict=True)) for row in (scale * values).tolist()]


@lru_cache(maxsize=4)
def tables_of(trees: Trees) -> tuple[list[Part], ShapleyTables | None]:
    """Parts in the order of their columns; no tables for trees that have none. Takes a tenth of a second the first time."""
    parts = [part_of(name) for name in trees.names]
    groups = list(dict.fromkeys([Part.BASE, *parts]))
    try:
        return groups, ShapleyTables(trees, [groups.index(part) for part in parts])
    except Unusual:
        return groups, None


def part_of(column: str) -> Part:
    return PART_OF_COLUMN[column.split("_", 1)[0]]


@dataclass(frozen=True, slots=True)
class Blend:
    """Parts from 0 to 1 with their weights: what is used before anything could be learnt. Its Shapley values are its terms."""

    weights: Mapping[Part, float]

    def parts(self, shares: Mapping[Part, float]) -> dict[Part, float]:
        """In points; weights of parts that do not apply are shared out among those that do."""
        applying = sum(self.weights[part] for part in shares)
        return (
            {part: 100 * self.weights[part] / applying * share for part, share in shares.items()}
            if applying
            else {}
        )

    def totals(self, shares: Mapping[Part, NDArray[np.float64]]) -> NDArray[np.float64]:
        """The same for many at once, summed."""
        applying = sum(self.weights[part] for part in shares)
        return np.asarray(sum(100 * self.weights[part] / applying * share for part, share in shares.items()))


BLEND = Blend({Part.SKILLS: 45, Part.NICE_SKILLS: 5, Part.WORDS: 20, Part.MEANING: 20, Part.PRICE: 10})


def ordered(parts: Mapping[Part, int]) -> Sequence[tuple[Part, int]]:
    """For reading: what weighs most first."""
    return sorted(parts.items(), key=lambda item: (-abs(item[1]), item[0]))
