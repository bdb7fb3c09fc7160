"""One private PostgreSQL for all workers; each worker clones its database from one migrated template."""

import asyncio
import contextlib
import fcntl
import hashlib
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import uvloop
from sqlalchemy.ext.asyncio import create_async_engine

from models.store import migrations
from models.store.embedded import EmbeddedCluster, start_embedded
from resolvers.operation import Operation, Services
from resolvers.taxonomy import SKILLS, load_skills
from schema.execution import Executable, build_executable
from tests.emptying import EmptyDatabases
from tests.redis_server import redis_server, start_redis
from tests.world import Clock, World, make_test_services, services_of

__all__ = ["redis_server", "start_redis"]

CHECKOUT = Path(__file__).parent.parent
_numbers = itertools.count()


def pytest_configure() -> None:
    """Tests run on the loop that the product runs on.

    Not by the hook `pytest_asyncio_loop_factories`: a test that is no coroutine but uses a fixture that is one would
    end the loop of the session, and with it the fixtures of all others.
    """
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


@pytest.fixture(scope="session")
def cluster() -> Iterator[EmbeddedCluster]:
    cluster = start_embedded(CHECKOUT, log=lambda _: None)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def template(cluster: EmbeddedCluster) -> str:
    """The name of a migrated database with the taxonomy, made once for all workers and kept for the next run."""
    sources = [*sorted((CHECKOUT / "alembic" / "versions").glob("*.py")), SKILLS]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    name = f"test_template_{digest}"
    lock = CHECKOUT / ".local" / "test-template.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        asyncio.run(_make_template(cluster, name))
    return name


async def _make_template(cluster: EmbeddedCluster, name: str) -> None:
    draft = f"{name}_draft"
    if await migrations.has_database(cluster.url("postgres"), name):
        return
    await migrations.drop_database(cluster.url("postgres"), draft)
    await migrations.ensure_database(cluster.url("postgres"), draft)
    await migrations.migrate(cluster.url(draft))
    services = await make_test_services(cluster.url(draft), Clock())
    await load_skills(Operation(services))
    await services.close()
    # The name appears only when everything is in it, so that an interrupted run leaves no half template.
    await migrations.rename_database(cluster.url("postgres"), draft, name)


@contextlib.asynccontextmanager
async def _clone(cluster: EmbeddedCluster, template: str, name: str) -> AsyncIterator[str]:
    await migrations.ensure_database(cluster.url("postgres"), name, template=template)
    # Nothing here has to survive a crash of the machine, and thousands of commits need not wait for the disk.
    engine = create_async_engine(cluster.url("postgres"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(sa.text(f'alter database "{name}" set synchronous_commit = off'))
    await engine.dispose()
    try:
        yield cluster.url(name)
    finally:
        await migrations.drop_database(cluster.url("postgres"), name)


@pytest.fixture(scope="session")
def worker(request: pytest.FixtureRequest) -> str:
    return f"{os.getpid()}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"


@pytest.fixture(scope="session")
async def database_url(cluster: EmbeddedCluster, template: str, worker: str) -> AsyncIterator[str]:
    """A database of this worker's own, from the template; tests share it and make their own people."""
    async with _clone(cluster, template, f"test_{worker}") as url:
        yield url


@pytest.fixture(scope="session")
async def empty_databases(
    cluster: EmbeddedCluster, template: str, worker: str
) -> AsyncIterator[EmptyDatabases]:
    databases = EmptyDatabases(lambda: _clone(cluster, template, f"test_{worker}_{next(_numbers)}"))
    yield databases
    await databases.close()


@pytest.fixture
async def empty_database_url(empty_databases: EmptyDatabases) -> AsyncIterator[str]:
    """A database of this test's own: only the taxonomy is in it."""
    async with empty_databases.lent() as url:
        yield url


@pytest.fixture(scope="session")
def schema() -> Executable:
    return build_executable(introspection=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
async def shared_services(database_url: str) -> AsyncIterator[Services]:
    """The pools are opened once for all tests of the worker; connecting is most of what a small test would cost."""
    services = await make_test_services(database_url, Clock())
    yield services
    await services.close()


@pytest.fixture
def services(shared_services: Services, clock: Clock) -> Services:
    """Services of the test's own, but for the pools."""
    return services_of(shared_services, clock)


@pytest.fixture
async def world(services: Services, clock: Clock, schema: Executable) -> World:
    return World(services, clock, schema)


@pytest.fixture
async def empty_world(empty_database_url: str, clock: Clock, schema: Executable) -> AsyncIterator[World]:
    """Like `world`, in a database where nobody else is."""
    services = await make_test_services(empty_database_url, clock)
    yield World(services, clock, schema)
    await services.close()
