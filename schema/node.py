"""Relay's Node: everything with an id can be found again by it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import strawberry

from models.errors import Invalid
from models.ids import decode_id, prefix_of
from schema.graph import NODES, NodeSpec, node_id

MAX_IDS = 100


@strawberry.interface(description="Something with an id, which `node` finds again.")
class Node:
    id: strawberry.ID = node_id(
        "Opaque and the same for ever: a prefix that names the type, then 26 characters."
    )


def key_of(id: str, *, path: tuple[str, ...] = ("id",)) -> tuple[NodeSpec, UUID]:
    """The type and the key behind an id. Raises `Invalid` for what is no id of ours."""
    spec = NODES.get(prefix_of(id))
    if spec is None:
        known = ", ".join(sorted(NODES))
        raise Invalid(path, "ID_FORMAT", f"This is not an id of ours. An id starts with one of: {known}.")
    assert spec.prefix is not None
    return spec, decode_id(spec.prefix, id, path=path)


def key_of_one(arguments: Mapping[str, Any]) -> list[tuple[NodeSpec, UUID]]:
    return [key_of(arguments["id"])]


def keys_of_several(arguments: Mapping[str, Any]) -> list[tuple[NodeSpec, UUID]]:
    ids = arguments["ids"]
    if len(ids) > MAX_IDS:
        raise Invalid(("ids",), "COUNT", f"At most {MAX_IDS} ids at once.", max=str(MAX_IDS))
    return [key_of(id, path=("ids", str(i))) for i, id in enumerate(ids)]
