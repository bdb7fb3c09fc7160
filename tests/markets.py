"""Markets for tests of recommendations: a database, and the index of one or several processes over it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from auth.viewer import Viewer
from models.gig import SkillNeed
from models.gig_content import WantedSkill
from models.ids import encode_id
from models.profile import SkillLevel
from resolvers import profiles
from resolvers.operation import Services
from resolvers.profiles import Expertise, Rate
from resolvers.recommender import RecommendationState, Recommender
from subscriptions.broker import Broker, MemoryBroker
from subscriptions.follow import Streams
from subscriptions.market import keep_index
from tests.world import World

FIT = """score parts { name points } matched { isRequired skill { name } evidence { source span { start end } gig { title } } }
    missing { isRequired skill { name } } adjacent { skill { name } missing { name } likeness }
    gains { score skill { name } } basis modelVersion"""
GIGS = f"""query ($first: Int, $after: String, $last: Int, $before: String) {{
    recommendedGigs(first: $first, after: $after, last: $last, before: $before) {{
        state totalCount basis modelVersion pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
        nodes {{ position placedBy gig {{ id title }} {FIT} }}
    }} }}"""
FREELANCERS = f"""query ($id: ID!, $first: Int, $after: String) {{ gig(id: $id) {{ recommendedFreelancers(first: $first, after: $after) {{
        state totalCount pageInfo {{ hasNextPage endCursor }} nodes {{ position placedBy freelancer {{ id name }} {FIT} }} }} }} }}"""


async def until(holds: Callable[[], Awaitable[bool]], *, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def kept_index(services: Services, broker: Broker | None = None) -> AsyncIterator[None]:
    """The index of one process, ready, and kept for as long as the block lasts."""
    streams = Streams(services.db, broker or MemoryBroker())
    services.db.on_facts = streams.committed

    async def sweep() -> None:
        while True:
            await streams.sweep()
            await asyncio.sleep(0.1)

    tasks = [
        asyncio.create_task(streams.run()),
        asyncio.create_task(sweep()),
        asyncio.create_task(keep_index(streams, services.recommender, services.db)),
    ]
    try:
        await until(lambda: is_in_state(services.recommender, RecommendationState.READY), seconds=60)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await services.recommender.close()
        services.db.on_facts = None


async def is_in_state(recommender: Recommender, state: RecommendationState) -> bool:
    return recommender.state is state


@dataclass
class Market:
    """What tests do on a market. All gigs ask for skills that only this test uses, where it matters that nobody else does."""

    world: World

    async def wanted(self, *required: str, nice: tuple[str, ...] = ()) -> tuple[WantedSkill, ...]:
        needs = [
            *((name, SkillNeed.REQUIRED) for name in required),
            *((name, SkillNeed.NICE_TO_HAVE) for name in nice),
        ]
        return tuple([WantedSkill(await self.world.skill(name), need) for name, need in needs])

    async def gig(
        self,
        client: Viewer,
        *required: str,
        nice: tuple[str, ...] = (),
        published: bool = True,
        **content: Any,
    ) -> UUID:
        content["skills"] = await self.wanted(*required, nice=nice)
        return await (self.world.open_gig if published else self.world.draft)(client, **content)

    async def freelancer(
        self,
        *skills: str,
        name: str = "Farid",
        level: SkillLevel = SkillLevel.ADVANCED,
        rate: Rate | None = None,
        **profile: Any,
    ) -> Viewer:
        viewer = await self.world.freelancer(name)
        await self.learn(viewer, *skills, level=level)
        changes = {"rate": rate, **profile}
        await profiles.edit_freelancer(self.world.as_(viewer), changes, expected_version=None)
        return viewer

    async def learn(self, viewer: Viewer, *skills: str, level: SkillLevel = SkillLevel.ADVANCED) -> None:
        """These are all their skills from now on."""
        expertise = [Expertise(await self.world.skill(name), level, 3) for name in skills]
        await profiles.set_expertise(self.world.as_(viewer), expertise, expected_version=None)

    async def recommended(self, viewer: Viewer, **page: Any) -> dict[str, Any]:
        data = await self.world.data(viewer, GIGS, **page)
        return data["recommendedGigs"]  # type: ignore[no-any-return]

    async def candidates(self, viewer: Viewer, gig_id: UUID, **page: Any) -> dict[str, Any]:
        data = await self.world.data(viewer, FREELANCERS, id=encode_id("gig", gig_id), **page)
        return data["gig"]["recommendedFreelancers"]  # type: ignore[no-any-return]

    async def shows(self, viewer: Viewer, gig_id: UUID) -> bool:
        document = "{ recommendedGigs(first: 100) { nodes { gig { id } } } }"
        page = (await self.world.data(viewer, document))["recommendedGigs"]
        return encode_id("gig", gig_id) in [node["gig"]["id"] for node in page["nodes"]]

    async def finds(self, viewer: Viewer, gig_id: UUID, *, seconds: float = 20) -> None:
        """Wait until the gig is recommended."""
        await until(lambda: self.shows(viewer, gig_id), seconds=seconds)


def another_process(world: World, services: Services) -> World:
    """The same database as another process sees it."""
    return World(replace(services, recommender=Recommender(embeds=False)), world.clock, world.schema)
