"""Rows without a session: as cheap as a dictionary, with the verbs of their table.

SQLModel's constructor checks and sets one column after the other, and a session tracks each change; together they cost
more than writing the row. A row made here is of the same class and keeps the same rules, and a column that was not read
is an error, never None.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from pydantic_core import PydanticUndefined
from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.instrumentation import ClassManager
from sqlmodel import SQLModel

from models.store.compiled import DIALECT

M = TypeVar("M", bound=SQLModel)


@dataclass(frozen=True, slots=True)
class Shape(Generic[M]):
    """What is known about a table class."""

    model: type[M]
    table: sa.Table
    columns: frozenset[str]
    key: tuple[str, ...]
    defaults: Mapping[str, object]
    words: Mapping[str, Callable[[str], object]]
    manager: ClassManager[M]

    def read(self, values: Mapping[str, object]) -> M:
        """A row as it was read: with the columns of `values`, and no others."""
        row = self._blank()
        row.__dict__.update(values)
        for name in self.words.keys() & values.keys():
            if values[name] is not None:
                row.__dict__[name] = self.words[name](str(values[name]))
        row.__dict__["_sa_instance_state"].expired_attributes.update(self.columns - values.keys())
        return row

    def new(self, values: Mapping[str, object]) -> M:
        """A row to be written; what is not given has its default."""
        row = self._blank()
        row.__dict__.update(self.defaults)
        row.__dict__.update(values)
        return row

    def _blank(self) -> M:
        """As the manager makes instances when a session loads them, past the slow `__setattr__` of SQLModel."""
        row: M = self.model.__new__(self.model)
        row.__dict__["_sa_instance_state"] = InstanceState(row, self.manager)
        return row


def shape_of(model: type[M]) -> Shape[M]:
    return _shape_of(model)  # type: ignore[return-value]  # `cache` forgets that it is the shape of `model`


@cache
def _shape_of(model: type[SQLModel]) -> Shape[SQLModel]:
    mapper = sa.inspect(model)
    table = mapper.local_table
    assert isinstance(table, sa.Table)
    fields = model.model_fields.items()
    return Shape(
        model,
        table,
        frozenset(table.columns.keys()),
        tuple(column.name for column in table.primary_key),
        {name: field.default for name, field in fields if field.default is not PydanticUndefined
         and not _is_generated(table.columns[name])},
        {c.name: c.type.enum_class for c in table.columns if isinstance(c.type, sa.Enum) and c.type.enum_class},
        mapper.class_manager,
    )  # fmt: skip


def new_row(model: type[M], **values: Any) -> M:
    """An unwritten row of `model`, for `HotTransaction.add`."""
    return shape_of(model).new(values)


def columns_in(row: SQLModel) -> dict[str, object]:
    columns = shape_of(type(row)).columns
    return {name: value for name, value in row.__dict__.items() if name in columns}


@cache
def insertion(model: type[SQLModel], columns: Sequence[str], source: str) -> str:
    """Insert the rows of a list of JSON objects; `source` is the SQL of that list."""
    table, names = _names(model, columns)
    rows = f"jsonb_populate_recordset(null::{table}, {source})"
    return f"insert into {table} ({names}) select {names} from {rows} returning 1"  # noqa: S608  names of ours


@cache
def update(model: type[SQLModel], columns: Sequence[str], source: str) -> str:
    """Set `columns` of the rows that a list of JSON objects names by primary key."""
    table, names = _names(model, columns)
    values = ", ".join(f"new.{_quoted(name)}" for name in columns)
    key = " and ".join(f"old.{_quoted(name)} = new.{_quoted(name)}" for name in shape_of(model).key)
    rows = f"jsonb_populate_recordset(null::{table}, {source})"
    return f"update {table} old set ({names}) = row({values}) from {rows} new where {key} returning 1"  # noqa: S608  names of ours


def _names(model: type[SQLModel], columns: Sequence[str]) -> tuple[str, str]:
    return _quoted(shape_of(model).table.name), ", ".join(map(_quoted, columns))


def _quoted(name: str) -> str:
    return DIALECT.identifier_preparer.quote(name)


def _is_generated(column: sa.Column[Any]) -> bool:
    return column.identity is not None or column.computed is not None
