"""Documents: everything that is derived from a text, once. Parsing and validating take most of the time of a small request.

Only valid documents are kept, and by the length of their text: a syntax tree takes up to 270 bytes for each character, so
`MOST_CHARACTERS` bounds what strangers can fill. Plans hang on their document and go with it; `MOST_PLANS` bounds how many
a document may have by the booleans of its directives. What the schema says of itself is a megabyte for a text of a few words: it
does not hang on plans, and `MOST_DESCRIBED` bounds it.
"""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    parse,
)
from graphql.execution.values import VariableValues, get_variable_values

from schema.analysis import Pricing
from schema.limits import MAX_TOKENS, TOO_COMPLEX, excess_of
from schema.planner.inputs import Inputs, Readers, Variables
from schema.planner.operation import Descriptions, OperationPlan, name_of
from schema.planner.selection import boolean_variables
from schema.rate_limit import rate_limit_only
from schema.recent import Recent
from schema.validation import errors_of

MOST_CHARACTERS = 100_000
MOST_PLANS = 32
MOST_DESCRIBED = 32_000_000  # bytes; a tenth for one, and the usual description of everything has 1.1 MB


class Refused(Exception):
    """The document never runs."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors


class Document:
    """A valid document with the plans of its operations."""

    def __init__(
        self,
        schema: strawberry.Schema,
        text: str,
        ast: DocumentNode,
        readers: Readers,
        unplanned: Counter[str],
        descriptions: Descriptions,
    ) -> None:
        self._readers = readers
        self._unplanned = unplanned
        self._descriptions = descriptions
        self.text = text
        self.ast = ast
        self._schema = schema
        self.operations = [part for part in ast.definitions if isinstance(part, OperationDefinitionNode)]
        self._variables = {id(operation): Variables.of(operation, readers) for operation in self.operations}
        self._booleans = boolean_variables(ast.definitions)
        self._pricings: dict[int, Pricing] = {}
        self._plans: OrderedDict[Any, OperationPlan] = OrderedDict()

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The one of that name, or the only one; None if the document has none such, or several without a name."""
        if name is None:
            return self.operations[0] if len(self.operations) == 1 else None
        return next((o for o in self.operations if o.name is not None and o.name.value == name), None)

    def values(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> Inputs:
        """Raises `Refused` for variables that do not fit."""
        return self._variables[id(operation)].inputs(variables, partial(self._coerced, operation, variables))

    def _coerced(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> VariableValues:
        found = get_variable_values(
            self._schema._schema, operation.variable_definitions or (), dict(variables), max_errors=50
        )
        if isinstance(found, list):
            raise Refused(found)
        return found

    def pricing(self, operation: OperationDefinitionNode) -> Pricing:
        known = self._pricings.get(id(operation))
        if known is None:
            known = Pricing.of(self.ast, name_of(operation), self._schema._schema)
            self._pricings[id(operation)] = known
        return known

    def dry_run(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> "Document":
        """The document of an operation that asks for its price only."""
        alone = rate_limit_only(self.ast, name_of(operation), variables)
        return Document(self._schema, self.text, alone, self._readers, self._unplanned, self._descriptions)

    def plan(self, operation: OperationDefinitionNode, values: Inputs) -> OperationPlan:
        # Another operation of the document may have them.
        booleans = tuple(map(values.is_true, self._booleans))
        key = (id(operation), booleans)
        plan = self._plans.get(key)
        if plan is None:
            known = dict(zip(self._booleans, booleans, strict=True))
            plan = self._plans[key] = OperationPlan.of(
                self._schema, self.ast, operation, known, self._unplanned, self._descriptions
            )
            if len(self._plans) > MOST_PLANS:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(key)
        return plan


class Documents:
    """Reads documents of one schema and keeps those used last."""

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        introspection: bool,
        max_characters: int = MOST_CHARACTERS,
        max_described: int = MOST_DESCRIBED,
    ) -> None:
        self._schema = schema
        self._introspection = introspection
        self._known: Recent[str, Document] = Recent(max_characters)
        self._readers = Readers(schema)
        self.unplanned: Counter[str] = Counter()
        """How often a root field was left to the batch execution, by reason: an error's class, or `introspection`."""
        self.descriptions: Descriptions = Recent(max_described)

    def read(self, text: str) -> Document:
        """Raises `Refused`."""
        document = self._known.get(text)
        if document is None:
            document = Document(
                self._schema, text, self._valid(text), self._readers, self.unplanned, self.descriptions
            )
            self._known.keep(text, document)
        return document

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._known)

    @property
    def characters(self) -> int:
        return self._known.size

    def _valid(self, text: str) -> DocumentNode:
        try:
            ast = parse(text, max_tokens=MAX_TOKENS)
        except GraphQLSyntaxError as error:
            raise Refused([error]) from error
        excess = excess_of(ast)
        if excess is not None:
            raise Refused([GraphQLError(excess, extensions={"code": TOO_COMPLEX})])
        errors = errors_of(self._schema, text, ast, introspection=self._introspection)
        if errors:
            raise Refused(errors)
        return ast
