"""One server for all tests that only ask; those that stop, break or watch one start their own."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from schema.execution import Executable
from tests.wire.doors import Doors, serving_doors
from tests.wire.server import Api, Log, serving_services
from tests.world import Clock, World, make_test_services


@pytest.fixture(scope="session")
async def api(
    database_url: str, schema: Executable, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Api]:
    clock = Clock()
    services = await make_test_services(database_url, clock)
    async with serving_services(services, tmp_path_factory.mktemp("local")) as client:
        yield Api(client, World(services, clock, schema))
    await services.close()


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    logger = logging.getLogger("skillsync")
    level = logger.level
    logger.setLevel("INFO")
    logger.addHandler(log)
    yield log
    logger.removeHandler(log)
    logger.setLevel(level)


@pytest.fixture(scope="session")
async def doors() -> AsyncIterator[Doors]:
    async with serving_doors() as doors:
        yield doors
