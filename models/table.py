"""How tables are written here: UTC times, enums as checked text, versions, named constraints."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.errors import StaleVersion

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = SQLModel.metadata


def words(
    kind: type[StrEnum], **options: Any
) -> Any:  # Any: SQLModel's Field() is typed as the value it stands for
    """A text column that holds the values of `kind`, guarded by a CHECK."""
    name = "".join("_" + c.lower() if c.isupper() else c for c in kind.__name__).lstrip("_")
    return Field(sa_type=WordsOf(kind, name), **options)


def WordsOf(kind: type[StrEnum], name: str) -> Any:  # noqa: N802  a type factory reads as the type
    return sa.Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        length=40,
        name=name,
        values_callable=lambda enum: [member.value for member in enum],
    )


def utc(**options: Any) -> Any:
    return Field(sa_type=sa.DateTime(timezone=True), **options)


def long_text(**options: Any) -> Any:
    return Field(sa_type=sa.Text, **options)


def big(**options: Any) -> Any:
    return Field(sa_type=sa.BigInteger, **options)


def reference(target: str, **options: Any) -> Any:
    return Field(foreign_key=target, **options)


class Versioned(SQLModel):
    """A row whose every change counts: updates may name the version they were made against."""

    version: int = 1
    updated_at: datetime = utc()

    def touch(self, *, at: datetime) -> None:
        self.version += 1
        self.updated_at = at


def check_version(row: Versioned, expected: int | None, *, entity_id: UUID) -> None:
    """Raises `StaleVersion` unless `expected` is None or the row's version."""
    if expected is not None and expected != row.version:
        raise StaleVersion(row.version, entity_id=entity_id)
