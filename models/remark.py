"""Free text that belongs to an act: a note, a reason, a message. Facts reference it; erasing a person deletes it."""

from datetime import datetime
from typing import Self
from uuid import UUID

from sqlmodel import Field, SQLModel

from models.checks import Checks
from models.ids import new_id
from models.table import long_text, reference, utc

MAX_REMARK = 2_000


class Remark(SQLModel, table=True):
    id: UUID = Field(primary_key=True)
    author_id: UUID | None = reference("users.id", index=True)
    body: str = long_text()
    created_at: datetime = utc()

    @classmethod
    def write(cls, body: str, *, author_id: UUID | None, at: datetime, path: str) -> Self:
        """Raises `Refusals` when it is empty, too long or unprintable."""
        checks = Checks()
        body = checks.text((path,), body, max=MAX_REMARK)
        checks.done()
        return cls(id=new_id(), author_id=author_id, body=body, created_at=at)
