"""One operation of a document as plans of its root fields, and their execution.

Root fields of a query are read concurrently, those of a mutation one after the other. A field that cannot be planned, or
whose plan meets an error, is left to the batch execution of the same declarations: it tells of errors, and of the nulls
that follow from them, exactly as the specification says, so the planner has no second way to do that. Reading twice changes
nothing; a mutation is never done twice, only its payload is shown again.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    execute,
    located_error,
)

from models.errors import DomainError
from schema.cost import count_objects
from schema.graph import Context
from schema.planner.code import Unplanned
from schema.planner.inputs import Inputs
from schema.planner.roots import (
    MutationPlan,
    RootPlan,
    Run,
    SubscriptionPlan,
    plan_mutation,
    plan_root,
    plan_subscription,
)
from schema.planner.selection import Selected, Selections
from schema.recent import Recent

_log = logging.getLogger("skillsync.planner")


_INTROSPECTION = "introspection"
_numbers = itertools.count()


class Described(NamedTuple):
    """What introspection answers, by response key, as JSON; of how many objects and bytes."""

    values: dict[str, orjson.Fragment]
    objects: int
    length: int


Descriptions = Recent[bytes, Described]
"""By plan and variables; it bounds what all plans keep together, for plans outlive their document in those who asked."""


class Outcome(NamedTuple):
    """`data` is what JSON needs; None together with errors when a null reached the top."""

    data: dict[str, Any] | None
    errors: list[GraphQLError]
    objects: int


@dataclass(slots=True)
class OperationPlan:
    """Plans by response key; the reason where there is none."""

    schema: strawberry.Schema
    document: DocumentNode
    operation: OperationDefinitionNode
    root: GraphQLObjectType
    selected: list[Selected]
    unplanned: Counter[str]
    """Counts how often a root field is left to the batch execution, by reason."""
    descriptions: Descriptions
    plans: dict[str, RootPlan | MutationPlan | SubscriptionPlan] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    _number: int = field(default_factory=_numbers.__next__)

    @classmethod
    def of(
        cls,
        schema: strawberry.Schema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        booleans: Mapping[str, bool],
        unplanned: Counter[str],
        descriptions: Descriptions,
    ) -> OperationPlan:
        fragments = {
            part.name.value: part for part in document.definitions if isinstance(part, FragmentDefinitionNode)
        }
        selections = Selections(schema._schema, fragments, booleans)
        root = schema._schema.get_root_type(operation.operation)
        assert root is not None
        selected_of_root = selections.of(root, [operation.selection_set])
        plan = cls(schema, document, operation, root, selected_of_root, unplanned, descriptions)
        for selected in plan.selected:
            if selected.name != "__typename":
                plan._add(selections, selected)
        return plan

    def _add(self, selections: Selections, selected: Selected) -> None:
        if selected.name.startswith("__"):
            self.reasons[selected.key] = _INTROSPECTION
            return
        try:
            self.plans[selected.key] = _MAKE[self.operation.operation](
                self.schema, selections, self.root, selected
            )
        except Unplanned as error:
            self.reasons[selected.key] = str(error)

    async def run(self, context: Context, values: Inputs, raw: Mapping[str, Any]) -> Outcome:
        run = Run(context, values)
        if self.operation.operation is OperationType.MUTATION:
            return await self._mutate(run, raw)
        found: dict[str, Any] = {}
        left = dict(self.reasons)
        keys = list(self.plans)
        if len(keys) == 1 and not left:
            results = [await _settled(self.plans[keys[0]](run))]  # type: ignore[operator]
        else:
            results = await asyncio.gather(*(_settled(self.plans[key](run)) for key in keys))  # type: ignore[operator]
        for key, result in zip(keys, results, strict=True):
            if isinstance(result, Failure):
                left[key] = type(result.error).__name__
            else:
                found[key] = result
        if not left:
            return Outcome({key: found.get(key, self.root.name) for key in self._keys()}, [], run.objects)
        if not found and set(left.values()) == {_INTROSPECTION} and context.steps is None:
            described = await self._description(left, raw)
            if described is not None:
                data = {key: described.values.get(key, self.root.name) for key in self._keys()}
                return Outcome(data, [], described.objects)
        rest = await self._batched(context, left, raw)
        if rest.data is None:
            return Outcome(None, rest.errors or [], run.objects)
        run.objects += count_objects(rest.data)
        merged = found | rest.data
        data = {key: merged.get(key, self.root.name) for key in self._keys()}
        return Outcome(data, rest.errors or [], run.objects)

    async def _description(self, reasons: Mapping[str, str], raw: Mapping[str, Any]) -> Described | None:
        """What the schema says of itself: about a second of CPU the first time, in a thread, and then kept; None with errors."""
        asked = b"%d %b" % (self._number, orjson.dumps(raw, option=orjson.OPT_SORT_KEYS))
        described = self.descriptions.get(asked)
        if described is None:
            document, name = self._document_of(reasons), name_of(self.operation)
            described = await asyncio.to_thread(_describe, self.schema, document, raw, name)
            if described is None:
                return None
            self.descriptions.keep(asked, described, length=len(asked) + described.length)
        self.unplanned[_INTROSPECTION] += len(reasons)
        return described

    async def run_batched(self, context: Context, raw: Mapping[str, Any]) -> Outcome:
        """The whole operation by batches."""
        result = await batch_execute(self.schema, self.document, context, raw, name_of(self.operation))
        return Outcome(result.data, result.errors or [], count_objects(result.data))

    def _keys(self) -> Iterable[str]:
        return (selected.key for selected in self.selected)

    async def _mutate(self, run: Run, raw: Mapping[str, Any]) -> Outcome:
        data: dict[str, Any] = {}
        errors: list[GraphQLError] = []
        for selected in self.selected:
            key = selected.key
            plan = self.plans.get(key)
            if plan is None:
                data[key] = self.root.name
                if key in self.reasons:
                    await self._left(run, key, self.reasons[key], raw, data, errors)
                continue
            assert isinstance(plan, MutationPlan)
            try:
                arguments = plan.read(run.values)
            except Exception as error:  # of the input; nothing has happened yet
                await self._left(run, key, type(error).__name__, raw, data, errors)
                continue
            try:
                payload = await plan.act(run.context, arguments["input"])
            except Exception as error:  # what the mutation raises is told at its field, bugs too
                data[key] = None
                errors.append(located_error(error, selected.nodes, [key]))
                continue
            shown = await _settled(plan.payload.show(run, payload))
            if isinstance(shown, Failure):
                run.context.done[key] = payload
                await self._left(run, key, type(shown.error).__name__, raw, data, errors)
            else:
                data[key] = shown
        return Outcome(data, errors, run.objects)

    async def _left(
        self,
        run: Run,
        key: str,
        reason: str,
        raw: Mapping[str, Any],
        data: dict[str, Any],
        errors: list[GraphQLError],
    ) -> None:
        rest = await self._batched(run.context, {key: reason}, raw)
        data[key] = None if rest.data is None else rest.data[key]
        run.objects += count_objects(rest.data)
        errors += rest.errors or []

    async def _batched(
        self, context: Context, reasons: Mapping[str, str], raw: Mapping[str, Any]
    ) -> ExecutionResult:
        """These root fields through graphql-core, each with the reason why."""
        for key, reason in reasons.items():
            self.unplanned[reason] += 1
            if reason != _INTROSPECTION:
                _log.info("left to batches", extra={"field": key, "reason": reason})
            if context.steps is not None:
                context.steps.append({"kind": "BATCHES", "field": key, "reason": reason})
        return await batch_execute(
            self.schema, self._document_of(reasons), context, raw, name_of(self.operation)
        )

    def _document_of(self, keys: Iterable[str]) -> DocumentNode:
        """The document with only some root fields."""
        wanted = set(keys)
        nodes: list[FieldNode] = [
            node for selected in self.selected if selected.key in wanted for node in selected.nodes
        ]
        operation = OperationDefinitionNode(
            operation=self.operation.operation,
            name=self.operation.name,
            variable_definitions=self.operation.variable_definitions,
            directives=self.operation.directives,
            selection_set=SelectionSetNode(selections=tuple(nodes)),
            loc=self.operation.loc,
        )
        fragments = [part for part in self.document.definitions if isinstance(part, FragmentDefinitionNode)]
        return DocumentNode(definitions=(operation, *fragments), loc=self.document.loc)


_MAKE: Mapping[OperationType, Callable[..., RootPlan | MutationPlan | SubscriptionPlan]] = {
    OperationType.QUERY: plan_root,
    OperationType.MUTATION: plan_mutation,
    OperationType.SUBSCRIPTION: plan_subscription,
}


def name_of(operation: OperationDefinitionNode) -> str | None:
    return operation.name.value if operation.name else None


async def batch_execute(
    schema: strawberry.Schema,
    document: DocumentNode,
    context: Context,
    variables: Mapping[str, Any],
    operation_name: str | None,
    root: Any = None,
) -> ExecutionResult:
    """A document through graphql-core and the batch execution of the declared graph. `root` is an item of a stream."""
    pending = execute(
        schema._schema,
        document,
        root_value=root,
        context_value=context,
        variable_values=dict(variables),
        operation_name=operation_name,
    )
    result = pending if isinstance(pending, ExecutionResult) else await pending
    assert isinstance(result, ExecutionResult)
    return result


def _describe(
    schema: strawberry.Schema, document: DocumentNode, variables: Mapping[str, Any], name: str | None
) -> Described | None:
    result = execute(schema._schema, document, variable_values=dict(variables), operation_name=name)
    assert isinstance(result, ExecutionResult)
    if result.errors or result.data is None:
        return None
    told = {key: orjson.dumps(value) for key, value in result.data.items()}
    values = {key: orjson.Fragment(value) for key, value in told.items()}
    return Described(values, count_objects(result.data), sum(map(len, told.values())))


@dataclass(frozen=True, slots=True)
class Failure:
    error: Exception


async def _settled(pending: Any) -> Any:
    try:
        return await pending
    except Exception as error:  # told by the batch execution, which meets it again
        if not isinstance(error, DomainError | GraphQLError):
            _log.warning("a plan failed", exc_info=error)
        return Failure(error)
