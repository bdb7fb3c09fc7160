"""How fast and how large: recommending among 100,000 and 1,000,000 candidates, on one core.

    python -m bench.ranking [--sizes 100000,1000000] [--requests 300]

Text is encoded outside of the clock, as it is in serving: a gig's and a person's vector are stored with them. The last
line is the verdict for 100,000.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402

from bench.ranking.world import World  # noqa: E402
from ranking.experience import Experience  # noqa: E402
from ranking.learning import Learned, feature_names, features, looked_at  # noqa: E402
from ranking.matching import Matcher, Model  # noqa: E402
from ranking.trees import fit_trees  # noqa: E402

LIMIT_MS = 15.0
LIMIT_AT = 100_000
WARM_UP = 30
TRAINED_ON = 300
EXPLAINED = 0


class KnownVectors:
    """Stands for the encoder: every text of this measurement comes with its vector."""

    def encode(self, texts: object, *, tokens: int = 128) -> np.ndarray:  # type: ignore[type-arg]
        raise AssertionError(f"{texts} of {tokens} tokens should have had its vector")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ranking", description=__doc__)
    parser.add_argument("--sizes", default="100000,1000000")
    parser.add_argument("--requests", type=int, default=300)
    asked = parser.parse_args(arguments)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    verdict = "ranking: 100,000 not measured"
    is_good = True
    for size in map(int, asked.sizes.split(",")):
        worst = measure(size, asked.requests)
        if size == LIMIT_AT:
            is_good = worst <= LIMIT_MS
            verdict = (
                f"ranking: p95 {worst:.1f} ms of {LIMIT_MS:g} at {size:,}: {'ok' if is_good else 'TOO SLOW'}"
            )
    print(verdict)
    return 0 if is_good else 1


def measure(size: int, requests: int) -> float:
    """Print what was measured; the p95 of the slowest kind of request, in milliseconds of this process's core."""
    world, encoder = World(), KnownVectors()
    before = resident_mb()
    matcher = Matcher(encoder)
    began = time.process_time()
    for person, vector in world.people(size):
        matcher.put_person(person, vector=vector)
    people_s, people_mb = time.process_time() - began, resident_mb() - before
    asking = list(world.gigs(requests + WARM_UP, prefix="q"))
    for gig, vector in asking:
        matcher.put_gig(gig, vector=vector)
    print(f"{size:,} people: {people_s:.0f} s to index, {people_mb:,.0f} MB")
    worst = report("people for a gig, blend", [call(matcher.people_for, gig) for gig, _ in asking])

    before = resident_mb()
    model = learned(world, size)
    matcher.use(model)
    print(f"{size:,} past gigs: {resident_mb() - before:,.0f} MB more")
    worst = max(
        worst, report("people for a gig, learned", [call(matcher.people_for, gig) for gig, _ in asking])
    )
    del model, matcher

    before = resident_mb()
    matcher = Matcher(encoder)
    for gig, vector in world.gigs(size):
        matcher.put_gig(gig, vector=vector)
    print(f"{size:,} gigs: {resident_mb() - before:,.0f} MB")
    seekers = list(world.people(requests + WARM_UP))
    for person, vector in seekers:
        matcher.put_person(person, vector=vector)
    worst = max(
        worst, report("gigs for a person, blend", [call(matcher.gigs_for, person) for person, _ in seekers])
    )
    fresh = list(world.gigs(WARM_UP + requests, prefix="fresh"))
    report(
        "a gig published",
        [lambda gig=gig, vector=vector: matcher.put_gig(gig, vector=vector) for gig, vector in fresh],
    )  # type: ignore[misc]
    return worst


def call(ask: Callable[..., object], subject: object) -> Callable[[], object]:
    return lambda: ask(subject, limit=20, explained=EXPLAINED)


def learned(world: World, size: int) -> Model:
    """A model of the size that is served; what it learnt does not matter here."""
    past, vectors = world.past(size, size)
    experience = Experience(past, vectors)
    rows, grades, groups = [], [], []
    for place in range(len(past) - TRAINED_ON, len(past)):
        evidence = experience.evidence(past[place].gig, vectors[place])
        people = looked_at(evidence)
        own = {experience.place[outcome.person] for outcome in past[place].outcomes}
        rows.append(features(experience, past[place].gig, evidence, people))
        grades.append(np.array([int(person in own) for person in people.tolist()]))
        groups.append(len(people))
    trees = fit_trees(
        np.concatenate(rows),
        np.concatenate(grades),
        groups,
        feature_names(tuple(evidence.columns)),
        rounds=150,
    )
    return Model("bench", experience, Learned(trees))


def report(name: str, requests: list[Callable[[], object]]) -> float:
    for request in requests[:WARM_UP]:
        request()
    wall, core = [], []
    for request in requests[WARM_UP:]:
        began, began_core = time.perf_counter(), time.process_time()
        request()
        wall.append(1000 * (time.perf_counter() - began))
        core.append(1000 * (time.process_time() - began_core))
    shown = [
        f"{label} p50 {np.percentile(ms, 50):.1f} p95 {np.percentile(ms, 95):.1f} ms"
        for label, ms in (("core", core), ("clock", wall))
    ]
    print(f"  {name}: {', '.join(shown)}")
    return float(np.percentile(core, 95))


def resident_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
