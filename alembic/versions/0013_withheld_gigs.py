"""Gigs of suspended clients are marked, so that reads need not look for them among people"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nobody is suspended between the marks that are made here and the triggers that keep them.
    op.execute("lock table users in share row exclusive mode")
    op.add_column("gig", sa.Column("is_withheld", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("gig", "is_withheld", server_default=None)
    op.execute("""
        update gig set is_withheld = true
        from users where users.id = gig.client_id and users.status = 'SUSPENDED'
    """)
    # A new gig shares the lock of its client's row: whoever suspends the client waits for it, and marks it, too.
    op.execute("""
        create function withhold_new_gig() returns trigger language plpgsql as $$
        begin
            select users.status = 'SUSPENDED' into strict new.is_withheld
            from users where users.id = new.client_id for share;
            return new;
        end $$
    """)
    op.execute("""
        create trigger gig_withheld before insert on gig
        for each row execute function withhold_new_gig()
    """)
    op.execute("""
        create function withhold_gigs() returns trigger language plpgsql as $$
        begin
            -- In the order in which everybody locks gigs.
            perform from gig where client_id = new.id order by id for no key update;
            update gig set is_withheld = (new.status = 'SUSPENDED')
            where client_id = new.id and is_withheld <> (new.status = 'SUSPENDED');
            return null;
        end $$
    """)
    op.execute("""
        create trigger gigs_withheld after update of status on users
        for each row when ((old.status = 'SUSPENDED') <> (new.status = 'SUSPENDED'))
        execute function withhold_gigs()
    """)


def downgrade() -> None:
    op.execute("drop trigger gigs_withheld on users")
    op.execute("drop function withhold_gigs()")
    op.execute("drop trigger gig_withheld on gig")
    op.execute("drop function withhold_new_gig()")
    op.drop_column("gig", "is_withheld")
