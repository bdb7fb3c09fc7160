"""Enums of the public language: every value carries the description it has in the domain."""

from enum import Enum
from typing import TypeVar

import strawberry

from models.vocabulary import Vocabulary

E = TypeVar("E", bound=type[Enum])


def words(kind: E, *, name: str | None = None) -> E:
    """Make a `Vocabulary` a GraphQL enum; its docstring and its members' sentences become the descriptions."""
    description = (kind.__doc__ or "").strip()
    enum = strawberry.enum(kind, name=name, description=description)
    for value, member in zip(enum.__strawberry_definition__.values, kind, strict=True):  # type: ignore[attr-defined]
        assert isinstance(member, Vocabulary)
        value.description = member.description
    return enum
