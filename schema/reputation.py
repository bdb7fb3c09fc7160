"""What people have done here, and what others say of it."""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

import sqlalchemy as sa
import strawberry
from sqlmodel import col

from resolvers import reputation
from resolvers.operation import Operation


@strawberry.type(
    description="What people have said, in revealed feedback only. Scores are means of six axes, 1 to 5."
)
class Rating:
    score: Decimal | None = strawberry.field(
        description="1.00 (bad) to 5.00 (excellent); null without feedback."
    )
    count: int = strawberry.field(description="How many people have said it.")

    @classmethod
    def of(cls, hundredths: int | None, count: int) -> "Rating":
        return cls(score=None if hundredths is None else Decimal(hundredths).scaleb(-2), count=count)


@strawberry.type(description="What a person has done here.")
class TrackRecord:
    contracts_completed: int = strawberry.field(description="Contracts that ended with approved work.")
    contracts_ended_early: int = strawberry.field(description="Contracts that one side ended early.")
    contracts_live: int = strawberry.field(description="Contracts going on now.")
    rating: Rating = strawberry.field(description="What people have said.")

    @classmethod
    def of(cls, record: reputation.Record) -> "TrackRecord":
        return cls(
            contracts_completed=record.completed,
            contracts_ended_early=record.ended,
            contracts_live=record.live,
            rating=Rating.of(record.rating_hundredths, record.rating_count),
        )


class _Counted(Protocol):
    async def __call__(
        self, op: Operation, user_ids: Sequence[UUID], *, recent: bool
    ) -> dict[UUID, reputation.Record]: ...


def records(
    of: _Counted, *, recent: bool
) -> Callable[[Operation, Sequence[UUID]], Awaitable[dict[UUID, TrackRecord]]]:
    """A batched source: what the people on one side have done, lately or over the whole time."""

    async def load(op: Operation, user_ids: Sequence[UUID]) -> dict[UUID, TrackRecord]:
        found = await of(op, user_ids, recent=recent)
        return {user_id: TrackRecord.of(record) for user_id, record in found.items()}

    return load


def nothing_yet() -> TrackRecord:
    return TrackRecord.of(reputation.Record())


def score(hundredths: Any) -> sa.ColumnElement[Any]:
    """The rating as filters compare it."""
    return sa.cast(col(hundredths), sa.Numeric) / 100
