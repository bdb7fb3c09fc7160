"""The one schema: all root fields, put together."""

from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import create_type
from strawberry.types.field import StrawberryField

from schema import (
    accounts,
    administration,
    applications,
    board_acts,
    board_presence,
    contracts,
    drafts,
    feedback,
    gig_acts,
    invitations,
    jobs,
    message_acts,
    message_reports,
    notifications,
    person_status,
    profiles,
    recommendation_acts,
    room_acts,
    room_presence,
    scheduled_messages,
    snippet_acts,
    task_acts,
    threads,
)
from schema.accounts import UserType
from schema.administration import AdministrationQuery
from schema.applications import ApplicationQuery
from schema.boards import BoardQuery
from schema.contracts import ContractQuery
from schema.drafts import DraftQuery
from schema.encryption import EncryptionQuery
from schema.events import Subscription
from schema.gig_browsing import GigQuery
from schema.graph import NODES, AnyNode, Own, argument, declare
from schema.jobs import JobQuery
from schema.message_reports import MessageReportQuery
from schema.messages import MessageQuery
from schema.node import Node, key_of_one, keys_of_several
from schema.notifications import NotificationQuery
from schema.payloads import MEMBERS
from schema.profiles import ProfileQuery
from schema.rate_limit import RateLimitQuery
from schema.recommendations import RecommendationQuery
from schema.rooms import RoomQuery
from schema.scalars import SCALARS
from schema.scheduled_messages import ScheduledMessageQuery
from schema.skill_market import SkillMarketQuery
from schema.skills import SkillQuery
from schema.snippets import SnippetQuery
from schema.threads import ThreadQuery

# In order of the alphabet, so that moving a module does not move the snapshot.
MUTATIONS = sorted(
    (
        field
        for module in (
            accounts,
            administration,
            applications,
            board_acts,
            board_presence,
            contracts,
            feedback,
            drafts,
            gig_acts,
            invitations,
            jobs,
            message_acts,
            message_reports,
            notifications,
            person_status,
            profiles,
            room_acts,
            room_presence,
            snippet_acts,
            recommendation_acts,
            scheduled_messages,
            task_acts,
            threads,
        )
        for field in vars(module).values()
        if isinstance(field, StrawberryField)
    ),
    key=lambda field: str(field.python_name),
)


def _own_account() -> Any:
    return declare(Own(), "Your account; null for an anonymous caller.")


def _node() -> Any:
    field = declare(
        AnyNode(key_of_one, is_list=False),
        "Anything by its id; null if there is none or you may not see it.",
    )
    field.arguments = [argument("id", strawberry.ID, "Any id of ours.")]
    return field


def _nodes() -> Any:
    field = declare(
        AnyNode(keys_of_several, is_list=True),
        "Several things by their ids, in the order of the ids; null as with `node`.",
    )
    field.arguments = [argument("ids", list[strawberry.ID], "At most 100 ids of any types.")]
    return field


@strawberry.type(
    name="Query", description="What can be asked. Everything is scoped to what the caller may see."
)
class Query(
    GigQuery,
    ApplicationQuery,
    ContractQuery,
    BoardQuery,
    RoomQuery,
    MessageQuery,
    ThreadQuery,
    SnippetQuery,
    DraftQuery,
    ScheduledMessageQuery,
    MessageReportQuery,
    ProfileQuery,
    SkillQuery,
    NotificationQuery,
    JobQuery,
    AdministrationQuery,
    EncryptionQuery,
    RecommendationQuery,
    SkillMarketQuery,
    RateLimitQuery,
):
    viewer: UserType | None = _own_account()
    node: Node | None = _node()
    nodes: list[Node | None] = _nodes()


def the_schema() -> dict[str, Any]:
    """What Strawberry's schema is made of."""
    return {
        "query": Query,
        "subscription": Subscription,
        "mutation": create_type(
            "Mutation", MUTATIONS, description="What can be done. One mutation is one transaction."
        ),
        # Nothing refers to these by name: nodes are found by id, typed errors stand behind an interface.
        "types": [*(spec.type for spec in NODES.values()), *(member for _, member, _ in MEMBERS)],
        "config": StrawberryConfig(scalar_map=SCALARS),
    }
