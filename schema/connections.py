"""Lists that can grow: Relay connections by keyset, at the root or below a row, always under the target's scope."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

import sqlalchemy as sa
import strawberry

from models.errors import Invalid
from models.store.sql import Position
from resolvers.operation import Operation
from schema.filters import compile_where, fingerprint_of
from schema.graph import (
    Context,
    Declaration,
    GraphField,
    NodeSpec,
    Scope,
    argument,
    declare,
    label,
    spec_of,
    sql,
)
from schema.keyset import Direction, Key, Nulls, after, order_text, read_cursor, write_cursor
from schema.places import own_place, stream_cursor
from schema.scalars import StreamCursor

T = TypeVar("T")
Clause = sa.ColumnElement[bool]
DEFAULT_PAGE, MAX_PAGE = 20, 100
_MOST_ORDERS = 200
_NO_FILTER = fingerprint_of(None)


@strawberry.enum(description="What makes an item match a search.")
class SearchMode(Enum):
    WORDS = strawberry.enum_value("WORDS", description="All words of the search, in any grammatical form.")
    SIMILAR = strawberry.enum_value(
        "SIMILAR",
        description="Fewer than a page had all words, so words that begin alike or are spelt alike match too.",
    )


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follows after `endCursor`.")
    has_previous_page: bool = strawberry.field(description="Whether more precedes `startCursor`.")
    start_cursor: str | None = strawberry.field(
        description="Cursor of the first item; null on an empty page."
    )
    end_cursor: str | None = strawberry.field(description="Cursor of the last item; null on an empty page.")

    @classmethod
    def of(cls, cursors: Sequence[str], *, has_next_page: bool, has_previous_page: bool) -> PageInfo:
        """Of a page whose items have these cursors, in order."""
        return cls(
            has_next_page=has_next_page,
            has_previous_page=has_previous_page,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )


@strawberry.type(description="An item and its place in the list.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(
        description="The place of this item in this order and filter; for `after` and `before` of the same list."
    )
    node: T = strawberry.field(description="The item.")


@strawberry.type(description="How a search was done.")
class SearchReport:
    mode: SearchMode = strawberry.field(description="What made items match.")
    candidate_limit: int = strawberry.field(
        description="How many matching items are ranked at most: the newest ones. `totalCount` stops there too."
    )
    is_limited: bool = strawberry.field(description="Whether there are more matching items than were ranked.")


async def _counted(root: strawberry.Parent[Any]) -> int:
    count: int = await root.count()
    return count


def _place(root: strawberry.Parent[Any]) -> StreamCursor | None:
    place: StreamCursor | None = root.place
    return place


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(
        description="The items of this page with their cursors, in order."
    )
    page_info: PageInfo = strawberry.field(description="Where this page lies in the list.")
    search: SearchReport | None = strawberry.field(
        description="How the search was done; null without a search."
    )
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    nodes: list[T] = strawberry.field(description="The items of this page, in order.")
    total_count: int = strawberry.field(
        resolver=_counted,
        description="How many items the whole list has for this viewer and filter; counted only when selected.",
    )


@strawberry.type
class FollowedConnection(Connection[T]):
    place: strawberry.Private[StreamCursor | None]

    stream_cursor: StreamCursor | None = strawberry.field(
        resolver=_place,
        description="Where your stream stood when this was read; with it in `after`, `notificationEvents` and `viewerEvents` tell "
        "what came later. Null for an anonymous caller.",
    )


@dataclass(frozen=True)
class Ranking:
    """A search: `candidates` has the columns `id` and `relevance` of at most `limit` rows, the newest of `matching`."""

    candidates: sa.CTE
    mode: SearchMode
    limit: int
    matching: sa.CTE


class Page(NamedTuple):
    """Validated paging arguments."""

    limit: int
    backwards: bool
    cursor: str | None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Page:
        first, last = arguments.get("first"), arguments.get("last")
        before, after_ = arguments.get("before"), arguments.get("after")
        if first is not None and last is not None:
            raise Invalid(("first",), "XOR", "Give `first` or `last`, not both.")
        if before is not None and after_ is not None:
            raise Invalid(("after",), "XOR", "Give `after` or `before`, not both.")
        if last is not None and after_ is not None:
            raise Invalid(("last",), "PAIRING", "`last` goes with `before`, `first` with `after`.")
        if before is not None and last is None:
            raise Invalid(("before",), "PAIRING", "`before` goes with `last`, `after` with `first`.")
        name, size = (
            ("last", last) if last is not None else ("first", DEFAULT_PAGE if first is None else first)
        )
        if not 1 <= size <= MAX_PAGE:
            message = f"`{name}` is {size}; it must be between 1 and {MAX_PAGE}."
            raise Invalid((name,), "RANGE", message, min="1", max=str(MAX_PAGE))
        return cls(size, backwards=last is not None, cursor=before if last is not None else after_)


@dataclass(eq=False)
class ConnectionOf(Declaration):
    """A connection to rows whose `parent` column refers to this row; a root connection has no parent.

    `orders` maps the values of the order enum to keys; `default` is the order when none is asked for. The target's key,
    or `tie_break` where it has none, is always the last key. With `stream`, `parent` holds names of streams: `gig:<id>`.
    A root connection of what the caller's own stream tells of has the type `page_type`, a `FollowedConnection`.
    """

    parent: sa.ColumnElement[Any] | None
    orders: dict[Any, Key]
    default: tuple[Key, ...]
    tie_break: sa.ColumnElement[Any] | None = None
    narrowed: Scope | None = None
    stream: str | None = None
    page_type: type[Connection[Any]] = Connection
    _orders: dict[Any, tuple[tuple[Key, ...], str]] = dataclasses.field(default_factory=dict)

    def needs(self, spec: NodeSpec) -> tuple[sa.ColumnElement[Any], ...]:
        return () if self.parent is None or spec.key is None else (spec.key,)

    def resolve(self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]) -> Any:
        request = self.request(field, context, arguments)
        if self.parent is None:
            return request.root()
        key = spec_of(type(source)).key
        assert key is not None
        value = source.row[label(key)]
        return request.below(value if self.stream is None else f"{self.stream}:{value}")

    def request(self, field: GraphField, context: Context, arguments: Mapping[str, Any]) -> Request:
        page = Page.of(arguments)
        keys, order = self.order_of(arguments.get("order_by"), field.target)
        where = arguments.get("where")
        fingerprint = self.fingerprint(field, where, arguments.get("search"), order)
        conditions = self.conditions(where, context.op)
        if self.narrowed is not None:
            conditions.append(self.narrowed(context.op.viewer))
        return Request(self, field.target, context, page, keys, conditions, fingerprint)

    def conditions(self, where: Any, op: Operation) -> list[Clause]:
        """What the filter stands for. Raises `Invalid`."""
        return [] if where is None else [compile_where(where, op)]

    def fingerprint(self, field: GraphField, where: Any, search: str | None, order: str) -> str:
        """The name of a list, which its cursors carry: the same for the same filter, search and order."""
        if where is None and search is None:
            return _digest(f"{field.python_name}:{_NO_FILTER}::{order}")
        return _digest(f"{field.python_name}:{fingerprint_of(where)}:{search or ''}:{order}")

    def order_of(self, order_by: Sequence[Any] | None, target: NodeSpec) -> tuple[tuple[Key, ...], str]:
        """The keys of an order and their text, which is the same for the same order."""
        asked = tuple((order.field, order.direction, order.nulls) for order in order_by or ())
        if (known := self._orders.get(asked)) is None:
            keys = self._keys(order_by, target)
            known = keys, order_text(keys)
            # Four keys of a few fields: what callers can ask for is bounded, but not small.
            if len(self._orders) < _MOST_ORDERS:
                self._orders[asked] = known
        return known

    def _keys(self, order_by: Sequence[Any] | None, target: NodeSpec) -> tuple[Key, ...]:
        keys = tuple(self._asked(order) for order in order_by or ()) or self.default
        tie = self.tie_break if self.tie_break is not None else target.key
        assert tie is not None
        if len(keys) > 4:
            raise Invalid(("orderBy",), "COUNT", "An order has at most 4 keys.", max="4")
        return (*keys, Key(tie, descending=keys[-1].descending))

    def _asked(self, order: Any) -> Key:
        key = self.orders[order.field]
        descending = order.direction is Direction.DESC
        nulls_first = not descending if order.nulls is None else order.nulls is Nulls.FIRST
        return Key(key.expression, descending, key.nullable, nulls_first)


@dataclass
class Request:
    """One use of a connection field: everything but the parent."""

    declaration: ConnectionOf
    target: NodeSpec
    context: Context
    page: Page
    keys: tuple[Key, ...]
    conditions: list[Clause]
    fingerprint: str
    ranking: Ranking | None = None

    async def root(self) -> Connection[Any]:
        if self.declaration.page_type is not Connection:
            return await self._followed()
        rows = await self.context.op.db.fetch(self.statement())
        return self.connection([row._mapping for row in rows], self.count_root)

    async def _followed(self) -> Connection[Any]:
        op, place = self.context.op, None
        if op.viewer.user_id is not None:
            # Before the rows: what comes in between is told once more, and nothing is missed.
            number = (await op.db.fetch(own_place(sa.literal(op.viewer.user_id, sa.Uuid))))[0][0]
            place = stream_cursor(op, Position(f"user:{op.viewer.user_id}", number))
        rows = await op.db.fetch(self.statement())
        return self.connection([row._mapping for row in rows], self.count_root, place=place)

    def below(self, parent: Any) -> Awaitable[Connection[Any]]:
        name = (self.declaration, self.fingerprint, self.page)
        return self.context.load(name, parent, self.batch)

    async def batch(self, parents: list[Any]) -> list[Connection[Any]]:
        column = self.declaration.parent
        assert column is not None
        wanted = (
            sa.func.unnest(sa.cast(parents, sa.ARRAY(column.type)))
            .table_valued("parent")
            .render_derived("wanted")
        )
        inner = self.statement(column == wanted.c.parent).lateral("page")
        statement = (
            sa.select(wanted.c.parent.label("_parent"), *inner.c)
            .select_from(wanted.join(inner, sa.true()))
            .order_by(wanted.c.parent, *self.ordering(inner.c))
        )
        pages: dict[Any, list[Any]] = defaultdict(list)
        for row in await self.context.op.db.fetch(statement):
            pages[row._mapping["_parent"]].append(row._mapping)
        return [self.connection(pages[parent], self.count_below(parent)) for parent in parents]

    def statement(self, *of_parent: Clause) -> sa.Select[Any]:
        keys = [key.reversed() for key in self.keys] if self.page.backwards else self.keys
        labelled = [key.expression.label(f"_k{i}") for i, key in enumerate(keys)]
        if self.ranking is not None:
            counted = sa.select(sa.func.count()).select_from(self.ranking.matching).scalar_subquery()
            labelled.append(counted.label("_matching"))
        statement = (
            sa.select(*self.target.selected(), *labelled)
            .select_from(self.from_clause())
            .where(*self.remaining_filters(), *of_parent)
            .order_by(*(key.ordering() for key in keys))
            .limit(self.page.limit + 1)
        )
        if self.page.cursor is None:
            return statement
        return statement.where(after(keys, self.values_of(self.page.cursor)))

    def ordering(self, columns: Any) -> list[sa.ColumnElement[Any]]:
        keys = [key.reversed() for key in self.keys] if self.page.backwards else self.keys
        return [key.ordering(columns[f"_k{i}"]) for i, key in enumerate(keys)]

    def from_clause(self) -> sa.FromClause:
        if self.ranking is None:
            return self.target.source
        assert self.target.key is not None
        return self.target.source.join(
            self.ranking.candidates, self.ranking.candidates.c.id == self.target.key
        )

    def remaining_filters(self) -> list[Clause]:
        """What is not applied yet: candidates of a search are chosen under scope and conditions, in the same statement.

        Applied twice, they made the planner read all gigs to join 500.
        """
        return [] if self.ranking is not None else self.filters()

    def filters(self) -> list[Clause]:
        return [self.target.scope(self.context.op.viewer), *self.conditions]

    async def count_root(self) -> int:
        statement = (
            sa.select(sa.func.count()).select_from(self.from_clause()).where(*self.remaining_filters())
        )
        return int((await self.context.op.db.fetch(statement))[0][0])

    def count_below(self, parent: Any) -> Callable[[], Awaitable[int]]:
        column = self.declaration.parent
        assert column is not None

        async def batch(parents: list[Any]) -> list[int]:
            statement = (
                sa.select(column.label("parent"), sa.func.count().label("items"))
                .select_from(self.from_clause())
                .where(column.in_(parents), *self.filters())
                .group_by(column)
            )
            counts = {row.parent: row.items for row in await self.context.op.db.fetch(statement)}
            return [counts.get(parent, 0) for parent in parents]

        return lambda: self.context.load((self.declaration, self.fingerprint, "count"), parent, batch)

    def connection(
        self, rows: list[Any], count: Callable[[], Awaitable[int]], **more: Any
    ) -> Connection[Any]:
        has_more = len(rows) > self.page.limit
        rows = rows[: self.page.limit]
        if self.page.backwards:
            rows.reverse()
        edges: list[Edge[Any]] = [
            Edge(cursor=self.cursor_of(row), node=self.target.wrap(row, self.context)) for row in rows
        ]
        came_from = self.page.cursor is not None
        info = PageInfo.of(
            [edge.cursor for edge in edges],
            has_next_page=came_from if self.page.backwards else has_more,
            has_previous_page=has_more if self.page.backwards else came_from,
        )
        nodes = [edge.node for edge in edges]
        return self.declaration.page_type(
            edges=edges, nodes=nodes, page_info=info, count=count, search=self.report(rows), **more
        )

    def report(self, rows: list[Any]) -> SearchReport | None:
        if self.ranking is None:
            return None
        matching = rows[0]["_matching"] if rows else 0
        return SearchReport(
            mode=self.ranking.mode,
            candidate_limit=self.ranking.limit,
            is_limited=matching > self.ranking.limit,
        )

    # -- cursors -----------------------------------------------------------------------------------------------------

    def cursor_of(self, row: Any) -> str:
        values = [row[f"_k{i}"] for i in range(len(self.keys))]
        mode = str(self.ranking.mode.value) if self.ranking else ""
        return write_cursor(self.context.op, self.fingerprint, mode, values)

    def values_of(self, cursor: str) -> list[Any]:
        return read_cursor(self.context.op, cursor, self.fingerprint, backwards=self.page.backwards)[1]


@lru_cache(1_000)
def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def connection(
    parent: Any,
    description: str,
    *,
    default: Sequence[Key],
    where: type | None = None,
    order: type | None = None,
    orders: dict[Any, Key] | None = None,
    tie_break: Any = None,
    narrowed: Scope | None = None,
    stream: str | None = None,
) -> Any:
    """A connection field below a row, or at the root when `parent` is None."""
    declaration = ConnectionOf(
        None if parent is None else sql(parent),
        orders or {},
        tuple(default),
        None if tie_break is None else sql(tie_break),
        narrowed,
        stream,
    )
    field = declare(declaration, description)
    field.arguments = paging_arguments(where, order)
    return field


def paging_arguments(where: type | None, order: type | None) -> list[Any]:
    arguments = [
        argument("first", int | None, f"How many items from the start or after `after`: 1 to {MAX_PAGE}, by default {DEFAULT_PAGE}.", default=None),
        argument("after", str | None, "Only items after this cursor.", default=None),
        argument("last", int | None, f"How many items from the end or before `before`: 1 to {MAX_PAGE}.", default=None),
        argument("before", str | None, "Only items before this cursor.", default=None),
    ]  # fmt: skip
    if where is not None:
        arguments.append(argument("where", where | None, "Only items that fulfil this.", default=None))
    if order is not None:
        text = "The order, most important key first; the id is always the last key."
        arguments.append(argument("order_by", list[order] | None, text, default=None))  # type: ignore[valid-type]
    return arguments
