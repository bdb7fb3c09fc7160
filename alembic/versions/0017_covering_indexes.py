"""Names of people, and skills in their order, from indexes alone"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_users_name", "users", ["id"], postgresql_include=["name"])
    op.create_index(
        "ix_gig_skill_in_order", "gig_skill", ["gig_id", "position"], postgresql_include=["skill_id"]
    )
    op.create_index(
        "ix_freelancer_skill_in_order", "freelancer_skill", ["freelancer_id", "position"],
        postgresql_include=["skill_id"],
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_freelancer_skill_in_order", table_name="freelancer_skill")
    op.drop_index("ix_gig_skill_in_order", table_name="gig_skill")
    op.drop_index("ix_users_name", table_name="users")
