"""What goes wrong, and within which time everybody must be served again."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from bench.faults.cutting import Way
from bench.faults.servers import Stage, stopped
from bench.faults.verdict import Window
from tests.ferretdb_server import FerretServer

REDIS_BOUND_S, BOUND_S = 2.0, 5.0
WRITE_BOUND_S = 0.25
_REDIS_AWAY_S = _MONGO_AWAY_S = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """What can be hit. What stands still does so for `still_s` seconds."""

    stage: Stage
    way: Way
    still_s: float


@dataclass(frozen=True, slots=True)
class Fault:
    """`strike` ends with the fault. Recovery counts from its end or, after a kill, from its beginning."""

    name: str
    strike: Callable[[Target], Awaitable[Window]] | None
    bound_s: float = BOUND_S
    leaves_writes_alone: bool = False
    """Whether no write may take longer than `WRITE_BOUND_S` meanwhile."""
    uses_way: bool = False
    is_short: bool = False
    """Whether it is part of the short form."""
    is_quick: bool = False
    """Whether it is the quick form."""
    hits_mongo: bool = False
    """Whether it can be only where rooms are in MongoDB."""


async def kill_redis(target: Target) -> Window:
    began = time.time()
    target.stage.redis.kill()
    await asyncio.sleep(_REDIS_AWAY_S)
    await asyncio.to_thread(target.stage.redis.start)
    return Window(began, time.time(), counts_from=began)


async def stop_redis(target: Target) -> Window:
    return await _stand_still([target.stage.redis.pid], target.still_s)


async def kill_worker(target: Target) -> Window:
    began = time.time()
    os.kill(_busiest_worker(target.stage), signal.SIGKILL)
    return Window(began, began, counts_from=began)


async def kill_worker_and_redis(target: Target) -> Window:
    """Who comes back finds a server whose processes cannot speak to each other."""
    worker = await kill_worker(target)
    redis = await kill_redis(target)
    return Window(worker.began_at, redis.ended_at, counts_from=worker.began_at)


async def stop_worker(target: Target) -> Window:
    return await _stand_still([_busiest_worker(target.stage)], target.still_s)


async def restart_postgres(target: Target) -> Window:
    began = time.time()
    await asyncio.to_thread(target.stage.postgres.restart)
    return Window(began, time.time(), counts_from=began)


async def stop_postgres(target: Target) -> Window:
    return await _stand_still(target.stage.postgres.processes(), target.still_s)


async def cut_sockets(target: Target) -> Window:
    began = time.time()
    with target.way.cutting():
        await asyncio.sleep(target.still_s)
    return _until_now(began)


async def cut_sockets_and_restart_postgres(target: Target) -> Window:
    """Who comes back finds a server without a database."""
    began = time.time()
    with target.way.cutting():
        await asyncio.sleep(target.still_s / 4)
        await asyncio.to_thread(target.stage.postgres.restart)
        await asyncio.sleep(target.still_s / 4)
    return _until_now(began)


async def kill_mongo(target: Target) -> Window:
    mongo = _mongo(target)
    began = time.time()
    mongo.kill()
    await asyncio.sleep(_MONGO_AWAY_S)
    await asyncio.to_thread(mongo.start)
    return Window(began, time.time(), counts_from=began)


async def stop_mongo(target: Target) -> Window:
    return await _stand_still([_mongo(target).pid], target.still_s)


async def kill_worker_and_mongo(target: Target) -> Window:
    """Who comes back finds a server that cannot read what was said."""
    worker = await kill_worker(target)
    mongo = await kill_mongo(target)
    return Window(worker.began_at, mongo.ended_at, counts_from=worker.began_at)


async def cut_sockets_and_kill_mongo(target: Target) -> Window:
    began = time.time()
    with target.way.cutting():
        await asyncio.sleep(target.still_s / 4)
        await kill_mongo(target)
        await asyncio.sleep(target.still_s / 4)
    return _until_now(began)


def _mongo(target: Target) -> FerretServer:
    assert target.stage.mongo is not None
    return target.stage.mongo


async def _stand_still(pids: Iterable[int], still_s: float) -> Window:
    began = time.time()
    with stopped(pids):
        await asyncio.sleep(still_s)
    return _until_now(began)


def _until_now(began: float) -> Window:
    ended = time.time()
    return Window(began, ended, counts_from=ended)


def _busiest_worker(stage: Stage) -> int:
    """The one that most subscribers are at: a fault of an idle one would prove nothing."""
    workers = stage.server.workers()
    return max(workers, key=lambda pid: workers[pid])


FAULTS = (
    Fault("none", None),
    Fault("redis kill", kill_redis, REDIS_BOUND_S, leaves_writes_alone=True, is_short=True),
    Fault("redis stop", stop_redis, REDIS_BOUND_S, leaves_writes_alone=True, is_short=True),
    Fault("worker kill", kill_worker, is_short=True),
    Fault("worker, redis kill", kill_worker_and_redis, is_quick=True),
    Fault("worker stop", stop_worker),
    Fault("postgres restart", restart_postgres),
    Fault("postgres stop", stop_postgres),
    Fault("sockets cut", cut_sockets, uses_way=True, is_short=True),
    Fault("cut and restart", cut_sockets_and_restart_postgres, uses_way=True),
    Fault("mongo kill", kill_mongo, is_short=True, hits_mongo=True),
    Fault("mongo stop", stop_mongo, hits_mongo=True),
    Fault("worker, mongo kill", kill_worker_and_mongo, is_quick=True, is_short=True, hits_mongo=True),
    Fault("cut and mongo kill", cut_sockets_and_kill_mongo, uses_way=True, hits_mongo=True),
)
