"""What tests of use cases share."""

import pytest
import sqlalchemy as sa

from tests.world import World


@pytest.fixture
async def idle_world(world: World) -> World:
    """The worker's world without the jobs that other tests still owe: only what this test owes becomes due."""
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        await tx.execute(sa.text("delete from job"))
    return world
