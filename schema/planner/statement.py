"""From a tree of rows to one SQL statement: a table expression for each set of rows, and one row of arrays as the answer.

Scopes stand in every table expression, with the viewer's id as a parameter, so one text serves everybody of the same roles.
They are written once, as text, and so is what stands around the table expressions: a selection that was never seen before
waits for this, and SQLAlchemy takes longer to write a known text again than PostgreSQL takes to answer (measured).

Rows that hang on others are found by `= any(array(select …))`, which uses an index whatever the planner of PostgreSQL
believes of the number of rows above; pages below rows are lateral, so each parent reads only its own page.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import Grouping

from auth.viewer import Viewer
from models.store.compiled import DIALECT
from models.user import Role
from schema.connections import ConnectionOf, Ranking
from schema.gig_search import ranking_of
from schema.graph import Many, One, Scope
from schema.places import own_place
from schema.planner.pages import BoundPage
from schema.planner.rows import PARENT, Form, Rows

_ROW: sa.Label[Any] = sa.literal_column("1").label("_row")
VIEWER, KEYS = "viewer_id", "keys"
_HERE = "\0"
"""Stands for the viewer's id while a scope is written: no text of PostgreSQL can hold it."""
_quoted = DIALECT.identifier_preparer.quote


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
        self._tables: list[sa.CTE] = []

    def add(self, rows: Rows) -> None:
        """The table expression of these rows, then of those below."""
        self._tables.append(self._select(rows).cte(rows.name))
        for child in rows.below:
            self.add(child)

    def _select(self, rows: Rows) -> sa.Select[Any]:
        spec = rows.spec
        # Of some pages only the number of rows is of interest.
        columns = [_labelled(column, name) for name, column in rows.columns.items()] or [_ROW]
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
            .where(parent == self._any(rows.above, rows.above.spec.key), scope, rows.link.where)
            .order_by(parent, *rows.link.order)
        )

    def _scope(self, rows: Rows) -> sa.ColumnElement[bool]:
        scope = self._written(rows.spec.scope, rows)
        if rows.link is None or isinstance(scope, sa.True_ | sa.False_):
            return scope
        # The rows above lead to few; as a plain condition the scope makes PostgreSQL combine indexes for each of them.
        return scope.is_(sa.true())

    def _written(self, scope: Scope, rows: Rows) -> sa.ColumnElement[bool]:
        return _written(scope, rows.spec.source, self._viewer.user_id is None, self._viewer.roles)

    def _any(self, above: Rows, column: sa.ColumnElement[Any]) -> Any:
        return sa.literal_column(f"ANY (array({_selecting([_place(above, column)], above.name)}))")

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
            self._tables.append(self._total(rows, bound, ranking).cte(f"{rows.name}_total"))
        if use.wants_place:
            viewer_id = sa.bindparam(VIEWER, None, type_=sa.Uuid)
            self._tables.append(own_place(viewer_id).cte(f"{rows.name}_place"))
        if declaration.parent is None:
            return inner
        wanted = self._wanted(rows, declaration)
        page = inner.where(declaration.parent == wanted.c.parent).lateral(f"{rows.name}_page")
        # Not put in order again: a lateral page with a limit can only be read parent by parent, each in its order.
        everything: Any = sa.literal_column(f"{page.name}.*")
        return sa.select(wanted.c.parent.label(PARENT), everything).select_from(wanted.join(page, sa.true()))

    def _wanted(self, rows: Rows, declaration: ConnectionOf) -> sa.Subquery:
        """The parents of a nested page; rows with a key come once each."""
        above = rows.above
        assert above is not None and above.spec.key is not None
        key = _place(above, above.spec.key)
        if declaration.stream is not None:
            key = f"'{declaration.stream}:' || CAST({key} AS TEXT)"
        parent: sa.Label[Any] = sa.literal_column(key).label("parent")
        return sa.select(parent).select_from(sa.table(above.name)).subquery(f"{rows.name}_parent")

    def _filters(self, rows: Rows, bound: BoundPage) -> list[sa.ColumnElement[bool]]:
        narrowed = bound.use.declaration.narrowed
        scopes = [self._scope(rows)]
        if narrowed is not None:
            scopes.append(self._written(narrowed, rows))
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

    def _total(self, rows: Rows, bound: BoundPage, ranking: Ranking | None) -> sa.Select[Any]:
        use = rows.page
        assert use is not None
        parent = use.declaration.parent
        source, filters = self._filtered(rows, bound, ranking)
        if parent is None:
            return sa.select(sa.func.count().label("items")).select_from(source).where(*filters)
        wanted = self._wanted(rows, use.declaration)
        values = sa.func.array(sa.select(wanted.c.parent).scalar_subquery())
        return (
            sa.select(parent.label("parent"), sa.func.count().label("items"))
            .select_from(source)
            .where(parent == sa.any_(values), *filters)
            .group_by(parent)
        )

    # -- the answer ----------------------------------------------------------------------------------------------------

    def statement(self, everything: Sequence[Rows]) -> Statement:
        """One row: first the columns that the code takes by their place, then what pages ask for by name."""
        parts: list[str] = []
        taken: list[str] = []
        named: list[str] = []

        def gather(table: str, columns: dict[str, str]) -> None:
            values = [f"{value} AS {name}" for name, value in columns.items()]
            parts.append(f"({_selecting(values, table)}) AS a{len(parts)}")

        for rows in everything:
            columns = {
                variable: _gathered(
                    f"{rows.name}.{_quoted(name)}", rows.parent_form if name == PARENT else form
                )
                for (name, form), variable in rows.outputs.items()
            }
            extra = self._extra(rows)
            gather(rows.name, columns | extra)
            taken += columns
            named += extra
            if (use := rows.page) is not None and use.wants_total:
                counts = {f"_{use.number}_total": "items"}
                if use.declaration.parent is not None:
                    counts = {
                        f"_{use.number}_parent": _gathered("parent", rows.parent_form),
                        f"_{use.number}_items": _gathered("items", Form.PLAIN),
                    }
                gather(f"{rows.name}_total", counts)
                named += counts
            if (use := rows.page) is not None and use.wants_place:
                place = {f"_{use.number}_place": "place"}
                gather(f"{rows.name}_place", place)
                named += place
        text = _selecting([*taken, *named], " CROSS JOIN ".join(parts))
        return self._compiled(sa.text(text).columns().add_cte(*self._tables), [*taken, *named])

    def _extra(self, rows: Rows) -> dict[str, str]:
        """What else a page delivers for its rows: the values of cursors, and the size of a search."""
        use = rows.page
        if use is None:
            return {}
        keys = self._pages[use.number].keys
        names = [f"_k{i}" for i in range(len(keys))] if use.wants_cursors else []
        if use.wants_report and self._pages[use.number].sought is not None:
            names.append("_matching")
        return {f"_{use.number}{name}": _gathered(f"{rows.name}.{name}", Form.PLAIN) for name in names}

    def _compiled(self, statement: sa.TextualSelect, names: list[str]) -> Statement:
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


class _Written(Grouping[bool]):
    """A scope as text, which nothing has to walk through again; `tables` are those it mentions."""

    def __init__(self, text: sa.TextClause, tables: frozenset[Any]) -> None:
        super().__init__(text)
        self.tables = tables


@lru_cache(1_000)
def _written(
    scope: Scope, source: sa.FromClause, is_anonymous: bool, roles: frozenset[Role]
) -> sa.ColumnElement[bool]:
    """The scope of everybody of the same roles, as it stands in a statement that reads from `source`."""
    viewer_id: Any = sa.literal_column(_HERE, sa.Uuid)
    condition = _spelt_out(
        scope(Viewer(roles=roles) if is_anonymous else Viewer(user_id=viewer_id, roles=roles))
    )
    if isinstance(condition, sa.True_ | sa.False_):
        return condition
    tables = frozenset(getattr(element, "table", None) for element in visitors.iterate(condition))
    # Inside a statement, because there subqueries of the scope refer to the rows around them.
    around = sa.select(_ROW).select_from(_read_from(source, tables))
    start, whole = (_text(statement) for statement in (around, around.where(condition)))
    assert whole.startswith(f"{start} \nWHERE "), f"a scope that reads from other tables: {whole}"
    text = whole.removeprefix(f"{start} \nWHERE ")
    binds = [sa.bindparam(VIEWER, None, type_=sa.Uuid)] if _HERE in text else []
    text = text.replace(":", "\\:").replace(_HERE, f":{VIEWER}")
    return _Written(sa.text(text).bindparams(*binds), tables)


def _text(statement: sa.Select[Any]) -> str:
    return str(statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True}))


def _source(rows: Rows, *clauses: sa.ColumnElement[Any]) -> sa.FromClause:
    """What rows are read from, for these clauses and their own columns."""
    source = rows.spec.source
    if not isinstance(source, sa.Join):
        return source
    tables: set[Any] = set()
    for clause in (*rows.columns.values(), *clauses):
        for element in visitors.iterate(clause):
            tables |= element.tables if isinstance(element, _Written) else {getattr(element, "table", None)}
    return _read_from(source, tables)


def _read_from(source: sa.FromClause, tables: Collection[Any]) -> sa.FromClause:
    """Without the joined table where nothing asks for it. Each row has exactly one there."""
    return source.left if isinstance(source, sa.Join) and source.right not in tables else source


def _selecting(values: Sequence[str], source: str) -> str:
    """Both are made of our own names only."""
    return f"SELECT {', '.join(values)} FROM {source}"  # noqa: S608


def _labelled(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[Any]:
    """In a list of columns. Most are columns of tables, and SQLAlchemy takes a third of a statement for them (measured)."""
    if not isinstance(column, sa.Column):
        return column.label(name)
    return sa.literal_column(f"{_quoted(column.table.name)}.{_quoted(column.name)} AS {_quoted(name)}")


def _place(rows: Rows, column: sa.ColumnElement[Any]) -> str:
    """Where the table expression of these rows has the column."""
    return f"{rows.name}.{_quoted(rows.needs(column))}"


def _spelt_out(scope: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """The scope with its constants in the text: as parameters they cost a fifth of a small read in PostgreSQL (measured)."""

    def replace(element: Any, **_: Any) -> Any:
        return element.render_literal_execute() if isinstance(element, sa.BindParameter) else None

    return visitors.replacement_traverse(scope, {}, replace)


def _gathered(value: str, form: Form) -> str:
    """A column of all rows as one value."""
    if form is Form.MOMENT:
        return f"CAST(json_agg({value}) AS TEXT)"
    if form is Form.BYTES:
        value = f"uuid_send({value})"
    elif form is Form.JSON:
        value = f"CAST(to_jsonb({value}) AS TEXT)"
    return f"array_agg({value})"


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
