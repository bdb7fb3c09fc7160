"""What skills are worth: how much they are asked for, which ones a freelancer lacks, and which ones a text speaks of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.gig import Gig, GigSkill, SkillNeed
from models.profile import FreelancerSkill
from models.user import Role
from ranking.answers import Mentioned, SkillAnswer
from resolvers.market_documents import on_the_market
from resolvers.operation import Operation
from resolvers.recommendations import names_of
from resolvers.recommender import NotReady, RecommendationState

TREND = timedelta(days=30)
MOST_GIGS = 10_000
"""The gap is counted over at most so many open gigs, the newest that ask for something one has."""
GAPS = 10


@dataclass(frozen=True, slots=True)
class MedianBudget:
    """The median of the upper ends of budgets of one kind in one currency."""

    kind: Any
    currency: str
    minor: int
    gigs: int


@dataclass(frozen=True, slots=True)
class Demand:
    """Of gigs on the market; `published` counts those of the last 30 days, `published_before` of the 30 before."""

    open_gigs: int
    applications: int
    published: int
    published_before: int
    budgets: tuple[MedianBudget, ...]


async def demand_of(op: Operation, skill_ids: Sequence[UUID]) -> dict[UUID, Demand]:
    """How much each skill is asked for; without an entry for one that nobody asks for now or did lately."""
    now = op.now()
    skill = col(GigSkill.skill_id)
    is_open = on_the_market()
    since, before = now - TREND, now - 2 * TREND
    public = col(Gig.visibility) == "PUBLIC"
    counts: Any = (
        sa.select(
            skill.label("skill_id"),
            sa.func.count().filter(is_open).label("open_gigs"),
            sa.func.coalesce(sa.func.sum(col(Gig.application_count)).filter(is_open), 0).label("applications"),
            sa.func.count().filter(col(Gig.published_at) > since).label("published"),
            sa.func.count()
            .filter((col(Gig.published_at) > before) & (col(Gig.published_at) <= since))
            .label("published_before"),
        )
        .join(Gig, col(Gig.id) == col(GigSkill.gig_id))
        .where(
            skill.in_(skill_ids), public, is_open | (col(Gig.published_at) > before)
        )
        .group_by(skill)
    )  # fmt: skip
    median = sa.func.percentile_disc(0.5).within_group(col(Gig.budget_max_minor)).label("minor")
    budgets = (
        sa.select(
            skill.label("skill_id"),
            col(Gig.budget_kind),
            col(Gig.currency),
            median,
            sa.func.count().label("gigs"),
        )
        .join(Gig, col(Gig.id) == col(GigSkill.gig_id))
        .where(skill.in_(skill_ids), is_open)
        .group_by(skill, col(Gig.budget_kind), col(Gig.currency))
        .order_by(sa.desc("gigs"), col(Gig.budget_kind), col(Gig.currency))
    )
    of_skill: dict[UUID, list[MedianBudget]] = {}
    for row in await op.db.fetch(budgets):
        of_skill.setdefault(row.skill_id, []).append(
            MedianBudget(row.budget_kind, row.currency, row.minor, row.gigs)
        )
    return {
        row.skill_id: Demand(
            row.open_gigs,
            int(row.applications),
            row.published,
            row.published_before,
            tuple(of_skill.get(row.skill_id, ())),
        )
        for row in await op.db.fetch(counts)
    }


@dataclass(frozen=True, slots=True)
class Gap:
    """A skill that one lacks: with it one would have all that `opens` more gigs need; `asked` ask for it in all."""

    skill_id: UUID
    opens: int
    asked: int


@dataclass(frozen=True, slots=True)
class SkillGap:
    """Over `looked_at` open gigs that ask for something one has; `covered` need nothing else."""

    covered: int
    looked_at: int
    gaps: tuple[Gap, ...]


async def gap_of(op: Operation, user_ids: Sequence[UUID]) -> dict[UUID, SkillGap]:
    """The caller's own; without an entry for others, and for who is no freelancer."""
    me = op.viewer.user_id
    if me is None or me not in user_ids or Role.FREELANCER not in op.viewer.roles:
        return {}
    own = sa.select(col(FreelancerSkill.skill_id)).where(col(FreelancerSkill.freelancer_id) == me)
    related = sa.select(col(GigSkill.gig_id)).where(col(GigSkill.skill_id).in_(own))
    looked_at = (
        sa.select(col(Gig.id).label("id"))
        .where(
            on_the_market(), col(Gig.client_id) != me, col(Gig.deadline) > op.now(), col(Gig.id).in_(related)
        )
        .order_by(col(Gig.listed_at).desc(), col(Gig.id).desc())
        .limit(MOST_GIGS)
        .cte("looked_at")
    )
    missing = (
        sa.select(col(GigSkill.gig_id), col(GigSkill.skill_id))
        .join(looked_at, looked_at.c.id == col(GigSkill.gig_id))
        .where(col(GigSkill.need) == SkillNeed.REQUIRED, col(GigSkill.skill_id).not_in(own))
        .cte("missing")
    )
    alone = sa.func.count().over(partition_by=missing.c.gig_id) == 1
    lacking = sa.select(missing.c.skill_id, alone.label("is_alone")).subquery()
    opens = sa.func.count().filter(lacking.c.is_alone).label("opens")
    gaps = (
        sa.select(lacking.c.skill_id, opens, sa.func.count().label("asked"))
        .group_by(lacking.c.skill_id)
        .order_by(opens.desc(), sa.desc("asked"), lacking.c.skill_id)
        .limit(GAPS)
        .subquery()
    )
    whole = sa.select(sa.func.count()).select_from(looked_at).scalar_subquery().label("looked_at")
    uncovered = sa.select(sa.func.count(sa.distinct(missing.c.gig_id))).scalar_subquery().label("uncovered")
    statement = (
        sa.select(whole, uncovered, gaps.c.skill_id, gaps.c.opens, gaps.c.asked)
        .select_from(sa.select(sa.literal(1)).subquery().outerjoin(gaps, sa.true()))
        .order_by(gaps.c.opens.desc(), gaps.c.asked.desc(), gaps.c.skill_id)
    )
    rows = await op.db.fetch(statement)
    found = tuple(Gap(row.skill_id, row.opens, row.asked) for row in rows if row.skill_id is not None)
    return {me: SkillGap(rows[0].looked_at - rows[0].uncovered, rows[0].looked_at, found)}


@dataclass(frozen=True, slots=True)
class Suggested:
    skill_id: UUID
    found: Mentioned


@dataclass(frozen=True, slots=True)
class SuggestedSkills:
    """`basis` and `version` are of what is likely; None without an index."""

    state: RecommendationState
    basis: str | None = None
    version: str | None = None
    skills: tuple[Suggested, ...] = ()


async def skills_in(op: Operation, title: str, text: str, *, first: int) -> SuggestedSkills:
    """Skills for a text, those that it names first."""
    try:
        answer: SkillAnswer = await op.services.recommender.ask("skills_in", title, text, first)
    except NotReady as error:
        return SuggestedSkills(error.state)
    known = names_of(op)
    found = tuple(Suggested(known[each.skill], each) for each in answer.skills if each.skill in known)
    return SuggestedSkills(RecommendationState.READY, answer.basis, answer.version, found)
