"""Attachments: files on tasks; keys of boards that are unique for a client"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attachment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("uploader_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "subject_kind",
            sa.Enum("TASK", name="attachment_subject", native_enum=False, create_constraint=True, length=40),
            nullable=True,
        ),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("board_id", sa.Uuid(), nullable=True),
        sa.Column("attached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "num_nulls(subject_kind, subject_id, attached_at) in (0, 3)",
            name=op.f("ck_attachment_hangs_or_not"),
        ),
        sa.CheckConstraint(
            "subject_kind <> 'TASK' or board_id is not null", name=op.f("ck_attachment_task_is_on_a_board")
        ),
        sa.CheckConstraint(
            "removed_at is null or attached_at is not null", name=op.f("ck_attachment_removed_from_something")
        ),
        sa.CheckConstraint("size >= 0", name=op.f("ck_attachment_size_not_negative")),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_attachment_sha256_is_hex")),
        sa.ForeignKeyConstraint(["uploader_id"], ["users.id"], name=op.f("fk_attachment_uploader_id")),
        sa.ForeignKeyConstraint(["board_id"], ["board.id"], name=op.f("fk_attachment_board_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
    )
    hanging, here = sa.text("subject_id is not null"), sa.text("gone_at is null")
    op.create_index(
        "ix_attachment_subject", "attachment", ["subject_id", "attached_at", "id"], postgresql_where=hanging
    )
    op.create_index("ix_attachment_content", "attachment", ["sha256"], postgresql_where=here)
    op.create_index(
        "ix_attachment_loose", "attachment", ["created_at"], postgresql_where=sa.text("subject_id is null")
    )
    op.create_index(
        "ix_attachment_removed",
        "attachment",
        ["removed_at"],
        postgresql_where=sa.text("removed_at is not null and gone_at is null"),
    )
    op.create_index(op.f("ix_attachment_uploader_id"), "attachment", ["uploader_id"])
    op.create_index(op.f("ix_attachment_board_id"), "attachment", ["board_id"])
    # Called after their gig again: all but the first of a client's boards with one key, and who is called after another gig.
    op.execute("""
        update board set key = 'G' || gig.number from gig where gig.id = board.gig_id and (
            board.key ~ '^G[0-9]+$' or exists (
                select 1 from board other
                where other.client_id = board.client_id and other.key = board.key and other.id < board.id
            )
        )
    """)
    op.create_index("uq_board_key", "board", ["client_id", "key"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_board_key", table_name="board")
    op.drop_table("attachment")
