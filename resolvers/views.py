"""View counts without a write on the read path: counted in memory, written by one statement now and then.

What a killed process had not written yet is lost; a view count is an indication, not an account.
"""

from collections import Counter
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from auth.viewer import Viewer
from models.store.sql import Database

_MOST_AT_ONCE = 50_000


class ViewCounter:
    def __init__(self) -> None:
        self._views: Counter[UUID] = Counter()
        self._seen: set[tuple[UUID, UUID]] = set()

    def count(self, gig_id: UUID, viewer: Viewer) -> None:
        """One view; a signed-in person counts once per gig between two writes."""
        if viewer.user_id is not None:
            if (gig_id, viewer.user_id) in self._seen or len(self._seen) >= _MOST_AT_ONCE:
                return
            self._seen.add((gig_id, viewer.user_id))
        if gig_id in self._views or len(self._views) < _MOST_AT_ONCE:
            self._views[gig_id] += 1

    async def write(self, db: Database, *, at: datetime) -> None:
        """Add what was counted to the gigs; on a failure the counts are kept for the next time."""
        if not self._views:
            return
        views, self._views = self._views, Counter()
        seen, self._seen = self._seen, set()
        try:
            async with db.transaction(actor_id=None, at=at) as tx:
                ids = sorted(views)
                # Locked in order of id, so that two workers that write at once cannot block each other.
                await tx.execute(_LOCK.bindparams(ids=ids))
                await tx.execute(_ADD.bindparams(ids=ids, counts=[views[gig_id] for gig_id in ids]))
        except BaseException:
            self._views.update(views)
            self._seen |= seen
            raise


_UUIDS = sa.ARRAY(sa.Uuid)
_LOCK = sa.text("select 1 from gig where id = any(:ids) order by id for no key update").bindparams(
    sa.bindparam("ids", type_=_UUIDS)
)
_ADD = sa.text("""
    update gig set view_count = view_count + seen.count
    from unnest(:ids, cast(:counts as integer[])) as seen(id, count) where gig.id = seen.id
""").bindparams(sa.bindparam("ids", type_=_UUIDS), sa.bindparam("counts", type_=sa.ARRAY(sa.Integer)))
