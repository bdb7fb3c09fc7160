"""A snippet: code that somebody keeps in versions, shares, and talks about line by line.

Versions never change. What is written (the code, the comments) is sealed like messages and kept apart, in `SnippetText`;
titles, messages of versions and hashes are not sealed: docs/decisions/0027 says why.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar, Self
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.chat import Sealed
from models.chat_cipher import Place
from models.checks import Checks
from models.errors import LimitReached, NotOpen, RateLimited
from models.table import Versioned, reference, utc, words
from models.vocabulary import Vocabulary

MAX_TITLE, MAX_MESSAGE, MAX_COMMENT = 200, 500, 10_000
MAX_BYTES, MAX_LINES = 65_536, 4_000
MAX_VERSIONS, MAX_COMMENTS, MAX_SHARES = 1_000, 2_000, 50
MAX_SHARES_IN_ROOM = 200
"""Snippets that a room is shared at once: whoever leaves it, leaves all of them."""
MAX_MENTIONS, MAX_SUBMITTED = 20, 20
MAX_LINK_LIFE = timedelta(days=365)
_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")


class SnippetLanguage(Vocabulary):
    """What a snippet is written in."""

    PLAIN_TEXT = "PLAIN_TEXT", "No language, or another one than these."
    BASH = "BASH", "Bash and other shells."
    C = "C", "C."
    CPP = "CPP", "C++."
    CSHARP = "CSHARP", "C#."
    CSS = "CSS", "CSS, SCSS, Less."
    DART = "DART", "Dart."
    DIFF = "DIFF", "A patch."
    DOCKERFILE = "DOCKERFILE", "A Dockerfile."
    ELIXIR = "ELIXIR", "Elixir and Erlang."
    GO = "GO", "Go."
    GRAPHQL = "GRAPHQL", "GraphQL."
    HTML = "HTML", "HTML."
    JAVA = "JAVA", "Java."
    JAVASCRIPT = "JAVASCRIPT", "JavaScript, JSX."
    JSON = "JSON", "JSON."
    KOTLIN = "KOTLIN", "Kotlin."
    LUA = "LUA", "Lua."
    MARKDOWN = "MARKDOWN", "Markdown."
    PERL = "PERL", "Perl."
    PHP = "PHP", "PHP."
    POWERSHELL = "POWERSHELL", "PowerShell."
    PYTHON = "PYTHON", "Python."
    R = "R", "R."
    RUBY = "RUBY", "Ruby."
    RUST = "RUST", "Rust."
    SCALA = "SCALA", "Scala."
    SQL = "SQL", "SQL of any dialect."
    SWIFT = "SWIFT", "Swift."
    TERRAFORM = "TERRAFORM", "Terraform, HCL."
    TOML = "TOML", "TOML, INI."
    TYPESCRIPT = "TYPESCRIPT", "TypeScript, TSX."
    XML = "XML", "XML, SVG."
    YAML = "YAML", "YAML."


class SnippetShareKind(Vocabulary):
    """With whom a snippet is shared."""

    CONTRACT = "CONTRACT", "With the two sides of a contract, for as long as the share is not ended."
    ROOM = "ROOM", "With whoever is a member of a room, for as long as they are and the share is not ended."
    LINK = "LINK", "With anybody who has the link: they read the newest version, and nothing else."


class SnippetTextKind(Vocabulary):
    """What a sealed text belongs to. Part of what the sealing binds, so unlike any `ChatKind`."""

    VERSION = "SNIPPET_VERSION", "The code of a version."
    COMMENT = "SNIPPET_COMMENT", "The words of a comment, one text for each wording."


# -- refusals --------------------------------------------------------------------------------------------------------------


class ArchivedSnippet(NotOpen):
    """The snippet was put away."""

    def __init__(self, *, snippet_id: UUID) -> None:
        message = "This snippet is archived; restore it first."
        super().__init__(message, status="ARCHIVED", entity_id=snippet_id)


class DeletedSnippetComment(NotOpen):
    """The comment was taken away."""

    def __init__(self, *, comment_id: UUID) -> None:
        super().__init__("This comment was deleted.", status="DELETED", entity_id=comment_id)


class SnippetFull(LimitReached):
    """A snippet has as many versions, comments or shares as it can hold."""

    def __init__(self, what: str, *, limit: int) -> None:
        super().__init__(f"A snippet has at most {limit} {what}.", limit=limit, count=limit)


class RoomSharesFull(LimitReached):
    """A room is shared as many snippets as it can be."""

    def __init__(self, *, count: int) -> None:
        message = f"A room is shared at most {MAX_SHARES_IN_ROOM} snippets at once."
        super().__init__(message, limit=MAX_SHARES_IN_ROOM, count=count)


class SnippetBusy(RateLimited):
    """Others revised the snippet again and again before this act could be done. Nothing was written."""


# -- tables ----------------------------------------------------------------------------------------------------------------


class Snippet(Versioned, table=True):
    __table_args__ = (
        sa.CheckConstraint("latest_number between 1 and 1000", name="latest_number_range"),
        sa.Index("ix_snippet_changed", "owner_id", "updated_at", "id"),
    )

    id: UUID = Field(primary_key=True)
    owner_id: UUID = reference("users.id")
    title: str = Field(max_length=MAX_TITLE)
    language: SnippetLanguage = words(SnippetLanguage)
    latest_number: int = 1
    # Not a foreign key: versions refer to their snippet already.
    latest_id: UUID
    archived_at: datetime | None = utc(default=None)
    created_at: datetime = utc()

    EDITABLE: ClassVar = frozenset({"title", "language"})

    @staticmethod
    def checked(values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as they are kept. Raises `Refusals`."""
        checks, values = Checks(), dict(values)
        if "title" in values:
            values["title"] = checks.text(("title",), values["title"], max=MAX_TITLE)
        checks.done()
        return values


class SnippetText(SQLModel, table=True):
    """What somebody wrote, sealed under their key for this snippet. It never changes, but is sealed anew when keys rotate."""

    __tablename__ = "snippet_text"
    __table_args__ = (sa.Index("ix_snippet_text_subject", "subject_id", "created_at", "id"),)

    id: UUID = Field(primary_key=True)
    snippet_id: UUID = reference("snippet.id", index=True)
    # The version or the comment.
    subject_id: UUID
    kind: SnippetTextKind = words(SnippetTextKind)
    author_id: UUID = reference("users.id", index=True)
    key_id: UUID = Field(index=True)
    nonce: bytes
    body: bytes
    created_at: datetime = utc()


@dataclass(frozen=True, slots=True)
class SealedText:
    """A `SnippetText` as it is read."""

    id: UUID
    place: Place
    sealed: Sealed

    COLUMNS: ClassVar = ("id", "snippet_id", "subject_id", "kind", "author_id", "key_id", "nonce", "body")

    @classmethod
    def of(cls, row: Any) -> Self:
        """Of a row that has these columns, and none that is called alike."""
        place = Place(row.snippet_id, row.author_id, row.subject_id, row.id, SnippetTextKind(row.kind))
        return cls(row.id, place, Sealed(row.key_id, row.nonce, row.body))


class SnippetVersion(SQLModel, table=True):
    __tablename__ = "snippet_version"
    __table_args__ = (
        sa.UniqueConstraint("snippet_id", "number"),
        sa.CheckConstraint("number > 0", name="number_positive"),
        sa.CheckConstraint("size_bytes between 1 and 65536", name="size_range"),
    )

    id: UUID = Field(primary_key=True)
    snippet_id: UUID = reference("snippet.id")
    number: int
    author_id: UUID = reference("users.id", index=True)
    text_id: UUID = reference("snippet_text.id")
    sha256: str = Field(max_length=64)
    size_bytes: int
    line_count: int
    message: str | None = Field(default=None, max_length=MAX_MESSAGE)
    created_at: datetime = utc()


class SnippetComment(SQLModel, table=True):
    """What somebody said about lines of a version, or answered. `now_first` and `now_last` are where these lines stand in the
    newest version; null where it has not got them any more."""

    __tablename__ = "snippet_comment"
    __table_args__ = (
        sa.CheckConstraint("first_line between 1 and last_line", name="lines_in_order"),
        sa.CheckConstraint("(now_first is null) = (now_last is null)", name="lines_now_together"),
        sa.CheckConstraint(
            "(resolved_at is null) = (resolved_by is null) and (resolved_at is null or thread_id is null)",
            name="threads_are_resolved",
        ),
        sa.Index("ix_snippet_comment_order", "snippet_id", "created_at", "id"),
    )

    id: UUID = Field(primary_key=True)
    snippet_id: UUID = reference("snippet.id")
    version_id: UUID = reference("snippet_version.id", index=True)
    # The comment that the thread began with; null for that one itself.
    thread_id: UUID | None = reference("snippet_comment.id", default=None, index=True)
    author_id: UUID = reference("users.id", index=True)
    # The wording in force; older ones are texts of the same subject.
    text_id: UUID = reference("snippet_text.id")
    first_line: int
    last_line: int
    now_first: int | None
    now_last: int | None
    created_at: datetime = utc()
    edited_at: datetime | None = utc(default=None)
    deleted_at: datetime | None = utc(default=None)
    resolved_at: datetime | None = utc(default=None)
    resolved_by: UUID | None = reference("users.id", default=None, index=True)

    def require_spoken(self) -> None:
        """Raises `DeletedSnippetComment`."""
        if self.deleted_at is not None:
            raise DeletedSnippetComment(comment_id=self.id)


class SnippetMention(SQLModel, table=True):
    __tablename__ = "snippet_mention"

    comment_id: UUID = reference("snippet_comment.id", primary_key=True)
    user_id: UUID = reference("users.id", primary_key=True, index=True)


class SnippetShare(SQLModel, table=True):
    """Ended ones are kept. Of a link only the hash of its token is: whoever reads this table can open nothing with it."""

    __tablename__ = "snippet_share"
    __table_args__ = (
        sa.CheckConstraint("(kind = 'CONTRACT') = (contract_id is not null)", name="contract_is_named"),
        sa.CheckConstraint("(kind = 'ROOM') = (room_id is not null)", name="room_is_named"),
        sa.CheckConstraint(
            "(kind = 'LINK') = (token_hash is not null) and (token_hash is null) = (expires_at is null)",
            name="links_end",
        ),
        sa.CheckConstraint("kind <> 'LINK' or not may_revise", name="links_read"),
        sa.Index("uq_snippet_share_token_hash", "token_hash", unique=True),
        sa.Index("uq_snippet_share_in_force", "snippet_id", "contract_id", unique=True,
                 postgresql_where=sa.text("ended_at is null and contract_id is not null")),
        sa.Index("ix_snippet_share_contract", "contract_id", postgresql_where=sa.text("ended_at is null")),
        sa.Index("uq_snippet_share_in_room", "room_id", "snippet_id", unique=True,
                 postgresql_where=sa.text("ended_at is null and room_id is not null")),
    )  # fmt: skip

    id: UUID = Field(primary_key=True)
    snippet_id: UUID = reference("snippet.id", index=True)
    kind: SnippetShareKind = words(SnippetShareKind)
    contract_id: UUID | None = reference("contract.id", default=None)
    room_id: UUID | None = reference("room.id", default=None)
    token_hash: bytes | None = None
    may_revise: bool = False
    created_at: datetime = utc()
    expires_at: datetime | None = utc(default=None)
    ended_at: datetime | None = utc(default=None)


class SubmittedSnippet(SQLModel, table=True):
    """A version that was handed in with the work. Both sides of the contract see it for ever, shared or not."""

    __tablename__ = "submitted_snippet"

    contract_id: UUID = reference("contract.id", primary_key=True)
    # The contract's version that the submission made: which submission it was.
    contract_version: int = Field(primary_key=True)
    version_id: UUID = reference("snippet_version.id", primary_key=True, index=True)
    submitted_at: datetime = utc()


# -- what is written ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Content:
    """The code of a version, to the byte as it was given."""

    text: str
    data: bytes

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises `Refusals` for what is empty, too large, or cannot be kept."""
        checks, data = Checks(), b""
        path = ("content",)
        if _UNKEEPABLE.search(text):
            checks.refuse(path, "PRINTABLE", "It contains NUL or half a surrogate pair.")
        else:
            data = text.encode()
            if not 1 <= len(data) <= MAX_BYTES:
                message = f"It has {len(data):,} bytes in UTF-8; it takes 1 to {MAX_BYTES:,}."
                checks.refuse(path, "BYTES", message, min=1, max=MAX_BYTES)
            elif (count := line_count(text)) > MAX_LINES:
                message = f"It has {count:,} lines; the most is {MAX_LINES:,}."
                checks.refuse(path, "LINES", message, max=MAX_LINES)
        checks.done()
        return cls(text, data)

    @property
    def sha256(self) -> str:
        return sha256(self.data).hexdigest()


def line_count(text: str) -> int:
    """Lines as editors number them: one more than there are line feeds."""
    return text.count("\n") + 1


def checked_message(message: str | None) -> str | None:
    """What was changed, in the author's words; None if they said nothing. Raises `Refusals`."""
    if message is None or not message.strip():
        return None
    checks = Checks()
    message = checks.text(("message",), message, max=MAX_MESSAGE)
    checks.done()
    return message
