"""Cores, CPU time and memory of processes, as Linux tells them."""

import contextlib
import os
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path

SERVER_CORE, DRIVER_CORE = 0, 1
_everywhere = os.sched_getaffinity(0)
TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started in the block runs on that core for ever; we come back to ours."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} & _everywhere or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def pinned(postmaster: int) -> Iterator[None]:
    """PostgreSQL, with all it starts, on the servers' core, and ourselves on the other; undone in the end."""
    everywhere = os.sched_getaffinity(0)
    if not {SERVER_CORE, DRIVER_CORE} <= everywhere:
        print("fewer than two cores: nothing is pinned, and the figures say little", flush=True)
        yield
        return
    pin(postmaster, {SERVER_CORE})
    os.sched_setaffinity(0, {DRIVER_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, everywhere)
        pin(postmaster, everywhere)


def pin(postmaster: int, cores: set[int]) -> None:
    """PostgreSQL with all it has started, and what it starts from now on."""
    for pid in (postmaster, *_children(postmaster)):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(pid, cores)


def _children(parent: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(_fields(path)[1]) == parent:
                yield int(path.parent.name)


def cpu_us(pids: Iterable[int]) -> dict[int, float]:
    """Microseconds of processor time, user and system, all threads, of each process that lives."""
    times = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = _fields(Path(f"/proc/{pid}/stat"))
            times[pid] = (int(fields[11]) + int(fields[12])) * TICK_US
    return times


def rss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(pid)


def _fields(stat: Path) -> list[str]:
    """What follows the name, which may hold spaces: state, parent, …"""
    return stat.read_text().rpartition(")")[2].split()


def facts() -> str:
    info = Path("/proc/cpuinfo").read_text()
    model = next(
        (line.partition(": ")[2] for line in info.splitlines() if line.startswith("model name")), "?"
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024**2
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{model}, {os.cpu_count()} cores, {memory} GB, Linux {platform.release()}, load average {load}"
