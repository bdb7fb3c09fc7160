"""What people say about themselves beside their name, such as that they are on holiday, until a moment or until they change it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from models.checks import Checks
from models.emoji import MAX_EMOJI, is_emoji
from models.stream import Xid8
from models.table import Versioned, reference, utc

MAX_TEXT = 80
LONGEST = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Saying:
    """What is said; nothing if there is neither text nor emoji."""

    text: str | None = None
    emoji: str | None = None
    until: datetime | None = None
    """When it ends by itself; None: when its author says something else."""

    def checked(self, *, now: datetime) -> Self:
        """As it is kept. Raises `Refusals`."""
        checks, text = Checks(), self.text
        if text is not None:
            text = checks.text(("text",), text, max=MAX_TEXT)
            if len(text.splitlines()) > 1:
                checks.refuse(("text",), "ONE_LINE", "It must stand on one line.")
        if self.emoji is not None and not is_emoji(self.emoji):
            checks.refuse(("emoji",), "EMOJI", "This is not an emoji.")
        if self.until is not None:
            checks.future(("until",), self.until, now=now)
            if self.until > now + LONGEST:
                message = (
                    f"At most {LONGEST.days} days from now, or leave it out: it ends when you change it then."
                )
                checks.refuse(("until",), "RANGE", message, max=now + LONGEST)
            if text is None and self.emoji is None:
                checks.refuse(
                    ("until",), "PAIRING", "Say what is true until then: a text, an emoji, or both."
                )
        checks.done()
        return replace(self, text=text)


class PersonStatus(Versioned, table=True):
    """What somebody says about themselves; the row stays when they say nothing any more."""

    __tablename__ = "person_status"
    __table_args__ = (
        sa.CheckConstraint(
            "until is null or text is not null or emoji is not null", name="until_of_something"
        ),
    )

    user_id: UUID = reference("users.id", primary_key=True)
    text: str | None = Field(default=None, max_length=MAX_TEXT)
    emoji: str | None = Field(default=None, max_length=MAX_EMOJI)
    until: datetime | None = utc(default=None)
    # The transaction that wrote it last, so that a reader can ask for all that changed since its last snapshot.
    x: int = Field(sa_type=Xid8, index=True)

    @property
    def saying(self) -> Saying:
        return Saying(self.text, self.emoji, self.until)
