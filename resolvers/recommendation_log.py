"""Lists that were made, and what was shown of them: kept in memory for paging, written by the way.

Writing never keeps a reader waiting. What cannot be written is kept, up to a limit; beyond that the oldest is dropped, counted,
and told by /health.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from models.recommendation import RecommendationList, RecommendationShown
from models.store.sql import Database

KEPT_LISTS = 2_000
"""Lists for whose next page nobody has to ask the database: some 20 MB at most."""
MOST_UNWRITTEN = 20_000
AT_ONCE = 500
JUST_MADE_S = 5
"""A list that another process made so lately may still be on its way to the database."""
WAITS_S = 1.0
_ASK_AGAIN_S = 0.05


class RecommendationLog:
    def __init__(self, *, most_unwritten: int = MOST_UNWRITTEN) -> None:
        self._most_unwritten = most_unwritten
        self.dropped = 0
        """Lists and places shown that were never written."""
        self._lists: OrderedDict[UUID, RecommendationList] = OrderedDict()
        self._unwritten: deque[tuple[type[Any], dict[str, Any]]] = deque()

    def made(self, row: RecommendationList) -> None:
        self._lists[row.id] = row
        if len(self._lists) > KEPT_LISTS:
            self._lists.popitem(last=False)
        self._note(RecommendationList, row.model_dump())

    def shown(self, list_id: UUID, places: Sequence[tuple[int, UUID, int]], *, at: datetime) -> None:
        """Places are positions with subject and points."""
        for position, subject_id, points in places:
            self._note(
                RecommendationShown,
                {
                    "list_id": list_id,
                    "position": position,
                    "subject_id": subject_id,
                    "points": points,
                    "shown_at": at,
                },
            )

    async def find(self, db: Database, list_id: UUID, *, now: datetime) -> RecommendationList | None:
        """A list of this process, or of another one; None when it is not kept."""
        if (known := self._lists.get(list_id)) is not None:
            return known
        made_s = (list_id.int >> 80) / 1000  # as a UUIDv7 says
        waits = now.timestamp() - made_s < JUST_MADE_S
        for _ in range(int(WAITS_S / _ASK_AGAIN_S) if waits else 1):
            rows = await db.fetch(_LIST.where(col(RecommendationList.id) == list_id))
            if rows:
                return RecommendationList(**rows[0]._mapping)
            if waits:
                await asyncio.sleep(_ASK_AGAIN_S)
        return None

    async def write(self, db: Database, *, at: datetime) -> None:
        """Write everything; on a failure it is kept for the next time."""
        while self._unwritten:
            taken = [self._unwritten.popleft() for _ in range(min(AT_ONCE, len(self._unwritten)))]
            try:
                async with db.transaction(actor_id=None, at=at) as tx:
                    for model in (RecommendationList, RecommendationShown):
                        rows = [values for kind, values in taken if kind is model]
                        if rows:
                            await tx.execute(insert(model).on_conflict_do_nothing(), rows)
            except BaseException:
                self._unwritten.extendleft(reversed(taken))
                raise

    def _note(self, model: type[Any], values: dict[str, Any]) -> None:
        if len(self._unwritten) >= self._most_unwritten:
            self._unwritten.popleft()
            self.dropped += 1
        self._unwritten.append((model, values))


_LIST = sa.select(*sa.inspect(RecommendationList).columns)
