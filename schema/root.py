"""The one schema: all root fields, put together."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import create_type
from strawberry.types import ExecutionContext
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info

from schema import accounts, applications, contracts, feedback, gig_acts, invitations, jobs, profiles
from schema.accounts import UserType
from schema.applications import ApplicationQuery
from schema.contracts import ContractQuery
from schema.gig_browsing import GigQuery
from schema.graph import NODES, Context, load_node, spec_of
from schema.jobs import JobQuery
from schema.node import Node, find_node, find_nodes
from schema.payloads import MEMBERS
from schema.profiles import ProfileQuery
from schema.rate_limit import RateLimitQuery
from schema.scalars import SCALARS
from schema.skills import SkillQuery

# In order of the alphabet, so that moving a module does not move the snapshot.
MUTATIONS = sorted(
    (
        field
        for module in (accounts, applications, contracts, feedback, gig_acts, invitations, jobs, profiles)
        for field in vars(module).values()
        if isinstance(field, StrawberryField)
    ),
    key=lambda field: str(field.python_name),
)


async def viewer(info: Info[Context, None]) -> UserType | None:
    user_id = info.context.op.viewer.user_id
    return None if user_id is None else await load_node(info.context, spec_of(UserType), user_id)


async def node(
    info: Info[Context, None],
    id: Annotated[strawberry.ID, strawberry.argument(description="Any id of ours.")],
) -> Node | None:
    found: Node | None = await find_node(info.context, id)
    return found


async def nodes(
    info: Info[Context, None],
    ids: Annotated[list[strawberry.ID], strawberry.argument(description="At most 100 ids of any types.")],
) -> list[Node | None]:
    return await find_nodes(info.context, [str(id) for id in ids])


@strawberry.type(
    name="Query", description="What can be asked. Everything is scoped to what the caller may see."
)
class Query(GigQuery, ApplicationQuery, ContractQuery, ProfileQuery, SkillQuery, JobQuery, RateLimitQuery):
    viewer: UserType | None = strawberry.field(
        resolver=viewer, description="Your account; null for an anonymous caller."
    )
    node: Node | None = strawberry.field(
        resolver=node, description="Anything by its id; null if there is none or you may not see it."
    )
    nodes: list[Node | None] = strawberry.field(
        resolver=nodes,
        description="Several things by their ids, in the order of the ids; null as with `node`.",
    )


class Schema(strawberry.Schema):
    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Nothing: `execution.describe` answers every error and logs the faults, once, with the request id."""


def build_schema(extensions: Sequence[Any] = ()) -> strawberry.Schema:
    mutation = create_type(
        "Mutation", MUTATIONS, description="What can be done. One mutation is one transaction."
    )
    return Schema(
        query=Query,
        mutation=mutation,
        # Nothing refers to these by name: nodes are found by id, typed errors stand behind an interface.
        types=[*(spec.type for spec in NODES.values()), *(member for _, member, _ in MEMBERS)],
        extensions=list(extensions),
        config=StrawberryConfig(scalar_map=SCALARS),
    )
