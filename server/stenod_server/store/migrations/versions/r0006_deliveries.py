"""What is to be told when jobs have ended, and on the jobs, what became of it."""

import sqlalchemy as sa
from alembic import op

revision = "r0006"
down_revision = "r0005"


def upgrade() -> None:
    op.create_table(
        "deliveries",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("delivery_index", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("notification", sa.Text),
        sa.Column("next_time", sa.DateTime(timezone=True)),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "delivery_index", name=op.f("pk_deliveries")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_deliveries_job_id"), ondelete="CASCADE"),
        sa.CheckConstraint("attempt >= 0", name=op.f("ck_deliveries_attempt")),
        sa.CheckConstraint("node = '' OR next_time IS NOT NULL", name=op.f("ck_deliveries_held_for_a_time")),
    )
    op.create_index(
        "ix_deliveries_next_time",
        "deliveries",
        ["next_time"],
        sqlite_where=sa.text("next_time IS NOT NULL"),
        postgresql_where=sa.text("next_time IS NOT NULL"),
    )
    op.add_column("jobs", sa.Column("notices", sa.Text, nullable=False, server_default=sa.text("'[]'")))
