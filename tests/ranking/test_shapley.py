"""Shapley values that are looked up are those that LightGBM computes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking import shapley
from ranking.explaining import parts_of_trees
from ranking.shapley import ShapleyTables, Unusual
from ranking.trees import Trees, fit_trees

COLUMNS = ("words_a", "meaning_a", "skill_a", "skills_a", "activity_a", "record_a", "gig_a", "words_b")
GROUPS = (0, 1, 2, 3, 4, 5, 6, 0)


def trees(seed: int, *, rows: int = 400, rounds: int = 20, lacking: float = 0.0) -> Trees:
    random = np.random.default_rng(seed)
    numbers = random.integers(0, 12, (rows, len(COLUMNS))).astype(np.float32)
    numbers[random.random(numbers.shape) < lacking] = np.nan
    grades = (np.nan_to_num(numbers) @ random.normal(size=len(COLUMNS)) > 0).astype(np.int64)
    return fit_trees(numbers, grades, [20] * (rows // 20), COLUMNS, rounds=rounds)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.sampled_from([20, 200, 800]), weight=st.sampled_from([0.25, 1.0]))
def test_the_values_of_each_group_are_those_of_its_columns(seed: int, rows: int, weight: float) -> None:
    random = np.random.default_rng(seed)
    asked = random.integers(-1, 13, (30, len(COLUMNS))).astype(np.float32)
    made = trees(seed, rows=rows).plus(trees(seed + 1), weight, asked)

    tables = ShapleyTables(made, GROUPS)
    found = tables.values(asked)

    whole = made.contributions(asked)
    expected = np.stack([np.bincount(GROUPS, row[:-1], 7) for row in whole])
    assert np.allclose(found, expected, rtol=0, atol=1e-9)
    assert np.allclose(tables.base, whole[:, -1], rtol=0, atol=1e-9)
    assert np.allclose(found.sum(axis=1) + tables.base, made.scores(asked), rtol=0, atol=1e-9)
    assert (tables.values(asked[3:4]) == found[3:4]).all()


def test_trees_that_learnt_nothing_are_their_base() -> None:
    numbers = np.ones((40, len(COLUMNS)), np.float32)
    made = fit_trees(numbers, np.arange(40) % 2, [20, 20], COLUMNS, rounds=3)

    tables = ShapleyTables(made, GROUPS)

    assert (tables.values(numbers) == 0).all()
    assert np.allclose(tables.base, made.scores(numbers))


def test_trees_that_cannot_be_looked_up_are_explained_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, unusual = trees(1), trees(1, lacking=0.2)
    asked = np.zeros((2, len(COLUMNS)), np.float32)
    by_tables = parts_of_trees(usual, asked)
    with pytest.raises(Unusual):
        ShapleyTables(unusual, GROUPS)

    monkeypatch.setattr(shapley, "MOST_ENTRIES", 10)
    by_trees = parts_of_trees(replace(usual), asked)

    for one, other in zip(by_tables, by_trees, strict=True):
        assert list(one) == list(other)
        assert list(one.values()) == pytest.approx(list(other.values()), abs=1e-9)
    for row in parts_of_trees(unusual, asked):
        assert sum(row.values()) == pytest.approx(float(unusual.points(unusual.scores(asked))[0]))
