"""Every verb in every status. The tables are said here once more, so that changing one takes two people to agree."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest

from models import application as ap
from models import contract as ct
from models import gig as gg
from models import gig_events as ge
from models import invitation as iv
from models.application import (
    APPLICATION_WORKFLOW,
    Application,
    ApplicationStatus,
    DeclineReason,
    WithdrawReason,
)
from models.contract import CONTRACT_WORKFLOW, Contract, ContractStatus, EndReason
from models.errors import Invalid, InvalidTransition, Refusals
from models.event import Audience, Event
from models.gig import BudgetKind, Gig, GigNotOpen, GigVisibility
from models.gig_workflow import GIG_WORKFLOW, GigStatus
from models.ids import new_id
from models.invitation import INVITATION_WORKFLOW, GigInvitation, InvitationStatus
from models.table import Versioned
from models.workflow import Workflow

EARLIER = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
REMARK, OWNER, PERSON = new_id(), new_id(), new_id()

# verb, from, to, by whom
GIG = """
publish          DRAFT             OPEN              OWNER
publish          DRAFT             PENDING_APPROVAL  OWNER
approve          PENDING_APPROVAL  OPEN              ADMIN
reject           PENDING_APPROVAL  REJECTED          ADMIN
request_changes  PENDING_APPROVAL  DRAFT             ADMIN
pause            OPEN              PAUSED            OWNER
resume           PAUSED            OPEN              OWNER
reopen           EXPIRED           OPEN              OWNER
reopen           IN_PROGRESS       OPEN              OWNER
fill             OPEN              IN_PROGRESS       SYSTEM
stop_hiring      OPEN              IN_PROGRESS       OWNER
stop_hiring      PAUSED            IN_PROGRESS       OWNER
stop_hiring      OPEN              COMPLETED         OWNER
stop_hiring      PAUSED            COMPLETED         OWNER
finish           IN_PROGRESS       COMPLETED         SYSTEM
fall_back        IN_PROGRESS       PAUSED            SYSTEM
expire           OPEN              EXPIRED           SYSTEM
expire           PAUSED            EXPIRED           SYSTEM
cancel           DRAFT             CANCELLED         OWNER
cancel           PENDING_APPROVAL  CANCELLED         OWNER
cancel           OPEN              CANCELLED         OWNER
cancel           PAUSED            CANCELLED         OWNER
cancel           EXPIRED           CANCELLED         OWNER
"""
INVITATION = """
accept   PENDING  ACCEPTED  FREELANCER
decline  PENDING  DECLINED  FREELANCER
"""
APPLICATION = """
edit         SUBMITTED    SUBMITTED    APPLICANT
withdraw     SUBMITTED    WITHDRAWN    APPLICANT
withdraw     VIEWED       WITHDRAWN    APPLICANT
withdraw     SHORTLISTED  WITHDRAWN    APPLICANT
mark_viewed  SUBMITTED    VIEWED       OWNER
shortlist    SUBMITTED    SHORTLISTED  OWNER
shortlist    VIEWED       SHORTLISTED  OWNER
unshortlist  SHORTLISTED  VIEWED       OWNER
decline      SUBMITTED    DECLINED     OWNER
decline      VIEWED       DECLINED     OWNER
decline      SHORTLISTED  DECLINED     OWNER
accept       SUBMITTED    ACCEPTED     OWNER
accept       VIEWED       ACCEPTED     OWNER
accept       SHORTLISTED  ACCEPTED     OWNER
"""
CONTRACT = """
report_progress  ACTIVE     ACTIVE     FREELANCER
submit_work      ACTIVE     SUBMITTED  FREELANCER
request_changes  SUBMITTED  ACTIVE     CLIENT
approve          SUBMITTED  COMPLETED  CLIENT
pause            ACTIVE     PAUSED     EITHER
resume           PAUSED     ACTIVE     EITHER
end              ACTIVE     ENDED      EITHER
end              PAUSED     ENDED      EITHER
end              SUBMITTED  ENDED      EITHER
"""

Step = tuple[str, str, str, str]


def steps_of(text: str) -> set[Step]:
    return {(verb, source, to, by) for verb, source, to, by in map(str.split, text.strip().splitlines())}


@dataclass(frozen=True)
class Act:
    """How to do a verb: the call, where it leads, and the event that tells of it."""

    verb: str
    to: StrEnum
    event: type[Event]
    do: Callable[[Any], Event]
    hired: int = 0

    def __str__(self) -> str:
        return f"{self.verb}→{self.to}"


G, A, C = GigStatus, ApplicationStatus, ContractStatus

GIG_ACTS = [
    Act("publish", G.OPEN, ge.GigPublished, lambda g: g.publish(needs_approval=False, at=NOW)),
    Act("publish", G.PENDING_APPROVAL, ge.GigSubmittedForApproval, lambda g: g.publish(needs_approval=True, at=NOW)),
    Act("approve", G.OPEN, ge.GigApproved, lambda g: g.approve(at=NOW)),
    Act("reject", G.REJECTED, ge.GigRejected, lambda g: g.reject(remark_id=REMARK, at=NOW)),
    Act("request_changes", G.DRAFT, ge.GigChangesRequested, lambda g: g.request_changes(remark_id=REMARK, at=NOW)),
    Act("pause", G.PAUSED, ge.GigPaused, lambda g: g.pause(at=NOW)),
    Act("resume", G.OPEN, ge.GigResumed, lambda g: g.resume(at=NOW)),
    Act("reopen", G.OPEN, ge.GigReopened, lambda g: g.reopen(deadline=LATER, at=NOW), hired=1),
    Act("stop_hiring", G.IN_PROGRESS, ge.GigHiringStopped, lambda g: g.stop_hiring(live_contracts=1, at=NOW), hired=1),
    Act("stop_hiring", G.COMPLETED, ge.GigHiringStopped, lambda g: g.stop_hiring(live_contracts=0, at=NOW), hired=1),
    Act("expire", G.EXPIRED, ge.GigExpired, lambda g: g.expire(live_contracts=0, at=NOW)),
    Act("cancel", G.CANCELLED, ge.GigCancelled, lambda g: g.cancel(remark_id=REMARK, at=NOW)),
]  # fmt: skip
INVITATION_ACTS = [
    Act("accept", InvitationStatus.ACCEPTED, iv.InvitationAccepted, lambda i: i.accept(at=NOW)),
    Act(
        "decline",
        InvitationStatus.DECLINED,
        iv.InvitationDeclined,
        lambda i: i.decline(remark_id=REMARK, at=NOW),
    ),
]
APPLICATION_ACTS = [
    Act("withdraw", A.WITHDRAWN, ap.ApplicationWithdrawn,
        lambda a: a.withdraw(WithdrawReason.NO_TIME, remark_id=REMARK, at=NOW)),
    Act("mark_viewed", A.VIEWED, ap.ApplicationViewed, lambda a: a.mark_viewed(at=NOW)),
    Act("shortlist", A.SHORTLISTED, ap.ApplicationShortlisted, lambda a: a.shortlist(at=NOW)),
    Act("unshortlist", A.VIEWED, ap.ApplicationUnshortlisted, lambda a: a.unshortlist(at=NOW)),
    Act("decline", A.DECLINED, ap.ApplicationDeclined,
        lambda a: a.decline(DeclineReason.PRICE, remark_id=REMARK, at=NOW)),
    Act("accept", A.ACCEPTED, ap.ApplicationAccepted, lambda a: a.accept(at=NOW)),
]  # fmt: skip
CONTRACT_ACTS = [
    Act("report_progress", C.ACTIVE, ct.ContractProgressReported,
        lambda c: c.report_progress(60, remark_id=REMARK, at=NOW)),
    Act("submit_work", C.SUBMITTED, ct.WorkSubmitted, lambda c: c.submit_work(remark_id=REMARK, at=NOW)),
    Act("request_changes", C.ACTIVE, ct.ChangesRequested, lambda c: c.request_changes(remark_id=REMARK, at=NOW)),
    Act("approve", C.COMPLETED, ct.ContractCompleted, lambda c: c.approve(at=NOW)),
    Act("pause", C.PAUSED, ct.ContractPaused, lambda c: c.pause(remark_id=REMARK, at=NOW)),
    Act("resume", C.ACTIVE, ct.ContractResumed, lambda c: c.resume(at=NOW)),
    Act("end", C.ENDED, ct.ContractEnded, lambda c: c.end(EndReason.MUTUAL, remark_id=REMARK, at=NOW)),
]  # fmt: skip


def a_gig(status: GigStatus, *, hired: int = 0, wanted: int = 3, deadline: datetime = LATER) -> Gig:
    return Gig(
        id=new_id(),
        client_id=OWNER,
        title="Build a booking page",
        description="Visitors pick a slot.",
        budget_kind=BudgetKind.FIXED,
        budget_min_minor=50_000,
        budget_max_minor=90_000,
        currency="EUR",
        deadline=deadline,
        expected_days=20,
        wanted=wanted,
        hired=hired,
        visibility=GigVisibility.PUBLIC,
        status=status,
        created_at=EARLIER,
        listed_at=EARLIER,
        updated_at=EARLIER,
    )


def an_invitation(status: InvitationStatus) -> GigInvitation:
    return GigInvitation(
        id=new_id(),
        gig_id=new_id(),
        client_id=OWNER,
        freelancer_id=PERSON,
        status=status,
        created_at=EARLIER,
        updated_at=EARLIER,
    )


def an_application(status: ApplicationStatus) -> Application:
    return Application(
        id=new_id(),
        gig_id=new_id(),
        client_id=OWNER,
        freelancer_id=PERSON,
        status=status,
        cover_letter="I have built three of these.",
        price_minor=75_000,
        currency="EUR",
        duration_days=14,
        submitted_at=EARLIER,
        updated_at=EARLIER,
    )


def a_contract(status: ContractStatus) -> Contract:
    contract, _ = Contract.between(an_application(A.ACCEPTED), at=EARLIER)
    contract.status = status
    return contract


def every(acts: Iterable[Act], statuses: type[StrEnum]) -> pytest.MarkDecorator:
    cases = [pytest.param(act, status, id=f"{act} in {status}") for act in acts for status in statuses]
    return pytest.mark.parametrize(("act", "status"), cases)


def check_case(row: Versioned, act: Act, status: StrEnum, table: str) -> None:
    """Either the declared step, told by one event; or a refusal with its facts and an untouched row."""
    steps = steps_of(table)
    before = row.model_dump()
    if any(step[:3] == (act.verb, status, act.to) for step in steps):
        event = act.do(row)

        assert (row.model_dump()["status"], row.version, row.updated_at) == (act.to, 2, NOW)
        assert type(event) is act.event
        assert (event.owner_id, event.at) == (OWNER, NOW)
        assert event.person_id == (None if isinstance(row, Gig) else PERSON)
        if not isinstance(row, GigInvitation):
            told = event.payload()
            assert (told["before"], told["after"]) == (status, act.to)
        return

    with pytest.raises(InvalidTransition) as refused:
        act.do(row)

    possible = tuple(sorted({verb for verb, source, _, _ in steps if source == status}))
    assert (refused.value.status, refused.value.to, refused.value.allowed) == (status, act.to, possible)
    assert refused.value.entity_id == before["id"]
    assert row.model_dump() == before


@pytest.mark.parametrize(
    ("workflow", "table"),
    [
        (GIG_WORKFLOW, GIG),
        (INVITATION_WORKFLOW, INVITATION),
        (APPLICATION_WORKFLOW, APPLICATION),
        (CONTRACT_WORKFLOW, CONTRACT),
    ],
    ids=lambda part: part.noun if isinstance(part, Workflow) else "",
)
def test_the_declared_table_is_the_one_said_here(workflow: Workflow[Any], table: str) -> None:
    declared = {
        (step.verb, str(source), str(step.to), step.by)
        for step in workflow.transitions
        for source in step.sources
    }

    assert declared == steps_of(table)


def test_every_verb_of_a_table_is_done_by_an_act_here() -> None:
    by_hand = {"fill", "finish", "fall_back", "edit"}  # have tests of their own below
    done = {act.verb for act in (*GIG_ACTS, *INVITATION_ACTS, *APPLICATION_ACTS, *CONTRACT_ACTS)}

    declared = {step[0] for table in (GIG, INVITATION, APPLICATION, CONTRACT) for step in steps_of(table)}

    assert done | by_hand == declared


@every(GIG_ACTS, GigStatus)
def test_each_verb_of_a_gig_leads_where_the_table_says_or_changes_nothing(
    act: Act, status: GigStatus
) -> None:
    check_case(a_gig(status, hired=act.hired), act, status, GIG)


@every(INVITATION_ACTS, InvitationStatus)
def test_each_verb_of_an_invitation_leads_where_the_table_says_or_changes_nothing(
    act: Act, status: InvitationStatus
) -> None:
    check_case(an_invitation(status), act, status, INVITATION)


@every(APPLICATION_ACTS, ApplicationStatus)
def test_each_verb_of_an_application_leads_where_the_table_says_or_changes_nothing(
    act: Act, status: ApplicationStatus
) -> None:
    check_case(an_application(status), act, status, APPLICATION)


@every(CONTRACT_ACTS, ContractStatus)
def test_each_verb_of_a_contract_leads_where_the_table_says_or_changes_nothing(
    act: Act, status: ContractStatus
) -> None:
    check_case(a_contract(status), act, status, CONTRACT)


# -- steps that the system takes, and guards beyond the table ----------------------------------------------------------


@pytest.mark.parametrize("status", list(GigStatus))
def test_only_an_open_gig_hires_and_the_last_place_fills_it(status: GigStatus) -> None:
    gig = a_gig(status, hired=1, wanted=2)
    before = gig.model_dump()

    if status is G.OPEN:
        event = gig.hire(at=NOW)

        assert type(event) is ge.GigFilled
        assert (event.before, event.after) == (G.OPEN, G.IN_PROGRESS)
        assert gig.model_dump() == before | {
            "hired": 2, "status": G.IN_PROGRESS, "version": 2, "updated_at": NOW
        }  # fmt: skip
    else:
        with pytest.raises(GigNotOpen) as refused:
            gig.hire(at=NOW)

        assert refused.value.status == status
        assert gig.model_dump() == before


def test_a_gig_with_places_left_stays_open_when_somebody_is_hired() -> None:
    gig = a_gig(G.OPEN, hired=0, wanted=2)

    event = gig.hire(at=NOW)

    assert event is None
    assert (gig.status, gig.hired, gig.version, gig.updated_at) == (G.OPEN, 1, 2, NOW)


@pytest.mark.parametrize("status", [G.OPEN, G.IN_PROGRESS])
def test_nobody_is_hired_when_all_places_are_taken(status: GigStatus) -> None:
    gig = a_gig(status, hired=2, wanted=2)
    before = gig.model_dump()

    with pytest.raises(gg.NoPlaceLeft) as refused:
        gig.hire(at=NOW)

    assert (refused.value.limit, refused.value.count) == (2, 2)
    assert gig.model_dump() == before


@pytest.mark.parametrize("status", list(GigStatus))
@pytest.mark.parametrize(
    ("any_completed", "to", "event"),
    [(True, G.COMPLETED, ge.GigCompleted), (False, G.PAUSED, ge.GigFellBack)],
    ids=["finish", "fall_back"],
)
def test_a_gig_in_progress_follows_its_last_contract_and_others_stay(
    status: GigStatus, any_completed: bool, to: GigStatus, event: type[Event]
) -> None:
    gig = a_gig(status, hired=1, wanted=2)

    told = gig.contract_over(completed=any_completed, live_contracts=0, any_completed=any_completed, at=NOW)

    if status is G.IN_PROGRESS:
        assert type(told) is event
        assert (told.before, told.after, gig.status) == (G.IN_PROGRESS, to, to)
    else:
        assert told is None
        assert gig.status is status
    assert gig.hired == (1 if any_completed else 0)
    assert (gig.version, gig.updated_at) == (2, NOW)


def test_a_gig_goes_on_while_a_contract_is_live() -> None:
    gig = a_gig(G.IN_PROGRESS, hired=2, wanted=2)

    told = gig.contract_over(completed=True, live_contracts=1, any_completed=True, at=NOW)

    assert told is None
    assert (gig.status, gig.hired) == (G.IN_PROGRESS, 2)


@pytest.mark.parametrize("status", list(ApplicationStatus))
def test_an_application_can_be_edited_until_the_client_has_looked(status: ApplicationStatus) -> None:
    application = an_application(status)
    before = application.model_dump()

    if status is A.SUBMITTED:
        event = application.edit(at=NOW)

        assert type(event) is ap.ApplicationEdited
        assert (event.before, event.after) == (A.SUBMITTED, A.SUBMITTED)
        assert application.model_dump() == before | {"version": 2, "updated_at": NOW}
    else:
        with pytest.raises(ap.ApplicationSeen) as refused:
            application.edit(at=NOW)

        assert refused.value.status == status
        assert application.model_dump() == before


@pytest.mark.parametrize("status", list(GigStatus))
def test_a_gig_with_hired_people_cannot_be_cancelled(status: GigStatus) -> None:
    gig = a_gig(status, hired=1)
    before = gig.model_dump()

    with pytest.raises(InvalidTransition) as refused:
        gig.cancel(remark_id=REMARK, at=NOW)

    assert "cancel" not in refused.value.allowed
    assert gig.model_dump() == before


def test_hiring_cannot_stop_before_somebody_is_hired() -> None:
    gig = a_gig(G.OPEN)
    before = gig.model_dump()

    with pytest.raises(gg.NobodyHired):
        gig.stop_hiring(live_contracts=0, at=NOW)

    assert gig.model_dump() == before


def test_a_gig_without_free_places_cannot_be_reopened() -> None:
    gig = a_gig(G.IN_PROGRESS, hired=3, wanted=3)
    before = gig.model_dump()

    with pytest.raises(gg.NoPlaceLeft):
        gig.reopen(deadline=LATER, at=NOW)

    assert gig.model_dump() == before


@pytest.mark.parametrize("live_contracts", [0, 1])
@pytest.mark.parametrize("status", [G.OPEN, G.PAUSED])
def test_a_gig_with_hired_people_goes_on_when_its_deadline_passes(
    status: GigStatus, live_contracts: int
) -> None:
    gig = a_gig(status, hired=1)

    event = gig.expire(live_contracts=live_contracts, at=NOW)

    assert type(event) is ge.GigHiringStopped
    assert gig.status is (G.IN_PROGRESS if live_contracts else G.COMPLETED)


@pytest.mark.parametrize(
    ("status", "act"),
    [
        (G.DRAFT, lambda gig: gig.publish(needs_approval=False, at=NOW)),
        (G.DRAFT, lambda gig: gig.publish(needs_approval=True, at=NOW)),
        (G.PAUSED, lambda gig: gig.resume(at=NOW)),
        (G.EXPIRED, lambda gig: gig.reopen(deadline=NOW, at=NOW)),
    ],
    ids=["publish", "submit for approval", "resume", "reopen"],
)
def test_a_gig_takes_applications_only_until_a_deadline_that_lies_ahead(
    status: GigStatus, act: Callable[[Gig], Event]
) -> None:
    gig = a_gig(status, deadline=NOW)
    before = gig.model_dump()

    with pytest.raises(Refusals) as refused:
        act(gig)

    (refusal,) = refused.value.refusals
    assert isinstance(refusal, Invalid)
    assert (refusal.path, refusal.constraint) == (("deadline",), "FUTURE")
    assert gig.model_dump() == before


def test_the_first_publication_counts_for_the_listing() -> None:
    gig = a_gig(G.DRAFT)

    gig.publish(needs_approval=True, at=EARLIER)
    gig.approve(at=NOW)
    gig.pause(at=NOW + timedelta(days=1))
    gig.resume(at=NOW + timedelta(days=2))

    assert (gig.published_at, gig.listed_at) == (NOW, NOW)


@pytest.mark.parametrize("percent", [-1, 101])
def test_progress_is_a_percentage(percent: int) -> None:
    contract = a_contract(C.ACTIVE)
    before = contract.model_dump()

    with pytest.raises(Refusals):
        contract.report_progress(percent, remark_id=None, at=NOW)

    assert contract.model_dump() == before


# -- what the acts leave in the row, and who may learn of them ---------------------------------------------------------


def test_the_columns_that_go_with_a_step_are_set_with_it() -> None:
    rejected, cancelled = a_gig(G.PENDING_APPROVAL), a_gig(G.DRAFT)
    declined, submitted, completed, ended = (
        an_application(A.VIEWED), a_contract(C.ACTIVE), a_contract(C.SUBMITTED), a_contract(C.PAUSED)
    )  # fmt: skip

    rejected.reject(remark_id=REMARK, at=NOW)
    cancelled.cancel(remark_id=REMARK, at=NOW)
    declined.decline(DeclineReason.PRICE, remark_id=REMARK, at=NOW)
    submitted.submit_work(remark_id=REMARK, at=NOW)
    completed.approve(at=NOW)
    ended.end(EndReason.QUALITY, remark_id=None, at=NOW)

    assert (rejected.status_remark_id, cancelled.status_remark_id) == (REMARK, REMARK)
    assert (declined.reason, declined.remark_id) == ("PRICE", REMARK)
    assert (submitted.submitted_at, submitted.remark_id) == (NOW, REMARK)
    assert (completed.over_at, completed.progress_percent) == (NOW, 100)
    assert (ended.over_at, ended.reason) == (NOW, "QUALITY")


@pytest.mark.parametrize("status", [A.SUBMITTED, A.VIEWED])
def test_shortlisting_is_looking(status: ApplicationStatus) -> None:
    application = an_application(status)
    application.viewed_at = EARLIER if status is A.VIEWED else None

    application.shortlist(at=NOW)

    assert application.viewed_at == (EARLIER if status is A.VIEWED else NOW)


def test_what_happens_to_a_hidden_gig_is_told_to_its_owner_only() -> None:
    told = {
        "submitted": a_gig(G.DRAFT).publish(needs_approval=True, at=NOW),
        "rejected": a_gig(G.PENDING_APPROVAL).reject(remark_id=REMARK, at=NOW),
        "changes": a_gig(G.PENDING_APPROVAL).request_changes(remark_id=REMARK, at=NOW),
        "cancelled draft": a_gig(G.DRAFT).cancel(remark_id=None, at=NOW),
        "cancelled open": a_gig(G.OPEN).cancel(remark_id=None, at=NOW),
        "published": a_gig(G.DRAFT).publish(needs_approval=False, at=NOW),
    }

    audiences = {name: event.audience for name, event in told.items()}
    on_the_market = {name for name, event in told.items() if "market" in event.streams()}

    assert audiences == {
        "submitted": Audience.OWNER,
        "rejected": Audience.OWNER,
        "changes": Audience.OWNER,
        "cancelled draft": Audience.OWNER,
        "cancelled open": Audience.PUBLIC,
        "published": Audience.PUBLIC,
    }
    assert on_the_market == {"cancelled open", "published"}


def test_what_happens_between_two_people_is_told_to_these_two_only() -> None:
    application, contract, invitation = (
        an_application(A.SUBMITTED),
        a_contract(C.ACTIVE),
        an_invitation(InvitationStatus.PENDING),
    )

    events: list[Event] = [
        application.submitted(),
        application.accept(at=NOW),
        contract.pause(remark_id=None, at=NOW),
        invitation.accept(at=NOW),
    ]

    assert {event.audience for event in events} == {Audience.CONCERNED}
    assert [event.streams()[1] for event in events] == [f"user:{PERSON}"] * 4


def test_an_unknown_verb_is_a_bug_not_a_refusal() -> None:
    with pytest.raises(LookupError, match="gig has no verb 'explode'"):
        GIG_WORKFLOW.check("explode", G.OPEN, entity_id=new_id())
