"""The cost of an operation as clients see it: what every answer tells, and the refusal of what costs too much."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from graphql import GraphQLError

from schema.analysis import Pricing

MAX_COST = 10_000
COST_LIMIT_EXCEEDED = "COST_LIMIT_EXCEEDED"


class Cost(NamedTuple):
    """`requested` is the price before it ran, `actual` the rows that were read for its answer.

    `remaining` and `reset_at` are None as long as nobody has a budget for a time.
    """

    requested: int
    actual: int = 0
    limit: int = MAX_COST
    remaining: int | None = None
    reset_at: datetime | None = None

    def as_extension(self) -> dict[str, Any]:
        """The value of `extensions.cost`."""
        reset_at = None if self.reset_at is None else self.reset_at.astimezone(UTC).isoformat()
        return {
            "requested": self.requested,
            "actual": self.actual,
            "limit": self.limit,
            "remaining": self.remaining,
            "resetAt": None if reset_at is None else reset_at.replace("+00:00", "Z"),
        }


def excess_cost(pricing: Pricing, variables: Mapping[str, Any]) -> GraphQLError | None:
    """The refusal of an operation that costs more than `MAX_COST`, with the price of its dearest fields.

    A dry run costs nothing but its answer, so it is never refused.
    """
    requested = pricing.price(variables)
    if requested <= MAX_COST or pricing.is_dry_run(variables):
        return None
    fields = pricing.explain(variables)
    dearest = fields[0]
    message = (
        f"The operation costs {requested:,}; the limit is {MAX_COST:,}. Most of it is `{dearest.path}` with "
        f"{dearest.cost:,}. Ask for smaller pages or fewer levels, and for the rest in another operation."
    )
    extensions = {"requested": requested, "limit": MAX_COST, "fields": [asdict(field) for field in fields]}
    return GraphQLError(message, extensions={"code": COST_LIMIT_EXCEEDED, **extensions})


def count_objects(data: Any) -> int:
    """How many objects an answer holds, `data` itself not counted."""
    found = -1 if isinstance(data, dict) else 0
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found += 1
            waiting.extend(part for part in value.values() if isinstance(part, dict | list))
        elif isinstance(value, list):
            waiting.extend(part for part in value if isinstance(part, dict | list))
    return found
