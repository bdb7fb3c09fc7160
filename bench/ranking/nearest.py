"""From how many vectors on an approximate index finds the nearest faster: exactly, as it is served, and by faiss.

Vectors are made up, in five levels from fields to single texts, with a spectrum that falls, so that they are about as hard as
real ones: of the nearest 300 among 33,000 the two steps of ranking/nearest.py find .96, among as many real names .94. One core.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.nearest import Vectors

DIMENSIONS = 384
LEVELS = (2_000, 300, 40, 8, 1)
"""How many texts have each part of their meaning in common."""
FALLING = 0.4
AT_A_TIME = 20_000
REQUESTS = 200
SEED = 20_26
LOOKED_FOR = 300
COUNTED = 20
PROBES = (16, 64, 128)
GRAPH_UP_TO = 100_000
"""Building the graph takes longer than all else together beyond that."""
LINKS, BUILDING, SEARCHING = 16, 64, 400

Floats = NDArray[np.float32]
Find = Callable[[Floats], NDArray[np.intp]]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to find the nearest LOOKED_FOR, what building it took, and what it holds."""

    name: str
    find: Find
    built_s: float = 0.0
    memory_mb: float = 0.0


def compare(size: int) -> None:
    """Print what each way takes, and how many of the nearest it finds."""
    made = vectors(size + REQUESTS)
    held, asked = made[:size], made[size:]
    print(f"{size:,} vectors, the nearest {LOOKED_FOR} of each of {REQUESTS}:")
    exact = Way("exact dot", lambda vector: first(held @ vector), memory_mb=held.nbytes / 2**20)
    right = [exact.find(vector) for vector in asked]
    for make in (lambda: exact, lambda: two_steps(held), *by_lists(held), *by_graph(held)):
        report(make(), asked, right)


def report(way: Way, asked: Floats, right: list[NDArray[np.intp]]) -> None:
    spent, found, found_all = [], [], []
    for vector, exact in zip(asked, right, strict=True):
        began = time.process_time()
        near = way.find(vector)
        spent.append(1000 * (time.process_time() - began))
        found.append(len(np.intersect1d(near[:COUNTED], exact[:COUNTED])) / COUNTED)
        found_all.append(len(np.intersect1d(near, exact)) / LOOKED_FOR)
    print(
        f"  {way.name}: core p50 {np.percentile(spent, 50):.1f} p95 {np.percentile(spent, 95):.1f} ms, recall@{COUNTED} {np.mean(found):.3f}, "
        f"@{LOOKED_FOR} {np.mean(found_all):.3f}; {way.memory_mb:,.0f} MB, built in {way.built_s:.1f} s"
    )


def two_steps(held: Floats) -> Way:
    """What serves."""
    began = time.process_time()
    index = Vectors.of(held)
    return Way(
        "32 directions, then exact (serves)",
        lambda vector: index.nearest(vector, LOOKED_FOR)[0],
        time.process_time() - began,
        (held.nbytes + 4 * 32 * len(held)) / 2**20,
    )


def by_lists(held: Floats) -> list[Callable[[], Way]]:
    """IVF: vectors in lists around centres; a few lists are read."""
    import faiss

    faiss.omp_set_num_threads(1)
    lists = int(2 * len(held) ** 0.5)
    began = time.process_time()
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(DIMENSIONS), DIMENSIONS, lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = 10
    index.train(held[:: max(1, len(held) // (40 * lists))])
    for start in range(0, len(held), AT_A_TIME):
        index.add(held[start : start + AT_A_TIME])
    built_s = time.process_time() - began
    memory_mb = (held.nbytes + 8 * len(held) + 4 * DIMENSIONS * lists) / 2**20

    def probing(probes: int) -> Way:
        index.nprobe = probes
        return Way(f"{lists:,} lists, {probes} read (faiss)", found_by(index), built_s, memory_mb)

    return [lambda probes=probes: probing(probes) for probes in PROBES]  # type: ignore[misc]


def by_graph(held: Floats) -> list[Callable[[], Way]]:
    """HNSW: each vector linked to near ones; the links are followed."""
    import faiss

    if len(held) > GRAPH_UP_TO:
        return []
    began = time.process_time()
    index = faiss.IndexHNSWFlat(DIMENSIONS, LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = BUILDING, SEARCHING
    index.add(held)
    built_s = time.process_time() - began
    memory_mb = (held.nbytes + faiss.vector_to_array(index.hnsw.neighbors).nbytes) / 2**20
    made = Way("graph (faiss)", found_by(index), built_s, memory_mb)
    return [lambda: made]


def found_by(index: object) -> Find:
    def find(vector: Floats) -> NDArray[np.intp]:
        _, near = index.search(vector[None], LOOKED_FOR)  # type: ignore[attr-defined]
        return np.asarray(near[0], np.intp)

    return find


def first(scores: Floats) -> NDArray[np.intp]:
    near = np.argpartition(scores, len(scores) - LOOKED_FOR)[len(scores) - LOOKED_FOR :]
    return np.asarray(near[np.argsort(-scores[near], kind="stable")])


def vectors(size: int) -> Floats:
    random = np.random.default_rng(SEED)
    spread = np.arange(1, DIMENSIONS + 1, dtype=float) ** -FALLING
    made = np.zeros((size, DIMENSIONS), np.float32)
    for level in LEVELS:
        in_common = random.standard_normal((max(1, size // level), DIMENSIONS), np.float32)
        of = random.integers(0, len(in_common), size)
        for start in range(0, size, AT_A_TIME):
            made[start : start + AT_A_TIME] += in_common[of[start : start + AT_A_TIME]]
    for start in range(0, size, AT_A_TIME):
        part = made[start : start + AT_A_TIME]
        part *= spread.astype(np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return made
