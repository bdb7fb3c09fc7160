"""Free texts beside an act, kept in its transaction."""

from uuid import UUID

from models.remark import Remark
from models.store.sql import Transaction
from resolvers.operation import Operation


async def write_remark(
    op: Operation, tx: Transaction, body: str | None, *, path: str = "note"
) -> UUID | None:
    """Keep the text; its id, or None without a text. Raises `Refusals`."""
    is_given = body is not None and body.strip()
    return await require_remark(op, tx, body or "", path=path) if is_given else None


async def require_remark(op: Operation, tx: Transaction, body: str, *, path: str = "note") -> UUID:
    """Keep the text, which the act cannot do without; its id. Raises `Refusals`."""
    remark = Remark.write(body, author_id=op.viewer.user_id, at=op.now(), path=path)
    tx.add(remark)
    await tx.session.flush()
    return remark.id
