"""Two executors of one schema, and when their answers count as equal.

Data must be equal to the letter, keys of objects in the same order. Of errors only the path and `extensions.code` count.
Where a field that cannot be null fails, its parent becomes null; the specification lets an executor report any one of
several fields that fail under the same null, so any one of them is accepted there.
"""

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from auth.viewer import Viewer
from resolvers.operation import Operation
from schema.execution import Request, execute
from tests.world import World

Body = dict[str, Any]
Executor = Callable[[World, str, dict[str, Any] | None, Viewer, str | None], Awaitable[Body]]
Path = tuple[str | int, ...]


async def by_plan(
    world: World,
    document: str,
    variables: dict[str, Any] | None,
    viewer: Viewer,
    operation_name: str | None = None,
) -> Body:
    """The answer of the planner, which must have planned whatever it answers without an error."""
    operation = Operation(world.services, viewer, "test")
    request = Request(document, variables, operation_name, explain=True)
    body = (await execute(world.schema, request, operation)).body
    steps = body.get("extensions", {}).get("plan", [])
    # An invalid argument below a null is no error: nobody gets there. The plan reads all arguments before it runs.
    usual = {"introspection", "Invalid", "StrawberryInputCoercionError"}
    left = [step for step in steps if step["kind"] == "BATCHES" and step["reason"] not in usual]
    assert body.get("errors") or not left, left
    return body


async def by_batches(
    world: World,
    document: str,
    variables: dict[str, Any] | None,
    viewer: Viewer,
    operation_name: str | None = None,
) -> Body:
    """The answer of the batch execution, which says what is right."""
    operation = Operation(world.services, viewer, "test")
    request = Request(document, variables, operation_name)
    return (await execute(world.schema, request, operation, planned=False)).body


def difference(planned: Body, batched: Body) -> str | None:
    """What differs between two answers, in a sentence; None if they are equal."""
    if ("data" in planned) != ("data" in batched):
        return f"only one answer has data: {_short(planned)} and {_short(batched)}"
    ours, theirs = json.dumps(planned.get("data")), json.dumps(batched.get("data"))
    if ours != theirs:
        return f"the data differ: {_first_difference(ours, theirs)}"
    return _difference_of_errors(planned, batched)


def errors_of(body: Body) -> set[tuple[Path | None, str | None]]:
    """(path, code) of each error; the path of an error of the whole document is None."""
    return {
        (
            tuple(error["path"]) if error.get("path") is not None else None,
            error.get("extensions", {}).get("code"),
        )
        for error in body.get("errors") or ()
    }


def null_of(data: Any, path: Path) -> Path:
    """Where the null stands that the error at `path` left behind: at `path` itself, or at one of its parents."""
    value = data
    for depth, step in enumerate(path):
        if value is None:
            return path[:depth]
        value = value[step]
    return path


def _difference_of_errors(planned: Body, batched: Body) -> str | None:
    data = batched.get("data")
    ours, theirs = _by_null(data, errors_of(planned)), _by_null(data, errors_of(batched))
    if ours.keys() != theirs.keys():
        return f"errors stand at {sorted(map(str, ours))} and at {sorted(map(str, theirs))}"
    for null in ours:
        passed_on = all(path is not None and path != null for path, _ in ours[null] | theirs[null])
        if ours[null] != theirs[null] and not passed_on:
            return f"errors at {null} differ: {ours[null]} and {theirs[null]}"
    return None


def _by_null(
    data: Any, errors: set[tuple[Path | None, str | None]]
) -> dict[Path | None, set[tuple[Path | None, str | None]]]:
    found: dict[Path | None, set[tuple[Path | None, str | None]]] = defaultdict(set)
    for path, code in errors:
        found[None if path is None else null_of(data, path)].add((path, code))
    return found


def _first_difference(ours: str, theirs: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), 0)
    start = max(0, at - 80)
    return f"…{ours[start : at + 120]}… and …{theirs[start : at + 120]}…"


def _short(body: Body) -> str:
    return json.dumps(body)[:300]
