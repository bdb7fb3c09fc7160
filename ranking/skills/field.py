"""A linear-chain conditional random field over three labels: begins, inside, outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ranking.text import Sparse

LABELS = 3
ROUNDS = 80
# Penalties of squared weights: words' own numbers are many and rare, vectors' few and always there.
SPARSE_PENALTY = 0.5
DENSE_PENALTY = 300.0
NEVER = -1e9

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """Weights: (sparse features, 3), (dense features, 3), label after label (3, 3), first label (3)."""

    sparse: Numbers
    dense: Numbers
    after: Numbers
    first: Numbers

    def best(
        self, sparse: Sparse, dense: NDArray[np.float32], lengths: Sequence[int], *, lean: Numbers
    ) -> list[list[int]]:
        """The likeliest labels of each sentence (Viterbi), `lean` taken from the scores; never an inside after an outside."""
        scores = sparse @ self.sparse + dense @ self.dense.astype(np.float32) - lean
        after = self.after.copy()
        after[0, 2] = NEVER
        found: list[list[int]] = []
        start = 0
        for length in lengths:
            found.append(self._path(scores[start : start + length], after))
            start += length
        return found

    def _path(self, scores: Numbers, after: Numbers) -> list[int]:
        if not len(scores):
            return []
        best = scores[0] + self.first + np.array([0.0, 0.0, NEVER])
        back: list[NDArray[np.intp]] = []
        for score in scores[1:]:
            ways = best[:, None] + after
            back.append(ways.argmax(axis=0))
            best = ways.max(axis=0) + score
        path = [int(best.argmax())]
        for step in reversed(back):
            path.append(int(step[path[-1]]))
        return path[::-1]


def fit_field(
    sparse: Sparse, dense: NDArray[np.float32], labels: NDArray[np.int64], lengths: Sequence[int]
) -> Field:
    """Maximum likelihood with squared penalties, by L-BFGS; the gradient comes from forward and backward sums."""
    likelihood = _Likelihood(sparse, dense, labels, lengths)
    start = np.zeros(likelihood.size)
    found = minimize(likelihood, start, jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS, "maxcor": 8})
    return Field(*likelihood.weights(found.x))


class _Likelihood:
    """All sentences at once, word by word: sentences are sorted by length, so that those still going on are the first ones."""

    def __init__(
        self, sparse: Sparse, dense: NDArray[np.float32], labels: NDArray[np.int64], lengths: Sequence[int]
    ) -> None:
        self._sparse, self._dense = sparse.tocsr(), dense
        self._turned = sparse.T.tocsr()
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(int)
        order = np.argsort(-np.array(lengths), kind="stable")
        longest = max(lengths, default=0)
        self._going = [int((np.array(lengths) > step).sum()) for step in range(longest)]
        self._at = [starts[order[:going]] + step for step, going in enumerate(self._going)]
        self._gold = np.zeros((len(labels), LABELS))
        self._gold[np.arange(len(labels)), labels] = 1
        self._gold_first = self._gold[self._at[0]].sum(axis=0)
        self._gold_after = np.zeros((LABELS, LABELS))
        for places in self._at[1:]:
            self._gold_after += self._gold[places - 1].T @ self._gold[places]

    @property
    def size(self) -> int:
        return int((self._sparse.shape[1] + self._dense.shape[1]) * LABELS + LABELS * LABELS + LABELS)

    def weights(self, flat: Numbers) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        ends = np.cumsum([self._sparse.shape[1] * LABELS, self._dense.shape[1] * LABELS, LABELS * LABELS])
        sparse, dense, after, first = np.split(flat, ends)
        return sparse.reshape(-1, LABELS), dense.reshape(-1, LABELS), after.reshape(LABELS, LABELS), first

    def __call__(self, flat: Numbers) -> tuple[float, Numbers]:
        sparse, dense, after, first = self.weights(flat)
        # A single float64 operand would copy all vectors, every time.
        scores = self._sparse @ sparse + self._dense @ dense.astype(np.float32)
        forward, backward = self._sums(scores, after, first)
        whole = np.logaddexp.reduce(forward[0] + backward[0], axis=1)
        chances = np.zeros_like(scores)
        pairs = np.zeros_like(after)
        for step, places in enumerate(self._at):
            chances[places] = np.exp(forward[step] + backward[step] - whole[: len(places), None])
            if step:
                before = forward[step - 1][: len(places)]
                here = backward[step] + scores[places]
                # Largest terms taken out first: sums of exponentials must not overflow.
                most_before, most_here = before.max(axis=1, keepdims=True), here.max(axis=1, keepdims=True)
                weight = np.exp(most_before + most_here - whole[: len(places), None])
                pairs += np.exp(after) * (
                    (np.exp(before - most_before) * weight).T @ np.exp(here - most_here)
                )
        gold = float(
            (scores * self._gold).sum() + (after * self._gold_after).sum() + first @ self._gold_first
        )
        loss = float(whole.sum()) - gold
        loss += SPARSE_PENALTY / 2 * float((sparse**2).sum()) + DENSE_PENALTY / 2 * float((dense**2).sum())
        missed = chances - self._gold
        gradient = [
            self._turned @ missed + SPARSE_PENALTY * sparse,
            self._dense.T @ missed.astype(np.float32) + DENSE_PENALTY * dense,
            pairs - self._gold_after,
            chances[self._at[0]].sum(axis=0) - self._gold_first,
        ]
        return loss, np.concatenate([np.asarray(part).ravel() for part in gradient])

    def _sums(self, scores: Numbers, after: Numbers, first: Numbers) -> tuple[list[Numbers], list[Numbers]]:
        """Logarithms, by step: all ways to a label from the left, its own score included, and from it to the right."""
        forward = [scores[self._at[0]] + first]
        for places in self._at[1:]:
            forward.append(_log_product(forward[-1][: len(places)], after) + scores[places])
        backward = [np.zeros((going, LABELS)) for going in self._going]
        for step in range(len(self._at) - 2, -1, -1):
            places = self._at[step + 1]
            backward[step][: len(places)] = _log_product(backward[step + 1] + scores[places], after.T)
        return forward, backward


def _log_product(logs: Numbers, after: Numbers) -> Numbers:
    most = logs.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(logs - most) @ np.exp(after)) + most)
