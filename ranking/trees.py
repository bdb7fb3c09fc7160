"""Boosted trees that order lists (LambdaMART, Burges 2010), with their exact Shapley values and a plain-text file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ranking.experience import Floats

LEAST, MOST = 0.1, 99.9  # percentiles of raw scores in training that become 0 and 100


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """`low` and `high` are the raw scores that stand for 0 and 100; the scale is a line, so parts stay Shapley values."""

    names: tuple[str, ...]
    boosters: tuple[tuple[float, Any], ...]  # with what each one counts
    low: float
    high: float

    def scores(self, rows: Floats) -> NDArray[np.float64]:
        """Raw scores: only their order within a list means something."""
        return np.asarray(
            sum(weight * _predicted(booster, rows, raw_score=True) for weight, booster in self.boosters)
        )

    def points(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """On the scale of 0 to 100, which a few raw scores exceed."""
        return 100 * (raw - self.low) / (self.high - self.low)

    def contributions(self, rows: Floats) -> NDArray[np.float64]:
        """Shapley values of the raw score (TreeSHAP, Lundberg 2018): a column for each name, the last one the base.

        Those of a sum are sums of theirs.
        """
        return np.asarray(
            sum(weight * _predicted(booster, rows, pred_contrib=True) for weight, booster in self.boosters)
        )

    def plus(self, other: Trees, weight: float, rows: Floats) -> Trees:
        """Both added up, on a scale for these rows."""
        both = (*self.boosters, *((weight * own, booster) for own, booster in other.boosters))
        made = Trees(self.names, both, 0.0, 1.0)
        return Trees(self.names, both, *_scale(made.scores(rows)))

    @property
    def texts(self) -> list[str]:
        return [str(booster.model_to_string()) for _, booster in self.boosters]

    @classmethod
    def read(
        cls,
        texts: Sequence[str],
        weights: Sequence[float],
        *,
        names: tuple[str, ...],
        low: float,
        high: float,
    ) -> Trees:
        """Raises LightGBMError for what is no model."""
        from lightgbm import Booster

        boosters = tuple(
            (weight, Booster(model_str=text)) for weight, text in zip(weights, texts, strict=True)
        )
        return cls(names, boosters, low, high)


def _predicted(booster: Any, rows: Floats, **what: bool) -> NDArray[np.float64]:
    return np.asarray(booster.predict(rows, num_threads=1, **what), np.float64)


def _scale(raw: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(raw, [LEAST, MOST])
    return float(low), float(max(high, low + 1e-6))


def fit_trees(
    rows: Floats,
    grades: NDArray[np.int64],
    groups: Sequence[int],
    names: tuple[str, ...],
    *,
    rounds: int,
    objective: str = "lambdarank",
) -> Trees:
    """Small trees, much shrinkage, few columns for each: chosen by cross-validation (docs/decisions/0020)."""
    import lightgbm

    settings = {
        "objective": objective,
        "learning_rate": 0.04,
        "num_leaves": 15,
        "min_data_in_leaf": min(80, max(2, len(rows) // 200)),
        "feature_fraction": 0.4,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 10,
        "lambdarank_truncation_level": 20,
        "label_gain": [0, 1, 3],
        "max_bin": 63,
        "verbose": -1,
        "num_threads": 1,
        "seed": 1,
        "deterministic": True,
        "force_row_wise": True,
    }
    ranks = objective == "lambdarank"
    labels = grades if ranks else (grades > 0).astype(np.int64)
    columns = [f"f{place}" for place in range(len(names))]  # LightGBM forbids some signs in names
    rows_of_lists = lightgbm.Dataset(
        rows, labels, group=list(groups) if ranks else None, feature_name=columns
    )
    booster = lightgbm.train(settings, rows_of_lists, rounds)
    return Trees(names, ((1.0, booster),), *_scale(_predicted(booster, rows, raw_score=True)))
