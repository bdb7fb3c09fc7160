"""Several workers behind one port: started, watched, started again when they die, and stopped together."""

import contextlib
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

SOCKETS = "SKILLSYNC_WORKER_SOCKETS"
"""Set for a worker: the numbers of the descriptors it serves on."""
FIRST = "SKILLSYNC_WORKER_FIRST"
"""Set for the worker that says where the server is."""
STOP_TIMEOUT_S = 15
_LOOK_EVERY_S = 0.1
_SOUND_S = 5.0
_MOST_DEATHS = 5
_log = logging.getLogger("skillsync.workers")


class WorkersFail(Exception):
    """Workers end again and again as soon as they are started; their own words say why."""


def run_workers(
    command: Sequence[str], count: int, sockets: Sequence[socket.socket], environment: Mapping[str, str]
) -> None:
    """Keep `count` processes of `command` running on these sockets until a KeyboardInterrupt. Raises `WorkersFail`."""
    descriptors = [sock.fileno() for sock in sockets]
    shared = {**environment, SOCKETS: ",".join(map(str, descriptors))}

    def start(extra: Mapping[str, str]) -> subprocess.Popen[bytes]:
        # Not of our process group: Ctrl-C reaches them once, through us.
        return subprocess.Popen(  # noqa: S603  our own command
            command, env={**shared, **extra}, pass_fds=descriptors, start_new_session=True
        )

    workers = [start({FIRST: "1"} if number == 0 else {}) for number in range(count)]
    try:
        _watch(workers, lambda: start({}))
    except KeyboardInterrupt:
        _log.info("workers stop", extra={"workers": len(workers)})
    finally:
        _stop(workers)


def _watch(workers: list[subprocess.Popen[bytes]], start: Callable[[], subprocess.Popen[bytes]]) -> None:
    began = dict.fromkeys(range(len(workers)), time.monotonic())
    deaths = 0
    while True:
        time.sleep(_LOOK_EVERY_S)
        for number, worker in enumerate(workers):
            status = worker.poll()
            if status is None:
                continue
            deaths = 0 if time.monotonic() - began[number] > _SOUND_S else deaths + 1
            _log.warning("a worker ended", extra={"pid": worker.pid, "status": status})
            if deaths >= _MOST_DEATHS:
                raise WorkersFail(f"Workers end as soon as they start (status {status}).")
            workers[number], began[number] = start(), time.monotonic()


def _stop(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """All are told at once; who does not end in time is killed."""
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            # Not SIGINT: a worker that is still reading its modules would end with a traceback.
            worker.terminate()
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for worker in workers:
        try:
            worker.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.error("a worker does not stop and is killed", extra={"pid": worker.pid})
            worker.kill()
            worker.wait()


def inherited_sockets(environment: Mapping[str, str]) -> list[socket.socket]:
    """Those a worker was started with. Raises LookupError in a process that is none."""
    return [socket.socket(fileno=int(number)) for number in environment[SOCKETS].split(",")]


class Parent:
    """The process that watches over this one: when it is gone, so must we be, or nobody would ever stop us."""

    def __init__(self) -> None:
        self._pid = os.getppid()

    async def check(self) -> None:
        if os.getppid() != self._pid:
            _log.warning("the parent is gone")
            signal.raise_signal(signal.SIGINT)
