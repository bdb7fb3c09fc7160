"""The marketplace"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from models.stream import Xid8

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create extension if not exists pg_trgm")
    op.create_table(
        "fact",
        sa.Column("stream", sa.String(length=80), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column(
            "audience",
            sa.Enum(
                "PUBLIC",
                "OWNER",
                "CONCERNED",
                "SUBJECT",
                "ADMINISTRATORS",
                name="audience",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("remark_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_fact_number_positive")),
        sa.PrimaryKeyConstraint("stream", "number", name=op.f("pk_fact")),
    )
    op.create_index(op.f("ix_fact_id"), "fact", ["id"], unique=False)
    op.create_index(
        "ix_fact_remark_id",
        "fact",
        ["remark_id"],
        unique=False,
        postgresql_where=sa.text("remark_id is not null"),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("mutation", sa.String(length=60), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(
                "APPLIED",
                "REPLAYED",
                "NOOP",
                "REJECTED",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("stream", sa.String(length=80), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("actor_id", "mutation", "key", name=op.f("pk_idempotency_key")),
    )
    op.create_index(op.f("ix_idempotency_key_created_at"), "idempotency_key", ["created_at"], unique=False)
    op.create_table(
        "job",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "WAITING",
                "DONE",
                "DEAD",
                name="job_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("kind", "subject_id", name=op.f("uq_job_kind_subject_id")),
    )
    op.create_index(
        "ix_job_due", "job", ["run_at"], unique=False, postgresql_where=sa.text("status = 'WAITING'")
    )
    op.create_index(
        "ix_job_finished",
        "job",
        ["finished_at"],
        unique=False,
        postgresql_where=sa.text("finished_at is not null"),
    )
    op.create_table(
        "seed_version",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_seed_version")),
    )
    op.create_table(
        "skill",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("aliases", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("category", sa.String(length=40), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "ACTIVE",
                "DEPRECATED",
                name="skill_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("uri", sa.String(length=120), nullable=True),
        sa.Column("replaced_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["replaced_by"], ["skill.id"], name=op.f("fk_skill_replaced_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_skill")),
    )
    op.create_index(op.f("ix_skill_category"), "skill", ["category"], unique=False)
    op.create_table(
        "stream_epoch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stream_epoch")),
    )
    op.create_table(
        "stream_head",
        sa.Column("stream", sa.String(length=80), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("x", Xid8(), nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_stream_head")),
    )
    op.create_index(op.f("ix_stream_head_x"), "stream_head", ["x"], unique=False)
    op.create_table(
        "users",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "ACTIVE",
                "SUSPENDED",
                name="user_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index("uq_users_email_lower", "users", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "client_profile",
        sa.Column("rating_axis_total", sa.BigInteger(), nullable=False),
        sa.Column("rating_count", sa.Integer(), nullable=False),
        sa.Column("rating_hundredths", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("company", sa.String(length=120), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=True),
        sa.Column(
            "visibility",
            sa.Enum(
                "PUBLIC",
                "MEMBERS",
                "PRIVATE",
                name="visibility",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_client_profile_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_client_profile")),
    )
    op.create_table(
        "freelancer_profile",
        sa.Column("rating_axis_total", sa.BigInteger(), nullable=False),
        sa.Column("rating_count", sa.Integer(), nullable=False),
        sa.Column("rating_hundredths", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("headline", sa.String(length=120), nullable=False),
        sa.Column("overview", sa.Text(), nullable=False),
        sa.Column("rate_minor", sa.BigInteger(), nullable=True),
        sa.Column("rate_currency", sa.String(length=3), nullable=True),
        sa.Column("hours_per_week", sa.Integer(), nullable=True),
        sa.Column("available_from", sa.Date(), nullable=True),
        sa.Column("time_zone", sa.String(length=64), nullable=True),
        sa.Column("country", sa.String(length=2), nullable=True),
        sa.Column("languages", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "visibility",
            sa.Enum(
                "PUBLIC",
                "MEMBERS",
                "PRIVATE",
                name="visibility",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("hours_per_week between 1 and 80", name=op.f("ck_freelancer_profile_hours_range")),
        sa.CheckConstraint("rate_minor > 0", name=op.f("ck_freelancer_profile_rate_positive")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_freelancer_profile_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_freelancer_profile")),
    )
    op.create_table(
        "remark",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_remark_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remark")),
    )
    op.create_index(op.f("ix_remark_author_id"), "remark", ["author_id"], unique=False)
    op.create_table(
        "session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("device", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_session_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_revoked_at"), "session", ["revoked_at"], unique=False)
    op.create_index(op.f("ix_session_user_id"), "session", ["user_id"], unique=False)
    op.create_table(
        "skill_name",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("skill_id", sa.Uuid(), nullable=False),
        sa.Column("is_preferred", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["skill_id"], ["skill.id"], name=op.f("fk_skill_name_skill_id")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_skill_name")),
    )
    op.create_index(
        "ix_skill_name_prefix",
        "skill_name",
        ["name"],
        unique=False,
        postgresql_ops={"name": "text_pattern_ops"},
    )
    op.create_index(op.f("ix_skill_name_skill_id"), "skill_name", ["skill_id"], unique=False)
    op.create_index(
        "ix_skill_name_trigram",
        "skill_name",
        ["name"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={"name": "gist_trgm_ops(siglen=256)"},
    )
    op.create_table(
        "freelancer_skill",
        sa.Column("freelancer_id", sa.Uuid(), nullable=False),
        sa.Column("skill_id", sa.Uuid(), nullable=False),
        sa.Column(
            "level",
            sa.Enum(
                "BEGINNER",
                "INTERMEDIATE",
                "ADVANCED",
                "EXPERT",
                name="skill_level",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("years", sa.Integer(), nullable=False),
        sa.Column("last_used_on", sa.Date(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint("years between 0 and 60", name=op.f("ck_freelancer_skill_years_range")),
        sa.ForeignKeyConstraint(
            ["freelancer_id"], ["freelancer_profile.user_id"], name=op.f("fk_freelancer_skill_freelancer_id")
        ),
        sa.ForeignKeyConstraint(["skill_id"], ["skill.id"], name=op.f("fk_freelancer_skill_skill_id")),
        sa.PrimaryKeyConstraint("freelancer_id", "skill_id", name=op.f("pk_freelancer_skill")),
    )
    op.create_index(op.f("ix_freelancer_skill_skill_id"), "freelancer_skill", ["skill_id"], unique=False)
    op.create_table(
        "gig",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column(
            "budget_kind",
            sa.Enum(
                "FIXED", "HOURLY", name="budget_kind", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("budget_min_minor", sa.BigInteger(), nullable=False),
        sa.Column("budget_max_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expected_days", sa.Integer(), nullable=True),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("hired", sa.Integer(), nullable=False),
        sa.Column(
            "visibility",
            sa.Enum(
                "PUBLIC",
                "INVITE_ONLY",
                name="gig_visibility",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "DRAFT",
                "PENDING_APPROVAL",
                "REJECTED",
                "OPEN",
                "PAUSED",
                "IN_PROGRESS",
                "COMPLETED",
                "CANCELLED",
                "EXPIRED",
                name="gig_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("status_remark_id", sa.Uuid(), nullable=True),
        sa.Column("application_count", sa.Integer(), nullable=False),
        sa.Column("view_count", sa.Integer(), nullable=False),
        sa.Column("import_key", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', description), 'B')",
                persisted=True,
            ),
            nullable=True,
        ),
        sa.CheckConstraint(
            "budget_min_minor > 0 and budget_max_minor >= budget_min_minor", name=op.f("ck_gig_budget_range")
        ),
        sa.CheckConstraint("expected_days between 1 and 3650", name=op.f("ck_gig_expected_days_range")),
        sa.CheckConstraint("hired between 0 and wanted", name=op.f("ck_gig_hired_within_wanted")),
        sa.CheckConstraint("wanted between 1 and 50", name=op.f("ck_gig_wanted_range")),
        sa.ForeignKeyConstraint(["client_id"], ["client_profile.user_id"], name=op.f("fk_gig_client_id")),
        sa.ForeignKeyConstraint(["status_remark_id"], ["remark.id"], name=op.f("fk_gig_status_remark_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gig")),
        sa.UniqueConstraint("client_id", "import_key", name=op.f("uq_gig_client_id_import_key")),
        sa.UniqueConstraint("number", name=op.f("uq_gig_number")),
    )
    op.create_index(op.f("ix_gig_client_id"), "gig", ["client_id"], unique=False)
    op.create_index(
        "ix_gig_newest",
        "gig",
        [sa.literal_column("listed_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index("ix_gig_deadline", "gig", ["deadline", "id"], unique=False)
    op.create_index("ix_gig_budget", "gig", ["budget_max_minor", "id"], unique=False)
    op.create_index("ix_gig_search", "gig", ["search"], unique=False, postgresql_using="gin")
    op.execute("alter table gig alter column search set storage main")
    op.create_index(op.f("ix_gig_status"), "gig", ["status"], unique=False)
    op.create_index(
        "ix_gig_title_trigram",
        "gig",
        ["title"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"title": "gin_trgm_ops"},
    )
    op.create_table(
        "refresh_token",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_refresh_token_session_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_refresh_token")),
    )
    op.create_index(op.f("ix_refresh_token_session_id"), "refresh_token", ["session_id"], unique=False)
    op.create_table(
        "application",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("gig_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("freelancer_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "SUBMITTED",
                "VIEWED",
                "SHORTLISTED",
                "DECLINED",
                "WITHDRAWN",
                "ACCEPTED",
                name="application_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("cover_letter", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("duration_days", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("remark_id", sa.Uuid(), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("viewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("client_id <> freelancer_id", name=op.f("ck_application_not_own_gig")),
        sa.CheckConstraint("price_minor > 0", name=op.f("ck_application_price_positive")),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client_profile.user_id"], name=op.f("fk_application_client_id")
        ),
        sa.ForeignKeyConstraint(
            ["freelancer_id"], ["freelancer_profile.user_id"], name=op.f("fk_application_freelancer_id")
        ),
        sa.ForeignKeyConstraint(["gig_id"], ["gig.id"], name=op.f("fk_application_gig_id")),
        sa.ForeignKeyConstraint(["remark_id"], ["remark.id"], name=op.f("fk_application_remark_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_application")),
    )
    op.create_index(op.f("ix_application_client_id"), "application", ["client_id"], unique=False)
    op.create_index(
        "ix_application_of_freelancer", "application", ["freelancer_id", "submitted_at", "id"], unique=False
    )
    op.create_index("ix_application_of_gig", "application", ["gig_id", "submitted_at", "id"], unique=False)
    op.create_index(
        "uq_application_live",
        "application",
        ["gig_id", "freelancer_id"],
        unique=True,
        postgresql_where=sa.text("status <> 'WITHDRAWN'"),
    )
    op.create_table(
        "gig_invitation",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("gig_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("freelancer_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "PENDING",
                "ACCEPTED",
                "DECLINED",
                name="invitation_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("remark_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client_profile.user_id"], name=op.f("fk_gig_invitation_client_id")
        ),
        sa.ForeignKeyConstraint(
            ["freelancer_id"], ["freelancer_profile.user_id"], name=op.f("fk_gig_invitation_freelancer_id")
        ),
        sa.ForeignKeyConstraint(["gig_id"], ["gig.id"], name=op.f("fk_gig_invitation_gig_id")),
        sa.ForeignKeyConstraint(["remark_id"], ["remark.id"], name=op.f("fk_gig_invitation_remark_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gig_invitation")),
        sa.UniqueConstraint("gig_id", "freelancer_id", name=op.f("uq_gig_invitation_gig_id_freelancer_id")),
    )
    op.create_index(
        op.f("ix_gig_invitation_freelancer_id"), "gig_invitation", ["freelancer_id"], unique=False
    )
    op.create_table(
        "gig_question",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("gig_id", sa.Uuid(), nullable=False),
        sa.Column("prompt", sa.String(length=500), nullable=False),
        sa.Column("is_required", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["gig_id"], ["gig.id"], name=op.f("fk_gig_question_gig_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gig_question")),
    )
    op.create_index(op.f("ix_gig_question_gig_id"), "gig_question", ["gig_id"], unique=False)
    op.create_table(
        "gig_skill",
        sa.Column("gig_id", sa.Uuid(), nullable=False),
        sa.Column("skill_id", sa.Uuid(), nullable=False),
        sa.Column(
            "need",
            sa.Enum(
                "REQUIRED",
                "NICE_TO_HAVE",
                name="skill_need",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint("weight between 1 and 5", name=op.f("ck_gig_skill_weight_range")),
        sa.ForeignKeyConstraint(["gig_id"], ["gig.id"], name=op.f("fk_gig_skill_gig_id")),
        sa.ForeignKeyConstraint(["skill_id"], ["skill.id"], name=op.f("fk_gig_skill_skill_id")),
        sa.PrimaryKeyConstraint("gig_id", "skill_id", name=op.f("pk_gig_skill")),
    )
    op.create_index(op.f("ix_gig_skill_skill_id"), "gig_skill", ["skill_id"], unique=False)
    op.create_table(
        "gig_word",
        sa.Column("gig_id", sa.Uuid(), nullable=False),
        sa.Column("word", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["gig_id"], ["gig.id"], name=op.f("fk_gig_word_gig_id")),
        sa.PrimaryKeyConstraint("gig_id", "word", name=op.f("pk_gig_word")),
    )
    op.create_index("ix_gig_word_word", "gig_word", ["word"], unique=False)
    op.create_index(
        "ix_gig_word_trigram",
        "gig_word",
        ["word"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"word": "gin_trgm_ops"},
    )
    op.execute("""
        create function remember_gig_words() returns trigger language plpgsql as $$
        begin
            insert into gig_word (gig_id, word)
            select new.id, used.word from unnest(tsvector_to_array(new.search)) as used(word)
            where length(used.word) between 3 and 40 and used.word ~ '^[[:alpha:]]'
              and not exists (select from gig_word known where known.word = used.word)
            on conflict do nothing;
            return null;
        end $$
    """)
    op.execute("""
        create trigger gig_words after insert or update of title, description on gig
        for each row execute function remember_gig_words()
    """)
    op.create_table(
        "saved_gig",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("gig_id", sa.Uuid(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["gig_id"], ["gig.id"], name=op.f("fk_saved_gig_gig_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_saved_gig_user_id")),
        sa.PrimaryKeyConstraint("user_id", "gig_id", name=op.f("pk_saved_gig")),
    )
    op.create_index(op.f("ix_saved_gig_gig_id"), "saved_gig", ["gig_id"], unique=False)
    op.create_table(
        "application_answer",
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("question_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_application_answer_application_id")
        ),
        sa.ForeignKeyConstraint(
            ["question_id"], ["gig_question.id"], name=op.f("fk_application_answer_question_id")
        ),
        sa.PrimaryKeyConstraint("application_id", "question_id", name=op.f("pk_application_answer")),
    )
    op.create_table(
        "contract",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("gig_id", sa.Uuid(), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("freelancer_id", sa.Uuid(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "ACTIVE",
                "PAUSED",
                "SUBMITTED",
                "COMPLETED",
                "ENDED",
                name="contract_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("progress_percent", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("remark_id", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("over_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("progress_percent between 0 and 100", name=op.f("ck_contract_progress_range")),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_contract_application_id")
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client_profile.user_id"], name=op.f("fk_contract_client_id")
        ),
        sa.ForeignKeyConstraint(
            ["freelancer_id"], ["freelancer_profile.user_id"], name=op.f("fk_contract_freelancer_id")
        ),
        sa.ForeignKeyConstraint(["gig_id"], ["gig.id"], name=op.f("fk_contract_gig_id")),
        sa.ForeignKeyConstraint(["remark_id"], ["remark.id"], name=op.f("fk_contract_remark_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contract")),
        sa.UniqueConstraint("application_id", name=op.f("uq_contract_application_id")),
    )
    op.create_index(op.f("ix_contract_gig_id"), "contract", ["gig_id"], unique=False)
    op.create_index("ix_contract_of_client", "contract", ["client_id", "started_at", "id"], unique=False)
    op.create_index(
        "ix_contract_of_freelancer", "contract", ["freelancer_id", "started_at", "id"], unique=False
    )
    op.create_index(op.f("ix_contract_over_at"), "contract", ["over_at"], unique=False)
    op.create_table(
        "feedback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("gig_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column(
            "side",
            sa.Enum(
                "OF_FREELANCER",
                "OF_CLIENT",
                name="feedback_side",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("availability", sa.Integer(), nullable=False),
        sa.Column("communication", sa.Integer(), nullable=False),
        sa.Column("cooperation", sa.Integer(), nullable=False),
        sa.Column("deadlines", sa.Integer(), nullable=False),
        sa.Column("quality", sa.Integer(), nullable=False),
        sa.Column("skills", sa.Integer(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "least(availability, communication, cooperation, deadlines, quality, skills) >= 1 and greatest(availability, communication, cooperation, deadlines, quality, skills) <= 5",
            name=op.f("ck_feedback_axes_range"),
        ),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_feedback_author_id")),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name=op.f("fk_feedback_contract_id")),
        sa.ForeignKeyConstraint(["gig_id"], ["gig.id"], name=op.f("fk_feedback_gig_id")),
        sa.ForeignKeyConstraint(["subject_id"], ["users.id"], name=op.f("fk_feedback_subject_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("contract_id", "author_id", name=op.f("uq_feedback_contract_id_author_id")),
    )
    op.create_index(
        "ix_feedback_of_subject", "feedback", ["subject_id", "side", "revealed_at", "id"], unique=False
    )
    op.execute("insert into stream_epoch (id, began_at) values (gen_random_uuid(), now())")


def downgrade() -> None:
    op.drop_index("ix_feedback_of_subject", table_name="feedback")
    op.drop_table("feedback")
    op.drop_index(op.f("ix_contract_over_at"), table_name="contract")
    op.drop_index("ix_contract_of_freelancer", table_name="contract")
    op.drop_index("ix_contract_of_client", table_name="contract")
    op.drop_index(op.f("ix_contract_gig_id"), table_name="contract")
    op.drop_table("contract")
    op.drop_table("application_answer")
    op.drop_index(op.f("ix_saved_gig_gig_id"), table_name="saved_gig")
    op.drop_table("saved_gig")
    op.execute("drop trigger gig_words on gig")
    op.execute("drop function remember_gig_words()")
    op.drop_index(
        "ix_gig_word_trigram",
        table_name="gig_word",
        postgresql_using="gin",
        postgresql_ops={"word": "gin_trgm_ops"},
    )
    op.drop_index("ix_gig_word_word", table_name="gig_word")
    op.drop_table("gig_word")
    op.drop_index(op.f("ix_gig_skill_skill_id"), table_name="gig_skill")
    op.drop_table("gig_skill")
    op.drop_index(op.f("ix_gig_question_gig_id"), table_name="gig_question")
    op.drop_table("gig_question")
    op.drop_index(op.f("ix_gig_invitation_freelancer_id"), table_name="gig_invitation")
    op.drop_table("gig_invitation")
    op.drop_index(
        "uq_application_live", table_name="application", postgresql_where=sa.text("status <> 'WITHDRAWN'")
    )
    op.drop_index("ix_application_of_gig", table_name="application")
    op.drop_index("ix_application_of_freelancer", table_name="application")
    op.drop_index(op.f("ix_application_client_id"), table_name="application")
    op.drop_table("application")
    op.drop_index(op.f("ix_refresh_token_session_id"), table_name="refresh_token")
    op.drop_table("refresh_token")
    op.drop_index(
        "ix_gig_title_trigram",
        table_name="gig",
        postgresql_using="gin",
        postgresql_ops={"title": "gin_trgm_ops"},
    )
    op.drop_index(op.f("ix_gig_status"), table_name="gig")
    op.drop_index("ix_gig_search", table_name="gig", postgresql_using="gin")
    op.drop_index("ix_gig_budget", table_name="gig")
    op.drop_index("ix_gig_deadline", table_name="gig")
    op.drop_index("ix_gig_newest", table_name="gig")
    op.drop_index(op.f("ix_gig_client_id"), table_name="gig")
    op.drop_table("gig")
    op.drop_index(op.f("ix_freelancer_skill_skill_id"), table_name="freelancer_skill")
    op.drop_table("freelancer_skill")
    op.drop_index(
        "ix_skill_name_trigram",
        table_name="skill_name",
        postgresql_using="gist",
        postgresql_ops={"name": "gist_trgm_ops(siglen=256)"},
    )
    op.drop_index(op.f("ix_skill_name_skill_id"), table_name="skill_name")
    op.drop_index(
        "ix_skill_name_prefix", table_name="skill_name", postgresql_ops={"name": "text_pattern_ops"}
    )
    op.drop_table("skill_name")
    op.drop_index(op.f("ix_session_user_id"), table_name="session")
    op.drop_index(op.f("ix_session_revoked_at"), table_name="session")
    op.drop_table("session")
    op.drop_index(op.f("ix_remark_author_id"), table_name="remark")
    op.drop_table("remark")
    op.drop_table("freelancer_profile")
    op.drop_table("client_profile")
    op.drop_index("uq_users_email_lower", table_name="users")
    op.drop_table("users")
    op.drop_index(op.f("ix_stream_head_x"), table_name="stream_head")
    op.drop_table("stream_head")
    op.drop_table("stream_epoch")
    op.drop_index(op.f("ix_skill_category"), table_name="skill")
    op.drop_table("skill")
    op.drop_table("seed_version")
    op.drop_index("ix_job_finished", table_name="job", postgresql_where=sa.text("finished_at is not null"))
    op.drop_index("ix_job_due", table_name="job", postgresql_where=sa.text("status = 'WAITING'"))
    op.drop_table("job")
    op.drop_index(op.f("ix_idempotency_key_created_at"), table_name="idempotency_key")
    op.drop_table("idempotency_key")
    op.drop_index("ix_fact_remark_id", table_name="fact", postgresql_where=sa.text("remark_id is not null"))
    op.drop_index(op.f("ix_fact_id"), table_name="fact")
    op.drop_table("fact")
