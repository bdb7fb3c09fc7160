"""Whom an answer in a thread is told to: those who follow it, as the projection of the room and their own choices have it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from models.store.sql import Transaction
from models.thread import MOST_TOLD


@dataclass(frozen=True, slots=True)
class ThreadAnswer:
    """A message in a thread; `seq` is its number."""

    message_id: UUID
    thread_id: UUID
    author_id: UUID
    seq: int


async def followers_told(
    tx: Transaction, room_id: UUID, answers: Sequence[ThreadAnswer]
) -> dict[UUID, list[UUID]]:
    """Who is told of each: members who wrote before it, or chose to follow, and did not choose otherwise, mute the room, block
    its author or were blocked by them. Of these those who did so last, at most `MOST_TOLD`."""
    if not answers:
        return {}
    rows = await tx.execute(_TOLD.bindparams(
        room_id=room_id,
        most=MOST_TOLD,
        messages=[answer.message_id for answer in answers],
        threads=[answer.thread_id for answer in answers],
        authors=[answer.author_id for answer in answers],
        numbers=[answer.seq for answer in answers],
    ))  # fmt: skip
    told: dict[UUID, list[UUID]] = {}
    for row in rows:
        told.setdefault(row.message_id, []).append(row.user_id)
    return told


_TOLD = sa.text("""
    select answer.message_id, follower.user_id
    from unnest(:messages, :threads, :authors, :numbers) as answer(message_id, thread_id, author_id, seq)
    cross join lateral (
        select taking_part.user_id
        from (
            select user_id, max(at) as last_at
            from (
                select author_id as user_id, sent_at as at from room_message
                where message_id = answer.thread_id and not is_deleted
                union all
                select author_id, sent_at from room_message
                where thread_id = answer.thread_id and seq < answer.seq and not is_deleted
                union all
                select user_id, set_at from thread_follow where thread_id = answer.thread_id and is_on
            ) as part
            group by user_id
        ) as taking_part
        join room_member on room_member.room_id = :room_id and room_member.user_id = taking_part.user_id
        where room_member.left_at is null and not room_member.is_muted
          and taking_part.user_id <> answer.author_id
          and not exists (
              select from thread_follow
              where user_id = taking_part.user_id and thread_id = answer.thread_id and not is_on
          )
          and not exists (
              select from person_block
              where (blocker_id = taking_part.user_id and blocked_id = answer.author_id)
                 or (blocker_id = answer.author_id and blocked_id = taking_part.user_id)
          )
        order by taking_part.last_at desc, taking_part.user_id
        limit :most
    ) as follower
    order by answer.seq, follower.user_id
""").bindparams(
    sa.bindparam("room_id", type_=sa.Uuid),
    sa.bindparam("most", type_=sa.Integer),
    sa.bindparam("messages", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("threads", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("authors", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("numbers", type_=sa.ARRAY(sa.BigInteger)),
)
