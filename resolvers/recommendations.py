"""Recommendations: what the index proposes, as far as the caller may see it today, in lists whose order stays.

The index proposes by what it knew a moment ago. What is answered passes the scopes and the hard filters (open, affordable, free in
time, with hours in common, not refused before) by the rows of now, when the answer is made. A list keeps its order; what is gone by the time of a later page is left out of it.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from auth import access
from models.application import Application, ApplicationStatus
from models.errors import Invalid
from models.gig import BudgetKind, Gig
from models.invitation import GigInvitation
from models.profile import FreelancerProfile, Visibility
from models.recommendation import (
    HiddenClient,
    RecommendationDismissal,
    RecommendationKind,
    RecommendationList,
)
from models.room import PersonBlock
from models.user import Role
from ranking.answers import Answer
from ranking.documents import Gig as GigDocument
from ranking.documents import Person as PersonDocument
from ranking.hours import common_hours
from ranking.placing import FIRST_PLACES, Placed, PlacedBy, place, spread
from resolvers.market_documents import (
    PERSON_COLUMNS,
    MarketGig,
    day_of,
    is_free_by,
    on_the_market,
    person_document,
    read_gigs,
    read_people,
)
from resolvers.operation import Operation
from resolvers.recommender import NotReady, RecommendationState

Clause = sa.ColumnElement[bool]
LISTED = 50
"""How many a list of freelancers holds at most; one of gigs holds the thirty that are scored exactly."""
SIMILAR_LOOKED_AT = 40
NEWEST = 20


@dataclass(frozen=True, slots=True)
class Item:
    """One place of a list; `position` counts from 1, `placed_by` says why it is there."""

    subject_id: UUID
    position: int
    placed_by: str
    answer: Answer
    gig: MarketGig
    """What it was scored for, or the gig itself."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list. `more` tells whether there is more beyond it; `basis` and `version` are None without a list."""

    state: RecommendationState
    progress: float
    items: tuple[Item, ...] = ()
    total: int = 0
    more: bool = False
    list_id: UUID | None = None
    basis: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list is wanted: `size` items behind the position `at` of a list, or before it (`is_backwards`).

    Without `list_id`, of a list that is made now, from its beginning or its end.
    """

    size: int
    is_backwards: bool = False
    list_id: UUID | None = None
    at: int = 0

    def of(self, positions: Sequence[int]) -> tuple[list[int], bool]:
        """The wanted ones of these positions, and whether there are more beyond them."""
        if self.is_backwards:
            wanted = [p for p in positions if self.list_id is None or p < self.at]
            return wanted[-self.size :], len(wanted) > self.size
        wanted = [p for p in positions if p > self.at]
        return wanted[: self.size], len(wanted) > self.size


@dataclass(frozen=True, slots=True)
class Seeker:
    """A freelancer who looks for gigs, as ranking and the hard filters know them."""

    document: PersonDocument
    row: Any


async def recommended_gigs(op: Operation, part: Part) -> Page:
    """Gigs for the caller, best first. A freelancer's own business; for others the state says so."""
    if op.viewer.user_id is None or Role.FREELANCER not in op.viewer.roles:
        return nothing(op, RecommendationState.NOT_FOR_YOU)
    seeker = await seeker_of(op, op.viewer.user_id)
    if seeker is None:
        return nothing(op, RecommendationState.NOT_FOR_YOU)
    try:
        if part.list_id is None:
            return await _first_gigs(op, seeker, part)
        return await _next_gigs(op, seeker, part, part.list_id)
    except NotReady as error:
        return nothing(op, error.state)


async def recommended_freelancers(op: Operation, gig_ids: Sequence[UUID], part: Part) -> dict[UUID, Page]:
    """Freelancers for each of these gigs that is the caller's own, or of all for administrators; for others no entry."""
    gigs = await own_gigs(op, gig_ids)
    pages = await asyncio.gather(*(_freelancers(op, gig, part) for gig in gigs))
    return {gig.id: page for gig, page in zip(gigs, pages, strict=True)}


async def fits(op: Operation, gig_ids: Sequence[UUID]) -> dict[UUID, Item]:
    """How well the caller, a freelancer, fits each of these gigs that they may see and did not post; as the client's list would say."""
    user_id = op.viewer.user_id
    if user_id is None or Role.FREELANCER not in op.viewer.roles:
        return {}
    visible = access.visible_gigs(op.viewer)
    gigs = await read_gigs(
        op.db, col(Gig.id).in_(gig_ids), visible, col(Gig.client_id) != user_id, currency=_currency(op)
    )
    people = await read_people(op.db, col(FreelancerProfile.user_id) == user_id, currency=_currency(op))
    if not gigs or not people:
        return {}
    try:
        answers: list[Answer] = await op.services.recommender.ask(
            "fits", [(gig.document, people[0]) for gig in gigs]
        )
    except NotReady:
        return {}
    return {
        gig.id: Item(user_id, 1, PlacedBy.SCORE.value, answer, gig)
        for gig, answer in zip(gigs, answers, strict=True)
    }


@dataclass(frozen=True, slots=True)
class Similar:
    """A gig that is like `gig`; the answer says why, `shared` are skills that both name, `placed_by` as of an `Item`."""

    answer: Answer
    gig_id: UUID
    placed_by: str
    gig: MarketGig
    shared: tuple[str, ...]


async def similar_gigs(op: Operation, gig_ids: Sequence[UUID], *, first: int) -> dict[UUID, list[Similar]]:
    """Other open gigs that the caller may see, the most alike first; none while there is no index."""
    visible = access.visible_gigs(op.viewer)
    gigs = await read_gigs(op.db, col(Gig.id).in_(gig_ids), visible, currency=_currency(op))
    try:
        found: list[list[Answer]] = await asyncio.gather(
            *(op.services.recommender.ask("similar", gig.document, SIMILAR_LOOKED_AT) for gig in gigs)
        )
    except NotReady:
        return {}
    named = {UUID(answer.id) for answers in found for answer in answers}
    if not named:
        return {}
    others = await read_gigs(
        op.db,
        col(Gig.id).in_(named),
        visible,
        on_the_market(),
        col(Gig.deadline) > op.now(),
        _of_nobody_blocked(op),
        currency=_currency(op),
    )
    known = {gig.id: gig for gig in others}
    op.services.recommender.doubt(named - known.keys())
    return {
        gig.id: _similar(gig, [a for a in answers if UUID(a.id) in known and a.points > 0], known)[:first]
        for gig, answers in zip(gigs, found, strict=True)
    }


def _similar(gig: MarketGig, answers: Sequence[Answer], known: Mapping[UUID, MarketGig]) -> list[Similar]:
    by_id = {answer.id: answer for answer in answers}
    return [
        Similar(
            by_id[each.id],
            UUID(each.id),
            each.placed_by.value,
            gig,
            tuple(sorted(gig.skills & known[UUID(each.id)].skills)),
        )
        for each in _spread(answers, known)
    ]


def _spread(answers: Sequence[Answer], gigs: Mapping[UUID, MarketGig]) -> list[Placed]:
    """Gigs of one client do not take all of the first places."""
    return spread([answer.id for answer in answers], owner=lambda id: str(gigs[UUID(id)].client_id))


async def seeker_of(op: Operation, user_id: UUID) -> Seeker | None:
    """With what they do not want, or have decided about already."""
    applied = sa.select(col(Application.gig_id)).where(
        col(Application.freelancer_id) == user_id, col(Application.status) != ApplicationStatus.WITHDRAWN
    )
    dismissed = sa.select(col(RecommendationDismissal.gig_id)).where(
        col(RecommendationDismissal.user_id) == user_id,
        col(RecommendationDismissal.freelancer_id) == user_id,
    )
    hidden = sa.select(col(HiddenClient.client_id)).where(col(HiddenClient.user_id) == user_id)
    found = sa.union_all(applied, dismissed, hidden, *_blocked_with(sa.literal(user_id)))
    without = sa.func.array(found.scalar_subquery(), type_=ARRAY(sa.Uuid))
    statement = sa.select(*PERSON_COLUMNS, without.label("without")).where(
        col(FreelancerProfile.user_id) == user_id
    )
    rows = await op.db.fetch(statement)
    if not rows:
        return None
    document = person_document(rows[0], _currency(op), without=rows[0].without, is_visible=True)
    # A gig that takes no applications any longer is none to look at, whenever one is free.
    free_from = max(day_of(op.now()), document.free_from or 0.0)
    return Seeker(replace(document, free_from=free_from), rows[0])


def nothing(op: Operation, state: RecommendationState) -> Page:
    return Page(state, op.services.recommender.progress)


# -- gigs for a freelancer ---------------------------------------------------------------------------------------------


async def _first_gigs(op: Operation, seeker: Seeker, part: Part) -> Page:
    explained = LISTED if part.is_backwards else part.size
    answers: list[Answer] = await op.services.recommender.ask(
        "gigs_for", seeker.document, LISTED, explained, op.now()
    )
    gigs = await _gigs_for(op, seeker, [UUID(answer.id) for answer in answers])
    kept = [answer for answer in answers if UUID(answer.id) in gigs]
    late = {answer.id for answer in answers[explained:]}
    if not kept and not seeker.document.skills:
        gigs, kept = await _newest_gigs(op, seeker)
    placed = _spread(kept, gigs)
    by_id = {answer.id: answer for answer in kept}
    # Placed further up than their score: what would raise it was not asked yet.
    up = [gigs[UUID(each.id)].document for each in placed[:explained] if each.id in late]
    if up:
        asked: list[Answer] = await op.services.recommender.ask("explain_gigs", seeker.document, up)
        by_id |= {answer.id: answer for answer in asked}
    kept = [by_id[each.id] for each in placed]
    row = _list_of(op, RecommendationKind.GIGS, None, kept, [each.placed_by.value for each in placed])
    positions, more = part.of(range(1, len(kept) + 1))
    return _shown(
        op, row, [_item(row, p, kept[p - 1], gigs[row.subjects[p - 1]]) for p in positions], more=more
    )


async def _newest_gigs(op: Operation, seeker: Seeker) -> tuple[dict[UUID, MarketGig], list[Answer]]:
    """For somebody whose profile has no skills yet and is like no gig: what came last, by its score like everything."""
    found = await read_gigs(
        op.db,
        on_the_market(),
        access.visible_gigs(op.viewer),
        currency=_currency(op),
        limit=NEWEST,
        newest_first=True,
    )
    gigs = {gig.id: gig for gig in found if _is_for(seeker.row, gig, now=op.now())}
    if not gigs:
        return {}, []
    documents = [gig.document for gig in gigs.values()]
    answers: list[Answer] = await op.services.recommender.ask("explain_gigs", seeker.document, documents)
    return gigs, sorted(answers, key=lambda answer: -answer.points)


async def _next_gigs(op: Operation, seeker: Seeker, part: Part, list_id: UUID) -> Page:
    row = await _kept_list(op, part, list_id, RecommendationKind.GIGS, None)
    gigs = await _gigs_for(op, seeker, row.subjects)
    positions, more = part.of([p for p, id in enumerate(row.subjects, 1) if id in gigs])
    shown = [gigs[row.subjects[p - 1]] for p in positions]
    answers: list[Answer] = await op.services.recommender.ask(
        "explain_gigs", seeker.document, [gig.document for gig in shown]
    )
    items = [_item(row, *each) for each in zip(positions, answers, shown, strict=True)]
    return _shown(op, row, items, more=more)


async def _gigs_for(op: Operation, seeker: Seeker, ids: Sequence[UUID]) -> dict[UUID, MarketGig]:
    """Those of them that can be recommended to this freelancer now; others that left the market are looked at again."""
    if not ids:
        return {}
    visible = access.visible_gigs(op.viewer)
    found = await read_gigs(op.db, col(Gig.id).in_(ids), on_the_market(), visible, currency=_currency(op))
    op.services.recommender.doubt(set(ids) - {gig.id for gig in found})
    return {gig.id: gig for gig in found if _is_for(seeker.row, gig, now=op.now())}


def _is_for(row: Any, gig: MarketGig, *, now: datetime) -> bool:
    """Not one's own, not decided about, still taking applications, paid as one asks, in a language one speaks, at hours one works,
    and one is free by then."""
    if gig.client_id == row.user_id or {gig.id, gig.client_id} & set(row.without) or gig.deadline <= now:
        return False
    is_compared = gig.budget_kind is BudgetKind.HOURLY and gig.currency == row.rate_currency
    if is_compared and gig.budget_max_minor < row.rate_minor:
        return False
    if gig.document.languages and row.languages and gig.document.languages.isdisjoint(row.languages):
        return False
    if not _has_hours(gig.document, row.time_zone, now=now):
        return False
    return row.available_from is None or row.available_from <= gig.deadline.date()


# -- freelancers for a gig ---------------------------------------------------------------------------------------------


async def own_gigs(op: Operation, ids: Sequence[UUID]) -> list[MarketGig]:
    """The caller's own of these, or all for administrators, each with who is nothing for it."""
    if op.viewer.user_id is None:
        return []
    own = sa.true() if op.viewer.is_admin else col(Gig.client_id) == op.viewer.user_id
    away = sa.union_all(*_in_touch(op, col(Gig.id)), *_blocked_with(col(Gig.client_id)))
    without = sa.func.array(away.scalar_subquery(), type_=ARRAY(sa.Uuid))
    return await read_gigs(op.db, col(Gig.id).in_(ids), own, currency=_currency(op), without=without)


def _in_touch(op: Operation, gig_id: sa.SQLColumnExpression[UUID]) -> list[sa.Select[UUID]]:
    """Who need not be found for the gig any more: they applied, were invited, or the caller does not want them for it."""
    dismissed = sa.select(col(RecommendationDismissal.freelancer_id)).where(
        col(RecommendationDismissal.gig_id) == gig_id,
        col(RecommendationDismissal.user_id) == op.viewer.user_id,
    )
    return [
        sa.select(col(Application.freelancer_id)).where(col(Application.gig_id) == gig_id),
        sa.select(col(GigInvitation.freelancer_id)).where(col(GigInvitation.gig_id) == gig_id),
        dismissed,
    ]


def _of_nobody_blocked(op: Operation) -> Clause:
    """Of `Gig`: its client and the caller have not blocked each other."""
    if op.viewer.user_id is None:
        return sa.true()
    found = sa.union_all(*_blocked_with(sa.literal(op.viewer.user_id)))
    return col(Gig.client_id).not_in(sa.select(found.subquery().c[0]))


def _blocked_with(person_id: sa.SQLColumnExpression[UUID]) -> list[sa.Select[UUID]]:
    """Whom they blocked, and who blocked them: neither is recommended to the other."""
    blocker, blocked = col(PersonBlock.blocker_id), col(PersonBlock.blocked_id)
    return [sa.select(blocked).where(blocker == person_id), sa.select(blocker).where(blocked == person_id)]


async def _freelancers(op: Operation, gig: MarketGig, part: Part) -> Page:
    try:
        if part.list_id is None:
            return await _first_freelancers(op, gig, part)
        return await _next_freelancers(op, gig, part, part.list_id)
    except NotReady as error:
        return nothing(op, error.state)


async def _first_freelancers(op: Operation, gig: MarketGig, part: Part) -> Page:
    explained = LISTED if part.is_backwards else part.size
    answers = await proposed_freelancers(op, gig, explained=explained)
    newcomers = {answer.id for answer in answers if answer.is_newcomer}
    # Where everybody stands in the first places, nobody does too often.
    exposure = op.services.recommender.exposure if len(answers) > FIRST_PLACES else None
    placed = place([answer.id for answer in answers], is_newcomer=newcomers.__contains__, exposure=exposure)
    by_id = {answer.id: answer for answer in answers}
    ordered = [by_id[each.id] for each in placed]
    row = _list_of(
        op, RecommendationKind.FREELANCERS, gig.id, ordered, [each.placed_by.value for each in placed]
    )
    positions, more = part.of(range(1, len(ordered) + 1))
    known = {answer.id for answer in answers[:explained]}
    late = [p for p in positions if ordered[p - 1].id not in known]
    # Placed further up than their score: what would raise it was not asked yet.
    by_id |= {answer.id: answer for answer in await _fits(op, gig, [row.subjects[p - 1] for p in late])}
    return _shown(op, row, [_item(row, p, by_id[ordered[p - 1].id], gig) for p in positions], more=more)


async def _next_freelancers(op: Operation, gig: MarketGig, part: Part, list_id: UUID) -> Page:
    row = await _kept_list(op, part, list_id, RecommendationKind.FREELANCERS, gig.id)
    still = await _still(op, gig, row.subjects)
    positions, more = part.of([p for p, id in enumerate(row.subjects, 1) if id in still])
    answers = {UUID(a.id): a for a in await _fits(op, gig, [row.subjects[p - 1] for p in positions])}
    items = [
        _item(row, p, answers[id], gig)
        for p, id in ((p, row.subjects[p - 1]) for p in positions)
        if id in answers
    ]
    return _shown(op, row, items, more=more)


def _item(row: RecommendationList, position: int, answer: Answer, gig: MarketGig) -> Item:
    return Item(row.subjects[position - 1], position, row.placed_by[position - 1], answer, gig)


async def proposed_freelancers(op: Operation, gig: MarketGig, *, explained: int) -> list[Answer]:
    """Best first, by score alone. Raises `NotReady`."""
    answers: list[Answer] = await op.services.recommender.ask(
        "people_for", gig.document, LISTED, explained, gig.without, op.now()
    )
    still = await _still(op, gig, [UUID(answer.id) for answer in answers])
    return [answer for answer in answers if UUID(answer.id) in still]


async def _fits(op: Operation, gig: MarketGig, ids: Sequence[UUID]) -> list[Answer]:
    if not ids:
        return []
    people = await read_people(op.db, col(FreelancerProfile.user_id).in_(ids), currency=_currency(op))
    found: list[Answer] = await op.services.recommender.ask(
        "fits", [(gig.document, person) for person in people]
    )
    return found


async def _still(op: Operation, gig: MarketGig, ids: Sequence[UUID]) -> set[UUID]:
    """Those of them that can be recommended for the gig now: visible, affordable, understood, free in time, awake when they should be,
    nobody who is in touch or blocked."""
    if not ids:
        return set()
    me = col(FreelancerProfile.user_id)
    away = sa.union_all(*_in_touch(op, sa.literal(gig.id)), *_blocked_with(sa.literal(gig.client_id)))
    affordable: Clause = sa.true()
    if gig.budget_kind is BudgetKind.HOURLY:
        affordable = sa.or_(
            col(FreelancerProfile.rate_minor).is_(None),
            col(FreelancerProfile.rate_currency) != gig.currency,
            col(FreelancerProfile.rate_minor) <= gig.budget_max_minor,
        )
    statement = sa.select(me, col(FreelancerProfile.time_zone)).where(
        me.in_(ids),
        access.visible_freelancers(op.viewer),
        # Those whom the client knows already are not found by chance.
        col(FreelancerProfile.visibility) != Visibility.PRIVATE,
        me != gig.client_id,
        affordable,
        _speaks_one_of(gig.document.languages),
        is_free_by(col(FreelancerProfile.available_from), sa.literal(gig.deadline)),
        me.not_in(sa.select(away.subquery().c[0])),
    )
    rows = await op.db.fetch(statement)
    return {row.user_id for row in rows if _has_hours(gig.document, row.time_zone, now=op.now())}


def _has_hours(gig: GigDocument, zone: str | None, *, now: datetime) -> bool:
    """Of the few that were found: SQL would need the name of every zone that will do, and reading them all takes 0.1 s."""
    return common_hours(gig.zone, zone, at=now) >= gig.overlap


def _speaks_one_of(languages: Collection[str]) -> Clause:
    """Of profiles: who names no language is asked for none."""
    if not languages:
        return sa.true()
    own = col(FreelancerProfile.languages)
    asked = sa.cast(sorted(languages), ARRAY(sa.Text))
    return (sa.func.cardinality(own) == 0) | own.op("&&")(asked)


# -- lists -------------------------------------------------------------------------------------------------------------


def _list_of(
    op: Operation,
    kind: RecommendationKind,
    gig_id: UUID | None,
    answers: Sequence[Answer],
    placed_by: Sequence[str],
) -> RecommendationList:
    """A list that was just made; written by the way."""
    assert op.viewer.user_id is not None
    first = answers[0] if answers else None
    row = RecommendationList(
        id=op.new_id(),
        user_id=op.viewer.user_id,
        kind=kind,
        gig_id=gig_id,
        model_version=first.version if first else "",
        basis=first.basis if first else "",
        made_at=op.now(),
        subjects=[UUID(answer.id) for answer in answers],
        points=[answer.points for answer in answers],
        placed_by=list(placed_by),
    )
    op.services.recommender.log.made(row)
    return row


async def _kept_list(
    op: Operation, part: Part, list_id: UUID, kind: RecommendationKind, gig_id: UUID | None
) -> RecommendationList:
    """Raises `Invalid` for a list of somebody else, of something else, or that is kept no longer."""
    row = await op.services.recommender.log.find(op.db, list_id, now=op.now())
    if row is None or (row.user_id, row.kind, row.gig_id) != (op.viewer.user_id, kind, gig_id):
        text = (
            "This cursor belongs to another list, or to one that is no longer kept. Start again without it."
        )
        raise Invalid(("before" if part.is_backwards else "after",), "CURSOR", text)
    return row


def _shown(op: Operation, row: RecommendationList, items: Sequence[Item], *, more: bool) -> Page:
    op.services.recommender.log.shown(
        row.id,
        [(item.position, item.subject_id, item.answer.points) for item in items],
        at=op.now(),
    )
    return Page(
        RecommendationState.READY,
        1.0,
        tuple(items),
        len(row.subjects),
        more,
        row.id,
        row.basis or None,
        row.model_version or None,
    )


def _currency(op: Operation) -> str:
    return op.services.recommender.currency


def names_of(op: Operation) -> Mapping[str, UUID]:
    """Skills by the names that ranking speaks of."""
    return op.services.recommender.skills
