"""Notifications, and what people choose to be told"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notification",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("category", _category(), nullable=False),
        sa.Column(
            "reason",
            sa.Enum(
                "YOU_ARE_THE_CLIENT",
                "YOU_APPLIED",
                "YOU_ARE_INVITED",
                "YOU_WORK_ON_IT",
                name="notification_reason",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("gig_id", sa.Uuid(), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=True),
        sa.Column("contract_id", sa.Uuid(), nullable=True),
        sa.Column("invitation_id", sa.Uuid(), nullable=True),
        sa.Column("remark_id", sa.Uuid(), nullable=True),
        sa.Column("group_key", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "read_at is null or seen_at is not null", name=op.f("ck_notification_read_is_seen")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notification_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
    )
    op.create_index("ix_notification_feed", "notification", ["user_id", "created_at", "id"])
    op.create_index(
        "ix_notification_unread",
        "notification",
        ["user_id", "category", "seen_at"],
        postgresql_where=sa.text("read_at is null and archived_at is null"),
    )
    op.create_index(
        "ix_notification_outdated",
        "notification",
        ["created_at"],
        postgresql_where=sa.text("read_at is not null or archived_at is not null"),
    )
    op.create_table(
        "notification_preference",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("category", _category(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum(
                "IN_APP",
                "EMAIL",
                "WEBHOOK",
                name="notification_channel",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notification_preference_user_id")),
        sa.PrimaryKeyConstraint("user_id", "category", "channel", name=op.f("pk_notification_preference")),
    )


def _category() -> sa.Enum:
    return sa.Enum(
        "APPLICATIONS",
        "INVITATIONS",
        "CONTRACTS",
        "FEEDBACK",
        "SYSTEM",
        name="notification_category",
        native_enum=False,
        create_constraint=True,
        length=40,
    )


def downgrade() -> None:
    op.drop_table("notification_preference")
    op.drop_index("ix_notification_outdated", table_name="notification")
    op.drop_index("ix_notification_unread", table_name="notification")
    op.drop_index("ix_notification_feed", table_name="notification")
    op.drop_table("notification")
