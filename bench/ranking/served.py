"""What serving adds to ranking: the process beside the server, filled and asked over its pipe.

    python -m bench.ranking.served [--size 100000] [--requests 300]

By words and skills alone, as after a start. "clock" is what a caller waits on this machine as busy as it is, "core" what the
process beside spends on a question.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.ranking.world import World
from resolvers.ranking_process import RankingProcess

PAGE = 200
WARM_UP = 20
TICKS = os.sysconf("SC_CLK_TCK")


async def measure(size: int, requests: int) -> None:
    world = World()
    began = time.monotonic()
    process = await RankingProcess.start("--lexical")
    await process.ask("begin", [], patience_s=None)
    print(
        f"started: clock {time.monotonic() - began:.1f} s, core {core_s(process.pid):.1f} s, {memory_mb(process.pid)} MB"
    )
    before = core_s(process.pid), memory_mb(process.pid)
    await fill(process, "gigs", (gig for gig, _ in world.gigs(size)))
    await fill(process, "people", (person for person, _ in world.people(size)))
    await process.ask("settle", None, patience_s=None)
    print(
        f"{size:,} gigs and {size:,} people: core {core_s(process.pid) - before[0]:.1f} s, "
        f"{memory_mb(process.pid) - before[1]} MB"
    )
    asking = [person for person, _ in world.people(requests)]
    asked = [gig for gig, _ in world.gigs(requests, prefix="q")]
    await report(
        process, "gigs for a person", [lambda p=p: process.ask("gigs_for", p, 50, 20) for p in asking]
    )  # type: ignore[misc]
    await report(
        process, "people for a gig", [lambda g=g: process.ask("people_for", g, 50, 20) for g in asked]
    )  # type: ignore[misc]
    await report(
        process, "a gig published", [lambda g=g: process.ask("change", [g], [], [], []) for g in asked]
    )  # type: ignore[misc]
    await process.close()


async def fill(process: RankingProcess, kind: str, documents: Any) -> None:
    for page in iter(lambda: list(itertools.islice(documents, PAGE)), []):
        pages = (page, []) if kind == "gigs" else ([], page)
        await process.ask("load", *pages, patience_s=None)


async def report(process: RankingProcess, name: str, requests: list[Callable[[], Awaitable[Any]]]) -> None:
    for request in requests[:WARM_UP]:
        await request()
    clock, before = [], core_s(process.pid)
    for request in requests[WARM_UP:]:
        began = time.perf_counter()
        await request()
        clock.append(1000 * (time.perf_counter() - began))
    core = 1000 * (core_s(process.pid) - before) / len(clock)
    p50, p95 = np.percentile(clock, 50), np.percentile(clock, 95)
    print(f"  {name}: core {core:.1f} ms on average; clock p50 {p50:.1f} p95 {p95:.1f} ms")


def core_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> int:
    return round(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ranking.served", description=__doc__)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=300)
    asked = parser.parse_args(arguments)
    asyncio.run(measure(asked.size, asked.requests))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
