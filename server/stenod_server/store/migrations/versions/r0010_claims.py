"""What nodes that share a database need to share the waiting jobs; and those in the order in which they run."""

import sqlalchemy as sa
from alembic import op

revision = "r0010"
down_revision = "r0009"

_QUEUED = sa.text("state = 'QUEUED'")
_PROMISED = sa.text("state = 'QUEUED' AND promised_to <> ''")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("interactive", sa.Boolean, nullable=False, server_default=sa.text("false")))
    op.add_column("jobs", sa.Column("model", sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("jobs", sa.Column("overtakes", sa.Integer, nullable=False, server_default=sa.text("0")))
    op.add_column("jobs", sa.Column("promised_to", sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("jobs", sa.Column("promised_until", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["tenant", sa.text("priority DESC"), "create_time", "job_id", "reserved_engines"],
        sqlite_where=_QUEUED,
        postgresql_where=_QUEUED,
    )
    op.drop_index("ix_jobs_queued", "jobs")
    op.create_index("ix_jobs_promised", "jobs", ["promised_to"], sqlite_where=_PROMISED, postgresql_where=_PROMISED)
