"""Boards of gigs: columns, tasks, where they have stood, what was done; notifications of tasks"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CATEGORIES = ["APPLICATIONS", "INVITATIONS", "CONTRACTS", "FEEDBACK", "SYSTEM"]
_REASONS = ["YOU_ARE_THE_CLIENT", "YOU_APPLIED", "YOU_ARE_INVITED", "YOU_WORK_ON_IT"]
_NEW_REASONS = ["YOU_ARE_ASSIGNED", "YOU_ARE_MENTIONED", "YOU_WATCH_IT"]


def upgrade() -> None:
    _allow([*_CATEGORIES[:4], "TASKS", "SYSTEM"], [*_REASONS, *_NEW_REASONS])
    op.create_table(
        "board",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("gig_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=20), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.Column("assignee_limit", sa.Integer(), nullable=True),
        sa.Column("assignee_limit_is_hard", sa.Boolean(), nullable=False),
        sa.Column("guards_completion", sa.Boolean(), nullable=False),
        sa.Column("progress_follows", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("assignee_limit between 1 and 1000", name=op.f("ck_board_assignee_limit_range")),
        sa.ForeignKeyConstraint(["client_id"], ["client_profile.user_id"], name=op.f("fk_board_client_id")),
        sa.ForeignKeyConstraint(["gig_id"], ["gig.id"], name=op.f("fk_board_gig_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_board")),
        sa.UniqueConstraint("gig_id", name=op.f("uq_board_gig_id")),
    )
    op.create_index(op.f("ix_board_client_id"), "board", ["client_id"], unique=False)
    op.create_table(
        "board_act",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("board_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("verb", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_number", sa.BigInteger(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("inverse", JSONB(), nullable=False),
        sa.Column("touches", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("uses", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("undoes_id", sa.Uuid(), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name=op.f("fk_board_act_actor_id")),
        sa.ForeignKeyConstraint(["board_id"], ["board.id"], name=op.f("fk_board_act_board_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_board_act")),
    )
    op.create_index(op.f("ix_board_act_actor_id"), "board_act", ["actor_id"], unique=False)
    op.create_index("ix_board_act_order", "board_act", ["board_id", "first_number"], unique=False)
    op.create_index("ix_board_act_outdated", "board_act", ["at"], unique=False)
    op.create_table(
        "board_column",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("board_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column(
            "category",
            sa.Enum(
                "BACKLOG",
                "UNSTARTED",
                "STARTED",
                "COMPLETED",
                "CANCELLED",
                name="column_category",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("rank", sa.String(length=200, collation="C"), nullable=False),
        sa.Column("wip_limit", sa.Integer(), nullable=True),
        sa.Column("wip_is_hard", sa.Boolean(), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("wip_limit between 1 and 1000", name=op.f("ck_board_column_wip_limit_range")),
        sa.ForeignKeyConstraint(["board_id"], ["board.id"], name=op.f("fk_board_column_board_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_board_column")),
    )
    op.create_index("ix_board_column_order", "board_column", ["board_id", "rank", "id"], unique=False)
    op.create_index(
        "uq_board_column_name",
        "board_column",
        ["board_id", sa.literal_column("lower(name)")],
        unique=True,
        postgresql_where=sa.text("removed_at is null"),
    )
    op.create_table(
        "board_label",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("board_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("color", sa.String(length=7), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["board_id"], ["board.id"], name=op.f("fk_board_label_board_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_board_label")),
    )
    op.create_index(
        "uq_board_label_name",
        "board_label",
        ["board_id", sa.literal_column("lower(name)")],
        unique=True,
        postgresql_where=sa.text("removed_at is null"),
    )
    op.create_table(
        "board_text",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("board_id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.String(length=20), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_board_text_author_id")),
        sa.ForeignKeyConstraint(["board_id"], ["board.id"], name=op.f("fk_board_text_board_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_board_text")),
    )
    op.create_index(op.f("ix_board_text_author_id"), "board_text", ["author_id"], unique=False)
    op.create_index(op.f("ix_board_text_board_id"), "board_text", ["board_id"], unique=False)
    op.create_index(
        "ix_board_text_subject", "board_text", ["subject_id", "field", "created_at"], unique=False
    )
    op.create_table(
        "task",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("board_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("column_id", sa.Uuid(), nullable=False),
        sa.Column("rank", sa.String(length=200, collation="C"), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column(
            "priority",
            sa.Enum(
                "NONE",
                "LOW",
                "MEDIUM",
                "HIGH",
                "URGENT",
                name="task_priority",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("estimate", sa.Integer(), nullable=True),
        sa.Column("swimlane", sa.String(length=40), nullable=True),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("due_on >= starts_on", name=op.f("ck_task_dates_in_order")),
        sa.CheckConstraint("estimate between 0 and 1000", name=op.f("ck_task_estimate_range")),
        sa.CheckConstraint("parent_id <> id", name=op.f("ck_task_not_its_own_parent")),
        sa.ForeignKeyConstraint(["board_id"], ["board.id"], name=op.f("fk_task_board_id")),
        sa.ForeignKeyConstraint(["column_id"], ["board_column.id"], name=op.f("fk_task_column_id")),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name=op.f("fk_task_creator_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["task.id"], name=op.f("fk_task_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        sa.UniqueConstraint("board_id", "number", name=op.f("uq_task_board_id_number")),
    )
    op.create_index(op.f("ix_task_creator_id"), "task", ["creator_id"], unique=False)
    op.create_index("ix_task_newest", "task", ["board_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_task_order",
        "task",
        ["column_id", "rank", "id"],
        unique=False,
        postgresql_where=sa.text("archived_at is null"),
    )
    op.create_index(
        "ix_task_parent_id",
        "task",
        ["parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id is not null"),
    )
    op.create_table(
        "task_assignee",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_task_assignee_task_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_task_assignee_user_id")),
        sa.PrimaryKeyConstraint("task_id", "user_id", name=op.f("pk_task_assignee")),
    )
    op.create_index(op.f("ix_task_assignee_user_id"), "task_assignee", ["user_id"], unique=False)
    op.create_table(
        "task_checklist",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("board_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["board_id"], ["board.id"], name=op.f("fk_task_checklist_board_id")),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_task_checklist_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_checklist")),
    )
    op.create_index(op.f("ix_task_checklist_board_id"), "task_checklist", ["board_id"], unique=False)
    op.create_index(op.f("ix_task_checklist_task_id"), "task_checklist", ["task_id"], unique=False)
    op.create_table(
        "task_comment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("board_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=True),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_task_comment_author_id")),
        sa.ForeignKeyConstraint(["board_id"], ["board.id"], name=op.f("fk_task_comment_board_id")),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_task_comment_task_id")),
        sa.ForeignKeyConstraint(["thread_id"], ["task_comment.id"], name=op.f("fk_task_comment_thread_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_comment")),
    )
    op.create_index(op.f("ix_task_comment_author_id"), "task_comment", ["author_id"], unique=False)
    op.create_index(op.f("ix_task_comment_board_id"), "task_comment", ["board_id"], unique=False)
    op.create_index("ix_task_comment_order", "task_comment", ["task_id", "created_at", "id"], unique=False)
    op.create_index(op.f("ix_task_comment_thread_id"), "task_comment", ["thread_id"], unique=False)
    op.create_table(
        "task_label",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("label_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["label_id"], ["board_label.id"], name=op.f("fk_task_label_label_id")),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_task_label_task_id")),
        sa.PrimaryKeyConstraint("task_id", "label_id", name=op.f("pk_task_label")),
    )
    op.create_index(op.f("ix_task_label_label_id"), "task_label", ["label_id"], unique=False)
    op.create_table(
        "task_relation",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "BLOCKS",
                "RELATES",
                "DUPLICATES",
                name="task_relation_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("board_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("task_id <> other_id", name=op.f("ck_task_relation_two_tasks")),
        sa.ForeignKeyConstraint(["board_id"], ["board.id"], name=op.f("fk_task_relation_board_id")),
        sa.ForeignKeyConstraint(["other_id"], ["task.id"], name=op.f("fk_task_relation_other_id")),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_task_relation_task_id")),
        sa.PrimaryKeyConstraint("task_id", "other_id", "kind", name=op.f("pk_task_relation")),
    )
    op.create_index(op.f("ix_task_relation_board_id"), "task_relation", ["board_id"], unique=False)
    op.create_index(op.f("ix_task_relation_other_id"), "task_relation", ["other_id"], unique=False)
    op.create_table(
        "task_stay",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("board_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("column_id", sa.Uuid(), nullable=False),
        sa.Column(
            "category",
            sa.Enum(
                "BACKLOG",
                "UNSTARTED",
                "STARTED",
                "COMPLETED",
                "CANCELLED",
                name="column_category",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("rank", sa.String(length=200, collation="C"), nullable=True),
        sa.Column("from_number", sa.BigInteger(), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device", sa.String(length=80), nullable=True),
        sa.Column("move_id", sa.String(length=80), nullable=True),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until_number", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until_device", sa.String(length=80), nullable=True),
        sa.Column("is_undone", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["board_id"], ["board.id"], name=op.f("fk_task_stay_board_id")),
        sa.ForeignKeyConstraint(["column_id"], ["board_column.id"], name=op.f("fk_task_stay_column_id")),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_task_stay_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_stay")),
    )
    op.create_index("ix_task_stay_of_board", "task_stay", ["board_id", "from_at"], unique=False)
    op.create_index("ix_task_stay_of_column", "task_stay", ["column_id", "until_number"], unique=False)
    op.create_index("ix_task_stay_of_task", "task_stay", ["task_id", "from_number"], unique=False)
    op.create_index(
        "uq_task_stay_move",
        "task_stay",
        ["board_id", "device", "move_id"],
        unique=True,
        postgresql_where=sa.text("move_id is not null"),
    )
    op.create_table(
        "task_watcher",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_task_watcher_task_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_task_watcher_user_id")),
        sa.PrimaryKeyConstraint("task_id", "user_id", name=op.f("pk_task_watcher")),
    )
    op.create_index(op.f("ix_task_watcher_user_id"), "task_watcher", ["user_id"], unique=False)
    op.create_table(
        "task_checklist_item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("board_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("checklist_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.String(length=200), nullable=False),
        sa.Column("is_done", sa.Boolean(), nullable=False),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["assignee_id"], ["users.id"], name=op.f("fk_task_checklist_item_assignee_id")
        ),
        sa.ForeignKeyConstraint(["board_id"], ["board.id"], name=op.f("fk_task_checklist_item_board_id")),
        sa.ForeignKeyConstraint(
            ["checklist_id"], ["task_checklist.id"], name=op.f("fk_task_checklist_item_checklist_id")
        ),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_task_checklist_item_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_checklist_item")),
    )
    op.create_index(
        op.f("ix_task_checklist_item_assignee_id"), "task_checklist_item", ["assignee_id"], unique=False
    )
    op.create_index(
        op.f("ix_task_checklist_item_board_id"), "task_checklist_item", ["board_id"], unique=False
    )
    op.create_index(
        op.f("ix_task_checklist_item_checklist_id"), "task_checklist_item", ["checklist_id"], unique=False
    )
    op.create_index(op.f("ix_task_checklist_item_task_id"), "task_checklist_item", ["task_id"], unique=False)
    op.create_table(
        "task_mention",
        sa.Column("comment_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["comment_id"], ["task_comment.id"], name=op.f("fk_task_mention_comment_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_task_mention_user_id")),
        sa.PrimaryKeyConstraint("comment_id", "user_id", name=op.f("pk_task_mention")),
    )
    op.create_index(op.f("ix_task_mention_user_id"), "task_mention", ["user_id"], unique=False)
    op.create_table(
        "task_reaction",
        sa.Column("comment_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("emoji", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["comment_id"], ["task_comment.id"], name=op.f("fk_task_reaction_comment_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_task_reaction_user_id")),
        sa.PrimaryKeyConstraint("comment_id", "user_id", "emoji", name=op.f("pk_task_reaction")),
    )
    op.create_index(op.f("ix_task_reaction_user_id"), "task_reaction", ["user_id"], unique=False)
    op.create_index(
        "ix_fact_of_task",
        "fact",
        [sa.literal_column("((payload ->> 'task_id')::uuid)"), "number"],
        unique=False,
        postgresql_where=sa.text("starts_with(stream, 'board:')"),
    )
    op.add_column("notification", sa.Column("task_id", sa.Uuid(), nullable=True))

    # Work that began before there were boards gets its board from the jobs.
    op.execute(
        """
        insert into job (id, kind, subject_id, payload, status, run_at, attempts, created_at)
        select gen_random_uuid(), 'make_board', gig_id, '{}', 'WAITING', now(), 0, now()
        from (select distinct gig_id from contract where status <> 'ENDED') as hired
        on conflict do nothing
        """
    )


def _allow(categories: list[str], reasons: list[str]) -> None:
    """The words that notifications may use."""
    for table, column, kind, words in [
        ("notification", "category", "notification_category", categories),
        ("notification_preference", "category", "notification_category", categories),
        ("notification", "reason", "notification_reason", reasons),
    ]:
        name = op.f(f"ck_{table}_{kind}")
        op.drop_constraint(name, table)
        allowed = ", ".join(f"'{word}'" for word in words)
        op.create_check_constraint(name, table, f"{column} in ({allowed})")


def downgrade() -> None:
    op.execute("delete from job where kind = 'make_board'")
    op.execute("delete from notification where category = 'TASKS'")
    op.execute("delete from notification_preference where category = 'TASKS'")
    op.execute("delete from fact where stream like 'board:%'")
    op.execute("delete from stream_head where stream like 'board:%'")
    _allow(_CATEGORIES, _REASONS)
    op.drop_column("notification", "task_id")
    op.drop_index(
        "ix_fact_of_task", table_name="fact", postgresql_where=sa.text("starts_with(stream, 'board:')")
    )
    op.drop_index(op.f("ix_task_reaction_user_id"), table_name="task_reaction")
    op.drop_table("task_reaction")
    op.drop_index(op.f("ix_task_mention_user_id"), table_name="task_mention")
    op.drop_table("task_mention")
    op.drop_index(op.f("ix_task_checklist_item_task_id"), table_name="task_checklist_item")
    op.drop_index(op.f("ix_task_checklist_item_checklist_id"), table_name="task_checklist_item")
    op.drop_index(op.f("ix_task_checklist_item_board_id"), table_name="task_checklist_item")
    op.drop_index(op.f("ix_task_checklist_item_assignee_id"), table_name="task_checklist_item")
    op.drop_table("task_checklist_item")
    op.drop_index(op.f("ix_task_watcher_user_id"), table_name="task_watcher")
    op.drop_table("task_watcher")
    op.drop_index(
        "uq_task_stay_move", table_name="task_stay", postgresql_where=sa.text("move_id is not null")
    )
    op.drop_index("ix_task_stay_of_task", table_name="task_stay")
    op.drop_index("ix_task_stay_of_column", table_name="task_stay")
    op.drop_index("ix_task_stay_of_board", table_name="task_stay")
    op.drop_table("task_stay")
    op.drop_index(op.f("ix_task_relation_other_id"), table_name="task_relation")
    op.drop_index(op.f("ix_task_relation_board_id"), table_name="task_relation")
    op.drop_table("task_relation")
    op.drop_index(op.f("ix_task_label_label_id"), table_name="task_label")
    op.drop_table("task_label")
    op.drop_index(op.f("ix_task_comment_thread_id"), table_name="task_comment")
    op.drop_index("ix_task_comment_order", table_name="task_comment")
    op.drop_index(op.f("ix_task_comment_board_id"), table_name="task_comment")
    op.drop_index(op.f("ix_task_comment_author_id"), table_name="task_comment")
    op.drop_table("task_comment")
    op.drop_index(op.f("ix_task_checklist_task_id"), table_name="task_checklist")
    op.drop_index(op.f("ix_task_checklist_board_id"), table_name="task_checklist")
    op.drop_table("task_checklist")
    op.drop_index(op.f("ix_task_assignee_user_id"), table_name="task_assignee")
    op.drop_table("task_assignee")
    op.drop_index("ix_task_parent_id", table_name="task", postgresql_where=sa.text("parent_id is not null"))
    op.drop_index("ix_task_order", table_name="task", postgresql_where=sa.text("archived_at is null"))
    op.drop_index("ix_task_newest", table_name="task")
    op.drop_index(op.f("ix_task_creator_id"), table_name="task")
    op.drop_table("task")
    op.drop_index("ix_board_text_subject", table_name="board_text")
    op.drop_index(op.f("ix_board_text_board_id"), table_name="board_text")
    op.drop_index(op.f("ix_board_text_author_id"), table_name="board_text")
    op.drop_table("board_text")
    op.drop_index(
        "uq_board_label_name", table_name="board_label", postgresql_where=sa.text("removed_at is null")
    )
    op.drop_table("board_label")
    op.drop_index(
        "uq_board_column_name", table_name="board_column", postgresql_where=sa.text("removed_at is null")
    )
    op.drop_index("ix_board_column_order", table_name="board_column")
    op.drop_table("board_column")
    op.drop_index("ix_board_act_outdated", table_name="board_act")
    op.drop_index("ix_board_act_order", table_name="board_act")
    op.drop_index(op.f("ix_board_act_actor_id"), table_name="board_act")
    op.drop_table("board_act")
    op.drop_index(op.f("ix_board_client_id"), table_name="board")
    op.drop_table("board")
