"""Outdated facts of streams that are kept for followers alone: an index to find them by"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_fact_outdated",
        "fact",
        ["occurred_at"],
        postgresql_where=sa.text("stream = 'admin' or starts_with(stream, 'user:')"),
    )


def downgrade() -> None:
    op.drop_index("ix_fact_outdated", table_name="fact")
