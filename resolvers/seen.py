"""When people were last there, without a write for each of their words: noted in memory, written by one statement now and then.

What a killed process had not written yet is lost: then somebody was there a few seconds later than is known.
"""

from datetime import datetime
from itertools import islice
from uuid import UUID

import sqlalchemy as sa

from models.store.sql import Database

MOST_AT_ONCE = 500


class LastSeen:
    def __init__(self) -> None:
        self._seen: dict[UUID, datetime] = {}

    def note(self, person_id: UUID, *, at: datetime) -> None:
        self._seen[person_id] = at

    def of(self, person_id: UUID) -> datetime | None:
        """What is not written yet."""
        return self._seen.get(person_id)

    async def write(self, db: Database, *, at: datetime) -> None:
        """Write what was noted, of accounts that are not erased; on a failure it is kept for the next time."""
        while self._seen:
            some = list(islice(self._seen.items(), MOST_AT_ONCE))
            async with db.transaction(actor_id=None, at=at) as tx:
                await tx.execute(_WRITE.bindparams(
                    people=[person_id for person_id, _ in some], moments=[moment for _, moment in some]
                ))  # fmt: skip
            for person_id, moment in some:
                if self._seen.get(person_id) == moment:
                    del self._seen[person_id]


# Under a lock of the account, in order of the ids: what is erased meanwhile stays erased, and two workers wait for each other.
_WRITE = sa.text("""
    with people as materialized (
        select id from users where id = any(:people) and status <> 'ERASED' order by id for share
    )
    insert into person_seen (user_id, seen_at)
    select people.id, seen.seen_at from people join unnest(:people, :moments) as seen(id, seen_at) on seen.id = people.id
    order by people.id
    on conflict (user_id) do update set seen_at = greatest(person_seen.seen_at, excluded.seen_at)
""").bindparams(
    sa.bindparam("people", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("moments", type_=sa.ARRAY(sa.DateTime(timezone=True))),
)
