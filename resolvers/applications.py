"""Applying for a gig, and the client's pipeline up to the contract."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import access
from auth.viewer import Viewer
from models.application import (
    MAX_ANSWER,
    MAX_COVER_LETTER,
    ApplicantAway,
    Application,
    ApplicationAnswer,
    ApplicationStatus,
    DeclineReason,
    OwnGig,
    WithdrawReason,
)
from models.checks import Checks
from models.contract import Contract
from models.errors import Invalid, NotAllowed
from models.gig import MAX_DAYS, Gig, GigQuestion, GigWithheld
from models.money import Money
from models.store.hot import Look, Many
from models.store.rows import new_row
from models.store.sql import Receipt, Transaction
from models.table import check_version
from models.user import Role, User, UserStatus
from resolvers.boards import join_board
from resolvers.gigs import lock_gig_first, require_owner
from resolvers.notices import tell
from resolvers.operation import Operation
from resolvers.remarks import write_remark
from resolvers.rooms import add_room_of_contract, rows_of_application


@dataclass(frozen=True, slots=True)
class Answer:
    question_id: UUID
    body: str


@dataclass(frozen=True, slots=True)
class Bid:
    """What a freelancer offers. The price is in the gig's currency and of its kind (whole work, or an hour)."""

    cover_letter: str
    price: Decimal
    duration_days: int | None = None
    answers: tuple[Answer, ...] = ()


async def submit_application(op: Operation, gig_id: UUID, bid: Bid, *, id: UUID | None = None) -> Receipt:
    """Apply for an open gig. A second application for the same gig answers NOOP with the first."""
    freelancer_id = op.viewer.require(Role.FREELANCER)
    async with op.hot_transaction() as tx:
        seen = await tx.lock(
            _gig_for(op.viewer.roles), what="gig", path=("gigId",), gig_id=gig_id, viewer_id=freelancer_id
        )
        gig = seen.row
        if gig.client_id == freelancer_id:
            raise OwnGig.violated()
        if (first_id := seen.one["first_id"]) is not None:
            return tx.noop(first_id)
        gig.require_open()
        if gig.is_withheld:
            raise GigWithheld(gig_id=gig.id)
        offer = _checked(bid, currency=gig.currency, questions=seen.many["questions"])
        application = new_row(
            Application,
            id=id or op.new_id(),
            gig_id=gig.id,
            client_id=gig.client_id,
            freelancer_id=freelancer_id,
            status=ApplicationStatus.SUBMITTED,
            cover_letter=offer.cover_letter,
            price_minor=offer.price.minor,
            currency=offer.price.currency,
            duration_days=offer.duration_days,
            submitted_at=op.now(),
            updated_at=op.now(),
        )
        tx.add(application, *offer.answers_of(application.id), *rows_of_application(application, at=op.now()))
        gig.application_count += 1
        tx.emit(application.submitted())
        return tx.done(application.id, written=application)


async def edit_application(
    op: Operation, application_id: UUID, changes: Mapping[str, Any], *, expected_version: int | None
) -> Receipt:
    """Change parts of the bid until the client has looked at it."""
    async with op.transaction() as tx:
        gig, application = await _lock_for_applicant(op, tx, application_id)
        check_version(application, expected_version, entity_id=application.id)
        before = await _bid_of(tx, application)
        after = Bid(**{name: changes.get(name, getattr(before, name)) for name in Bid.__slots__})
        event = application.edit(at=op.now())
        questions = await tx.all(
            GigQuestion, col(GigQuestion.gig_id) == gig.id, order_by=col(GigQuestion.position)
        )
        offer = _checked(after, currency=gig.currency, questions=questions)
        application.cover_letter, application.price_minor = offer.cover_letter, offer.price.minor
        application.currency, application.duration_days = offer.price.currency, offer.duration_days
        await tx.execute(
            sa.delete(ApplicationAnswer).where(col(ApplicationAnswer.application_id) == application.id)
        )
        tx.add(*offer.answers_of(application.id))
        tx.emit(event)
        return tx.done(application.id)


async def withdraw_application(
    op: Operation, application_id: UUID, *, reason: WithdrawReason, note: str | None
) -> Receipt:
    async with op.transaction() as tx:
        gig, application = await _lock_for_applicant(op, tx, application_id)
        remark_id = await write_remark(op, tx, note)
        tx.emit(application.withdraw(reason, remark_id=remark_id, at=op.now()))
        gig.application_count -= 1
        return tx.done(application.id)


async def mark_application_viewed(op: Operation, application_id: UUID) -> Receipt:
    """Say that the client has looked; later looks change nothing."""
    async with op.transaction() as tx:
        _, application = await _lock_for_owner(op, tx, application_id)
        if application.viewed_at is not None:
            return tx.noop(application.id)
        tx.emit(application.mark_viewed(at=op.now()))
        return tx.done(application.id)


async def shortlist_application(op: Operation, application_id: UUID) -> Receipt:
    async with op.transaction() as tx:
        _, application = await _lock_for_owner(op, tx, application_id)
        if application.status is ApplicationStatus.SHORTLISTED:
            return tx.noop(application.id)
        tx.emit(application.shortlist(at=op.now()))
        return tx.done(application.id)


async def unshortlist_application(op: Operation, application_id: UUID) -> Receipt:
    async with op.transaction() as tx:
        _, application = await _lock_for_owner(op, tx, application_id)
        if application.status is ApplicationStatus.VIEWED:
            return tx.noop(application.id)
        tx.emit(application.unshortlist(at=op.now()))
        return tx.done(application.id)


async def decline_application(
    op: Operation, application_id: UUID, *, reason: DeclineReason, message: str | None
) -> Receipt:
    async with op.transaction() as tx:
        _, application = await _lock_for_owner(op, tx, application_id)
        remark_id = await write_remark(op, tx, message, path="message")
        tx.emit(application.decline(reason, remark_id=remark_id, at=op.now()))
        return tx.done(application.id)


async def accept_application(op: Operation, application_id: UUID) -> Receipt:
    """Take one bid and open its contract; every other bid stays until the client declines it. Answers the contract."""
    async with op.transaction() as tx:
        gig, application = await _lock_for_owner(op, tx, application_id)
        freelancer = await tx.by_id(User, application.freelancer_id)
        if freelancer is None or freelancer.status is not UserStatus.ACTIVE:
            raise ApplicantAway(application_id=application.id)
        accepted = application.accept(at=op.now())
        filled = gig.hire(at=op.now())
        contract, started = Contract.between(application, at=op.now())
        tx.add(contract)
        await tx.session.flush()
        await add_room_of_contract(tx, contract, at=op.now())
        await tell(op, tx, accepted)
        await tell(op, tx, started)
        if filled is not None:
            tx.emit(filled)
        await join_board(op, tx, gig, contract.freelancer_id)
        return tx.done(contract.id)


async def _lock_for_owner(op: Operation, tx: Transaction, application_id: UUID) -> tuple[Gig, Application]:
    gig, application = await _lock_gig_then_application(op, tx, application_id)
    require_owner(op, gig)
    return gig, application


async def _lock_for_applicant(
    op: Operation, tx: Transaction, application_id: UUID
) -> tuple[Gig, Application]:
    gig, application = await _lock_gig_then_application(op, tx, application_id)
    if application.freelancer_id != op.viewer.user_id:
        raise NotAllowed("APPLICANT")
    return gig, application


async def _lock_gig_then_application(
    op: Operation, tx: Transaction, application_id: UUID
) -> tuple[Gig, Application]:
    op.viewer.require_user()
    visible = (col(Application.id) == application_id) & access.visible_applications(op.viewer)
    return await lock_gig_first(tx, Application, col(Application.gig_id), visible, what="application")


@cache
def _gig_for(roles: frozenset[Role]) -> Look[Gig]:
    """The gig `gig_id` that the person `viewer_id` with these roles would apply for, their live application for it, and
    what the gig asks. Applications come and go, and questions change, only with their gig locked and changed."""
    # Scopes only compare columns with the id, and a parameter compares like one.
    viewer_id = cast(UUID, sa.bindparam("viewer_id", type_=sa.Uuid))
    gig_id = sa.bindparam("gig_id", type_=sa.Uuid)
    first = sa.select(col(Application.id)).where(
        col(Application.gig_id) == gig_id,
        col(Application.freelancer_id) == viewer_id,
        col(Application.status) != ApplicationStatus.WITHDRAWN,
    )
    questions = Many[GigQuestion](
        (GigQuestion.id, GigQuestion.prompt, GigQuestion.is_required),
        where=col(GigQuestion.gig_id) == gig_id,
        order_by=col(GigQuestion.position),
    )
    return Look(
        (Gig.id, Gig.client_id, Gig.status, Gig.is_withheld, Gig.currency, Gig.application_count),
        where=(col(Gig.id) == gig_id) & access.visible_gigs(Viewer(viewer_id, roles=roles)),
        one={"first_id": first.scalar_subquery()},
        many={"questions": questions},
    )


@dataclass(frozen=True, slots=True)
class _Offer:
    """A bid that was checked: as it is written. `answers` are the question, the text, and the place in the list."""

    cover_letter: str
    price: Money
    duration_days: int | None
    answers: tuple[tuple[UUID, str, int], ...]

    def answers_of(self, application_id: UUID) -> list[ApplicationAnswer]:
        return [
            new_row(
                ApplicationAnswer,
                application_id=application_id,
                question_id=question_id,
                body=body,
                position=position,
            )
            for question_id, body, position in self.answers
        ]


def _checked(bid: Bid, *, currency: str, questions: Sequence[GigQuestion]) -> _Offer:
    """Check the bid as a whole. Raises `Refusals`."""
    checks = Checks()
    cover_letter = checks.text(("coverLetter",), bid.cover_letter, max=MAX_COVER_LETTER)
    if bid.duration_days is not None:
        checks.between(("duration",), bid.duration_days, min=1, max=MAX_DAYS)
    price = Money(0, currency)
    try:
        price = Money.parse(bid.price, currency, path=("price",))
    except Invalid as refusal:
        checks.refusals.append(refusal)
    answers = _checked_answers(checks, questions, bid.answers)
    checks.done()
    return _Offer(cover_letter, price, bid.duration_days, answers)


def _checked_answers(
    checks: Checks, questions: Sequence[GigQuestion], answers: Sequence[Answer]
) -> tuple[tuple[UUID, str, int], ...]:
    by_question = {answer.question_id: (index, answer) for index, answer in enumerate(answers)}
    checks.distinct(("answers",), [answer.question_id for answer in answers])
    known = {question.id for question in questions}
    for index, answer in enumerate(answers):
        if answer.question_id not in known:
            checks.refuse(
                ("answers", str(index), "questionId"), "KNOWN_QUESTION", "The gig does not ask this."
            )
    checked = []
    for position, question in enumerate(questions):
        index, given = by_question.get(question.id, (position, None))
        if given is None:
            if question.is_required:
                checks.refuse(("answers",), "REQUIRED", f"The question “{question.prompt}” needs an answer.")
            continue
        body = checks.text(("answers", str(index), "body"), given.body, max=MAX_ANSWER)
        checked.append((question.id, body, position))
    return tuple(checked)


async def _bid_of(tx: Transaction, application: Application) -> Bid:
    rows = await tx.all(
        ApplicationAnswer,
        col(ApplicationAnswer.application_id) == application.id,
        order_by=col(ApplicationAnswer.position),
    )
    return Bid(
        cover_letter=application.cover_letter,
        price=application.price.amount,
        duration_days=application.duration_days,
        answers=tuple(Answer(row.question_id, row.body) for row in rows),
    )
