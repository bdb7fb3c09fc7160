"""Indexes that searches use: gigs by status without the open ones, which are most; what has a skill; names are in memory"""

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
    op.create_index("ix_gig_skill_by_skill", "gig_skill", ["skill_id", "gig_id"])
    op.drop_index("ix_gig_skill_skill_id", table_name="gig_skill")
    op.create_index("ix_freelancer_skill_by_skill", "freelancer_skill", ["skill_id", "freelancer_id"])
    op.drop_index("ix_freelancer_skill_skill_id", table_name="freelancer_skill")


def downgrade() -> None:
    op.create_index("ix_freelancer_skill_skill_id", "freelancer_skill", ["skill_id"])
    op.drop_index("ix_freelancer_skill_by_skill", table_name="freelancer_skill")
    op.create_index("ix_gig_skill_skill_id", "gig_skill", ["skill_id"])
    op.drop_index("ix_gig_skill_by_skill", table_name="gig_skill")
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
