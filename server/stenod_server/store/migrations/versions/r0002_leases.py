"""Leases, checkpoints, backoff and deadlines of jobs; where their media is."""

import json

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    for column in (
        sa.Column("failures", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("rescues", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("lease_token", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("lease_expire_time", _TIME),
        sa.Column("not_before", _TIME),
        sa.Column("deadline_time", _TIME),
        sa.Column("checkpoint", sa.Text),
        sa.Column("ttl_s", sa.Float, nullable=False, server_default=sa.text("604800")),
        sa.Column("media_key", sa.Text, nullable=False, server_default=sa.text("''")),
    ):
        op.add_column("jobs", column)
    _name_media()
    for name, indexed, condition in (
        ("ix_jobs_lease", "lease_expire_time", "state = 'RUNNING'"),
        ("ix_jobs_deadline", "deadline_time", "state = 'QUEUED' AND deadline_time IS NOT NULL"),
        ("ix_jobs_media", "media_key", "media_key <> ''"),
    ):
        where = sa.text(condition)
        op.create_index(name, "jobs", [indexed], sqlite_where=where, postgresql_where=where)


def _name_media() -> None:
    connection = op.get_bind()
    for job_id, media in connection.execute(sa.text("SELECT job_id, media FROM jobs")).all():
        statement = sa.text("UPDATE jobs SET media_key = :key WHERE job_id = :job_id")
        connection.execute(statement, {"key": json.loads(media)["key"], "job_id": job_id})
