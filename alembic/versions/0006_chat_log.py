"""Chat: the log of rooms, the keys of its words, and what is searched"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from models.stream import Xid8

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KINDS = ("SENT", "EDITED", "DELETED", "REACTED", "UNREACTED", "PINNED", "UNPINNED")


def upgrade() -> None:
    op.create_table(
        "chat_fact",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(*KINDS, name="chat_kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reaction", sa.String(64), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("nonce", sa.LargeBinary(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("x", Xid8(), nullable=False),
        sa.CheckConstraint("seq > 0", name=op.f("ck_chat_fact_seq_positive")),
        sa.CheckConstraint(
            "(kind = 'SENT') = (id = message_id)", name=op.f("ck_chat_fact_sent_is_its_message")
        ),
        sa.CheckConstraint(
            "(kind in ('SENT', 'EDITED')) = (key_id is not null) and num_nulls(key_id, nonce, body) in (0, 3)",
            name=op.f("ck_chat_fact_words_are_sealed"),
        ),
        sa.CheckConstraint(
            "(kind in ('REACTED', 'UNREACTED')) = (reaction is not null)",
            name=op.f("ck_chat_fact_reaction_is_named"),
        ),
        sa.PrimaryKeyConstraint("room_id", "seq", name=op.f("pk_chat_fact")),
        sa.UniqueConstraint("id", name="uq_chat_fact_id"),
        sa.UniqueConstraint("room_id", "author_id", "client_id", name="uq_chat_fact_client"),
    )
    op.create_index(
        "ix_chat_fact_sent", "chat_fact", ["room_id", "seq"], postgresql_where=sa.text("kind = 'SENT'")
    )
    op.create_index(
        "ix_chat_fact_about", "chat_fact", ["message_id", "seq"], postgresql_where=sa.text("kind <> 'SENT'")
    )
    op.create_index("ix_chat_fact_x", "chat_fact", ["x"])
    op.create_table(
        "chat_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("wrapping_key", sa.String(40), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("swept", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_key")),
    )
    op.create_index(
        "uq_chat_key_in_force", "chat_key", ["room_id", "author_id"], unique=True,
        postgresql_where=sa.text("retired_at is null"), postgresql_nulls_not_distinct=True,
    )  # fmt: skip
    op.create_index(
        "ix_chat_key_retired_at",
        "chat_key",
        ["retired_at"],
        postgresql_where=sa.text("retired_at is not null"),
    )
    op.create_index("ix_chat_key_author_id", "chat_key", ["author_id"])
    op.create_index("ix_chat_key_wrapping_key", "chat_key", ["wrapping_key"])
    op.create_table(
        "chat_word",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("fact_seq", sa.BigInteger(), nullable=False),
        sa.Column("tokens", ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_chat_word")),
    )
    op.create_index("ix_chat_word_tokens", "chat_word", ["tokens"], postgresql_using="gin")
    op.create_index("ix_chat_word_place", "chat_word", ["room_id", "seq"])
    op.create_index("ix_chat_word_author_id", "chat_word", ["author_id"])


def downgrade() -> None:
    op.drop_table("chat_word")
    op.drop_table("chat_key")
    op.drop_table("chat_fact")
