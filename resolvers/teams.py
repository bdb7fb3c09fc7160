"""Whole teams for a gig: who together covers its skills at a level, for a price by the hour, with hours in common.

Whoever the index proposes for the gig, and is seen and free, is a candidate; their levels, rates, time zones and past work
together are read from the tables. The solver (ranking/teams) says how far from the best its teams can be, or why there are none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from auth import access
from models.contract import Contract, ContractStatus
from models.gig import BudgetKind, Gig
from models.profile import FreelancerProfile, FreelancerSkill, SkillLevel
from models.room import PersonBlock
from models.skill import Skill
from ranking.answers import Hindrance, ProposedTeam, TeamAnswer, TeamMember, TeamRequest
from ranking.hours import common_hours
from resolvers.market_documents import MarketGig
from resolvers.operation import Operation
from resolvers.recommendations import own_gigs, proposed_freelancers
from resolvers.recommender import NotReady, RecommendationState

MOST_SKILLS = 12
MOST_MEMBERS = 10
LEVELS = tuple(SkillLevel)
LEVEL_WORTH = 0.1
"""What one level more of one skill is worth, as a share of the median rate."""
FIRST_MEETING = 0.05
"""What it costs when two have not worked together, as a share of the median rate."""


@dataclass(frozen=True, slots=True)
class TeamWish:
    """`budget_minor` is by the hour for all together, in `currency`; `overlap_hours` any two have in common at least."""

    size: int
    budget_minor: int | None
    currency: str | None
    level: SkillLevel
    overlap_hours: int
    skills_each: int | None


@dataclass(frozen=True, slots=True)
class Teams:
    """`rates` are what members ask by the hour. `without_price` could not be considered: no rate in this currency."""

    state: RecommendationState
    currency: str
    answer: TeamAnswer
    rates: Mapping[str, int]
    candidates: int = 0
    without_price: int = 0
    skill_ids: Mapping[str, UUID] | None = None


NO_TEAMS = TeamAnswer((), 0.0, False)


async def suggested_teams(op: Operation, gig_ids: Sequence[UUID], wish: TeamWish) -> dict[UUID, Teams]:
    """For each of these gigs that is the caller's own, or of all for administrators; for others no entry."""
    gigs = await own_gigs(op, gig_ids)
    return {gig.id: await _for_gig(op, gig, wish) for gig in gigs}


async def _for_gig(op: Operation, gig: MarketGig, wish: TeamWish) -> Teams:
    currency = wish.currency or gig.currency
    try:
        answers = await proposed_freelancers(op, gig, explained=0)
        people = await _people(op, [UUID(answer.id) for answer in answers])
        skills = gig.document.skills[:MOST_SKILLS]
        priced = [row for row in people if row.rate_minor is not None and row.rate_currency == currency]
        request = _request(gig, wish, skills, priced, await _together(op, priced), now=op.now())
        answer = NO_TEAMS
        if skills and priced:
            answer = await op.services.recommender.ask_for_teams(request)
        elif skills:
            answer = TeamAnswer((), 0.0, True, tuple(Hindrance("SKILL", skill) for skill in skills))
    except NotReady as error:
        return Teams(error.state, currency, NO_TEAMS, {})
    rates = {str(row.user_id): row.rate_minor for row in priced}
    return Teams(
        RecommendationState.READY,
        currency,
        answer,
        rates,
        candidates=len(priced),
        without_price=len(people) - len(priced),
        skill_ids=op.services.recommender.skills,
    )


def _request(
    gig: MarketGig,
    wish: TeamWish,
    skills: Sequence[str],
    people: Sequence[Any],
    together: Iterable[tuple[str, str]],
    *,
    now: datetime,
) -> TeamRequest:
    rates = sorted(row.rate_minor for row in people)
    usual = rates[len(rates) // 2] if rates else 0
    budget = wish.budget_minor
    if budget is None and gig.budget_kind is BudgetKind.HOURLY and wish.currency in {None, gig.currency}:
        budget = gig.budget_max_minor * wish.size
    least = LEVELS.index(wish.level)
    members = [
        TeamMember(
            str(row.user_id),
            row.rate_minor,
            tuple(
                (name, LEVEL_WORTH * usual * (1 + LEVELS.index(SkillLevel(level))))
                for name, level in zip(row.names, row.levels, strict=True)
                if name in skills and LEVELS.index(SkillLevel(level)) >= least
            ),
        )
        for row in people
    ]
    apart = [
        (str(one.user_id), str(other.user_id))
        for one, other in combinations(people, 2)
        if common_hours(one.time_zone, other.time_zone, at=now) < wish.overlap_hours
        or one.user_id in other.blocks
        or other.user_id in one.blocks
    ]
    capacity = wish.skills_each or max(1, -(-len(skills) // wish.size) + 1)
    return TeamRequest(
        skills=tuple(skills), members=tuple(members), largest=wish.size, capacity=capacity, budget=budget,
        pair_cost=FIRST_MEETING * usual, known_pairs=tuple(together), apart=tuple(apart),
    )  # fmt: skip


async def _people(op: Operation, ids: Sequence[UUID]) -> Sequence[Any]:
    """Rate, time zone, skills with levels, and whom of the others they block."""
    if not ids:
        return []
    profile = FreelancerProfile
    blocks = sa.select(col(PersonBlock.blocked_id)).where(
        col(PersonBlock.blocker_id) == col(profile.user_id), col(PersonBlock.blocked_id).in_(ids)
    )
    statement = (
        sa.select(
            col(profile.user_id),
            col(profile.rate_minor),
            col(profile.rate_currency),
            col(profile.time_zone),
            sa.func.coalesce(
                sa.func.array_agg(col(Skill.name)).filter(col(Skill.id).is_not(None)), sa.text("'{}'")
            ).label("names"),
            sa.func.coalesce(
                sa.func.array_agg(sa.cast(col(FreelancerSkill.level), sa.Text)).filter(
                    col(Skill.id).is_not(None)
                ),
                sa.text("'{}'"),
            ).label("levels"),
            sa.func.array(blocks.scalar_subquery(), type_=ARRAY(sa.Uuid)).label("blocks"),
        )
        .outerjoin(FreelancerSkill, col(FreelancerSkill.freelancer_id) == col(profile.user_id))
        .outerjoin(Skill, col(Skill.id) == col(FreelancerSkill.skill_id))
        .where(col(profile.user_id).in_(ids), access.visible_freelancers(op.viewer))
        .group_by(col(profile.user_id))
        .order_by(col(profile.user_id))
    )
    return await op.db.fetch(statement)


async def _together(op: Operation, people: Sequence[Any]) -> list[tuple[str, str]]:
    """Pairs who both finished work for one public gig."""
    ids = [row.user_id for row in people]
    if len(ids) < 2:
        return []
    one, other = (sa.alias(sa.inspect(Contract).local_table, name) for name in ("one", "other"))
    done = ContractStatus.COMPLETED
    statement = (
        sa.select(one.c.freelancer_id, other.c.freelancer_id)
        .join(other, other.c.gig_id == one.c.gig_id)
        .join(Gig, col(Gig.id) == one.c.gig_id)
        .where(
            one.c.freelancer_id < other.c.freelancer_id,
            one.c.freelancer_id.in_(ids),
            other.c.freelancer_id.in_(ids),
            one.c.status == done,
            other.c.status == done,
            access.visible_gigs(op.viewer),
        )
        .distinct()
    )
    found: Sequence[Any] = await op.db.fetch(statement)
    return sorted((str(row[0]), str(row[1])) for row in found)


__all__ = ["MOST_MEMBERS", "ProposedTeam", "TeamWish", "Teams", "suggested_teams"]
