"""Types that refer to each other across modules, by name.

A type checker sees the classes; at run time Strawberry looks them up when the schema is built.
"""

from typing import TYPE_CHECKING, Annotated

import strawberry

if TYPE_CHECKING:
    from schema.applications import ApplicationType
    from schema.contracts import ContractType
    from schema.feedback import FeedbackType
    from schema.gigs import GigType
    from schema.invitations import InvitationType
    from schema.profiles import ClientType, FreelancerType

Gig = Annotated["GigType", strawberry.lazy("schema.gigs")]
Application = Annotated["ApplicationType", strawberry.lazy("schema.applications")]
Contract = Annotated["ContractType", strawberry.lazy("schema.contracts")]
Feedback = Annotated["FeedbackType", strawberry.lazy("schema.feedback")]
Invitation = Annotated["InvitationType", strawberry.lazy("schema.invitations")]
Freelancer = Annotated["FreelancerType", strawberry.lazy("schema.profiles")]
Client = Annotated["ClientType", strawberry.lazy("schema.profiles")]
