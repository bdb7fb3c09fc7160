"""`/metrics`: who may read it, and that it tells what happened."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from models.ids import encode_id, new_id
from models.job import MAX_ATTEMPTS
from resolvers.jobs import run_due_jobs, schedule
from resolvers.operation import Operation
from tests.wire.server import serving_services, until
from tests.world import Clock, World

TOKEN = "a-token-of-the-tests"
Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def figures_in(text: str) -> Figures:
    """By the name and the labels, without the process."""
    return {
        (sample.name, frozenset((k, v) for k, v in sample.labels.items() if k != "process")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def figures(client: httpx.AsyncClient) -> Figures:
    return figures_in((await client.get("/metrics")).text)


def of(found: Figures, name: str, **labels: str) -> float | None:
    return found.get((f"skillsync_{name}", frozenset(labels.items())))


async def test_with_a_token_only_who_brings_it_is_answered(empty_world: World, tmp_path: Path) -> None:
    async with serving_services(empty_world.services, tmp_path, METRICS_TOKEN=TOKEN) as client:
        answers = [
            await client.get("/metrics", headers=headers)
            for headers in (
                {},
                {"authorization": "Bearer another-token-of-tests"},
                {"authorization": TOKEN},
                {"authorization": f"Bearer {TOKEN}"},
            )
        ]

    assert [answer.status_code for answer in answers] == [401, 401, 401, 200]
    assert [answer.text for answer in answers[:3]] == [""] * 3
    assert answers[0].headers["www-authenticate"] == "Bearer"
    assert answers[3].headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answers[3].headers["cache-control"] == "no-store"


async def test_requests_are_told_by_kind_and_status_without_what_was_asked(
    empty_world: World, tmp_path: Path
) -> None:
    async with serving_services(empty_world.services, tmp_path) as client:
        for document in (
            "query Peculiar { gigs { totalCount } }",
            "query Peculiar { gigs { totalCount } }",
            "{ __schema { queryType { name } } }",
            'mutation { gigPublish(input: {id: "gig_01jd0000000000000000000000"}) { outcome } }',
            "{ nonsense }",
        ):
            await client.post("/graphql", json={"query": document})
        await client.post("/graphql", content="{", headers={"content-type": "application/json"})
        text = (await client.get("/metrics")).text

    found = figures_in(text)
    query = {"transport": "http", "operation": "query", "status": "2xx"}
    assert of(found, "request_seconds_count", **query) == 3
    assert of(found, "request_seconds_bucket", **query, le="+Inf") == 3
    assert 0 < (of(found, "request_seconds_sum", **query) or 0) < 30
    assert of(found, "request_seconds_count", **query | {"operation": "mutation"}) == 1
    unknown = {"transport": "http", "operation": "unknown"}
    assert of(found, "request_seconds_count", **unknown, status="4xx") == 1
    assert of(found, "root_fields_left_to_batches_total", reason="introspection") == 1
    assert of(found, "documents_kept") == 3
    assert of(found, "jobs_dead") == 0
    assert of(found, "database_up") == 1
    assert of(found, "database_connections_limit", pool="planned") == 20
    assert of(found, "database_connections_busy", pool="planned") == 0
    assert "Peculiar" not in text and "nonsense" not in text


async def test_dead_jobs_are_counted(empty_world: World, clock: Clock, tmp_path: Path) -> None:
    operation = Operation(empty_world.services)
    async with operation.transaction() as tx:
        await schedule(tx, "unheard_of", new_id(), run_at=clock(), at=clock())
    for _ in range(MAX_ATTEMPTS):
        await run_due_jobs(operation)
        clock.move(timedelta(hours=2))

    async with serving_services(empty_world.services, tmp_path) as client:
        found = await figures(client)

    assert of(found, "jobs_dead") == 1


async def test_sockets_and_what_runs_on_them_are_told_while_they_are_open(
    empty_world: World, tmp_path: Path
) -> None:
    async with serving_services(empty_world.services, tmp_path, background=True) as client:
        address = f"{client.base_url}".replace("http", "ws").rstrip("/") + "/graphql"
        async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            gig_id = encode_id("gig", await empty_world.open_gig(await empty_world.client()))
            await say(socket, type="connection_init")
            await heard(socket, "connection_ack")
            follow = f'subscription {{ gigEvents(gigId: "{gig_id}") {{ event {{ __typename }} }} }}'
            await say(socket, type="subscribe", id="1", payload={"query": follow})
            await heard(socket, "next")
            await say(socket, type="subscribe", id="2", payload={"query": "{ gigs { totalCount } }"})
            await heard(socket, "next")
            await heard(socket, "complete")
            open_ = await figures(client)
            await say(socket, type="complete", id="1")
        async with client.stream(
            "POST",
            "/graphql",
            json={"query": "{ gigs { totalCount } }"},
            headers={"accept": "text/event-stream"},
        ) as answer:
            events = (await answer.aread()).decode()

        async def is_over() -> bool:
            return of(await figures(client), "sockets_open") == 0

        await until(is_over)
        over = await figures(client)

    assert events.count("event: next") == 1
    assert (of(open_, "sockets_open"), of(open_, "followers")) == (1, 1)
    assert (of(open_, "streams_open", transport="ws"), of(open_, "frames_sent_total")) == (1, 2)
    assert of(open_, "background_work_fails", task="sweep") == 0
    assert (of(over, "streams_open", transport="ws"), of(over, "followers")) == (0, 0)
    assert of(over, "frames_sent_total") == 3
    counts = {
        (labels["transport"], labels["operation"]): value
        for (name, pairs), value in over.items()
        if name == "skillsync_request_seconds_count" and (labels := dict(pairs))["status"] == "2xx"
    }
    assert counts == {("ws", "subscription"): 1, ("ws", "query"): 1, ("sse", "query"): 1}


async def say(socket: ClientConnection, **message: object) -> None:
    await socket.send(json.dumps(message))


async def heard(socket: ClientConnection, kind: str) -> None:
    async with asyncio.timeout(20):
        assert json.loads(await socket.recv())["type"] == kind
