"""Searching gigs by words, and by spelling where the words find too little.

Ranking every match of a common word would take longer than anybody waits, so the newest `CANDIDATES` matches are ranked;
the answer says so (`search.candidateLimit`, `search.isLimited`). Relevance is an integer made by the same expression in
ORDER BY and in the cursor, so pages neither skip nor repeat.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models.errors import Invalid
from models.gig import Gig, GigSkill
from resolvers.operation import Operation
from schema.connections import Connection, ConnectionOf, Key, Ranking, Request, SearchMode, read_cursor
from schema.graph import Context, GraphField

CANDIDATES = 1_000
MAX_SEARCH = 200
RELEVANCE = sa.literal_column("candidate.relevance", sa.Integer)


@dataclass(eq=False)
class GigSearch(ConnectionOf):
    """The root list of gigs, with an optional `search`."""

    relevance: Any = None

    async def resolve(
        self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]
    ) -> Connection[Any]:
        search = arguments.get("search")
        asked = [order.field for order in arguments.get("order_by") or ()]
        if search is None:
            if self.relevance in asked:
                raise Invalid(("orderBy",), "PAIRING", "RELEVANCE goes together with `search`.")
            return await self.request(field, context, arguments).root()
        words = checked_search(search)
        request = self.request(field, context, arguments)
        if not asked:
            keys = (Key(RELEVANCE, descending=True), *request.keys)
            request = dataclasses.replace(request, keys=keys)
        mode = self._mode_of(request)
        request.ranking = ranking(request, words, mode)
        page = await request.root()
        if mode is SearchMode.WORDS and request.page.cursor is None and len(page.edges) < request.page.limit:
            request.ranking = ranking(request, words, SearchMode.SIMILAR)
            return await request.root()
        return page

    def _mode_of(self, request: Request) -> SearchMode:
        if request.page.cursor is None:
            return SearchMode.WORDS
        content = read_cursor(
            request.context.op, request.page.cursor, request.fingerprint, backwards=request.page.backwards
        )
        return SearchMode(content[1])


def checked_search(search: str) -> str:
    words = " ".join(search.split())
    if not words or len(words) > MAX_SEARCH or "\0" in words:
        message = f"A search has 1 to {MAX_SEARCH} printable characters."
        raise Invalid(("search",), "LENGTH", message, min="1", max=str(MAX_SEARCH))
    return words


def ranking(request: Request, words: str, mode: SearchMode) -> Ranking:
    """The newest gigs that match, with their relevance."""
    match, relevance = matching(words, mode)
    candidates = (
        sa.select(col(Gig.id).label("id"), relevance.label("relevance"))
        .select_from(request.target.source)
        .where(match, *request.filters())
        .order_by(col(Gig.listed_at).desc(), col(Gig.id).desc())
        .limit(CANDIDATES)
        .cte("candidate")
    )
    return Ranking(candidates, mode, CANDIDATES)


def matching(words: str, mode: SearchMode) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[int]]:
    query = sa.func.websearch_to_tsquery(sa.literal_column("'english'::regconfig"), words)
    by_words = col(Gig.search).op("@@")(query)
    rank = sa.func.ts_rank_cd(col(Gig.search), query, 1)
    if mode is SearchMode.WORDS:
        return by_words, _integer(rank)
    similarity = sa.func.word_similarity(words, col(Gig.title))
    # Written with the operator, so that the trigram index serves it; its threshold is 0.6.
    similar = sa.literal(words).op("<%")(col(Gig.title))
    return sa.or_(by_words, similar), _integer(rank + similarity)


def _integer(rank: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    return sa.cast(sa.func.round(sa.cast(rank, sa.Numeric) * 1_000_000), sa.Integer)


async def facets_of(
    op: Operation, filters: list[sa.ColumnElement[bool]], search: str | None
) -> list[sa.Row[Any]]:
    """(facet, value, count) over all gigs that fit; with a search those with all its words."""
    match = [] if search is None else [matching(checked_search(search), SearchMode.WORDS)[0]]
    fitting = (
        sa.select(col(Gig.id), col(Gig.budget_kind), col(Gig.currency), col(Gig.status))
        .where(*filters, *match)
        .cte("fitting")
    )
    skills = (
        sa.select(
            sa.literal("skill").label("facet"),
            sa.cast(col(GigSkill.skill_id), sa.Text).label("value"),
            sa.func.count().label("count"),
        )
        .select_from(fitting.join(GigSkill.__table__, col(GigSkill.gig_id) == fitting.c.id))  # type: ignore[attr-defined]
        .group_by(col(GigSkill.skill_id))
        .order_by(sa.func.count().desc(), col(GigSkill.skill_id))
        .limit(30)
        .subquery()
    )
    plain = [
        sa.select(sa.literal(name), sa.cast(fitting.c[column], sa.Text), sa.func.count()).group_by(
            fitting.c[column]
        )
        for name, column in (("budget_kind", "budget_kind"), ("currency", "currency"), ("status", "status"))
    ]
    return list(await op.db.fetch(sa.union_all(sa.select(skills), *plain)))
