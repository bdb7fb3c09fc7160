"""Snippets: versions, sealed texts, comments on lines, shares, and what is submitted; notifications of them"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_LANGUAGES = [
    "PLAIN_TEXT",
    "BASH",
    "C",
    "CPP",
    "CSHARP",
    "CSS",
    "DART",
    "DIFF",
    "DOCKERFILE",
    "ELIXIR",
    "GO",
    "GRAPHQL",
    "HTML",
    "JAVA",
    "JAVASCRIPT",
    "JSON",
    "KOTLIN",
    "LUA",
    "MARKDOWN",
    "PERL",
    "PHP",
    "POWERSHELL",
    "PYTHON",
    "R",
    "RUBY",
    "RUST",
    "SCALA",
    "SQL",
    "SWIFT",
    "TERRAFORM",
    "TOML",
    "TYPESCRIPT",
    "XML",
    "YAML",
]
_CATEGORIES = ["APPLICATIONS", "INVITATIONS", "CONTRACTS", "FEEDBACK", "TASKS", "SYSTEM"]
_REASONS = [
    "YOU_ARE_THE_CLIENT",
    "YOU_APPLIED",
    "YOU_ARE_INVITED",
    "YOU_WORK_ON_IT",
    "YOU_ARE_ASSIGNED",
    "YOU_ARE_MENTIONED",
    "YOU_WATCH_IT",
]
_NEW_REASONS = ["YOU_ARE_GIVEN_IT", "YOU_OWN_IT", "YOU_SPOKE_IN_IT"]


def upgrade() -> None:
    _allow([*_CATEGORIES[:5], "SNIPPETS", "SYSTEM"], [*_REASONS, *_NEW_REASONS])
    op.create_table(
        "snippet",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column(
            "language",
            sa.Enum(
                *_LANGUAGES, name="snippet_language", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("latest_number", sa.Integer(), nullable=False),
        sa.Column("latest_id", sa.Uuid(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("latest_number between 1 and 1000", name=op.f("ck_snippet_latest_number_range")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_snippet_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snippet")),
    )
    op.create_index("ix_snippet_changed", "snippet", ["owner_id", "updated_at", "id"], unique=False)
    op.create_table(
        "snippet_text",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("snippet_id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "SNIPPET_VERSION",
                "SNIPPET_COMMENT",
                name="snippet_text_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_snippet_text_author_id")),
        sa.ForeignKeyConstraint(["snippet_id"], ["snippet.id"], name=op.f("fk_snippet_text_snippet_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snippet_text")),
    )
    op.create_index(op.f("ix_snippet_text_author_id"), "snippet_text", ["author_id"], unique=False)
    op.create_index(op.f("ix_snippet_text_key_id"), "snippet_text", ["key_id"], unique=False)
    op.create_index(op.f("ix_snippet_text_snippet_id"), "snippet_text", ["snippet_id"], unique=False)
    op.create_index(
        "ix_snippet_text_subject", "snippet_text", ["subject_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "snippet_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("snippet_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("text_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_snippet_version_number_positive")),
        sa.CheckConstraint("size_bytes between 1 and 65536", name=op.f("ck_snippet_version_size_range")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_snippet_version_author_id")),
        sa.ForeignKeyConstraint(["snippet_id"], ["snippet.id"], name=op.f("fk_snippet_version_snippet_id")),
        sa.ForeignKeyConstraint(["text_id"], ["snippet_text.id"], name=op.f("fk_snippet_version_text_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snippet_version")),
        sa.UniqueConstraint("snippet_id", "number", name=op.f("uq_snippet_version_snippet_id_number")),
    )
    op.create_index(op.f("ix_snippet_version_author_id"), "snippet_version", ["author_id"], unique=False)
    op.create_table(
        "snippet_comment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("snippet_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=True),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("text_id", sa.Uuid(), nullable=False),
        sa.Column("first_line", sa.Integer(), nullable=False),
        sa.Column("last_line", sa.Integer(), nullable=False),
        sa.Column("now_first", sa.Integer(), nullable=True),
        sa.Column("now_last", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(now_first is null) = (now_last is null)", name=op.f("ck_snippet_comment_lines_now_together")
        ),
        sa.CheckConstraint(
            "(resolved_at is null) = (resolved_by is null) and (resolved_at is null or thread_id is null)",
            name=op.f("ck_snippet_comment_threads_are_resolved"),
        ),
        sa.CheckConstraint(
            "first_line between 1 and last_line", name=op.f("ck_snippet_comment_lines_in_order")
        ),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_snippet_comment_author_id")),
        sa.ForeignKeyConstraint(["resolved_by"], ["users.id"], name=op.f("fk_snippet_comment_resolved_by")),
        sa.ForeignKeyConstraint(["snippet_id"], ["snippet.id"], name=op.f("fk_snippet_comment_snippet_id")),
        sa.ForeignKeyConstraint(["text_id"], ["snippet_text.id"], name=op.f("fk_snippet_comment_text_id")),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["snippet_comment.id"], name=op.f("fk_snippet_comment_thread_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["snippet_version.id"], name=op.f("fk_snippet_comment_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snippet_comment")),
    )
    op.create_index(op.f("ix_snippet_comment_author_id"), "snippet_comment", ["author_id"], unique=False)
    op.create_index(
        "ix_snippet_comment_order", "snippet_comment", ["snippet_id", "created_at", "id"], unique=False
    )
    op.create_index(op.f("ix_snippet_comment_resolved_by"), "snippet_comment", ["resolved_by"], unique=False)
    op.create_index(op.f("ix_snippet_comment_thread_id"), "snippet_comment", ["thread_id"], unique=False)
    op.create_index(op.f("ix_snippet_comment_version_id"), "snippet_comment", ["version_id"], unique=False)
    op.create_table(
        "snippet_mention",
        sa.Column("comment_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["comment_id"], ["snippet_comment.id"], name=op.f("fk_snippet_mention_comment_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_snippet_mention_user_id")),
        sa.PrimaryKeyConstraint("comment_id", "user_id", name=op.f("pk_snippet_mention")),
    )
    op.create_index(op.f("ix_snippet_mention_user_id"), "snippet_mention", ["user_id"], unique=False)
    op.create_table(
        "snippet_share",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("snippet_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "CONTRACT",
                "LINK",
                name="snippet_share_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("contract_id", sa.Uuid(), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("may_revise", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(kind = 'CONTRACT') = (contract_id is not null)", name=op.f("ck_snippet_share_contract_is_named")
        ),
        sa.CheckConstraint(
            "(kind = 'LINK') = (token_hash is not null) and (token_hash is null) = (expires_at is null)",
            name=op.f("ck_snippet_share_links_end"),
        ),
        sa.CheckConstraint("kind <> 'LINK' or not may_revise", name=op.f("ck_snippet_share_links_read")),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name=op.f("fk_snippet_share_contract_id")),
        sa.ForeignKeyConstraint(["snippet_id"], ["snippet.id"], name=op.f("fk_snippet_share_snippet_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snippet_share")),
    )
    op.create_index(
        "ix_snippet_share_contract",
        "snippet_share",
        ["contract_id"],
        unique=False,
        postgresql_where=sa.text("ended_at is null"),
    )
    op.create_index(op.f("ix_snippet_share_snippet_id"), "snippet_share", ["snippet_id"], unique=False)
    op.create_index(
        "uq_snippet_share_in_force",
        "snippet_share",
        ["snippet_id", "contract_id"],
        unique=True,
        postgresql_where=sa.text("ended_at is null and contract_id is not null"),
    )
    op.create_index("uq_snippet_share_token_hash", "snippet_share", ["token_hash"], unique=True)
    op.create_table(
        "submitted_snippet",
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("contract_version", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contract.id"], name=op.f("fk_submitted_snippet_contract_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["snippet_version.id"], name=op.f("fk_submitted_snippet_version_id")
        ),
        sa.PrimaryKeyConstraint(
            "contract_id", "contract_version", "version_id", name=op.f("pk_submitted_snippet")
        ),
    )
    op.create_index(
        op.f("ix_submitted_snippet_version_id"), "submitted_snippet", ["version_id"], unique=False
    )
    op.add_column("notification", sa.Column("snippet_id", sa.Uuid(), nullable=True))
    op.alter_column("notification", "gig_id", existing_type=sa.Uuid(), nullable=True)


def _allow(categories: list[str], reasons: list[str]) -> None:
    """The words that notifications may use."""
    for table, column, kind, words in [
        ("notification", "category", "notification_category", categories),
        ("notification_preference", "category", "notification_category", categories),
        ("notification", "reason", "notification_reason", reasons),
    ]:
        name = op.f(f"ck_{table}_{kind}")
        op.drop_constraint(name, table)
        allowed = ", ".join(f"'{word}'" for word in words)
        op.create_check_constraint(name, table, f"{column} in ({allowed})")


def downgrade() -> None:
    op.execute("delete from notification where category = 'SNIPPETS'")
    op.execute("delete from notification_preference where category = 'SNIPPETS'")
    op.execute("delete from fact where stream like 'snippet:%' or kind like 'Snippet%'")
    op.execute("delete from stream_head where stream like 'snippet:%'")
    op.execute("delete from chat_key where room_id in (select id from snippet)")
    _allow(_CATEGORIES, _REASONS)
    op.alter_column("notification", "gig_id", existing_type=sa.Uuid(), nullable=False)
    op.drop_column("notification", "snippet_id")
    op.drop_index(op.f("ix_submitted_snippet_version_id"), table_name="submitted_snippet")
    op.drop_table("submitted_snippet")
    op.drop_index("uq_snippet_share_token_hash", table_name="snippet_share")
    op.drop_index(
        "uq_snippet_share_in_force",
        table_name="snippet_share",
        postgresql_where=sa.text("ended_at is null and contract_id is not null"),
    )
    op.drop_index(op.f("ix_snippet_share_snippet_id"), table_name="snippet_share")
    op.drop_index(
        "ix_snippet_share_contract", table_name="snippet_share", postgresql_where=sa.text("ended_at is null")
    )
    op.drop_table("snippet_share")
    op.drop_index(op.f("ix_snippet_mention_user_id"), table_name="snippet_mention")
    op.drop_table("snippet_mention")
    op.drop_index(op.f("ix_snippet_comment_version_id"), table_name="snippet_comment")
    op.drop_index(op.f("ix_snippet_comment_thread_id"), table_name="snippet_comment")
    op.drop_index(op.f("ix_snippet_comment_resolved_by"), table_name="snippet_comment")
    op.drop_index("ix_snippet_comment_order", table_name="snippet_comment")
    op.drop_index(op.f("ix_snippet_comment_author_id"), table_name="snippet_comment")
    op.drop_table("snippet_comment")
    op.drop_index(op.f("ix_snippet_version_author_id"), table_name="snippet_version")
    op.drop_table("snippet_version")
    op.drop_index("ix_snippet_text_subject", table_name="snippet_text")
    op.drop_index(op.f("ix_snippet_text_snippet_id"), table_name="snippet_text")
    op.drop_index(op.f("ix_snippet_text_key_id"), table_name="snippet_text")
    op.drop_index(op.f("ix_snippet_text_author_id"), table_name="snippet_text")
    op.drop_table("snippet_text")
    op.drop_index("ix_snippet_changed", table_name="snippet")
    op.drop_table("snippet")
