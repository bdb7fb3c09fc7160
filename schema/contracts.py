"""Contracts as the two sides see them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import strawberry
from sqlmodel import col

from auth import abilities as may
from auth import access
from auth.abilities import ContractAction
from models.contract import CONTRACT_WORKFLOW, Contract, EndReason, ProgressFollowsBoard
from models.errors import InvalidTransition, NotFound, StaleVersion
from models.feedback import Feedback as FeedbackRow
from models.ids import decode_id
from models.room import Room as RoomRow
from models.snippet import SubmittedSnippet
from models.vocabulary import Vocabulary
from resolvers import contracts, feedback
from resolvers.operation import Operation
from resolvers.snippets import NamedVersion
from schema.abilities import Abilities, Transition, abilities, transitions
from schema.connections import Connection, connection
from schema.filters import DateTimeFilter, Equality, compares
from schema.graph import column, computed, entity, lookup, many, node, one, personal, source, sql
from schema.keyset import Direction, Key, Nulls, newest
from schema.money import Money
from schema.node import Node
from schema.notes import notes
from schema.payloads import IDEMPOTENCY, VERSION, Answer, MutationPayload, Needs, mutation
from schema.profiles import ClientType, FreelancerType
from schema.scalars import Markdown
from schema.snippet_parts import SubmittedSnippetType
from schema.type_names import Application, Feedback, Gig, Room
from schema.words import words
from schema.work_words import ContractStatus

words(EndReason)


def _can(
    op: Operation, client_id: UUID, freelancer_id: UUID, status: ContractStatus
) -> Abilities[ContractAction]:
    return abilities(may.on_contract(op.viewer, client_id, freelancer_id, status))


@strawberry.type(description="Who has given feedback, without what was said.")
class FeedbackState:
    you_answered: bool = strawberry.field(description="Whether you have.")
    other_side_answered: bool = strawberry.field(
        description="Whether the other side has; its content is hidden until the reveal."
    )
    revealed_at: datetime | None = strawberry.field(description="When both became readable; null before.")
    closes_at: datetime | None = strawberry.field(
        description="Until when feedback is taken, and when one-sided feedback is revealed; null while work goes on."
    )


async def _feedback_state(op: Operation, keys: Any) -> dict[Any, FeedbackState]:
    states = await feedback.states_of(op, keys)
    return {
        key: FeedbackState(
            you_answered=state.you_answered,
            other_side_answered=state.other_answered,
            revealed_at=state.revealed_at,
            closes_at=state.closes_at,
        )
        for key, state in states.items()
    }


_room = (
    sa.select(col(RoomRow.id)).where(col(RoomRow.contract_id) == col(Contract.id)).correlate_except(RoomRow)
)


@node(
    "contract",
    Contract,
    scope=access.visible_contracts,
    name="Contract",
    description="The work one freelancer does for one gig; its two sides and administrators see it.",
)
class ContractType(Node):
    status: ContractStatus = column(Contract.status, "Where the work is.")
    progress_percent: int = column(
        Contract.progress_percent, "How far the work is by the freelancer's word, 0 to 100."
    )
    price: Money | None = computed(
        Money.of,
        Contract.price_minor,
        Contract.currency,
        description="What was agreed, for the whole work or for an hour; always there.",
    )
    reason: str | None = column(Contract.reason, "An `EndReason`; null unless ended early.")
    note: Markdown | None = source(
        notes,
        "The last text that came with the work: progress, hand-in, requested changes or end.",
        key=Contract.remark_id,
    )
    started_at: datetime = column(Contract.started_at, "When the application was accepted.")
    submitted_at: datetime | None = column(
        Contract.submitted_at, "When work was last handed in; null if never."
    )
    over_at: datetime | None = column(
        Contract.over_at, "When it was completed or ended; null while it goes on."
    )
    version: int = column(Contract.version, "Counts the changes; for `expectedVersion`.")
    gig: Gig | None = one(Contract.gig_id, "The gig.")
    room: Room | None = one(
        _room.scalar_subquery().label("contract_room_id"),
        "Where both sides talk about it; theirs alone, no administrator's.",
    )
    application: Application | None = one(Contract.application_id, "The application it came of.")
    client: ClientType | None = one(Contract.client_id, "Who pays.")
    freelancer: FreelancerType | None = one(Contract.freelancer_id, "Who works.")
    submitted_snippets: list[SubmittedSnippetType] = many(
        SubmittedSnippet.contract_id,
        "Versions of snippets that were handed in with the work, oldest submission first.",
        order=[SubmittedSnippet.contract_version, SubmittedSnippet.version_id],
    )
    feedback: list[Feedback] = many(
        FeedbackRow.contract_id,
        "What the two sides said. Until the reveal you see only your own.",
        order=[FeedbackRow.side],
    )
    feedback_state: FeedbackState = source(_feedback_state, "Who has answered, and until when one can.")
    allowed_transitions: list[Transition] = computed(
        lambda status: transitions(CONTRACT_WORKFLOW, status),
        Contract.status,
        description="Where the workflow leads from here, whoever may take the step.",
    )
    viewer: Abilities[ContractAction] = personal(
        _can,
        Contract.client_id,
        Contract.freelancer_id,
        Contract.status,
        description="What you can do to it now.",
    )


@strawberry.input(description="Which contracts to list, among those you may see.")
class ContractWhere:
    status: strawberry.Maybe[Equality[ContractStatus]] = compares(Contract.status, "By status.")
    started_at: strawberry.Maybe[DateTimeFilter] = compares(Contract.started_at, "By when it began.")
    over_at: strawberry.Maybe[DateTimeFilter] = compares(Contract.over_at, "By when it was over.")


class ContractOrderField(Vocabulary):
    """What contracts can be ordered by."""

    STARTED_AT = "STARTED_AT", "When it began."
    OVER_AT = "OVER_AT", "When it was over."


words(ContractOrderField)


@strawberry.input(description="One key of an order of contracts.")
class ContractOrder:
    field: ContractOrderField = strawberry.field(description="What to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")
    nulls: Nulls | None = strawberry.field(default=None, description="Where those without a value stand.")


@strawberry.type
class ContractQuery:
    contract: ContractType | None = lookup(
        "A contract by its id; null if there is none or you may not see it."
    )
    contracts: Connection[ContractType] = connection(
        None,
        "Contracts you may see, newest first unless ordered otherwise.",
        default=newest(Contract.started_at),
        where=ContractWhere,
        order=ContractOrder,
        orders={
            ContractOrderField.STARTED_AT: Key(sql(Contract.started_at)),
            ContractOrderField.OVER_AT: Key(sql(Contract.over_at), nullable=True),
        },
    )


# -- mutations ---------------------------------------------------------------------------------------------------------


@strawberry.input(description="Names a contract to do something with.")
class ContractActInput:
    id: strawberry.ID = strawberry.field(description="The contract.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Names a contract to do something with, and a word about it.")
class ContractNoteInput(ContractActInput):
    note: str | None = strawberry.field(default=None, description="At most 2,000 characters.")


@strawberry.input(description="A version of a snippet, and the hash that says which content is meant.")
class SnippetVersionNameInput:
    id: strawberry.ID = strawberry.field(description="The version; you have to see it.")
    sha256: str = strawberry.field(description="Its `sha256`; another one is refused.")


@strawberry.input(description="Input of `contractSubmitWork`.")
class ContractSubmitWorkInput(ContractNoteInput):
    snippet_versions: list[SnippetVersionNameInput] = strawberry.field(
        default_factory=list,
        description="Versions of snippets that are a part of the work, at most 20. Both sides see these from then on, whatever "
        "becomes of the snippets' shares.",
    )


@strawberry.input(description="Input of `contractReportProgress`.")
class ContractProgressInput(ContractNoteInput):
    percent: int = strawberry.field(description="0 to 100; not a promise, it may go down.")
    expected_version: int | None = strawberry.field(default=None, description=VERSION)


@strawberry.input(description="Input of `contractRequestChanges`.")
class ContractChangesInput(ContractActInput):
    note: str = strawberry.field(description="What has to change: 1 to 2,000 characters.")


@strawberry.input(description="Input of `contractEnd`.")
class ContractEndInput(ContractNoteInput):
    reason: EndReason = strawberry.field(description="Why.")


@strawberry.type(description="Answer to a mutation of a contract.")
class ContractPayload(MutationPayload):
    contract: ContractType | None = entity("The contract as it is now.")


def _id(input: Any) -> UUID:
    return decode_id("contract", input.id)


_MOVES = (NotFound, InvalidTransition)


@mutation(
    ContractPayload,
    *_MOVES,
    StaleVersion,
    ProgressFollowsBoard,
    needs=Needs.FREELANCER,
    description="Say how far the work is.",
)
async def contract_report_progress(op: Operation, input: ContractProgressInput) -> Answer:
    return await contracts.report_progress(
        op, _id(input), percent=input.percent, note=input.note, expected_version=input.expected_version
    )


@mutation(ContractPayload, *_MOVES, needs=Needs.FREELANCER, description="Hand the work in for approval.")
async def contract_submit_work(op: Operation, input: ContractSubmitWorkInput) -> Answer:
    named = [
        NamedVersion(
            decode_id("snippetversion", one.id, path=("snippetVersions", str(index), "id")), one.sha256
        )
        for index, one in enumerate(input.snippet_versions)
    ]
    return await contracts.submit_work(op, _id(input), note=input.note, snippets=named)


@mutation(
    ContractPayload,
    *_MOVES,
    needs=Needs.CLIENT,
    description="Give handed-in work back with what has to change.",
)
async def contract_request_changes(op: Operation, input: ContractChangesInput) -> Answer:
    return await contracts.request_changes(op, _id(input), note=input.note)


@mutation(
    ContractPayload,
    *_MOVES,
    needs=Needs.CLIENT,
    description="Approve handed-in work: the contract is completed, and feedback can be given for 14 days. It cannot be undone.",
)
async def contract_approve(op: Operation, input: ContractActInput) -> Answer:
    return await contracts.approve_work(op, _id(input))


@mutation(ContractPayload, *_MOVES, needs=Needs.SIGNED_IN, description="Let the work rest; either side may.")
async def contract_pause(op: Operation, input: ContractNoteInput) -> Answer:
    return await contracts.pause_contract(op, _id(input), note=input.note)


@mutation(ContractPayload, *_MOVES, needs=Needs.SIGNED_IN, description="Go on after a rest; either side may.")
async def contract_resume(op: Operation, input: ContractActInput) -> Answer:
    return await contracts.resume_contract(op, _id(input))


@mutation(
    ContractPayload,
    *_MOVES,
    needs=Needs.SIGNED_IN,
    description="Stop early; either side may. The place in the gig becomes free. It cannot be undone.",
)
async def contract_end(op: Operation, input: ContractEndInput) -> Answer:
    return await contracts.end_contract(op, _id(input), reason=input.reason, note=input.note)
