"""Administration of accounts: suspension, erasure, versions of access, the audit log"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_REASONS = [
    "YOU_ARE_THE_CLIENT", "YOU_APPLIED", "YOU_ARE_INVITED", "YOU_WORK_ON_IT", "YOU_ARE_ASSIGNED", "YOU_ARE_MENTIONED",
    "YOU_WATCH_IT", "YOU_ARE_GIVEN_IT", "YOU_OWN_IT", "YOU_SPOKE_IN_IT",
]  # fmt: skip
_APPEND_ONLY = """
    create function admin_act_is_append_only() returns trigger language plpgsql as $$
    begin
        raise exception 'rows of admin_act are never changed or deleted';
    end
    $$
"""


def upgrade() -> None:
    _allow("users", "status", "user_status", ["ACTIVE", "SUSPENDED", "ERASED"])
    _allow("notification", "reason", "notification_reason", [*_REASONS, "IT_IS_YOUR_ACCOUNT"])
    op.add_column("users", sa.Column("suspended_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("suspension_remark_id", sa.Uuid(), nullable=True))
    op.add_column("users", sa.Column("access_version", sa.Integer(), nullable=False, server_default="0"))
    op.alter_column("users", "access_version", server_default=None)
    op.add_column("users", sa.Column("access_changed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_users_until_of_suspension"), "users", "suspended_until is null or status = 'SUSPENDED'"
    )
    op.create_index("ix_users_newest", "users", ["created_at", "id"])
    op.create_index(
        "ix_users_not_active", "users", ["status", "id"], postgresql_where=sa.text("status <> 'ACTIVE'")
    )
    op.create_index("ix_users_roles", "users", ["roles"], postgresql_using="gin")
    op.create_index(
        "ix_users_access_changed_at",
        "users",
        ["access_changed_at"],
        postgresql_where=sa.text("access_changed_at is not null"),
    )
    for column in ("name", "email"):
        op.create_index(
            f"ix_users_{column}_trigram",
            "users",
            [column],
            postgresql_using="gin",
            postgresql_ops={column: "gin_trgm_ops"},
        )
    op.create_table(
        "admin_act",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "SUSPENDED",
                "RESTORED",
                "ROLE_GRANTED",
                "ROLE_REVOKED",
                "ERASED",
                name="admin_act_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "FREELANCER",
                "CLIENT",
                "ADMIN",
                "SUPER_ADMIN",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("remark_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name=op.f("fk_admin_act_account_id")),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name=op.f("fk_admin_act_actor_id")),
        sa.ForeignKeyConstraint(["remark_id"], ["remark.id"], name=op.f("fk_admin_act_remark_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admin_act")),
    )
    op.create_index("ix_admin_act_newest", "admin_act", ["at", "id"])
    op.create_index("ix_admin_act_of_account", "admin_act", ["account_id", "at", "id"])
    op.create_index("ix_admin_act_by_actor", "admin_act", ["actor_id", "at", "id"])
    op.create_index(op.f("ix_admin_act_remark_id"), "admin_act", ["remark_id"])
    op.execute(_APPEND_ONLY)
    op.execute(
        "create trigger append_only before update or delete on admin_act "
        "for each row execute function admin_act_is_append_only()"
    )


def _allow(table: str, column: str, kind: str, words: list[str]) -> None:
    name = op.f(f"ck_{table}_{kind}")
    op.drop_constraint(name, table)
    allowed = ", ".join(f"'{word}'" for word in words)
    op.create_check_constraint(name, table, f"{column} in ({allowed})")


def downgrade() -> None:
    op.drop_table("admin_act")
    op.execute("drop function admin_act_is_append_only()")
    op.execute("delete from notification where reason = 'IT_IS_YOUR_ACCOUNT'")
    for name in ("email_trigram", "name_trigram", "access_changed_at", "roles", "not_active", "newest"):
        op.drop_index(f"ix_users_{name}", table_name="users")
    op.drop_constraint(op.f("ck_users_until_of_suspension"), "users")
    for column in ("access_changed_at", "access_version", "suspension_remark_id", "suspended_until"):
        op.drop_column("users", column)
    # Nobody becomes able to sign in again by it.
    op.execute("update users set status = 'SUSPENDED' where status = 'ERASED'")
    _allow("notification", "reason", "notification_reason", _REASONS)
    _allow("users", "status", "user_status", ["ACTIVE", "SUSPENDED"])
