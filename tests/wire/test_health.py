"""`/health/live` and `/health/ready`: what they name, and what they tell while something is broken."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from models.ids import new_id
from models.job import MAX_ATTEMPTS
from resolvers.jobs import run_due_jobs, schedule
from resolvers.operation import Operation
from tests.wire.server import Log, serving_services, until
from tests.world import Clock, World

VERSION = "0.1.0"
TASKS = {
    "streams", "broker", "sweep", "sight", "revocations", "jobs", "views", "retention", "taxonomy", "chat", "chat sweep",
    "chat streams", "chat projection", "chat notices", "recommendations", "ranking", "past work",
}  # fmt: skip


async def administer(database_url: str, statement: str, *, inside: bool = False) -> None:
    """On the cluster's own database, from which another one can be locked; or `inside` the test's."""
    url = sa.make_url(database_url)
    engine = create_async_engine(
        url if inside else url.set(database="postgres"), isolation_level="AUTOCOMMIT"
    )
    async with engine.connect() as connection:
        await connection.execute(sa.text(statement))
    await engine.dispose()


async def test_a_healthy_server_names_its_adapters_and_counts_no_dead_job(
    empty_world: World, tmp_path: Path
) -> None:
    async with serving_services(empty_world.services, tmp_path, background=True) as client:
        live = await client.get("/health/live")

        async def ready() -> dict[str, Any]:
            return dict((await client.get("/health/ready")).json())

        async def has_all_tasks() -> bool:
            return set((await ready())["background"]) == TASKS

        await until(has_all_tasks)
        answer = await client.get("/health/ready")

    assert (live.status_code, live.json()) == (200, {"status": "ok", "version": VERSION})
    assert answer.status_code == 200
    found = answer.json()
    # How far it is by now is told by tests/wire/test_recommendations.py.
    assert set(found.pop("recommendations")) >= {"state", "progress", "starts", "problem", "listsDropped"}
    assert found == {
        "status": "ok",
        "version": VERSION,
        "adapters": {"sql": "embedded", "chat": "sql", "broker": "memory", "files": "directory"},
        "background": dict.fromkeys(
            TASKS,
            "ok",
        ),
        "unplanned": {},
        "followers": 0,
        "deadJobs": 0,
    }
    assert live.headers["cache-control"] == answer.headers["cache-control"] == "no-store"


async def test_a_job_that_failed_too_often_is_counted(
    empty_world: World, clock: Clock, tmp_path: Path
) -> None:
    operation = Operation(empty_world.services)
    async with operation.transaction() as tx:
        await schedule(tx, "unheard_of", new_id(), run_at=clock(), at=clock())
    for _ in range(MAX_ATTEMPTS):
        await run_due_jobs(operation)
        clock.move(timedelta(hours=2))

    async with serving_services(empty_world.services, tmp_path) as client:
        answer = await client.get("/health/ready")

    assert (answer.status_code, answer.json()["deadJobs"]) == (200, 1)


async def test_a_background_task_that_fails_is_named_and_recovers_by_itself(
    empty_world: World, empty_database_url: str, tmp_path: Path, log: Log
) -> None:
    async with serving_services(empty_world.services, tmp_path, background=True) as client:

        async def has_status(status: str) -> bool:
            health = (await client.get("/health/ready")).json()
            return bool(health["status"] == status and set(health["background"]) == TASKS)

        await until(lambda: has_status("ok"))
        await administer(empty_database_url, "alter table session rename to session_away", inside=True)
        await until(lambda: has_status("degraded"))
        broken = await client.get("/health/ready")
        await administer(empty_database_url, "alter table session_away rename to session", inside=True)
        await until(lambda: has_status("ok"))

    assert broken.status_code == 200
    assert broken.json()["background"] == dict.fromkeys(TASKS, "ok") | {
        "revocations": "failing: UndefinedTableError"
    }
    assert [line["task"] for line in log.named("background work failed")] == ["revocations"]
    assert [line["task"] for line in log.named("background work goes on")] == ["revocations"]


@pytest.mark.long
async def test_without_the_database_it_lives_but_is_not_ready_until_the_database_is_back(
    empty_world: World, empty_database_url: str, tmp_path: Path
) -> None:
    name = sa.make_url(empty_database_url).database
    async with serving_services(empty_world.services, tmp_path, background=True) as client:

        async def has_answer(status_code: int, status: str) -> bool:
            answer = await client.get("/health/ready")
            return (answer.status_code, answer.json()["status"]) == (status_code, status)

        await until(lambda: has_answer(200, "ok"))
        await administer(empty_database_url, f'alter database "{name}" allow_connections false')
        await administer(
            empty_database_url,
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'",
        )
        away = await client.get("/health/ready")
        live = await client.get("/health/live")
        await administer(empty_database_url, f'alter database "{name}" allow_connections true')
        await until(lambda: has_answer(200, "ok"))

    assert away.status_code == 503
    assert away.json()["status"] == "unavailable"
    assert away.json()["adapters"] == {
        "sql": "embedded",
        "chat": "sql",
        "broker": "memory",
        "files": "directory",
    }
    assert str(name) not in away.text
    assert live.status_code == 200
