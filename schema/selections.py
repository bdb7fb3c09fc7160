"""What a selection selects: the fields that one object answers, through inline fragments and spreads."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
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
) -> Iterator[FieldNode]:
    """The fields that one object answers, each fragment once; without what a literal `@skip` or `@include` leaves out.

    `applies` tells for the name of a type whether fragments on it are for this object.
    """
    spread: set[str] = set()
    waiting = list(sets)
    while waiting:
        for selection in waiting.pop().selections:
            if _is_left_out(selection):
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


def literal(node: FieldNode, name: str) -> ValueNode | None:
    """The argument as it is written; None if it is absent."""
    return next((given.value for given in node.arguments or () if given.name.value == name), None)


def conditions_of(selection: SelectionNode) -> Iterator[tuple[str | bool, bool]]:
    """What `@skip` and `@include` ask: the name of a variable or a literal, and which value lets the selection stand."""
    for directive in selection.directives or ():
        if directive.name.value in {"skip", "include"} and directive.arguments:
            yield flag(directive.arguments[0].value), directive.name.value == "include"


def flag(value: ValueNode | None) -> str | bool:
    """The name of a variable, or the literal; absent and null are False."""
    if isinstance(value, VariableNode):
        return value.name.value
    return isinstance(value, BooleanValueNode) and value.value


def _is_left_out(selection: SelectionNode) -> bool:
    return bool(selection.directives) and any(
        given is not wanted for given, wanted in conditions_of(selection) if isinstance(given, bool)
    )
