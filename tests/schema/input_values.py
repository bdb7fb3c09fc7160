"""Generated inputs: valid ones for every input type, and damaged ones. The same seed makes the same values."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    is_required_input_field,
)

TEXTS: dict[str, tuple[Any, ...]] = {
    "String": ("booking", "", "Zoë", "a" * 300),
    "ID": ("gig_01k8z3m4n5p6q7r8s9t0v1w2x3", "nonsense"),
    "Markdown": ("# Hello", "*a*"),
    "EmailAddress": ("anna@example.org",),
    "CurrencyCode": ("EUR", "JPY"),
    "StreamCursor": ("opaque",),
    "Int": (0, 1, -1, 2**31 - 1, -(2**31)),
    "Boolean": (True, False),
    "Decimal": ("0", "4.50", "1e3", "-1"),
    "DateTime": ("2026-11-22T12:00:00Z", "2026-11-22T14:00:00+02:00", "2020-02-29T23:59:59.999999Z"),
    "Date": ("2026-11-22",),
    "Duration": ("P14D", "PT36H"),
}
WRONG: tuple[Any, ...] = (
    None, 5, 3.0, 2.5, True, "", "nonsense", "2026-13-45", "NaN", 2**31, 2**63, [], {}, [None], ["a"], [["a"]], {"eq": None},
    {"unknown": 1}, "OPEN", "open", "P1X",
)  # fmt: skip


def input_types(schema: GraphQLSchema) -> list[GraphQLInputObjectType]:
    return [kind for kind in schema.type_map.values() if isinstance(kind, GraphQLInputObjectType)]


class Writer:
    def __init__(self, seed: str) -> None:
        self._random = Random(seed)

    def fewest(self, kind: GraphQLInputObjectType) -> dict[str, Any]:
        """Only what must be there: of some kinds, one part, whichever."""
        if _is_one_of(kind):
            name = self._random.choice(list(kind.fields))
            return {name: self.value(kind.fields[name].type, 0)}
        return {
            n: self.value(part.type, 0) for n, part in kind.fields.items() if is_required_input_field(part)
        }

    def value(self, kind: Any, depth: int = 3) -> Any:
        """A value of this type with objects at most so deep in it, lists of one object excepted."""
        if isinstance(kind, GraphQLNonNull):
            return self.value(kind.of_type, depth)
        if isinstance(kind, GraphQLList):
            return [self.value(kind.of_type, depth) for _ in range(self._random.randint(0, 2))]
        if isinstance(kind, GraphQLEnumType):
            return self._random.choice(list(kind.values))
        if not isinstance(kind, GraphQLInputObjectType):
            return self._random.choice(TEXTS[kind.name])
        if depth == 0 or _is_one_of(kind):
            return self.fewest(kind)
        chance = self._random.choice((20, 60, 100)) if depth == 3 else 20
        return {
            name: self.value(part.type, depth - 1)
            for name, part in kind.fields.items()
            if is_required_input_field(part) or self._random.randrange(100) < chance
        }

    def damaged(self, value: dict[str, Any]) -> dict[str, Any]:
        """The value with one part of it replaced, taken away or added. It may still be valid."""
        damaged = deepcopy(value)
        holder, key = self._random.choice([*_places(damaged), (damaged, "unknown")])
        match self._random.randrange(4):
            case 0 if isinstance(holder, dict):
                holder.pop(key, None)
            case 1 if key in holder or isinstance(holder, list):
                holder[key] = [holder[key]]
            case 2:
                holder[key] = None
            case _:
                holder[key] = deepcopy(self._random.choice(WRONG))
        return damaged


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in list(parts):
        yield value, key
        if isinstance(part, dict | list):
            yield from _places(part)


def _is_one_of(kind: GraphQLInputObjectType) -> bool:
    """Strawberry does not tell graphql-core, it looks itself."""
    return bool(kind.extensions["strawberry-definition"].is_one_of)
