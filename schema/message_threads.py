"""The thread of a message, as whoever reads it has that thread."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from models.ids import encode_id
from resolvers.operation import Operation
from resolvers.threads import threads_of


@strawberry.type(
    description="A message and what answers it, as you have it; exact as of now. Answers that are deleted do not count."
)
class MessageThread:
    id: strawberry.ID = strawberry.field(
        description="Its first message; for `threadId`, and to page it with `messages(threadId:)`."
    )
    reply_count: int = strawberry.field(description="How many answer; 0 if nobody has.")
    last_reply_at: datetime | None = strawberry.field(
        description="When the last of them was sent; null without one."
    )
    unread_count: int = strawberry.field(
        description="How many of them, of others, stand behind what you have read of the room."
    )
    is_followed: bool = strawberry.field(
        description="Whether you are told of answers: what you chose by `threadFollowSet`, or else whether you wrote in it."
    )


async def threads(
    op: Operation, places: Sequence[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], MessageThread]:
    """By room and message."""
    return {
        place: MessageThread(
            id=strawberry.ID(encode_id("message", found.id)),
            reply_count=found.answers,
            last_reply_at=found.last_answer_at,
            unread_count=found.unread,
            is_followed=found.is_followed,
        )
        for place, found in (await threads_of(op, places)).items()
    }
