"""The arguments of a selected field, as Python values: what is the same for every request is read once."""

from collections.abc import Callable, Mapping
from typing import Any

import strawberry
from graphql import (
    FieldNode,
    GraphQLField,
    Undefined,
    VariableNode,
    get_argument_values,
    is_non_null_type,
    is_scalar_type,
)
from graphql.execution.values import VariableValues
from strawberry.types.arguments import StrawberryArgument, convert_arguments
from strawberry.types.field import StrawberryField

Arguments = Mapping[str, Any]
ReadArguments = Callable[[VariableValues], Arguments]
_PLAIN = {"Int", "String", "ID", "Boolean"}


def reader(schema: strawberry.Schema, definition: GraphQLField, node: FieldNode) -> ReadArguments:
    """A function from the variables to the arguments, by Python name.

    It raises what the batch execution would: a plan that meets an error leaves the field to that.
    """
    field: StrawberryField = definition.extensions["strawberry-definition"]
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    names = {_public(schema, argument): argument.python_name for argument in field.arguments}

    def convert(values: dict[str, Any]) -> Arguments:
        return convert_arguments(
            values, field.arguments, schema.schema_converter.scalar_registry, schema.config
        )

    variables = {name: value.name.value for name, value in given.items() if isinstance(value, VariableNode)}
    if not variables and not _holds_variables(list(given.values())):
        constant = convert(get_argument_values(definition, node))
        return lambda _: constant
    if variables.keys() == given.keys() and all(_is_plain(definition, name) for name in variables):
        defaults = convert(
            {n: _default(definition, n) for n in names if _default(definition, n) is not Undefined}
        )
        pairs = tuple((names[name], variable) for name, variable in variables.items())

        def read(values: VariableValues) -> Arguments:
            coerced = values.coerced
            return {
                **defaults,
                **{name: coerced[variable] for name, variable in pairs if variable in coerced},
            }

        return read
    return lambda values: convert(get_argument_values(definition, node, values))


def _is_plain(definition: GraphQLField, name: str) -> bool:
    """Whether a variable's value is the argument's value as it is: nullable, and of a type that needs no translation."""
    kind = definition.args[name].type
    if is_non_null_type(kind):
        # A nullable variable with a default may fill it, and be null.
        kind = kind.of_type
        if _default(definition, name) is not Undefined:
            return False
    return is_scalar_type(kind) and kind.name in _PLAIN


def _default(definition: GraphQLField, name: str) -> Any:
    argument = definition.args[name]
    if argument.default_value is not Undefined:
        return argument.default_value
    default = argument.default
    return Undefined if default is None else default.value


def _public(schema: strawberry.Schema, argument: StrawberryArgument) -> str:
    return schema.config.name_converter.from_argument(argument)


def _holds_variables(waiting: list[Any]) -> bool:
    while waiting:
        node = waiting.pop()
        if isinstance(node, VariableNode):
            return True
        waiting.extend(getattr(node, "values", None) or ())
        waiting.extend(field.value for field in getattr(node, "fields", None) or ())
    return False
