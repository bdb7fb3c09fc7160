"""One world for each module of schema tests: its people and connections are made once."""

from collections.abc import AsyncIterator

import pytest

from models.store import migrations
from models.store.embedded import EmbeddedCluster
from schema.execution import Executable
from tests.schema.rich_stage import RichStage
from tests.schema.stage import Stage
from tests.world import Clock, World, make_test_services


@pytest.fixture(scope="module")
async def module_world(database_url: str, schema: Executable) -> AsyncIterator[World]:
    """Like `world`, for all tests of a module. Its clock is shared: a test that moves it uses `world` instead."""
    clock = Clock()
    services = await make_test_services(database_url, clock)
    yield World(services, clock, schema)
    await services.db.close()


@pytest.fixture(scope="module")
async def stage(module_world: World) -> Stage:
    """Eight callers, each with another part in the gigs of `owner`."""
    return await Stage.cast(module_world)


@pytest.fixture(scope="module")
async def own_database_url(
    cluster: EmbeddedCluster, template: str, worker: str, request: pytest.FixtureRequest
) -> AsyncIterator[str]:
    """A database of this module's own, so that lists hold only what the module made."""
    name = f"test_{worker}_{request.module.__name__.rpartition('.')[2]}"
    await migrations.ensure_database(cluster.url("postgres"), name, template=template)
    yield cluster.url(name)
    await migrations.drop_database(cluster.url("postgres"), name)


@pytest.fixture(scope="module")
async def rich(own_database_url: str, schema: Executable) -> AsyncIterator[RichStage]:
    """Every kind of thing in every state, in a database of its own."""
    clock = Clock()
    services = await make_test_services(own_database_url, clock)
    yield await RichStage.cast(World(services, clock, schema))
    await services.db.close()
