"""Transactions of two statements: one that locks and reads, one that writes.

For use cases that are done all the time. They keep every law of `Transaction` and read like one; a session between them
and the driver would cost ten times what they do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from typing import Any, Generic
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlmodel import SQLModel

from models.errors import IdempotencyConflict, NotFound
from models.idempotency import Outcome
from models.store.compiled import Compiled, compiled
from models.store.counting import count_statement
from models.store.facts import (
    CLAIM_KEY,
    READ_KEY,
    Act,
    Ledger,
    Position,
    Receipt,
    Replayed,
    as_json,
    last_statement,
)
from models.store.pool import Lane
from models.store.rows import M, Shape, columns_in, insertion, shape_of, update

# Rows of one table with the same columns.
Groups = dict[tuple[type[SQLModel], tuple[str, ...]], list[Mapping[str, object]]]


@dataclass(frozen=True)
class Many(Generic[M]):
    """Rows beside the locked one: some columns of all that fit, in order."""

    columns: tuple[Any, ...]
    where: sa.ColumnElement[bool]
    order_by: Any

    @cached_property
    def shape(self) -> Shape[M]:
        return shape_of(self.columns[0].class_)

    def statement(self) -> sa.ScalarSelect[Any]:
        rows = sa.func.array_agg(aggregate_order_by(sa.func.row(*self.columns), self.order_by))
        return sa.select(rows).where(self.where).scalar_subquery()

    def read(self, found: Sequence[Sequence[object]] | None) -> list[M]:
        names = [column.key for column in self.columns]
        return [self.shape.read(dict(zip(names, row, strict=True))) for row in found or ()]


@dataclass(frozen=True)
class Look(Generic[M]):
    """One row to lock, and what to read beside it. Made once: values of a call are named parameters.

    What is read beside the row is as fresh as the row itself only if every change of it changes the row too: then it is
    read again whenever the row was changed while we waited for it.
    """

    columns: tuple[Any, ...]
    where: sa.ColumnElement[bool]
    one: Mapping[str, sa.ScalarSelect[Any]] = field(default_factory=dict)
    many: Mapping[str, Many[Any]] = field(default_factory=dict)

    @cached_property
    def shape(self) -> Shape[M]:
        return shape_of(self.columns[0].class_)

    @cached_property
    def statement(self) -> Compiled:
        return compiled(self._select(None))

    @cached_property
    def claiming(self) -> Compiled:
        """Claims the idempotency key before it waits for the row; answers nothing if the key is taken."""
        claim = sa.text(CLAIM_KEY).bindparams(sa.bindparam("at", type_=sa.DateTime(timezone=True)))
        return compiled(self._select(claim.columns(sa.column("claimed", sa.Boolean)).cte("claim")))

    def _select(self, claim: sa.CTE | None) -> sa.Select[Any]:
        table = self.shape.table
        locked = sa.select(*self.columns, sa.literal_column(f"{table.name}.ctid").label("place"))
        locked = locked.where(self.where).with_for_update(key_share=True, of=table)
        if claim is not None:
            # Not only to claim first: a lateral reference makes the claim the outer side of the join.
            locked = locked.where(claim.c.claimed)
        row = locked.lateral("locked")
        before = table.alias("before")
        seen: sa.Select[Any] = sa.select(sa.literal_column("before.ctid")).select_from(before)
        seen = seen.where(*(before.c[name] == row.c[name] for name in self.shape.key))
        parts = [
            *(row.c[column.key] for column in self.columns),
            (seen.scalar_subquery() != row.c.place).label("has_moved"),
            *(statement.label(name) for name, statement in self.one.items()),
            *(many.statement().label(name) for name, many in self.many.items()),
        ]
        return sa.select(*parts).select_from(row if claim is None else claim.outerjoin(row, sa.true()))


@dataclass(frozen=True, slots=True)
class Seen(Generic[M]):
    """The locked row, and what was read beside it, by name."""

    row: M
    one: Mapping[str, Any]
    many: Mapping[str, Any]


class HotTransaction(Ledger):
    """One unit of work. Use cases begin with `lock`, write with `add` and the verbs of the locked row, and `emit`."""

    def __init__(self, lane: Lane, *, actor_id: UUID | None, at: datetime, act: Act | None) -> None:
        super().__init__(actor_id=actor_id, at=at, act=act)
        self._lane = lane
        self._has_claimed = act is None
        self._locked: list[tuple[SQLModel, Mapping[str, object]]] = []
        self._added: Groups = {}

    # -- for use cases -----------------------------------------------------------------------------------------------

    async def lock(
        self, look: Look[M], *, what: str, path: tuple[str, ...] = ("id",), **values: object
    ) -> Seen[M]:
        """Lock the one row that fits until the end (see `Transaction.lock`), its columns changed by verbs are written.

        The first one claims the idempotency key. Raises `NotFound`, `Replayed` and `IdempotencyConflict`.
        """
        found = await self._look(look, what, path, values)
        if found["has_moved"]:
            # It was changed while we waited: what was read beside it is from before. Now nobody can change it.
            found = await self._look(look, what, path, values)
        columns = {column.key: found[column.key] for column in look.columns}
        row = look.shape.read(columns)
        self._locked.append((row, columns))
        return Seen(
            row,
            {name: found[name] for name in look.one},
            {name: many.read(found[name]) for name, many in look.many.items()},
        )

    def add(self, *rows: SQLModel) -> None:
        """Write new rows, made by `new_row`, at the end of the transaction."""
        for row in rows:
            values = columns_in(row)
            self._added.setdefault((type(row), tuple(values)), []).append(values)

    # -- for the database --------------------------------------------------------------------------------------------

    async def write(self) -> None:
        """Everything in one statement, the last one before COMMIT."""
        if not self._has_claimed:
            raise LookupError("a transaction under a key begins with the lock that claims it")
        changes: list[str] = []
        lists: dict[str, object] = {}
        for write, groups in ((update, self._changed()), (insertion, self._added)):
            for (model, columns), rows in groups.items():
                name = str(len(changes))
                changes.append(write(model, columns, f"cast(:changes as jsonb) -> '{name}'"))
                lists[name] = rows
        if not changes and not self._events and self._act is None:
            return
        statement = _last(tuple(changes), bool(self._events), self._notifies, self._act is not None)
        (last,) = await self._fetch(statement, self._last_values() | {"changes": as_json(lists)})
        self.xid = int(last["xid"])
        self._position = Position(last["stream"], last["number"]) if self._events else None

    async def commit(self) -> None:
        await self._lane.connection.execute("COMMIT")

    async def _look(
        self, look: Look[M], what: str, path: tuple[str, ...], values: Mapping[str, object]
    ) -> asyncpg.Record:
        if self._act is None or self._has_claimed:
            rows = await self._fetch(look.statement, values)
        else:
            rows = await self._fetch(look.claiming, {**values, **self._key(self._act)})
            if not rows:
                raise await self._answer_to_repeat(self._act)
            self._has_claimed = True
        if not rows or rows[0][look.shape.key[0]] is None:
            raise NotFound(what, path=path)
        return rows[0]

    async def _answer_to_repeat(self, act: Act) -> Exception:
        (row,) = await self._fetch(_READ_KEY, self._key(act))
        if row["input_hash"] != act.input_hash:
            return IdempotencyConflict()
        position = Position(row["stream"], row["number"]) if row["stream"] else None
        return Replayed(Receipt(row["entity_id"], Outcome.REPLAYED, position))

    def _key(self, act: Act) -> dict[str, object]:
        return {
            "actor_id": act.actor_id,
            "mutation": act.mutation,
            "key": act.key,
            "input_hash": act.input_hash,
            "at": self._at,
        }

    def _changed(self) -> Groups:
        groups: Groups = {}
        for row, before in self._locked:
            now = columns_in(row)
            changes = {name: now[name] for name in now if name not in before or now[name] != before[name]}
            if changes:
                key = {name: now[name] for name in shape_of(type(row)).key}
                groups.setdefault((type(row), tuple(changes)), []).append(key | changes)
        return groups

    async def _fetch(self, statement: Compiled, values: Mapping[str, object]) -> Sequence[asyncpg.Record]:
        count_statement(statement.text)
        return await self._lane.fetch(statement.text, statement.arguments(values))


_READ_KEY = compiled(sa.text(READ_KEY))


@cache
def _last(changes: tuple[str, ...], has_facts: bool, notifies: bool, has_key: bool) -> Compiled:
    text = last_statement(changes=changes, has_facts=has_facts, notifies=notifies, has_key=has_key)
    return compiled(sa.text(text))
