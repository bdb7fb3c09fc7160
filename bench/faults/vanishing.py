"""Whether subscribers who vanish, or stop reading, leave anything behind or delay anybody.

    python -m bench.faults.vanishing [--size 1000] [--rounds 3] [--pairs 30] [--seconds 1] [--server-log FILE]

Against `app.py run` with one worker and a Redis. In each round a crowd follows one gig and vanishes without a close: first
by resetting its connections (RST) while facts flow, then by being killed in silence. Then 20 subscribers follow a gig, in turns
alone and beside one who asks for much and reads nothing: what counts is the difference within a pair of rounds. The last line is the verdict; the exit code is 1 if it is not "ok".
"""

import argparse
import asyncio
import contextlib
import http.client
import random
import secrets
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from redis.asyncio import Redis

from bench.faults import load
from bench.faults.crowd import SPARE_FILES, Silent, allow_files
from bench.faults.load import OwnedGig
from bench.faults.servers import CHECKOUT, CannotMeasure, Server, Stage, measured
from bench.reads.machine import cpu_us, rss_kb
from subscriptions.redis_broker import CHANNEL

SIZE, ROUNDS, PAIRS, SECONDS = 1_000, 3, 30, 1
BOUND_S = 2.0
"""Until nothing of a crowd is left."""
MEMORY_BOUND_MB = 5.0
"""More than after the first round. What 1,000 were takes 15 MB if it waits for the collector of cycles."""
DELAY_BOUND_MS, STALLED_BOUND_MB = 50.0, 10.0
_DESCRIPTION = "Nobody reads this. " * 250
_ALIASES, _OPERATIONS, _BUFFER = 14, 10, 4_096
_MUCH = (
    "subscription ($gigId: ID!) { gigEvents(gigId: $gigId) { event { __typename ... on GigPaused { gig { "
    + " ".join(f"d{number}: description" for number in range(_ALIASES))
    + " } } ... on GigResumed { gig { "
    + " ".join(f"d{number}: description" for number in range(_ALIASES))
    + " } } } } }"
)
_MB = 1024
_RESAMPLES, _SEED = 500, 20


class Way(Enum):
    """How a crowd vanishes."""

    RESET = "reset"
    KILL = "killed"


@dataclass(frozen=True, slots=True)
class Vanished:
    """One crowd, before and after."""

    way: Way
    descriptors: tuple[int, int, int]
    """Of the server: before the crowd came, with it, and `BOUND_S` after it vanished."""
    followers: tuple[int, int]
    """With the crowd, and `BOUND_S` after it vanished."""
    gone_s: float
    """Until there were no more descriptors than before, and no follower; infinite if longer than `BOUND_S`."""
    redis: tuple[int, int]
    """Subscriptions and connections that Redis has, after it."""
    memory_mb: float

    def complaints(self) -> list[str]:
        found = [
            (self.gone_s > BOUND_S, f"{self.descriptors[2]} descriptors, {self.followers[1]} followers left"),
            (self.redis[0] != 1, f"{self.redis[0]} subscriptions of Redis instead of 1"),
        ]
        return [f"{self.way.value}: {words}" for is_broken, words in found if is_broken]


@dataclass(frozen=True, slots=True)
class Served:
    """What 20 subscribers met in one round."""

    delays: Sequence[float]
    """In milliseconds, from when a fact occurred to its arrival."""
    facts: int
    work_ms: float
    """Of the server's processor time, from the first write to the last arrival."""
    memory_mb: float
    """Of the server, at the end."""
    unsent: int
    """Bytes that the kernel holds for who reads nothing."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rounds right after each other, so that whatever else the machine does meets both."""

    alone: Served
    beside: Served


@dataclass(frozen=True, slots=True)
class Extra:
    """How much longer others waited beside who reads nothing, in milliseconds, and the middle 80 % of what it would be if other
    pairs had been drawn: a machine that is busy with something else has a wide one."""

    extra: float
    low: float
    high: float

    @classmethod
    def of(cls, pairs: Sequence[Pair], *, share: float) -> "Extra":
        """Of the delay that this share of the deliveries does not exceed."""
        chance = random.Random(_SEED)
        drawn = sorted(
            _difference(chance.choices(pairs, k=len(pairs)), share=share) for _ in range(_RESAMPLES)
        )
        return cls(_difference(pairs, share=share), drawn[_RESAMPLES // 10], drawn[-_RESAMPLES // 10])

    def __str__(self) -> str:
        return f"{self.extra:+.1f} ms ({self.low:+.1f} to {self.high:+.1f})"


def _difference(pairs: Sequence[Pair], *, share: float) -> float:
    beside, alone = ([delay for run in runs for delay in run.delays] for runs in (
        [pair.beside for pair in pairs], [pair.alone for pair in pairs]
    ))  # fmt: skip
    return quantile(beside, share) - quantile(alone, share)


def quantile(delays: Sequence[float], share: float) -> float:
    return sorted(delays)[min(int(len(delays) * share), len(delays) - 1)]


# -- who vanishes --------------------------------------------------------------------------------------------------------


async def vanish(place: Stage, gig: OwnedGig, way: Way, size: int) -> Vanished:
    """Raises `CannotMeasure`."""
    server = place.server
    before = descriptors(server)
    async with _crowd(server.port, gig.id, size) as crowd:
        during, followers = descriptors(server), followers_of(server)
        if followers != size:
            raise CannotMeasure(f"{followers} follow, not {size}.")
        if way is Way.RESET:
            async with _facts(server.url, gig):
                began = time.monotonic()
                assert crowd.stdin is not None
                crowd.stdin.write(b"\n")
                gone_s = await _gone_s(server, before, began)
        else:
            began = time.monotonic()
            crowd.kill()
            gone_s = await _gone_s(server, before, began)
        await asyncio.sleep(max(0.0, began + BOUND_S - time.monotonic()))
        return Vanished(
            way=way,
            descriptors=(before, during, descriptors(server)),
            followers=(followers, followers_of(server)),
            gone_s=gone_s,
            redis=await _seen_by(place),
            memory_mb=rss_kb(server.pid) / _MB,
        )


@contextlib.asynccontextmanager
async def _crowd(port: int, gig_id: str, size: int) -> AsyncIterator[Process]:
    """Everybody follows. Raises `CannotMeasure`."""
    words = ("-m", "bench.faults.crowd", str(port), gig_id, str(size))
    crowd = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=CHECKOUT, stdin=PIPE, stdout=PIPE
    )
    try:
        assert crowd.stdout is not None
        if await crowd.stdout.readline() != b"ready\n":
            raise CannotMeasure("The crowd could not follow.")
        yield crowd
    finally:
        with contextlib.suppress(ProcessLookupError):
            crowd.kill()
        await crowd.wait()


@contextlib.asynccontextmanager
async def _facts(url: str, gig: OwnedGig) -> AsyncIterator[None]:
    """Facts flow for a second, so that the server also learns of an end by writing to it."""
    writing = asyncio.create_task(load.write(url, [gig], seconds=1, run=f"vanish-{secrets.token_hex(4)}"))
    try:
        yield
    finally:
        await writing


async def _gone_s(server: Server, descriptors_before: int, began: float) -> float:
    while time.monotonic() - began <= BOUND_S:
        if descriptors(server) <= descriptors_before and not followers_of(server):
            return time.monotonic() - began
        await asyncio.sleep(0.02)
    return float("inf")


def descriptors(server: Server) -> int:
    return sum(1 for _ in Path(f"/proc/{server.pid}/fd").iterdir())


def followers_of(server: Server) -> int:
    try:
        return int(server.health()["followers"])
    except (OSError, http.client.HTTPException) as error:
        raise CannotMeasure(f"The server does not answer: {error!r}") from error


async def _seen_by(place: Stage) -> tuple[int, int]:
    async with Redis(unix_socket_path=str(place.redis.path)) as redis:
        [(_, subscriptions)] = await redis.pubsub_numsub(CHANNEL)
        # Without ours.
        return int(subscriptions), len(await redis.client_list()) - 1


# -- who stops reading ---------------------------------------------------------------------------------------------------


async def serve_pair(
    place: Stage, gig: OwnedGig, followings: Sequence[load.Following], *, seconds: float, number: int
) -> Pair:
    """Both ways, in turns one or the other first. Raises `CannotMeasure`."""
    served = {
        is_beside: await serve(place, gig, followings, seconds=seconds, is_beside_silence=is_beside)
        for is_beside in ((False, True) if number % 2 else (True, False))
    }
    return Pair(served[False], served[True])


async def serve(
    place: Stage,
    gig: OwnedGig,
    followings: Sequence[load.Following],
    *,
    seconds: float,
    is_beside_silence: bool,
) -> Served:
    """Raises `CannotMeasure`."""
    url, port = place.server.url, place.server.port
    before = [len(each.arrivals) for each in followings]
    silent, unsent = None, 0
    if is_beside_silence:
        silent = await asyncio.to_thread(
            Silent, port, _MUCH, {"gigId": gig.id}, operations=_OPERATIONS, buffer=_BUFFER
        )
        await asyncio.to_thread(silent.wait)
    worked_us = cpu_us([place.server.pid])[place.server.pid]
    facts = len(await load.write(url, [gig], seconds=seconds, run=f"serve-{secrets.token_hex(4)}"))
    await _until_served(followings, [count + facts for count in before])
    worked_us = cpu_us([place.server.pid])[place.server.pid] - worked_us
    if silent is not None:
        unsent = _unsent(port, silent.socket.getsockname()[1])
        silent.reset()
        if not unsent:
            raise CannotMeasure("Who reads nothing was sent everything: this proves nothing.")
    arrivals = [a for each, count in zip(followings, before, strict=True) for a in each.arrivals[count:]]
    return Served(
        delays=[1000 * (arrival.arrived_at - arrival.occurred_at) for arrival in arrivals],
        facts=facts,
        work_ms=worked_us / 1000,
        memory_mb=rss_kb(place.server.pid) / _MB,
        unsent=unsent,
    )


async def _until_served(followings: Sequence[load.Following], counts: Sequence[int]) -> None:
    try:
        async with asyncio.timeout(15):
            while any(  # noqa: ASYNC110 - nothing sets an event
                len(each.arrivals) < count for each, count in zip(followings, counts, strict=True)
            ):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise CannotMeasure("Not everybody got everything within 15 s.") from None


def _unsent(port: int, peer: int) -> int:
    """What waits at the server's end of the connection with this peer."""
    ends = f":{port:04X}", f":{peer:04X}"
    for line in map(str.split, Path("/proc/net/tcp").read_text().splitlines()[1:]):
        if line[1].endswith(ends[0]) and line[2].endswith(ends[1]):
            return int(line[4].partition(":")[0], 16)
    return 0


# -- the command ---------------------------------------------------------------------------------------------------------


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.faults.vanishing", description="Subscribers who vanish, or stop reading."
    )
    parser.add_argument("--size", type=int, default=SIZE, help=f"of a crowd, {SIZE:,} unless told")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of crowds, {ROUNDS} unless told")
    parser.add_argument(
        "--pairs",
        type=int,
        default=PAIRS,
        help=f"of rounds without and with who reads nothing, {PAIRS} unless told",
    )
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of facts in each of these rounds")
    parser.add_argument("--server-log", type=Path, metavar="FILE", help="keep what the server said")
    return parser.parse_args()


async def measure_crowds(place: Stage, gig: OwnedGig, *, size: int, rounds: int) -> list[str]:
    """What broke a bound, in words."""
    # Once for nothing: the server opens its connections to the database, and loads what it needs for anybody.
    await vanish(place, gig, Way.KILL, size)
    print(
        f"{size:,} subscribers who vanish; descriptors of the server before, with them, {BOUND_S:g} s after"
    )
    broken, first_mb, memory_mb = [], 0.0, 0.0
    for number in range(1, rounds + 1):
        for way in Way:
            found = await vanish(place, gig, way, size)
            before, during, after = found.descriptors
            print(
                f"  round {number} {found.way.value:7}  descriptors {before} {during:,} {after}  followers "
                f"{found.followers[0]:,} {found.followers[1]}  gone after {found.gone_s:.2f} s  "
                f"Redis {found.redis[0]} subscription, {found.redis[1]} connections  {found.memory_mb:.1f} MB",
                flush=True,
            )
            broken += [f"round {number}, {words}" for words in found.complaints()]
            memory_mb = found.memory_mb
        first_mb = first_mb or memory_mb
    if memory_mb - first_mb > MEMORY_BOUND_MB:
        broken.append(f"the server grew by {memory_mb - first_mb:.1f} MB after the first round")
    return broken


async def measure_silence(place: Stage, gig: OwnedGig, *, seconds: float, pairs: int) -> list[str]:
    """What broke a bound, in words."""
    url = place.server.url
    await load.begin(url, [gig])
    print(f"{load.SUBSCRIBERS} subscribers, {load.FACTS_PER_S} facts a second, beside one who reads nothing")
    async with load.subscribers(url, [gig]) as followings:
        # Once for nothing, as with crowds.
        await serve_pair(place, gig, followings, seconds=1, number=0)
        served = [
            await serve_pair(place, gig, followings, seconds=seconds, number=number)
            for number in range(pairs)
        ]
    for name, runs in (
        ("alone", [pair.alone for pair in served]),
        ("beside", [pair.beside for pair in served]),
    ):
        delays = [delay for run in runs for delay in run.delays]
        print(
            f"  {name:7} {len(delays):,} deliveries, median {quantile(delays, 0.5):.1f} p99 {quantile(delays, 0.99):.1f} "
            f"worst {max(delays):.1f} ms  "
            f"{sum(run.work_ms for run in runs) / sum(run.facts for run in runs):.1f} ms of the server's own time a fact  "
            f"{runs[-1].unsent:,} bytes unsent"
        )
    extra = Extra.of(served, share=0.99)
    growth_mb = served[-1].beside.memory_mb - served[0].beside.memory_mb
    print(f"  longer  median {Extra.of(served, share=0.5)}  p99 {extra}  of {pairs} pairs of rounds")
    print(f"  server grew by {growth_mb:.1f} MB")
    broken = []
    if extra.low > DELAY_BOUND_MS:
        broken.append(f"others waited {extra} longer, not {DELAY_BOUND_MS:g}")
    if growth_mb > STALLED_BOUND_MB:
        broken.append(f"the server grew by {growth_mb:.1f} MB for who reads nothing")
    return broken


async def measure_all(place: Stage, arguments: argparse.Namespace) -> list[str]:
    gig = await load.make_gig(place.server.url, 0, description=_DESCRIPTION)
    await load.begin(place.server.url, [gig])
    return [
        *await measure_crowds(place, gig, size=arguments.size, rounds=arguments.rounds),
        *await measure_silence(place, gig, seconds=arguments.seconds, pairs=arguments.pairs),
    ]


def main() -> int:
    arguments = parse_arguments()
    allow_files(arguments.size + SPARE_FILES)
    broken = measured(
        "vanishing", lambda place: measure_all(place, arguments), workers=1, server_log=arguments.server_log
    )
    print("\n".join([*broken, f"vanishing: {'broken' if broken else 'ok'}"]), flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
