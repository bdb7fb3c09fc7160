"""The index that recommendations come from: where it stands, and how it is built and kept.

Each serving process has its own, in a process beside it. It is built in the background from the tables, then follows the
stream `market` (subscriptions/market.py). What it answers are proposals: who asks applies today's scopes to them in SQL. When it is not there, that is an answer of its own, for callers and for /health.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.gig import Gig
from models.gig_workflow import GigStatus
from models.profile import FreelancerProfile
from models.store.sql import Database
from models.vocabulary import Vocabulary
from ranking.answers import Status
from ranking.placing import Exposure
from resolvers.market_documents import (
    main_currency,
    on_the_market,
    read_gigs,
    read_people,
    read_taxonomy,
)
from resolvers.outcomes import in_pages, read_answered_gigs, read_steps, read_tagged
from resolvers.ranking_process import (
    ProcessBusy,
    ProcessLost,
    QuestionFailed,
    RankingProcess,
    arguments_of,
)
from resolvers.recommendation_log import RecommendationLog

PAGE = 200


class RecommendationState(Vocabulary):
    """Whether there is an index to recommend from."""

    READY = "READY", "Everything on the market can be recommended."
    BUILDING = (
        "BUILDING",
        "It is being built, as after a start: ask again in a moment. Nothing is recommended meanwhile.",
    )
    UNAVAILABLE = "UNAVAILABLE", "It is not there, and comes back by itself."
    BUSY = "BUSY", "Too many ask at once: ask again in a moment."
    NOT_FOR_YOU = "NOT_FOR_YOU", "These are for others: freelancers, or whoever posted the gig."


class NotReady(Exception):
    """There is no answer now; `state` says why."""

    def __init__(self, state: RecommendationState) -> None:
        super().__init__(state)
        self.state = state


class Recommender:
    """`artifacts` is where trained models are, and vectors are kept; `embeds`: whether meanings are computed at all."""

    def __init__(self, *, artifacts: Path | None = None, embeds: bool = True) -> None:
        self.is_on = True
        """Whether this process keeps an index at all."""
        self.state = RecommendationState.UNAVAILABLE
        self.problem: str | None = None
        """The class of the error that took the index away last; None while it is there or on its way."""
        self.starts = 0
        self.log = RecommendationLog()
        self.exposure = Exposure()
        """How often whom this process showed in first places."""
        self.currency = ""
        self.skills: dict[str, UUID] = {}
        """Skills in use by name: ranking speaks of names."""
        self.status: Status | None = None
        self.on_doubt: Callable[[], None] | None = None
        """Called when an answer named what is no longer on the market."""
        self._artifacts = artifacts
        self._embeds = embeds
        self._process: RankingProcess | None = None
        self._teams: RankingProcess | None = None
        self._starting_teams = asyncio.Lock()
        self._loaded = self._to_load = 0
        self._doubted: set[UUID] = set()

    @property
    def progress(self) -> float:
        """How much of the market is loaded, 0 to 1."""
        if self.state is RecommendationState.READY:
            return 1.0
        return min(1.0, self._loaded / self._to_load) if self._to_load else 0.0

    def report(self) -> dict[str, Any]:
        """For /health."""
        found: dict[str, Any] = {
            "state": self.state.value if self.is_on else "OFF",
            "progress": round(self.progress, 3),
            "starts": self.starts,
            "problem": self.problem,
            "listsDropped": self.log.dropped,
        }
        if (status := self.status) is not None:
            found |= {
                "gigs": status.gigs, "people": status.people, "pastGigs": status.past_gigs, "vectors": status.vectors,
                "vectorsRecalled": status.recalled,
                "documents": status.documents, "basis": status.basis, "modelVersion": status.version,
                "memoryMb": status.memory_mb,
            }  # fmt: skip
        return found

    # -- asking --------------------------------------------------------------------------------------------------------

    async def ask(self, method: str, *arguments: Any) -> Any:
        """What the index answers. Raises `NotReady`."""
        if self._process is None or self.state is not RecommendationState.READY:
            raise NotReady(self.state)
        try:
            return await self._process.ask(method, *arguments)
        except (ProcessBusy, ProcessLost, QuestionFailed) as error:
            raise NotReady(_state_of(error)) from error

    async def ask_for_teams(self, *arguments: Any) -> Any:
        """In a process of its own, started when first asked: a team may take a second, and nobody's list shall wait for it.

        Raises `NotReady`.
        """
        try:
            async with self._starting_teams:
                if self._teams is None or self._teams.ended.is_set():
                    self._teams = await RankingProcess.start("--lexical")
            return await self._teams.ask("teams", *arguments)
        except (ProcessBusy, ProcessLost, QuestionFailed, OSError) as error:
            raise NotReady(_state_of(error)) from error

    def doubt(self, gig_ids: Collection[UUID]) -> None:
        """These were answered and are not on the market: they are looked at again."""
        if gig_ids and self.state is RecommendationState.READY:
            self._doubted.update(gig_ids)
            if self.on_doubt is not None:
                self.on_doubt()

    # -- keeping -------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def started(self) -> AsyncIterator[RankingProcess]:
        """A process without any documents; the index is lost with the block, whatever ends it."""
        self.starts += 1
        self._loaded = self._to_load = 0
        self.state = RecommendationState.BUILDING
        process = self._process = await RankingProcess.start(*arguments_of(embeds=self._embeds))
        try:
            yield process
        finally:
            self.state, self._process, self.status = RecommendationState.UNAVAILABLE, None, None
            await process.close()

    async def build(self, db: Database) -> None:
        """Load everything on the market, page after page. What changes meanwhile has to be refreshed afterwards."""
        process = self._started()
        self.currency = await main_currency(db)
        taxonomy = await read_taxonomy(db)
        self.skills = {name: id for id, name, _ in taxonomy}
        kept = None if self._artifacts is None else str(self._artifacts)
        await process.ask("begin", [(name, others) for _, name, others in taxonomy], kept, patience_s=None)
        self._to_load = (await db.fetch(_HOW_MANY))[0][0]
        await self._load_gigs(db, process)
        await self._load_people(db, process)
        await self._tell_past(db, process)
        await process.ask("settle", kept, patience_s=None)
        self.status = await process.ask("status", patience_s=None)
        self.state, self.problem = RecommendationState.READY, None

    async def refresh(self, db: Database, gig_ids: Collection[UUID], person_ids: Collection[UUID]) -> None:
        """Bring these up to date, and whatever was doubted. Raises `ProcessLost`."""
        process = self._started()
        doubted, self._doubted = self._doubted, set()
        gone_gigs, gone_people = {*gig_ids, *doubted}, set(person_ids)
        gigs, people = [], []
        if gone_people:
            # They may have been suspended, or come back.
            theirs = col(Gig.client_id).in_(gone_people) & (col(Gig.status) == GigStatus.OPEN)
            gone_gigs |= {row.id for row in await db.fetch(sa.select(col(Gig.id)).where(theirs))}
        if gone_gigs:
            found = await read_gigs(db, col(Gig.id).in_(gone_gigs), on_the_market(), currency=self.currency)
            gigs = [gig.document for gig in found]
            gone_gigs -= {gig.id for gig in found}
        if gone_people:
            people = await read_people(
                db, col(FreelancerProfile.user_id).in_(gone_people), currency=self.currency
            )
            gone_people -= {UUID(person.id) for person in people}
        if gigs or people or gone_gigs or gone_people:
            gone = [[str(id) for id in ids] for ids in (gone_gigs, gone_people)]
            await process.ask("change", gigs, gone[0], people, gone[1], patience_s=None)

    async def look(self) -> None:
        """Ask the process how it is, for /health."""
        if self._process is not None and self.state is RecommendationState.READY:
            with contextlib.suppress(ProcessBusy, ProcessLost):
                self.status = await self._process.ask("status")

    async def remember(self, db: Database) -> None:
        """Tell it what became of gigs by now."""
        if self._process is not None and self.state is RecommendationState.READY:
            with contextlib.suppress(ProcessLost):
                await self._tell_past(db, self._process)

    async def close(self) -> None:
        """End the process for teams, too."""
        if self._teams is not None:
            await self._teams.close()
            self._teams = None

    def _started(self) -> RankingProcess:
        if self._process is None or self._process.ended.is_set():
            raise ProcessLost
        return self._process

    async def _tell_past(self, db: Database, process: RankingProcess) -> None:
        """What training learns from, but for what was only shown: nothing follows from that for whoever serves."""
        await process.ask("listen", patience_s=None)
        async for gigs in in_pages(read_answered_gigs(db)):
            await process.ask("hear", gigs, [], patience_s=None)
        async for steps in in_pages(read_steps(db)):
            await process.ask("hear", [], steps, patience_s=None)
        tagged = await read_tagged(db)
        for start in range(0, len(tagged), PAGE):
            await process.ask("hear_tagged", tagged[start : start + PAGE], patience_s=None)
        await process.ask("remember", patience_s=None)

    async def _load_gigs(self, db: Database, process: RankingProcess) -> None:
        last: UUID | None = None
        while True:
            after = sa.true() if last is None else col(Gig.id) > last
            page = await read_gigs(db, on_the_market(), after, currency=self.currency, limit=PAGE)
            if not page:
                return
            await process.ask("load", [gig.document for gig in page], [], patience_s=None)
            self._loaded += len(page)
            last = page[-1].id

    async def _load_people(self, db: Database, process: RankingProcess) -> None:
        last: UUID | None = None
        while True:
            after = sa.true() if last is None else col(FreelancerProfile.user_id) > last
            page = await read_people(db, after, currency=self.currency, limit=PAGE)
            if not page:
                return
            await process.ask("load", [], page, patience_s=None)
            self._loaded += len(page)
            last = UUID(page[-1].id)


def _state_of(error: Exception) -> RecommendationState:
    is_busy = isinstance(error, ProcessBusy)
    return RecommendationState.BUSY if is_busy else RecommendationState.UNAVAILABLE


_HOW_MANY: sa.Executable = sa.select(
    sa.select(sa.func.count()).select_from(Gig).where(on_the_market()).scalar_subquery()
    + sa.select(sa.func.count()).select_from(FreelancerProfile).scalar_subquery()
)
