"""What the platform says in rooms: that an application was accepted, that work goes on or is done.

What it owes to say is written with what happened, in one transaction. It is said later, under its own id, so that saying it
twice says it once; a chat store that is away delays it, and nothing else.
"""

from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models.application import ApplicationAccepted
from models.chat import SYSTEM, ChatDraft, ChatKind
from models.chat_cipher import Place
from models.contract import (
    ChangesRequested,
    ContractCompleted,
    ContractEnded,
    ContractMoved,
    ContractPaused,
    ContractProgressReported,
    ContractResumed,
    ContractStarted,
    WorkSubmitted,
)
from models.message import Content
from models.room import Room, RoomNotice
from models.store.compiled import compiled
from models.store.sql import Transaction
from resolvers.operation import Operation

AT_ONCE = 100
_SENTENCES: dict[type, str] = {
    ApplicationAccepted: "The application was accepted.",
    ContractStarted: "The work may begin.",
    ContractProgressReported: "The work is done to {progress_percent} %.",
    WorkSubmitted: "The work was handed in.",
    ChangesRequested: "Changes were requested.",
    ContractCompleted: "The work was approved; the contract is completed.",
    ContractPaused: "The work rests.",
    ContractResumed: "The work goes on.",
    ContractEnded: "The contract was ended early.",
}


async def tell(op: Operation, tx: Transaction, event: ContractMoved | ApplicationAccepted) -> None:
    """Tell a fact, and owe to say it in the room of the contract, or of the application, if there is one."""
    tx.emit(event)
    about: dict[str, Any] = {
        name: str(value)
        for name, value in event.payload().items()
        if name in {"gig_id", "application_id", "contract_id", "progress_percent"} and value is not None
    }
    if isinstance(event, ContractMoved):
        where = col(Room.contract_id) == event.contract_id
    else:
        where = col(Room.application_id) == event.application_id
    text = _SENTENCES[type(event)].format(**about)
    values = {
        "id": sa.literal(op.new_id(), sa.Uuid),
        "room_id": col(Room.id),
        "kind": sa.literal(type(event).__name__),
        "about": sa.literal(about, RoomNotice.__table__.c.about.type),  # type: ignore[attr-defined]
        "text": sa.literal(text),
        "created_at": sa.literal(op.now(), sa.DateTime(timezone=True)),
    }
    await tx.execute(
        sa.insert(RoomNotice).from_select(list(values), sa.select(*values.values()).where(where))
    )


_IS_OWED = col(RoomNotice.said_at).is_(None)
_ANY_OWED = compiled(sa.select(sa.exists().where(_IS_OWED).label("is_any")))


async def say_notices(op: Operation) -> None:
    """Say all that is owed, in the order in which it came. Raises `StoreAway`, `OutcomeUnknown`, `RoomBusy`."""
    (row,) = await op.db.poll(_ANY_OWED)
    while row["is_any"] and await _say_some(op) == AT_ONCE:
        pass


async def _say_some(op: Operation) -> int:
    owed = (
        sa.select(RoomNotice.__table__)  # type: ignore[attr-defined]
        .where(_IS_OWED)
        .order_by(col(RoomNotice.created_at), col(RoomNotice.id))
        .limit(AT_ONCE)
    )
    rows = await op.db.fetch(owed)
    for row in rows:
        content = Content(row.text, notice=(("kind", row.kind), *sorted(row.about.items())))
        place = Place(row.room_id, SYSTEM, row.id, row.id, ChatKind.SENT)
        sealed = await op.services.chat.keys.seal(content.as_bytes, place, at=op.now())
        await op.services.chat.store.append_fact(ChatDraft(
            room_id=row.room_id, id=row.id, kind=ChatKind.SENT, message_id=row.id, author_id=SYSTEM,
            client_id=str(row.id), at=row.created_at, sealed=sealed,
        ))  # fmt: skip
        async with op.db.transaction(actor_id=None, at=op.now()) as tx:
            await tx.execute(
                sa.update(RoomNotice).where(col(RoomNotice.id) == row.id).values(said_at=op.now())
            )
        op.services.chat.tell(row.room_id)
    return len(rows)
