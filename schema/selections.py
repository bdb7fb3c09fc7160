"""What a selection selects: the fields that one object answers, through inline fragments and spreads."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    value_from_ast_untyped,
)

Fragments = Mapping[str, FragmentDefinitionNode]
Sets = tuple[SelectionSetNode, ...]


def fragments_of(document: DocumentNode) -> Fragments:
    return {
        part.name.value: part for part in document.definitions if isinstance(part, FragmentDefinitionNode)
    }


def fields_of(
    sets: Iterable[SelectionSetNode],
    fragments: Fragments,
    applies: Callable[[str], bool] = lambda condition: True,
    *,
    variables: Mapping[str, Any] | None = None,
) -> Iterator[FieldNode]:
    """The fields that one object answers, each fragment once.

    `applies` tells for the name of a type whether fragments on it are for this object. Left out is what a literal
    `@skip` or `@include` leaves out and, where `variables` are given, what they leave out.
    """
    spread: set[str] = set()
    waiting = list(sets)
    while waiting:
        for selection in waiting.pop().selections:
            if selection.directives and _is_left_out(selection, variables):
                continue
            if isinstance(selection, FieldNode):
                yield selection
                continue
            if isinstance(selection, FragmentSpreadNode):
                if selection.name.value in spread:
                    continue
                spread.add(selection.name.value)
                fragment: FragmentDefinitionNode | InlineFragmentNode = fragments[selection.name.value]
            else:
                assert isinstance(selection, InlineFragmentNode)
                fragment = selection
            condition = fragment.type_condition
            if condition is None or applies(condition.name.value):
                waiting.append(fragment.selection_set)


def merged(fields: Iterable[FieldNode]) -> dict[str, list[FieldNode]]:
    """By the key under which they answer, as execution merges them."""
    found: dict[str, list[FieldNode]] = {}
    for field in fields:
        found.setdefault(field.alias.value if field.alias else field.name.value, []).append(field)
    return found


def below(fields: Iterable[FieldNode]) -> Sets:
    return tuple(field.selection_set for field in fields if field.selection_set is not None)


def types_named(sets: Iterable[SelectionSetNode], fragments: Fragments) -> set[str]:
    """The types that fragments on one object name."""
    named: set[str] = set()

    def applies(condition: str) -> bool:
        named.add(condition)
        return True

    for _ in fields_of(sets, fragments, applies):
        pass
    return named


def defaults_of(operation: OperationDefinitionNode) -> dict[str, Any]:
    """What its variables are where they are absent."""
    return {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }


def literal(node: FieldNode, name: str) -> ValueNode | None:
    """The argument as it is written; None if it is absent."""
    return next((given.value for given in node.arguments or () if given.name.value == name), None)


def is_true(value: ValueNode | None, variables: Mapping[str, Any]) -> bool:
    """Whether it is the literal `true` or a variable with that value."""
    if isinstance(value, VariableNode):
        return variables.get(value.name.value) is True
    return isinstance(value, BooleanValueNode) and value.value


def _is_left_out(selection: SelectionNode, variables: Mapping[str, Any] | None) -> bool:
    for directive in selection.directives or ():
        if directive.name.value in {"skip", "include"} and directive.arguments:
            condition = directive.arguments[0].value
            is_known = variables is not None or not isinstance(condition, VariableNode)
            if is_known and is_true(condition, variables or {}) is (directive.name.value == "skip"):
                return True
    return False
