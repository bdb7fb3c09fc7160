"""What skills are worth, as clients see it: demand, gaps, and the skills of a text."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import strawberry

from models.errors import Invalid
from models.gig import BudgetKind
from resolvers import skill_market
from resolvers.operation import Operation
from resolvers.recommender import RecommendationState
from schema.analysis import priced
from schema.graph import Answered, Context, argument, declare, reference
from schema.money import Money
from schema.recommendations import RecommendationBasis, TextSpan
from schema.type_names import Skill

MOST_TEXT = 20_000
MOST_TITLE = 200
MOST_SUGGESTED = 25


@strawberry.type(description="The median of what gigs pay, of one kind of budget in one currency.")
class MedianBudget:
    kind: BudgetKind = strawberry.field(description="Whether it is for the whole work or for an hour.")
    median: Money = strawberry.field(description="The median of the upper ends.")
    gigs: int = strawberry.field(description="Of how many open gigs.")


@strawberry.type(description="How much a skill is asked for, by gigs that everybody may see.")
class SkillDemand:
    open_gigs: int = strawberry.field(description="Open gigs that ask for it.")
    applications_per_gig: float = strawberry.field(
        description="Applications that those gigs have on average; 0 without gigs."
    )
    published: int = strawberry.field(description="Gigs with it that came out in the last 30 days.")
    published_before: int = strawberry.field(description="The same of the 30 days before: the trend.")
    budgets: list[MedianBudget] = strawberry.field(
        description="What open gigs pay, by kind and currency, the most frequent first."
    )


@strawberry.type(description="A skill that you lack and gigs ask for.")
class MissingOnMarket:
    skill: Skill | None = reference("skill_id", "The skill; always there.")
    opens: int = strawberry.field(
        description="For how many more gigs you would have every needed skill, with this one alone."
    )
    asked: int = strawberry.field(description="How many of the gigs need it in all.")
    skill_id: strawberry.Private[UUID]


@strawberry.type(description="Which skills would open how many more gigs to you.")
class SkillGap:
    looked_at: int = strawberry.field(
        description="Open gigs for everybody's eyes that ask for a skill of yours; the newest 10,000."
    )
    covered: int = strawberry.field(description="Of those, how many need no skill that you lack.")
    missing: list[MissingOnMarket] = strawberry.field(
        description="What you lack, at most ten, what opens most first."
    )


@strawberry.type(description="A skill for a text.")
class SkillSuggestion:
    skill: Skill | None = reference("skill_id", "The skill; always there.")
    is_named: bool = strawberry.field(description="Whether the text names it; otherwise it is likely.")
    spans: list[TextSpan] = strawberry.field(
        description="Where `text` names it; empty if only the title does, or nothing."
    )
    confidence: float = strawberry.field(
        description="1 for what is named; otherwise below: how likely a client would choose it (LEARNED), or the share of alike gigs that "
        "ask for it."
    )
    skill_id: strawberry.Private[UUID]


@strawberry.type(description="Skills for a text.")
class SkillSuggestions:
    state: RecommendationState = strawberry.field(
        description="Whether skills can be suggested now; there are none unless READY."
    )
    basis: RecommendationBasis | None = strawberry.field(
        description="What the likely ones stand on: a suggester that was trained on public gigs (LEARNED), or gigs that are like the text; "
        "null unless READY."
    )
    model_version: str | None = strawberry.field(
        description="The version of what suggested; null unless READY."
    )
    skills: list[SkillSuggestion] = strawberry.field(
        description="What the text names, in its order, then what is likely."
    )


async def demands(op: Operation, keys: Sequence[UUID]) -> dict[UUID, SkillDemand]:
    return {key: _demand(found) for key, found in (await skill_market.demand_of(op, keys)).items()}


def no_demand() -> SkillDemand:
    return SkillDemand(open_gigs=0, applications_per_gig=0.0, published=0, published_before=0, budgets=[])


async def gaps(op: Operation, keys: Sequence[UUID]) -> dict[UUID, SkillGap]:
    return {
        key: SkillGap(
            looked_at=found.looked_at,
            covered=found.covered,
            missing=[
                MissingOnMarket(skill_id=gap.skill_id, opens=gap.opens, asked=gap.asked) for gap in found.gaps
            ],
        )
        for key, found in (await skill_market.gap_of(op, keys)).items()
    }


async def _suggestions(context: Context, text: str, title: str, first: int) -> SkillSuggestions:
    if not 1 <= first <= MOST_SUGGESTED:
        message = f"`first` is {first}; it must be between 1 and {MOST_SUGGESTED}."
        raise Invalid(("first",), "RANGE", message, min="1", max=str(MOST_SUGGESTED))
    for name, value, most in (("text", text, MOST_TEXT), ("title", title, MOST_TITLE)):
        if len(value) > most or "\0" in value:
            raise Invalid((name,), "LENGTH", f"At most {most} characters, without NUL.", max=str(most))
    found = await skill_market.skills_in(context.op, title, text, first=first)
    skills = [
        SkillSuggestion(
            skill_id=each.skill_id,
            is_named=each.found.confidence == 1,
            spans=[TextSpan(start=start, end=end) for start, end in each.found.spans],
            confidence=each.found.confidence,
        )
        for each in found.skills
    ]
    basis = None if found.basis is None else RecommendationBasis(found.basis)
    return SkillSuggestions(state=found.state, basis=basis, model_version=found.version, skills=skills)


def _demand(found: skill_market.Demand) -> SkillDemand:
    return SkillDemand(
        open_gigs=found.open_gigs,
        applications_per_gig=found.applications / found.open_gigs if found.open_gigs else 0.0,
        published=found.published,
        published_before=found.published_before,
        budgets=[_median(each) for each in found.budgets],
    )


def _median(each: skill_market.MedianBudget) -> MedianBudget:
    money = Money.of(each.minor, each.currency)
    assert money is not None
    return MedianBudget(kind=each.kind, median=money, gigs=each.gigs)


def _skill_suggestions() -> Any:
    field = declare(
        Answered(_suggestions),
        "Skills for a text, such as of a gig that is being written: those it names, with where, then those that gigs like it ask for.",
        metadata=priced(surcharge=10),
    )
    field.arguments = [
        argument("text", str, "At most 20,000 characters; spans count from its start."),
        argument("title", str, "A title that belongs to it; at most 200 characters.", default=""),
        argument("first", int, "How many at most: 1 to 25.", default=10),
    ]
    return field


@strawberry.type
class SkillMarketQuery:
    skill_suggestions: SkillSuggestions = _skill_suggestions()
