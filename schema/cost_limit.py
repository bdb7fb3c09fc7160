"""Prices each operation after its validation: refuses what costs too much, and makes dry runs dry.

Only graphql-core's executor needs it; whoever keeps a `Pricing` beside a plan asks that one.
"""

from collections.abc import Iterator

from strawberry.extensions import SchemaExtension
from strawberry.types.execution import PreExecutionError

from schema.analysis import Pricing
from schema.cost import excess_cost
from schema.rate_limit import rate_limit_only


class CostLimit(SchemaExtension):
    def on_execute(self) -> Iterator[None]:
        execution = self.execution_context
        document, name = execution.graphql_document, execution._provided_operation_name
        assert document is not None
        variables = execution.variables or {}
        pricing = Pricing.of(document, name, execution.schema._schema)
        execution.context.requested = pricing.price(variables)
        refusal = excess_cost(pricing, variables)
        if refusal is not None:
            execution.result = PreExecutionError(data=None, errors=[refusal])
        elif pricing.is_dry_run(variables):
            # Not before: what is valid and kept for the next time is the whole document.
            execution.graphql_document = rate_limit_only(document, name, variables)
        yield
