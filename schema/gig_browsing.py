"""Finding gigs: filters, orders, search and facets."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import ceil, floor
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import strawberry
from sqlmodel import col
from strawberry import Maybe

from auth import access
from models.application import Application as ApplicationRow
from models.application import ApplicationStatus
from models.checks import Checks
from models.gig import BudgetKind, Gig, GigSkill, GigVisibility, SavedGig
from models.gig_workflow import GigStatus
from models.ids import decode_id
from models.money import MAX_MINOR, digits_of
from models.profile import ClientProfile
from models.vocabulary import Vocabulary
from resolvers.operation import Operation
from schema.analysis import priced
from schema.connections import Connection, paging_arguments
from schema.filters import (
    Clause,
    DateTimeFilter,
    DecimalFilter,
    Equality,
    IntFilter,
    TextFilter,
    compares,
    compile_where,
    means,
)
from schema.gig_search import FACET_CANDIDATES, RELEVANCE, GigSearch, facets_of
from schema.gigs import GigType, applied_by_viewer
from schema.graph import Answered, Context, argument, declare, lookup, reference, sql
from schema.keyset import Direction, Key, Nulls, newest
from schema.reputation import score
from schema.scalars import CurrencyCode
from schema.skill_filter import SkillsFilter, has_skills
from schema.skills import SkillType
from schema.words import words


@strawberry.input(description="A range of money; both ends are optional and count as inside.")
class MoneyRange:
    min: Decimal | None = strawberry.field(default=None, description="Pays at least this, at its upper end.")
    max: Decimal | None = strawberry.field(
        default=None, description="Starts at this or below, at its lower end."
    )


@strawberry.input(
    description="By budget. A gig fits if its range touches the one given for its kind; a kind not given does not fit."
)
class BudgetFilter:
    currency: CurrencyCode = strawberry.field(description="Only gigs in this currency; nothing is converted.")
    fixed: MoneyRange | None = strawberry.field(default=None, description="For gigs with one price.")
    hourly: MoneyRange | None = strawberry.field(default=None, description="For gigs paid by the hour.")


def _budget_fits(filter: BudgetFilter, op: Operation) -> Clause:
    checks = Checks()
    currency = checks.currency(("where", "budget", "currency"), filter.currency)
    checks.done()
    kinds = [
        (col(Gig.budget_kind) == kind) & _overlaps(range_, currency)
        for kind, range_ in ((BudgetKind.FIXED, filter.fixed), (BudgetKind.HOURLY, filter.hourly))
        if range_ is not None
    ]
    return (col(Gig.currency) == currency) & (sa.or_(*kinds) if kinds else sa.true())


def _overlaps(range_: MoneyRange, currency: str) -> Clause:
    low = sa.true() if range_.min is None else col(Gig.budget_max_minor) >= ceil(_minor(range_.min, currency))
    high = (
        sa.true() if range_.max is None else col(Gig.budget_min_minor) <= floor(_minor(range_.max, currency))
    )
    return low & high


def _minor(amount: Decimal, currency: str) -> Decimal:
    # No budget lies beyond these limits, and PostgreSQL has no integers there.
    return max(Decimal(-MAX_MINOR), min(Decimal(MAX_MINOR), amount.scaleb(digits_of(currency))))


def _has_skills(filter: SkillsFilter, op: Operation) -> Clause:
    return has_skills(filter, owner=GigSkill.gig_id, skill=GigSkill.skill_id, of=Gig.id)


def _client_fits(filter: "GigClientWhere", op: Operation) -> Clause:
    """Through the client's own scope: a hidden profile can neither be seen nor guessed by filtering."""
    fitting = sa.select(col(ClientProfile.user_id)).where(
        access.visible_clients(op.viewer), compile_where(filter, op, path=("where", "client"))
    )
    return col(Gig.client_id).in_(fitting)


def _has_applied(value: bool, op: Operation) -> Clause:
    own = sa.select(col(ApplicationRow.gig_id)).where(
        applied_by_viewer(op.viewer), col(ApplicationRow.status) != ApplicationStatus.WITHDRAWN
    )
    return col(Gig.id).in_(own) if value else col(Gig.id).not_in(own)


def _is_saved(value: bool, op: Operation) -> Clause:
    own = sa.select(col(SavedGig.gig_id)).where(access.visible_saved_gigs(op.viewer))
    return col(Gig.id).in_(own) if value else col(Gig.id).not_in(own)


def _posted_by(id: str, op: Operation) -> Clause:
    """Through the client's own scope, as `_client_fits`."""
    posted_by = col(ClientProfile.user_id) == decode_id("client", id, path=("where", "clientId"))
    fitting = sa.select(col(ClientProfile.user_id)).where(access.visible_clients(op.viewer), posted_by)
    return col(Gig.client_id).in_(fitting)


@strawberry.input(
    description="By the client who posted the gig; clients whose profile you may not see do not match."
)
class GigClientWhere:
    rating: Maybe[DecimalFilter] = compares(
        score(ClientProfile.rating_hundredths), "By rating, 1 to 5; nobody without feedback matches."
    )
    country: Maybe[TextFilter] = compares(ClientProfile.country, "By country (ISO 3166-1).")
    company: Maybe[TextFilter] = compares(ClientProfile.company, "By company.")


@strawberry.input(description="Which gigs to list, among those you may see.")
class GigWhere:
    status: Maybe[Equality[GigStatus]] = compares(Gig.status, "By status; `{eq: OPEN}` takes applications.")
    visibility: Maybe[Equality[GigVisibility]] = compares(Gig.visibility, "By visibility.")
    title: Maybe[TextFilter] = compares(Gig.title, "By title. For words anywhere, use `search`.")
    budget: Maybe[BudgetFilter] = means(_budget_fits, "By budget.")
    deadline: Maybe[DateTimeFilter] = compares(Gig.deadline, "By deadline.")
    published_at: Maybe[DateTimeFilter] = compares(Gig.published_at, "By when it came out.")
    application_count: Maybe[IntFilter] = compares(Gig.application_count, "By the number of applications.")
    wanted: Maybe[IntFilter] = compares(Gig.wanted, "By the number of people wanted.")
    skills: Maybe[SkillsFilter] = means(_has_skills, "By skills.")
    client: Maybe[GigClientWhere] = means(_client_fits, "By client.")
    client_id: Maybe[strawberry.ID] = means(_posted_by, "Posted by this client.")
    has_applied: Maybe[bool] = means(_has_applied, "Whether you have a live application for it.")
    is_saved: Maybe[bool] = means(_is_saved, "Whether you keep an eye on it.")
    and_: Maybe[list["GigWhere"]] = strawberry.field(name="AND", description="All of these hold.")
    or_: Maybe[list["GigWhere"]] = strawberry.field(name="OR", description="At least one of these holds.")
    not_: Maybe["GigWhere"] = strawberry.field(name="NOT", description="This does not hold.")


class GigOrderField(Vocabulary):
    """What gigs can be ordered by."""

    RELEVANCE = "RELEVANCE", "How well it fits the `search`; only together with one."
    PUBLISHED_AT = "PUBLISHED_AT", "When it came out; drafts stand where they were begun."
    DEADLINE = "DEADLINE", "The deadline."
    BUDGET = (
        "BUDGET",
        "The upper end of the budget in minor units; filter by one currency and kind to compare.",
    )
    APPLICATION_COUNT = "APPLICATION_COUNT", "The number of applications."


words(GigOrderField)


@strawberry.input(description="One key of an order of gigs.")
class GigOrder:
    field: GigOrderField = strawberry.field(description="What to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")
    nulls: Nulls | None = strawberry.field(default=None, description="Where those without a value stand.")


@strawberry.type(description="How many gigs have a value.")
class Facet:
    value: str = strawberry.field(description="The value, as the filter takes it.")
    count: int = strawberry.field(description="How many gigs have it.")


@strawberry.type(description="How many gigs ask for a skill.")
class SkillFacet:
    skill_id: strawberry.Private[UUID]
    skill: SkillType = reference("skill_id", "The skill.")
    count: int = strawberry.field(description="How many gigs ask for it.")


@strawberry.type(description="Counts over the gigs that fit, largest first.")
class GigFacets:
    skills: list[SkillFacet] = strawberry.field(
        description="The 30 most wanted skills.", metadata=priced(size=30)
    )
    budget_kinds: list[Facet] = strawberry.field(description="By how the work is paid.")
    currencies: list[Facet] = strawberry.field(description="By currency.")
    statuses: list[Facet] = strawberry.field(description="By status.")
    candidate_limit: int = strawberry.field(
        description="How many fitting gigs are counted at most: the newest ones."
    )
    is_limited: bool = strawberry.field(description="Whether there are more fitting gigs than were counted.")


async def gig_facets(context: Context, where: GigWhere | None, search: str | None) -> GigFacets:
    op = context.op
    filters = [access.visible_gigs(op.viewer)]
    if where is not None:
        filters.append(compile_where(where, op))
    rows, is_limited = await facets_of(op, filters, search)
    return GigFacets(
        skills=[
            SkillFacet(skill_id=UUID(row.value), count=row._mapping["count"])
            for row in rows
            if row.facet == "skill"
        ],
        budget_kinds=_facet(rows, "budget_kind"),
        currencies=_facet(rows, "currency"),
        statuses=_facet(rows, "status"),
        candidate_limit=FACET_CANDIDATES,
        is_limited=is_limited,
    )


def _facet(rows: Sequence[Any], name: str) -> list[Facet]:
    found = [Facet(value=row[1], count=row[2]) for row in rows if row[0] == name]
    return sorted(found, key=lambda facet: (-facet.count, facet.value))


def _gigs() -> Any:
    orders = {
        GigOrderField.RELEVANCE: Key(RELEVANCE),
        GigOrderField.PUBLISHED_AT: Key(sql(Gig.listed_at)),
        GigOrderField.DEADLINE: Key(sql(Gig.deadline)),
        GigOrderField.BUDGET: Key(sql(Gig.budget_max_minor)),
        GigOrderField.APPLICATION_COUNT: Key(sql(Gig.application_count)),
    }
    declaration = GigSearch(None, orders, newest(Gig.listed_at), relevance=GigOrderField.RELEVANCE)
    field = declare(
        declaration,
        "Gigs you may see, newest first; with a `search` the most relevant first. Drafts and hidden gigs of others never show.",
    )
    field.arguments = [
        *paging_arguments(GigWhere, GigOrder),
        argument("search", str | None, "Words to look for in title and description: 1 to 200 characters; quotes, `or` and `-` work as in web searches.", default=None),
    ]  # fmt: skip
    return field


def _gig_facets() -> Any:
    field = declare(
        Answered(gig_facets),
        "How the gigs that fit `where` and `search` are spread, for filter menus.",
        metadata=priced(surcharge=10),  # it counts, whatever is selected
    )
    field.arguments = [
        argument("where", GigWhere | None, "Only gigs that fit; as in `gigs`.", default=None),
        argument(
            "search", str | None, "Only gigs in which these words are found; as in `gigs`.", default=None
        ),
    ]
    return field


def _count_view(op: Operation, row: Mapping[str, Any]) -> None:
    if row["gig__client_id"] != op.viewer.user_id:
        op.services.views.count(row["gig__id"], op.viewer)


@strawberry.type
class GigQuery:
    gig: GigType | None = lookup(
        "A gig by its id; null if there is none or you may not see it.",
        found=_count_view,
        told=(Gig.id, Gig.client_id),
    )
    gigs: Connection[GigType] = _gigs()
    gig_facets: GigFacets = _gig_facets()
