"""How much a description of the schema (`__schema`, `__type`) holds, estimated by how long its lists are in this schema.

Nested lists multiply: what everything implements, and what that implements again, takes a second to write.
"""

from collections.abc import Mapping
from functools import lru_cache

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
)

from schema.selections import Fragments, Sets, below, fields_of, merged

DESCRIPTIONS = frozenset({"__schema", "__type"})
MOST_OBJECTS = 10**9


class Description:
    def __init__(self, schema: GraphQLSchema, fragments: Fragments) -> None:
        self._fragments = fragments
        self._schema = schema
        self._known: dict[tuple[bool, tuple[int, ...]], int] = {}

    def objects(self, parent: str, sets: Sets) -> int:
        """How many objects are below a field called `parent`, roughly; at most `MOST_OBJECTS` are told."""
        # Among all types the average counts; a type that others refer to may be the largest.
        is_among_all = parent == "types"
        usual, longest = _lengths(self._schema)
        lengths = usual if is_among_all else longest
        fields = list(fields_of(sets, self._fragments))
        name = (is_among_all, tuple(map(id, fields)))
        if name not in self._known:
            total = 0
            for nodes in merged(fields).values():
                if inner := below(nodes):
                    called = nodes[0].name.value
                    total += lengths.get(called, 1) * (1 + self.objects(called, inner))
            self._known[name] = min(total, MOST_OBJECTS)
        return self._known[name]


@lru_cache(maxsize=4)
def _lengths(schema: GraphQLSchema) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """How long the lists of a description are: on average over all types, and at most."""
    kinds = schema.type_map.values()
    composite = [kind for kind in kinds if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)]
    abstract = [kind for kind in kinds if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType)]
    found = {
        "fields": [len(kind.fields) for kind in composite],
        "interfaces": [len(kind.interfaces) for kind in composite],
        "inputFields": [len(kind.fields) for kind in kinds if isinstance(kind, GraphQLInputObjectType)],
        "enumValues": [len(kind.values) for kind in kinds if isinstance(kind, GraphQLEnumType)],
        "possibleTypes": [len(schema.get_possible_types(kind)) for kind in abstract],
    }
    whole = {"types": len(kinds), "directives": len(schema.directives)}
    usual = {name: max(1, round(sum(lengths) / len(kinds))) for name, lengths in found.items()}
    return usual | whole, {name: max(lengths, default=1) for name, lengths in found.items()} | whole
