"""Gigs as clients see them: browsing, posting, and their way to done."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil, floor
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
import strawberry
from sqlmodel import col
from strawberry import Maybe
from strawberry.types.info import Info

from auth import abilities as may
from auth import access
from auth.abilities import GigAction
from models.application import Application as ApplicationRow
from models.application import ApplicationStatus
from models.checks import Checks
from models.contract import Contract as ContractRow
from models.errors import InvalidTransition, NotFound, StaleVersion
from models.gig import (
    GIG_WORKFLOW,
    BudgetKind,
    Gig,
    GigIdTaken,
    GigInvitation,
    GigNotEditable,
    GigQuestion,
    GigSkill,
    GigStatus,
    GigVisibility,
    NobodyHired,
    NoPlaceLeft,
    SavedGig,
    SkillNeed,
    TermsFixed,
)
from models.gig_content import GigContent, Question, WantedSkill
from models.ids import decode_id
from models.money import MAX_MINOR, digits_of
from models.profile import ClientProfile
from models.skill import UnknownSkill
from models.stream import Fact
from models.vocabulary import Vocabulary
from resolvers import gigs
from resolvers.operation import Operation
from schema.abilities import Abilities, Transition, abilities, transitions
from schema.activity import ActivityType
from schema.applications import ApplicationOrder, ApplicationType, ApplicationWhere, application_orders
from schema.connections import Connection, Direction, Key, Nulls, connection, newest, paging_arguments
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
from schema.graph import (
    Context,
    argument,
    column,
    computed,
    declare,
    entity,
    load_node,
    lookup,
    many,
    node,
    one,
    personal,
    record,
    source,
    spec_of,
    sql,
)
from schema.money import Budget, BudgetInput
from schema.node import Node
from schema.notes import notes
from schema.payloads import IDEMPOTENCY, VERSION, Answer, MutationPayload, Needs, mutation
from schema.profiles import ClientType, given, given_as, score
from schema.scalars import CurrencyCode, Markdown, days, whole_days
from schema.skill_filter import SkillsFilter, has_skills
from schema.skills import SkillType
from schema.type_names import Contract, Invitation
from schema.words import words

for _vocabulary in (GigStatus, GigVisibility, SkillNeed):
    words(_vocabulary)


@record(GigSkill, scope=access.everybody, name="GigSkill", description="A skill that a gig asks for.")
class GigSkillType:
    skill: SkillType | None = one(GigSkill.skill_id, "The skill; always there.")
    need: SkillNeed = column(GigSkill.need, "How much the work depends on it.")
    weight: int = column(GigSkill.weight, "1 (slightly) to 5 (decisive).")


@node(
    "question",
    GigQuestion,
    scope=access.visible_questions,
    name="GigQuestion",
    description="Something the client asks every applicant; whoever sees the gig sees it.",
)
class GigQuestionType(Node):
    prompt: str = column(GigQuestion.prompt, "The question.")
    is_required: bool = column(GigQuestion.is_required, "Whether an application needs an answer to it.")


def _can(op: Operation, client_id: UUID, status: GigStatus, hired: int, wanted: int) -> Abilities[GigAction]:
    return abilities(may.on_gig(op.viewer, client_id, status, hired, wanted))  # type: ignore[no-any-return]


def _applied_by_viewer(op: Operation) -> Clause:
    return sa.false() if op.viewer.user_id is None else col(ApplicationRow.freelancer_id) == op.viewer.user_id


@node(
    "gig", Gig, scope=access.visible_gigs, name="Gig", description="A piece of work that a client wants done."
)
class GigType(Node):
    key: str = computed(lambda number: f"GIG-{number}", Gig.number, description="A short handle for people.")
    title: str = column(Gig.title, "What the client calls the work; at most 120 characters.")
    description: Markdown = column(Gig.description, "What is to be done; at most 20,000 characters.")
    status: GigStatus = column(Gig.status, "Where the gig is on its way.")
    visibility: GigVisibility = column(Gig.visibility, "Who may see it once it is out.")
    budget: Budget = computed(
        Budget.of,
        Gig.budget_kind,
        Gig.budget_min_minor,
        Gig.budget_max_minor,
        Gig.currency,
        description="What the client is ready to pay.",
    )
    deadline: datetime = column(
        Gig.deadline, "Until when applications are taken; then it expires unless somebody is hired."
    )
    expected_duration: timedelta | None = computed(
        days, Gig.expected_days, description="How long the work will take, in whole days; null if open."
    )
    wanted: int = column(Gig.wanted, "How many freelancers are wanted.")
    hired: int = column(Gig.hired, "How many are hired.")
    application_count: int = column(Gig.application_count, "Applications that were not withdrawn.")
    view_count: int = column(
        Gig.view_count, "How often others opened it; written with a delay of some seconds."
    )
    version: int = column(Gig.version, "Counts the changes; for `expectedVersion`.")
    created_at: datetime = column(Gig.created_at, "When the draft was begun.")
    published_at: datetime | None = column(Gig.published_at, "When it came out first; null before.")
    updated_at: datetime = column(Gig.updated_at, "When it changed last.")
    client: ClientType | None = one(
        Gig.client_id, "Who posted it; null if the client hides their profile from you."
    )
    skills: list[SkillType] = many(
        GigSkill.gig_id,
        "Skills it asks for, most important first; needs and weights are in `requirements`.",
        to=GigSkill.skill_id,
        order=[GigSkill.position],
    )
    requirements: list[GigSkillType] = many(
        GigSkill.gig_id, "Skills with need and weight, in the same order.", order=[GigSkill.position]
    )
    questions: list[GigQuestionType] = many(
        GigQuestion.gig_id, "What every applicant is asked, in order.", order=[GigQuestion.position]
    )
    applications: Connection[ApplicationType] = connection(
        ApplicationRow.gig_id,
        "Applications, newest first unless ordered otherwise. The client sees all, an applicant their own, others none.",
        default=newest(ApplicationRow.submitted_at),
        where=ApplicationWhere,
        order=ApplicationOrder,
        orders=application_orders(),
    )
    viewer_applications: Connection[ApplicationType] = connection(
        ApplicationRow.gig_id,
        "Your own applications for this gig, withdrawn ones included, newest first.",
        default=newest(ApplicationRow.submitted_at),
        narrowed=_applied_by_viewer,
    )
    contracts: Connection[Contract] = connection(
        ContractRow.gig_id,
        "Contracts, newest first. The client sees all, a freelancer their own, others none.",
        default=newest(ContractRow.started_at),
    )
    invitations: Connection[Invitation] = connection(
        GigInvitation.gig_id,
        "Invitations, newest first. The client sees all, a freelancer their own, others none.",
        default=newest(GigInvitation.created_at),
    )
    activity: Connection[ActivityType] = connection(
        Fact.stream,
        "What happened, in order; each item only for its audience.",
        default=(Key(sql(Fact.number)),),
        tie_break=Fact.id,
        stream="gig",
    )
    status_note: Markdown | None = source(
        notes,
        "What the administrator or the client wrote when the status changed last; null without a text.",
        key=Gig.status_remark_id,
    )
    allowed_transitions: list[Transition] = computed(
        lambda status: transitions(GIG_WORKFLOW, status),
        Gig.status,
        description="Where the workflow leads from here, whoever may take the step.",
    )
    viewer: Abilities[GigAction] = personal(
        _can, Gig.client_id, Gig.status, Gig.hired, Gig.wanted, description="What you can do to it now."
    )
    is_saved: bool = source(gigs.saved_among, "Whether you keep an eye on it.", default=lambda: False)


# -- browsing ----------------------------------------------------------------------------------------------------------


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
        _applied_by_viewer(op), col(ApplicationRow.status) != ApplicationStatus.WITHDRAWN
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
    skill: SkillType = strawberry.field(description="The skill.")
    count: int = strawberry.field(description="How many gigs ask for it.")


@strawberry.type(description="Counts over the gigs that fit, largest first.")
class GigFacets:
    skills: list[SkillFacet] = strawberry.field(description="The 30 most wanted skills.")
    budget_kinds: list[Facet] = strawberry.field(description="By how the work is paid.")
    currencies: list[Facet] = strawberry.field(description="By currency.")
    statuses: list[Facet] = strawberry.field(description="By status.")
    candidate_limit: int = strawberry.field(
        description="How many fitting gigs are counted at most: the newest ones."
    )
    is_limited: bool = strawberry.field(description="Whether there are more fitting gigs than were counted.")


async def gig_facets(
    info: Info[Context, None],
    where: Annotated[
        GigWhere | None, strawberry.argument(description="Only gigs that fit; as in `gigs`.")
    ] = None,
    search: Annotated[
        str | None, strawberry.argument(description="Only gigs in which these words are found; as in `gigs`.")
    ] = None,
) -> GigFacets:
    context = info.context
    filters = [access.visible_gigs(context.op.viewer)]
    if where is not None:
        filters.append(compile_where(where, context.op))
    rows, is_limited = await facets_of(context.op, filters, search)
    skills = [
        (load_node(context, spec_of(SkillType), UUID(row.value)), row._mapping["count"])
        for row in rows
        if row.facet == "skill"
    ]
    return GigFacets(
        skills=[SkillFacet(skill=await skill, count=count) for skill, count in skills],
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


def _count_view(op: Operation, row: Any) -> None:
    if row["gig__client_id"] != op.viewer.user_id:
        op.services.views.count(row["gig__id"], op.viewer)


@strawberry.type
class GigQuery:
    gig: GigType | None = lookup(
        "A gig by its id; null if there is none or you may not see it.", found=_count_view
    )
    gigs: Connection[GigType] = _gigs()
    gig_facets: GigFacets = strawberry.field(
        resolver=gig_facets,
        description="How the gigs that fit `where` and `search` are spread, for filter menus.",
    )


# -- mutations ---------------------------------------------------------------------------------------------------------


@strawberry.input(description="A skill that the gig asks for.")
class GigSkillInput:
    skill_id: strawberry.ID = strawberry.field(description="From `skillSuggest`.")
    need: SkillNeed = strawberry.field(
        default=SkillNeed.REQUIRED, description="How much the work depends on it."
    )
    weight: int = strawberry.field(default=3, description="1 (slightly) to 5 (decisive).")


@strawberry.input(description="Something to ask every applicant.")
class GigQuestionInput:
    prompt: str = strawberry.field(description="The question; at most 500 characters.")
    is_required: bool = strawberry.field(
        default=True, description="Whether an application needs an answer to it."
    )


@strawberry.input(description="Input of `gigCreate`.")
class GigCreateInput:
    id: strawberry.ID | None = strawberry.field(default=None, description="An id of your own making (`gig_` and a UUIDv7); made here if absent.")  # fmt: skip
    title: str = strawberry.field(description="1 to 120 characters.")
    description: Markdown = strawberry.field(description="1 to 20,000 characters.")
    budget: BudgetInput = strawberry.field(description="What you are ready to pay.")
    deadline: datetime = strawberry.field(description="Until when applications are taken; in the future.")
    expected_duration: timedelta | None = strawberry.field(default=None, description="How long the work will take, in whole days.")  # fmt: skip
    wanted: int = strawberry.field(default=1, description="How many freelancers you want: 1 to 50.")
    visibility: GigVisibility = strawberry.field(default=GigVisibility.PUBLIC, description="Who may see it once it is out.")  # fmt: skip
    skills: list[GigSkillInput] = strawberry.field(default_factory=list, description="At most 20, most important first.")  # fmt: skip
    questions: list[GigQuestionInput] = strawberry.field(default_factory=list, description="At most 10.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `gigEdit`; absent parts stay as they are.")
class GigEditInput:
    id: strawberry.ID = strawberry.field(description="The gig.")
    title: Maybe[str] = strawberry.field(description="1 to 120 characters.")
    description: Maybe[Markdown] = strawberry.field(description="1 to 20,000 characters.")
    budget: Maybe[BudgetInput] = strawberry.field(description="Fixed once people have applied.")
    deadline: Maybe[datetime] = strawberry.field(description="In the future.")
    expected_duration: Maybe[timedelta | None] = strawberry.field(description="In whole days; null: open.")
    wanted: Maybe[int] = strawberry.field(description="Not below the number hired.")
    visibility: Maybe[GigVisibility] = strawberry.field(description="Fixed once people have applied.")
    skills: Maybe[list[GigSkillInput]] = strawberry.field(description="The whole list.")
    questions: Maybe[list[GigQuestionInput]] = strawberry.field(
        description="The whole list; fixed once people have applied."
    )
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Names a gig.")
class GigNameInput:
    id: strawberry.ID = strawberry.field(description="The gig.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Names a gig to change.")
class GigActInput(GigNameInput):
    expected_version: int | None = strawberry.field(default=None, description=VERSION)


@strawberry.type(description="Answer to a mutation of a gig.")
class GigPayload(MutationPayload):
    gig: GigType | None = entity("The gig as it is now.")


@strawberry.input(description="Input of `gigReopen`.")
class GigReopenInput(GigActInput):
    deadline: datetime = strawberry.field(description="The new deadline, in the future.")


@strawberry.input(description="Input of `gigCancel`.")
class GigCancelInput(GigActInput):
    note: str | None = strawberry.field(default=None, description="Why, for those who applied.")


@strawberry.input(description="Input of `gigReject` and `gigRequestChanges`.")
class GigReviewInput(GigNameInput):
    reason: str = strawberry.field(description="What is wrong, for the client; at most 2,000 characters.")


def _id(input: Any) -> UUID:
    return decode_id("gig", input.id)


def _wanted_skills(skills: list[GigSkillInput]) -> tuple[WantedSkill, ...]:
    return tuple(
        WantedSkill(decode_id("skill", s.skill_id, path=("skills", str(i), "skillId")), s.need, s.weight)
        for i, s in enumerate(skills)
    )


def _budget_parts(budget: BudgetInput) -> dict[str, Any]:
    return {
        "budget_kind": budget.kind,
        "budget_min": budget.min,
        "budget_max": budget.max,
        "currency": budget.currency,
    }


def _questions(questions: list[GigQuestionInput]) -> tuple[Question, ...]:
    return tuple(Question(q.prompt, q.is_required) for q in questions)


@mutation(
    GigPayload,
    UnknownSkill,
    GigIdTaken,
    needs=Needs.CLIENT,
    description="Begin a draft that only you see. `gigPublish` lets it out.",
)
async def gig_create(op: Operation, input: GigCreateInput) -> Answer:
    content = GigContent(
        title=input.title,
        description=input.description,
        budget_kind=input.budget.kind,
        budget_min=input.budget.min,
        budget_max=input.budget.max,
        currency=input.budget.currency,
        deadline=input.deadline,
        expected_days=whole_days(input.expected_duration, path="expectedDuration"),
        wanted=input.wanted,
        visibility=input.visibility,
        skills=_wanted_skills(input.skills),
        questions=_questions(input.questions),
    )
    return await gigs.create_gig(op, content, id=None if input.id is None else _id(input))


@mutation(
    GigPayload,
    NotFound,
    StaleVersion,
    GigNotEditable,
    TermsFixed,
    UnknownSkill,
    needs=Needs.CLIENT,
    description="Change parts of a gig. Applicants are protected: budget, visibility and questions are fixed once "
    "somebody has applied.",
)
async def gig_edit(op: Operation, input: GigEditInput) -> Answer:
    changes = {
        **given(input, "title", "description", "deadline", "wanted", "visibility"),
        **given_as(input, "budget", _budget_parts),
        **given_as(
            input, "expected_duration", lambda d: {"expected_days": whole_days(d, path="expectedDuration")}
        ),
        **given_as(input, "skills", lambda skills: {"skills": _wanted_skills(skills)}),
        **given_as(input, "questions", lambda questions: {"questions": _questions(questions)}),
    }
    return await gigs.edit_gig(op, _id(input), changes, expected_version=input.expected_version)


_MOVES = (NotFound, StaleVersion, InvalidTransition)
_REVIEWS = (NotFound, InvalidTransition)


@mutation(
    GigPayload,
    *_MOVES,
    needs=Needs.CLIENT,
    description="Let a draft out; where gigs need approval it goes to the administrators first.",
)
async def gig_publish(op: Operation, input: GigActInput) -> Answer:
    return await gigs.publish_gig(op, _id(input), expected_version=input.expected_version)


@mutation(
    GigPayload,
    *_MOVES,
    needs=Needs.CLIENT,
    description="Take no new applications for now; `gigResume` undoes it.",
)
async def gig_pause(op: Operation, input: GigActInput) -> Answer:
    return await gigs.pause_gig(op, _id(input), expected_version=input.expected_version)


@mutation(GigPayload, *_MOVES, needs=Needs.CLIENT, description="Take applications again after a pause.")
async def gig_resume(op: Operation, input: GigActInput) -> Answer:
    return await gigs.resume_gig(op, _id(input), expected_version=input.expected_version)


@mutation(
    GigPayload,
    *_MOVES,
    NoPlaceLeft,
    needs=Needs.CLIENT,
    description="Look for people again, after the gig expired or when a place became free.",
)
async def gig_reopen(op: Operation, input: GigReopenInput) -> Answer:
    return await gigs.reopen_gig(
        op, _id(input), deadline=input.deadline, expected_version=input.expected_version
    )


@mutation(
    GigPayload,
    *_MOVES,
    NobodyHired,
    needs=Needs.CLIENT,
    description="Go on with those who are hired though places are left; `gigReopen` undoes it.",
)
async def gig_stop_hiring(op: Operation, input: GigActInput) -> Answer:
    return await gigs.stop_hiring(op, _id(input), expected_version=input.expected_version)


@mutation(
    GigPayload,
    *_MOVES,
    needs=Needs.CLIENT,
    description="Give a gig up for which nobody is hired. It cannot be undone, but `gigDuplicate` makes a new draft of it.",
)
async def gig_cancel(op: Operation, input: GigCancelInput) -> Answer:
    return await gigs.cancel_gig(op, _id(input), note=input.note, expected_version=input.expected_version)


@mutation(
    GigPayload,
    NotFound,
    UnknownSkill,
    needs=Needs.CLIENT,
    description="Begin a new draft with the content of an own gig.",
)
async def gig_duplicate(op: Operation, input: GigNameInput) -> Answer:
    return await gigs.duplicate_gig(op, _id(input))


@mutation(GigPayload, *_REVIEWS, needs=Needs.ADMIN, description="Let a gig out that waits for approval.")
async def gig_approve(op: Operation, input: GigNameInput) -> Answer:
    return await gigs.approve_gig(op, _id(input))


@mutation(GigPayload, *_REVIEWS, needs=Needs.ADMIN, description="Refuse a gig that waits for approval.")
async def gig_reject(op: Operation, input: GigReviewInput) -> Answer:
    return await gigs.reject_gig(op, _id(input), reason=input.reason)


@mutation(
    GigPayload,
    *_REVIEWS,
    needs=Needs.ADMIN,
    description="Send a gig back to its client with what has to change.",
)
async def gig_request_changes(op: Operation, input: GigReviewInput) -> Answer:
    return await gigs.request_gig_changes(op, _id(input), reason=input.reason)


@mutation(GigPayload, NotFound, needs=Needs.SIGNED_IN, description="Keep an eye on a gig; NOOP if you do.")
async def gig_save(op: Operation, input: GigNameInput) -> Answer:
    return await gigs.save_gig(op, _id(input))


@mutation(
    GigPayload,
    needs=Needs.SIGNED_IN,
    description="Stop keeping an eye on a gig; NOOP if you do not.",
)
async def gig_unsave(op: Operation, input: GigNameInput) -> Answer:
    return await gigs.unsave_gig(op, _id(input))
