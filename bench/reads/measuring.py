"""The cells: one operation on one server in one round; and what must hold before any is measured."""

import argparse
import asyncio
import itertools
import random
from dataclasses import dataclass
from typing import Any

from bench.reads.driver import Connection, Load, body_of, connected, load
from bench.reads.machine import cpu_us
from bench.reads.operations import M1, Operation, canonical, difference
from bench.reads.servers import Server
from bench.reads.world import Asking, backends, fetch
from models.store.embedded import EmbeddedCluster

COMPARED = 20
WARM_UP_S = 1.5
SETTLE_S = 0.25
MOST_WRITES = 4_000  # a second; one core cannot do more


@dataclass(frozen=True, slots=True)
class Cell:
    """`server_us` and `database_us` are processor time for each request."""

    load: Load
    server_us: float
    database_us: float


# By operation, then server; one for each round.
Cells = dict[str, dict[str, list[Cell]]]


def require_equal_answers(servers: list[Server], chosen: list[Operation], asking: Asking) -> list[Server]:
    """Those that answer as the first one does; the others are named and left out."""
    reference, *others = servers
    refused: dict[str, str] = {}
    for operation in chosen:
        expected = _answers(reference, operation, asking)
        for server in others:
            try:
                found = difference(expected, _answers(server, operation, asking), operation.name)
            except (ValueError, OSError) as error:
                found = f"{operation.name}: {error}"
            if found is not None:
                refused.setdefault(server.name, found)
    for name, why in refused.items():
        print(f"NOT MEASURED: {name} answers differently from {reference.name}. {why}", flush=True)
    return [server for server in servers if server.name not in refused]


def _answers(server: Server, operation: Operation, asking: Asking) -> list[Any]:
    connection = Connection(server.port)
    try:
        if operation is M1:
            # Every application gets an id of its own.
            answers = [_ask(connection, asking, server, operation) for _ in range(COMPARED)]
            return [_without_id(canonical(answer)) for answer in answers]
        chance = random.Random(COMPARED)
        drawn = [asking.variables(operation, chance) for _ in range(COMPARED)]
        return [
            canonical(body_of(connection.answer(asking.request(server, operation, variables))))
            for variables in drawn
        ]
    finally:
        connection.socket.close()


def _ask(connection: Connection, asking: Asking, server: Server, operation: Operation) -> bytes:
    return body_of(connection.answer(next(asking.requests(server, operation))))


def _without_id(data: Any) -> Any:
    application = data["applicationSubmit"]["application"]
    return {**data["applicationSubmit"], "application": {**application, "id": bool(application["id"])}}


async def require_equal_writes(
    cluster: EmbeddedCluster, databases: dict[str, str], servers: list[Server]
) -> list[Server]:
    """Those whose applications left the same rows as those of the first one."""
    written = {
        server.name: [list(row.values()) for row in await fetch(cluster, databases[server.name], _WRITTEN)]
        for server in servers
    }
    expected = written[servers[0].name]
    if len(expected) != COMPARED:
        raise RuntimeError(f"{len(expected)} applications were written, not {COMPARED}")
    same = []
    for server in servers:
        found = difference(expected, written[server.name], "rows")
        if found is None:
            same.append(server)
        else:
            print(
                f"NOT MEASURED: {server.name} writes other rows than {servers[0].name}. {found}", flush=True
            )
    return same


def warm_up(servers: list[Server], chosen: list[Operation], asking: Asking) -> None:
    for operation, server in itertools.product(chosen, servers):
        with connected(server.port) as connections:
            load(connections, asking.requests(server, operation), WARM_UP_S, operation.must)


def measure_rounds(
    cluster: EmbeddedCluster,
    databases: dict[str, str],
    servers: list[Server],
    chosen: list[Operation],
    asking: Asking,
    cells: Cells,
    arguments: argparse.Namespace,
) -> None:
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds} …", flush=True)
        asking.renew()
        for operation in chosen:
            # Another one begins each time: nobody always follows the same neighbour.
            shift = number % len(servers)
            for server in servers[shift:] + servers[:shift]:
                cell = _measure(cluster, databases[server.name], server, operation, asking, arguments.seconds)
                cells.setdefault(operation.name, {}).setdefault(server.name, []).append(cell)


def _measure(
    cluster: EmbeddedCluster,
    database: str,
    server: Server,
    operation: Operation,
    asking: Asking,
    seconds: float,
) -> Cell:
    requests = asking.requests(server, operation)
    next(requests)  # Tokens and bodies of the round are made now and not under the clock.
    with connected(server.port) as connections:
        load(connections, requests, SETTLE_S, operation.must)
        if operation.asker == "applicant":
            # Written before the clock runs; reads are prepared as a whole.
            requests = iter(list(itertools.islice(requests, int(seconds * MOST_WRITES))))
        serving = asyncio.run(backends(cluster, database, server.application))
        before = cpu_us([server.pid, *serving])
        measured = load(connections, requests, seconds, operation.must)
        after = cpu_us([server.pid, *asyncio.run(backends(cluster, database, server.application))])
    spent = {pid: time - before.get(pid, 0) for pid, time in after.items()}
    own = spent.pop(server.pid)
    return Cell(measured, own / measured.count, sum(spent.values()) / measured.count)


# What a first burst of applications left, in the order in which they were asked, without ids and times of their own.
_WRITTEN = """
    select k.key, k.mutation, k.outcome, length(k.input_hash) as digest, k.stream = 'gig:' || a.gig_id as is_gigs_stream,
           k.number = f.number as is_position, a.gig_id::text, a.freelancer_id::text, a.client_id::text, a.status,
           a.version, a.cover_letter, a.price_minor, a.currency, a.duration_days, a.viewed_at,
           g.application_count, g.version as gig_version, f.kind, f.audience, f.actor_id = a.freelancer_id, f.owner_id = a.client_id,
           f.person_id = a.freelancer_id, (f.payload - 'application_id')::text, h.number as head, p.number as person_number,
           p.kind, (p.payload - 'application_id')::text, p.id <> f.id, o.number as owner_number, o.kind, o.audience,
           o.actor_id = a.freelancer_id, (o.payload - 'application_id')::text, n.user_id = a.client_id, n.kind, n.category,
           n.reason, n.actor_id = a.freelancer_id, n.gig_id::text, n.application_id = a.id, n.group_key, n.read_at,
           r.kind, r.gig_id = a.gig_id, (select count(*) from room_member m where m.room_id = r.id and m.role = 'MEMBER') as people
    from idempotency_key k join application a on a.id = k.entity_id join gig g on g.id = a.gig_id
    join fact f on f.stream = 'gig:' || a.gig_id and f.payload ->> 'application_id' = a.id::text
    join fact p on p.stream = 'user:' || a.freelancer_id and p.payload ->> 'application_id' = a.id::text
    join fact o on o.stream = 'user:' || a.client_id and o.payload ->> 'application_id' = a.id::text
    join notification n on n.id = o.id
    join room r on r.application_id = a.id
    join stream_head h on h.stream = f.stream
    order by k.key
"""
