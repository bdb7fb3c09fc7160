"""What a document selects, fragments expanded and merged, as the specification's CollectFields does it.

Done once for each operation and each set of booleans in `@skip` and `@include`: nothing here runs per request.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLAbstractType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    is_abstract_type,
)

Booleans = Mapping[str, bool]
"""The values of the variables that directives use."""


@dataclass(slots=True)
class Selected:
    """One response key of one object: all selections that answer under it."""

    key: str
    name: str
    nodes: list[FieldNode] = field(default_factory=list)

    @property
    def node(self) -> FieldNode:
        """The first of them; validation made sure that all have the same arguments."""
        return self.nodes[0]


@dataclass(frozen=True, slots=True)
class Selections:
    """Reads the selections of one operation."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    booleans: Booleans

    def of(self, kind: GraphQLObjectType, sets: Iterable[SelectionSetNode | None]) -> list[Selected]:
        """What is selected of an object of `kind`, in the order of the document."""
        found: dict[str, Selected] = {}
        for node in self._fields(kind, [s for s in sets if s is not None], set()):
            key = node.alias.value if node.alias else node.name.value
            if key not in found:
                found[key] = Selected(key, node.name.value)
            found[key].nodes.append(node)
        return list(found.values())

    def below(self, kind: GraphQLObjectType, selected: Selected) -> list[Selected]:
        return self.of(kind, (node.selection_set for node in selected.nodes))

    def _fields(
        self, kind: GraphQLObjectType, sets: Iterable[SelectionSetNode], spread: set[str]
    ) -> Iterator[FieldNode]:
        for selection_set in sets:
            for selection in selection_set.selections:
                if not self._is_included(selection):
                    continue
                if isinstance(selection, FieldNode):
                    yield selection
                    continue
                fragment: InlineFragmentNode | FragmentDefinitionNode
                if isinstance(selection, InlineFragmentNode):
                    fragment = selection
                else:
                    name = selection.name.value  # type: ignore[attr-defined]
                    if name in spread:
                        continue
                    spread.add(name)
                    fragment = self.fragments[name]
                if self._applies(kind, fragment):
                    yield from self._fields(kind, [fragment.selection_set], spread)

    def _applies(
        self, kind: GraphQLObjectType, fragment: InlineFragmentNode | FragmentDefinitionNode
    ) -> bool:
        condition = fragment.type_condition
        if condition is None or condition.name.value == kind.name:
            return True
        other = self.schema.type_map[condition.name.value]
        return is_abstract_type(other) and _includes(self.schema, other, kind)

    def _is_included(self, selection: SelectionNode) -> bool:
        for directive in selection.directives or ():
            name = directive.name.value
            if name in {"skip", "include"}:
                argument = (directive.arguments or ())[0].value
                if isinstance(argument, VariableNode):
                    value = self.booleans[argument.name.value]
                else:
                    assert isinstance(argument, BooleanValueNode)
                    value = argument.value
                if value is (name == "skip"):
                    return False
        return True


def _includes(schema: GraphQLSchema, abstract: GraphQLAbstractType, kind: GraphQLObjectType) -> bool:
    return schema.is_sub_type(abstract, kind)


def boolean_variables(definitions: Iterable[object]) -> tuple[str, ...]:
    """Names of the variables that directives use, anywhere in a document."""
    names: dict[str, None] = {}
    waiting: list[SelectionSetNode] = [
        part.selection_set  # type: ignore[attr-defined]
        for part in definitions
        if getattr(part, "selection_set", None) is not None
    ]
    while waiting:
        for selection in waiting.pop().selections:
            for directive in selection.directives or ():
                for argument in directive.arguments or ():
                    if directive.name.value in {"skip", "include"} and isinstance(
                        argument.value, VariableNode
                    ):
                        names[argument.value.name.value] = None
            below = getattr(selection, "selection_set", None)
            if below is not None:
                waiting.append(below)
    return tuple(sorted(names))
