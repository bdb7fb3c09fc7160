"""From a tree of rows to one SQL statement: a table expression for each set of rows, and one row of arrays as the answer.

Scopes stand in every table expression, with the viewer's id as a parameter, so one text serves everybody of the same roles.
Rows that hang on others are found by `= any(array(select …))`, which uses an index whatever the planner of PostgreSQL
believes of the number of rows above; pages below rows are lateral, so each parent reads only its own page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from auth.viewer import Viewer
from models.store.compiled import DIALECT
from models.user import Role
from schema.connections import ConnectionOf, Ranking
from schema.gig_search import ranking_of
from schema.graph import Many, One, Scope
from schema.planner.pages import BoundPage
from schema.planner.rows import PARENT, Form, Rows

_NOBODY = UUID(int=0)
_ROW: sa.Label[Any] = sa.literal_column("1").label("_row")
VIEWER, KEYS = "viewer_id", "keys"


def symbolic(user_id: UUID | None, roles: frozenset[Role]) -> Viewer:
    """A viewer for scopes whose id is a parameter of the statement."""
    if user_id is None:
        return Viewer()
    parameter: Any = sa.bindparam(VIEWER, _NOBODY, type_=sa.Uuid)
    return Viewer(user_id=parameter, roles=roles)


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with `$1`, …; `arguments` makes their values from (viewer id, keys, pages)."""

    text: str
    positions: dict[str, int]
    """Where in the answer each array is; variables of the code come first, in the order of the rows."""
    arguments: Callable[[UUID | None, Sequence[UUID], Sequence[BoundPage]], list[Any]]
    is_generic: bool
    """Whether one plan serves all values. Filters and searches are too uneven in selectivity for that."""


def compile_statement(
    root: Rows, everything: Sequence[Rows], viewer: Viewer, pages: Sequence[BoundPage]
) -> Statement:
    builder = _Builder(viewer, pages)
    builder.add(root)
    return builder.statement(everything)


class _Builder:
    def __init__(self, viewer: Viewer, pages: Sequence[BoundPage]) -> None:
        self._viewer = viewer
        self._pages = pages
        self._tables: dict[Rows, sa.CTE] = {}
        self._totals: dict[int, sa.CTE | sa.ScalarSelect[int]] = {}

    def add(self, rows: Rows) -> None:
        """The table expression of these rows, then of those below."""
        self._tables[rows] = self._select(rows).cte(rows.name)
        for child in rows.below:
            self.add(child)

    def _select(self, rows: Rows) -> sa.Select[Any]:
        spec = rows.spec
        # Of some pages only the number of rows is of interest.
        columns = [column.label(name) for name, column in rows.columns.items()] or [_ROW]
        if rows.page is not None:
            return self._page(rows, columns)
        scope = self._scope(rows)
        source = _source(rows, scope)
        if rows.link is None:
            keys = sa.bindparam(KEYS, [], type_=sa.ARRAY(sa.Uuid))
            assert spec.key is not None
            return sa.select(*columns).select_from(source).where(spec.key == sa.any_(keys), scope)
        assert rows.above is not None
        if isinstance(rows.link, One):
            return (
                sa.select(*columns)
                .select_from(source)
                .where(spec.key == self._any(rows.above, rows.link.column), scope)
            )
        assert isinstance(rows.link, Many) and rows.above.spec.key is not None
        parent = rows.link.parent
        return (
            sa.select(parent.label(PARENT), *columns)
            .select_from(source)
            .where(parent == self._any(rows.above, rows.above.spec.key), scope)
            .order_by(parent, *rows.link.order)
        )

    def _scope(self, rows: Rows) -> sa.ColumnElement[bool]:
        scope = _scope_of(rows.spec.scope, self._viewer.user_id is None, self._viewer.roles)
        if rows.link is None or isinstance(scope, sa.True_ | sa.False_):
            return scope
        # The rows above lead to few; as a plain condition the scope makes PostgreSQL combine indexes for each of them.
        return scope.is_(sa.true())

    def _any(self, above: Rows, column: sa.ColumnElement[Any]) -> Any:
        name = above.needs(column)
        values = sa.select(self._tables[above].c[name])
        return sa.any_(sa.func.array(values.scalar_subquery()))

    # -- pages ---------------------------------------------------------------------------------------------------------

    def _page(self, rows: Rows, columns: list[Any]) -> sa.Select[Any]:
        use = rows.page
        assert use is not None
        bound = self._pages[use.number]
        declaration = use.declaration
        keys = bound.keys_as_asked
        labelled = [key.expression.label(f"_k{i}") for i, key in enumerate(keys)] if use.wants_cursors else []
        ranking = self._ranking(rows, bound)
        if ranking is not None and use.wants_report:
            matching = sa.select(sa.func.count()).select_from(ranking.matching)
            labelled.append(matching.scalar_subquery().label("_matching"))
        limit = sa.bindparam(f"limit_{use.number}", 1, type_=sa.Integer)
        source, filters = self._filtered(rows, bound, ranking, [key.expression for key in keys])
        inner = (
            sa.select(*columns, *labelled)
            .select_from(source)
            .where(*filters, *bound.beyond)
            .order_by(*(key.ordering() for key in keys))
            .limit(limit)
        )
        if use.wants_total:
            self._totals[use.number] = self._total(rows, bound, ranking)
        if declaration.parent is None:
            return inner
        wanted = self._wanted(rows, declaration)
        page = inner.where(declaration.parent == wanted.c.parent).lateral(f"{rows.name}_page")
        # Not put in order again: a lateral page with a limit can only be read parent by parent, each in its order.
        return sa.select(wanted.c.parent.label(PARENT), *page.c).select_from(wanted.join(page, sa.true()))

    def _wanted(self, rows: Rows, declaration: ConnectionOf) -> sa.Subquery:
        """The parents of a nested page; rows with a key come once each."""
        above = rows.above
        assert above is not None and above.spec.key is not None
        key: Any = self._tables[above].c[above.needs(above.spec.key)]
        if declaration.stream is not None:
            key = sa.literal_column(f"'{declaration.stream}:'", sa.Text) + sa.cast(key, sa.Text)
        return sa.select(key.label("parent")).subquery(f"{rows.name}_parent")

    def _filters(self, rows: Rows, bound: BoundPage) -> list[sa.ColumnElement[bool]]:
        narrowed = bound.use.declaration.narrowed
        scopes = [self._scope(rows)]
        if narrowed is not None:
            scopes.append(_scope_of(narrowed, self._viewer.user_id is None, self._viewer.roles))
        return [*scopes, *bound.conditions]

    def _ranking(self, rows: Rows, bound: BoundPage) -> Ranking | None:
        if bound.sought is None:
            return None
        return ranking_of(bound.sought, rows.spec.source, self._filters(rows, bound))

    def _filtered(
        self, rows: Rows, bound: BoundPage, ranking: Ranking | None, order: Sequence[Any] = ()
    ) -> tuple[sa.FromClause, list[sa.ColumnElement[bool]]]:
        """What a page is read from, and the conditions that still have to be applied there."""
        if ranking is not None:
            # Candidates of a search are chosen under scope and conditions already.
            assert rows.spec.key is not None
            return rows.spec.source.join(ranking.candidates, ranking.candidates.c.id == rows.spec.key), []
        filters = self._filters(rows, bound)
        return _source(rows, *filters, *bound.beyond, *order), filters

    def _total(self, rows: Rows, bound: BoundPage, ranking: Ranking | None) -> Any:
        use = rows.page
        assert use is not None
        parent = use.declaration.parent
        source, filters = self._filtered(rows, bound, ranking)
        if parent is None:
            return sa.select(sa.func.count()).select_from(source).where(*filters).scalar_subquery()
        wanted = self._wanted(rows, use.declaration)
        values = sa.func.array(sa.select(wanted.c.parent).scalar_subquery())
        return (
            sa.select(parent.label("parent"), sa.func.count().label("items"))
            .select_from(source)
            .where(parent == sa.any_(values), *filters)
            .group_by(parent)
            .cte(f"{rows.name}_total")
        )

    # -- the answer ----------------------------------------------------------------------------------------------------

    def statement(self, everything: Sequence[Rows]) -> Statement:
        """One row: first the columns that the code takes by their place, then what pages ask for by name."""
        parts: list[sa.FromClause] = []
        taken: list[Any] = []
        named: list[Any] = []

        def gather(source: sa.CTE, columns: dict[str, Any]) -> Any:
            arrays = sa.select(*(value.label(name) for name, value in columns.items()))
            parts.append(arrays.select_from(source).subquery(f"a{len(parts)}"))
            return parts[-1].c

        for rows in everything:
            table = self._tables[rows]
            columns = {
                variable: _gathered(table.c[name], rows.parent_form if name == PARENT else form)
                for (name, form), variable in rows.outputs.items()
            }
            extra: dict[str, Any] = {}
            if (use := rows.page) is not None:
                wanted = (("_k",) if use.wants_cursors else ()) + (("_matching",) if use.wants_report else ())
                extra = (
                    {
                        f"_{use.number}{c.name}": _gathered(c, Form.PLAIN)
                        for c in table.c
                        if c.name.startswith(wanted)
                    }
                    if wanted
                    else {}
                )
                total = self._totals.get(use.number)
                if isinstance(total, sa.CTE):
                    by_parent = {
                        "parent": _gathered(total.c.parent, rows.parent_form),
                        "items": _gathered(total.c["items"], Form.PLAIN),
                    }
                    named += gather(total, {f"_{use.number}_{name}": c for name, c in by_parent.items()})
                elif total is not None:
                    named.append(total.label(f"_{use.number}_total"))
            gathered = gather(table, columns | extra)
            taken += [gathered[name] for name in columns]
            named += [gathered[name] for name in extra]
        joined = parts[0]
        for part in parts[1:]:
            joined = joined.join(part, sa.true())
        statement = sa.select(*taken, *named).select_from(joined)
        return self._compiled(statement, [column.name for column in (*taken, *named)])

    def _compiled(self, statement: sa.Select[Any], names: list[str]) -> Statement:
        compiled = statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
        by_bind = dict(compiled.bind_names)
        sources: dict[str, tuple[int, int]] = {}
        for page in self._pages:
            for index, bind in enumerate(page.binds):
                if bind in by_bind and not bind.expanding:
                    sources[by_bind[bind]] = (page.number, index)
        processors = compiled._bind_processors
        plan: list[Callable[..., Any]] = []
        for name in compiled.positiontup or ():
            process = processors.get(name)
            if name == VIEWER:
                plan.append(lambda viewer, keys, pages: viewer)
            elif name == KEYS:
                plan.append(lambda viewer, keys, pages: keys)
            elif name.startswith("limit_"):
                number = int(name.removeprefix("limit_"))
                plan.append(lambda viewer, keys, pages, n=number: pages[n].fetched)
            elif name.startswith("sought_"):
                plan.append(lambda viewer, keys, pages, n=name: _sought(pages)[n])
            elif name in sources:
                number, index = sources[name]
                plan.append(
                    lambda viewer, keys, pages, n=number, i=index, p=process: _processed(
                        p, pages[n].values[i]
                    )
                )
            else:
                value = _constant(compiled, name)
                plan.append(lambda viewer, keys, pages, v=value: v)

        def arguments(viewer: UUID | None, keys: Sequence[UUID], pages: Sequence[BoundPage]) -> list[Any]:
            return [value(viewer, keys, pages) for value in plan]

        positions = {name: index for index, name in enumerate(names)}
        is_generic = all(page.is_plain for page in self._pages)
        return Statement(str(compiled), positions, arguments, is_generic)


@lru_cache(1_000)
def _scope_of(scope: Scope, is_anonymous: bool, roles: frozenset[Role]) -> sa.ColumnElement[bool]:
    """Composed once for everybody of the same roles: a seventh of what a new statement costs."""
    return _spelt_out(scope(symbolic(None if is_anonymous else _NOBODY, roles)))


def _source(rows: Rows, *clauses: sa.ColumnElement[Any]) -> sa.FromClause:
    """What is read: without the joined table where nothing asks for it. Each row has exactly one there."""
    source = rows.spec.source
    if not isinstance(source, sa.Join):
        return source
    mentioned = (e for clause in (*rows.columns.values(), *clauses) for e in visitors.iterate(clause))
    is_needed = any(getattr(element, "table", None) is source.right for element in mentioned)
    return source if is_needed else source.left


def _spelt_out(scope: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """The scope with its constants in the text: as parameters they cost a fifth of a small read in PostgreSQL (measured)."""

    def replace(element: Any, **_: Any) -> Any:
        is_constant = isinstance(element, sa.BindParameter) and element.key != VIEWER
        return element.render_literal_execute() if is_constant else None

    return visitors.replacement_traverse(scope, {}, replace)


def _gathered(column: sa.ColumnElement[Any], form: Form) -> sa.ColumnElement[Any]:
    """A column of all rows as one value."""
    if form is Form.MOMENT:
        return sa.cast(sa.func.json_agg(column), sa.Text)
    if form is Form.BYTES:
        column = sa.func.uuid_send(column)
    elif form is Form.JSON:
        column = sa.cast(sa.func.to_jsonb(column), sa.Text)
    return sa.func.array_agg(column)


def _sought(pages: Sequence[BoundPage]) -> dict[str, str | None]:
    """Only the root is searched."""
    sought = pages[0].sought
    assert sought is not None
    return sought.values


def _processed(process: Callable[[Any], Any] | None, value: Any) -> Any:
    return value if process is None else process(value)


def _constant(compiled: Any, name: str) -> Any:
    # One of a list of constants is processed under the name of the list.
    process = compiled._bind_processors.get(name) or compiled._bind_processors.get(name.rpartition("_")[0])
    return _processed(process, compiled.params[name])
