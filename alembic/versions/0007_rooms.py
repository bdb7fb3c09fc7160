"""Rooms of chat and their members, those of applications and contracts that there are already among them"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ROLES = ("OWNER", "MODERATOR", "MEMBER")
_OF_ROOMS = ("chat_fact", "chat_word")
_KINDS = ("DIRECT", "GROUP", "APPLICATION", "CONTRACT")


def upgrade() -> None:
    op.create_table(
        "room",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(*_KINDS, name="room_kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("title", sa.String(length=100), nullable=True),
        sa.Column("low_id", sa.Uuid(), nullable=True),
        sa.Column("high_id", sa.Uuid(), nullable=True),
        sa.Column("gig_id", sa.Uuid(), nullable=True),
        sa.Column("application_id", sa.Uuid(), nullable=True),
        sa.Column("contract_id", sa.Uuid(), nullable=True),
        sa.Column("is_read_only", sa.Boolean(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'DIRECT') = (low_id is not null) and (low_id is null) = (high_id is null) and low_id < high_id",
            name=op.f("ck_room_pair_is_direct"),
        ),
        sa.CheckConstraint(
            "(kind = 'APPLICATION') = (application_id is not null)", name=op.f("ck_room_of_an_application")
        ),
        sa.CheckConstraint(
            "(kind = 'CONTRACT') = (contract_id is not null)", name=op.f("ck_room_of_a_contract")
        ),
        sa.CheckConstraint("(kind = 'GROUP') = (title is not null)", name=op.f("ck_room_groups_have_titles")),
        sa.ForeignKeyConstraint(["low_id"], ["users.id"], name=op.f("fk_room_low_id")),
        sa.ForeignKeyConstraint(["high_id"], ["users.id"], name=op.f("fk_room_high_id")),
        sa.ForeignKeyConstraint(["gig_id"], ["gig.id"], name=op.f("fk_room_gig_id")),
        sa.ForeignKeyConstraint(["application_id"], ["application.id"], name=op.f("fk_room_application_id")),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name=op.f("fk_room_contract_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_room")),
        sa.UniqueConstraint("low_id", "high_id", name="uq_room_pair"),
        sa.UniqueConstraint("application_id", name=op.f("uq_room_application_id")),
        sa.UniqueConstraint("contract_id", name=op.f("uq_room_contract_id")),
    )
    op.create_index(op.f("ix_room_high_id"), "room", ["high_id"], unique=False)
    op.create_index(op.f("ix_room_gig_id"), "room", ["gig_id"], unique=False)
    op.create_table(
        "room_member",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(*_ROLES, name="room_role", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_muted", sa.Boolean(), nullable=False),
        sa.Column("is_hidden", sa.Boolean(), nullable=False),
        sa.Column("is_favorite", sa.Boolean(), nullable=False),
        sa.Column("read_seq", sa.BigInteger(), nullable=False),
        sa.Column("receipt_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_room_member_room_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_room_member_user_id")),
        sa.PrimaryKeyConstraint("room_id", "user_id", name=op.f("pk_room_member")),
    )
    op.create_index(
        "ix_room_member_of",
        "room_member",
        ["user_id", "room_id"],
        unique=False,
        postgresql_where=sa.text("left_at is null"),
    )
    op.create_index("ix_room_member_order", "room_member", ["room_id", "joined_at", "user_id"], unique=False)
    op.create_table(
        "person_block",
        sa.Column("blocker_id", sa.Uuid(), nullable=False),
        sa.Column("blocked_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("blocker_id <> blocked_id", name=op.f("ck_person_block_of_another")),
        sa.ForeignKeyConstraint(["blocker_id"], ["users.id"], name=op.f("fk_person_block_blocker_id")),
        sa.ForeignKeyConstraint(["blocked_id"], ["users.id"], name=op.f("fk_person_block_blocked_id")),
        sa.PrimaryKeyConstraint("blocker_id", "blocked_id", name=op.f("pk_person_block")),
    )
    op.create_index(op.f("ix_person_block_blocked_id"), "person_block", ["blocked_id"], unique=False)
    op.create_table(
        "room_message",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("fact_seq", sa.BigInteger(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=True),
        sa.Column("mention_ids", ARRAY(sa.Uuid()), nullable=False),
        sa.Column("mentions_room", sa.Boolean(), nullable=False),
        sa.Column("is_pinned", sa.Boolean(), nullable=False),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_room_message_room_id")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_room_message")),
        sa.UniqueConstraint("room_id", "seq", name=op.f("uq_room_message_room_id_seq")),
    )
    op.create_index(
        "ix_room_message_thread", "room_message", ["thread_id", "seq"],
        postgresql_where=sa.text("thread_id is not null"),
    )  # fmt: skip
    op.create_index("ix_room_message_sent", "room_message", ["room_id", "sent_at"])
    op.create_index(
        "ix_room_message_pinned", "room_message", ["room_id", "seq"], postgresql_where=sa.text("is_pinned")
    )
    op.create_table(
        "room_progress",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_room_progress_room_id")),
        sa.PrimaryKeyConstraint("room_id", name=op.f("pk_room_progress")),
    )
    op.create_table(
        "chat_mark",
        sa.Column("store", sa.String(length=40), nullable=False),
        sa.Column("mark", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("store", name=op.f("pk_chat_mark")),
    )
    op.create_table(
        "chat_preference",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("shows_receipts", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_chat_preference_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_chat_preference")),
    )
    op.create_table(
        "room_notice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("about", JSONB(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_room_notice_room_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_room_notice")),
    )
    op.create_index(op.f("ix_room_notice_room_id"), "room_notice", ["room_id"])
    op.create_index(
        "ix_room_notice_owed",
        "room_notice",
        ["created_at", "id"],
        postgresql_where=sa.text("said_at is null"),
    )
    for table in _OF_ROOMS:
        op.create_foreign_key(op.f(f"fk_{table}_room_id"), table, "room", ["room_id"], ["id"])
    for kind, table, began in (
        ("APPLICATION", "application", "submitted_at"),
        ("CONTRACT", "contract", "started_at"),
    ):
        op.execute(_ROOMS.format(kind=kind, table=table, began=began))
        op.execute(_MEMBERS.format(table=table))


def downgrade() -> None:
    for table in _OF_ROOMS:
        op.drop_constraint(op.f(f"fk_{table}_room_id"), table)
    for table in (
        "room_notice",
        "chat_preference",
        "chat_mark",
        "room_progress",
        "room_message",
        "person_block",
    ):
        op.drop_table(table)
    op.drop_table("room_member")
    op.drop_table("room")


_ROOMS = """
    insert into room (id, kind, gig_id, {table}_id, is_read_only, created_at, updated_at, version)
    select uuidv7(), '{kind}', gig_id, id, false, {began}, {began}, 1 from {table}
"""
_MEMBERS = """
    insert into room_member (room_id, user_id, role, joined_at, is_muted, is_hidden, is_favorite, read_seq,
                             receipt_seq)
    select r.id, p.user_id, 'MEMBER', r.created_at, false, false, false, 0, 0
    from room r join {table} t on t.id = r.{table}_id
    cross join lateral (values (t.client_id), (t.freelancer_id)) as p(user_id)
"""
