"""What a caller may still ask for, and dry runs: an operation that is priced and not run."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_operation_ast,
)

from schema.analysis import RATE_LIMIT
from schema.cost import MAX_COST
from schema.graph import Answered, Context, argument, declare
from schema.selections import defaults_of, fields_of, fragments_of


@strawberry.type(
    description="What this operation costs and what you may still ask for. docs/cost.md says how prices are made."
)
class RateLimit:
    requested: int = strawberry.field(
        description="The price of this operation: the most objects its answer can hold, and surcharges. 2147483647 stands for anything beyond."
    )
    limit: int = strawberry.field(
        description="The highest price of one operation; a dearer one is refused with COST_LIMIT_EXCEEDED and never runs."
    )
    remaining: int | None = strawberry.field(
        description="What is left of your budget; null, as there are no budgets yet: only single operations are limited."
    )
    reset_at: datetime | None = strawberry.field(
        description="When the budget is whole again; null as long as there are no budgets."
    )


async def rate_limit(context: Context, dry_run: bool) -> RateLimit:
    return RateLimit(requested=context.requested, limit=MAX_COST, remaining=None, reset_at=None)


def _rate_limit() -> Any:
    field = declare(
        Answered(rate_limit),
        "What this operation costs; never null. Of a mutation, `extensions.cost` tells it.",
    )
    text = "Price the operation and run nothing of it: the answer holds `rateLimit` alone, whatever else is selected and however much that costs."
    field.arguments = [argument("dry_run", bool, text, default=False)]
    return field


@strawberry.type
class RateLimitQuery:
    rate_limit: RateLimit | None = _rate_limit()


def rate_limit_only(
    document: DocumentNode, operation_name: str | None, variables: Mapping[str, Any]
) -> DocumentNode:
    """The document of a dry run (`Pricing.is_dry_run`): the operation with nothing at its root but `rateLimit`."""
    operation = get_operation_ast(document, operation_name)
    assert operation is not None
    given = {**defaults_of(operation), **variables}
    selected = fields_of((operation.selection_set,), fragments_of(document), variables=given)
    kept = tuple(field for field in selected if field.name.value == RATE_LIMIT)
    alone = OperationDefinitionNode(
        operation=operation.operation,
        name=operation.name,
        variable_definitions=operation.variable_definitions,
        directives=operation.directives,
        selection_set=SelectionSetNode(selections=kept),
    )
    others = (part for part in document.definitions if not isinstance(part, OperationDefinitionNode))
    return DocumentNode(definitions=(alone, *others))
