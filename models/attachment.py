"""Files that people hang on what they write: what is known of them. Their bytes are in a `FileStore`, by their SHA-256."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.checks import Checks
from models.errors import AlreadyExists, LimitReached
from models.table import reference, utc, words
from models.vocabulary import Vocabulary

MAX_FILE_NAME, MAX_ATTACHMENTS = 255, 50
LOOSE_KEPT = timedelta(days=1)
"""How long an upload waits to be attached."""
REMOVED_KEPT = timedelta(days=30)
"""How long the bytes of a file are kept that was taken away."""

_PATHS = frozenset("/\\")


class AttachmentSubject(Vocabulary):
    """What a file hangs on."""

    TASK = "TASK", "A task on a board."
    MESSAGE = "MESSAGE", "A message in a room."


class FileQuotaReached(LimitReached):
    """A person's files take as much room as they may."""

    def __init__(self, *, limit: int, count: int) -> None:
        message = (
            f"Your files take {count:,} of {limit:,} bytes, and this one does not fit. Take some away first."
        )
        super().__init__(message, limit=limit, count=count)


class AttachedAlready(AlreadyExists):
    """A file hangs on one thing. Upload it again for another one."""


class Attachment(SQLModel, table=True):
    """Uploaded first, attached then: `subject_id` is null until somebody does. What it hangs on decides who sees it; for a
    task, `board_id` says so, for a message `room_id`."""

    __table_args__ = (
        sa.CheckConstraint("num_nulls(subject_kind, subject_id, attached_at) in (0, 3)", name="hangs_or_not"),
        sa.CheckConstraint("subject_kind <> 'TASK' or board_id is not null", name="task_is_on_a_board"),
        sa.CheckConstraint(
            "(room_id is not null) = (subject_kind is not null and subject_kind = 'MESSAGE')", name="message_is_in_a_room"
        ),
        sa.CheckConstraint("promised_to is null or room_id is not null", name="promised_to_a_message"),
        sa.CheckConstraint("removed_at is null or attached_at is not null", name="removed_from_something"),
        sa.CheckConstraint("size >= 0", name="size_not_negative"),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256_is_hex"),
        sa.Index("ix_attachment_subject", "subject_id", "attached_at", "id",
                 postgresql_where=sa.text("subject_id is not null")),
        sa.Index("ix_attachment_content", "sha256", postgresql_where=sa.text("gone_at is null")),
        sa.Index("ix_attachment_loose", "created_at", postgresql_where=sa.text("subject_id is null")),
        sa.Index("ix_attachment_promised", "attached_at", postgresql_where=sa.text("promised_to is not null")),
        sa.Index("ix_attachment_removed", "removed_at",
                 postgresql_where=sa.text("removed_at is not null and gone_at is null")),
    )  # fmt: skip

    id: UUID = Field(primary_key=True)
    uploader_id: UUID = reference("users.id", index=True)
    name: str = Field(max_length=MAX_FILE_NAME)
    media_type: str = Field(max_length=100)
    size: int
    sha256: str = Field(max_length=64)
    created_at: datetime = utc()
    subject_kind: AttachmentSubject | None = words(AttachmentSubject, default=None)
    subject_id: UUID | None = None
    board_id: UUID | None = reference("board.id", default=None, index=True)
    room_id: UUID | None = reference("room.id", default=None)
    attached_at: datetime | None = utc(default=None)
    # The act that sends or edits the message, until that is known to be in its room.
    promised_to: UUID | None = None
    # Kept: facts refer to it, and it may come back.
    removed_at: datetime | None = utc(default=None)
    # Its bytes are not kept any more.
    gone_at: datetime | None = utc(default=None)

    @staticmethod
    def checked_name(name: str) -> str:
        """The name as it is kept. Raises `Refusals`."""
        checks = Checks()
        name = checks.text(("name",), name, max=MAX_FILE_NAME)
        if _PATHS & set(name) or name in {".", ".."}:
            checks.refuse(("name",), "FORMAT", "Name the file, not the way to it: no / and no \\.")
        checks.done()
        return name
