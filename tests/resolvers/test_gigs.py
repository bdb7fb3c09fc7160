"""What clients do with their gigs, and administrators with the ones that wait for approval."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from auth import access
from auth.viewer import ANONYMOUS, SignInRequired, Viewer
from models.application import WithdrawReason
from models.contract import EndReason
from models.errors import Invalid, InvalidTransition, NotAllowed, NotFound, Refusals, StaleVersion
from models.gig import (
    BudgetKind,
    Gig,
    GigNotEditable,
    GigNotOpen,
    GigVisibility,
    NobodyHired,
    NoPlaceLeft,
    SkillNeed,
    TermsFixed,
)
from models.gig_content import Question, WantedSkill
from models.gig_workflow import GigStatus
from models.idempotency import Outcome
from models.ids import new_id
from models.invitation import AlreadyInvited, GigInvitation, InvitationStatus
from models.skill import UnknownSkill
from models.store.sql import Receipt
from models.user import Role
from resolvers import gigs, invitations
from resolvers.applications import (
    Answer,
    accept_application,
    edit_application,
    submit_application,
    withdraw_application,
)
from resolvers.contracts import approve_work, end_contract, submit_work
from resolvers.operation import Operation, Rules
from resolvers.profiles import edit_freelancer
from tests.world import World, kinds, race


async def skills_of(world: World, gig_id: UUID) -> list[tuple[UUID, str, int]]:
    statement = "select skill_id, need, weight from gig_skill where gig_id = :id order by position"
    return [(UUID(str(row.skill_id)), row.need, row.weight) for row in await world.rows(statement, id=gig_id)]


async def sees(world: World, viewer: Viewer, gig_id: UUID) -> bool:
    statement = sa.select(Gig.__table__.c.id).where(  # type: ignore[attr-defined]
        Gig.__table__.c.id == gig_id,  # type: ignore[attr-defined]
        access.visible_gigs(viewer),
    )
    return bool(await world.services.db.fetch(statement))


# -- editing -----------------------------------------------------------------------------------------------------------


async def test_two_edits_of_one_version_leave_one_stale_with_the_current_version(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client)

    outcomes = await race(
        gigs.edit_gig(world.as_(client), gig_id, {"title": title}, expected_version=2)
        for title in ("One", "Two")
    )

    assert kinds(outcomes) == {Receipt.__name__: 1, StaleVersion.__name__: 1}
    stale = next(outcome for outcome in outcomes if isinstance(outcome, StaleVersion))
    gig = await world.gig(gig_id)
    assert (stale.current_version, stale.entity_id, gig.version) == (3, gig_id, 3)
    assert await world.facts(gig_id) == ["GigCreated", "GigPublished", "GigEdited"]


@pytest.mark.parametrize("withdrawn", [False, True])
async def test_the_terms_are_fixed_once_somebody_has_applied_even_if_all_withdrew(
    world: World, withdrawn: bool
) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    gig_id = await world.open_gig(client)
    bid = await world.application(freelancer, gig_id)
    if withdrawn:
        await withdraw_application(world.as_(freelancer), bid, reason=WithdrawReason.TERMS, note=None)
    terms: list[dict[str, Any]] = [
        {"budget_min": Decimal(501)},
        {"budget_max": Decimal(901)},
        {"budget_kind": BudgetKind.HOURLY},
        {"currency": "USD"},
        {"visibility": GigVisibility.INVITE_ONLY},
        {"questions": (Question("Why you?"),)},
    ]
    before = await world.footprint()

    outcomes = await race(
        gigs.edit_gig(world.as_(client), gig_id, change, expected_version=None) for change in terms
    )

    assert kinds(outcomes) == {TermsFixed.__name__: 6}
    assert await world.footprint() == before
    others = {"title": "A clearer title", "wanted": 2, "skills": (WantedSkill(await world.skill()),)}
    receipt = await gigs.edit_gig(world.as_(client), gig_id, others, expected_version=None)
    assert receipt.outcome is Outcome.APPLIED


async def test_skills_are_rewritten_as_a_whole_in_the_order_given(world: World) -> None:
    client = await world.client()
    python, java = await world.skill(), await world.skill("java")
    gig_id = await world.draft(client, skills=(WantedSkill(python), WantedSkill(java)))

    await gigs.edit_gig(
        world.as_(client),
        gig_id,
        {"skills": (WantedSkill(java, SkillNeed.NICE_TO_HAVE, 5), WantedSkill(python))},
        expected_version=None,
    )

    assert await skills_of(world, gig_id) == [(java, "NICE_TO_HAVE", 5), (python, "REQUIRED", 3)]


async def test_a_skill_that_is_unknown_or_named_twice_is_refused_by_its_place(world: World) -> None:
    client = await world.client()
    python = await world.skill()
    gig_id = await world.draft(client, skills=(WantedSkill(python),))
    before = await world.footprint()

    outcomes = await race(
        gigs.edit_gig(world.as_(client), gig_id, {"skills": skills}, expected_version=None)
        for skills in (
            (WantedSkill(python), WantedSkill(new_id())),
            (WantedSkill(python), WantedSkill(python, SkillNeed.NICE_TO_HAVE)),
        )
    )

    unknown, twice = (outcome.refusals[0] for outcome in outcomes if isinstance(outcome, Refusals))
    assert (type(unknown), unknown.path) == (UnknownSkill, ("skills", "1", "skillId"))
    assert isinstance(twice, Invalid) and twice.path[0] == "skills"
    assert await world.footprint() == before
    assert await skills_of(world, gig_id) == [(python, "REQUIRED", 3)]


async def test_a_skill_that_was_retired_stays_where_it_stands_but_is_not_for_new_use(
    empty_world: World,
) -> None:
    world, client = empty_world, await empty_world.client()
    python, java = await world.skill(), await world.skill("java")
    gig_id = await world.draft(client, skills=(WantedSkill(python),))
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        await tx.execute(sa.text("update skill set status = 'DEPRECATED' where name ilike 'python%'"))

    kept = await gigs.edit_gig(
        world.as_(client), gig_id, {"skills": (WantedSkill(java), WantedSkill(python))}, expected_version=None
    )
    copy = await gigs.duplicate_gig(world.as_(client), gig_id)
    refused = await race([gigs.create_gig(world.as_(client), world.content(skills=(WantedSkill(python),)))])

    assert kept.outcome is copy.outcome is Outcome.APPLIED
    assert [skill for skill, _, _ in await skills_of(world, copy.entity_id)] == [java, python]
    assert kinds(refused) == {Refusals.__name__: 1}


async def test_an_edit_of_nothing_answers_noop(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client)
    before = await world.footprint()

    receipt = await gigs.edit_gig(world.as_(client), gig_id, {"wanted": 1}, expected_version=2)

    assert (receipt.outcome, receipt.position) == (Outcome.NOOP, None)
    assert await world.footprint() == before


async def test_a_time_zone_and_its_hours_come_and_go_together(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client)

    async def edited(**changes: Any) -> str | list[str]:
        try:
            receipt = await gigs.edit_gig(world.as_(client), gig_id, changes, expected_version=None)
        except Refusals as refused:
            return [refusal.path[0] for refusal in refused.refusals if isinstance(refusal, Invalid)]
        return receipt.outcome.value

    assert await edited(time_zone="Europe/Kyiv") == ["overlapHours"]
    assert await edited(overlap_hours=3) == ["timeZone"]
    assert await edited(time_zone="Europe/Kyiv", overlap_hours=3) == "APPLIED"
    assert await edited(overlap_hours=8) == "APPLIED"
    assert await edited(time_zone="Asia/Tokyo") == "APPLIED"
    assert await edited(time_zone=None) == ["timeZone"]
    assert await edited(overlap_hours=None) == ["overlapHours"]
    gig = await world.gig(gig_id)
    assert (gig.time_zone, gig.overlap_hours, gig.version) == ("Asia/Tokyo", 8, 5)
    assert await edited(time_zone=None, overlap_hours=None) == "APPLIED"
    gig = await world.gig(gig_id)
    assert (gig.time_zone, gig.overlap_hours) == (None, None)


async def test_an_open_gig_always_keeps_a_place_that_is_not_taken(world: World) -> None:
    client = await world.client()
    gig_id = (await world.hired(client=client, wanted=3)).gig_id
    before = await world.footprint()

    with pytest.raises(Refusals) as refused:
        await gigs.edit_gig(world.as_(client), gig_id, {"wanted": 1}, expected_version=None)

    (refusal,) = refused.value.refusals
    assert isinstance(refusal, Invalid) and (refusal.path, refusal.min) == (("wanted",), "2")
    assert await world.footprint() == before


async def test_a_gig_with_work_going_on_is_not_edited(world: World) -> None:
    hired = await world.hired()
    before = await world.footprint()

    with pytest.raises(GigNotEditable):
        await gigs.edit_gig(world.as_(hired.client), hired.gig_id, {"title": "x"}, expected_version=None)

    assert await world.footprint() == before


async def test_a_copy_has_the_content_but_neither_people_nor_fate(world: World) -> None:
    client = await world.client()
    python = await world.skill()
    original = (
        await world.hired(
            client=client,
            skills=(WantedSkill(python),),
            questions=(Question("Why?", is_required=False),),
            time_zone="Europe/Kyiv",
            overlap_hours=3,
        )
    ).gig_id

    receipt = await gigs.duplicate_gig(world.as_(client), original)

    copy = await world.gig(receipt.entity_id)
    assert (copy.status, copy.hired, copy.application_count, copy.published_at) == (
        GigStatus.DRAFT,
        0,
        0,
        None,
    )
    assert (copy.time_zone, copy.overlap_hours) == ("Europe/Kyiv", 3)
    assert await skills_of(world, copy.id) == [(python, "REQUIRED", 3)]
    assert len(await world.rows("select 1 from gig_question where gig_id = :id", id=copy.id)) == 1
    assert await world.facts(copy.id) == ["GigCreated"]


async def test_answers_follow_the_questions_of_the_gig(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    questions = (Question("Why you?"), Question("Since when?", is_required=False))
    gig_id = await world.open_gig(client, questions=questions)
    statement = "select id from gig_question where gig_id = :id order by position"
    why, since = [UUID(str(row[0])) for row in await world.rows(statement, id=gig_id)]
    before = await world.footprint()

    refused = await race(
        submit_application(world.as_(freelancer), gig_id, world.bid(answers=answers))
        for answers in ((), (Answer(why, "Me"), Answer(new_id(), "x")), (Answer(why, "1"), Answer(why, "2")))
    )
    assert kinds(refused) == {Refusals.__name__: 3}
    assert await world.footprint() == before
    bid = await world.application(freelancer, gig_id, answers=(Answer(why, "Because."),))
    await edit_application(
        world.as_(freelancer),
        bid,
        {"answers": (Answer(since, "2001"), Answer(why, "I can."))},
        expected_version=1,
    )

    answers = await world.rows(
        "select body from application_answer where application_id = :id order by position", id=bid
    )
    assert [row[0] for row in answers] == ["I can.", "2001"]


# -- invitations and visibility ----------------------------------------------------------------------------------------


async def test_an_invite_only_gig_is_seen_by_its_client_the_invited_and_administrators(world: World) -> None:
    client, invited, other = await world.client(), await world.freelancer(), await world.freelancer()
    admin = await world.admin()
    gig_id = await world.open_gig(client, visibility=GigVisibility.INVITE_ONLY)
    before = await world.footprint()
    assert kinds(await race([submit_application(world.as_(invited), gig_id, world.bid())])) == {"NotFound": 1}
    assert await world.footprint() == before

    receipt = await invitations.invite_freelancer(
        world.as_(client), gig_id, freelancer_id=invited.user_id or new_id(), message="Please."
    )
    await invitations.answer_invitation(world.as_(invited), receipt.entity_id, accepts=True, note=None)
    await world.application(invited, gig_id)

    viewers = (client, invited, admin, other, ANONYMOUS)
    assert [await sees(world, viewer, gig_id) for viewer in viewers] == [True, True, True, False, False]
    assert (await world.facts(gig_id))[2:] == [
        "FreelancerInvited",
        "InvitationAccepted",
        "ApplicationSubmitted",
    ]


async def test_an_invitation_is_answered_once_by_the_one_invited(world: World) -> None:
    client, invited, other = await world.client(), await world.freelancer(), await world.freelancer()
    gig_id = await world.open_gig(client)
    assert invited.user_id is not None
    invitation = (
        await invitations.invite_freelancer(
            world.as_(client), gig_id, freelancer_id=invited.user_id, message=None
        )
    ).entity_id
    before = await world.footprint()
    wrong = await race(
        invitations.answer_invitation(world.as_(viewer), invitation, accepts=True, note=None)
        for viewer in (client, other)
    )
    assert kinds(wrong) == {NotAllowed.__name__: 1, NotFound.__name__: 1}
    assert await world.footprint() == before

    outcomes = await race(
        invitations.answer_invitation(world.as_(invited), invitation, accepts=accepts, note=None)
        for accepts in (True, False)
    )

    assert kinds(outcomes) == {Receipt.__name__: 1, InvalidTransition.__name__: 1}
    status = InvitationStatus.ACCEPTED if isinstance(outcomes[0], Receipt) else InvitationStatus.DECLINED
    assert (await world.get(GigInvitation, invitation)).status is status
    assert len(await world.facts(gig_id)) == 4


async def test_of_two_simultaneous_invitations_of_one_person_one_is_sent(world: World) -> None:
    client, invited = await world.client(), await world.freelancer()
    gig_id = await world.open_gig(client)

    outcomes = await race(
        invitations.invite_freelancer(
            world.as_(client), gig_id, freelancer_id=invited.user_id or new_id(), message="Please."
        )
        for _ in range(2)
    )

    assert kinds(outcomes) == {Receipt.__name__: 1, AlreadyInvited.__name__: 1}
    assert (await world.facts(gig_id)).count("FreelancerInvited") == 1


async def test_who_cannot_be_found_cannot_be_invited(world: World) -> None:
    both = await world.person(Role.CLIENT, Role.FREELANCER)
    hidden, gig_id = await world.freelancer(), await world.open_gig(both)
    await edit_freelancer(world.as_(hidden), {"visibility": "PRIVATE"}, expected_version=None)
    before = await world.footprint()

    outcomes = await race(
        invitations.invite_freelancer(
            world.as_(both), gig_id, freelancer_id=person or new_id(), message="Come."
        )
        for person in (hidden.user_id, new_id(), both.user_id)
    )

    assert [type(outcome) for outcome in outcomes] == [NotFound, NotFound, NotAllowed]
    assert await world.footprint() == before


# -- the way of a gig --------------------------------------------------------------------------------------------------


async def test_a_gig_with_people_hired_is_not_cancelled(world: World) -> None:
    hired = await world.hired(wanted=2)
    before = await world.footprint()

    with pytest.raises(InvalidTransition):
        await gigs.cancel_gig(world.as_(hired.client), hired.gig_id, note="Enough.")

    assert await world.footprint() == before


async def test_hiring_stops_with_those_who_are_hired(world: World) -> None:
    hired = await world.hired(wanted=2)
    empty = await world.open_gig(hired.client)
    before = await world.footprint()
    with pytest.raises(NobodyHired):
        await gigs.stop_hiring(world.as_(hired.client), empty)
    assert await world.footprint() == before

    await gigs.stop_hiring(world.as_(hired.client), hired.gig_id)

    assert (await world.gig(hired.gig_id)).status is GigStatus.IN_PROGRESS
    assert (await world.facts(hired.gig_id))[-1] == "GigHiringStopped"


async def test_hiring_stops_into_the_end_when_all_work_is_done(world: World) -> None:
    done = await world.completed(wanted=2)
    assert (await world.gig(done.gig_id)).status is GigStatus.OPEN

    await gigs.stop_hiring(world.as_(done.client), done.gig_id)

    assert (await world.gig(done.gig_id)).status is GigStatus.COMPLETED


async def test_an_ended_contract_frees_its_place_and_the_gig_can_be_reopened(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, wanted=2)
    bids = [await world.application(await world.freelancer(), gig_id) for _ in range(3)]
    contracts = [(await accept_application(world.as_(client), bid)).entity_id for bid in bids[:2]]
    deadline = world.clock() + timedelta(days=3)
    before = await world.footprint()
    with pytest.raises(NoPlaceLeft):
        await gigs.reopen_gig(world.as_(client), gig_id, deadline=deadline)
    assert await world.footprint() == before

    await end_contract(world.as_(client), contracts[0], reason=EndReason.QUALITY, note=None)
    gig = await world.gig(gig_id)
    assert (gig.status, gig.hired) == (GigStatus.IN_PROGRESS, 1)
    outcomes = await race(
        [
            gigs.reopen_gig(world.as_(client), gig_id, deadline=deadline),
            accept_application(world.as_(client), bids[2]),
        ]
    )

    # The acceptance comes before the reopening or after it; the reopening succeeds in any case.
    assert isinstance(outcomes[0], Receipt)
    assert isinstance(outcomes[1], Receipt | GigNotOpen)
    gig = await world.gig(gig_id)
    hired = 2 if isinstance(outcomes[1], Receipt) else 1
    assert (gig.hired, gig.status) == (hired, GigStatus.IN_PROGRESS if hired == 2 else GigStatus.OPEN)
    assert gig.deadline == deadline


async def test_a_gig_whose_last_contract_ends_early_falls_back_to_its_client(world: World) -> None:
    hired = await world.hired()

    await end_contract(
        world.as_(hired.freelancer), hired.contract_id, reason=EndReason.NO_TIME, note="Sorry."
    )

    gig = await world.gig(hired.gig_id)
    assert (gig.status, gig.hired) == (GigStatus.PAUSED, 0)
    assert (await world.facts(hired.gig_id))[-2:] == ["ContractEnded", "GigFellBack"]
    await gigs.resume_gig(world.as_(hired.client), hired.gig_id)
    await world.application(await world.freelancer(), hired.gig_id)


async def test_a_gig_is_completed_with_its_last_contract(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, wanted=2)
    people = [await world.freelancer() for _ in range(2)]
    contracts = [
        (await accept_application(world.as_(client), await world.application(person, gig_id))).entity_id
        for person in people
    ]
    for person, contract in zip(people, contracts, strict=True):
        await submit_work(world.as_(person), contract, note="Here.")
    await approve_work(world.as_(client), contracts[0])
    assert (await world.gig(gig_id)).status is GigStatus.IN_PROGRESS

    await end_contract(world.as_(client), contracts[1], reason=EndReason.MUTUAL, note=None)

    gig = await world.gig(gig_id)
    assert (gig.status, gig.hired) == (GigStatus.COMPLETED, 1)
    assert (await world.facts(gig_id))[-2:] == ["ContractEnded", "GigCompleted"]


async def test_two_contracts_that_end_at_once_complete_the_gig_once(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, wanted=2)
    people = [await world.freelancer() for _ in range(2)]
    contracts = [
        (await accept_application(world.as_(client), await world.application(person, gig_id))).entity_id
        for person in people
    ]
    for person, contract in zip(people, contracts, strict=True):
        await submit_work(world.as_(person), contract, note=None)

    outcomes = await race(approve_work(world.as_(client), contract) for contract in contracts)

    assert kinds(outcomes) == {Receipt.__name__: 2}
    assert (await world.gig(gig_id)).status is GigStatus.COMPLETED
    assert (await world.facts(gig_id)).count("GigCompleted") == 1


async def test_an_administrator_approves_or_rejects_never_both(world: World) -> None:
    world = world.with_rules(Rules(gigs_need_approval=True))
    client, admin = await world.client(), await world.admin()
    gig_id = await world.open_gig(client)
    assert (await world.gig(gig_id)).status is GigStatus.PENDING_APPROVAL
    before = await world.footprint()
    wrong = await race(
        [
            gigs.approve_gig(world.as_(client), gig_id),
            gigs.reject_gig(world.as_(client), gig_id, reason="No."),
            gigs.request_gig_changes(world.as_(client), gig_id, reason="No."),
            gigs.approve_gig(world.as_(ANONYMOUS), gig_id),
        ]
    )
    assert kinds(wrong) == {NotAllowed.__name__: 3, SignInRequired.__name__: 1}
    assert await world.footprint() == before

    outcomes = await race(
        [
            gigs.approve_gig(world.as_(admin), gig_id),
            gigs.reject_gig(world.as_(admin), gig_id, reason="Not here."),
        ]
    )

    assert kinds(outcomes) == {Receipt.__name__: 1, InvalidTransition.__name__: 1}
    status = GigStatus.OPEN if isinstance(outcomes[0], Receipt) else GigStatus.REJECTED
    assert (await world.gig(gig_id)).status is status
    assert len(await world.facts(gig_id)) == 3


async def test_requested_changes_lead_back_to_the_draft_with_the_reason(world: World) -> None:
    world = world.with_rules(Rules(gigs_need_approval=True))
    client, admin = await world.client(), await world.admin()
    gig_id = await world.open_gig(client)

    await gigs.request_gig_changes(world.as_(admin), gig_id, reason="Say more.")

    gig = await world.gig(gig_id)
    remark = await world.rows("select body from remark where id = :id", id=gig.status_remark_id)
    assert (gig.status, remark[0][0]) == (GigStatus.DRAFT, "Say more.")


async def test_strangers_learn_nothing_of_a_draft_and_change_nothing_of_a_gig_they_see(world: World) -> None:
    client, stranger = await world.client(), await world.client("Stella")
    hidden, shown = await world.draft(client), await world.open_gig(client)
    deadline = world.clock() + timedelta(days=3)

    def acts(op: Operation, gig_id: UUID) -> list[Any]:
        return [
            gigs.edit_gig(op, gig_id, {"title": "x"}, expected_version=None),
            gigs.duplicate_gig(op, gig_id),
            gigs.publish_gig(op, gig_id),
            gigs.pause_gig(op, gig_id),
            gigs.resume_gig(op, gig_id),
            gigs.reopen_gig(op, gig_id, deadline=deadline),
            gigs.stop_hiring(op, gig_id),
            gigs.cancel_gig(op, gig_id, note="x"),
            invitations.invite_freelancer(op, gig_id, freelancer_id=new_id(), message=None),
        ]

    before = await world.footprint()
    of_hidden = await race([*acts(world.as_(stranger), hidden), gigs.save_gig(world.as_(stranger), hidden)])
    of_shown = await race(acts(world.as_(stranger), shown))

    assert kinds(of_hidden) == {NotFound.__name__: 10}
    assert kinds(of_shown) == {NotAllowed.__name__: 9}
    assert await world.footprint() == before


async def test_a_gig_is_saved_once_and_unsaved_once(world: World) -> None:
    person, gig_id = await world.freelancer(), await world.open_gig(await world.client())

    saved = await race(gigs.save_gig(world.as_(person), gig_id) for _ in range(4))
    unsaved = await race(gigs.unsave_gig(world.as_(person), gig_id) for _ in range(4))

    for outcomes in (saved, unsaved):
        found = sorted(outcome.outcome for outcome in outcomes if isinstance(outcome, Receipt))
        assert found == [Outcome.APPLIED, Outcome.NOOP, Outcome.NOOP, Outcome.NOOP]


async def test_a_past_deadline_is_refused_and_a_passed_one_may_stay(world: World) -> None:
    client = await world.client()
    gig_id = await world.draft(client)
    world.clock.move(timedelta(days=31))
    await gigs.edit_gig(world.as_(client), gig_id, {"title": "Later"}, expected_version=None)
    before = await world.footprint()

    outcomes = await race(
        [
            gigs.publish_gig(world.as_(client), gig_id),
            gigs.edit_gig(world.as_(client), gig_id, {"deadline": world.clock()}, expected_version=None),
            gigs.create_gig(world.as_(client), replace(world.content(), deadline=world.clock())),
        ]
    )

    assert kinds(outcomes) == {Refusals.__name__: 3}
    assert await world.footprint() == before


async def test_an_invite_only_gig_is_no_news_of_the_market(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, visibility=GigVisibility.INVITE_ONLY)
    await gigs.edit_gig(world.as_(client), gig_id, {"title": "Another title"}, expected_version=None)
    await gigs.pause_gig(world.as_(client), gig_id)

    streams = await world.rows(
        "select stream, count(*) as facts from fact where payload ->> 'gig_id' = :id group by stream",
        id=str(gig_id),
    )

    # Their own stream tells the client that it was begun, wherever that was.
    assert {tuple(row) for row in streams} == {(f"gig:{gig_id}", 4), (f"user:{client.user_id}", 1)}
