"""Whom an answer in a thread is told to: those who follow it, as the projection of the room and their own choices have it."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from models.chat import ChatMessage
from models.store.sql import Transaction
from models.thread import MOST_TOLD


async def followers_told(tx: Transaction, answer: ChatMessage, thread_id: UUID) -> Sequence[UUID]:
    """Members who wrote in the thread before this answer, or chose to follow it, and did not choose otherwise, mute the room, block
    its author or were blocked by them. Of these the `MOST_TOLD` who did so last."""
    rows = await tx.execute(_TOLD.bindparams(
        room_id=answer.sent.room_id, thread_id=thread_id, author_id=answer.sent.author_id, seq=answer.seq, most=MOST_TOLD
    ))  # fmt: skip
    return rows.scalars().all()


_TOLD = sa.text("""
    select follower.user_id
    from (
        select user_id, max(at) as last_at
        from (
            select author_id as user_id, sent_at as at from room_message
            where message_id = :thread_id and not is_deleted
            union all
            select author_id, sent_at from room_message
            where thread_id = :thread_id and seq < :seq and not is_deleted
            union all
            select user_id, set_at from thread_follow where thread_id = :thread_id and is_on
        ) as part
        group by user_id
    ) as follower
    join room_member on room_member.room_id = :room_id and room_member.user_id = follower.user_id
    where room_member.left_at is null and not room_member.is_muted
      and follower.user_id <> :author_id
      and not exists (
          select from thread_follow
          where user_id = follower.user_id and thread_id = :thread_id and not is_on
      )
      and not exists (
          select from person_block
          where (blocker_id = follower.user_id and blocked_id = :author_id)
             or (blocker_id = :author_id and blocked_id = follower.user_id)
      )
    order by follower.last_at desc, follower.user_id
    limit :most
""").bindparams(
    sa.bindparam("room_id", type_=sa.Uuid),
    sa.bindparam("thread_id", type_=sa.Uuid),
    sa.bindparam("author_id", type_=sa.Uuid),
    sa.bindparam("seq", type_=sa.BigInteger),
    sa.bindparam("most", type_=sa.Integer),
)
