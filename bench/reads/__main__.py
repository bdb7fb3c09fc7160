"""How fast one core answers: our server against Node's GraphQL servers, on the same tables, with the same answers.

    python -m bench.reads [--rounds 5] [--seconds 3] [--only Q1,Q2] [--servers ours,mercurius] [--pool 10] [--rebuild]

Each server, and the PostgreSQL processes that work for it, run on core 0; the load generator on core 1 keeps 16
connections busy. Rounds are interleaved, so that whatever else the machine does falls on everybody. A server that answers
differently from ours is not measured. The last line is the verdict: our rate over that of the best peer.
"""

import argparse
import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path

from bench.reads import operations
from bench.reads.driver import ceiling, request_bytes
from bench.reads.linearity import print_series
from bench.reads.machine import facts, pinned
from bench.reads.measuring import Cells, measure_rounds, require_equal_answers, require_equal_writes, warm_up
from bench.reads.operations import INSERT, M1, READS, Operation
from bench.reads.report import print_insert, print_operation, verdict
from bench.reads.servers import CHECKOUT, NAMES, OURS, SETTINGS, install_peers, running
from bench.reads.world import DATABASE, SIZE, Asking, cloned, gather, postmaster_of, versions
from bench.search import build
from models.store.embedded import EmbeddedCluster, start_embedded

INSERTS = "mercurius"


def main() -> int:
    arguments = _arguments()
    cluster = start_embedded(CHECKOUT, log=lambda text: print(text, file=sys.stderr))
    try:
        asyncio.run(build(cluster, DATABASE, SIZE, rebuild=arguments.rebuild))
        peers = install_peers()
        with pinned(postmaster_of(cluster)):
            return run(cluster, peers, arguments)
    finally:
        cluster.stop()


def run(cluster: EmbeddedCluster, peers: Path, arguments: argparse.Namespace) -> int:
    print(f"machine: {facts()}")
    print(f"versions: {versions(cluster)}")
    print(
        f"ours: ENV=production, signed in (RS256), scopes and limits on; "
        f"no limit raised; {', '.join(f'{k}={v}' for k, v in SETTINGS.items())}"
    )
    print(f"peers: no authentication, no scopes, no limits; pools of {arguments.pool} connections each")
    rate, own_us = ceiling(request_bytes(b"x" * 1_000, {}), answer_size=8_000)
    print(
        f"load generator: {rate:,.0f} canned answers a second, {own_us:.0f} µs of its core each\n", flush=True
    )
    chosen = operations.chosen(arguments.only)
    asking = asyncio.run(gather(cluster))
    cells: Cells = {}
    if reads := [operation for operation in chosen if operation in READS]:
        measure_reads(cluster, peers, asking, reads, cells, arguments)
    if M1 in chosen:
        measure_writes(cluster, peers, asking, cells, arguments)
    left_out = set(arguments.servers) - set.intersection(*(set(rows) for rows in cells.values()))
    print(verdict(cells, chosen))
    return 1 if left_out else 0


def measure_reads(
    cluster: EmbeddedCluster,
    peers: Path,
    asking: Asking,
    chosen: list[Operation],
    cells: Cells,
    arguments: argparse.Namespace,
) -> None:
    databases = dict.fromkeys(arguments.servers, DATABASE)
    with running(arguments.servers, databases, cluster, peers, pool=arguments.pool) as (started, pem):
        asking.sign_with(pem)
        servers = require_equal_answers(started, chosen, asking)
        warm_up(servers, chosen, asking)
        measure_rounds(cluster, databases, servers, chosen, asking, cells, arguments)
        for operation in chosen:
            print_operation(operation, cells)
        if arguments.servers[0] == OURS and not arguments.only:
            print_series(servers[0], asking)


def measure_writes(
    cluster: EmbeddedCluster, peers: Path, asking: Asking, cells: Cells, arguments: argparse.Namespace
) -> None:
    """Each server on a copy of the database, so that all begin with the same rows and none is slowed by another's."""
    with ExitStack() as stack:
        databases = {name: stack.enter_context(cloned(cluster, name)) for name in arguments.servers}
        servers, pem = stack.enter_context(
            running(arguments.servers, databases, cluster, peers, pool=arguments.pool)
        )
        asking.sign_with(pem)
        servers = require_equal_answers(servers, [M1], asking)
        servers = asyncio.run(require_equal_writes(cluster, databases, servers))
        warm_up(servers, [M1], asking)
        measure_rounds(cluster, databases, servers, [M1], asking, cells, arguments)
        print_operation(M1, cells)
        if inserting := [server for server in servers if server.name == INSERTS]:
            warm_up(inserting, [INSERT], asking)
            alone: Cells = {}
            measure_rounds(cluster, databases, inserting, [INSERT], asking, alone, arguments)
            print_insert(alone[INSERT.name][INSERTS], cells[M1.name])


def _arguments() -> argparse.Namespace:
    def names(text: str) -> list[str]:
        return [part.strip() for part in text.split(",") if part.strip()]

    parser = argparse.ArgumentParser(
        prog="python -m bench.reads", description="Measure our server against its peers."
    )
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    parser.add_argument(
        "--seconds", type=float, default=3, help="of each operation on each server in each round"
    )
    parser.add_argument("--only", type=names, default=[], metavar="Q1,M1", help="only these operations")
    parser.add_argument(
        "--servers", type=names, default=list(NAMES), metavar="ours,yoga", help="only these servers"
    )
    parser.add_argument("--pool", type=int, default=10, help="connections to the database for each server")
    parser.add_argument("--rebuild", action="store_true", help="make the world again")
    arguments = parser.parse_args()
    known = {operation.name for operation in operations.ALL}
    if wrong := [*(set(arguments.only) - known), *(set(arguments.servers) - set(NAMES))]:
        parser.error(
            f"unknown: {', '.join(wrong)}; there are {', '.join(sorted(known))} and {', '.join(NAMES)}"
        )
    arguments.servers.sort(key=NAMES.index)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
