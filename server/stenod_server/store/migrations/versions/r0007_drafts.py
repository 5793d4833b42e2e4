"""Drafts of segments have a table of their own: what is in the other one is final."""

import sqlalchemy as sa
from alembic import op

revision = "r0007"
down_revision = "r0006"


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("segment_index", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "segment_index", name=op.f("pk_drafts")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_drafts_job_id"), ondelete="CASCADE"),
    )
    op.drop_column("segments", "final")
