"""The index of gigs by status leaves the open ones out: they are most, and searches read all of them in it"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_gig_status", table_name="gig")
    op.create_index("ix_gig_status", "gig", ["status"], postgresql_where=sa.text("status <> 'OPEN'"))


def downgrade() -> None:
    op.drop_index("ix_gig_status", table_name="gig")
    op.create_index("ix_gig_status", "gig", ["status"])
