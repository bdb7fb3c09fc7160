"""Whether subscribers who vanish, or stop reading, leave anything behind or delay anybody.

    python -m bench.faults.vanishing [--size 1000] [--rounds 3] [--seconds 10] [--server-log FILE]

Against `app.py run` with one worker and a Redis. In each round a crowd follows one gig and vanishes without a close: first
by resetting its connections (RST) while facts flow, then by being killed in silence. Then 20 subscribers follow a gig, alone
and beside one who asks for much and reads nothing. The last line is the verdict; the exit code is 1 if it is not "ok".
"""

import argparse
import asyncio
import contextlib
import http.client
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
from bench.reads.machine import rss_kb
from subscriptions.redis_broker import CHANNEL

SIZE, ROUNDS, SECONDS = 1_000, 3, 10
BOUND_S = 2.0
"""Until nothing of a crowd is left."""
MEMORY_BOUND_MB = 5.0
"""More than after the first round. What 1,000 were takes 15 MB if it waits for the collector of cycles."""
DELAY_BOUND_MS, STALLED_BOUND_MB = 50.0, 10.0
ATTEMPTS = 3
"""At a delay within its bound: a busy machine breaks it, a slow server breaks it each time."""
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
    """What 20 subscribers met; delays, in milliseconds, are from when a fact occurred to its arrival."""

    delivered: int
    median_ms: float
    p99_ms: float
    worst_ms: float
    growth_mb: float
    """Of the server, from a third into the run to its end."""
    unsent: int
    """Bytes that the kernel holds for who reads nothing."""


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


async def serve(place: Stage, gig: OwnedGig, *, seconds: float, is_beside_silence: bool) -> Served:
    """Raises `CannotMeasure`."""
    url, port = place.server.url, place.server.port
    await load.begin(url, [gig])
    async with load.subscribers(url, [gig]) as followings:
        silent = None
        if is_beside_silence:
            silent = await asyncio.to_thread(
                Silent, port, _MUCH, {"gigId": gig.id}, operations=_OPERATIONS, buffer=_BUFFER
            )
            await asyncio.to_thread(silent.wait)
        writing = asyncio.create_task(
            load.write(url, [gig], seconds=seconds, run=f"serve-{secrets.token_hex(4)}")
        )
        await asyncio.sleep(seconds / 3)
        early_kb = rss_kb(place.server.pid)
        facts = len(await writing)
        await _until_served(followings, facts)
        late_kb = rss_kb(place.server.pid)
        unsent = 0
        if silent is not None:
            unsent = _unsent(port, silent.socket.getsockname()[1])
            silent.reset()
            if not unsent:
                raise CannotMeasure("Who reads nothing was sent everything: this proves nothing.")
    delays = sorted(1000 * (a.arrived_at - a.occurred_at) for f in followings for a in f.arrivals)
    return Served(
        delivered=len(delays),
        median_ms=delays[len(delays) // 2],
        p99_ms=delays[len(delays) * 99 // 100],
        worst_ms=delays[-1],
        growth_mb=(late_kb - early_kb) / _MB,
        unsent=unsent,
    )


async def _until_served(followings: Sequence[load.Following], facts: int) -> None:
    try:
        async with asyncio.timeout(15):
            while any(len(each.arrivals) < facts for each in followings):  # noqa: ASYNC110 - nothing sets an event
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
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of facts, beside who reads nothing")
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


async def measure_silence(place: Stage, gig: OwnedGig, *, seconds: float) -> list[str]:
    """What broke a bound, in words."""
    print(f"{load.SUBSCRIBERS} subscribers, {load.FACTS_PER_S} facts a second, beside one who reads nothing")
    broken: list[str] = []
    for _ in range(ATTEMPTS):
        alone, beside = [
            await serve(place, gig, seconds=seconds, is_beside_silence=is_beside)
            for is_beside in (False, True)
        ]
        for name, run in (("alone", alone), ("beside", beside)):
            print(
                f"  {name:7} {run.delivered:,} deliveries, median {run.median_ms:.1f} p99 {run.p99_ms:.1f} worst "
                f"{run.worst_ms:.1f} ms  server grew by {run.growth_mb:.1f} MB  {run.unsent:,} bytes unsent",
                flush=True,
            )
        extra_ms = beside.worst_ms - alone.worst_ms
        broken = []
        if extra_ms > DELAY_BOUND_MS:
            broken.append(f"others waited {extra_ms:.0f} ms longer, not {DELAY_BOUND_MS:g}")
        if beside.growth_mb > STALLED_BOUND_MB:
            broken.append(f"the server grew by {beside.growth_mb:.1f} MB for who reads nothing")
        if not broken:
            break
    return broken


async def measure_all(place: Stage, arguments: argparse.Namespace) -> list[str]:
    gig = await load.make_gig(place.server.url, 0, description=_DESCRIPTION)
    await load.begin(place.server.url, [gig])
    return [
        *await measure_crowds(place, gig, size=arguments.size, rounds=arguments.rounds),
        *await measure_silence(place, gig, seconds=arguments.seconds),
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
