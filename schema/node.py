"""Relay's Node: everything with an id can be found again by it."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import strawberry

from models.errors import Invalid
from models.ids import decode_id, prefix_of
from schema.graph import NODES, Context, load_node, node_id

MAX_IDS = 100


@strawberry.interface(description="Something with an id, which `node` finds again.")
class Node:
    id: strawberry.ID = node_id(
        "Opaque and the same for ever: a prefix that names the type, then 26 characters."
    )


def find_node(context: Context, id: str, *, path: tuple[str, ...] = ("id",)) -> Awaitable[Any]:
    """The node with this id, or None. Raises `Invalid` for what is no id of ours."""
    spec = NODES.get(prefix_of(id))
    if spec is None:
        known = ", ".join(sorted(NODES))
        raise Invalid(path, "ID_FORMAT", f"This is not an id of ours. An id starts with one of: {known}.")
    assert spec.prefix is not None
    return load_node(context, spec, decode_id(spec.prefix, id, path=path))


async def find_nodes(context: Context, ids: list[str]) -> list[Any]:
    if len(ids) > MAX_IDS:
        raise Invalid(("ids",), "COUNT", f"At most {MAX_IDS} ids at once.", max=str(MAX_IDS))
    found = [find_node(context, id, path=("ids", str(i))) for i, id in enumerate(ids)]
    return list(await asyncio.gather(*found))
