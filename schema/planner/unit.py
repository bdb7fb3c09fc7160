"""A unit: the selection below one root, as one SQL statement and the code that makes the answer of it.

The code is made once for each document. Of the statement there is one for each shape of the arguments and each set of
roles, and units that read the same rows have them in common: clients that give other names to the same selection wait for
no SQL to be written, and PostgreSQL has prepared it already.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import strawberry
from graphql import GraphQLObjectType

from auth.access import WITHIN, everybody
from resolvers.operation import Operation
from schema.graph import Attached, Context, Scope
from schema.planner.code import Code, Read
from schema.planner.inputs import Inputs
from schema.planner.pages import BoundPage
from schema.planner.rows import Form, PageUse, Reading, Rows, SourceUse, as_gathered, moments
from schema.planner.selection import Selected, Selections
from schema.planner.statement import Statement, compile_statement

MOST_SHAPES = 50
MOST_READINGS = 500


FindRows = Callable[["Unit", Sequence[UUID]], Awaitable[Mapping[Any, Any]]]
"""Reads objects by their keys, within the request that somebody else reads for."""


class Unit:
    """What a selection of rows needs at run time."""

    def __init__(self, schema: strawberry.Schema, selections: Selections) -> None:
        self._code = Code()
        self.reading = Reading(schema, selections, self._code)
        self._statements: OrderedDict[Hashable, Statement]
        self._root: Rows
        self._assemble: Callable[..., Any]
        self._counted: list[int]
        self._columns: list[tuple[sa.Column[Any], Form]] | None
        self.referred: list[list[tuple[Read, Unit | None]]]
        """For each source, what its answers refer to."""

    @classmethod
    def keyed(
        cls,
        schema: strawberry.Schema,
        selections: Selections,
        kind: GraphQLObjectType,
        below: list[Selected],
        *,
        told: Sequence[sa.ColumnElement[Any]] = (),
    ) -> Unit:
        """Answers a mapping of keys to objects; hidden and missing keys are not in it. Columns `told` are read, too."""
        unit = cls(schema, selections)
        unit._root = unit.reading.keyed(kind, below)
        return unit._finished(told=told)

    @classmethod
    def paged(
        cls,
        schema: strawberry.Schema,
        selections: Selections,
        use_of: tuple[GraphQLObjectType, Selected],
        kind: GraphQLObjectType,
    ) -> Unit:
        """Answers one connection; `use_of` is the root type and what is selected of it."""
        unit = cls(schema, selections)
        use = unit.reading.page_use(*use_of)
        unit._root = unit.reading.paged(use, kind, use_of[1])
        return unit._finished()

    def _finished(self, *, told: Sequence[sa.ColumnElement[Any]] = ()) -> Unit:
        for column in told:
            self._root.travels(column)
        counted = [rows.counted() for rows in self.reading.rows if rows.outputs]
        forms = {name: form for rows in self.reading.rows for (_, form), name in rows.outputs.items()}
        printed = self._code.constant(moments)
        self._code.lines[:0] = [
            # An array of no rows is null.
            f"{name} = {printed}(r[{place}])" if form is Form.MOMENT else f"{name} = r[{place}] or ()"
            for place, (name, form) in enumerate(forms.items())
        ]
        self._counted = [list(forms).index(name) for name in counted]
        self._code.lines[:0] = [f"{use.parameter} = n[{use.number}]" for use in self.reading.sources]
        self._assemble = self._code.compiled("r, s, b, op, n")
        self._statements = statements_of(tuple(rows.signature for rows in self.reading.rows))
        self._columns = self._columns_of_root()
        self.referred = [[(read, self._unit_of(read)) for read in use.reads] for use in self.reading.sources]
        return self

    def _unit_of(self, read: Read) -> Unit | None:
        """What reads rows that the answers of a source refer to; None where a function does."""
        if isinstance(read.source, Attached):
            return None
        return Unit.keyed(self.reading.schema, self.reading.selections, read.source, list(read.below))

    def _columns_of_root(self) -> list[tuple[sa.Column[Any], Form]] | None:
        """What is read, in order, if it is nothing but columns of tables and has nothing below it."""
        if self.reading.sources or self.pages or len(self.reading.rows) > 1:
            return None
        columns = [(self._root.columns[name], form) for name, form in self._root.outputs]
        own = [(column, form) for column, form in columns if isinstance(column, sa.Column)]
        return own if len(own) == len(columns) else None

    def of_written(self, row: Any, op: Operation) -> Any:
        """The answer for a row that was just written, without a statement; None if the row alone does not tell it."""
        values = row.__dict__
        if self._columns is None or not all(
            column.table is row.__table__ and column.name in values for column, _ in self._columns
        ):
            return None
        record = [as_gathered(values[column.name], form) for column, form in self._columns]
        return self._assemble(record, (), (), op, ())

    def is_alike(self, subject: Scope) -> bool:
        """Whether the answer is the same for all who may see the root by the scope `subject`."""
        return not self.reading.is_personal and all(
            rows.spec.scope is everybody
            or (rows is self._root and rows.spec.scope is subject)
            or WITHIN.get(rows.spec.scope) is subject
            for rows in self.reading.rows
        )

    def told(self, column: sa.ColumnElement[Any]) -> str:
        """The name of a column that was asked for with `told`."""
        return self._root.travels(column)

    @property
    def size(self) -> str:
        """The name of a column that every row of the root has."""
        return self._root.counted()

    @property
    def pages(self) -> list[PageUse]:
        return self.reading.pages

    def bound(self, values: Inputs, op: Operation) -> list[BoundPage]:
        return [BoundPage.of(use, values, op) for use in self.pages]

    async def answer(
        self,
        context: Context,
        values: Inputs,
        pages: Sequence[BoundPage],
        found: FindRows,
        keys: Sequence[UUID] = (),
    ) -> Answer:
        """`found` reads what answers of sources refer to."""
        op = context.op
        statement = self.statement(op, pages)
        arguments = statement.arguments(op.viewer.user_id, keys, pages)
        began = 0.0 if context.steps is None else time.perf_counter()
        record = await op.db.read(statement.text, arguments, is_generic=statement.is_generic)
        for page in pages:
            page.answered(record, statement.positions)
        objects = sum([len(record[place] or ()) for place in self._counted])
        if context.steps is not None:
            context.steps.append({
                "kind": "SQL", "sql": statement.text, "isGeneric": statement.is_generic,
                "rows": objects, "ms": _since(began),
            })  # fmt: skip
        return Answer(self, context, values, statement, record, pages, found, objects)

    def statement(self, op: Operation, pages: Sequence[BoundPage]) -> Statement:
        viewer = op.viewer
        shape = (viewer.user_id is None, viewer.roles, *(page.shape for page in pages))
        known = self._statements.get(shape)
        if known is None:
            known = compile_statement(self._root, self.reading.rows, viewer, pages)
            self._statements[shape] = known
            if len(self._statements) > MOST_SHAPES:
                self._statements.popitem(last=False)
        else:
            self._statements.move_to_end(shape)
        return known


@lru_cache(MOST_READINGS)
def statements_of(signature: Hashable) -> OrderedDict[Hashable, Statement]:
    """Those of all units whose rows have these signatures, by what `Unit.statement` calls their shape."""
    return OrderedDict()


class Answer:
    """What the database said; `value` asks the batched sources and puts it together."""

    def __init__(
        self,
        unit: Unit,
        context: Context,
        values: Inputs,
        statement: Statement,
        record: Any,
        pages: Sequence[BoundPage],
        found: FindRows,
        objects: int,
    ) -> None:
        self.objects = objects
        """How many rows were read."""
        self._unit = unit
        self._context = context
        self._values = values
        self._positions = statement.positions
        self._record = record
        self._pages = pages
        self._found = found

    def column(self, name: str) -> Sequence[Any]:
        return self._record[self._positions[name]] or ()

    async def value(self) -> Any:
        sources = self._unit.reading.sources
        found: Sequence[Any] = ()
        referred: Sequence[Any] = ()
        if sources:
            found = await asyncio.gather(*(self._asked(use) for use in sources))
            referred = [await self._referred(*each) for each in zip(self._unit.referred, found, strict=True)]
        return self._unit._assemble(self._record, found, self._pages, self._context.op, referred)

    async def _referred(
        self, reads: Sequence[tuple[Read, Unit | None]], found: Mapping[Any, Any]
    ) -> list[Mapping[Any, Any]]:
        """What the answers of one source refer to, for each read."""
        values = list(found.values())
        answers: list[Mapping[Any, Any]] = []
        for read, unit in reads:
            keys = sorted(read.keys(values))
            if not keys:
                answers.append({})
            elif isinstance(read.source, Attached):
                answers.append(await read.source.function(self._context.op, keys))
            else:
                assert unit is not None
                told = await read.told_of(self._context.op, keys)
                answers.append(await self._found(unit, told) if told else {})
        return answers

    async def _asked(self, use: SourceUse) -> Mapping[Any, Any]:
        source, keys = use.declaration, list(dict.fromkeys(self.column(use.output)))
        if not keys:
            return {}
        began = time.perf_counter()
        found = await source.found(self._context.op, keys, use.read(self._values))
        if self._context.steps is not None:
            name = f"{source.function.__module__}.{source.function.__qualname__}"
            self._context.steps.append(
                {"kind": "SOURCE", "function": name, "keys": len(keys), "ms": _since(began)}
            )
        return found


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)
