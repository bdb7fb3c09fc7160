"""What people do not want recommended. To keep an eye on a gig, `gigSave`."""

from uuid import UUID

import strawberry

from models.errors import NotFound
from models.ids import decode_id
from models.recommendation import DismissReason
from resolvers import recommendation_feedback
from resolvers.operation import Operation
from schema.gigs import GigType
from schema.graph import entity
from schema.payloads import IDEMPOTENCY, Answer, MutationPayload, Needs, mutation
from schema.words import words

words(DismissReason)


@strawberry.type(description="Answer to a word about recommendations.")
class RecommendationPayload(MutationPayload):
    gig: GigType | None = entity("The gig it is about.")


@strawberry.input(description="Names a recommendation.")
class RecommendationInput:
    gig_id: strawberry.ID = strawberry.field(description="The gig.")
    freelancer_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The freelancer, if they were recommended to you for this gig of yours; absent if the gig was to you.",
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `recommendationDismiss`.")
class RecommendationDismissInput(RecommendationInput):
    reason: DismissReason = strawberry.field(description="Why; the newest counts.")


@strawberry.input(description="Names a client by a gig of theirs.")
class HideClientInput:
    gig_id: strawberry.ID = strawberry.field(description="A gig that they posted.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@mutation(
    RecommendationPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Have a gig not recommended to you any more, or a freelancer not for your gig. NOOP if it was so already, for the "
    "same reason.",
)
async def recommendation_dismiss(op: Operation, input: RecommendationDismissInput) -> Answer:
    return await recommendation_feedback.dismiss(
        op,
        decode_id("gig", input.gig_id, path=("gigId",)),
        freelancer_id=_freelancer(input),
        reason=input.reason,
    )


@mutation(
    RecommendationPayload,
    needs=Needs.SIGNED_IN,
    description="Take a dismissal back; NOOP if there is none.",
)
async def recommendation_restore(op: Operation, input: RecommendationInput) -> Answer:
    gig_id = decode_id("gig", input.gig_id, path=("gigId",))
    return await recommendation_feedback.restore(op, gig_id, freelancer_id=_freelancer(input))


@mutation(
    RecommendationPayload,
    NotFound,
    needs=Needs.FREELANCER,
    description="Have no gigs of this client recommended to you any more; NOOP if it is so already.",
)
async def recommendation_hide_client(op: Operation, input: HideClientInput) -> Answer:
    return await recommendation_feedback.hide_client(op, decode_id("gig", input.gig_id, path=("gigId",)))


@mutation(
    RecommendationPayload,
    NotFound,
    needs=Needs.FREELANCER,
    description="Have gigs of this client recommended to you again; NOOP if you do not hide them.",
)
async def recommendation_unhide_client(op: Operation, input: HideClientInput) -> Answer:
    return await recommendation_feedback.unhide_client(op, decode_id("gig", input.gig_id, path=("gigId",)))


def _freelancer(input: RecommendationInput) -> UUID | None:
    if input.freelancer_id is None:
        return None
    return decode_id("freelancer", input.freelancer_id, path=("freelancerId",))
