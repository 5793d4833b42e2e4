"""What tenants have used by day, and which job's transcript may be used again."""

import sqlalchemy as sa
from alembic import op

revision = "r0003"
down_revision = "r0002"


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("audio_s", sa.Float, nullable=False),
        sa.Column("jobs", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "day", "user_id", name=op.f("pk_usage")),
        sa.CheckConstraint("audio_s >= 0 AND jobs >= 1", name=op.f("ck_usage_counts")),
    )
    op.create_index("ix_usage_day", "usage", ["day"])
    op.create_table(
        "result_cache",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "digest", name=op.f("pk_result_cache")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_result_cache_job_id"), ondelete="CASCADE"),
    )
    op.create_index("ix_result_cache_job_id", "result_cache", ["job_id"])
    op.create_index("ix_result_cache_create_time", "result_cache", ["create_time"])
