"""Whole teams for a gig as its client sees them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import strawberry

from models.errors import Invalid
from models.money import Money as Amount
from models.profile import SkillLevel
from models.vocabulary import Vocabulary
from ranking.answers import Hindrance, ProposedTeam
from ranking.hours import WORKING_HOURS
from resolvers import teams
from resolvers.operation import Operation
from resolvers.recommender import RecommendationState
from schema.analysis import priced
from schema.graph import argument, reference, source
from schema.money import Money, MoneyInput
from schema.type_names import Freelancer, Skill
from schema.words import words

WORK_OF_TEAMS = 100
"""What the solver costs beside the objects it answers, in the price of an operation."""


class TeamObstacleKind(Vocabulary):
    """Which condition stands in the way of a team."""

    SKILL = "SKILL", "Nobody who can be combined has the skill at the level."
    SIZE = "SIZE", "More members are needed."
    BUDGET = "BUDGET", "A team costs more."
    APART = "APART", "Those who are needed have too few hours in common."


words(TeamObstacleKind)


@strawberry.type(description="A skill that a member of a team brings.")
class TeamSkill:
    skill: Skill | None = reference("skill_id", "The skill; null if it has left the taxonomy.")
    skill_id: strawberry.Private[UUID | None]


@strawberry.type(description="Somebody in a team.")
class TeamMember:
    freelancer: Freelancer | None = reference(
        "freelancer_id", "Who; null if they hid their profile in this very moment."
    )
    rate: Money = strawberry.field(description="What they ask for an hour.")
    covers: list[TeamSkill] = strawberry.field(description="What they do in this team, by name.")
    freelancer_id: strawberry.Private[UUID]


@strawberry.type(description="A team that covers all needed skills.")
class SuggestedTeam:
    members: list[TeamMember] = strawberry.field(description="Who is in it.")
    rate: Money = strawberry.field(description="What they ask for an hour, all together.")
    known_pairs: int = strawberry.field(description="How many pairs have finished a gig together.")


@strawberry.type(description="A condition without which there would be a team.")
class TeamObstacle:
    kind: TeamObstacleKind = strawberry.field(description="Which condition.")
    skill: Skill | None = reference("skill_id", "The skill that is the trouble; null but for SKILL.")
    needed_size: int | None = strawberry.field(description="How many members would do; null but for SIZE.")
    needed_budget: Money | None = strawberry.field(
        description="What would do for an hour; null but for BUDGET."
    )
    skill_id: strawberry.Private[UUID | None]


@strawberry.type(description="Teams for a gig, or why there is none.")
class SuggestedTeams:
    state: RecommendationState = strawberry.field(
        description="Whether teams can be suggested now; nothing else is told unless READY."
    )
    teams: list[SuggestedTeam] = strawberry.field(
        description="At most three, best first: levels of skills and having worked together against the price. Each later one has "
        "somebody whom the better ones have not."
    )
    obstacles: list[TeamObstacle] = strawberry.field(
        description="If there is no team: the smallest reason. Several are to be solved together, or, of skills, each."
    )
    gap: float = strawberry.field(
        description="How much better than the first team any team could be at most, as a share; 0 if it is proved best."
    )
    is_proved: bool = strawberry.field(description="Whether it is proved that nothing better exists.")
    candidates: int = strawberry.field(description="How many freelancers were considered.")
    without_price: int = strawberry.field(
        description="How many more would fit but ask no rate in this currency."
    )


async def suggested_teams(
    op: Operation,
    keys: Sequence[UUID],
    size: int,
    budget: MoneyInput | None,
    level: SkillLevel,
    overlap_hours: int,
    skills_each: int | None,
) -> dict[UUID, SuggestedTeams]:
    _check("size", size, 2, teams.MOST_MEMBERS)
    _check("overlapHours", overlap_hours, 0, WORKING_HOURS)
    if skills_each is not None:
        _check("skillsEach", skills_each, 1, teams.MOST_SKILLS)
    amount = None if budget is None else Amount.parse(budget.amount, budget.currency, path=("budget",))
    wish = teams.TeamWish(
        size=size,
        budget_minor=None if amount is None else amount.minor,
        currency=None if amount is None else amount.currency,
        level=level,
        overlap_hours=overlap_hours,
        skills_each=skills_each,
    )
    return {key: _shown(found) for key, found in (await teams.suggested_teams(op, keys, wish)).items()}


def suggested_teams_field() -> Any:
    return source(
        suggested_teams,
        "Whole teams of freelancers who can be recommended for it: each needed skill covered by a member. Null unless the gig is "
        "yours or you are an administrator.",
        arguments=[
            argument("size", int, "How many members at most: 2 to 10.", default=3),
            argument(
                "budget",
                MoneyInput | None,
                "What all of them may ask for an hour together, and the currency that is compared. Without it, of a gig that is paid "
                "by the hour, its own budget for each of `size`; otherwise no limit.",
                default=None,
            ),
            argument(
                "level",
                SkillLevel,
                "The level that counts for a skill, by their own word.",
                default=SkillLevel.INTERMEDIATE,
            ),
            argument(
                "overlap_hours",
                int,
                "How many hours of an eight-hour day any two must have in common: 0 to 8. A time zone that is not told fits any.",
                default=2,
            ),
            argument(
                "skills_each",
                int | None,
                "How many skills a member covers at most: 1 to 12; without it, one more than if all did alike.",
                default=None,
            ),
        ],
        metadata=priced(surcharge=WORK_OF_TEAMS),
    )


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        message = f"`{name}` is {value}; it must be between {low} and {high}."
        raise Invalid((name,), "RANGE", message, min=str(low), max=str(high))


def _shown(found: teams.Teams) -> SuggestedTeams:
    answer = found.answer
    return SuggestedTeams(
        state=found.state,
        teams=[_team(found, team) for team in answer.teams],
        obstacles=[_obstacle(found, each) for each in answer.hindrances],
        gap=answer.gap,
        is_proved=answer.is_proved,
        candidates=found.candidates,
        without_price=found.without_price,
    )


def _team(found: teams.Teams, team: ProposedTeam) -> SuggestedTeam:
    names = found.skill_ids or {}
    members = [
        TeamMember(
            freelancer_id=UUID(member),
            rate=_money(found.rates[member], found.currency),
            covers=[TeamSkill(skill_id=names.get(skill)) for skill, who in team.covers if who == member],
        )
        for member in team.members
    ]
    return SuggestedTeam(
        members=members, rate=_money(team.cost, found.currency), known_pairs=team.known_pairs
    )


def _obstacle(found: teams.Teams, each: Hindrance) -> TeamObstacle:
    kind = TeamObstacleKind(each.limit)
    is_budget, is_size = kind is TeamObstacleKind.BUDGET, kind is TeamObstacleKind.SIZE
    return TeamObstacle(
        kind=kind,
        skill_id=None if each.skill is None else (found.skill_ids or {}).get(each.skill),
        needed_size=each.needed if is_size else None,
        needed_budget=_money(each.needed, found.currency) if is_budget and each.needed is not None else None,
    )


def _money(minor: int, currency: str) -> Money:
    money = Money.of(minor, currency)
    assert money is not None
    return money
