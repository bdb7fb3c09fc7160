"""Applications as the two sides see them."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import strawberry
from sqlmodel import col
from strawberry import Maybe

from auth import abilities as may
from auth import access
from auth.abilities import ApplicationAction
from models.application import (
    APPLICATION_WORKFLOW,
    ApplicantAway,
    Application,
    ApplicationAnswer,
    ApplicationIdTaken,
    ApplicationSeen,
    DeclineReason,
    OwnGig,
    WithdrawReason,
)
from models.errors import InvalidTransition, NotFound, StaleVersion
from models.gig import Gig as GigRow
from models.gig import GigNotOpen, GigWithheld, NoPlaceLeft
from models.gig_workflow import GigStatus
from models.ids import decode_id, encode_id
from models.room import Room as RoomRow
from models.vocabulary import Vocabulary
from resolvers import applications
from resolvers.operation import Operation
from schema.abilities import Abilities, Transition, abilities, transitions
from schema.filters import DateTimeFilter, Equality, IntFilter, compares
from schema.graph import column, computed, entity, lookup, many, node, one, personal, record, source, sql
from schema.inputs import given, given_as
from schema.keyset import Direction, Key, Nulls
from schema.money import Money
from schema.node import Node
from schema.notes import notes
from schema.payloads import IDEMPOTENCY, VERSION, Answer, MutationPayload, Needs, mutation
from schema.profiles import FreelancerType
from schema.scalars import Markdown, days, whole_days
from schema.type_names import Contract, Gig, Room
from schema.words import words
from schema.work_words import ApplicationStatus

for _vocabulary in (DeclineReason, WithdrawReason):
    words(_vocabulary)


@record(
    ApplicationAnswer,
    scope=access.visible_answers,
    name="ApplicationAnswer",
    description="An answer to a question of the gig; the two sides see it.",
)
class AnswerType:
    question_id: strawberry.ID = computed(
        lambda key: strawberry.ID(encode_id("question", key)),
        ApplicationAnswer.question_id,
        description="The question it answers; see `gig { questions }`.",
    )
    body: str = column(ApplicationAnswer.body, "The answer; at most 2,000 characters.")


def _can(
    op: Operation, client_id: UUID, freelancer_id: UUID, status: ApplicationStatus, gig_status: GigStatus
) -> Abilities[ApplicationAction]:
    return abilities(may.on_application(op.viewer, client_id, freelancer_id, status, gig_status))


_room = (
    sa.select(col(RoomRow.id))
    .where(col(RoomRow.application_id) == col(Application.id))
    .correlate_except(RoomRow)
)


@node(
    "application",
    Application,
    scope=access.visible_applications,
    join=(GigRow, col(GigRow.id) == col(Application.gig_id)),
    name="Application",
    description="A freelancer's bid on a gig; the freelancer, the client and administrators see it.",
)
class ApplicationType(Node):
    status: ApplicationStatus = column(Application.status, "What became of it so far.")
    cover_letter: Markdown = column(
        Application.cover_letter, "What the freelancer writes; at most 10,000 characters."
    )
    price: Money | None = computed(
        Money.of,
        Application.price_minor,
        Application.currency,
        description="For the whole work or for an hour, as the gig's budget says; always there.",
    )
    duration: timedelta | None = computed(
        days, Application.duration_days, description="How long the freelancer will take; null if open."
    )
    reason: str | None = column(
        Application.reason, "A `WithdrawReason` or `DeclineReason`; null unless withdrawn or declined."
    )
    note: Markdown | None = source(
        notes,
        "What was written when it was withdrawn or declined; null without a text.",
        key=Application.remark_id,
    )
    submitted_at: datetime = column(Application.submitted_at, "When it came in.")
    viewed_at: datetime | None = column(
        Application.viewed_at, "When the client first looked; null if not yet."
    )
    version: int = column(Application.version, "Counts the changes; for `expectedVersion`.")
    gig: Gig | None = one(Application.gig_id, "The gig; null once you may not see it.")
    room: Room | None = one(
        _room.scalar_subquery().label("application_room_id"),
        "Where both sides talk about it; theirs alone, no administrator's.",
    )
    freelancer: FreelancerType | None = one(Application.freelancer_id, "Who applies.")
    answers: list[AnswerType] = many(
        ApplicationAnswer.application_id,
        "Answers to the gig's questions, in their order.",
        order=[ApplicationAnswer.position],
    )
    allowed_transitions: list[Transition] = computed(
        lambda status: transitions(APPLICATION_WORKFLOW, status),
        Application.status,
        description="Where the workflow leads from here, whoever may take the step.",
    )
    viewer: Abilities[ApplicationAction] = personal(
        _can,
        Application.client_id,
        Application.freelancer_id,
        Application.status,
        GigRow.status,
        description="What you can do to it now.",
    )


@strawberry.input(description="Which applications to list, among those you may see.")
class ApplicationWhere:
    status: Maybe[Equality[ApplicationStatus]] = compares(Application.status, "By status.")
    submitted_at: Maybe[DateTimeFilter] = compares(Application.submitted_at, "By when it came in.")
    duration_days: Maybe[IntFilter] = compares(
        Application.duration_days, "By how many days the freelancer will take."
    )
    and_: Maybe[list["ApplicationWhere"]] = strawberry.field(name="AND", description="All of these hold.")
    or_: Maybe[list["ApplicationWhere"]] = strawberry.field(
        name="OR", description="At least one of these holds."
    )
    not_: Maybe["ApplicationWhere"] = strawberry.field(name="NOT", description="This does not hold.")


class ApplicationOrderField(Vocabulary):
    """What applications can be ordered by."""

    SUBMITTED_AT = "SUBMITTED_AT", "When it came in."
    PRICE = "PRICE", "The price; all applications of a gig have its currency."
    DURATION = "DURATION", "How long the freelancer will take."


words(ApplicationOrderField)


@strawberry.input(description="One key of an order of applications.")
class ApplicationOrder:
    field: ApplicationOrderField = strawberry.field(description="What to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")
    nulls: Nulls | None = strawberry.field(default=None, description="Where those without a value stand.")


def application_orders() -> dict[ApplicationOrderField, Key]:
    return {
        ApplicationOrderField.SUBMITTED_AT: Key(sql(Application.submitted_at)),
        ApplicationOrderField.PRICE: Key(sql(Application.price_minor)),
        ApplicationOrderField.DURATION: Key(sql(Application.duration_days), nullable=True),
    }


@strawberry.type
class ApplicationQuery:
    application: ApplicationType | None = lookup(
        "An application by its id; null if there is none or you may not see it."
    )


# -- mutations ---------------------------------------------------------------------------------------------------------


@strawberry.input(description="An answer to a question of the gig.")
class AnswerInput:
    question_id: strawberry.ID = strawberry.field(description="From `gig { questions }`.")
    body: str = strawberry.field(description="1 to 2,000 characters.")


@strawberry.input(description="Input of `applicationSubmit`.")
class ApplicationSubmitInput:
    id: strawberry.ID | None = strawberry.field(default=None, description="An id of your own making (`application_` and a UUIDv7); made here if absent.")  # fmt: skip
    gig_id: strawberry.ID = strawberry.field(description="An open gig of somebody else.")
    cover_letter: Markdown = strawberry.field(description="1 to 10,000 characters.")
    price: Decimal = strawberry.field(
        description="In the gig's currency, for the whole work or for an hour, as its budget says."
    )
    duration: timedelta | None = strawberry.field(
        default=None, description="How long you will take, in whole days."
    )
    answers: list[AnswerInput] = strawberry.field(
        default_factory=list, description="One for each required question."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `applicationEdit`; absent parts stay as they are.")
class ApplicationEditInput:
    id: strawberry.ID = strawberry.field(description="The application.")
    cover_letter: Maybe[Markdown] = strawberry.field(description="1 to 10,000 characters.")
    price: Maybe[Decimal] = strawberry.field(description="In the gig's currency.")
    duration: Maybe[timedelta | None] = strawberry.field(description="In whole days; null: open.")
    answers: Maybe[list[AnswerInput]] = strawberry.field(description="The whole list.")
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Names an application to do something with.")
class ApplicationActInput:
    id: strawberry.ID = strawberry.field(description="The application.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `applicationWithdraw`.")
class ApplicationWithdrawInput(ApplicationActInput):
    reason: WithdrawReason = strawberry.field(description="Why.")
    note: str | None = strawberry.field(
        default=None, description="A word to the client; at most 2,000 characters."
    )


@strawberry.input(description="Input of `applicationDecline`.")
class ApplicationDeclineInput(ApplicationActInput):
    reason: DeclineReason = strawberry.field(description="Why.")
    message: str | None = strawberry.field(
        default=None, description="A word to the freelancer; at most 2,000 characters."
    )


@strawberry.type(description="Answer to a mutation of an application.")
class ApplicationPayload(MutationPayload):
    application: ApplicationType | None = entity("The application as it is now.")


@strawberry.type(description="Answer to `applicationAccept`.")
class ApplicationAcceptPayload(MutationPayload):
    contract: Contract | None = entity("The contract that came of it.")


def _id(input: Any) -> UUID:
    return decode_id("application", input.id)


def _answers(answers: list[AnswerInput]) -> tuple[applications.Answer, ...]:
    return tuple(
        applications.Answer(
            decode_id("question", a.question_id, path=("answers", str(i), "questionId")), a.body
        )
        for i, a in enumerate(answers)
    )


@mutation(
    ApplicationPayload,
    NotFound,
    GigNotOpen,
    GigWithheld,
    OwnGig,
    ApplicationIdTaken,
    needs=Needs.FREELANCER,
    description="Apply for an open gig. One live application per person and gig: a repeat answers NOOP with the first; "
    "after withdrawing you may apply again.",
)
async def application_submit(op: Operation, input: ApplicationSubmitInput) -> Answer:
    bid = applications.Bid(
        cover_letter=input.cover_letter,
        price=input.price,
        duration_days=whole_days(input.duration, path="duration"),
        answers=_answers(input.answers),
    )
    gig_id = decode_id("gig", input.gig_id, path=("gigId",))
    return await applications.submit_application(op, gig_id, bid, id=None if input.id is None else _id(input))


@mutation(
    ApplicationPayload,
    NotFound,
    StaleVersion,
    ApplicationSeen,
    InvalidTransition,
    needs=Needs.FREELANCER,
    description="Change parts of your application until the client has looked at it.",
)
async def application_edit(op: Operation, input: ApplicationEditInput) -> Answer:
    changes = {
        **given(input, "cover_letter", "price"),
        **given_as(input, "duration", lambda d: {"duration_days": whole_days(d, path="duration")}),
        **given_as(input, "answers", lambda answers: {"answers": _answers(answers)}),
    }
    return await applications.edit_application(
        op, _id(input), changes, expected_version=input.expected_version
    )


_MOVES = (NotFound, InvalidTransition)


@mutation(
    ApplicationPayload,
    *_MOVES,
    needs=Needs.FREELANCER,
    description="Take your application back. You may apply again while the gig is open.",
)
async def application_withdraw(op: Operation, input: ApplicationWithdrawInput) -> Answer:
    return await applications.withdraw_application(op, _id(input), reason=input.reason, note=input.note)


@mutation(
    ApplicationPayload,
    *_MOVES,
    needs=Needs.CLIENT,
    description="Say that you have looked; from then on the freelancer cannot change it. NOOP if you had.",
)
async def application_mark_viewed(op: Operation, input: ApplicationActInput) -> Answer:
    return await applications.mark_application_viewed(op, _id(input))


@mutation(ApplicationPayload, *_MOVES, needs=Needs.CLIENT, description="Take it into the closer choice.")
async def application_shortlist(op: Operation, input: ApplicationActInput) -> Answer:
    return await applications.shortlist_application(op, _id(input))


@mutation(ApplicationPayload, *_MOVES, needs=Needs.CLIENT, description="Take it out of the closer choice.")
async def application_unshortlist(op: Operation, input: ApplicationActInput) -> Answer:
    return await applications.unshortlist_application(op, _id(input))


@mutation(
    ApplicationPayload, *_MOVES, needs=Needs.CLIENT, description="Say no, with a reason. It cannot be undone."
)
async def application_decline(op: Operation, input: ApplicationDeclineInput) -> Answer:
    return await applications.decline_application(op, _id(input), reason=input.reason, message=input.message)


@mutation(
    ApplicationAcceptPayload,
    *_MOVES,
    GigNotOpen,
    ApplicantAway,
    NoPlaceLeft,
    needs=Needs.CLIENT,
    description="Say yes: a contract on the terms of the bid begins. Other applications stay as they are.",
)
async def application_accept(op: Operation, input: ApplicationActInput) -> Answer:
    return await applications.accept_application(op, _id(input))
