"""How fast an event reaches everybody: our server against Mercurius, graphql-ws and Strawberry, over real WebSockets.

    python -m bench.fanout [--subscribers 500,2000] [--rounds 5] [--seconds 4] [--servers ours,mercurius]

The server's process has core 0 for itself. The subscribers, the publisher and our PostgreSQL share core 1. Every round
starts each server anew, in turn, so that whatever else the machine does falls on everybody. The last line is the
verdict: our deliveries a second over Mercurius's, by medians, with the first number of subscribers.
"""

import argparse
import gc
import signal
import sys
from pathlib import Path

import uvloop

from bench.fanout.audience import Broken, become_driver
from bench.fanout.measuring import WINDOW, Cell, measure
from bench.fanout.report import print_table, rate_ratio, verdict
from bench.fanout.servers import (
    INSTALLED,
    MERCURIUS,
    NAMES,
    PEERS,
    SETTINGS,
    Home,
    running,
    temporary_home,
)
from bench.reads.machine import facts
from bench.reads.servers import install_peers

PACE_S = 0.2
ALIKE = 0.1
"""How much payloads may differ in size, as a share."""


class Results:
    """By number of subscribers and server."""

    def __init__(self, subscribers: list[int], servers: list[str]) -> None:
        self.cells: dict[int, dict[str, list[Cell]]] = {
            number: {name: [] for name in servers} for number in subscribers
        }
        self.broken: dict[int, dict[str, str]] = {number: {} for number in subscribers}

    def payloads(self) -> dict[str, int]:
        """Bytes of an event as it comes from each server."""
        return {
            name: len(cells[0].payload)
            for rounds in self.cells.values()
            for name, cells in rounds.items()
            if cells
        }


def main() -> int:
    arguments = _arguments()
    # A polite end from outside runs what Ctrl-C runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    peers = install_peers(PEERS, INSTALLED)
    become_driver(max(arguments.subscribers))
    with temporary_home() as home:
        return run(home, peers, arguments)


def run(home: Home, peers: Path, arguments: argparse.Namespace) -> int:
    print(f"machine: {facts()}")
    print(
        "ours: app.py run with its embedded PostgreSQL, "
        f"{', '.join(f'{name}={value}' for name, value in SETTINGS.items())}; a publish is gigPause or gigResume of the "
        "signed-in client: checked, committed, read from the log, then delivered"
    )
    print("peers: a publish goes into their own pubsub; they write nothing durable and check nothing")
    print(f"rate: at most {WINDOW} publishes on the way; latencies: {1 / PACE_S:.0f} publishes a second")
    results = Results(arguments.subscribers, arguments.servers)
    for number in range(arguments.rounds):
        for subscribers in arguments.subscribers:
            for name in arguments.servers:
                measure_once(results, name, subscribers, home, peers, arguments.seconds)
        gc.collect()
        print(f"round {number + 1} of {arguments.rounds} done", file=sys.stderr, flush=True)
    sizes = results.payloads()
    print("payload in bytes:", ", ".join(f"{name} {size}" for name, size in sizes.items()))
    for subscribers in arguments.subscribers:
        print_table(subscribers, results.cells[subscribers], results.broken[subscribers])
    are_alike = not sizes or max(sizes.values()) <= (1 + ALIKE) * min(sizes.values())
    if not are_alike:
        print("payloads differ too much: the comparison is not fair")
    first = arguments.subscribers[0]
    print(verdict(rate_ratio(results.cells[first], results.broken[first], MERCURIUS)))
    return 1 if any(results.broken.values()) or not are_alike else 0


def measure_once(
    results: Results, name: str, subscribers: int, home: Home, peers: Path, seconds: float
) -> None:
    try:
        with running(name, home, peers) as server:
            cell = uvloop.run(measure(server, subscribers, seconds=seconds, pace_s=PACE_S))
    except Broken as problem:
        results.broken[subscribers].setdefault(name, str(problem))
    else:
        results.cells[subscribers][name].append(cell)


def _arguments() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    def names(text: str) -> list[str]:
        return [part.strip() for part in text.split(",") if part.strip()]

    parser = argparse.ArgumentParser(
        prog="python -m bench.fanout", description="Measure our deliveries against those of peers."
    )
    parser.add_argument("--subscribers", type=numbers, default=[500, 2000], metavar="500,2000")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    parser.add_argument(
        "--seconds", type=float, default=4, help="for the rate, and again for latencies, in each round"
    )
    parser.add_argument(
        "--servers", type=names, default=list(NAMES), metavar="ours,mercurius", help="only these servers"
    )
    arguments = parser.parse_args()
    if wrong := set(arguments.servers) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(wrong))}; there are {', '.join(NAMES)}")
    arguments.servers.sort(key=NAMES.index)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
