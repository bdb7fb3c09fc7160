"""The work itself: progress, hand-in, approval, rest and end."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from models.contract import Contract, ContractStatus, EndReason
from models.errors import InvalidTransition, NotAllowed, NotFound, Refusals, StaleVersion
from models.store.sql import Position, Receipt
from resolvers import contracts
from resolvers.operation import Operation
from tests.world import World, kinds, race

Act = Callable[[Operation, UUID], Awaitable[Receipt]]


def progress(percent: int, *, version: int | None = None) -> Act:
    return lambda op, contract_id: contracts.report_progress(
        op, contract_id, percent=percent, note=None, expected_version=version
    )


OF_FREELANCER: list[Act] = [
    progress(10),
    lambda op, contract_id: contracts.submit_work(op, contract_id, note="Here."),
]
OF_CLIENT: list[Act] = [
    lambda op, contract_id: contracts.request_changes(op, contract_id, note="Greener."),
    contracts.approve_work,
]
OF_BOTH: list[Act] = [
    lambda op, contract_id: contracts.pause_contract(op, contract_id, note="Holidays."),
    contracts.resume_contract,
    lambda op, contract_id: contracts.end_contract(op, contract_id, reason=EndReason.OTHER, note="Over."),
]


async def test_work_goes_from_progress_over_changes_and_rest_to_approval(world: World) -> None:
    hired = await world.hired()
    client, freelancer = world.as_(hired.client), world.as_(hired.freelancer)

    await contracts.report_progress(
        freelancer, hired.contract_id, percent=40, note="Half.", expected_version=1
    )
    await contracts.submit_work(freelancer, hired.contract_id, note="Here.")
    await contracts.request_changes(client, hired.contract_id, note="Greener.")
    await contracts.pause_contract(client, hired.contract_id, note=None)
    await contracts.resume_contract(freelancer, hired.contract_id)
    await contracts.submit_work(freelancer, hired.contract_id, note=None)
    receipt = await contracts.approve_work(client, hired.contract_id)

    contract = await world.get(Contract, hired.contract_id)
    assert (contract.status, contract.progress_percent, contract.over_at, contract.version) == (
        ContractStatus.COMPLETED,
        100,
        world.clock(),
        8,
    )
    assert (await world.facts(hired.gig_id))[6:] == [
        "ContractProgressReported",
        "WorkSubmitted",
        "ChangesRequested",
        "ContractPaused",
        "ContractResumed",
        "WorkSubmitted",
        "ContractCompleted",
        "GigCompleted",
    ]
    assert receipt.position == Position(f"gig:{hired.gig_id}", 13)
    remark = await world.rows("select body from remark where id = :id", id=contract.remark_id)
    assert remark[0][0] == "Greener."


async def test_each_side_does_only_its_part_and_strangers_see_no_contract(world: World) -> None:
    hired = await world.hired()
    stranger, admin = await world.client(), await world.admin()
    everything = OF_FREELANCER + OF_CLIENT + OF_BOTH
    before = await world.footprint()

    wrong_side = await race(
        [act(world.as_(hired.client), hired.contract_id) for act in OF_FREELANCER]
        + [act(world.as_(hired.freelancer), hired.contract_id) for act in OF_CLIENT]
        + [act(world.as_(admin), hired.contract_id) for act in everything]
    )
    strange = await race(act(world.as_(stranger), hired.contract_id) for act in everything)

    assert kinds(wrong_side) == {NotAllowed.__name__: 11}
    assert kinds(strange) == {NotFound.__name__: 7}
    assert await world.footprint() == before


async def test_what_is_over_stays_as_it_is(world: World) -> None:
    done = await world.completed()
    before = await world.footprint()

    outcomes = await race(
        [act(world.as_(done.freelancer), done.contract_id) for act in OF_FREELANCER + OF_BOTH]
        + [act(world.as_(done.client), done.contract_id) for act in OF_CLIENT + OF_BOTH]
    )

    assert kinds(outcomes) == {InvalidTransition.__name__: 10}
    assert await world.footprint() == before


async def test_two_reports_of_one_version_leave_one_stale_with_the_current_version(world: World) -> None:
    hired = await world.hired()

    outcomes = await race(
        progress(percent, version=1)(world.as_(hired.freelancer), hired.contract_id) for percent in (10, 20)
    )

    assert kinds(outcomes) == {Receipt.__name__: 1, StaleVersion.__name__: 1}
    stale = next(outcome for outcome in outcomes if isinstance(outcome, StaleVersion))
    assert (stale.current_version, stale.entity_id) == (2, hired.contract_id)


async def test_work_is_approved_or_ended_never_both(world: World) -> None:
    hired = await world.hired()
    await contracts.submit_work(world.as_(hired.freelancer), hired.contract_id, note=None)

    outcomes = await race(
        [
            contracts.approve_work(world.as_(hired.client), hired.contract_id),
            contracts.end_contract(
                world.as_(hired.freelancer), hired.contract_id, reason=EndReason.MUTUAL, note=None
            ),
        ]
    )

    assert kinds(outcomes) == {Receipt.__name__: 1, InvalidTransition.__name__: 1}
    status = ContractStatus.COMPLETED if isinstance(outcomes[0], Receipt) else ContractStatus.ENDED
    assert (await world.get(Contract, hired.contract_id)).status is status
    facts = await world.facts(hired.gig_id)
    assert len([kind for kind in facts if kind in {"ContractCompleted", "ContractEnded"}]) == 1


@pytest.mark.parametrize("percent", [-1, 101])
async def test_progress_is_a_percentage(world: World, percent: int) -> None:
    hired = await world.hired()
    before = await world.footprint()

    with pytest.raises(Refusals):
        await progress(percent)(world.as_(hired.freelancer), hired.contract_id)

    assert await world.footprint() == before


async def test_changes_need_words(world: World) -> None:
    hired = await world.hired()
    await contracts.submit_work(world.as_(hired.freelancer), hired.contract_id, note=None)
    before = await world.footprint()

    with pytest.raises(Refusals):
        await contracts.request_changes(world.as_(hired.client), hired.contract_id, note="  ")

    assert await world.footprint() == before
