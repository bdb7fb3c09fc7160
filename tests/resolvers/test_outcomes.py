"""What became of gigs, as ranking learns from it, and the commands that train."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from app import list_ranking, parse_arguments, roll_ranking_back, train_ranking
from models.contract import EndReason
from models.gig import GigVisibility, SkillNeed
from models.gig_content import WantedSkill
from models.recommendation import RecommendationKind, RecommendationList
from ranking import artifacts
from ranking.artifacts import Artifact, Span
from ranking.desk import Desk
from ranking.documents import Happened, Outcome, Step
from ranking.learning import Training
from resolvers import applications, contracts
from resolvers.feedback import leave_feedback
from resolvers.invitations import invite_freelancer
from resolvers.market_documents import DAY_S
from resolvers.outcomes import (
    in_pages,
    read_answered_gigs,
    read_happened,
    read_past,
    read_shown,
    read_steps,
)
from resolvers.recommendation_log import RecommendationLog
from settings import Settings
from tests.ranking.test_learning import trees
from tests.resolvers.test_feedback import axes
from tests.world import World

HOUR = timedelta(hours=1)


async def test_every_step_is_told_with_its_time(empty_world: World) -> None:
    world = empty_world
    client, closer = await world.client(), await world.freelancer("Closer")

    def now() -> float:
        return world.clock().timestamp() / DAY_S

    begun = now()
    gig_id = await world.open_gig(client, wanted=3)
    application_id = await world.application(closer, gig_id)
    done = await world.hired(client=client, gig_id=gig_id)
    ended = await world.hired(client=client, gig_id=gig_id)
    world.clock.move(HOUR)
    await applications.shortlist_application(world.as_(client), application_id)
    await contracts.submit_work(world.as_(done.freelancer), done.contract_id, note=None)
    await contracts.approve_work(world.as_(client), done.contract_id)
    await contracts.end_contract(world.as_(client), ended.contract_id, reason=EndReason.QUALITY, note=None)
    over = now()
    world.clock.move(HOUR)
    await leave_feedback(world.as_(client), done.contract_id, axes=axes(4), comment="Good.")
    hidden = {each async for each in read_happened(world.services.db)}
    world.clock.move(HOUR)
    await leave_feedback(world.as_(done.freelancer), done.contract_id, axes=axes(1), comment="Bad.")

    told = {each async for each in read_happened(world.services.db)}

    gig, (a, b, c) = str(gig_id), (str(each.user_id) for each in (closer, done.freelancer, ended.freelancer))
    assert hidden == {
        Happened(gig, a, Step.APPLIED, begun),
        Happened(gig, a, Step.SHORTLISTED, over),
        Happened(gig, b, Step.APPLIED, begun),
        Happened(gig, b, Step.ACCEPTED, begun),
        Happened(gig, b, Step.COMPLETED, over),
        Happened(gig, c, Step.APPLIED, begun),
        Happened(gig, c, Step.ACCEPTED, begun),
        Happened(gig, c, Step.ENDED, over),
    }
    assert told - hidden == {Happened(gig, b, Step.RATED, now(), 0.75)}


async def test_what_lists_showed_is_told_once_for_each_gig_and_person(empty_world: World) -> None:
    world = empty_world
    client, shown, applied = await world.client(), await world.freelancer(), await world.freelancer()
    gig_id = await world.open_gig(client)
    await world.application(applied, gig_id)
    assert client.user_id is not None and shown.user_id is not None and applied.user_id is not None
    log, begun = RecommendationLog(), world.clock().timestamp() / DAY_S

    def lists(reader: UUID, of_gig: UUID | None, *subjects: UUID) -> UUID:
        row = RecommendationList(
            id=world.as_(client).new_id(),
            user_id=reader,
            kind=RecommendationKind.FREELANCERS if of_gig else RecommendationKind.GIGS,
            gig_id=of_gig,
            model_version="blend-1",
            basis="LEXICAL",
            made_at=world.clock(),
            subjects=list(subjects),
            points=[50] * len(subjects),
            placed_by=["SCORE"] * len(subjects),
        )
        log.made(row)
        return row.id

    of_client = lists(client.user_id, gig_id, shown.user_id, applied.user_id)
    of_freelancer = lists(shown.user_id, None, gig_id)
    log.shown(of_client, [(1, shown.user_id, 50), (2, applied.user_id, 50)], at=world.clock())
    lists(applied.user_id, None, gig_id)  # never looked at
    world.clock.move(HOUR)
    log.shown(of_freelancer, [(1, gig_id, 50)], at=world.clock())
    await log.write(world.services.db, at=world.clock())

    told = [each async for each in read_shown(world.services.db)]
    (past,) = await read_past(world.services.db)

    gig, one, other = str(gig_id), str(shown.user_id), str(applied.user_id)
    assert told == [Happened(gig, one, Step.SHOWN, begun), Happened(gig, other, Step.SHOWN, begun)]
    assert past.shown == {one, other}
    assert past.outcomes == (Outcome(other, was_chosen=False, worth=1.0, was_done=False),)
    assert [each async for each in read_steps(world.services.db)] == [
        Happened(gig, other, Step.APPLIED, begun)
    ]


async def test_whoever_serves_is_told_the_same_outcomes_as_whoever_trains(empty_world: World) -> None:
    world = empty_world
    client = await world.client()
    for number in range(3):
        await world.completed(client=client, title=f"Work {number}")
    desk = Desk(embeds=False)
    async for gigs in in_pages(read_answered_gigs(world.services.db)):
        desk.hear(gigs, [])
    async for steps in in_pages(read_steps(world.services.db)):
        desk.hear([], steps)
    desk.remember()

    past = await read_past(world.services.db)

    experience = desk._experience
    assert experience is not None and len(past) == 3
    assert [(each.gig, each.outcomes) for each in experience.past] == [(p.gig, p.outcomes) for p in past]


async def test_past_gigs_are_read_in_the_order_of_time_and_those_not_for_everybody_are_marked(
    empty_world: World,
) -> None:
    world = empty_world
    client, freelancer = await world.client(), await world.freelancer()
    await world.open_gig(client, title="Nobody answers")
    hidden = await world.open_gig(client, title="Hidden work", visibility=GigVisibility.INVITE_ONLY)
    assert freelancer.user_id is not None
    await invite_freelancer(world.as_(client), hidden, freelancer_id=freelancer.user_id, message=None)
    await world.application(freelancer, hidden)
    world.clock.move(HOUR)
    wanted = (
        WantedSkill(await world.skill("java"), SkillNeed.NICE_TO_HAVE),
        WantedSkill(await world.skill("python")),
    )
    shown = await world.completed(client=client, freelancer=freelancer, title="Work for all", skills=wanted)

    past = await read_past(world.services.db)

    assert [(each.gig.id, each.gig.title, each.gig.is_visible) for each in past] == [
        (str(hidden), "Hidden work", False),
        (str(shown.gig_id), "Work for all", True),
    ]
    person = str(freelancer.user_id)
    assert [each.outcomes for each in past] == [
        (Outcome(person, was_chosen=False, worth=1.0, was_done=False),),
        (Outcome(person, was_chosen=True, worth=4.0, was_done=True),),
    ]
    assert past[0].gig.at < past[1].gig.at
    assert (past[1].gig.skills, past[1].gig.nice) == (("Python",), ("Java",))


# -- commands ----------------------------------------------------------------------------------------------------------


def settings_in(local: Path, url: str) -> Settings:
    return Settings.read(
        {"LOCAL_DIRECTORY": str(local), "DATABASE_URL": url, "DEMO_WORLD": "0", "DATABASE_POOL": "2"}
    )


def test_a_young_platform_is_told_how_much_is_missing_and_keeps_what_it_has(
    empty_database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_in(tmp_path, empty_database_url)

    codes = [
        act(settings, parse_arguments(["ranking", word]))
        for act, word in ((train_ranking, "train"), (list_ranking, "list"), (roll_ranking_back, "rollback"))
    ]

    said = capsys.readouterr()
    assert codes == [1, 0, 1]
    assert "Learning needs 200 gigs to which known people answered, and there are 0: 200 more." in said.err
    assert (
        "Learning which skills a text is about needs 200 public gigs with skills, and there are 0."
        in said.err
    )
    assert "Nothing trained is in use." in said.err
    assert said.out == ""
    assert artifacts.versions(tmp_path / "ranking") == []


def test_versions_are_listed_and_rolled_back_by_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_in(tmp_path, "postgresql+asyncpg://nobody@localhost/unused")
    for version in ("2026-01", "2026-02"):
        training = Training(trees(), {"learned, on the last": 0.31})
        artifacts.save(tmp_path / "ranking", Artifact(version, training, span=Span(0, 20_000.0, 1_234, 5, 6)))

    back = roll_ranking_back(settings, parse_arguments(["ranking", "rollback"]))
    listed = list_ranking(settings, parse_arguments(["ranking", "list"]))

    said = capsys.readouterr()
    to_the_blend = roll_ranking_back(settings, parse_arguments(["ranking", "rollback"]))
    assert (back, listed, to_the_blend) == (0, 0, 0)
    assert "2026-01 is in use again" in said.err
    assert "Nothing trained is in use now" in capsys.readouterr().err
    assert artifacts.current(tmp_path / "ranking") is None
    assert said.out.splitlines() == [
        "* 2026-01  1,234 gigs until 2024-10-04, nDCG@10 0.3100",
        "  2026-02  1,234 gigs until 2024-10-04, nDCG@10 0.3100",
    ]
