"""What is on the market, gigs and people, as ranking knows it, read from the tables; resolvers/outcomes.py reads what became of it.

Prices are compared in one currency, the one that most open hourly gigs name; a price in another one does not count here, and
the answer's own filters compare it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from auth import access
from auth.viewer import ANONYMOUS
from models.gig import BudgetKind, Gig, GigSkill, SkillNeed
from models.gig_workflow import GigStatus
from models.profile import FreelancerProfile, FreelancerSkill, Visibility
from models.skill import Skill, SkillStatus
from models.store.sql import Database
from ranking.documents import Gig as GigDocument
from ranking.documents import Person as PersonDocument

Clause = sa.ColumnElement[bool]
DAY_S = 86_400
USUAL_CURRENCY = "EUR"
_NOBODY: sa.ColumnElement[Any] = sa.null()


@dataclass(frozen=True, slots=True)
class MarketGig:
    """A gig with what ranking does not need to know of every gig; `without` are people who are nothing for it, if that was asked."""

    document: GigDocument
    id: UUID
    client_id: UUID
    status: GigStatus
    budget_kind: BudgetKind
    budget_max_minor: int
    currency: str
    deadline: datetime
    without: tuple[str, ...] = ()

    @property
    def skills(self) -> frozenset[str]:
        return frozenset((*self.document.skills, *self.document.nice))


def on_the_market() -> Clause:
    """Of `Gig`: open, and for everybody's eyes. What else somebody may see is for them to find, not to be led to."""
    return access.visible_gigs(ANONYMOUS) & (col(Gig.status) == GigStatus.OPEN)


async def main_currency(db: Database) -> str:
    statement = (
        sa.select(col(Gig.currency))
        .where(on_the_market(), col(Gig.budget_kind) == BudgetKind.HOURLY)
        .group_by(col(Gig.currency))
        .order_by(sa.func.count().desc(), col(Gig.currency))
        .limit(1)
    )
    rows = await db.fetch(statement)
    return str(rows[0][0]) if rows else USUAL_CURRENCY


async def read_gigs(
    db: Database,
    *where: Clause,
    currency: str,
    limit: int | None = None,
    newest_first: bool = False,
    without: sa.ColumnElement[Any] = _NOBODY,
) -> list[MarketGig]:
    """By id, or the newest first; `without` is an array of people's ids for each."""
    newest = (col(Gig.listed_at).desc(), col(Gig.id).desc())
    order: tuple[Any, ...] = newest if newest_first else (col(Gig.id),)
    statement = sa.select(*_GIG_COLUMNS, without.label("without")).where(*where).order_by(*order).limit(limit)
    return [_market_gig(row, currency) for row in await db.fetch(statement)]


async def read_people(
    db: Database, *where: Clause, currency: str, limit: int | None = None
) -> list[PersonDocument]:
    """Freelancers by id; `where` speaks of their profiles."""
    statement = sa.select(*PERSON_COLUMNS).where(*where).order_by(col(FreelancerProfile.user_id)).limit(limit)
    return [person_document(row, currency) for row in await db.fetch(statement)]


async def read_taxonomy(db: Database) -> list[tuple[UUID, str, tuple[str, ...]]]:
    """Skills in use, with their other names."""
    statement = (
        sa.select(col(Skill.id), col(Skill.name), col(Skill.aliases))
        .where(col(Skill.status) == SkillStatus.ACTIVE)
        .order_by(col(Skill.name))
    )
    return [(row.id, row.name, tuple(row.aliases)) for row in await db.fetch(statement)]


def person_document(
    row: Any, currency: str, *, without: Sequence[UUID] = (), is_visible: bool | None = None
) -> PersonDocument:
    """`without` are gigs, or clients, that are nothing for them."""
    has_price = row.rate_minor is not None and row.rate_currency == currency
    return PersonDocument(
        id=str(row.user_id),
        title=row.headline,
        text=row.overview,
        skills=tuple(row.skills),
        price=row.rate_minor if has_price else None,
        languages=frozenset(row.languages),
        is_visible=row.visibility is not Visibility.PRIVATE if is_visible is None else is_visible,
        blocked=frozenset(str(id) for id in without),
        free_from=None if row.available_from is None else day_of(_midnight(row.available_from)),
        zone=row.time_zone,
    )


def _market_gig(row: Any, currency: str) -> MarketGig:
    return MarketGig(
        document=_gig_document(row, currency),
        id=row.id,
        client_id=row.client_id,
        status=row.status,
        budget_kind=row.budget_kind,
        budget_max_minor=row.budget_max_minor,
        currency=row.currency,
        deadline=row.deadline,
        without=tuple(str(id) for id in row.without or ()),
    )


def _gig_document(row: Any, currency: str) -> GigDocument:
    is_by_hour = row.budget_kind is BudgetKind.HOURLY and row.currency == currency
    return GigDocument(
        id=str(row.id),
        title=row.title,
        text=row.description,
        skills=tuple(row.required),
        nice=tuple(row.nice),
        at=day_of(row.published_at or row.created_at),
        owner=str(row.client_id),
        budget=row.budget_max_minor if is_by_hour else None,
        languages=frozenset(row.languages),
        until=day_of(row.deadline),
        zone=row.time_zone,
        overlap=row.overlap_hours or 0,
    )


def is_free_by(available_from: sa.SQLColumnExpression[date | None], moment: Any) -> Clause:
    """Somebody who is free only after the gig takes applications is not available for it."""
    return available_from.is_(None) | (available_from <= sa.cast(moment, sa.Date))


def day_of(at: datetime) -> float:
    """As the documents of the ranking count time, serving and training alike."""
    return at.timestamp() / DAY_S


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def skill_names(need: SkillNeed) -> Any:
    """Of `Gig`: the names of the skills that it needs so, in their order."""
    names = (
        sa.select(col(Skill.name))
        .join(GigSkill, col(GigSkill.skill_id) == col(Skill.id))
        .where(col(GigSkill.gig_id) == col(Gig.id), col(GigSkill.need) == need)
        .order_by(col(GigSkill.position))
        .correlate(Gig)
    )
    return sa.func.array(names.scalar_subquery(), type_=ARRAY(sa.Text))


_GIG_COLUMNS: tuple[Any, ...] = (
    col(Gig.id), col(Gig.client_id), col(Gig.title), col(Gig.description), col(Gig.status), col(Gig.budget_kind),
    col(Gig.budget_max_minor), col(Gig.currency), col(Gig.languages), col(Gig.time_zone), col(Gig.overlap_hours), col(Gig.deadline),
    col(Gig.created_at), col(Gig.published_at),
    skill_names(SkillNeed.REQUIRED).label("required"), skill_names(SkillNeed.NICE_TO_HAVE).label("nice"),
)  # fmt: skip

_own_skills = (
    sa.select(col(Skill.name))
    .join(FreelancerSkill, col(FreelancerSkill.skill_id) == col(Skill.id))
    .where(col(FreelancerSkill.freelancer_id) == col(FreelancerProfile.user_id))
    .order_by(col(FreelancerSkill.position))
    .correlate(FreelancerProfile)
)
PERSON_COLUMNS: tuple[Any, ...] = (
    col(FreelancerProfile.user_id), col(FreelancerProfile.headline), col(FreelancerProfile.overview),
    col(FreelancerProfile.rate_minor), col(FreelancerProfile.rate_currency), col(FreelancerProfile.languages),
    col(FreelancerProfile.visibility), col(FreelancerProfile.available_from), col(FreelancerProfile.time_zone),
    sa.func.array(_own_skills.scalar_subquery(), type_=ARRAY(sa.Text)).label("skills"),
)  # fmt: skip
