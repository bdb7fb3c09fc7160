"""One request's use of a selected connection: what its arguments ask for, and what the statement answered of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa

from models.store.sql import Position
from resolvers.operation import Operation
from schema.connections import Page, Request, SearchReport
from schema.gig_search import CANDIDATES, Sought
from schema.keyset import Key, after, order_text, read_cursor, write_cursor
from schema.places import stream_cursor
from schema.planner.inputs import Inputs

if TYPE_CHECKING:
    from schema.planner.rows import PageUse

Clause = sa.ColumnElement[bool]


@dataclass(slots=True)
class BoundPage:
    """`binds` are the literals in its conditions, `values` theirs; what else differs between requests is the shape."""

    use: PageUse
    op: Operation
    page: Page
    keys: tuple[Key, ...]
    order: Hashable
    fingerprint: str | None
    conditions: list[Clause]
    beyond: list[Clause]
    sought: Sought | None = None
    binds: Sequence[sa.BindParameter[Any]] = ()
    values: Sequence[Any] = ()
    shape: Hashable = None
    _record: Any = None
    _positions: dict[str, int] = field(default_factory=dict)
    _totals: dict[Any, int] | None = None

    @classmethod
    def of(cls, use: PageUse, values: Inputs, op: Operation) -> BoundPage:
        """Raises `Invalid` for arguments that the batch execution refuses, too."""
        arguments = use.read(values)
        page = Page.of(arguments)
        declaration, target = use.declaration, use.target
        keys, order = declaration.order_of(arguments.get("order_by"), target)
        where = arguments.get("where")
        fingerprint = None
        if use.wants_cursors or page.cursor is not None:
            fingerprint = declaration.fingerprint(use.field, where, None, order)
        bound = cls(
            use,
            op,
            page,
            keys,
            order,
            fingerprint,
            conditions=declaration.conditions(where, op),
            beyond=[],
        )
        if page.cursor is not None:
            assert fingerprint is not None
            _, place = read_cursor(op, page.cursor, fingerprint, backwards=page.backwards)
            bound.beyond = [after(bound.keys_as_asked, place)]
        bound.take_shape()
        return bound

    @classmethod
    def of_search(cls, use: PageUse, request: Request, sought: Sought) -> BoundPage:
        """A page of the candidates of a search."""
        order = order_text(request.keys)
        op, conditions = request.context.op, request.conditions
        bound = cls(use, op, request.page, request.keys, order, request.fingerprint, conditions, [], sought)
        if request.page.cursor is not None:
            bound.beyond = [after(bound.keys_as_asked, request.values_of(request.page.cursor))]
        bound.take_shape()
        return bound

    def take_shape(self) -> None:
        """Part what makes another statement from what is only another value in it."""
        elements: list[Any] = [*self.conditions, *self.beyond]
        sought = None if self.sought is None else self.sought.shape
        if not elements:
            self.shape = (self.page.backwards, self.order, sought)
            return
        parts: list[Hashable] = [self.page.backwards, self.order, sought]
        binds: list[sa.BindParameter[Any]] = []
        for element in elements:
            cache_key = element._generate_cache_key()
            assert cache_key is not None
            parts.append(cache_key.key)
            binds += cache_key.bindparams
        # A list that is spelt out is part of the text.
        parts += [tuple(bind.effective_value or ()) for bind in binds if bind.expanding]
        self.binds = binds
        self.values = [bind.effective_value for bind in binds]
        self.shape = tuple(parts)

    @property
    def number(self) -> int:
        return self.use.number

    @property
    def is_plain(self) -> bool:
        return not self.conditions and self.sought is None

    @property
    def limit(self) -> int:
        return self.page.limit

    @property
    def fetched(self) -> int:
        """How many rows are read: one more than shown where somebody asks whether there are more."""
        return self.page.limit + 1 if self.use.wants_more else self.page.limit

    @property
    def is_backwards(self) -> bool:
        return self.page.backwards

    @property
    def has_cursor(self) -> bool:
        return self.page.cursor is not None

    @property
    def keys_as_asked(self) -> Sequence[Key]:
        return [key.reversed() for key in self.keys] if self.page.backwards else self.keys

    # -- what was answered ---------------------------------------------------------------------------------------------

    def answered(self, record: Any, positions: dict[str, int]) -> None:
        self._record = record
        self._positions = positions

    def cursor(self, _: Any, index: int) -> str:
        columns = [self._column(f"k{i}") for i in range(len(self.keys))]
        mode = "" if self.sought is None else str(self.sought.mode.value)
        assert self.fingerprint is not None
        return write_cursor(self.op, self.fingerprint, mode, [column[index] for column in columns])

    def total(self, parent: UUID | bytes | str | None) -> int:
        if self.use.declaration.parent is None:
            return int(self._record[self._positions[f"_{self.number}_total"]])
        if self._totals is None:
            self._totals = dict(zip(self._column("parent"), self._column("items"), strict=True))
        return self._totals.get(parent, 0)

    def place(self) -> str | None:
        """Where the caller's own stream stood when the page was read."""
        viewer_id = self.op.viewer.user_id
        if viewer_id is None:
            return None
        number = self._record[self._positions[f"_{self.number}_place"]]
        return stream_cursor(self.op, Position(f"user:{viewer_id}", number))

    def report(self, _: Any) -> SearchReport | None:
        if self.sought is None:
            return None
        counts = self._column("matching")
        return SearchReport(
            mode=self.sought.mode,
            candidate_limit=CANDIDATES,
            is_limited=bool(counts) and counts[0] > CANDIDATES,
        )

    def _column(self, name: str) -> Sequence[Any]:
        return self._record[self._positions[f"_{self.number}_{name}"]] or ()
