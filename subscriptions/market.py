"""Keeping the index of recommendations: built once, then told what the stream `market` tells, from its place on.

The follower begins before anything is read, so what changes while the index is built is read again afterwards: nothing falls
in between. What a fact says is not taken for the state: the rows are read anew, under the scope of the market.
"""

import asyncio
import logging
from collections.abc import Iterable
from uuid import UUID

from auth.viewer import Viewer
from models.store.sql import Database
from models.user import Role
from resolvers.ranking_process import ProcessLost
from resolvers.recommender import Recommender
from subscriptions.follow import Streams
from subscriptions.log import LoggedFact

MARKET = "market"
RETRY_S = 1.0
_PLATFORM = Viewer(roles=frozenset({Role.ADMIN}))
_log = logging.getLogger("skillsync.ranking")


async def keep_index(streams: Streams, recommender: Recommender, db: Database) -> None:
    """Until cancelled, or the streams stop. Whatever else ends the index, another one is built."""
    while True:
        try:
            await _keep_one(streams, recommender, db)
        except Exception as error:
            recommender.problem = type(error).__name__
            _log.warning("the index of recommendations is lost", exc_info=error)
        else:
            return
        await asyncio.sleep(RETRY_S)


async def _keep_one(streams: Streams, recommender: Recommender, db: Database) -> None:
    """One index, for as long as the stream is told. Raises what else ended it."""
    async with streams.follow(MARKET, _PLATFORM) as follower, recommender.started() as process:
        recommender.on_doubt = process.on_end = follower.nudge
        await recommender.build(db)
        while follower.ended is None:
            facts = await follower.take()
            if process.ended.is_set():
                raise ProcessLost
            await recommender.refresh(db, *_subjects(facts))


def _subjects(facts: Iterable[LoggedFact]) -> tuple[set[UUID], set[UUID]]:
    """The gigs and the people that the facts are about."""
    gigs: set[UUID] = set()
    people: set[UUID] = set()
    for fact in facts:
        if "gig_id" in fact.payload:
            gigs.add(UUID(fact.payload["gig_id"]))
        elif fact.person_id is not None:
            people.add(fact.person_id)
    return gigs, people
