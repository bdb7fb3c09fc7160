"""Reports of messages: whoever reports sees their own, administrators the queue and the words."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry
from strawberry import Maybe

from auth import access
from models.errors import NotFound
from models.ids import decode_id
from models.kept_words import MessageReport, OwnMessage, WordsLost
from models.kept_words import ReportResolved as ReportResolvedRefusal
from models.message import DeletedMessage
from resolvers import message_reports
from resolvers.operation import Operation
from schema.connections import Connection, connection
from schema.filters import Equality, compares
from schema.graph import column, computed, entity, node, one, source
from schema.kept_words import KeptText, ReportOutcome, ReportReason, ReportState, kept_text
from schema.keyset import newest
from schema.messages import message_id
from schema.node import Node
from schema.notes import notes
from schema.payloads import IDEMPOTENCY, Answer, MutationPayload, Needs, mutation
from schema.scalars import Markdown
from schema.type_names import Person, Room


async def _evidence(op: Operation, keys: Sequence[UUID]) -> dict[UUID, KeptText]:
    found = await message_reports.evidence_of(op, keys)
    return {key: kept_text(words) for key, words in found.items()}


@node(
    "report",
    MessageReport,
    scope=access.visible_reports,
    name="MessageReport",
    description="Somebody's word against a message. Administrators see it, and whoever reported it.",
)
class MessageReportType(Node):
    room: Room | None = one(
        MessageReport.room_id, "The room; null unless you belong to it, administrator or not."
    )
    message_id: strawberry.ID = computed(
        message_id, MessageReport.message_id, description="The message, in that room."
    )
    reason: ReportReason = column(MessageReport.reason, "Why it was reported.")
    note: Markdown | None = source(
        notes, "What the reporter wrote with it; null without a text.", key=MessageReport.remark_id
    )
    author: Person | None = one(
        MessageReport.author_id, "Who wrote the message; null if you may not see them."
    )
    reporter: Person | None = one(MessageReport.reporter_id, "Who reported it; always there.")
    evidence: KeptText | None = source(
        _evidence,
        "What the message said when it was reported. Administrators read it, and nothing else of the room; null for everybody "
        "else.",
    )
    sent_at: datetime = column(MessageReport.sent_at, "When the message was sent.")
    edit_count: int = column(MessageReport.edit_count, "How often it had been edited when it was reported.")
    state: ReportState = column(MessageReport.state, "Whether it is decided.")
    outcome: ReportOutcome | None = column(MessageReport.outcome, "What was decided; null while it is open.")
    resolution: Markdown | None = source(
        notes,
        "What the administrator wrote with the decision; null without a text.",
        key=MessageReport.resolution_id,
    )
    resolved_at: datetime | None = column(MessageReport.resolved_at, "When it was decided; null while open.")
    created_at: datetime = column(MessageReport.created_at, "When it was reported.")


@strawberry.input(description="Which reports to list.")
class MessageReportWhere:
    state: Maybe[Equality[ReportState]] = compares(
        MessageReport.state, "By whether it is decided; `{eq: OPEN}` waits for administrators."
    )
    reason: Maybe[Equality[ReportReason]] = compares(MessageReport.reason, "By why.")


@strawberry.type
class MessageReportQuery:
    message_reports: Connection[MessageReportType] = connection(
        None,
        "Reports of messages, the newest first: all of them for administrators, for others their own; empty for an anonymous "
        "caller.",
        default=newest(MessageReport.created_at),
        where=MessageReportWhere,
    )


@strawberry.type(description="Answer to a mutation of a report.")
class ReportPayload(MutationPayload):
    report: MessageReportType | None = entity("The report as it is now; null if it was refused.")


@strawberry.input(description="Input of `messageReport`.")
class MessageReportInput:
    room_id: strawberry.ID = strawberry.field(description="The room.")
    id: strawberry.ID = strawberry.field(description="The message.")
    reason: ReportReason = strawberry.field(description="Why.")
    note: Markdown | None = strawberry.field(
        default=None, description="A word to the administrators, at most 2,000 characters."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `messageReportResolve`.")
class MessageReportResolveInput:
    id: strawberry.ID = strawberry.field(description="The report.")
    outcome: ReportOutcome = strawberry.field(description="What is decided.")
    note: Markdown | None = strawberry.field(
        default=None,
        description="A word to the reporter and, unless it is DISMISSED, to whoever wrote the message: at most 2,000 characters.",
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@mutation(
    ReportPayload,
    NotFound,
    OwnMessage,
    DeletedMessage,
    WordsLost,
    needs=Needs.SIGNED_IN,
    description="Show administrators a message of a room that you belong to, as it is now; its author does not learn who did. "
    "While a report of yours is open, another one answers NOOP.",
)
async def message_report(op: Operation, input: MessageReportInput) -> Answer:
    room_id = decode_id("room", input.room_id, path=("roomId",))
    key = decode_id("message", input.id)
    return await message_reports.report_message(op, room_id, key, input.reason, note=input.note)


@mutation(
    ReportPayload,
    NotFound,
    ReportResolvedRefusal,
    needs=Needs.ADMIN,
    description="Decide about a report. The reporter is told, and unless it is DISMISSED whoever wrote the message, too.",
)
async def message_report_resolve(op: Operation, input: MessageReportResolveInput) -> Answer:
    return await message_reports.resolve_report(
        op, decode_id("report", input.id), input.outcome, note=input.note
    )
