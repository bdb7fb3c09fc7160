"""Which WebSocket implementation carries most: text frames of 313 bytes to idle sockets, and HTTP on the same core.

    python -m bench.fanout.implementations [--sockets 500,2000] [--rounds 5] [--seconds 3] [--only ours,uvicorn]

The servers are tiny (`senders.py`); a publish is a call inside them. Cores, audience and columns are those of the fan-out,
and so is what counts as broken. "per core-s" is what a core sends that does nothing else: a rate below it was held up by
the subscribers or by the machine's other work. What is no dependency of ours is measured where it is installed.
"""

import argparse
import asyncio
import gc
import itertools
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import uvloop

from bench.fanout.audience import Broken, become_driver
from bench.fanout.measuring import WINDOW, Cell, Publishing, measure
from bench.fanout.report import print_table
from bench.fanout.senders import ANSWER, GATHERED, GRANIAN, RAW, SENDERS, UVICORN, WSPROTO
from bench.fanout.servers import Server, free_port, started
from bench.reads.driver import LoadFailed, connected, load, request_bytes
from bench.reads.machine import cpu_us, facts
from bench.reads.servers import OURS

NEEDS = {WSPROTO: "wsproto", GRANIAN: "granian", GATHERED: "granian"}
ABOUT = {
    UVICORN: "websockets-sansio; `send` is awaited for one socket after the other",
    OURS: "websockets-sansio with `send_at_once`, what the product does",
    WSPROTO: "uvicorn with wsproto, otherwise like the first",
    GRANIAN: "one worker, ASGI, uvloop; `send` is awaited for one socket after the other",
    GATHERED: "the same; all sends under way at once",
    RAW: "uvloop's transports, a handshake and nothing else: what the loop and the system call cost",
}
SPEAK_HTTP = (UVICORN, OURS, GRANIAN)
PACE_S = 0.2
UNSTEADY = 1.25
"""How far apart rounds may be: the dearest over the cheapest."""


@dataclass(slots=True)
class Results:
    """What the rounds found with one number of sockets, by implementation."""

    cells: dict[str, list[Cell]]
    broken: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Requests:
    """Plain HTTP in one round."""

    per_second: float
    server_us: float
    """Processor time of the server for each."""


def main() -> int:
    arguments = _arguments()
    # A polite end from outside runs what Ctrl-C runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    become_driver(max(arguments.sockets))
    print(f"machine: {facts()}")
    names = _present(arguments.only)
    print(
        f"a publish is a call inside the server; at most {WINDOW} on the way, then {1 / PACE_S:.0f} a second for latencies"
    )
    results = {sockets: Results({name: [] for name in names}) for sockets in arguments.sockets}
    requests: dict[str, list[Requests]] = {name: [] for name in names if name in SPEAK_HTTP}
    for number in range(arguments.rounds):
        for sockets, name in itertools.product(arguments.sockets, names):
            speaks = requests.get(name) if sockets == arguments.sockets[0] else None
            measure_once(name, sockets, arguments.seconds, results[sockets], speaks)
        gc.collect()
        print(f"round {number + 1} of {arguments.rounds} done", file=sys.stderr, flush=True)
    for sockets, found in results.items():
        print_table(sockets, found.cells, found.broken)
        print_spread({name: [cell.server_us for cell in cells] for name, cells in found.cells.items()})
    print_requests(requests)
    return 1 if any(found.broken for found in results.values()) else 0


def _present(wanted: Sequence[str]) -> list[str]:
    """Those of them whose packages are installed; a line for each of the others."""
    present = []
    for name in wanted:
        try:
            its = f" ({NEEDS[name]} {version(NEEDS[name])})" if name in NEEDS else ""
        except PackageNotFoundError:
            print(
                f"  {name:16}left out: {NEEDS[name]} is not installed and no dependency of ours; "
                f"`.local/uv-*/bin/uv pip install --python .venv {NEEDS[name]}` adds it until set-up installs other packages"
            )
        else:
            present.append(name)
            print(f"  {name:16}{ABOUT[name]}{its}")
    return present


def measure_once(
    name: str, sockets: int, seconds: float, results: Results, requests: list[Requests] | None
) -> None:
    """With HTTP after the sockets where `requests` is given."""
    try:
        with _running(name) as (server, publishing):
            measuring = measure(server, sockets, seconds=seconds, pace_s=PACE_S, publishing=publishing)
            results.cells[name].append(uvloop.run(measuring))
            if requests is not None:
                requests.append(_ask(server, seconds))
    except (Broken, LoadFailed) as problem:
        results.broken.setdefault(name, str(problem))


@contextmanager
def _running(name: str) -> Iterator[tuple[Server, Publishing]]:
    """The server alone on its core, just started; stopped in the end."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="skillsync-senders-") as directory:
        control = Path(directory, "control")

        @asynccontextmanager
        async def publishing(server: Server) -> AsyncIterator[ControlPublisher]:
            _, writer = await asyncio.open_unix_connection(str(control))
            try:
                yield ControlPublisher(writer)
            finally:
                writer.close()

        command = [sys.executable, "-m", "bench.fanout.senders", name]
        variables = {"PORT": str(port), "CONTROL": str(control)}
        with started(command, variables, Path(directory, "log"), lambda: _is_up(port, control)):
            yield Server(name, port, asyncio.run(_sender(control)), []), publishing


class ControlPublisher:
    """Makes an event by a byte on the control of a sender."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def publish(self) -> None:
        self._writer.write(b".")


def _is_up(port: int, control: Path) -> bool:
    if not control.exists():
        return False
    try:
        with connected(port, 1):
            return True
    except OSError:
        return False


async def _sender(control: Path) -> int:
    """The process that sends, which need not be the one that was started."""
    reader, writer = await asyncio.open_unix_connection(str(control))
    pid = int(await reader.readline())
    writer.close()
    return pid


def _ask(server: Server, seconds: float) -> Requests:
    """Raises `LoadFailed`."""
    request = itertools.repeat(request_bytes(b'{"query":"{answer}"}', {}))
    with connected(server.port) as connections:
        load(connections, request, seconds / 4, ANSWER)
        before = cpu_us([server.pid])[server.pid]
        done = load(connections, request, seconds, ANSWER)
        return Requests(done.per_second, (cpu_us([server.pid])[server.pid] - before) / done.count)


# -- report ------------------------------------------------------------------------------------------------------------


def print_requests(requests: Mapping[str, Sequence[Requests]]) -> None:
    """Medians over the rounds, and the best round's rate."""
    print(f"\n{'HTTP, POST':18}{'requests/s':>13}{'best':>10}{'µs each':>9}")
    for name, rounds in requests.items():
        if rounds:
            rates = [each.per_second for each in rounds]
            server_us = median(each.server_us for each in rounds)
            print(f"  {name:16}{median(rates):13,.0f}{max(rates):10,.0f}{server_us:9.1f}")
    print_spread({name: [each.server_us for each in rounds] for name, rounds in requests.items()})


def print_spread(costs: Mapping[str, Sequence[float]]) -> None:
    """Other work on the machine only ever adds to a cost, so the cheapest round is the nearest to the truth."""
    print(
        "  µs each in the cheapest round:",
        ", ".join(f"{name} {min(rounds):.1f}" for name, rounds in costs.items() if rounds),
    )
    if found := unsteady(costs):
        print(f"  measure again: the rounds of {', '.join(found)} differ by more than a quarter", flush=True)


def unsteady(costs: Mapping[str, Sequence[float]]) -> list[str]:
    """Whose rounds, each told as its processor time, are too far apart for a median to say much."""
    return [name for name, rounds in costs.items() if rounds and max(rounds) > UNSTEADY * min(rounds)]


def _arguments() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    def names(text: str) -> list[str]:
        return [part.strip() for part in text.split(",") if part.strip()]

    parser = argparse.ArgumentParser(
        prog="python -m bench.fanout.implementations",
        description="Measure what a WebSocket implementation can send.",
    )
    parser.add_argument("--sockets", type=numbers, default=[500, 2000], metavar="500,2000")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    parser.add_argument(
        "--seconds",
        type=float,
        default=3,
        help="for the rate, again for latencies and again for HTTP, in each round",
    )
    parser.add_argument(
        "--only", type=names, default=list(SENDERS), metavar="ours,granian", help="only these"
    )
    arguments = parser.parse_args()
    if wrong := set(arguments.only) - set(SENDERS):
        parser.error(f"unknown: {', '.join(sorted(wrong))}; there are {', '.join(SENDERS)}")
    arguments.only.sort(key=list(SENDERS).index)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
