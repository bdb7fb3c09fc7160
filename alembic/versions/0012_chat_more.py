"""Drafts, scheduled messages, reports of messages, slow mode, and how fast people may write"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_REASONS = (
    "YOU_ARE_THE_CLIENT", "YOU_APPLIED", "YOU_ARE_INVITED", "YOU_WORK_ON_IT", "YOU_ARE_ASSIGNED", "YOU_ARE_MENTIONED",
    "YOU_WATCH_IT", "YOU_ARE_GIVEN_IT", "YOU_OWN_IT", "YOU_SPOKE_IN_IT", "IT_IS_YOUR_ACCOUNT",
)  # fmt: skip
_NEW_REASONS = ("YOU_WROTE_IT", "YOU_REPORTED_IT")


def upgrade() -> None:
    op.add_column("room", sa.Column("slow_mode_s", sa.Integer(), nullable=False, server_default="0"))
    op.alter_column("room", "slow_mode_s", server_default=None)
    op.create_check_constraint(op.f("ck_room_slow_mode_in_range"), "room", "slow_mode_s between 0 and 21600")
    op.add_column("notification", sa.Column("room_id", sa.Uuid(), nullable=True))
    op.drop_constraint(op.f("ck_notification_notification_reason"), "notification")
    op.create_check_constraint(
        op.f("ck_notification_notification_reason"), "notification",
        sa.column("reason", sa.String).in_([*_REASONS, *_NEW_REASONS]),
    )  # fmt: skip
    op.create_table(
        "message_draft",
        *_versioned(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=True),
        *_sealed(nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        *_of_room_and_author("message_draft"),
        sa.ForeignKeyConstraint(
            ["key_id"], ["chat_key.id"], name=op.f("fk_message_draft_key_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_draft")),
    )
    op.create_index(
        "uq_message_draft_place",
        "message_draft",
        ["author_id", "room_id", "thread_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("ix_message_draft_newest", "message_draft", ["author_id", "updated_at", "id"])
    op.create_table(
        "scheduled_message",
        *_versioned(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("send_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", _words("scheduled_state", "WAITING", "SENDING", "REFUSED"), nullable=False),
        sa.Column("refusal", sa.String(length=60), nullable=True),
        sa.Column("client_id", sa.String(length=200), nullable=False),
        *_sealed(nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state = 'REFUSED') = (refusal is not null)",
            name=op.f("ck_scheduled_message_refused_for_a_reason"),
        ),
        *_of_room_and_author("scheduled_message"),
        sa.ForeignKeyConstraint(
            ["key_id"], ["chat_key.id"], name=op.f("fk_scheduled_message_key_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scheduled_message")),
    )
    op.create_index("ix_scheduled_message_of", "scheduled_message", ["author_id", "send_at", "id"])
    for table in ("message_draft", "scheduled_message"):
        op.create_index(op.f(f"ix_{table}_room_id"), table, ["room_id"])
        op.create_index(op.f(f"ix_{table}_key_id"), table, ["key_id"])
    op.create_table(
        "message_report",
        *_versioned(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("reporter_id", sa.Uuid(), nullable=False),
        sa.Column(
            "reason",
            _words("report_reason", "SPAM", "HARASSMENT", "FRAUD", "ILLEGAL", "OTHER"),
            nullable=False,
        ),
        sa.Column("remark_id", sa.Uuid(), nullable=True),
        *_sealed(nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edit_count", sa.Integer(), nullable=False),
        sa.Column("state", _words("report_state", "OPEN", "RESOLVED"), nullable=False),
        sa.Column("outcome", _words("report_outcome", "DISMISSED", "WARNED", "REMOVED"), nullable=True),
        sa.Column("resolver_id", sa.Uuid(), nullable=True),
        sa.Column("resolution_id", sa.Uuid(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "num_nulls(key_id, nonce, sealed, words_id) in (0, 4)",
            name=op.f("ck_message_report_words_are_sealed"),
        ),
        sa.CheckConstraint(
            "(state = 'RESOLVED') = (outcome is not null) and (outcome is null) = (resolved_at is null)",
            name=op.f("ck_message_report_resolved_with_outcome"),
        ),
        *_of_room_and_author("message_report"),
        sa.ForeignKeyConstraint(["reporter_id"], ["users.id"], name=op.f("fk_message_report_reporter_id")),
        sa.ForeignKeyConstraint(["remark_id"], ["remark.id"], name=op.f("fk_message_report_remark_id")),
        sa.ForeignKeyConstraint(["resolver_id"], ["users.id"], name=op.f("fk_message_report_resolver_id")),
        sa.ForeignKeyConstraint(
            ["resolution_id"], ["remark.id"], name=op.f("fk_message_report_resolution_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_report")),
    )
    op.create_index(
        "uq_message_report_open",
        "message_report",
        ["reporter_id", "message_id"],
        unique=True,
        postgresql_where=sa.text("state = 'OPEN'"),
    )
    op.create_index("ix_message_report_queue", "message_report", ["state", "created_at", "id"])
    op.create_index("ix_message_report_newest", "message_report", ["created_at", "id"])
    for column in ("room_id", "message_id", "author_id", "key_id"):
        op.create_index(op.f(f"ix_message_report_{column}"), "message_report", [column])
    op.create_table(
        "chat_pace",
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("full_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("act_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "room_id", "user_id", name=op.f("pk_chat_pace")),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_chat_pace_full_at", "chat_pace", ["full_at"])


def downgrade() -> None:
    op.drop_table("chat_pace")
    op.drop_table("message_report")
    op.drop_table("scheduled_message")
    op.drop_table("message_draft")
    op.execute("delete from notification where reason in ('YOU_WROTE_IT', 'YOU_REPORTED_IT')")
    op.drop_constraint(op.f("ck_notification_notification_reason"), "notification")
    op.create_check_constraint(
        op.f("ck_notification_notification_reason"), "notification",
        sa.column("reason", sa.String).in_(_REASONS),
    )  # fmt: skip
    op.drop_column("notification", "room_id")
    op.drop_column("room", "slow_mode_s")


def _words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def _versioned() -> list[sa.Column]:
    return [
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    ]


def _sealed(*, nullable: bool) -> list[sa.Column]:
    return [
        sa.Column("key_id", sa.Uuid(), nullable=nullable),
        sa.Column("nonce", sa.LargeBinary(), nullable=nullable),
        sa.Column("sealed", sa.LargeBinary(), nullable=nullable),
        sa.Column("words_id", sa.Uuid(), nullable=nullable),
    ]


def _of_room_and_author(table: str) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f(f"fk_{table}_room_id")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f(f"fk_{table}_author_id")),
    ]
