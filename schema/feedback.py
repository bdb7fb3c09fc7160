"""Feedback as the world sees it: nothing before the reveal."""

from datetime import datetime

import strawberry

from auth import access
from models.contract import ContractNotOver
from models.errors import NotFound
from models.feedback import (
    AXES,
    Feedback,
    FeedbackExists,
    FeedbackHidden,
    FeedbackSide,
    FeedbackWindowClosed,
    ReplyExists,
)
from models.ids import decode_id
from resolvers import feedback, people
from resolvers.operation import Operation
from schema.graph import column, entity, node, source
from schema.node import Node
from schema.payloads import IDEMPOTENCY, Answer, MutationPayload, Needs, mutation
from schema.scalars import Markdown
from schema.words import words

words(FeedbackSide)

_AXIS = "1 (bad) to 5 (excellent)."


@node(
    "feedback",
    Feedback,
    scope=access.visible_feedback,
    name="Feedback",
    description="What one side of a contract says of the other; public once revealed, before that its author's alone.",
)
class FeedbackType(Node):
    side: FeedbackSide = column(Feedback.side, "Who speaks of whom.")
    author_name: str | None = source(
        people.names_of,
        "Who speaks; null if they are gone or hide their profile from you.",
        key=Feedback.author_id,
    )
    availability: int = column(Feedback.availability, _AXIS)
    communication: int = column(Feedback.communication, _AXIS)
    cooperation: int = column(Feedback.cooperation, _AXIS)
    deadlines: int = column(Feedback.deadlines, _AXIS)
    quality: int = column(Feedback.quality, _AXIS)
    skills: int = column(Feedback.skills, _AXIS)
    comment: Markdown = column(Feedback.comment, "In words; at most 4,000 characters.")
    given_at: datetime = column(Feedback.given_at, "When it was given.")
    revealed_at: datetime | None = column(Feedback.revealed_at, "When it became public; null before.")
    reply: Markdown | None = column(
        Feedback.reply, "The public reply of the one spoken of; null without one."
    )
    replied_at: datetime | None = column(Feedback.replied_at, "When the reply came; null without one.")


@strawberry.input(description="Input of `feedbackLeave`. Each axis takes 1 (bad) to 5 (excellent).")
class FeedbackLeaveInput:
    contract_id: strawberry.ID = strawberry.field(
        description="A contract of yours that is over since less than 14 days."
    )
    availability: int = strawberry.field(description="Was there when needed.")
    communication: int = strawberry.field(description="Said what was going on.")
    cooperation: int = strawberry.field(description="Was good to work with.")
    deadlines: int = strawberry.field(description="Kept what was agreed in time.")
    quality: int = strawberry.field(description="Of the work, or of the brief.")
    skills: int = strawberry.field(description="Knew the trade.")
    comment: Markdown = strawberry.field(description="1 to 4,000 characters.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `feedbackReply`.")
class FeedbackReplyInput:
    id: strawberry.ID = strawberry.field(description="Revealed feedback that speaks of you.")
    reply: Markdown = strawberry.field(description="1 to 2,000 characters.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.type(description="Answer to a mutation of feedback.")
class FeedbackPayload(MutationPayload):
    feedback: FeedbackType | None = entity("The feedback as it is now.")


@mutation(
    FeedbackPayload,
    NotFound,
    ContractNotOver,
    FeedbackWindowClosed,
    FeedbackExists,
    needs=Needs.SIGNED_IN,
    description="Say how it was to work together, within 14 days after the end. Nobody else can read it until the other "
    "side has answered too or the 14 days are over. It cannot be changed.",
)
async def feedback_leave(op: Operation, input: FeedbackLeaveInput) -> Answer:
    return await feedback.leave_feedback(
        op,
        decode_id("contract", input.contract_id, path=("contractId",)),
        axes={axis: getattr(input, axis) for axis in AXES},
        comment=input.comment,
    )


@mutation(
    FeedbackPayload,
    NotFound,
    FeedbackHidden,
    ReplyExists,
    needs=Needs.SIGNED_IN,
    description="Reply once, in public, to feedback that speaks of you.",
)
async def feedback_reply(op: Operation, input: FeedbackReplyInput) -> Answer:
    return await feedback.reply_to_feedback(op, decode_id("feedback", input.id), body=input.reply)
