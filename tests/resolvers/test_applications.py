"""Applying and choosing."""

from models.gig import GigStatus, NoPlaceLeft
from models.store.sql import Receipt
from resolvers.applications import accept_application
from tests.world import World, kinds, race


async def test_the_last_place_goes_to_one_of_eight_simultaneous_acceptances(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client)
    bids = [await world.application(await world.freelancer(), gig_id) for _ in range(8)]

    outcomes = await race(accept_application(world.as_(client), bid) for bid in bids)

    assert kinds(outcomes) == {Receipt.__name__: 1, NoPlaceLeft.__name__: 7}
    gig = await world.gig(gig_id)
    assert (gig.hired, gig.status) == (1, GigStatus.IN_PROGRESS)
    assert (await world.facts(gig_id)).count("ApplicationAccepted") == 1
    assert len(await world.rows("select 1 from contract where gig_id = :id", id=gig_id)) == 1
