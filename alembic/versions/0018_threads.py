"""Who follows which thread, and what it takes to find the threads that somebody wrote in"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_REASONS = (
    "YOU_ARE_THE_CLIENT", "YOU_APPLIED", "YOU_ARE_INVITED", "YOU_WORK_ON_IT", "YOU_ARE_ASSIGNED", "YOU_ARE_MENTIONED",
    "YOU_WATCH_IT", "YOU_ARE_GIVEN_IT", "YOU_OWN_IT", "YOU_SPOKE_IN_IT", "IT_IS_YOUR_ACCOUNT", "YOU_WROTE_IT",
    "YOU_ARE_WRITTEN_TO", "YOU_REPORTED_IT",
)  # fmt: skip


def upgrade() -> None:
    _allow([*_REASONS[:-1], "YOU_FOLLOW_THE_THREAD", _REASONS[-1]])
    op.create_table(
        "thread_follow",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_thread_follow_user_id")),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_thread_follow_room_id")),
        sa.PrimaryKeyConstraint("user_id", "thread_id", name=op.f("pk_thread_follow")),
    )
    op.create_index(op.f("ix_thread_follow_room_id"), "thread_follow", ["room_id"])
    op.create_index(
        "ix_thread_follow_on", "thread_follow", ["thread_id", "set_at"], postgresql_where=sa.text("is_on")
    )
    op.add_column(
        "room_message", sa.Column("begins_thread", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.alter_column("room_message", "begins_thread", server_default=None)
    op.execute(
        "update room_message set begins_thread = true where message_id in "
        "(select thread_id from room_message where thread_id is not null)"
    )
    op.create_index(
        "ix_room_message_answers", "room_message", ["author_id", "thread_id"],
        postgresql_where=sa.text("thread_id is not null"),
    )  # fmt: skip
    op.create_index(
        "ix_room_message_begun",
        "room_message",
        ["author_id", "message_id"],
        postgresql_where=sa.text("begins_thread"),
    )


def downgrade() -> None:
    op.drop_index("ix_room_message_begun", table_name="room_message")
    op.drop_index("ix_room_message_answers", table_name="room_message")
    op.drop_column("room_message", "begins_thread")
    op.execute("delete from fact where kind = 'ThreadFollowSet'")
    op.execute("delete from notification where reason = 'YOU_FOLLOW_THE_THREAD'")
    op.drop_table("thread_follow")
    _allow(_REASONS)


def _allow(reasons: Sequence[str]) -> None:
    name = op.f("ck_notification_notification_reason")
    op.drop_constraint(name, "notification")
    op.create_check_constraint(name, "notification", sa.column("reason", sa.String).in_(reasons))
