"""What an operation costs, told from its document before it runs: the one-pass analysis of a valid document.

The price is the most objects the answer can hold, plus surcharges for work that is more than reading rows:

- an object costs 1, a scalar nothing;
- a connection costs 1 + its page size x what one item costs, at least 1: the page is read whatever is selected of it;
  its edges are objects too. `totalCount` costs 1, a `search` 10, a look at the past (`asOf`) 20;
- a list without pages below an object is taken to hold `USUAL_SIZE` objects, or what its field says (`priced`);
  `nodes(ids:)` counts its ids;
- a batched Python source costs 1 for each object that asks it, besides what it answers;
- a root field of a mutation costs 10 and what is selected of its payload;
- descriptions of the schema (`__schema`, `__type`) cost a twentieth of the objects they are estimated to hold.

Fields selected twice under one response key are one field; aliases are fields of their own. Of the types behind an
interface the dearest counts. A page size is what a variable says, between 1 and 100; null and absent mean the default,
and what is no number at all counts as 100. A field under `@skip` or `@include` counts unless a literal leaves it out:
the price does not depend on such variables.

`Pricing.of` reads each fragment once for each type it is read on, and is meant to be kept beside the valid document;
`Pricing.price` is for every request. Documents must be valid and within the limits of `schema/limits.py`, which bound
what `of` has to read.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    get_operation_ast,
    is_list_type,
)
from strawberry.types.field import StrawberryField

from schema.connections import DEFAULT_PAGE
from schema.descriptions import DESCRIPTIONS, Description
from schema.formula import Field, Place, Selection, prices
from schema.graph import GraphField, Source
from schema.limits import excess_of
from schema.node import MAX_IDS
from schema.page_sizes import Given, Length, Page, Presence, Size, Variable, Variables, page_size
from schema.selections import (
    Fragments,
    Sets,
    below,
    defaults_of,
    fields_of,
    fragments_of,
    is_true,
    literal,
    merged,
    types_named,
)

__all__ = ["FieldPrice", "Pricing", "excess_of", "priced"]

USUAL_SIZE = 5
SEARCH, PAST, MUTATION, COUNT, SOURCE = 10, 20, 10, 1, 1
OBJECTS_FOR_ONE = 20
MOST_EXPLAINED = 10
# Prices beyond are told as this one: neither GraphQL's Int nor JSON takes 100 to the power of ten.
HIGHEST = 2**31 - 1
RATE_LIMIT = "rateLimit"


def priced(*, size: int = USUAL_SIZE, surcharge: int = 0) -> dict[str, Any]:
    """Metadata of a field whose list is not of the usual size, or whose work is more than its objects."""
    return {"usual_size": size, "surcharge": surcharge}


@dataclass(frozen=True, slots=True)
class FieldPrice:
    """What one path costs by itself, without what is below it; `objects` is how many it may hold."""

    path: str
    objects: int
    cost: int


@dataclass(frozen=True, slots=True, eq=False)
class Pricing:
    """The price of one operation as a function of its variables: a sum of constants times page sizes."""

    _constant: int
    _terms: tuple[tuple[int, tuple[int, ...]], ...]
    _sizes: tuple[Size, ...]
    _defaults: dict[str, Any]
    _root: Selection
    _dry_run: tuple[SelectionSetNode, Fragments] | None
    """What is selected at the root, if a dry run may be asked for there."""

    @classmethod
    def of(cls, document: DocumentNode, operation_name: str | None, schema: GraphQLSchema) -> Pricing:
        """Raises LookupError if the document has no operation of that name, or several and no name is given."""
        operation = get_operation_ast(document, operation_name)
        if operation is None:
            raise LookupError(operation_name)
        return _Reader(document, schema).read(operation)

    def price(self, variables: Variables) -> int:
        if not self._terms:
            return self._constant
        values = [size.value(variables, self._defaults) for size in self._sizes]
        total = self._constant
        for term, factors in self._terms:
            cost = term
            for factor in factors:
                cost *= values[factor]
            total += cost
        return min(total, HIGHEST)

    def explain(self, variables: Variables) -> list[FieldPrice]:
        """The dearest fields, dearest first, at most `MOST_EXPLAINED`."""
        values = [size.value(variables, self._defaults) for size in self._sizes]
        found: dict[str, FieldPrice] = {}
        for path, objects, cost in prices(self._root, values):
            if cost:
                known = found.get(path, FieldPrice(path, 0, 0))
                both = min(known.cost + cost, HIGHEST)
                found[path] = FieldPrice(path, min(max(known.objects, objects), HIGHEST), both)
        return heapq.nlargest(MOST_EXPLAINED, found.values(), key=lambda price: price.cost)

    def is_dry_run(self, variables: Variables) -> bool:
        """Whether the operation asks for its price only: `rateLimit(dryRun: true)`."""
        if self._dry_run is None:
            return False
        selected, fragments = self._dry_run
        given = {**self._defaults, **variables}
        return any(
            is_true(literal(field, "dryRun"), given)
            for field in fields_of((selected,), fragments, variables=given)
            if field.name.value == RATE_LIMIT
        )


# -- reading -----------------------------------------------------------------------------------------------------------


class _Reader:
    """One operation of a document. What several places share is read once for each type it is read on."""

    def __init__(self, document: DocumentNode, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._fragments = fragments_of(document)
        self._description = Description(schema, self._fragments)
        self._places: dict[Size, Place] = {}
        self._read: dict[Any, Selection] = {}

    def read(self, operation: OperationDefinitionNode) -> Pricing:
        root = self._schema.get_root_type(operation.operation)
        assert root is not None
        selection = self._selection(root, (operation.selection_set,), None)
        formula = dict(selection.formula)
        may_be_dry = any(
            field.name.value == RATE_LIMIT and literal(field, "dryRun") is not None
            for field in fields_of((operation.selection_set,), self._fragments)
        )
        return Pricing(
            _constant=min(formula.pop(()), HIGHEST),
            _terms=tuple((cost, factors) for factors, cost in formula.items() if cost),
            _sizes=tuple(self._places),
            _defaults=defaults_of(operation),
            _root=selection,
            _dry_run=(operation.selection_set, self._fragments) if may_be_dry else None,
        )

    def _selection(self, parent: GraphQLObjectType, sets: Sets, page: int | Place | None) -> Selection:
        """What is selected of one object. `page` is the page size if the object is a connection."""
        collected = self._collected(parent, sets)
        # The document keeps its nodes alive, so their ids stand for them.
        name = (parent.name, page, tuple(id(node) for nodes in collected.values() for node in nodes))
        known = self._read.get(name)
        if known is None:
            fields = [
                field
                for key, nodes in collected.items()
                for field in self._fields_of(parent, key, nodes, page)
            ]
            if page is not None and not any(nodes[0].name.value in _ITEMS for nodes in collected.values()):
                fields.append(Field("", 0, page, 1))
            known = self._read[name] = Selection.of(tuple(fields))
        return known

    def _fields_of(
        self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode], page: int | Place | None
    ) -> Iterator[Field]:
        node = nodes[0]
        name = node.name.value
        sets = below(nodes)
        if name in DESCRIPTIONS:
            objects = self._description.objects(name, sets)
            yield Field(key, 1 + objects // OBJECTS_FOR_ONE, 1, 0)
            return
        if name == "__typename":
            return
        declared = parent.fields[name]
        kind = get_named_type(declared.type)
        once = self._surcharge(parent, name, declared)
        for argument, price in _DEAR.items():
            if argument in declared.args and (given := _argument(node, argument)) is not None:
                is_given = self._place(Presence(given)) if isinstance(given, Variable) else 1
                yield Field(key, 0, is_given, price)
        if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType):
            yield Field(key, once, 0, 0)
            return
        size: int | Place
        if page is not None and name in _ITEMS:
            size, inner = page, None
        elif _is_connection(kind):
            size, inner = 1, self._page(node, declared)
        else:
            size, inner = self._size(node, declared), None
        types = tuple(self._selection(type_, sets, inner) for type_ in self._possible(kind, sets))
        yield Field(key, once, size, 0 if parent is self._schema.mutation_type else 1, types)

    def _surcharge(self, parent: GraphQLObjectType, name: str, declared: GraphQLField) -> int:
        once = MUTATION if parent is self._schema.mutation_type else 0
        if name == "totalCount" and _is_connection(parent):
            once += COUNT
        field = declared.extensions.get("strawberry-definition")
        if isinstance(field, GraphField) and isinstance(field.declaration, Source):
            once += SOURCE
        return once + int(_metadata(declared).get("surcharge", 0))

    # -- sizes ---------------------------------------------------------------------------------------------------------

    def _size(self, node: FieldNode, declared: GraphQLField) -> int | Place:
        if not is_list_type(get_nullable_type(declared.type)):
            return 1
        if "first" in declared.args:
            return self._page(node, declared)
        if "ids" in declared.args:
            given = literal(node, "ids")
            if isinstance(given, VariableNode):
                return self._place(Length(Variable(given.name.value)))
            return max(1, min(MAX_IDS, len(given.values))) if isinstance(given, ListValueNode) else 1
        return int(_metadata(declared).get("usual_size", USUAL_SIZE))

    def _page(self, node: FieldNode, declared: GraphQLField) -> int | Place:
        usual = declared.args["first"].default_value if "first" in declared.args else None
        default = page_size(usual) if isinstance(usual, int) else DEFAULT_PAGE
        page = Page(_argument(node, "first"), _argument(node, "last"), default)
        return page.value({}, {}) if page.is_fixed else self._place(page)

    def _place(self, size: Size) -> Place:
        return self._places.setdefault(size, Place(len(self._places)))

    # -- selections ----------------------------------------------------------------------------------------------------

    def _collected(self, parent: GraphQLObjectType, sets: Sets) -> dict[str, list[FieldNode]]:
        """The fields that an object of this type answers, by response key, as execution merges them."""
        return merged(fields_of(sets, self._fragments, lambda condition: self._applies(condition, parent)))

    def _applies(self, condition: str, parent: GraphQLObjectType) -> bool:
        if condition == parent.name:
            return True
        kind = self._schema.type_map[condition]
        return isinstance(kind, GraphQLInterfaceType | GraphQLUnionType) and self._schema.is_sub_type(
            kind, parent
        )

    def _possible(self, kind: GraphQLNamedType, sets: Sets) -> list[GraphQLObjectType]:
        """The types that the selection tells apart, and one of the others for all of them."""
        if isinstance(kind, GraphQLObjectType):
            return [kind]
        assert isinstance(kind, GraphQLInterfaceType | GraphQLUnionType)
        possible = self._schema.get_possible_types(kind)
        named = types_named(sets, self._fragments)
        if any(
            not isinstance(self._schema.type_map[name], GraphQLObjectType) for name in named - {kind.name}
        ):
            return list(possible)
        told_apart = [type_ for type_ in possible if type_.name in named]
        others = [type_ for type_ in possible if type_.name not in named]
        return told_apart + others[:1]


_ITEMS = {"nodes", "edges"}
_DEAR = {"search": SEARCH, "asOf": PAST}


def _is_connection(kind: GraphQLNamedType) -> bool:
    return isinstance(kind, GraphQLObjectType) and kind.fields.keys() >= _ITEMS


def _metadata(declared: GraphQLField) -> Mapping[str, Any]:
    field = declared.extensions.get("strawberry-definition")
    return field.metadata if isinstance(field, StrawberryField) else {}


def _argument(node: FieldNode, name: str) -> Given:
    """A variable, a number, or None for null and absent. Any other literal counts as one."""
    value = literal(node, name)
    if isinstance(value, VariableNode):
        return Variable(value.name.value)
    if value is None or isinstance(value, NullValueNode):
        return None
    return int(value.value) if isinstance(value, IntValueNode) else 1
