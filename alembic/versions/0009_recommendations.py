"""Recommendations: lists, what was shown of them, what is not wanted"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

KINDS = ("GIGS", "FREELANCERS")
REASONS = ("SKILLS", "PRICE", "TIME", "PERSON", "SEEN", "OTHER")


def _words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def upgrade() -> None:
    op.create_table(
        "recommendation_list",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _words("recommendation_kind", *KINDS), nullable=False),
        sa.Column("gig_id", sa.Uuid(), nullable=True),
        sa.Column("model_version", sa.String(60), nullable=False),
        sa.Column("basis", sa.String(20), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subjects", ARRAY(sa.Uuid()), nullable=False),
        sa.Column("points", ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("placed_by", ARRAY(sa.String(20)), nullable=False),
        sa.CheckConstraint(
            "cardinality(subjects) = cardinality(points) and cardinality(subjects) = cardinality(placed_by)",
            name=op.f("ck_recommendation_list_one_of_each"),
        ),
        sa.CheckConstraint(
            "(kind = 'FREELANCERS') = (gig_id is not null)",
            name=op.f("ck_recommendation_list_gig_of_its_kind"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recommendation_list_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendation_list")),
    )
    op.create_index(op.f("ix_recommendation_list_user_id"), "recommendation_list", ["user_id"])
    op.create_index(op.f("ix_recommendation_list_gig_id"), "recommendation_list", ["gig_id"])
    op.create_index("ix_recommendation_list_made_at", "recommendation_list", ["made_at"])
    op.create_table(
        "recommendation_shown",
        sa.Column("list_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("points", sa.SmallInteger(), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("list_id", "position", name=op.f("pk_recommendation_shown")),
    )
    op.create_index("ix_recommendation_shown_shown_at", "recommendation_shown", ["shown_at"])
    op.create_table(
        "recommendation_dismissal",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("gig_id", sa.Uuid(), nullable=False),
        sa.Column("freelancer_id", sa.Uuid(), nullable=False),
        sa.Column("reason", _words("dismiss_reason", *REASONS), nullable=False),
        sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["gig_id"], ["gig.id"], name=op.f("fk_recommendation_dismissal_gig_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recommendation_dismissal_user_id")),
        sa.ForeignKeyConstraint(
            ["freelancer_id"], ["users.id"], name=op.f("fk_recommendation_dismissal_freelancer_id")
        ),
        sa.PrimaryKeyConstraint(
            "user_id", "gig_id", "freelancer_id", name=op.f("pk_recommendation_dismissal")
        ),
    )
    op.create_index(op.f("ix_recommendation_dismissal_gig_id"), "recommendation_dismissal", ["gig_id"])
    op.create_index(
        op.f("ix_recommendation_dismissal_freelancer_id"), "recommendation_dismissal", ["freelancer_id"]
    )
    op.create_table(
        "hidden_client",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("hidden_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_hidden_client_user_id")),
        sa.ForeignKeyConstraint(["client_id"], ["users.id"], name=op.f("fk_hidden_client_client_id")),
        sa.PrimaryKeyConstraint("user_id", "client_id", name=op.f("pk_hidden_client")),
    )
    op.create_index(op.f("ix_hidden_client_client_id"), "hidden_client", ["client_id"])


def downgrade() -> None:
    for table in ("hidden_client", "recommendation_dismissal", "recommendation_shown", "recommendation_list"):
        op.drop_table(table)
