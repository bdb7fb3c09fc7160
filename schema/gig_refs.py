"""Names of types that refer to each other across modules."""

from typing import Annotated

import strawberry

Gig = Annotated["GigType", strawberry.lazy("schema.gigs")]
Application = Annotated["ApplicationType", strawberry.lazy("schema.applications")]
Contract = Annotated["ContractType", strawberry.lazy("schema.contracts")]
Feedback = Annotated["FeedbackType", strawberry.lazy("schema.feedback")]
Activity = Annotated["ActivityType", strawberry.lazy("schema.activity")]
Invitation = Annotated["InvitationType", strawberry.lazy("schema.invitations")]
