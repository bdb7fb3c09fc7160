"""What a document may hold before it is validated: one pass over what it selects, fragments expanded.

Validation compares every two selections that answer under one name, so a short document that repeats itself, or whose
fragments multiply, would hold up everybody else for seconds.
"""

import re
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

MAX_CHARACTERS = 100_000
MAX_TOKENS = 1_000
MAX_DEPTH = 10
MAX_ALIASES = 30
MAX_REPEATS = 100
MAX_SELECTIONS = 5_000
MAX_DESCRIPTION_ALIASES = 5
MAX_INPUT_OBJECTS = 1_000
MAX_INPUT_VALUES = 10_000
TOO_LARGE = "DOCUMENT_TOO_LARGE"
TOO_COMPLEX = "DOCUMENT_TOO_COMPLEX"
_HALF_PAIR = re.compile("[\ud800-\udfff]")


def excess_of(document: DocumentNode) -> str | None:
    """Which limit the document exceeds, as a sentence; None if it keeps them all."""
    fragments = {
        part.name.value: part.selection_set
        for part in document.definitions
        if isinstance(part, FragmentDefinitionNode)
    }
    count = _Count(fragments)
    for part in document.definitions:
        if isinstance(part, OperationDefinitionNode):
            excess = count.add(part.selection_set)
            if excess is not None:
                return excess
    return None


def objection_to(variables: dict[str, Any]) -> str | None:
    """What is wrong with variables whatever they are for, as a sentence; None if nothing is.

    Turning an input into Python takes up to 0.1 ms for each object: a megabyte of empty filters held up everybody for 27 s.
    Half of a surrogate pair cannot be written as UTF-8: drivers, logs and answers would stumble over it.
    """
    objects = values = 0
    is_broken = False
    waiting: list[Any] = [variables]
    for value in waiting:  # it grows meanwhile
        is_object = isinstance(value, dict)
        parts = value.values() if is_object else value
        objects += is_object
        values += len(parts)
        if objects > MAX_INPUT_OBJECTS or values > MAX_INPUT_VALUES:
            return (
                f"The variables hold more than {MAX_INPUT_OBJECTS:,} objects or {MAX_INPUT_VALUES:,} values."
            )
        for part in parts:
            if isinstance(part, str):
                is_broken = is_broken or _is_broken(part)
            elif isinstance(part, dict | list):
                waiting.append(part)
    if is_broken:
        return (
            f"The variable `{_path_of_broken(variables)}` holds half of a surrogate pair, which is no text."
        )
    return None


def _is_broken(text: str) -> bool:
    return not text.isascii() and _HALF_PAIR.search(text) is not None


def _path_of_broken(variables: dict[str, Any]) -> str:
    waiting: list[tuple[str, Any]] = [("", variables)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend((f"{path}.{key}".lstrip("."), part) for key, part in value.items())
        elif isinstance(value, list):
            waiting.extend((f"{path}.{index}", part) for index, part in enumerate(value))
        elif isinstance(value, str) and _is_broken(value):
            break
    return path.encode(errors="replace").decode()


class _Count:
    """Runs over the merged tree of a document: selections that answer under one name are one node of it."""

    def __init__(self, fragments: dict[str, SelectionSetNode]) -> None:
        self._fragments = fragments
        self._selections = self._aliases = self._repeats = self._description_aliases = 0

    def add(self, root: SelectionSetNode) -> str | None:
        # A level is everything selected at one path; descriptions of the schema itself may be as deep as they are.
        waiting: list[tuple[list[SelectionSetNode], int, bool]] = [([root], 1, False)]
        while waiting:
            merged, depth, is_introspection = waiting.pop()
            if depth > MAX_DEPTH and not is_introspection:
                return f"The document is nested more than {MAX_DEPTH} levels deep."
            below: dict[str, list[SelectionSetNode]] = {}
            fields = self._fields(merged)
            for field in fields:
                name = field.alias.value if field.alias else field.name.value
                nested = below.setdefault(name, [])
                if field.alias is not None:
                    self._aliases += 1
                    # A description of the whole schema takes up to 0.1 s, and each alias asks for it again.
                    self._description_aliases += is_introspection or (
                        depth == 1 and field.name.value == "__schema"
                    )
                if field.selection_set is not None:
                    if depth == 1 and field.name.value in {"__schema", "__type"}:
                        waiting.append(([field.selection_set], depth + 1, True))
                    else:
                        nested.append(field.selection_set)
            self._repeats += len(fields) - len(below)
            # A level holds no more than the document has tokens: often enough.
            if (excess := self._excess()) is not None:
                return excess
            waiting.extend((sets, depth + 1, is_introspection) for sets in below.values() if sets)
        return None

    def _fields(self, merged: list[SelectionSetNode]) -> list[FieldNode]:
        fields: list[FieldNode] = []
        spread: set[str] = set()
        waiting = list(merged)
        while waiting:
            selections = waiting.pop().selections
            self._selections += len(selections)
            for selection in selections:
                if isinstance(selection, FieldNode):
                    fields.append(selection)
                elif not isinstance(selection, FragmentSpreadNode):
                    waiting.append(selection.selection_set)  # type: ignore[attr-defined]
                elif selection.name.value not in spread:
                    spread.add(selection.name.value)
                    if (found := self._fragments.get(selection.name.value)) is not None:
                        waiting.append(found)
        return fields

    def _excess(self) -> str | None:
        if self._aliases > MAX_ALIASES:
            return f"The document has more than {MAX_ALIASES} aliases."
        if self._description_aliases > MAX_DESCRIPTION_ALIASES:
            return (
                f"The document has more than {MAX_DESCRIPTION_ALIASES} aliases in descriptions of the schema."
            )
        if self._repeats > MAX_REPEATS:
            return (
                f"The document selects fields again that it already selects, more than {MAX_REPEATS} times."
            )
        if self._selections > MAX_SELECTIONS:
            return (
                f"The document selects more than {MAX_SELECTIONS:,} things once its fragments are expanded."
            )
        return None
