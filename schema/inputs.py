"""Inputs of updates, in which a part that is absent stays as it is."""

from collections.abc import Callable
from typing import Any


def given(input: Any, *names: str) -> dict[str, Any]:
    """The parts of an update that the caller wrote, null included."""
    return {name: part.value for name in names if (part := getattr(input, name)) is not None}


def given_as(input: Any, name: str, translate: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """One part of an update in the words of the domain; nothing if the caller did not write it."""
    part = getattr(input, name)
    return {} if part is None else translate(part.value)
