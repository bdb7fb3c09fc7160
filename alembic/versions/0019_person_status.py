"""What people say about themselves beside their name"""

import sqlalchemy as sa
from alembic import op

from models.stream import Xid8

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person_status",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.String(length=80), nullable=True),
        sa.Column("emoji", sa.String(length=16), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("x", Xid8(), nullable=False),
        sa.CheckConstraint(
            "until is null or text is not null or emoji is not null",
            name=op.f("ck_person_status_until_of_something"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_person_status_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_person_status")),
    )
    op.create_index(op.f("ix_person_status_x"), "person_status", ["x"])


def downgrade() -> None:
    op.execute("delete from fact where kind = 'PersonStatusSet'")
    op.drop_table("person_status")
