"""Things of ours that messages name, shown with them."""

from collections.abc import Sequence

import strawberry

from models.ids import encode_id
from models.message_previews import Named, PreviewKind
from resolvers import message_previews
from resolvers.message_previews import Preview
from resolvers.operation import Operation
from schema.words import words
from schema.work_words import ApplicationStatus, ContractStatus, GigStatus

words(PreviewKind)


@strawberry.type(
    description="Something of ours that a message names by its id, alone or in a link, as it is now."
)
class MessagePreview:
    id: strawberry.ID = strawberry.field(description="Its id, for `node`.")
    kind: PreviewKind = strawberry.field(description="What it is.")
    title: str = strawberry.field(description="What it is called.")
    excerpt: str | None = strawberry.field(
        description="How its description begins, at most 200 characters; null without one."
    )
    gig_status: GigStatus | None = strawberry.field(description="Where a gig stands; null for others.")
    application_status: ApplicationStatus | None = strawberry.field(
        description="What became of an application; null for others."
    )
    contract_status: ContractStatus | None = strawberry.field(
        description="Where the work of a contract is; null for others."
    )


async def previews(
    op: Operation, keys: Sequence[tuple[Named, ...]]
) -> dict[Sequence[Named], list[MessagePreview]]:
    found = await message_previews.previews_of(op, keys)
    return {named: [_shown(preview) for preview in some] for named, some in found.items()}


def _shown(preview: Preview) -> MessagePreview:
    kind, status = preview.kind, preview.status
    return MessagePreview(
        id=strawberry.ID(encode_id(kind.value.lower(), preview.id)),
        kind=kind,
        title=preview.title,
        excerpt=preview.excerpt,
        gig_status=GigStatus(status) if status and kind is PreviewKind.GIG else None,
        application_status=ApplicationStatus(status) if status and kind is PreviewKind.APPLICATION else None,
        contract_status=ContractStatus(status) if status and kind is PreviewKind.CONTRACT else None,
    )
