"""Plans of root fields, one class for each kind of declaration. A plan that raises leaves its field to batch execution."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import strawberry
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLUnionType,
    VariableNode,
    get_named_type,
)
from strawberry.types.field import StrawberryField

from resolvers.operation import Operation
from schema.connections import ConnectionOf
from schema.gig_search import GigSearch, Sought
from schema.graph import (
    Answered,
    AnyNode,
    Attached,
    Chosen,
    Context,
    Followed,
    GraphField,
    Lookup,
    NodeSpec,
    Own,
    Scope,
    label,
)
from schema.payloads import ACTS
from schema.planner.arguments import reader
from schema.planner.code import Code, Read, Reads, Unplanned, Values
from schema.planner.inputs import Inputs
from schema.planner.pages import BoundPage
from schema.planner.rows import named_object
from schema.planner.selection import Selected, Selections
from schema.planner.unit import Unit


@dataclass(slots=True)
class Run:
    """One execution of an operation: what plans share. `objects` counts the rows that were read."""

    context: Context
    values: Inputs
    objects: int = 0

    @property
    def op(self) -> Operation:
        return self.context.op

    async def answer(self, unit: Unit, pages: Sequence[BoundPage], keys: Sequence[UUID] = ()) -> Any:
        answer = await unit.answer(self.context, self.values, pages, partial(_found, self), keys)
        self.objects += answer.objects
        return answer


RootPlan = Callable[[Run], Awaitable[Any]]
ReadKeys = Callable[[Run, Sequence[Any]], Awaitable[Mapping[Any, Any]]]


def plan_root(
    schema: strawberry.Schema, selections: Selections, root: GraphQLObjectType, selected: Selected
) -> RootPlan:
    """Raises `Unplanned`."""
    definition = root.fields[selected.name]
    declared: StrawberryField = definition.extensions["strawberry-definition"]
    planner = _Planner(schema, selections, root, selected, definition.type)
    if not isinstance(declared, GraphField):
        raise Unplanned(f"{root.name}.{selected.name} has a resolver")
    match declared.declaration:
        case GigSearch():
            return planner.search(declared.declaration)
        case ConnectionOf():
            return planner.page()
        case Lookup():
            return planner.lookup(declared, declared.declaration)
        case Own():
            return planner.own()
        case AnyNode():
            return planner.any_node(declared.declaration)
        case Chosen():
            return planner.chosen(declared.declaration)
        case Answered():
            return planner.answered(declared.declaration)
    raise Unplanned(f"{root.name}.{selected.name}: {type(declared.declaration).__name__}")


def plan_mutation(
    schema: strawberry.Schema, selections: Selections, root: GraphQLObjectType, selected: Selected
) -> MutationPlan:
    definition = root.fields[selected.name]
    declared: StrawberryField = definition.extensions["strawberry-definition"]
    planner = _Planner(schema, selections, root, selected, definition.type)
    return MutationPlan(
        reader(schema, definition, selected.node), ACTS[declared.python_name], planner.value(definition.type)
    )


@dataclass(frozen=True, slots=True, eq=False)
class ValuePlan:
    """Shows values that Python made. `reads` are what they refer to: read for all values at once, before any is shown."""

    assemble: Callable[[Any, Sequence[Mapping[Any, Any]]], Any]
    reads: Sequence[tuple[Read, ReadKeys]]
    is_alike: bool = False
    """Whether it is the same for all who may see the subject of the values."""

    async def show(self, run: Run, value: Any) -> Any:
        return (await self.show_all(run, [value]))[0]

    async def show_all(self, run: Run, values: Sequence[Any]) -> list[Any]:
        found = await self._found(run, values)
        return [self.assemble(value, found) for value in values]

    async def show_whole(self, run: Run, values: Sequence[Any]) -> list[Any]:
        """None for a value that refers to something which is not there for this viewer."""
        found = await self._found(run, values)
        return [self.assemble(value, found) if self._is_whole(value, found) else None for value in values]

    async def _found(self, run: Run, values: Sequence[Any]) -> list[Mapping[Any, Any]]:
        found: list[Mapping[Any, Any]] = []
        for read, keys_read in self.reads:
            keys = sorted(read.keys(values))
            found.append(await keys_read(run, keys) if keys else {})
        return found

    def _is_whole(self, value: Any, found: Sequence[Mapping[Any, Any]]) -> bool:
        return all(
            read.keys([value]) <= known.keys() for (read, _), known in zip(self.reads, found, strict=True)
        )


@dataclass(frozen=True, slots=True, eq=False)
class SubscriptionPlan:
    """Which stream is followed, from the arguments, and how its items are shown."""

    read: Callable[[Inputs], Any]
    followed: Followed
    after_variable: str | None
    """The variable that the cursor is in, if it is in one."""
    item: ValuePlan
    shows: frozenset[str]
    """The kinds of events of which more is selected than `__typename`."""


@dataclass(frozen=True, slots=True)
class MutationPlan:
    """A mutation happens once, so its two halves are apart: only the second can be left to the batch execution."""

    read: Callable[[Inputs], Any]
    act: Callable[[Context, Any], Awaitable[Any]]
    payload: ValuePlan


def plan_subscription(
    schema: strawberry.Schema, selections: Selections, root: GraphQLObjectType, selected: Selected
) -> SubscriptionPlan:
    definition = root.fields[selected.name]
    declaration = definition.extensions["strawberry-definition"].declaration
    assert isinstance(declaration, Followed)
    planner = _Planner(schema, selections, root, selected, definition.type)
    after = next((a.value for a in selected.node.arguments or () if a.name.value == "after"), None)
    return SubscriptionPlan(
        reader(schema, definition, selected.node),
        declaration,
        after.name.value if isinstance(after, VariableNode) else None,
        planner.value(definition.type, subject=declaration.subject, beside=declaration.beside),
        planner.shown_kinds(),
    )


class _Planner:
    def __init__(
        self,
        schema: strawberry.Schema,
        selections: Selections,
        root: GraphQLObjectType,
        selected: Selected,
        output: GraphQLOutputType,
    ) -> None:
        self._schema = schema
        self._selections = selections
        self._root = root
        self._selected = selected
        self._output = output

    # -- pages ---------------------------------------------------------------------------------------------------------

    def page(self) -> RootPlan:
        unit = self._paged()

        async def plan(run: Run) -> Any:
            return await (await run.answer(unit, unit.bound(run.values, run.op))).value()

        return plan

    def search(self, declaration: GigSearch) -> RootPlan:
        given = {argument.name.value for argument in self._selected.node.arguments or ()}
        if not given & {"search", "orderBy"}:
            return self.page()
        unit = self._paged()
        use = unit.pages[0]

        async def plan(run: Run) -> Any:
            arguments = use.read(run.values)
            if arguments.get("search") is None and not arguments.get("order_by"):
                return await (await run.answer(unit, unit.bound(run.values, run.op))).value()
            request = declaration.request(use.field, run.context, arguments)
            if arguments.get("search") is None:
                return await (await run.answer(unit, unit.bound(run.values, run.op))).value()

            async def page_of(sought: Sought) -> tuple[int, Any]:
                bound = BoundPage.of_search(use, request, sought)
                inner = [BoundPage.of(other, run.values, run.op) for other in unit.pages[1:]]
                answer = await run.answer(unit, [bound, *inner])
                return min(len(answer.column(unit.size)), bound.limit), answer

            return await (await declaration.found(request, arguments, page_of)).value()

        return plan

    def _paged(self) -> Unit:
        return Unit.paged(
            self._schema, self._selections, (self._root, self._selected), named_object(self._output)
        )

    # -- nodes ---------------------------------------------------------------------------------------------------------

    def lookup(self, declared: GraphField, declaration: Lookup) -> RootPlan:
        unit = self._keyed(named_object(self._output), told=declaration.told)
        read = self._read()
        told = {label(column): unit.told(column) for column in declaration.told}

        async def plan(run: Run) -> Any:
            arguments = read(run.values)
            key = declaration.key(declared, arguments)
            op = await declaration.operation(run.op, key, arguments)
            if op is None:
                return None
            whole = run
            if op is not run.op:
                run = Run(run.context.seen_by(op), run.values)
            answer = await run.answer(unit, unit.bound(run.values, run.op), [key])
            value = (await answer.value()).get(key)
            if run is not whole:
                whole.objects += run.objects
            if value is not None and declaration.found is not None:
                declaration.found(
                    run.op, {name: answer.column(variable)[0] for name, variable in told.items()}
                )
            return value

        return plan

    def own(self) -> RootPlan:
        unit = self._keyed(named_object(self._output))

        async def plan(run: Run) -> Any:
            user_id = run.op.viewer.user_id
            if user_id is None:
                return None
            return (await _found(run, unit, [user_id])).get(user_id)

        return plan

    def any_node(self, declaration: AnyNode) -> RootPlan:
        interface = get_named_type(self._output)
        assert isinstance(interface, GraphQLInterfaceType)
        possible = self._selections.schema.get_possible_types(interface)
        units: dict[NodeSpec, Unit] = {}
        kinds = {kind.extensions["strawberry-definition"].origin: kind for kind in possible}
        read = self._read()

        def unit_for(spec: NodeSpec) -> Unit:
            if spec not in units:
                units[spec] = self._keyed(kinds[spec.type])
            return units[spec]

        async def plan(run: Run) -> Any:
            asked = declaration.keys(read(run.values))
            by_spec: dict[NodeSpec, list[UUID]] = {}
            for spec, key in asked:
                by_spec.setdefault(spec, []).append(key)
            pending = [_found(run, unit_for(spec), keys) for spec, keys in by_spec.items()]
            found = dict(zip(by_spec, await asyncio.gather(*pending), strict=True))
            nodes = [found[spec].get(key) for spec, key in asked]
            return nodes if declaration.is_list else nodes[0]

        return plan

    def chosen(self, declaration: Chosen) -> RootPlan:
        unit = self._keyed(named_object(self._output))
        read = self._read()

        async def plan(run: Run) -> Any:
            keys = await declaration.function(run.op, **read(run.values))
            found = await _found(run, unit, keys)
            return [found[key] for key in keys if key in found]

        return plan

    def _keyed(self, kind: GraphQLObjectType, *, told: Sequence[Any] = ()) -> Unit:
        below = self._selections.below(kind, self._selected)
        return Unit.keyed(self._schema, self._selections, kind, below, told=told)

    # -- values --------------------------------------------------------------------------------------------------------

    def answered(self, declaration: Answered) -> RootPlan:
        read = self._read()
        value = self.value(self._output)

        async def plan(run: Run) -> Any:
            return await value.show(run, await declaration.function(run.context, **read(run.values)))

        return plan

    def value(
        self, output: GraphQLOutputType, *, subject: Scope | None = None, beside: tuple[type, ...] = ()
    ) -> ValuePlan:
        """What shows a value made by Python, with what it refers to read first.

        What only values of the types `beside` refer to does not count for whether it is alike.
        """
        code, reads = Code(), Reads()
        values = Values(code, self._selections, reads, parameter="n")
        code.lines.append(f"return {values.expression(output, self._selected, 'value')}")
        readers, is_alike = [], True
        for read in reads:
            reader_of, is_alike_here = self._reader_of(read, subject)
            readers.append((read, reader_of))
            is_beside = all(asked.origin in beside for asked in read.asked)
            is_alike = is_alike and (is_alike_here or is_beside)
        return ValuePlan(code.compiled("value, n"), readers, is_alike)

    def shown_kinds(self) -> frozenset[str]:
        """The possible types of unions, one step below the root, of which more is selected than `__typename`."""
        item = named_object(self._output)
        return frozenset(
            kind.name
            for selected in self._selections.below(item, self._selected)
            if isinstance(union := get_named_type(item.fields[selected.name].type), GraphQLUnionType)
            for kind in union.types
            if any(each.name != "__typename" for each in self._selections.below(kind, selected))
        )

    def _reader_of(self, read: Read, subject: Scope | None) -> tuple[ReadKeys, bool]:
        """What reads, and whether it reads the same for all who may see the subject."""
        if isinstance(read.source, Attached):
            function = read.source.function
            return lambda run, keys: function(run.op, keys), not read.source.is_personal
        unit = Unit.keyed(self._schema, self._selections, read.source, list(read.below))

        async def found(run: Run, keys: Sequence[UUID]) -> Mapping[Any, Any]:
            return await _found(run, unit, await read.told_of(run.op, keys))

        return found, read.told is None and subject is not None and unit.is_alike(subject)

    def _read(self) -> Callable[[Inputs], Any]:
        return reader(self._schema, self._root.fields[self._selected.name], self._selected.node)


async def _found(run: Run, unit: Unit, keys: Sequence[UUID]) -> dict[UUID, Any]:
    if not keys:
        return {}
    if len(keys) == 1 and (row := run.context.written.get(keys[0])) is not None:
        shown: dict[UUID, Any] | None = unit.of_written(row, run.op)
        if shown is not None:
            run.objects += 1
            return shown
    answer = await run.answer(unit, unit.bound(run.values, run.op), keys)
    found: dict[UUID, Any] = await answer.value()
    return found
