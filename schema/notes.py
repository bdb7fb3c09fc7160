"""Free texts that belong to an act, as a batched source."""

from collections.abc import Sequence
from uuid import UUID

from resolvers import people
from resolvers.operation import Operation
from schema.scalars import Markdown


async def notes(op: Operation, remark_ids: Sequence[UUID | None]) -> dict[UUID | None, Markdown]:
    """The text of each remark. Who may read it was decided by the scope of the row that refers to it."""
    texts = await people.remarks_of(op, [remark_id for remark_id in remark_ids if remark_id is not None])
    return {remark_id: Markdown(text) for remark_id, text in texts.items()}
