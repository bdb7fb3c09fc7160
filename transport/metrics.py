"""Metrics in the text form of Prometheus, read when somebody asks from what the product keeps anyway.

Labels come from short closed lists (kinds, transports, names of tasks and pools, classes of errors): never what people
wrote, ids or documents. Several workers share one port, and any of them answers: each tells its own figures, with its
process id as the label `process`, so that counters of one never mix with those of another.
"""

import hmac
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import asyncpg
import sqlalchemy as sa
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col
from starlette.requests import Request
from starlette.responses import Response

from models.job import Job, JobStatus
from schema.documents import Documents
from transport.health import Health
from transport.http import GraphQLEndpoint
from transport.sockets import GraphQLSockets
from transport.traffic import BUCKETS_S, Traffic

_log = logging.getLogger("skillsync.metrics")
Samples = Iterable[tuple[Sequence[str], float]]


@dataclass(frozen=True, slots=True)
class Metrics:
    """`/metrics`. Without a `token` it is there only where it `is_open`; with one, for who brings it."""

    health: Health
    documents: Documents
    traffic: Traffic
    endpoint: GraphQLEndpoint
    sockets: GraphQLSockets
    token: str | None
    is_open: bool

    async def answer(self, request: Request) -> Response:
        if self.token is None and not self.is_open:
            return Response(status_code=404)
        given = request.headers.get("authorization", "")
        if self.token is not None and not hmac.compare_digest(
            given.encode("latin-1"), f"Bearer {self.token}".encode()
        ):
            return Response(status_code=401, headers={"www-authenticate": "Bearer"})
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Figures(self, await self._dead_jobs()))
        headers = {"content-type": CONTENT_TYPE_PLAIN_0_0_4, "cache-control": "no-store"}
        return Response(generate_latest(registry), headers=headers)

    async def _dead_jobs(self) -> int | None:
        """None while the database does not answer."""
        statement = sa.select(sa.func.count()).where(col(Job.status) == JobStatus.DEAD)
        try:
            return int((await self.health.db.fetch(statement))[0][0])
        except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            _log.warning("dead jobs cannot be counted", extra={"reason": type(error).__name__})
            return None


class _Figures(Collector):
    """The figures of this moment."""

    def __init__(self, metrics: Metrics, dead_jobs: int | None) -> None:
        self._of = metrics
        self._dead_jobs = dead_jobs

    def collect(self) -> Iterator[Metric]:
        of, health = self._of, self._of.health
        yield _requests(of.traffic)
        yield _counter(
            "root_fields_left_to_batches",
            "Root fields that the planner left to the slower executor, by the reason.",
            [((reason,), count) for reason, count in health.unplanned.items()],
            "reason",
        )
        yield _gauge("documents_kept", "Documents whose plans are kept.", [((), len(of.documents))])
        yield _gauge("sockets_open", "WebSockets that are open.", [((), of.sockets.open)])
        yield _gauge(
            "streams_open",
            "Operations that are being answered over WebSockets (`ws`) and as server-sent events (`sse`).",
            [(("ws",), of.sockets.running), (("sse",), of.endpoint.streaming)],
            "transport",
        )
        yield _gauge(
            "followers", "Streams that subscriptions follow, each counted once for each follower.",
            [((), health.streams.followers)],
        )  # fmt: skip
        yield _counter(
            "frames_sent",
            "Answers sent over WebSockets and as server-sent events.",
            [((), of.traffic.frames)],
        )
        yield _gauge(
            "background_work_fails",
            "1 for work in the background that fails now, by its name in /health/ready; 0 for what goes well.",
            [((task,), 0 if error is None else 1) for task, error in health.errors.items()],
            "task",
        )
        yield from _pools(health)
        asked, statements = health.db.coalesced
        yield _counter("planned_reads", "Rows that plans read from the database.", [((), asked)])
        yield _counter(
            "planned_statements",
            "Statements that were sent for planned reads: what is asked at the same moment goes as one.",
            [((), statements)],
        )
        if self._dead_jobs is not None:
            yield _gauge("jobs_dead", "Jobs that failed too often and wait for an administrator.", [((), self._dead_jobs)])  # fmt: skip
        up = 0 if self._dead_jobs is None else 1
        yield _gauge("database_up", "Whether the database answered when this was asked.", [((), up)])


def _pools(health: Health) -> Iterator[Metric]:
    pools = health.db.pools
    yield _gauge(
        "database_connections_busy", "Connections in use, by pool.", [((name,), pool.busy) for name, pool in pools.items()], "pool"
    )  # fmt: skip
    yield _gauge(
        "database_connections_limit",
        "How many connections a pool opens at most.",
        [((name,), pool.size) for name, pool in pools.items()],
        "pool",
    )
    waited = {name: pool for name, pool in pools.items() if pool.waits is not None}
    yield _counter(
        "database_connection_waits",
        "How often somebody had to wait because all connections of a pool were busy.",
        [((name,), pool.waits or 0) for name, pool in waited.items()],
        "pool",
    )


def _requests(traffic: Traffic) -> Metric:
    found = HistogramMetricFamily(
        "skillsync_request_seconds",
        "Seconds to answer operations, by transport, kind of operation and class of the status; over WebSockets 4xx is what "
        "never ran and 5xx what broke. A subscription takes as long as somebody listens.",
        labels=["process", "transport", "operation", "status"],
    )
    together: dict[tuple[str, str, str], list[float]] = {}
    for (transport, kind, status), counts in traffic.requests.items():
        labels = (transport, kind or "unknown", f"{status // 100}xx")
        known = together.get(labels, [0.0] * len(counts))
        together[labels] = [a + b for a, b in zip(known, counts, strict=True)]
    for labels, counts in together.items():
        buckets, total = [], 0.0
        for limit, count in zip((*map(str, BUCKETS_S), "+Inf"), counts[:-1], strict=True):
            total += count
            buckets.append((limit, total))
        found.add_metric([str(os.getpid()), *labels], buckets, counts[-1])
    return found


def _gauge(name: str, about: str, samples: Samples, *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(f"skillsync_{name}", about, labels=["process", *labels]), samples)


def _counter(name: str, about: str, samples: Samples, *labels: str) -> Metric:
    return _filled(CounterMetricFamily(f"skillsync_{name}", about, labels=["process", *labels]), samples)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, samples: Samples) -> Metric:
    for values, value in samples:
        family.add_metric([str(os.getpid()), *values], value)
    return family
