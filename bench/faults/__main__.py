"""Whether streams keep their promise while things die: every fact once, in order, to everybody, and soon.

    python -m bench.faults [--chat sql|mongo] [--seconds 30] [--only NAME] [--short | --quick] [--server-log FILE]

20 subscribers follow 5 gigs through 2 workers while 20 facts a second are written; a third into each run something is
killed, stopped or cut. With `--chat`, 10 people write in each of 2 rooms and 20 others read along instead. The last line is the
verdict; the exit code is 1 if it is not all zeros, or a bound is broken.
"""

import argparse
import asyncio
import functools
import os
import random
import secrets
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.faults import load, rooms
from bench.faults.cutting import way_to
from bench.faults.load import OwnedGig
from bench.faults.servers import Postgres, Stage, measured
from bench.faults.strikes import FAULTS, WRITE_BOUND_S, Fault, Target
from bench.faults.verdict import (
    Delivery,
    Fact,
    Following,
    Writing,
    judge_delivery,
    judge_writing,
    recovery_s,
    slowest_delivery_s,
    slowest_write_s,
)

SECONDS, SHORT_SECONDS, QUICK_SECONDS = 30, 4, 4
STILL_S, SHORT_STILL_S = 5.0, 1.0
ATTEMPTS = 2
"""At a time within its bound: a busy machine breaks it, a slow server breaks it again."""
LONGEST_S = 600
"""Of one run: tokens last 15 minutes."""
_CATCH_UP_S = 15.0
_QUIET_S = 0.5
"""After the last fact was delivered, for what comes twice."""
_SEED = 20


@dataclass(frozen=True, slots=True)
class Scale:
    """How much happens. Writers and readers are those of each room."""

    gigs: int = load.GIGS
    subscribers: int = load.SUBSCRIBERS
    facts_per_s: int = load.FACTS_PER_S
    room_count: int = rooms.ROOMS
    writers: int = rooms.WRITERS
    readers: int = rooms.READERS


OF_MONGO = Scale(room_count=1, facts_per_s=5)
"""FerretDB has an index for nothing but ids: each question reads all facts that there are, so there are fewer."""
QUICK = Scale(gigs=2, subscribers=8, facts_per_s=10, room_count=1, writers=4, readers=8)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who writes, and who follows: places, each for as many as there are of it."""

    writers: Sequence[load.OwnedGig]
    followers: Sequence[load.OwnedGig]
    count: int
    """Of followers."""

    async def begin(self, url: str) -> None:
        if self.writers is self.followers:
            await load.begin(url, self.writers)
        else:
            await rooms.begin(url, [*self.writers, *self.followers])


@dataclass(frozen=True, slots=True)
class Result:
    """One run. Times in seconds."""

    fault: Fault
    facts: int
    connections: Sequence[int]
    """Of each worker, just before the fault."""
    delivery: Delivery
    writing: Writing
    slowest_write: float
    slowest_write_in_fault: float
    slowest_delivery: float
    recovery: float | None
    ended: Sequence[str]
    """Why subscribers gave up."""

    def complaints(self) -> list[str]:
        """What became of facts and writes that should not, in words."""
        d, w = self.delivery, self.writing
        found = [
            (d.lost, f"{d.lost} facts lost"),
            (d.doubled, f"{d.doubled} facts doubled"),
            (d.misordered, f"{d.misordered} facts misordered"),
            (w.acknowledged_but_missing, f"{w.acknowledged_but_missing} writes acknowledged, but missing"),
            (w.refused_but_stored, f"{w.refused_but_stored} writes refused, but stored"),
            (w.unacknowledged, f"{w.unacknowledged} facts that no answer spoke of"),
            (w.stored_twice, f"{w.stored_twice} writes stored twice"),
            (set(w.outcomes) - {"APPLIED", "REPLAYED"}, f"writes ended as {dict(w.outcomes)}"),
            (self.ended, f"{len(self.ended)} subscribers gave up: {self.ended[:1]}"),
        ]
        return [f"{self.fault.name}: {words}" for is_broken, words in found if is_broken]

    def slowness(self) -> list[str]:
        """Bounds of time that were broken, in words."""
        fault, found = self.fault, []
        if self.recovery is not None and self.recovery > fault.bound_s:
            found.append(f"{fault.name}: recovered after {self.recovery:.2f} s, not {fault.bound_s:g}")
        if fault.leaves_writes_alone and self.slowest_write_in_fault > WRITE_BOUND_S:
            took_s = self.slowest_write_in_fault
            found.append(f"{fault.name}: a write took {took_s:.3f} s meanwhile, not {WRITE_BOUND_S}")
        return found


# -- one run -------------------------------------------------------------------------------------------------------------


async def measure(
    place: Stage, crowd: Crowd, fault: Fault, scale: Scale, *, seconds: float, still_s: float
) -> Result:
    """Raises `CannotMeasure`."""
    await asyncio.to_thread(place.server.wait)
    await crowd.begin(place.server.url)
    run = f"{fault.name}-{secrets.token_hex(4)}"
    async with way_to(place.server.port, random.Random(_SEED)) as (way, port):
        url = f"http://127.0.0.1:{port}/graphql" if fault.uses_way else place.server.url
        async with load.subscribers(url, crowd.followers, count=crowd.count) as followings:
            writing = asyncio.create_task(
                load.write(url, crowd.writers, seconds=seconds, run=run, per_s=scale.facts_per_s)
            )
            try:
                await asyncio.sleep(seconds / 3)
                connections = sorted(place.server.workers().values())
                window = await fault.strike(Target(place, way, still_s)) if fault.strike else None
                writes = await writing
            finally:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
            log, stored = await read_stored(place, crowd, run)
            await _wait_for_all(followings, log)
    return Result(
        fault=fault,
        facts=len(log),
        connections=connections,
        delivery=judge_delivery(log, followings),
        writing=judge_writing(log, writes, stored),
        slowest_write=max(write.took_s for write in writes),
        slowest_write_in_fault=slowest_write_s(writes, window) if window else 0,
        slowest_delivery=slowest_delivery_s(followings),
        recovery=recovery_s(followings, window.counts_from) if window else None,
        ended=[following.ended for following in followings if following.ended],
    )


async def _wait_for_all(followings: Sequence[Following], log: Sequence[Fact]) -> None:
    """Until everybody has the last fact of their stream, or has had the time."""
    last = {fact.stream: fact for fact in log}
    waited_s = 0.0
    while waited_s < _CATCH_UP_S and not all(
        any(arrival.fact == last.get(f.stream) for arrival in reversed(f.arrivals)) for f in followings
    ):
        await asyncio.sleep(0.1)
        waited_s += 0.1
    await asyncio.sleep(_QUIET_S)


async def read_stored(place: Stage, crowd: Crowd, run: str) -> tuple[list[Fact], Collection[str]]:
    """The log since the run began, and the keys under which something was done in it."""
    if isinstance(crowd.writers[0], rooms.Seat):
        log = await rooms.read_log(place, crowd.writers)
        return log, [rooms.key_of(fact) for fact in log]
    return await read_log(place.postgres, crowd.writers), await read_stored_keys(place.postgres, run)


async def read_log(postgres: Postgres, gigs: Sequence[OwnedGig]) -> list[Fact]:
    """What was written to the gigs' streams since the run began, in order."""
    statement = """
        select stream, number, kind from fact
        join unnest($1::text[], $2::bigint[]) as begun(name, place) on stream = name and number > place
        order by stream, number
    """
    connection = await postgres.connect()
    try:
        rows = await connection.fetch(statement, [gig.stream for gig in gigs], [gig.number for gig in gigs])
    finally:
        await connection.close()
    return [Fact(row["stream"], row["number"], row["kind"]) for row in rows]


async def read_stored_keys(postgres: Postgres, run: str) -> set[str]:
    connection = await postgres.connect()
    try:
        rows = await connection.fetch("select key from idempotency_key where starts_with(key, $1)", f"{run}-")
    finally:
        await connection.close()
    return {row["key"] for row in rows}


# -- what is said --------------------------------------------------------------------------------------------------------

_HEAD = (
    "run", "at workers", "facts", "delivered", "lost", "doubled", "misordered", "acked, missing", "refused, stored",
    "repeated", "replayed", "write max ms", "in fault ms", "delivery max ms", "recovery s", "bound s",
)  # fmt: skip


def cells(result: Result) -> tuple[str, ...]:
    d, w = result.delivery, result.writing
    numbers = (
        result.facts, d.delivered, d.lost, d.doubled, d.misordered, w.acknowledged_but_missing, w.refused_but_stored,
        w.repeated, w.outcomes.get("REPLAYED", 0),
    )  # fmt: skip
    times = (result.slowest_write, result.slowest_write_in_fault, result.slowest_delivery)
    recovery = (
        ("", "") if result.recovery is None else (f"{result.recovery:.2f}", f"{result.fault.bound_s:g}")
    )
    return (
        result.fault.name,
        "+".join(map(str, result.connections)),
        *map(str, numbers),
        *(f"{1000 * time:.0f}" for time in times),
        *recovery,
    )


def table(results: Sequence[Result]) -> str:
    rows = [_HEAD, *map(cells, results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def verdict(results: Sequence[Result]) -> str:
    lost, doubled, misordered = (
        sum(getattr(result.delivery, name) for result in results)
        for name in ("lost", "doubled", "misordered")
    )
    return f"faults: lost {lost} doubled {doubled} misordered {misordered}"


def verdict_of_rooms(store: str, results: Sequence[Result]) -> str:
    missing, refused, twice = (
        sum(getattr(result.writing, name) for result in results)
        for name in ("acknowledged_but_missing", "refused_but_stored", "stored_twice")
    )
    rest = f"acked but missing {missing} refused but stored {refused} stored twice {twice}"
    return f"{verdict(results).replace('faults', f'chat faults, {store}')} {rest}"


# -- the command ---------------------------------------------------------------------------------------------------------


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description="Streams under faults.")
    parser.add_argument("--chat", choices=("sql", "mongo"), help="over rooms, kept in this store")
    parser.add_argument("--seconds", type=int, help=f"of each run, {SECONDS} unless told")
    parser.add_argument("--only", default="", metavar="NAME", help="runs with this in their name")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--short", action="store_true", help=f"{SHORT_SECONDS} s a run, and half of the faults"
    )
    forms.add_argument(
        "--quick",
        action="store_true",
        help=f"one run of {QUICK_SECONDS} s in which a worker and Redis are killed, with {QUICK.subscribers} subscribers "
        f"and {QUICK.facts_per_s} facts a second",
    )
    parser.add_argument("--server-log", type=Path, metavar="FILE", help="keep what the server said")
    arguments = parser.parse_args()
    usual = SHORT_SECONDS if arguments.short else QUICK_SECONDS if arguments.quick else SECONDS
    arguments.seconds = arguments.seconds or usual
    least = min(usual, 3 * int(STILL_S))
    if not least <= arguments.seconds <= LONGEST_S:
        parser.error(f"--seconds must be between {least} and {LONGEST_S}")
    arguments.faults = [
        fault
        for fault in FAULTS
        if arguments.only in fault.name
        and (fault.is_short or not arguments.short)
        and (fault.is_quick or not arguments.quick)
        and (arguments.chat == "mongo" or not fault.hits_mongo)
    ]
    if not arguments.faults:
        parser.error(f"no run has {arguments.only!r} in its name")
    return arguments


async def measure_all(place: Stage, arguments: argparse.Namespace, faults: Sequence[Fault]) -> list[Result]:
    usual = OF_MONGO if arguments.chat == "mongo" else Scale()
    scale = QUICK if arguments.quick else usual
    crowd = await gather_crowd(place.server.url, scale, is_chat=arguments.chat is not None)
    still_s = STILL_S if arguments.seconds >= 3 * STILL_S else SHORT_STILL_S
    results: list[Result] = []
    for fault in faults:
        for _ in range(ATTEMPTS):
            print(f"{fault.name} …", file=sys.stderr, flush=True)
            results.append(
                await measure(place, crowd, fault, scale, seconds=arguments.seconds, still_s=still_s)
            )
            if not results[-1].slowness():
                break
    return results


async def gather_crowd(url: str, scale: Scale, *, is_chat: bool) -> Crowd:
    if not is_chat:
        gigs = await load.make_gigs(url, count=scale.gigs)
        return Crowd(gigs, gigs, scale.subscribers)
    writers, readers = await rooms.make_rooms(
        url, count=scale.room_count, writers=scale.writers, readers=scale.readers
    )
    return Crowd(writers, readers, len(readers))


def complaints(results: Sequence[Result]) -> list[str]:
    """What was slow counts if the last attempt was, too."""
    last = {result.fault.name: result for result in results}
    return [
        *(words for result in results for words in result.complaints()),
        *(words for result in last.values() for words in result.slowness()),
    ]


def main() -> int:
    arguments = parse_arguments()
    load_average = os.getloadavg()[0]
    has_mongo = arguments.chat == "mongo"
    # See `OF_MONGO`: each fault begins with an empty store there.
    groups = [[fault] for fault in arguments.faults] if has_mongo else [arguments.faults]
    results = [
        result
        for faults in groups
        for result in measured(
            "faults", functools.partial(measure_all, arguments=arguments, faults=faults), has_mongo=has_mongo,
            server_log=arguments.server_log,
        )
    ]  # fmt: skip
    print(f"{arguments.seconds} s a run, load average before {load_average:.1f}, {os.cpu_count()} cores\n")
    print(table(results))
    broken = complaints(results)
    last = verdict_of_rooms(arguments.chat, results) if arguments.chat else verdict(results)
    print("\n".join(["", *broken, last]), flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
