"""View counts: counted in memory, written now and then."""

import asyncio
from uuid import UUID

import pytest

from auth.viewer import ANONYMOUS
from models.store.sql import Database
from resolvers.views import ViewCounter
from tests.world import World


async def count_of(world: World, gig_id: UUID) -> int:
    return (await world.gig(gig_id)).view_count


async def write(world: World, views: ViewCounter) -> None:
    await views.write(world.services.db, at=world.clock())


async def test_a_person_counts_once_between_two_writes_and_anonymous_views_all_count(world: World) -> None:
    gig_id, person = await world.open_gig(await world.client()), await world.freelancer()
    views = ViewCounter()
    version = (await world.gig(gig_id)).version

    for viewer in (person, person, ANONYMOUS, ANONYMOUS):
        views.count(gig_id, viewer)
    assert await count_of(world, gig_id) == 0
    await write(world, views)
    assert await count_of(world, gig_id) == 3
    views.count(gig_id, person)
    await write(world, views)
    await write(world, views)

    assert await count_of(world, gig_id) == 4
    assert (await world.gig(gig_id)).version == version


async def test_a_failed_write_keeps_what_was_counted_and_who(world: World) -> None:
    gig_id, person = await world.open_gig(await world.client()), await world.freelancer()
    views = ViewCounter()
    views.count(gig_id, person)
    nowhere = Database("postgresql+asyncpg://postgres@127.0.0.1:1/nowhere")

    with pytest.raises(OSError):
        await views.write(nowhere, at=world.clock())
    views.count(gig_id, person)
    await nowhere.close()

    await write(world, views)
    assert await count_of(world, gig_id) == 1


async def test_workers_that_write_the_same_gigs_at_once_do_not_block_each_other(world: World) -> None:
    client = await world.client()
    gigs = [await world.open_gig(client) for _ in range(10)]

    async def watch(order: list[UUID]) -> None:
        views = ViewCounter()
        for _ in range(10):
            for gig_id in order:
                views.count(gig_id, ANONYMOUS)
            await write(world, views)

    async with asyncio.timeout(10):
        await asyncio.gather(*(watch(gigs if worker % 2 else gigs[::-1]) for worker in range(4)))

    assert [await count_of(world, gig_id) for gig_id in gigs] == [40] * 10


async def test_views_of_a_gig_that_does_not_exist_are_nobodys_loss(world: World) -> None:
    gig_id = await world.open_gig(await world.client())
    views = ViewCounter()
    views.count(UUID(int=0), ANONYMOUS)
    views.count(gig_id, ANONYMOUS)

    await write(world, views)

    assert await count_of(world, gig_id) == 1
