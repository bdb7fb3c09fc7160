"""How fast people may write in rooms: counted in PostgreSQL before anything is stored.

Nothing is counted of what is refused, and a repeat under the same client id is counted once.
"""

from collections.abc import Sequence
from uuid import UUID, uuid5

from models.pace import Bucket, PaceKind, SlowMode, TooFast
from models.store import chat_pace
from models.store.chat_pace import Empty
from resolvers.operation import Operation


async def take_turn_to_send(op: Operation, room_id: UUID, fact_id: UUID, *, slow_mode_s: int) -> None:
    """`slow_mode_s` is the wait between two messages of one member; 0 for no wait. Raises `SlowMode` and `TooFast`."""
    me = op.viewer.require_user()
    buckets = op.services.rules.chat_paces.buckets(PaceKind.SENT, room_id, me)
    if slow_mode_s:
        buckets.append(Bucket.slow_mode(room_id, me, seconds=slow_mode_s))
    empty = await _take(op, buckets, room_id, fact_id)
    if empty is not None and empty.bucket.kind is PaceKind.SLOW:
        raise SlowMode(seconds=slow_mode_s, retry_at=empty.retry_at)
    if empty is not None:
        raise TooFast(retry_at=empty.retry_at)


async def take_turn_to_react(op: Operation, room_id: UUID, fact_id: UUID) -> None:
    """Raises `TooFast`."""
    me = op.viewer.require_user()
    buckets = op.services.rules.chat_paces.buckets(PaceKind.REACTED, room_id, me)
    empty = await _take(op, buckets, room_id, fact_id)
    if empty is not None:
        raise TooFast(retry_at=empty.retry_at)


async def _take(op: Operation, buckets: Sequence[Bucket], room_id: UUID, fact_id: UUID) -> Empty | None:
    act_id = fact_id if op.act is None else uuid5(room_id, f"{op.viewer.user_id}:{op.act.key}")
    return await chat_pace.take(op.services.chat.keys.statements, buckets, act_id, at=op.now())
