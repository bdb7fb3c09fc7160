"""One world for each module of schema tests: its people and connections are made once."""

from collections.abc import AsyncIterator

import pytest

from schema.execution import Executable
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
