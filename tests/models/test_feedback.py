"""Feedback as rows: the axes, the window of fourteen days, one reply, the reveal."""

from datetime import UTC, datetime, timedelta

import pytest

from models.contract import Contract, ContractNotOver, ContractStatus
from models.errors import Invalid, NotAllowed, Refusals
from models.feedback import (
    AXES,
    Feedback,
    FeedbackGiven,
    FeedbackHidden,
    FeedbackReplied,
    FeedbackSide,
    FeedbackWindowClosed,
    ReplyExists,
    reveal,
)
from models.ids import new_id
from tests.models.test_workflows import a_contract

OVER = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
DAY_14 = OVER + timedelta(days=14)
FINE = dict.fromkeys(AXES, 4)


def a_finished_contract() -> Contract:
    contract = a_contract(ContractStatus.SUBMITTED)
    contract.approve(at=OVER)
    return contract


def given_by_client(
    contract: Contract, *, at: datetime = OVER, axes: dict[str, int] | None = None
) -> Feedback:
    feedback, _ = Feedback.give(
        contract, author_id=contract.client_id, axes=FINE | (axes or {}), comment="Good work.", at=at
    )
    return feedback


def test_there_are_six_axes() -> None:
    assert AXES == ("availability", "communication", "cooperation", "deadlines", "quality", "skills")


@pytest.mark.parametrize("by_client", [True, False])
def test_feedback_speaks_of_the_other_side(by_client: bool) -> None:
    contract = a_finished_contract()
    client, freelancer = contract.client_id, contract.freelancer_id
    author, subject = (client, freelancer) if by_client else (freelancer, client)

    feedback, event = Feedback.give(contract, author_id=author, axes=FINE, comment=" Gut. ", at=OVER)

    side = FeedbackSide.OF_FREELANCER if by_client else FeedbackSide.OF_CLIENT
    assert (feedback.author_id, feedback.subject_id, feedback.side) == (author, subject, side)
    assert (feedback.comment, feedback.given_at, feedback.revealed_at) == ("Gut.", OVER, None)
    assert type(event) is FeedbackGiven
    assert event.payload() == {"gig_id": contract.gig_id, "contract_id": contract.id, "side": side}


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize(("stars", "is_fine"), [(0, False), (1, True), (5, True), (6, False)])
def test_each_axis_takes_one_to_five(axis: str, stars: int, is_fine: bool) -> None:
    contract = a_finished_contract()

    if is_fine:
        feedback = given_by_client(contract, axes={axis: stars})

        assert feedback.axis_total == 20 + stars
    else:
        with pytest.raises(Refusals) as refused:
            given_by_client(contract, axes={axis: stars})

        assert [r.path for r in refused.value.refusals] == [(axis,)]


def test_all_broken_rules_of_feedback_are_told_at_once() -> None:
    contract = a_finished_contract()

    with pytest.raises(Refusals) as refused:
        Feedback.give(
            contract, author_id=contract.client_id, axes=dict.fromkeys(AXES, 0), comment="", at=OVER
        )

    found = [(r.path[0], r.constraint) for r in refused.value.refusals if isinstance(r, Invalid)]
    assert found == [*((axis, "RANGE") for axis in AXES), ("comment", "LENGTH")]


def test_feedback_is_taken_until_the_last_moment_of_the_fourteen_days() -> None:
    contract = a_finished_contract()

    feedback = given_by_client(contract, at=DAY_14 - timedelta(microseconds=1))

    assert feedback.given_at == DAY_14 - timedelta(microseconds=1)


@pytest.mark.parametrize("later", [timedelta(0), timedelta(microseconds=1), timedelta(days=365)])
def test_feedback_is_refused_from_exactly_day_fourteen(later: timedelta) -> None:
    contract = a_finished_contract()

    with pytest.raises(FeedbackWindowClosed) as refused:
        given_by_client(contract, at=DAY_14 + later)

    assert (refused.value.status, refused.value.entity_id) == ("CLOSED", contract.id)


@pytest.mark.parametrize("status", [ContractStatus.ACTIVE, ContractStatus.PAUSED, ContractStatus.SUBMITTED])
def test_there_is_no_feedback_on_work_that_goes_on(status: ContractStatus) -> None:
    contract = a_contract(status)

    with pytest.raises(ContractNotOver) as refused:
        given_by_client(contract)

    assert refused.value.status == status


def test_the_reveal_opens_both_at_one_moment_and_tells_no_content() -> None:
    contract = a_finished_contract()
    one = given_by_client(contract)
    other, _ = Feedback.give(contract, author_id=contract.freelancer_id, axes=FINE, comment="Kind.", at=OVER)

    event = reveal(contract, [one, other], at=DAY_14)

    assert (one.revealed_at, other.revealed_at) == (DAY_14, DAY_14)
    assert event.payload() == {
        "gig_id": contract.gig_id,
        "contract_id": contract.id,
        "sides": (FeedbackSide.OF_CLIENT, FeedbackSide.OF_FREELANCER),
    }


def test_the_one_spoken_of_replies_once() -> None:
    contract = a_finished_contract()
    feedback = given_by_client(contract)
    reveal(contract, [feedback], at=DAY_14)

    event = feedback.answer(contract, author_id=contract.freelancer_id, body=" Thanks! ", at=DAY_14)

    assert type(event) is FeedbackReplied
    assert (feedback.reply, feedback.replied_at) == ("Thanks!", DAY_14)
    with pytest.raises(ReplyExists):
        feedback.answer(contract, author_id=contract.freelancer_id, body="And…", at=DAY_14)
    assert feedback.reply == "Thanks!"


@pytest.mark.parametrize(
    ("by_subject", "is_revealed", "body", "refusal"),
    [
        (False, True, "Thanks!", NotAllowed),
        (True, False, "Thanks!", FeedbackHidden),
        (True, True, "", Refusals),
        (True, True, "x" * 2_001, Refusals),
    ],
    ids=["author", "hidden", "empty", "too long"],
)
def test_a_refused_reply_leaves_the_feedback_untouched(
    by_subject: bool, is_revealed: bool, body: str, refusal: type[Exception]
) -> None:
    contract = a_finished_contract()
    feedback = given_by_client(contract)
    if is_revealed:
        reveal(contract, [feedback], at=DAY_14)
    before = feedback.model_dump()

    with pytest.raises(refusal):
        author_id = feedback.subject_id if by_subject else feedback.author_id
        feedback.answer(contract, author_id=author_id, body=body, at=DAY_14)

    assert feedback.model_dump() == before


def test_feedback_needs_all_axes_by_name() -> None:
    contract = a_finished_contract()

    with pytest.raises(KeyError):
        Feedback.give(contract, author_id=new_id(), axes={"quality": 5}, comment="Good.", at=OVER)
