"""The tables of chat: the log of rooms (where PostgreSQL keeps it), the wrapped keys of its words, and what is searched.

Authors are no foreign keys: the platform is one that is no user. Keys and search are in PostgreSQL wherever the log is.
"""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.chat import MAX_CLIENT_ID, MAX_REACTION, ChatKind
from models.stream import Xid8
from models.table import big, reference, utc, words


class ChatLogEntry(SQLModel, table=True):
    """One fact. `x` is the transaction that appended it, so that a reader can ask what came since its last snapshot."""

    __tablename__ = "chat_fact"
    __table_args__ = (
        sa.CheckConstraint("seq > 0", name="seq_positive"),
        sa.CheckConstraint("(kind = 'SENT') = (id = message_id)", name="sent_is_its_message"),
        sa.CheckConstraint(
            "(kind in ('SENT', 'EDITED')) = (key_id is not null)"
            " and num_nulls(key_id, nonce, body) in (0, 3)",
            name="words_are_sealed",
        ),
        sa.CheckConstraint(
            "(kind in ('REACTED', 'UNREACTED')) = (reaction is not null)", name="reaction_is_named"
        ),
        sa.UniqueConstraint("id", name="uq_chat_fact_id"),
        sa.UniqueConstraint("room_id", "author_id", "client_id", name="uq_chat_fact_client"),
        sa.Index("ix_chat_fact_sent", "room_id", "seq", postgresql_where=sa.text("kind = 'SENT'")),
        sa.Index("ix_chat_fact_about", "message_id", "seq", postgresql_where=sa.text("kind <> 'SENT'")),
    )

    room_id: UUID = reference("room.id", primary_key=True)
    seq: int = Field(primary_key=True, sa_type=sa.BigInteger)
    id: UUID
    kind: ChatKind = words(ChatKind)
    message_id: UUID
    author_id: UUID
    client_id: str = Field(max_length=MAX_CLIENT_ID)
    at: datetime = utc()
    reaction: str | None = Field(max_length=MAX_REACTION)
    key_id: UUID | None
    nonce: bytes | None
    body: bytes | None
    x: int = Field(sa_type=Xid8, index=True)


class ChatKey(SQLModel, table=True):
    """A key of one author's words in one room; without an author, the key of the room's search. Wrapped by the key named
    `wrapping_key`. One that is retired opens what it sealed and seals nothing more."""

    __tablename__ = "chat_key"
    __table_args__ = (
        sa.Index(
            "uq_chat_key_in_force",
            "room_id",
            "author_id",
            unique=True,
            postgresql_where=sa.text("retired_at is null"),
            postgresql_nulls_not_distinct=True,
        ),
        sa.Index("ix_chat_key_retired_at", "retired_at", postgresql_where=sa.text("retired_at is not null")),
    )

    id: UUID = Field(primary_key=True)
    # Or a snippet, whose texts are sealed under keys of their own.
    room_id: UUID
    author_id: UUID | None = Field(index=True)
    wrapping_key: str = Field(max_length=40, index=True)
    wrapped: bytes
    created_at: datetime = utc()
    retired_at: datetime | None = utc()
    swept: int = big()
    """Up to this number of the room's log no fact is sealed by it any more."""


class ChatWord(SQLModel, table=True):
    """What a message can be found by: keyed hashes of its words. None are left of one that is deleted; the row stays, so
    that hearing of an older fact once more brings nothing back."""

    __tablename__ = "chat_word"
    __table_args__ = (
        sa.Index("ix_chat_word_tokens", "tokens", postgresql_using="gin"),
        sa.Index("ix_chat_word_sent", "room_id", "sent_at", "seq"),
        sa.Index("ix_chat_word_author", "author_id", "room_id", "sent_at", "seq"),
        sa.Index("ix_chat_word_thread", "thread_id", postgresql_where=sa.text("thread_id is not null")),
    )

    message_id: UUID = Field(primary_key=True)
    room_id: UUID = reference("room.id")
    author_id: UUID
    seq: int = big()
    fact_seq: int = big()
    """The number of the fact whose words these are."""
    sent_at: datetime = utc()
    thread_id: UUID | None = None
    tokens: list[int] = Field(sa_type=ARRAY(sa.BigInteger))
