"""Jobs with their tags and segments, idempotency keys, uploads. Why each index: `tables.py`.

There is no way down: an older release is gone back to by restoring the backup made before the newer one.
"""

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_jobs()
    _index_jobs()
    _create_what_hangs_on_jobs()
    _create_idempotency_keys()
    _create_uploads()


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("reserved_engines", sa.Integer, nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
        sa.Column("update_time", _TIME, nullable=False),
        sa.Column("start_time", _TIME),
        sa.Column("end_time", _TIME),
        sa.Column("expire_time", _TIME),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("media", sa.Text, nullable=False),
        sa.Column("progress", sa.Text, nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("info", sa.Text),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_jobs")),
        *(sa.CheckConstraint(condition, name=op.f(f"ck_jobs_{name}")) for name, condition in _JOB_CHECKS.items()),
    )


_JOB_CHECKS = {
    "state": "state IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'EXPIRED')",
    "counts": "attempt >= 0 AND reserved_engines >= 1",
    "running_on_a_node": "state <> 'RUNNING' OR (node <> '' AND start_time IS NOT NULL)",
    "queued_is_not_cancelling": "NOT (state = 'QUEUED' AND cancel_requested)",
    "ended_at_some_time": "state IN ('QUEUED', 'RUNNING') OR end_time IS NOT NULL",
    "succeeded_with_info": "state <> 'SUCCEEDED' OR info IS NOT NULL",
    "failed_for_a_reason": "state <> 'FAILED' OR failure IS NOT NULL",
}


def _index_jobs() -> None:
    has_request_id = sa.text("request_id <> ''")
    is_queued = sa.text("state = 'QUEUED'")
    is_running = sa.text("state = 'RUNNING'")
    op.create_index(
        "ux_jobs_request",
        "jobs",
        ["tenant", "request_id"],
        unique=True,
        sqlite_where=has_request_id,
        postgresql_where=has_request_id,
    )
    op.create_index("ix_jobs_listed", "jobs", ["tenant", "create_time", "job_id"])
    op.create_index(
        "ix_jobs_queued",
        "jobs",
        ["tenant", "priority", "create_time", "job_id"],
        sqlite_where=is_queued,
        postgresql_where=is_queued,
    )
    op.create_index("ix_jobs_held", "jobs", ["node"], sqlite_where=is_running, postgresql_where=is_running)
    op.create_index("ix_jobs_state", "jobs", ["state", "expire_time"])


def _create_what_hangs_on_jobs() -> None:
    op.create_table(
        "job_tags",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("tag", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_job_tags_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "tag", name=op.f("pk_job_tags")),
    )
    op.create_index("ix_job_tags_tag", "job_tags", ["tag", "job_id"])
    op.create_table(
        "segments",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("segment_index", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("final", sa.Boolean, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_segments_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "segment_index", name=op.f("pk_segments")),
    )


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "request_id", name=op.f("pk_idempotency_keys")),
    )


def _create_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("upload_id", sa.Text, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("offset_bytes", sa.BigInteger, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
        sa.Column("expire_time", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "upload_id", name=op.f("pk_uploads")),
        sa.CheckConstraint("offset_bytes >= 0 AND size_bytes >= 0", name=op.f("ck_uploads_bytes")),
        sa.CheckConstraint(
            "NOT complete OR (sha256 <> '' AND offset_bytes = size_bytes)", name=op.f("ck_uploads_complete_is_whole")
        ),
    )
    op.create_index("ix_uploads_expire_time", "uploads", ["expire_time"])
