"""What people say about themselves beside their name."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from models.person_status import LONGEST, MAX_TEXT, Saying
from resolvers import person_status
from resolvers.operation import Operation
from schema.graph import attached
from schema.payloads import IDEMPOTENCY, Answer, MutationPayload, Needs, mutation


@strawberry.type(description="What somebody says about themselves: a text, an emoji, or both.")
class PersonStatus:
    text: str | None = strawberry.field(description="In words, on one line; null for an emoji alone.")
    emoji: str | None = strawberry.field(description="One emoji; null for a text alone.")
    until: datetime | None = strawberry.field(
        description="When it ends, which is not told: hide it then. Null: when they say something else."
    )


async def status_of(op: Operation, keys: Sequence[UUID]) -> dict[UUID, PersonStatus]:
    return {
        key: PersonStatus(text=found.text, emoji=found.emoji, until=found.until)
        for key, found in (await person_status.statuses_of(op, keys)).items()
    }


@strawberry.type(description="Answer to `personStatusSet`.")
class PersonStatusSetPayload(MutationPayload):
    status: PersonStatus | None = attached(
        status_of, "entity_id", "What you say about yourself now; null if that is nothing, or it was refused."
    )


@strawberry.input(description="Input of `personStatusSet`: all null to say nothing any more.")
class PersonStatusSetInput:
    text: str | None = strawberry.field(
        default=None, description=f"1 to {MAX_TEXT} characters on one line; null for an emoji alone."
    )
    emoji: str | None = strawberry.field(default=None, description="One emoji; null for a text alone.")
    until: datetime | None = strawberry.field(
        default=None,
        description=f"When it ends by itself, at most {LONGEST.days} days from now; null: when you say something else.",
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@mutation(
    PersonStatusSetPayload,
    needs=Needs.SIGNED_IN,
    description="Say something about yourself to those who share a room of chat with you, in place of what you said before. Whoever "
    "follows such a room hears of it within seconds (`MembersPresenceChanged`). It is your own word, so `chatPresenceSet` does not "
    "hide it; those of whom one has blocked the other do not see each other's.",
)
async def person_status_set(op: Operation, input: PersonStatusSetInput) -> Answer:
    return await person_status.set_status(op, Saying(input.text, input.emoji, input.until))
