"""Who is there and when they were last, and notifications of messages"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_CATEGORIES = (
    "APPLICATIONS", "INVITATIONS", "CONTRACTS", "FEEDBACK", "TASKS", "SNIPPETS", "SYSTEM",
)  # fmt: skip
_REASONS = (
    "YOU_ARE_THE_CLIENT", "YOU_APPLIED", "YOU_ARE_INVITED", "YOU_WORK_ON_IT", "YOU_ARE_ASSIGNED", "YOU_ARE_MENTIONED",
    "YOU_WATCH_IT", "YOU_ARE_GIVEN_IT", "YOU_OWN_IT", "YOU_SPOKE_IN_IT", "IT_IS_YOUR_ACCOUNT", "YOU_WROTE_IT",
    "YOU_REPORTED_IT",
)  # fmt: skip


def upgrade() -> None:
    _allow("notification", "category", [*_CATEGORIES[:-1], "CHAT", _CATEGORIES[-1]])
    _allow("notification_preference", "category", [*_CATEGORIES[:-1], "CHAT", _CATEGORIES[-1]])
    _allow("notification", "reason", [*_REASONS[:-1], "YOU_ARE_WRITTEN_TO", _REASONS[-1]])
    op.add_column(
        "chat_preference", sa.Column("shows_presence", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    op.alter_column("chat_preference", "shows_presence", server_default=None)
    op.create_table(
        "person_seen",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_person_seen_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_person_seen")),
    )


def downgrade() -> None:
    op.execute("delete from notification where category = 'CHAT'")
    op.execute("delete from notification_preference where category = 'CHAT'")
    _allow("notification", "reason", _REASONS)
    _allow("notification_preference", "category", _CATEGORIES)
    _allow("notification", "category", _CATEGORIES)
    op.execute("delete from fact where kind = 'ChatPresenceSet'")
    op.drop_table("person_seen")
    op.drop_column("chat_preference", "shows_presence")


def _allow(table: str, column: str, values: Sequence[str]) -> None:
    name = op.f(f"ck_{table}_notification_{column}")
    op.drop_constraint(name, table)
    op.create_check_constraint(name, table, sa.column(column, sa.String).in_(values))
