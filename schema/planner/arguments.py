"""The arguments of a selected field, as Python values: what is the same for every request is read once."""

from collections.abc import Callable, Mapping
from typing import Any

import strawberry
from graphql import (
    FieldNode,
    GraphQLField,
    Undefined,
    ValueNode,
    VariableNode,
    coerce_input_literal,
    get_argument_values,
    is_non_null_type,
)
from strawberry.types.arguments import StrawberryArgument, convert_arguments
from strawberry.types.field import StrawberryField

from schema.planner.inputs import Inputs

Arguments = Mapping[str, Any]
ReadArguments = Callable[[Inputs], Arguments]


def reader(schema: strawberry.Schema, definition: GraphQLField, node: FieldNode) -> ReadArguments:
    """A function from the variables to the arguments, by Python name.

    It raises what the batch execution would: a plan that meets an error leaves the field to that.
    """
    field: StrawberryField = definition.extensions["strawberry-definition"]
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    declared = {_public(schema, argument): argument for argument in field.arguments}
    variables = {name: value.name.value for name, value in given.items() if isinstance(value, VariableNode)}

    def convert(values: dict[str, Any]) -> Arguments:
        return convert_arguments(
            values, field.arguments, schema.schema_converter.scalar_registry, schema.config
        )

    def look_closer(values: Inputs) -> Arguments:
        return convert(get_argument_values(definition, node, values.coerced))

    literals = [value for value in given.values() if not isinstance(value, VariableNode)]
    if _holds_variables(literals) or any(declared[name].is_maybe for name in variables):
        return look_closer
    known = {name: _known(definition, name, given.get(name)) for name in declared}
    if any(known[name] is Undefined for name in given.keys() - variables.keys()):
        return look_closer
    constant = convert({name: value for name, value in known.items() if value is not Undefined})
    if not variables:
        return lambda _: constant
    # Validation made sure that a variable is of its argument's type, but for null where the argument may not be.
    whole = [
        (declared[name].python_name, variable, is_non_null_type(definition.args[name].type))
        for name, variable in variables.items()
    ]

    def read(values: Inputs) -> Arguments:
        ready = values.ready
        if ready is None:
            return look_closer(values)
        arguments = dict(constant)
        for name, variable, is_required in whole:
            if variable in ready:
                value = ready[variable]
                if value is None and is_required:
                    return look_closer(values)
                arguments[name] = value
        return arguments

    return read


def _known(definition: GraphQLField, name: str, literal: ValueNode | None) -> Any:
    """The value that an argument has whatever the variables are, or has without its variable."""
    argument = definition.args[name]
    if literal is not None and not isinstance(literal, VariableNode):
        return coerce_input_literal(literal, argument.type)
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
