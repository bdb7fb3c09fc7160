"""Counting in PostgreSQL, whatever the number of processes: all of an act's tokens, or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from models.pace import Bucket
from models.store.chat_sql import Statements


@dataclass(frozen=True, slots=True)
class Empty:
    """A bucket without a token, and when it has one."""

    bucket: Bucket
    retry_at: datetime


async def take(
    statements: Statements, buckets: Sequence[Bucket], act_id: UUID, *, at: datetime
) -> Empty | None:
    """Take a token from each, unless one of them has none: that one then, and nothing is taken.

    An act that took the last token of a bucket has it, and takes none when it is repeated. Raises `StoreAway`.
    """
    # In one order, so that two acts wait for each other instead of both for ever.
    buckets = sorted(buckets, key=lambda bucket: (bucket.kind, bucket.room_id, bucket.user_id))
    if not buckets:
        return None
    names = (
        [bucket.kind.value for bucket in buckets],
        [bucket.room_id for bucket in buckets],
        [bucket.user_id for bucket in buckets],
    )
    every = [bucket.every_s for bucket in buckets]
    spare = [(bucket.burst - 1) * bucket.every_s for bucket in buckets]
    rows = await statements.fetch(_TAKE, *names, every, spare, at, act_id)
    taken = {(row["kind"], row["room_id"], row["user_id"]): row["is_new"] for row in rows}
    missing = [bucket for bucket in buckets if _name(bucket) not in taken]
    if not missing:
        return None
    # What others took since then stays taken: the moment is moved back, not set.
    back = [bucket for bucket in buckets if taken.get(_name(bucket))]
    full_at = {
        (row["kind"], row["room_id"], row["user_id"]): row["full_at"]
        for row in await statements.fetch(
            _GIVE_BACK,
            *names,
            [bucket.every_s if bucket in back else 0.0 for bucket in buckets],
            act_id,
        )
    }
    return max(
        (_empty(bucket, full_at.get(_name(bucket), at), at=at) for bucket in missing),
        key=lambda empty: empty.retry_at,
    )


async def forget_full(statements: Statements, *, before: datetime) -> int:
    """Delete what says nothing any more; how many rows."""
    return len(await statements.fetch(_FORGET, before))


def _name(bucket: Bucket) -> tuple[str, UUID, UUID]:
    return bucket.kind.value, bucket.room_id, bucket.user_id


def _empty(bucket: Bucket, full_at: datetime, *, at: datetime) -> Empty:
    has_one_at = full_at - timedelta(seconds=(bucket.burst - 1) * bucket.every_s)
    return Empty(bucket, max(has_one_at, at))


_TAKE = """
    insert into chat_pace as p (kind, room_id, user_id, full_at, act_id)
    select a.kind, a.room_id, a.user_id, cast($6 as timestamptz) + make_interval(secs => a.every_s), cast($7 as uuid)
    from unnest(cast($1 as text[]), cast($2 as uuid[]), cast($3 as uuid[]), cast($4 as float8[]))
        as a(kind, room_id, user_id, every_s)
    order by 1, 2, 3
    on conflict (kind, room_id, user_id) do update
    set act_id = excluded.act_id,
        full_at = case when p.act_id = excluded.act_id then p.full_at
                       else greatest(p.full_at, $6) + (excluded.full_at - $6) end
    where p.act_id = excluded.act_id or p.full_at <= cast($6 as timestamptz) + make_interval(secs => (
        select s.spare_s from unnest(cast($1 as text[]), cast($2 as uuid[]), cast($3 as uuid[]), cast($5 as float8[]))
            as s(kind, room_id, user_id, spare_s)
        where s.kind = p.kind and s.room_id = p.room_id and s.user_id = p.user_id))
    returning p.kind, p.room_id, p.user_id, old.act_id is distinct from new.act_id as is_new
"""
_GIVE_BACK = """
    update chat_pace p
    set full_at = p.full_at - make_interval(secs => a.every_s),
        act_id = case when a.every_s > 0 and p.act_id = $5 then null else p.act_id end
    from unnest(cast($1 as text[]), cast($2 as uuid[]), cast($3 as uuid[]), cast($4 as float8[]))
        as a(kind, room_id, user_id, every_s)
    where p.kind = a.kind and p.room_id = a.room_id and p.user_id = a.user_id
    returning p.kind, p.room_id, p.user_id, p.full_at
"""
_FORGET = """
    delete from chat_pace where ctid = any(array(
        select ctid from chat_pace where full_at < $1 limit 1000 for update skip locked)) returning 1
"""
