"""Hours that a gig needs in common with a time zone"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("gig", sa.Column("time_zone", sa.String(length=64), nullable=True))
    op.add_column("gig", sa.Column("overlap_hours", sa.Integer(), nullable=True))
    op.create_check_constraint(op.f("ck_gig_overlap_hours_range"), "gig", "overlap_hours between 1 and 8")
    op.create_check_constraint(
        op.f("ck_gig_overlap_is_with_a_zone"), "gig", "(time_zone is null) = (overlap_hours is null)"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_gig_overlap_is_with_a_zone"), "gig")
    op.drop_constraint(op.f("ck_gig_overlap_hours_range"), "gig")
    op.drop_column("gig", "overlap_hours")
    op.drop_column("gig", "time_zone")
