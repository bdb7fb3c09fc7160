"""What happens to applications and contracts is said in their rooms, once, however often it is tried."""

import sqlalchemy as sa

from models.contract import EndReason
from models.ids import encode_id
from resolvers import contracts
from resolvers.notices import say_notices
from resolvers.operation import Operation
from tests.resolvers.rooms import log_of, texts
from tests.world import World, kinds, race


async def room_of(world: World, column: str, id: object) -> object:
    return (await world.rows(f"select id from room where {column} = :id", id=id))[0][0]


async def test_what_happens_to_a_contract_is_said_in_its_room_in_order(world: World) -> None:
    hired = await world.hired()
    freelancer = world.as_(hired.freelancer)
    await contracts.report_progress(
        freelancer, hired.contract_id, percent=40, note=None, expected_version=None
    )
    world.clock.move(world.clock().resolution)
    await contracts.end_contract(freelancer, hired.contract_id, reason=EndReason.MUTUAL, note=None)

    await say_notices(Operation(world.services))

    of_application = await room_of(world, "application_id", hired.application_id)
    of_contract = await room_of(world, "contract_id", hired.contract_id)
    assert await texts(world, hired.client, of_application) == ["The application was accepted."]  # type: ignore[arg-type]
    assert await texts(world, hired.client, of_contract) == [  # type: ignore[arg-type]
        "The work may begin.", "The work is done to 40 %.", "The contract was ended early."
    ]  # fmt: skip
    document = """query ($room: ID!) { messages(roomId: $room, first: 2) { nodes { isSystem author { id } authorName
        notice { kind progressPercent contract { id } application { id } gig { id } } } } }"""
    found = await world.data(hired.client, document, room=encode_id("room", of_contract))  # type: ignore[arg-type]
    assert found["messages"]["nodes"][1] == {
        "isSystem": True, "author": None, "authorName": None,
        "notice": {
            "kind": "CONTRACT_PROGRESS_REPORTED", "progressPercent": 40, "application": None,
            "contract": {"id": encode_id("contract", hired.contract_id)},
            "gig": {"id": encode_id("gig", hired.gig_id)},
        },
    }  # fmt: skip


async def test_what_is_tried_again_is_said_once_and_a_refused_act_owes_nothing(world: World) -> None:
    hired = await world.hired()
    op = Operation(world.services)
    await say_notices(op)
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        await tx.execute(sa.text("update room_notice set said_at = null"))  # as if nobody had noted it

    await race(say_notices(op) for _ in range(5))

    of_contract = await room_of(world, "contract_id", hired.contract_id)
    assert len(await log_of(world, of_contract)) == 1  # type: ignore[arg-type]
    before = await world.footprint()
    refused = contracts.report_progress(
        world.as_(hired.client), hired.contract_id, percent=40, note=None, expected_version=None
    )
    assert kinds(await race([refused])) == {"NotAllowed": 1}
    assert await world.footprint() == before
