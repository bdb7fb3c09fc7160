"""Orders and places in them: keys of an order, the rows beyond a place, and cursors, which are signed places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
import strawberry

from models.errors import Invalid
from resolvers.operation import Operation
from schema.graph import sql

Clause = sa.ColumnElement[bool]


@strawberry.enum(description="Which end of an order comes first.")
class Direction(Enum):
    ASC = strawberry.enum_value("ASC", description="Smallest, oldest or first in the alphabet comes first.")
    DESC = strawberry.enum_value("DESC", description="Largest, newest or last in the alphabet comes first.")


@strawberry.enum(description="Where rows without a value stand in an order.")
class Nulls(Enum):
    FIRST = strawberry.enum_value("FIRST", description="Before all rows with a value.")
    LAST = strawberry.enum_value("LAST", description="After all rows with a value.")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an order. Nullable keys say where nulls stand; others let the index serve the comparison.

    `now` is for values that are written anew while rows keep their order: of the values of a place, as a cursor has them,
    it makes SQL for what the first one is today.
    """

    expression: sa.ColumnElement[Any]
    descending: bool = False
    nullable: bool = False
    nulls_first: bool = False
    now: Callable[[Sequence[Any]], sa.ColumnElement[Any]] | None = None

    def reversed(self) -> Key:
        return Key(self.expression, not self.descending, self.nullable, not self.nulls_first, self.now)

    def ordering(self, expression: sa.ColumnElement[Any] | None = None) -> sa.ColumnElement[Any]:
        chosen = self.expression if expression is None else expression
        ordered = chosen.desc() if self.descending else chosen.asc()
        if not self.nullable:
            return ordered
        return ordered.nulls_first() if self.nulls_first else ordered.nulls_last()

    def beyond(self, value: Any) -> Clause:
        """Rows that come after `value` in this key."""
        if value is None:
            return self.expression.is_not(None) if self.nulls_first else sa.false()
        typed = self._literal(value)
        later = self.expression < typed if self.descending else self.expression > typed
        if self.nullable and not self.nulls_first:
            return later | self.expression.is_(None)
        return later

    def same(self, value: Any) -> Clause:
        if value is None:
            return self.expression.is_(None)
        return self.expression == self._literal(value)

    def _literal(self, value: Any) -> sa.ColumnElement[Any]:
        return value if isinstance(value, sa.ColumnElement) else sa.literal(value, self.expression.type)


def after(keys: Sequence[Key], values: Sequence[Any]) -> Clause:
    """Rows that come after `values` in the order `keys`: k1 beyond, or k1 same and k2 beyond, …"""
    if (now := keys[0].now) is not None:
        values = [now(values), *values[1:]]
    alternatives = [
        sa.and_(*(k.same(v) for k, v in zip(keys[:i], values[:i], strict=True)), keys[i].beyond(values[i]))
        for i in range(len(keys))
    ]
    clause = sa.or_(*alternatives)
    first = keys[0]
    if not first.nullable and len(keys) > 1:
        # Implied by the rest, but it is what an index on the first key can be searched by.
        bound = first._literal(values[0])
        return (first.expression <= bound if first.descending else first.expression >= bound) & clause
    return clause


def newest(attribute: Any, *, nullable: bool = False) -> tuple[Key, ...]:
    return (Key(sql(attribute), descending=True, nullable=nullable),)


def write_cursor(op: Operation, fingerprint: str, mode: str, values: Sequence[Any]) -> str:
    """The place of a row in the list called `fingerprint`; `mode` is how a search was done, or empty."""
    content = [_list_then(op, fingerprint), mode, [_plain(value) for value in values]]
    return op.services.signer.sign("list", orjson.dumps(content))


def read_cursor(
    op: Operation, cursor: str, fingerprint: str, *, backwards: bool = False
) -> tuple[str, list[Any]]:
    """(search mode, values). Raises `Invalid` for a cursor that is forged or of another list."""
    path = ("before",) if backwards else ("after",)
    message = op.services.signer.open("list", cursor)
    if message is None:
        raise Invalid(
            path, "CURSOR", "This is not a cursor of ours. Take `endCursor` or `startCursor` of a page."
        )
    written_for, mode, values = orjson.loads(message)
    if written_for != _list_then(op, fingerprint):
        text = "This cursor belongs to another list, order, filter or search. Start again without a cursor."
        raise Invalid(path, "CURSOR", text)
    return mode, [_typed(value) for value in values]


def _list_then(op: Operation, fingerprint: str) -> str:
    """The list of another moment is another list."""
    return fingerprint if op.as_of is None else f"{fingerprint}@{op.as_of.isoformat()}"


def order_text(keys: Sequence[Key]) -> str:
    return ",".join(f"{key.expression}:{key.descending:d}{key.nullable:d}{key.nulls_first:d}" for key in keys)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return ["t", value.isoformat()]
    if isinstance(value, date):
        return ["d", value.isoformat()]
    if isinstance(value, UUID):
        return ["u", value.hex]
    return value


def _typed(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    kind, text = value
    return {"t": datetime.fromisoformat, "d": date.fromisoformat, "u": UUID}[kind](text)  # type: ignore[operator]
