"""Applying and choosing."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from models.application import (
    ApplicationSeen,
    ApplicationStatus,
    DeclineReason,
    OwnGig,
    WithdrawReason,
)
from models.contract import Contract
from models.errors import IdempotencyConflict, InvalidTransition, NotAllowed, NotFound, StaleVersion
from models.gig import GigNotOpen, NoPlaceLeft
from models.gig_workflow import GigStatus
from models.idempotency import Outcome
from models.store.sql import Position, Receipt, Replayed
from models.user import Role
from resolvers.applications import (
    accept_application,
    decline_application,
    edit_application,
    mark_application_viewed,
    shortlist_application,
    submit_application,
    unshortlist_application,
    withdraw_application,
)
from resolvers.gigs import cancel_gig, edit_gig, pause_gig, resume_gig
from resolvers.operation import Operation
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


async def test_one_application_accepted_eight_times_at_once_makes_one_contract(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, wanted=8)
    bid = await world.application(await world.freelancer(), gig_id)

    outcomes = await race(accept_application(world.as_(client), bid) for _ in range(8))

    assert kinds(outcomes) == {Receipt.__name__: 1, InvalidTransition.__name__: 7}
    assert (await world.gig(gig_id)).hired == 1
    assert len(await world.rows("select 1 from contract where gig_id = :id", id=gig_id)) == 1


async def test_twenty_identical_submissions_with_one_key_are_one_application(world: World) -> None:
    gig_id = await world.open_gig(await world.client())
    freelancer = await world.freelancer()

    outcomes = await race(
        submit_application(world.as_(freelancer, key="one"), gig_id, world.bid()) for _ in range(20)
    )

    assert kinds(outcomes) == {Receipt.__name__: 1, Replayed.__name__: 19}
    receipts = [o.receipt if isinstance(o, Replayed) else o for o in outcomes]
    assert len({r.entity_id for r in receipts if isinstance(r, Receipt)}) == 1
    assert {r.position for r in receipts if isinstance(r, Receipt)} == {Position(f"gig:{gig_id}", 3)}
    assert len(await world.rows("select 1 from application where gig_id = :id", id=gig_id)) == 1
    assert await world.facts(gig_id) == ["GigCreated", "GigPublished", "ApplicationSubmitted"]
    assert (await world.gig(gig_id)).application_count == 1


async def test_a_key_used_with_another_input_is_a_conflict_that_writes_nothing(world: World) -> None:
    gig_id = await world.open_gig(await world.client())
    freelancer = await world.freelancer()
    await submit_application(world.as_(freelancer, key="one"), gig_id, world.bid())
    before = await world.footprint()

    with pytest.raises(IdempotencyConflict):
        await submit_application(world.as_(freelancer, key="one", input=b"other"), gig_id, world.bid())

    assert await world.footprint() == before


async def test_a_refusal_stores_no_key_so_that_the_same_key_succeeds_later(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    gig_id = await world.open_gig(client)
    await pause_gig(world.as_(client), gig_id)
    before = await world.footprint()

    with pytest.raises(GigNotOpen):
        await submit_application(world.as_(freelancer, key="one"), gig_id, world.bid())
    assert await world.footprint() == before
    await resume_gig(world.as_(client), gig_id)
    receipt = await submit_application(world.as_(freelancer, key="one"), gig_id, world.bid())

    assert receipt.outcome is Outcome.APPLIED


async def test_eight_submissions_of_one_person_without_keys_are_one_application(world: World) -> None:
    gig_id = await world.open_gig(await world.client())
    freelancer = await world.freelancer()

    outcomes = await race(submit_application(world.as_(freelancer), gig_id, world.bid()) for _ in range(8))

    receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    assert sorted(receipt.outcome for receipt in receipts) == [Outcome.APPLIED] + [Outcome.NOOP] * 7
    assert len({receipt.entity_id for receipt in receipts}) == 1
    assert (await world.gig(gig_id)).application_count == 1
    assert (await world.facts(gig_id)).count("ApplicationSubmitted") == 1


async def test_two_edits_of_one_version_leave_one_stale_with_the_current_version(world: World) -> None:
    gig_id = await world.open_gig(await world.client())
    freelancer = await world.freelancer()
    bid = await world.application(freelancer, gig_id)

    outcomes = await race(
        edit_application(world.as_(freelancer), bid, {"price": Decimal(price)}, expected_version=1)
        for price in (700, 800)
    )

    assert kinds(outcomes) == {Receipt.__name__: 1, StaleVersion.__name__: 1}
    stale = next(outcome for outcome in outcomes if isinstance(outcome, StaleVersion))
    assert (stale.current_version, stale.entity_id) == (2, bid)
    assert (await world.facts(gig_id)).count("ApplicationEdited") == 1


@pytest.mark.parametrize("other", ["withdraw", "decline"])
async def test_an_application_is_accepted_or_ended_never_both(world: World, other: str) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    for first in (0, 1):
        gig_id = await world.open_gig(client)
        bid = await world.application(freelancer, gig_id)
        rival = (
            withdraw_application(world.as_(freelancer), bid, reason=WithdrawReason.NO_TIME, note=None)
            if other == "withdraw"
            else decline_application(world.as_(client), bid, reason=DeclineReason.PRICE, message=None)
        )
        acts = [accept_application(world.as_(client), bid), rival]

        outcomes = await race(acts if first == 0 else acts[::-1])

        assert kinds(outcomes) == {Receipt.__name__: 1, InvalidTransition.__name__: 1}
        contracts = await world.rows("select id from contract where gig_id = :id", id=gig_id)
        accepted = isinstance(outcomes[first], Receipt)
        assert len(contracts) == (await world.gig(gig_id)).hired == int(accepted)
        facts = await world.facts(gig_id)
        assert ("ContractStarted" in facts) == accepted
        assert len(facts) == (6 if accepted else 4)


@pytest.mark.parametrize("other", [pause_gig, cancel_gig])
async def test_a_gig_hires_or_stops_looking_never_both(world: World, other: object) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    for first in (0, 1):
        gig_id = await world.open_gig(client)
        bid = await world.application(freelancer, gig_id)
        rival = (
            pause_gig(world.as_(client), gig_id)
            if other is pause_gig
            else cancel_gig(world.as_(client), gig_id, note=None)
        )
        acts = [accept_application(world.as_(client), bid), rival]

        outcomes = await race(acts if first == 0 else acts[::-1])

        accepted = isinstance(outcomes[first], Receipt)
        refusal = InvalidTransition if accepted else GigNotOpen
        assert kinds(outcomes) == {Receipt.__name__: 1, refusal.__name__: 1}
        stopped = GigStatus.PAUSED if other is pause_gig else GigStatus.CANCELLED
        gig = await world.gig(gig_id)
        assert (gig.status, gig.hired) == ((GigStatus.IN_PROGRESS, 1) if accepted else (stopped, 0))


async def test_after_withdrawing_one_may_apply_again_while_the_gig_is_open(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    gig_id = await world.open_gig(client)
    first = await world.application(freelancer, gig_id)
    await withdraw_application(world.as_(freelancer), first, reason=WithdrawReason.MISTAKE, note="Oh.")
    assert (await world.gig(gig_id)).application_count == 0

    second = await submit_application(world.as_(freelancer), gig_id, world.bid())

    assert (second.outcome, second.entity_id != first) == (Outcome.APPLIED, True)
    await withdraw_application(
        world.as_(freelancer), second.entity_id, reason=WithdrawReason.MISTAKE, note=None
    )
    await pause_gig(world.as_(client), gig_id)
    before = await world.footprint()
    with pytest.raises(GigNotOpen):
        await submit_application(world.as_(freelancer), gig_id, world.bid())
    assert await world.footprint() == before


async def test_a_repeat_answers_with_the_first_application_whatever_became_of_it(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    gig_id = await world.open_gig(client)
    first = await world.application(freelancer, gig_id)
    await decline_application(world.as_(client), first, reason=DeclineReason.PRICE, message="Too much.")
    before = await world.footprint()

    receipt = await submit_application(world.as_(freelancer), gig_id, world.bid(price=Decimal(1)))

    assert (receipt.outcome, receipt.entity_id, receipt.position) == (Outcome.NOOP, first, None)
    assert await world.footprint() == before


async def test_an_application_can_be_changed_until_the_client_has_looked(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    bid = await world.application(freelancer, await world.open_gig(client))
    await edit_application(world.as_(freelancer), bid, {"cover_letter": "Better."}, expected_version=None)
    await mark_application_viewed(world.as_(client), bid)
    before = await world.footprint()

    with pytest.raises(ApplicationSeen):
        await edit_application(world.as_(freelancer), bid, {"cover_letter": "Best."}, expected_version=None)

    assert await world.footprint() == before
    rows = await world.rows("select cover_letter, status from application where id = :id", id=bid)
    assert tuple(rows[0]) == ("Better.", ApplicationStatus.VIEWED)


async def test_looking_and_shortlisting_again_change_nothing(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client)
    bid = await world.application(await world.freelancer(), gig_id)
    acts = (mark_application_viewed, shortlist_application, unshortlist_application)

    outcomes = [(await act(world.as_(client), bid)).outcome for act in acts for _ in range(2)]

    assert outcomes == [Outcome.APPLIED, Outcome.NOOP] * 3
    assert (await world.facts(gig_id))[3:] == [
        "ApplicationViewed",
        "ApplicationShortlisted",
        "ApplicationUnshortlisted",
    ]


async def test_nobody_applies_for_their_own_gig_and_only_freelancers_apply(world: World) -> None:
    both = await world.person(Role.CLIENT, Role.FREELANCER)
    gig_id = await world.open_gig(both)
    client = await world.client()
    before = await world.footprint()

    outcomes = await race(
        [
            submit_application(world.as_(both), gig_id, world.bid()),
            submit_application(world.as_(client), gig_id, world.bid()),
        ]
    )

    assert kinds(outcomes) == {OwnGig.__name__: 1, NotAllowed.__name__: 1}
    assert await world.footprint() == before


async def test_each_side_of_an_application_does_only_its_part_and_strangers_see_none(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    stranger = await world.person(Role.CLIENT, Role.FREELANCER)
    bid = await world.application(freelancer, await world.open_gig(client))
    of_client: list[Callable[[Operation], Awaitable[Receipt]]] = [
        lambda op: mark_application_viewed(op, bid),
        lambda op: shortlist_application(op, bid),
        lambda op: unshortlist_application(op, bid),
        lambda op: decline_application(op, bid, reason=DeclineReason.OTHER, message="No."),
        lambda op: accept_application(op, bid),
    ]
    of_freelancer: list[Callable[[Operation], Awaitable[Receipt]]] = [
        lambda op: edit_application(op, bid, {"cover_letter": "x"}, expected_version=None),
        lambda op: withdraw_application(op, bid, reason=WithdrawReason.OTHER, note="No."),
    ]
    before = await world.footprint()

    wrong_side = await race(
        [act(world.as_(freelancer)) for act in of_client] + [act(world.as_(client)) for act in of_freelancer]
    )
    strange = await race(act(world.as_(stranger)) for act in of_client + of_freelancer)

    assert kinds(wrong_side) == {NotAllowed.__name__: 7}
    assert kinds(strange) == {NotFound.__name__: 7}
    assert await world.footprint() == before


async def test_a_contract_takes_the_price_of_the_bid_and_the_terms_stay(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, wanted=2)
    bid = await world.application(await world.freelancer(), gig_id, price=Decimal("812.50"))

    receipt = await accept_application(world.as_(client), bid)

    contract = await world.get(Contract, receipt.entity_id)
    assert (contract.price_minor, contract.currency, contract.application_id) == (81_250, "EUR", bid)
    assert receipt.position == Position(f"gig:{gig_id}", 4)
    assert (await world.gig(gig_id)).status is GigStatus.OPEN
    await edit_gig(world.as_(client), gig_id, {"title": "Another title"}, expected_version=None)
