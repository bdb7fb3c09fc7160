"""What became of gigs, as ranking learns from it: one stream of steps, from as many tables as tell of some.

Everything that happened is told, hidden gigs too: a model learns from it, and only what everybody may see is ever shown as
evidence (`Gig.is_visible`). Ratings count from when they were revealed, so that no list gives away one that is hidden.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from auth import access
from auth.viewer import ANONYMOUS
from models.application import Application, ApplicationStatus
from models.contract import Contract, ContractStatus
from models.feedback import AXES, Feedback, FeedbackSide
from models.gig import Gig, SkillNeed
from models.recommendation import RecommendationList, RecommendationShown
from models.store.sql import Database
from ranking.documents import MOST_TAGGED, Happened, PastGig, Step, past_gigs
from ranking.documents import Gig as GigDocument
from resolvers.market_documents import day_of, skill_names

AT_ONCE = 500
"""Rows of one statement, and what is told to another process at once: some two milliseconds each."""
_AXIS_RANGE = 4 * len(AXES)
T = TypeVar("T")


async def read_past(db: Database) -> list[PastGig]:
    """Gigs to which somebody applied, in the order in which they were published, with all that happened."""
    happened = [each async for each in read_happened(db)]
    return past_gigs([each async for each in read_answered_gigs(db)], happened)


async def read_happened(db: Database) -> AsyncIterator[Happened]:
    """In no order. Another source of steps is another loop in one of these."""
    async for step in read_steps(db):
        yield step
    async for step in read_shown(db):
        yield step


async def read_steps(db: Database) -> AsyncIterator[Happened]:
    """What people did: all that outcomes follow from."""
    async for row in _rows(db, _APPLICATIONS):
        gig, person = str(row.gig_id), str(row.freelancer_id)
        yield Happened(gig, person, Step.APPLIED, day_of(row.submitted_at))
        if row.status is ApplicationStatus.SHORTLISTED:
            yield Happened(gig, person, Step.SHORTLISTED, day_of(row.updated_at))
    async for row in _rows(db, _CONTRACTS):
        gig, person = str(row.gig_id), str(row.freelancer_id)
        yield Happened(gig, person, Step.ACCEPTED, day_of(row.started_at))
        if row.over_at is not None:
            is_done = row.status is ContractStatus.COMPLETED
            yield Happened(gig, person, Step.COMPLETED if is_done else Step.ENDED, day_of(row.over_at))
    async for row in _rows(db, _RATINGS):
        rating = (row.total - len(AXES)) / _AXIS_RANGE
        yield Happened(str(row.gig_id), str(row.subject_id), Step.RATED, day_of(row.revealed_at), rating)


async def read_shown(db: Database) -> AsyncIterator[Happened]:
    """Places of lists that were put before somebody's eyes, of either kind; the first time for each gig and person."""
    told: set[tuple[UUID, UUID]] = set()
    async for row in _rows(db, _LISTS):
        for subject_id, shown_at in zip(row.subjects, row.times, strict=True):
            pair = (subject_id, row.user_id) if row.gig_id is None else (row.gig_id, subject_id)
            if pair not in told:
                told.add(pair)
                yield Happened(str(pair[0]), str(pair[1]), Step.SHOWN, day_of(shown_at))


async def read_answered_gigs(db: Database) -> AsyncIterator[GigDocument]:
    """Gigs to which somebody applied, in no order."""
    async for row in _rows(db, _GIGS):
        yield _document_of(row, owner=str(row.client_id), is_visible=row.is_visible)


async def read_tagged(db: Database) -> list[GigDocument]:
    """The newest gigs for everybody's eyes: of their texts and skills is learnt which skills a text is about."""
    statement = (
        _TAGGED.where(access.visible_gigs(ANONYMOUS))
        .order_by(col(Gig.listed_at).desc(), col(Gig.id).desc())
        .limit(MOST_TAGGED)
    )
    return [_document_of(row) for row in await db.fetch(statement)]


def _document_of(row: Any, **more: Any) -> GigDocument:
    return GigDocument(
        id=str(row.id),
        title=row.title,
        text=row.description,
        skills=tuple(row.required),
        nice=tuple(row.nice),
        at=day_of(row.listed_at),
        **more,
    )


async def in_pages(told: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    """The same, some at a time."""
    page: list[T] = []
    async for each in told:
        page.append(each)
        if len(page) == AT_ONCE:
            yield page
            page = []
    if page:
        yield page


async def _rows(db: Database, statement: sa.Select[*tuple[Any, ...]]) -> AsyncIterator[Any]:
    """All rows by id, some at a time, so that no statement runs long."""
    key = statement.selected_columns[0]
    after: Any = None
    while True:
        page = statement if after is None else statement.where(key > after)
        rows: Sequence[Any] = await db.fetch(page.order_by(key).limit(AT_ONCE))
        for row in rows:
            yield row
        if len(rows) < AT_ONCE:
            return
        after = rows[-1][0]


_TAGGED = sa.select(
    col(Gig.id),
    col(Gig.title),
    col(Gig.description),
    col(Gig.listed_at),
    skill_names(SkillNeed.REQUIRED).label("required"),
    skill_names(SkillNeed.NICE_TO_HAVE).label("nice"),
)
_GIGS = sa.select(
    col(Gig.id),
    col(Gig.client_id),
    col(Gig.title),
    col(Gig.description),
    col(Gig.listed_at),
    access.visible_gigs(ANONYMOUS).label("is_visible"),
    skill_names(SkillNeed.REQUIRED).label("required"),
    skill_names(SkillNeed.NICE_TO_HAVE).label("nice"),
).where(sa.exists().where(col(Application.gig_id) == col(Gig.id)))
_APPLICATIONS = sa.select(
    col(Application.id),
    col(Application.gig_id),
    col(Application.freelancer_id),
    col(Application.status),
    col(Application.submitted_at),
    col(Application.updated_at),
)
_CONTRACTS = sa.select(
    col(Contract.id),
    col(Contract.gig_id),
    col(Contract.freelancer_id),
    col(Contract.status),
    col(Contract.started_at),
    col(Contract.over_at),
)
_RATINGS: sa.Select[*tuple[Any, ...]] = sa.select(
    col(Feedback.id),
    col(Feedback.gig_id),
    col(Feedback.subject_id),
    sum((col(getattr(Feedback, axis)) for axis in AXES[1:]), col(getattr(Feedback, AXES[0]))).label("total"),
    col(Feedback.revealed_at),
).where(col(Feedback.side) == FeedbackSide.OF_FREELANCER, col(Feedback.revealed_at).is_not(None))


def _of_shown(column: Any) -> Any:
    shown = (
        sa.select(column)
        .where(col(RecommendationShown.list_id) == col(RecommendationList.id))
        .order_by(col(RecommendationShown.position))
        .correlate(RecommendationList)
    )
    return sa.func.array(shown.scalar_subquery(), type_=ARRAY(column.type))


_LISTS: sa.Select[*tuple[Any, ...]] = sa.select(
    col(RecommendationList.id),
    col(RecommendationList.user_id),
    col(RecommendationList.gig_id),
    _of_shown(col(RecommendationShown.subject_id)).label("subjects"),
    _of_shown(col(RecommendationShown.shown_at)).label("times"),
)
