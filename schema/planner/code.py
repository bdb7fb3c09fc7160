"""Generated Python: a plan's answers are put together by code that names every column and key once.

Text of the code holds only our own names and the response keys, as literals; everything else is bound as a constant.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLUnionType,
    is_list_type,
    is_non_null_type,
)
from strawberry.types.field import StrawberryField

from resolvers.operation import Operation
from schema.graph import Attached, Found, Reference
from schema.planner.selection import Selected, Selections

_AS_IS = {"String", "ID", "Boolean"}


class Unplanned(Exception):
    """The planner does not know how to do this; the batch execution does. The message says what."""


class Anomaly(Exception):
    """What was read is not what the schema promises; the batch execution says where, as the specification wants."""


def need(value: Any) -> Any:
    if value is None:
        raise Anomaly("null where there is none")
    return value


def int32(value: int | None) -> int | None:
    if value is not None and not -(2**31) <= value < 2**31:
        raise Anomaly("not a 32-bit integer")
    return value


class Code:
    """Lines of one function and the constants they name."""

    def __init__(self) -> None:
        self.constants: dict[str, Any] = {"need": need, "int32": int32}
        self._functions: list[str] = []
        self.lines: list[str] = []
        self._names: dict[int, str] = {}

    def constant(self, value: Any) -> str:
        name = self._names.get(id(value))
        if name is None:
            name = self._names[id(value)] = f"k{len(self._names)}"
            self.constants[name] = value
        return name

    def function(self, parameters: str, body: Sequence[str]) -> str:
        """Define a function; its name."""
        name = f"f{len(self._functions)}"
        self._functions.append("\n    ".join([f"def {name}({parameters}):", *body]))
        return name

    def compiled(self, parameters: str) -> Callable[..., Any]:
        """The function with the lines so far as its body."""
        text = "\n".join([*self._functions, "\n    ".join([f"def assemble({parameters}):", *self.lines])])
        namespace = dict(self.constants)
        exec(compile(text, "<plan>", "exec"), namespace)  # noqa: S102  our own text; see the head of this module
        return namespace["assemble"]  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Asked:
    """Where keys are: in an attribute of the objects of class `origin` at the end of `way`."""

    way: tuple[str, ...]
    origin: type
    attribute: str

    def keys(self, values: Iterable[Any]) -> set[Any]:
        """All keys that are there in these values, lists on the way spread."""
        holders = _spread(values)
        for attribute in self.way:
            # None: of another of the possible types, or there is nothing on the way.
            holders = _spread(getattr(holder, attribute, None) for holder in holders)
        # Of the possible types of a value, each has keys of its own.
        return {getattr(h, self.attribute) for h in holders if type(h) is self.origin} - {None}


@dataclass(frozen=True, slots=True)
class Read:
    """What is read for values that Python made, at once for all places that ask for the same."""

    source: Attached | GraphQLObjectType
    """A function, or a type of nodes."""
    below: Sequence[Selected] = ()
    """What is selected of the nodes."""
    told: Found | None = None
    """Of which of the nodes the caller may be told at all; None: of all they may see."""
    asked: list[Asked] = field(default_factory=list)

    async def told_of(self, op: Operation, keys: Sequence[Any]) -> Sequence[Any]:
        """Those of the keys that the caller may be told of."""
        if self.told is None or not keys:
            return keys
        known = await self.told(op, keys)
        return [key for key in keys if key in known]

    def keys(self, values: Sequence[Any]) -> set[Any]:
        """All keys that it is asked for by these values."""
        return set().union(*(asked.keys(values) for asked in self.asked))


class Reads:
    """Everything that is read for the values of one plan."""

    def __init__(self) -> None:
        self._found: dict[Hashable, tuple[int, Read]] = {}

    def __iter__(self) -> Iterator[Read]:
        return (read for _, read in self._found.values())

    def add(
        self,
        asked: Asked,
        source: Attached | GraphQLObjectType,
        below: Sequence[Selected] = (),
        told: Found | None = None,
    ) -> int:
        """The number of the read: the same where the same is selected, such as through a fragment."""
        selected = tuple((part.key, *map(id, part.nodes)) for part in below)
        fresh = len(self._found), Read(source, below, told)
        number, read = self._found.setdefault((id(source), selected, told), fresh)
        read.asked.append(asked)
        return number


class Values:
    """Expressions that turn Python values into what JSON needs, by their GraphQL type."""

    def __init__(
        self, code: Code, selections: Selections, reads: Reads | None = None, parameter: str = ""
    ) -> None:
        self._code = code
        self._selections = selections
        self._reads = reads
        self._parameter = parameter

    def expression(
        self, kind: GraphQLOutputType, selected: Selected, value: str, way: tuple[str, ...] = ()
    ) -> str:
        """`value` is an expression that is used once."""
        if is_non_null_type(kind):
            return f"need({self.expression(kind.of_type, selected, value, way)})"
        if isinstance(kind, GraphQLScalarType | GraphQLEnumType):
            return f"{self._leaf(kind.coerce_output_value)}({value})"
        if is_list_type(kind):
            item = self.expression(kind.of_type, selected, "i", way)
            body = [f"return None if v is None else [{item} for i in v]"]
            return f"{self._code.function(self._with('v'), body)}({self._call(value)})"
        if isinstance(kind, GraphQLObjectType):
            return f"{self._object(kind, selected, way)}({self._call(value)})"
        if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
            return f"{self._abstract(kind, selected, way)}({self._call(value)})"
        raise Unplanned(f"values of {kind}")

    def _with(self, first: str) -> str:
        return f"{first}, {self._parameter}" if self._parameter else first

    _call = _with

    def _leaf(self, serialize: Callable[[Any], Any]) -> str:
        return self._code.constant(nullable(serialize))

    def _object(self, kind: GraphQLObjectType, selected: Selected, way: tuple[str, ...]) -> str:
        parts = self.parts(kind, self._selections.below(kind, selected), "v", way)
        return self._code.function(self._with("v"), [f"return None if v is None else {{{parts}}}"])

    def parts(self, kind: GraphQLObjectType, below: list[Selected], value: str, way: tuple[str, ...]) -> str:
        """`"key": expression, …` of everything selected of an object of a known type."""
        return ", ".join(f"{selected.key!r}: {self._field(kind, selected, value, way)}" for selected in below)

    def _field(self, kind: GraphQLObjectType, selected: Selected, value: str, way: tuple[str, ...]) -> str:
        if selected.name == "__typename":
            return repr(kind.name)
        definition = kind.fields[selected.name]
        field: StrawberryField = definition.extensions["strawberry-definition"]
        declaration = getattr(field, "declaration", None)
        if isinstance(declaration, Reference | Attached) and self._reads is not None:
            origin = kind.extensions["strawberry-definition"].origin
            asked, key = Asked(way, origin, declaration.attribute), f"{value}.{declaration.attribute}"
            if isinstance(declaration, Attached):
                number = self._reads.add(asked, declaration)
                # What these answers refer to is not read: keys are looked for in the values.
                answers = Values(self._code, self._selections, None, self._parameter)
                return answers.expression(
                    definition.type, selected, f"{self._parameter}[{number}].get({key})"
                )
            target = definition.type
            is_required = is_non_null_type(target)
            target = target.of_type if is_required else target
            number = self._reads.add(
                asked, target, self._selections.below(target, selected), declaration.told
            )
            found = f"{self._parameter}[{number}].get({key})"
            return f"need({found})" if is_required else found
        if declaration is not None or field.base_resolver is not None:
            raise Unplanned(f"{kind.name}.{selected.name} inside a value")
        attribute = field.python_name
        assert attribute.isidentifier()
        return self.expression(definition.type, selected, f"{value}.{attribute}", (*way, attribute))

    def _abstract(
        self, kind: GraphQLInterfaceType | GraphQLUnionType, selected: Selected, way: tuple[str, ...]
    ) -> str:
        """Which of the possible types a value has is told by its class."""
        by_class = {}
        for possible in self._selections.schema.get_possible_types(kind):
            origin = possible.extensions["strawberry-definition"].origin
            by_class[origin] = self._object(possible, selected, way)
        table = ", ".join(f"{self._code.constant(origin)}: {name}" for origin, name in by_class.items())
        body = [f"return None if v is None else {{{table}}}[type(v)]({self._call('v')})"]
        return self._code.function(self._with("v"), body)


def _spread(values: Iterable[Any]) -> list[Any]:
    items: list[Any] = []
    for value in values:
        items += value if isinstance(value, list) else [value]
    return items


@cache
def nullable(serialize: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The scalar's own function, for values that may be null. Cached, so that equal ones are one constant."""

    def serialized(value: Any) -> Any:
        return None if value is None else serialize(value)

    return serialized
