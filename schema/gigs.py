"""Gigs as clients see them. Browsing is in `gig_browsing`, what can be done to them in `gig_acts`."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import abilities as may
from auth import access
from auth.abilities import GigAction
from auth.viewer import Viewer
from models.application import Application as ApplicationRow
from models.board import Board as BoardRow
from models.contract import Contract as ContractRow
from models.gig import Gig, GigQuestion, GigSkill, GigVisibility, SkillNeed
from models.gig_workflow import GIG_WORKFLOW
from models.invitation import GigInvitation
from models.stream import Fact
from resolvers import gigs
from resolvers.operation import Operation
from schema.abilities import Abilities, Transition, abilities, transitions
from schema.activity import ActivityType
from schema.applications import ApplicationOrder, ApplicationType, ApplicationWhere, application_orders
from schema.connections import Connection, connection
from schema.filters import Clause
from schema.graph import column, computed, many, node, one, personal, record, source, sql
from schema.keyset import Key, newest
from schema.money import Budget
from schema.node import Node
from schema.notes import notes
from schema.places import current_place
from schema.profiles import ClientType
from schema.recommendations import (
    FreelancerRecommendations,
    GigFit,
    SimilarGig,
    fit_field,
    recommended_freelancers_field,
    similar_field,
)
from schema.scalars import Markdown, StreamCursor, days
from schema.skills import SkillType
from schema.suggested_teams import SuggestedTeams, suggested_teams_field
from schema.type_names import Board, Contract, Invitation
from schema.words import words
from schema.work_words import GigStatus

for _vocabulary in (GigVisibility, SkillNeed):
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


_board = sa.select(col(BoardRow.id)).where(col(BoardRow.gig_id) == col(Gig.id)).correlate_except(BoardRow)


def _can(op: Operation, client_id: UUID, status: GigStatus, hired: int, wanted: int) -> Abilities[GigAction]:
    return abilities(may.on_gig(op.viewer, client_id, status, hired, wanted))


def applied_by_viewer(viewer: Viewer) -> Clause:
    return sa.false() if viewer.user_id is None else col(ApplicationRow.freelancer_id) == viewer.user_id


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
    languages: list[str] = column(
        Gig.languages, "ISO 639 codes: who speaks one of them can do it; empty: everybody."
    )
    time_zone: str | None = column(
        Gig.time_zone, "The IANA name of the zone with which `overlapHours` have to be in common; null: any."
    )
    overlap_hours: int | None = column(
        Gig.overlap_hours, "How many hours of an eight-hour working day have to be in common with `timeZone`."
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
        narrowed=applied_by_viewer,
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
    board: Board | None = one(
        _board.scalar_subquery().label("gig_board_id"),
        "Its board; null before the first contract, and for who does not work on it.",
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
    stream_cursor: StreamCursor = current_place(
        "gig",
        Gig.id,
        "Where the gig's stream stood when this was read; with it in `after`, `gigEvents` tells what came later.",
    )
    recommended_freelancers: FreelancerRecommendations | None = recommended_freelancers_field()
    suggested_teams: SuggestedTeams | None = suggested_teams_field()
    similar: list[SimilarGig] = similar_field()
    fit: GigFit | None = fit_field()
    is_saved: bool = source(gigs.saved_among, "Whether you keep an eye on it.", default=lambda: False)
