"""Searching gigs by words, and by spelling where the words find too little.

Ranking every match of a common word would take longer than anybody waits, so the newest `CANDIDATES` matches are ranked;
the answer says so (`search.candidateLimit`, `search.isLimited`). Relevance is an integer made by the same expression in
ORDER BY and in the cursor, so pages neither skip nor repeat.

A misspelt word is looked up by trigrams among the words that gigs use (`gig_word`), not among the texts: comparing it with
100,000 titles takes up to 3 s for two letters. What it may mean then finds gigs by the same index as a word that is right.
"""

import dataclasses
import re
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlmodel import col

from models.errors import Invalid
from models.gig import Gig, GigSkill
from ranking.spelling import SHORTEST, meanings
from resolvers.operation import Operation
from schema.connections import Connection, ConnectionOf, Ranking, Request, SearchMode
from schema.graph import Context, GraphField, sql
from schema.keyset import Key, read_cursor

CANDIDATES = 500
FACET_CANDIDATES = 5_000
MAX_SEARCH = 200
MAX_RESPELT = 10
RELEVANCE = sa.literal_column("candidate.relevance", sa.Integer)
_EXCLUDED = re.compile(r'(?:^|(?<=\s))-(?:"[^"]*"?|\S+)')
# Quotes ask for words side by side, and so does what holds words together: "full-stack".
_PHRASE = re.compile(r'"|\w[-/.@:]\w')
_PLAIN: dict[str, sa.ColumnElement[Any]] = {
    "budget_kind": sql(Gig.budget_kind), "currency": sql(Gig.currency), "status": sql(Gig.status)
}  # fmt: skip
_ENGLISH: sa.ColumnElement[Any] = sa.literal_column("'english'::regconfig")

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Sought:
    """What a search looks for: the words as they were written, and `meant`, the text of a tsquery, once they were respelt."""

    words: str
    meant: str | None = None

    @property
    def mode(self) -> SearchMode:
        return SearchMode.WORDS if self.meant is None else SearchMode.SIMILAR

    @property
    def excluded(self) -> str:
        return " ".join(_EXCLUDED.findall(self.words))

    @property
    def is_phrase(self) -> bool:
        return _PHRASE.search(self.words) is not None

    @property
    def shape(self) -> Hashable:
        """Searches of the same shape have the same `ranking_of` but for `values`."""
        return self.is_phrase, self.mode, bool(self.excluded)

    @property
    def values(self) -> dict[str, str | None]:
        """Of the parameters of `ranking_of`."""
        return {"sought_words": self.words, "sought_meant": self.meant, "sought_excluded": self.excluded}

    def parameter(self, name: str) -> sa.BindParameter[str]:
        return sa.bindparam(name, self.values[name], type_=sa.Text)


PageOf = Callable[[Sought], Awaitable[tuple[int, P]]]


@dataclass(eq=False)
class GigSearch(ConnectionOf):
    """The root list of gigs, with an optional `search`."""

    relevance: Any = None

    async def resolve(
        self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]
    ) -> Connection[Any]:
        request = self.request(field, context, arguments)

        async def page_of(sought: Sought) -> tuple[int, Connection[Any]]:
            ranking = ranking_of(sought, request.target.source, request.filters())
            page = await dataclasses.replace(request, ranking=ranking).root()
            return len(page.nodes), page

        if arguments.get("search") is None:
            return await request.root()
        return await self.found(request, arguments, page_of)

    def request(self, field: GraphField, context: Context, arguments: Mapping[str, Any]) -> Request:
        """Raises `Invalid`."""
        asked = [order.field for order in arguments.get("order_by") or ()]
        search = arguments.get("search")
        if search is None and self.relevance in asked:
            raise Invalid(("orderBy",), "PAIRING", "RELEVANCE goes together with `search`.")
        if search is not None:
            checked_search(search)
        request = super().request(field, context, arguments)
        if search is None or asked:
            return request
        return dataclasses.replace(request, keys=(Key(RELEVANCE, descending=True), *request.keys))

    async def found(self, request: Request, arguments: Mapping[str, Any], page_of: PageOf[P]) -> P:
        """The page of a search; `page_of` reads one and tells its size."""
        op, words = request.context.op, checked_search(arguments["search"])
        if self._mode_of(request) is SearchMode.SIMILAR:
            return (await page_of(Sought(words, await respelt(op, words))))[1]
        size, exact = await page_of(Sought(words))
        if request.page.cursor is not None or size >= request.page.limit:
            return exact
        meant = await respelt(op, words)
        if meant is None:
            return exact
        similar_size, similar = await page_of(Sought(words, meant))
        # Words are looked up among those of all gigs, hidden ones too. Where only hidden ones are alike, the answer must
        # be the same as where none are, mode included: otherwise prefixes would spell out the words of strangers' drafts.
        return similar if similar_size > size else exact

    def _mode_of(self, request: Request) -> SearchMode:
        if request.page.cursor is None:
            return SearchMode.WORDS
        mode, _ = read_cursor(
            request.context.op, request.page.cursor, request.fingerprint, backwards=request.page.backwards
        )
        return SearchMode(mode)


def checked_search(search: str) -> str:
    words = " ".join(search.split())
    if not words or len(words) > MAX_SEARCH or "\0" in words:
        message = f"A search has 1 to {MAX_SEARCH} printable characters."
        raise Invalid(("search",), "LENGTH", message, min="1", max=str(MAX_SEARCH))
    return words


async def respelt(op: Operation, words: str) -> str | None:
    """The search with every word replaced by what it may mean, as text of a tsquery; None if that adds nothing.

    Raises `Invalid` for a search in which there is nothing to look for.
    """
    wanted = _EXCLUDED.sub(" ", words)
    rows = await op.db.fetch(_NEAR.bindparams(words=words, wanted=wanted, shortest=SHORTEST))
    if not rows[0].nodes:
        message = (
            "There is nothing to look for: these words are in almost every text. Add one that says more."
        )
        raise Invalid(("search",), "WORDS", message)
    near = [(row.word, row.near or []) for row in rows if row.word is not None]
    readings = [meanings(word, known) for word, known in near[:MAX_RESPELT]] + [
        [word] for word, _ in near[MAX_RESPELT:]
    ]
    if all(len(reading) == 1 for reading in readings):
        return None
    return " & ".join(f"({' | '.join(map(_quoted, reading))})" for reading in readings)


def _quoted(lexeme: str) -> str:
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def ranking_of(sought: Sought, source: sa.FromClause, filters: Sequence[sa.ColumnElement[bool]]) -> Ranking:
    """The newest gigs that match, with their relevance: what has the words as they were written counts twice."""
    query = _query_for(sought.parameter("sought_words"))
    wanted = [query]
    if sought.meant is not None:
        meant: sa.ColumnElement[Any] = sa.cast(sought.parameter("sought_meant"), _TSQUERY)
        if sought.excluded:
            meant = meant.op("&&")(_query_for(sought.parameter("sought_excluded")))
        query = query.op("||")(meant)
        wanted.append(meant)
    matches = (
        sa.select(*_place(), col(Gig.search).label("search"))
        .select_from(source)
        .where(col(Gig.search).op("@@")(query), *filters)
    )
    found = _newest(matches, CANDIDATES + 1, is_phrase=sought.is_phrase).subquery("found")
    # Ranked only now: PostgreSQL takes ranking for cheap and would rank every match before it takes the newest.
    matching = (
        sa.select(found.c.id, found.c.at, _relevance(found.c.search, wanted).label("relevance"))
        .order_by(found.c.at.desc(), found.c.id.desc())
        .cte("matching")
    )
    candidates = (
        sa.select(matching.c.id, matching.c.relevance)
        .order_by(matching.c.at.desc(), matching.c.id.desc())
        .limit(CANDIDATES)
        .cte("candidate")
    )
    return Ranking(candidates, sought.mode, CANDIDATES, matching)


def _newest(matches: sa.Select[Any], limit: int, *, is_phrase: bool) -> sa.Select[Any]:
    """The newest `limit` of `matches`, which are labelled `id` and `at`."""
    if is_phrase:
        # How often words stand side by side is not known to the planner: it takes a phrase to be as frequent as its
        # words, reads gigs from the newest on and finds no end. The OFFSET keeps it to the index of words.
        matches = sa.select(matches.offset(sa.literal_column("0")).subquery("side_by_side"))
    at, id = matches.selected_columns["at"], matches.selected_columns["id"]
    return matches.order_by(at.desc(), id.desc()).limit(limit)


def _place() -> list[sa.ColumnElement[Any]]:
    """Of a gig in the order of the newest."""
    return [col(Gig.id).label("id"), col(Gig.listed_at).label("at")]


def _query_for(words: sa.ColumnElement[str]) -> sa.ColumnElement[Any]:
    return sa.func.websearch_to_tsquery(_ENGLISH, words)


def _relevance(text: sa.ColumnElement[Any], queries: list[sa.ColumnElement[Any]]) -> sa.ColumnElement[int]:
    rank = sum(
        (sa.func.ts_rank_cd(text, query, 1) for query in queries[1:]), sa.func.ts_rank_cd(text, queries[0], 1)
    )
    return sa.cast(sa.func.round(sa.cast(rank, sa.Numeric) * 1_000_000), sa.Integer)


async def facets_of(
    op: Operation, filters: list[sa.ColumnElement[bool]], search: str | None
) -> tuple[Sequence[sa.Row[Any]], bool]:
    """(facet, value, count) over the newest gigs that fit, and whether there were more of them than are counted.

    With a search, gigs with all its words.
    """
    sought = None if search is None else Sought(checked_search(search))
    match = [] if sought is None else [col(Gig.search).op("@@")(_query_for(sought.parameter("sought_words")))]
    matches = sa.select(*_place(), *(column.label(name) for name, column in _PLAIN.items())).where(
        *filters, *match
    )
    fitting = _newest(matches, FACET_CANDIDATES + 1, is_phrase=sought is not None and sought.is_phrase).cte(
        "fitting"
    )
    counted = (
        sa.select(fitting)
        .order_by(fitting.c.at.desc(), fitting.c.id.desc())
        .limit(FACET_CANDIDATES)
        .cte("counted")
    )
    # As an array: looked up in the key of the table in one sweep. A join would read all skills of all gigs.
    counted_ids = sa.func.array(sa.select(counted.c.id).scalar_subquery())
    skills = (
        sa.select(
            sa.literal("skill").label("facet"),
            sa.cast(col(GigSkill.skill_id), sa.Text).label("value"),
            sa.func.count().label("count"),
        )
        .where(col(GigSkill.gig_id) == sa.any_(counted_ids))
        .group_by(col(GigSkill.skill_id))
        .order_by(sa.func.count().desc(), col(GigSkill.skill_id))
        .limit(30)
        .subquery()
    )
    plain = [
        sa.select(sa.literal(name), sa.cast(counted.c[name], sa.Text), sa.func.count()).group_by(
            counted.c[name]
        )
        for name in _PLAIN
    ]
    total = sa.select(sa.literal("fitting"), sa.cast(sa.null(), sa.Text), sa.func.count()).select_from(
        fitting
    )
    rows = await op.db.fetch(sa.union_all(sa.select(skills), *plain, total))
    total_of_fitting = next(row._mapping["count"] for row in rows if row.facet == "fitting")
    return [row for row in rows if row.facet != "fitting"], total_of_fitting > FACET_CANDIDATES


class _TsQuery(sa.types.UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "tsquery"


_TSQUERY = _TsQuery()

# One row for each word of the search; where there is none, one row that only says whether anything is looked for.
_NEAR = sa.text("""
    select numnode(websearch_to_tsquery('english', :words)) as nodes, typed.word, near.words as near
    from (select 1) as once
    left join unnest(tsvector_to_array(to_tsvector('english', :wanted))) as typed(word) on true
    left join lateral (
        select array_agg(word order by closeness desc, word) as words from (
            select distinct word, similarity(word, typed.word) as closeness from gig_word
            where word % typed.word or word like regexp_replace(typed.word, '([\\\\%_])', '\\\\\\1', 'g') || '%'
            order by closeness desc, word limit 30
        ) as closest
    ) as near on length(typed.word) >= :shortest
    order by length(typed.word) desc, typed.word
""")
