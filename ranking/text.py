"""Words of texts as sparse numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

WORD = r"[A-Za-z0-9#+.\-]{2,}"
_TERM = re.compile(r"[a-z0-9#+.]+")

MANY = 8_192
SAMPLED = 16

Numbers = NDArray[np.float64]
# scipy and scikit-learn ship no types; their sparse matrices pass through here as what they are.
Sparse = Any


@cache
def stop_words() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS)


def terms(text: str) -> list[str]:
    """Words in lower case, "node.js" and "c++" whole, sentence marks and the plural's s cut off."""
    found = (word.strip(".") for word in _TERM.findall(text.lower()))
    return [
        word[:-1] if word[-1] == "s" and len(word) > 3 and word.isalpha() and word[-2] != "s" else word
        for word in found
        if word
    ]


def tfidf(**options: object) -> Any:
    """A TfidfVectorizer with sublinear counts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **options)


def bm25(counts: Sparse, *, k1: float = 1.2, b: float = 0.75) -> Sparse:
    """Weights of a documents × terms count matrix (Robertson & Zaragoza 2009); sum them over a query's terms."""
    weighted = counts.tocsr().astype(np.float32)
    documents = weighted.shape[0]
    frequency = np.bincount(weighted.indices, minlength=weighted.shape[1])
    idf = np.log(1 + (documents - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
    lengths = np.asarray(weighted.sum(axis=1)).ravel()
    penalty = k1 * (1 - b + b * lengths / max(float(lengths.mean()), 1e-9))
    weighted.data = weighted.data * (k1 + 1) / (weighted.data + np.repeat(penalty, np.diff(weighted.indptr)))
    weighted.data *= idf[weighted.indices]
    return weighted


def standardised(scores: NDArray[Any]) -> NDArray[Any]:
    """Each row with mean 0 and deviation 1, so that scores of different kinds can be added; a constant row is 0."""
    deviation = scores.std(axis=1, keepdims=True)
    result: NDArray[Any] = (scores - scores.mean(axis=1, keepdims=True)) / np.where(
        deviation > 1e-9, deviation, 1.0
    )
    return result


def unit(vectors: NDArray[Any]) -> NDArray[Any]:
    """Rows of length 1; a row of zeros stays."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    result: NDArray[Any] = vectors / np.where(length > 1e-12, length, 1.0)
    return result


def best_first(scores: NDArray[Any], limit: int) -> NDArray[np.intp]:
    """Places of the highest scores; ties keep their order, so that paging is stable."""
    near = promising(scores, limit)
    return near[np.argsort(-scores[near], kind="stable")][:limit]


def promising(scores: NDArray[Any], limit: int) -> NDArray[np.intp]:
    """Places, rising, among which the `limit` best are for sure, and besides them only what equals the last of them."""
    if limit >= len(scores) // 4:
        return np.arange(len(scores))
    near: NDArray[np.intp] = np.arange(0)
    if len(scores) > MANY:
        # A sample tells a score that about twice as many reach as are wanted; where it misled, all are looked through.
        sample = scores[::SAMPLED]
        rank = len(sample) - 2 * limit // SAMPLED - 8
        near = np.flatnonzero(scores >= np.partition(sample, rank)[rank])
    if not limit <= len(near) < len(scores) // 4:
        near = np.arange(len(scores))
    cut = np.partition(scores[near], len(near) - limit)[len(near) - limit]
    kept: NDArray[np.intp] = near[scores[near] >= cut]
    return kept


def meeting(ordered: NDArray[Any], asked: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which of `asked` are in `ordered` (rising, each once), by place; and where."""
    if not len(ordered):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    where = np.minimum(np.searchsorted(ordered, asked), len(ordered) - 1)
    at = np.flatnonzero(ordered[where] == asked)
    return at, where[at]


def joined(parts: Sequence[str]) -> str:
    return " ".join(part for part in parts if part)
