"""Filters: each input declares for every field the column it compares, or the condition it stands for."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Collection
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
import strawberry
from strawberry import Maybe, Some
from strawberry.utils.str_converters import to_camel_case

from models.errors import Invalid, Path
from resolvers.operation import Operation
from schema.graph import sql

Clause = sa.ColumnElement[bool]
T = TypeVar("T")
_MAX_TERMS, MAX_VALUES = 50, 100


@strawberry.input(description="Comparisons with one value or a list; several at once must all hold.")
class Equality(Generic[T]):
    eq: Maybe[T] = strawberry.field(description="Equal to this.")
    ne: Maybe[T] = strawberry.field(description="Different from this; a missing value differs.")
    in_: Maybe[list[T]] = strawberry.field(name="in", description="One of these.")
    not_in: Maybe[list[T]] = strawberry.field(description="None of these; a missing value is none of them.")


@strawberry.input(description="Comparisons of values that have an order; several at once must all hold.")
class Ordered(Generic[T]):
    eq: Maybe[T] = strawberry.field(description="Equal to this.")
    ne: Maybe[T] = strawberry.field(description="Different from this; a missing value differs.")
    in_: Maybe[list[T]] = strawberry.field(name="in", description="One of these.")
    not_in: Maybe[list[T]] = strawberry.field(description="None of these; a missing value is none of them.")
    lt: Maybe[T] = strawberry.field(description="Before or below this.")
    lte: Maybe[T] = strawberry.field(description="Before, below or equal to this.")
    gt: Maybe[T] = strawberry.field(description="After or above this.")
    gte: Maybe[T] = strawberry.field(description="After, above or equal to this.")
    null: Maybe[bool] = strawberry.field(description="True: has no value. False: has one.")


@strawberry.input(description="Comparisons of texts; several at once must all hold.")
class TextFilter:
    eq: Maybe[str] = strawberry.field(description="Exactly this text.")
    ne: Maybe[str] = strawberry.field(description="Any other text.")
    in_: Maybe[list[str]] = strawberry.field(name="in", description="One of these texts.")
    contains: Maybe[str] = strawberry.field(
        description="Contains this text; upper and lower case are the same."
    )
    null: Maybe[bool] = strawberry.field(description="True: has no value. False: has one.")


DateTimeFilter = Ordered[datetime]
DateFilter = Ordered[date]
IntFilter = Ordered[int]
DecimalFilter = Ordered[Decimal]


def compares(attribute: Any, description: str) -> Any:
    """A filter field that compares a column."""
    return strawberry.field(description=description, metadata={"column": sql(attribute)})


def means(condition: Callable[[Any, Operation], Clause], description: str) -> Any:
    """A filter field that stands for a condition of its value."""
    return strawberry.field(description=description, metadata={"condition": condition})


def compile_where(where: Any, op: Operation, *, path: Path = ("where",)) -> Clause:
    """The condition that `where` stands for. Raises `Invalid` for what cannot be honoured; nothing is ignored."""
    return _Compiler(op).clause(where, path)


class _Compiler:
    def __init__(self, op: Operation) -> None:
        self.op = op
        self.terms = 0

    def clause(self, where: Any, path: Path) -> Clause:
        return sa.and_(
            sa.true(), *(self._term(f, value, (*path, _name(f))) for f, value in _given(where, path))
        )

    def clauses(self, parts: list[Any], path: Path) -> list[Clause]:
        return [self.clause(part, (*path, str(index))) for index, part in enumerate(parts)]

    def _term(self, field: dataclasses.Field[Any], value: Any, path: Path) -> Clause:
        self.terms += 1
        if self.terms > _MAX_TERMS:
            raise Invalid(
                ("where",), "COUNT", f"A filter has at most {_MAX_TERMS} terms.", max=str(_MAX_TERMS)
            )
        if field.name == "and_":
            return sa.and_(sa.true(), *self.clauses(value, path))
        if field.name == "or_":
            return sa.or_(sa.false(), *self.clauses(value, path))
        if field.name == "not_":
            # A filter that is neither true nor false of a row (a missing value) does not hold of it.
            return sa.not_(sa.func.coalesce(self.clause(value, path), sa.false()))
        if "condition" in field.metadata:
            return field.metadata["condition"](value, self.op)  # type: ignore[no-any-return]
        return compare(field.metadata["column"], value, path=path)


def compare(column: sa.ColumnElement[Any], filter: Any, *, path: Path) -> Clause:
    """All comparisons of one comparator input on one expression."""
    terms = []
    for field, value in _given(filter, path):
        _check_operand((*path, _name(field)), value)
        terms.append(_compared(column, field.name, value))
    return sa.and_(sa.true(), *terms)


def _check_operand(path: Path, value: Any) -> None:
    values = value if isinstance(value, list) else [value]
    if len(values) > MAX_VALUES:
        raise Invalid(
            path, "COUNT", f"A list in a filter has at most {MAX_VALUES} values.", max=str(MAX_VALUES)
        )
    # PostgreSQL knows no text with NUL: asking for one would fail there.
    if any(isinstance(one, str) and "\0" in one for one in values):
        raise Invalid(path, "PRINTABLE", "It contains NUL, which no text here does.")


def _compared(column: sa.ColumnElement[Any], name: str, value: Any) -> Clause:
    clause: Clause
    match name:
        case "eq":
            clause = column == value
        case "ne":
            clause = column.is_distinct_from(value)
        case "in_":
            clause = column == sa.any_(as_array(value, column))
        case "not_in":
            clause = sa.or_(column != sa.all_(as_array(value, column)), column.is_(None))
        case "lt":
            clause = column < value
        case "lte":
            clause = column <= value
        case "gt":
            clause = column > value
        case "gte":
            clause = column >= value
        case "contains":
            # Not `icontains`, which compares lower(column): no index of the column serves that.
            clause = column.ilike(f"%{literal_pattern(value)}%")
        case "null":
            clause = column.is_(None) if value else column.is_not(None)
        case _:
            raise LookupError(name)
    return clause


def as_array(values: Collection[Any], column: sa.ColumnElement[Any]) -> sa.BindParameter[Any]:
    """The values as one parameter. As a list of `IN` each would be its own, and each number of them another statement."""
    return sa.literal(list(values), sa.ARRAY(column.type))


def literal_pattern(text: str) -> str:
    """A LIKE pattern in which `text` stands for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _given(value: Any, path: Path) -> list[tuple[dataclasses.Field[Any], Any]]:
    """The fields that the caller wrote, unwrapped. Null is refused: a filter has `null: true` for that."""
    given = []
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if isinstance(content, Some):
            if content.value is None:
                raise Invalid((*path, _name(field)), "NULL", "Leave the filter out, or use `null: true`.")
            given.append((field, content.value))
    return given


def _name(field: dataclasses.Field[Any]) -> str:
    """As the API names it."""
    return getattr(field, "graphql_name", None) or to_camel_case(field.name)


def fingerprint_of(value: Any) -> str:
    """The same text for the same filter, however it was written."""
    return hashlib.sha256(repr(canonical(value)).encode()).hexdigest()[:16]


def canonical(value: Any) -> Any:
    """A plain structure of an input: only what was given, in order of the declaration. Digests of it are stored."""
    if isinstance(value, str | int) and not isinstance(value, Enum):
        return value
    names = _field_names(value.__class__)
    if names is not None:
        fields = [(name, getattr(value, name)) for name in names]
        return [(name, canonical(content)) for name, content in fields if not _is_absent(content)]
    if isinstance(value, Some):
        return ("some", canonical(value.value))
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, datetime | date | Decimal) else value


@cache
def _field_names(kind: type) -> tuple[str, ...] | None:
    return tuple(f.name for f in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None


def _is_absent(content: Any) -> bool:
    return content is None or content is strawberry.UNSET
