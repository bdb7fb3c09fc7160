"""Snippets shared with rooms; files on messages; paging in searches of messages"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("snippet_share", sa.Column("room_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_snippet_share_room_id"), "snippet_share", "room", ["room_id"], ["id"])
    _allow("snippet_share", "kind", "snippet_share_kind", ["CONTRACT", "ROOM", "LINK"])
    op.create_check_constraint(
        op.f("ck_snippet_share_room_is_named"), "snippet_share", "(kind = 'ROOM') = (room_id is not null)"
    )
    op.create_index(
        "uq_snippet_share_in_room",
        "snippet_share",
        ["room_id", "snippet_id"],
        unique=True,
        postgresql_where=sa.text("ended_at is null and room_id is not null"),
    )

    op.add_column("chat_word", sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("chat_word", sa.Column("thread_id", sa.Uuid(), nullable=True))
    op.execute("""
        update chat_word w set sent_at = m.sent_at, thread_id = m.thread_id
        from room_message m where m.message_id = w.message_id
    """)
    # Of messages whose projection has not ended: it writes them again.
    op.execute("delete from chat_word where sent_at is null")
    op.alter_column("chat_word", "sent_at", nullable=False)
    op.drop_index("ix_chat_word_place", table_name="chat_word")
    op.create_index("ix_chat_word_sent", "chat_word", ["room_id", "sent_at", "seq"])
    op.drop_index("ix_chat_word_author_id", table_name="chat_word")
    op.create_index("ix_chat_word_author", "chat_word", ["author_id", "room_id", "sent_at", "seq"])
    op.create_index(
        "ix_chat_word_thread", "chat_word", ["thread_id"], postgresql_where=sa.text("thread_id is not null")
    )
    op.add_column("attachment", sa.Column("room_id", sa.Uuid(), nullable=True))
    op.add_column("attachment", sa.Column("promised_to", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_attachment_room_id"), "attachment", "room", ["room_id"], ["id"])
    _allow("attachment", "subject_kind", "attachment_subject", ["TASK", "MESSAGE"])
    op.create_check_constraint(
        op.f("ck_attachment_message_is_in_a_room"),
        "attachment",
        "(room_id is not null) = (subject_kind is not null and subject_kind = 'MESSAGE')",
    )
    op.create_check_constraint(
        op.f("ck_attachment_promised_to_a_message"),
        "attachment",
        "promised_to is null or room_id is not null",
    )
    op.create_index(
        "ix_attachment_promised",
        "attachment",
        ["attached_at"],
        postgresql_where=sa.text("promised_to is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_chat_word_thread", table_name="chat_word")
    op.drop_index("ix_chat_word_sent", table_name="chat_word")
    op.drop_index("ix_chat_word_author", table_name="chat_word")
    op.create_index("ix_chat_word_author_id", "chat_word", ["author_id"])
    op.create_index("ix_chat_word_place", "chat_word", ["room_id", "seq"])
    op.drop_column("chat_word", "thread_id")
    op.drop_column("chat_word", "sent_at")
    op.execute("delete from attachment where subject_kind = 'MESSAGE'")
    op.drop_index("ix_attachment_promised", table_name="attachment")
    op.drop_constraint(op.f("ck_attachment_promised_to_a_message"), "attachment")
    op.drop_constraint(op.f("ck_attachment_message_is_in_a_room"), "attachment")
    _allow("attachment", "subject_kind", "attachment_subject", ["TASK"])
    op.drop_column("attachment", "promised_to")
    op.drop_column("attachment", "room_id")
    op.execute("delete from fact where kind = 'SnippetShareNarrowed' or payload ->> 'share_kind' = 'ROOM'")
    op.execute("delete from snippet_share where kind = 'ROOM'")
    op.drop_index("uq_snippet_share_in_room", table_name="snippet_share")
    op.drop_constraint(op.f("ck_snippet_share_room_is_named"), "snippet_share")
    _allow("snippet_share", "kind", "snippet_share_kind", ["CONTRACT", "LINK"])
    op.drop_column("snippet_share", "room_id")


def _allow(table: str, column: str, kind: str, words: list[str]) -> None:
    """The words that a column may hold."""
    name = op.f(f"ck_{table}_{kind}")
    op.drop_constraint(name, table)
    op.create_check_constraint(name, table, sa.column(column, sa.String).in_(words))
