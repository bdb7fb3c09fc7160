"""Faults put into declarations: the one seam through which tests break a column, a relation or a batched source.

Each function changes the declared object itself, which both executors read, and `monkeypatch` puts it back. Plans made
before know nothing of the change, so documents run in a world that has none: `without_plans`.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.utils.str_converters import to_camel_case

from schema.documents import Documents
from schema.graph import Computed, Declaration, NodeSpec, Source, declared_fields
from tests.world import World


class Broken(Exception):
    """What a broken part raises: a bug like any other."""


def without_plans(world: World) -> World:
    """The same world with no documents read yet."""
    schema = copy.copy(world.schema)
    schema.documents = Documents(schema, introspection=True)
    return World(world.services, world.clock, schema)


def specs(world: World) -> dict[str, NodeSpec]:
    """The declared object types by name."""
    definitions = [entry.definition for entry in world.schema.schema_converter.type_map.values()]
    return {
        definition.name: definition.origin.__graph_spec__
        for definition in definitions
        if isinstance(definition, StrawberryObjectDefinition) and hasattr(definition.origin, "__graph_spec__")
    }


def declarations(world: World) -> dict[str, Declaration]:
    """What each field of the declared types comes from, by `Type.field`."""
    return {
        f"{name}.{field.graphql_name or to_camel_case(field.python_name)}": field.declaration
        for name, spec in specs(world).items()
        for field in declared_fields(spec.type)
    }


def break_function(
    patch: pytest.MonkeyPatch, world: World, name: str, *, when: Callable[..., bool] = lambda *_: True
) -> None:
    """The function of a computed field raises `when` its arguments say so; that of a batched source, likewise."""
    declaration = declarations(world)[name]
    assert isinstance(declaration, Computed | Source)
    function = declaration.function

    def broken(*arguments: Any) -> Any:
        if when(*arguments):
            raise Broken(name)
        return function(*arguments)

    patch.setattr(declaration, "function", broken)


def answer_instead(patch: pytest.MonkeyPatch, world: World, name: str, function: Callable[..., Any]) -> None:
    """The function of a field is another one."""
    declaration = declarations(world)[name]
    assert isinstance(declaration, Computed | Source)
    patch.setattr(declaration, "function", function)


def empty_column(patch: pytest.MonkeyPatch, world: World, name: str, *, where: Any = None) -> None:
    """The column behind a field holds null, in the rows `where` holds or in all of them."""
    declaration: Any = declarations(world)[name]
    column = declaration.column
    condition = sa.true() if where is None else where(column)
    emptied = sa.case((condition, sa.null()), else_=column)
    patch.setattr(declaration, "column", sa.type_coerce(emptied, column.type).label(f"emptied_{column.key}"))
    # What a type selects is collected once, and this changes it.
    spec = specs(world)[name.partition(".")[0]]
    patch.setattr(spec, "_columns", None)


def break_type(patch: pytest.MonkeyPatch, world: World, name: str) -> None:
    """Whatever statement reads rows of this type fails in the database, on every path to them."""
    impossible = sa.literal_column("1 / length('')", sa.Integer) == 1
    patch.setattr(specs(world)[name], "scope", lambda viewer: impossible)
