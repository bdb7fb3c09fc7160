"""Indexes that searches use: gigs by status without the open ones, which are most; names of skills are found in memory"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_gig_status", table_name="gig")
    op.create_index("ix_gig_status", "gig", ["status"], postgresql_where=sa.text("status <> 'OPEN'"))
    op.drop_index("ix_skill_name_trigram", table_name="skill_name")
    op.drop_index("ix_skill_name_prefix", table_name="skill_name")


def downgrade() -> None:
    op.drop_index("ix_gig_status", table_name="gig")
    op.create_index("ix_gig_status", "gig", ["status"])
    op.create_index(
        "ix_skill_name_prefix", "skill_name", ["name"], postgresql_ops={"name": "text_pattern_ops"}
    )
    op.create_index(
        "ix_skill_name_trigram",
        "skill_name",
        ["name"],
        postgresql_using="gist",
        postgresql_ops={"name": "gist_trgm_ops(siglen=256)"},
    )
