"""`ranking train` and `ranking rollback` as an operator runs them on a database, and a server that takes up what they did."""

import asyncio
import itertools
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col

from auth.viewer import Viewer
from models.application import Application, ApplicationStatus
from models.contract import Contract, ContractStatus
from models.feedback import AXES, Feedback, FeedbackSide
from models.gig import BudgetKind, Gig, GigSkill, GigVisibility, SkillNeed
from models.gig_workflow import GigStatus
from models.ids import encode_id, new_id
from ranking import artifacts
from ranking.embedding import installed_encoder
from ranking.experience import Experience, vectors_of
from ranking.known_vectors import KnownVectors
from ranking.learning import Learned
from ranking.matching import Matcher, Model
from resolvers.market_documents import read_gigs, read_people
from resolvers.outcomes import read_past
from resolvers.recommender import Recommender
from tests.markets import Market, until
from tests.ranking.market import CRAFTS, TEXTS
from tests.wire.server import serving_services
from tests.world import World

CHECKOUT = Path(__file__).resolve().parents[2]
DAY = timedelta(days=1)
SKILLS = dict(
    zip(
        itertools.chain.from_iterable(CRAFTS.values()),
        ("react", "css", "typescript", "sql", "python", "pandas", "indesign", "typography", "latex"),
        strict=True,
    )
)


def user_id_of(viewer: Viewer) -> UUID:
    assert viewer.user_id is not None
    return viewer.user_id


@dataclass
class History:
    """A market of three crafts, written into the tables: the eager apply for nearly everything and are never chosen.

    Of the three of a gig's craft, the first or (`is_last`) the last of those who apply is chosen, which is there to be learnt.
    """

    world: World
    client: Viewer
    client_id: UUID
    people: dict[str, UUID]
    skills: dict[str, UUID]
    gigs: int = 0
    random: Random = field(default_factory=lambda: Random(3))

    @classmethod
    async def of(cls, world: World) -> "History":
        names = [*(f"eager{n}" for n in range(8)), *(f"p{n}" for n in range(9))]
        people = {name: user_id_of(await world.freelancer(name)) for name in names}
        skills = {name: await world.skill(known) for name, known in SKILLS.items()}
        client = await world.client()
        return cls(world, client, user_id_of(client), people, skills)

    async def follow(self, count: int, *, is_last: bool) -> None:
        rows: dict[type[Any], list[dict[str, Any]]] = {}
        for _ in range(count):
            for row in self._steps(is_last):
                rows.setdefault(type(row), []).append(row.model_dump(exclude={"number", "search"}))
        async with self.world.services.db.transaction(actor_id=None, at=self.world.clock()) as tx:
            for model in (Gig, GigSkill, Application, Contract, Feedback):
                await tx.execute(sa.insert(model), rows[model])

    def _steps(self, is_last: bool) -> Sequence[Any]:
        random, self.gigs = self.random, self.gigs + 1
        at = self.world.clock() - 900 * DAY + self.gigs * DAY
        craft = random.choice(list(CRAFTS))
        own = [f"p{3 * list(CRAFTS).index(craft) + n}" for n in range(3) if random.random() < 0.7]
        chosen = own[-1 if is_last else 0] if own else None
        gig = Gig(
            id=new_id(), client_id=self.client_id, title=f"{craft} work {self.gigs}",
            description=" ".join(random.sample(TEXTS[craft].split(), 3)), budget_kind=BudgetKind.FIXED,
            budget_min_minor=100, budget_max_minor=200, currency="EUR", deadline=at + 5 * DAY, expected_days=9,
            wanted=1, hired=int(chosen is not None), visibility=GigVisibility.PUBLIC,
            status=GigStatus.COMPLETED if chosen else GigStatus.EXPIRED, created_at=at, published_at=at, listed_at=at,
            updated_at=at, version=1,
        )  # fmt: skip
        rows: list[Any] = [gig]
        for position, skill in enumerate(random.sample(CRAFTS[craft], 2)):
            need = SkillNeed.REQUIRED
            rows.append(
                GigSkill(gig_id=gig.id, skill_id=self.skills[skill], need=need, weight=3, position=position)
            )
        for name in [*(f"eager{n}" for n in range(8) if random.random() < 0.9), *own]:
            rows += self._application(gig, name, is_chosen=name == chosen)
        return rows

    def _application(self, gig: Gig, name: str, *, is_chosen: bool) -> list[Any]:
        at, person = gig.listed_at + self.random.random() * DAY, self.people[name]
        status = ApplicationStatus.ACCEPTED if is_chosen else ApplicationStatus.SUBMITTED
        both: dict[str, Any] = {"gig_id": gig.id, "client_id": gig.client_id, "freelancer_id": person}
        terms: dict[str, Any] = {"price_minor": 150, "currency": "EUR", "version": 1, "updated_at": at}
        application = Application(
            id=new_id(), status=status, cover_letter="Me.", duration_days=9, submitted_at=at, **both, **terms
        )
        if not is_chosen:
            return [application]
        contract = Contract(
            id=new_id(), application_id=application.id, status=ContractStatus.COMPLETED, started_at=at + DAY,
            over_at=at + 9 * DAY, **both, **terms,
        )  # fmt: skip
        axes: dict[str, Any] = dict.fromkeys(AXES, self.random.choice((2, 5)))
        feedback = Feedback(
            id=new_id(), contract_id=contract.id, gig_id=gig.id, author_id=gig.client_id, subject_id=person,
            side=FeedbackSide.OF_FREELANCER, comment="So it was.", given_at=at + 19 * DAY, revealed_at=at + 20 * DAY,
            **axes,
        )  # fmt: skip
        return [application, contract, feedback]


async def command(*words: str, url: str, local: Path) -> tuple[int, str]:
    """The exit code and what was said."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    variables = {"DATABASE_URL": url, "LOCAL_DIRECTORY": str(local), "DEMO_WORLD": "0", "DATABASE_POOL": "2"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "app.py", "ranking", *words, cwd=CHECKOUT, env=kept | variables,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.long
async def test_what_is_trained_here_is_served_and_what_was_comes_back(
    empty_world: World, empty_database_url: str, tmp_path: Path
) -> None:
    root = tmp_path / "ranking"
    installed = installed_encoder()
    assert installed is not None
    encoder = KnownVectors(installed)
    services = replace(empty_world.services, recommender=Recommender(artifacts=root))
    world = World(services, empty_world.clock, empty_world.schema)
    history, market = await History.of(world), Market(world)
    await history.follow(300, is_last=True)
    gig_id = await market.gig(history.client, "react", "css", title="web work", description="browser page")

    async with serving_services(services, tmp_path, background=True, RECOMMENDATIONS="1") as door:

        async def report() -> dict[str, Any]:
            return dict((await door.get("/health/ready")).json()["recommendations"])

        async def served() -> dict[str, tuple[int, str, str]]:
            nodes = (await market.candidates(history.client, gig_id, first=20))["nodes"]
            assert all(node["score"] == sum(part["points"] for part in node["parts"]) for node in nodes)
            return {
                node["freelancer"]["id"]: (node["score"], node["basis"], node["modelVersion"])
                for node in nodes
            }

        async def expected(version: str) -> dict[str, tuple[int, str, str]]:
            """The scores as the files of the version say, by what training reads of the past."""
            past = await read_past(services.db)
            experience = Experience(past, vectors_of([each.gig for each in past], encoder))
            matcher = Matcher(
                encoder, model=Model(version, experience, Learned(artifacts.read(root, version).trees))
            )
            (gig,) = await read_gigs(services.db, col(Gig.id) == gig_id, currency="EUR")
            fits = {
                person.id: matcher.fit(gig.document, person)
                for person in await read_people(services.db, currency="EUR")
            }
            return {
                encode_id("freelancer", UUID(id)): (fit.score.points, "LEARNED", version)
                for id, fit in fits.items()
            }

        async def run(*words: str) -> tuple[str, str]:
            """The version in use afterwards, which the server has taken up, and what was said."""
            code, said = await command(*words, url=empty_database_url, local=tmp_path)
            assert code == 0, said
            version = artifacts.current(root)
            assert version is not None and f"{version} is in use" in said

            async def is_taken_up() -> bool:
                told = await report()
                return (told.get("modelVersion"), told.get("basis")) == (version, "LEARNED")

            await until(is_taken_up, seconds=60)
            return version, said

        async def is_by_meaning() -> bool:
            return (await report()).get("basis") == "HYBRID"

        await until(is_by_meaning, seconds=120)
        before = await served()
        first, said = await run("train")
        by_first = await served()
        assert by_first == await expected(first)
        await history.follow(300, is_last=False)
        await services.recommender.remember(services.db)
        second, _ = await run("train")
        by_second = await served()
        assert by_second == await expected(second)
        back, _ = await run("rollback")
        by_back = await served()
        assert by_back == await expected(first)

    assert "Read 300 gigs with " in said and "learned, on the last" in said
    assert len(before) == 17 and {each[1:] for each in before.values()} == {("HYBRID", "blend-1")}
    assert first < second and back == first
    assert by_back != by_second
