"""Making a failing case smaller: parts of its document are left out for as long as it still fails."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

from graphql import (
    REMOVE,
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    Node,
    ObjectFieldNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    validate,
    visit,
)

from tests.schema.documents import Case, public_schema

Fails = Callable[[Case], Awaitable[bool]]
_Part = (
    FieldNode
    | InlineFragmentNode
    | FragmentSpreadNode
    | DirectiveNode
    | ArgumentNode
    | ObjectFieldNode
    | OperationDefinitionNode
)


async def reduced(case: Case, fails: Fails) -> Case:
    """The smallest case found that `fails`; each step leaves one part out or takes it out of its fragment."""
    while True:
        for smaller in _smaller(case):
            if await fails(smaller):
                case = smaller
                break
        else:
            return case


def _smaller(case: Case) -> Iterator[Case]:
    """Valid cases with one part less, the outermost parts first."""
    document = parse(case.document, no_location=True)
    parts = [node for node in _nodes(document) if isinstance(node, _Part)]
    fragments = [node for node in parts if isinstance(node, InlineFragmentNode)]
    changes = [_Without(part) for part in parts] + [_Unwrapping(fragment) for fragment in fragments]
    for change in changes:
        try:
            changed = _tidy(parse(print_ast(visit(document, change)), no_location=True))
        except GraphQLError:
            continue  # nothing is left between two braces
        if not validate(public_schema(), changed):
            yield _with_document(case, changed)


class _Without(Visitor):
    def __init__(self, part: Node) -> None:
        super().__init__()
        self._part = part

    def enter(self, node: Node, *_: Any) -> Any:
        return REMOVE if node is self._part else None


class _Unwrapping(Visitor):
    def __init__(self, fragment: InlineFragmentNode) -> None:
        super().__init__()
        self._fragment = fragment

    def enter_selection_set(self, node: SelectionSetNode, *_: Any) -> Any:
        if not any(selection is self._fragment for selection in node.selections):
            return None
        inside = self._fragment.selection_set.selections
        kept = [(s,) if s is not self._fragment else inside for s in node.selections]
        return SelectionSetNode(selections=tuple(selection for part in kept for selection in part))


class _Unused(Visitor):
    """Takes out the fragments and variables that nothing uses."""

    def __init__(self, document: DocumentNode) -> None:
        super().__init__()
        nodes = _nodes(document)
        self.spread = {node.name.value for node in nodes if isinstance(node, FragmentSpreadNode)}
        self.used = _used(document)

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: Any) -> Any:
        return None if node.name.value in self.spread else REMOVE

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> Any:
        return None if node.variable.name.value in self.used else REMOVE


def _tidy(document: DocumentNode) -> DocumentNode:
    while True:
        tidied: DocumentNode = visit(document, _Unused(document))
        if print_ast(tidied) == print_ast(document):
            return tidied
        document = tidied


def _nodes(root: Node) -> list[Node]:
    found: list[Node] = []

    class Everything(Visitor):
        def enter(self, node: Node, *_: Any) -> None:
            found.append(node)

    visit(root, Everything())
    return found


def _used(document: DocumentNode) -> set[str]:
    """Names of variables that stand somewhere else than in their definition."""
    uses = Counter(node.name.value for node in _nodes(document) if isinstance(node, VariableNode))
    return {name for name, count in uses.items() if count > 1}


def _with_document(case: Case, document: DocumentNode) -> Case:
    used = _used(document)
    variables = {name: value for name, value in case.variables.items() if name in used}
    follow = case.follow if case.follow in used else None
    return replace(case, document=print_ast(document), variables=variables, follow=follow)
