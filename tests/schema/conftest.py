"""One world for each module of schema tests: its people and connections are made once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from resolvers.operation import Services
from schema.execution import Executable
from tests.emptying import EmptyDatabases
from tests.schema.rich_stage import RichStage
from tests.schema.stage import Stage
from tests.world import Clock, World, make_test_services, services_of


@pytest.fixture(scope="module")
def module_world(shared_services: Services, schema: Executable) -> World:
    """Like `world`, for all tests of a module. Its clock is shared: a test that moves it uses `world` instead."""
    clock = Clock()
    return World(services_of(shared_services, clock), clock, schema)


@pytest.fixture(scope="module")
async def stage(module_world: World) -> Stage:
    """Eight callers, each with another part in the gigs of `owner`."""
    return await Stage.cast(module_world)


@pytest.fixture(scope="module")
async def own_database_url(empty_databases: EmptyDatabases) -> AsyncIterator[str]:
    """A database of this module's own, so that lists hold only what the module made."""
    async with empty_databases.lent() as url:
        yield url


@pytest.fixture(scope="module")
async def rich(own_database_url: str, schema: Executable) -> AsyncIterator[RichStage]:
    """Every kind of thing in every state, in a database of its own."""
    clock = Clock()
    services = await make_test_services(own_database_url, clock)
    yield await RichStage.cast(World(services, clock, schema))
    await services.close()


@pytest.fixture(scope="session")
async def loop() -> asyncio.AbstractEventLoop:
    """The loop of all fixtures, for tests that hypothesis calls, which cannot await: nothing runs in it meanwhile."""
    return asyncio.get_running_loop()
