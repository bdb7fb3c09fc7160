"""The variables of a request as resolvers take them, by functions that are composed once for each input type.

graphql-core and Strawberry ask of every value what it should be, twice; a reader was told when it was made. It takes what
is exactly as the schema says and raises for everything else, be it wrong or only unusual (one value for a list, filters
nested deeper than people write them): then graphql-core and Strawberry read the variables, and accept them by their rules or
tell what is wrong. So there is one implementation of errors, not two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any

import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    OperationDefinitionNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
    type_from_ast,
    value_from_ast_untyped,
)
from graphql.execution.values import VariableValues
from strawberry import Some
from strawberry.types.base import (
    StrawberryMaybe,
    StrawberryObjectDefinition,
    StrawberryOptional,
    get_object_definition,
)
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType

ReadValue = Callable[[Any], Any]
MOST_LEVELS = 6
"""Objects in objects that readers go down. A filter may hold itself, and so would its reader."""


class Unreadable(Exception):
    """Somebody else has to look at this value."""


@dataclass(slots=True)
class Inputs:
    """The variables of one request."""

    ready: Mapping[str, Any] | None
    """As resolvers take them; None if a reader raised."""
    _look_closer: Callable[[], VariableValues]
    _coerced: VariableValues | None = None

    @property
    def coerced(self) -> VariableValues:
        """As graphql-core hands them on: what literals hold, and what Strawberry converts."""
        if self._coerced is None:
            self._coerced = self._look_closer()
        return self._coerced

    def is_true(self, name: str) -> bool:
        return bool((self.coerced.coerced if self.ready is None else self.ready).get(name))


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables that one operation declares."""

    _declared: tuple[tuple[str, ReadValue, bool, tuple[Any, ...]], ...]
    """For each its name, its reader, whether it must be there, and its default if it has one, as JSON has it."""
    _are_flat: bool
    """Whether none is an object: what is no object is the same to graphql-core and to resolvers."""

    @classmethod
    def of(cls, operation: OperationDefinitionNode, readers: Readers) -> Variables:
        declared, are_flat = [], True
        for definition in operation.variable_definitions or ():
            kind: Any = type_from_ast(readers.schema._schema, definition.type)
            default = definition.default_value
            declared.append((
                definition.variable.name.value, readers.of(kind), is_non_null_type(kind),
                () if default is None else (value_from_ast_untyped(default),),
            ))  # fmt: skip
            are_flat = are_flat and not isinstance(get_named_type(kind), GraphQLInputObjectType)
        return cls(tuple(declared), are_flat)

    def inputs(self, given: Mapping[str, Any], look_closer: Callable[[], VariableValues]) -> Inputs:
        """Raises what `look_closer` raises for variables that do not fit."""
        try:
            ready = self._read(given)
        except Exception:  # of any scalar's parser; whether it is an error is not decided here
            return Inputs(None, look_closer, look_closer())
        return Inputs(ready, look_closer, VariableValues({}, ready) if self._are_flat else None)

    def _read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        ready = {}
        for name, read, is_required, default in self._declared:
            if name in given:
                ready[name] = read(given[name])
            elif default:
                ready[name] = read(default[0])
            elif is_required:
                raise Unreadable
        return ready


class Readers:
    """Readers for the input types of one schema."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self.schema = schema
        self._objects: dict[tuple[type, int], ReadValue] = {}
        self._shapes: dict[type, _Shape] = {}

    def of(self, kind: GraphQLInputType) -> ReadValue:
        """From a value as JSON has it to what Strawberry would hand to a resolver. It raises for what it does not take."""
        named = get_named_type(kind)
        is_object = isinstance(named, GraphQLInputObjectType)
        origin = named.extensions["strawberry-definition"].origin if is_object else None
        return self._value(kind, origin, MOST_LEVELS)

    def _value(self, kind: GraphQLInputType, origin: Any, levels: int) -> ReadValue:
        """`origin` is the class of the objects in it: of a generic input, each use has its own."""
        present = self._present(get_nullable_type(kind), origin, levels)
        return present if is_non_null_type(kind) else _nullable(present)

    def _present(self, kind: Any, origin: Any, levels: int) -> ReadValue:
        """Raises for null."""
        if is_list_type(kind):
            return _list_of(self._value(kind.of_type, origin, levels))
        if isinstance(kind, GraphQLInputObjectType):
            return self._object(kind, origin, levels)
        if isinstance(kind, GraphQLEnumType):
            return {name: kind.coerce_input_value(name) for name in kind.values}.__getitem__
        return _required(kind.coerce_input_value)

    def _object(self, kind: GraphQLInputObjectType, origin: type, levels: int) -> ReadValue:
        definition = get_object_definition(origin, strict=True)
        if levels == 0 or definition.from_input is not None:
            return _refuse
        known = self._objects.get((origin, levels))
        if known is None:
            if origin not in self._shapes:
                self._shapes[origin] = _Shape.of(self.schema, kind, definition)
            shape = self._shapes[origin]
            parts = {
                name: (python_name, self._part(part, type_, levels - 1))
                for name, (python_name, part, type_) in shape.parts.items()
            }
            read = _object_of(origin, parts, shape)
            known = self._objects[origin, levels] = _one_of(read) if definition.is_one_of else read
        return known

    def _part(self, kind: GraphQLInputType, type_: Any, levels: int) -> ReadValue:
        if not isinstance(type_, StrawberryMaybe):
            return self._value(kind, _class_in(type_), levels)
        present = self._present(get_nullable_type(kind), _class_in(type_), levels)
        read = _nullable(present) if isinstance(type_.of_type, StrawberryOptional) else present
        return lambda value: Some(read(value))


@dataclass(frozen=True, slots=True)
class _Shape:
    """The fields of an object by their public names: each with its Python name, its type, and what Strawberry says it is."""

    parts: Mapping[str, tuple[str, GraphQLInputType, Any]]
    required: frozenset[str]
    absent: dict[str, None]
    """By Python name, null for those that may be left out and have no default."""

    @classmethod
    def of(
        cls, schema: strawberry.Schema, kind: GraphQLInputObjectType, definition: StrawberryObjectDefinition
    ) -> _Shape:
        name_of = schema.config.name_converter.from_field
        declared = {name_of(field): field for field in definition.fields}
        required = frozenset(name for name, field in kind.fields.items() if is_required_input_field(field))
        # The default that the schema tells is the one that the class has.
        absent = [f.python_name for n, f in declared.items() if n not in required and not _has_default(f)]
        parts = {
            name: (
                declared[name].python_name,
                field.type,
                declared[name].resolve_type(type_definition=definition),
            )
            for name, field in kind.fields.items()
        }
        return cls(parts, required, dict.fromkeys(absent))


def _object_of(origin: type, parts: Mapping[str, tuple[str, ReadValue]], shape: _Shape) -> ReadValue:
    required, absent = shape.required, shape.absent

    def read(value: Any) -> Any:
        if type(value) is not dict or not value.keys() >= required:
            raise Unreadable
        arguments: dict[str, Any] = absent.copy()
        for name, part in value.items():
            python_name, read_part = parts[name]
            arguments[python_name] = read_part(part)
        return origin(**arguments)

    return read


def _one_of(read_object: ReadValue) -> ReadValue:
    """Of an object with exactly one part; a null in it raises, as no part of such an object may be null."""

    def read(value: Any) -> Any:
        if type(value) is not dict or len(value) != 1:
            raise Unreadable
        return read_object(value)

    return read


def _list_of(read_item: ReadValue) -> ReadValue:
    def read(value: Any) -> Any:
        if type(value) is not list:
            raise Unreadable
        return [read_item(item) for item in value]

    return read


def _nullable(read: ReadValue) -> ReadValue:
    return lambda value: None if value is None else read(value)


def _required(parse: ReadValue) -> ReadValue:
    def read(value: Any) -> Any:
        if value is None:
            raise Unreadable
        return parse(value)

    return read


def _refuse(_: Any) -> Any:
    raise Unreadable


def _has_default(field: StrawberryField) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _class_in(type_: Any) -> Any:
    """The class behind optional, list and lazy."""
    while not isinstance(type_, type):
        if isinstance(type_, LazyType):
            type_ = type_.resolve_type()
        elif (inner := getattr(type_, "of_type", None)) is not None:
            type_ = inner
        else:
            return type_
    return type_
