"""The tables. What must always hold stands here as a constraint, whoever writes; what is queried is a column, what is
only read back with its job is canonical JSON (`codec.py`).
"""

from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from stenod_server.domain.job import JobState

_NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata: Final = sa.MetaData(naming_convention=_NAMING)

# Literals, not parameters: a planner matches a partial index only with a condition it can read.
IS_QUEUED: Final = sa.text("state = 'QUEUED'")
IS_RUNNING: Final = sa.text("state = 'RUNNING'")
IS_PROMISED: Final = sa.text("state = 'QUEUED' AND promised_to <> ''")


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware datetime in UTC, to the microsecond; sorts in order of time also where the database has no zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        del dialect
        if value is not None and value.tzinfo is None:
            message = f"{value} has no time zone"
            raise ValueError(message)
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        del dialect
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _required(name: str, kind: type[sa.types.TypeEngine[Any]], *, first: str | None = None) -> sa.Column[Any]:
    """`first`: what rows have that are older than the column."""
    return sa.Column(name, kind, nullable=False, server_default=None if first is None else sa.text(first))


jobs: Final = sa.Table(
    "jobs",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    _required("tenant", sa.Text),
    _required("state", sa.Text),
    _required("user_id", sa.Text),
    _required("priority", sa.Integer),
    _required("reserved_engines", sa.Integer),
    _required("create_time", UtcDateTime),
    _required("update_time", UtcDateTime),
    sa.Column("start_time", UtcDateTime),
    sa.Column("end_time", UtcDateTime),
    sa.Column("expire_time", UtcDateTime),
    _required("attempt", sa.Integer),
    _required("request_id", sa.Text),
    _required("fingerprint", sa.Text),
    _required("node", sa.Text),
    _required("cancel_requested", sa.Boolean),
    _required("config", sa.Text),
    _required("media", sa.Text),
    _required("progress", sa.Text),
    sa.Column("failure", sa.Text),
    sa.Column("info", sa.Text),
    _required("failures", sa.Integer, first="0"),
    _required("rescues", sa.Integer, first="0"),
    _required("lease_token", sa.Integer, first="0"),
    sa.Column("lease_expire_time", UtcDateTime),
    sa.Column("not_before", UtcDateTime),
    sa.Column("deadline_time", UtcDateTime),
    sa.Column("checkpoint", sa.Text),
    _required("ttl_s", sa.Float, first="604800"),
    _required("media_key", sa.Text, first="''"),  # empty: there is no media any more, or not yet
    _required("keep_media", sa.Boolean, first="false"),
    _required("notices", sa.Text, first="'[]'"),
    _required("interactive", sa.Boolean, first="false"),
    _required("model", sa.Text, first="''"),  # that it names; empty: none, or it is older than the column
    _required("overtakes", sa.Integer, first="0"),
    # The node that keeps its engines for this waiting job, and until when; then it waits like any other.
    _required("promised_to", sa.Text, first="''"),
    sa.Column("promised_until", UtcDateTime),
    sa.CheckConstraint(f"state IN ({', '.join(repr(str(state)) for state in JobState)})", name="state"),
    sa.CheckConstraint("attempt >= 0 AND reserved_engines >= 1", name="counts"),
    sa.CheckConstraint("state <> 'RUNNING' OR (node <> '' AND start_time IS NOT NULL)", name="running_on_a_node"),
    # Nobody runs a waiting job, so nobody would notice the mark: it is cancelled at once instead.
    sa.CheckConstraint("NOT (state = 'QUEUED' AND cancel_requested)", name="queued_is_not_cancelling"),
    sa.CheckConstraint("state IN ('QUEUED', 'RUNNING') OR end_time IS NOT NULL", name="ended_at_some_time"),
    sa.CheckConstraint("state <> 'SUCCEEDED' OR info IS NOT NULL", name="succeeded_with_info"),
    sa.CheckConstraint("state <> 'FAILED' OR failure IS NOT NULL", name="failed_for_a_reason"),
)

# One job per request id and tenant, whatever two racing submits believe. Empty = the caller gave none.
sa.Index(
    "ux_jobs_request",
    jobs.c.tenant,
    jobs.c.request_id,
    unique=True,
    sqlite_where=sa.text("request_id <> ''"),
    postgresql_where=sa.text("request_id <> ''"),
)
# ListJobs reads one tenant's jobs by age, a page at a time, without sorting.
sa.Index("ix_jobs_listed", jobs.c.tenant, jobs.c.create_time, jobs.c.job_id)
# The waiting jobs alone, each tenant's in the order in which they run: whoever takes the next ones finds them first,
# and what counts them needs no row.
sa.Index(
    "ix_jobs_waiting",
    jobs.c.tenant,
    jobs.c.priority.desc(),
    jobs.c.create_time,
    jobs.c.job_id,
    jobs.c.reserved_engines,
    sqlite_where=IS_QUEUED,
    postgresql_where=IS_QUEUED,
)
# What a node has promised: few jobs, and looked for with every claim.
sa.Index("ix_jobs_promised", jobs.c.promised_to, sqlite_where=IS_PROMISED, postgresql_where=IS_PROMISED)
# A node that starts looks for what it held before; few jobs run, so few rows.
sa.Index("ix_jobs_held", jobs.c.node, sqlite_where=IS_RUNNING, postgresql_where=IS_RUNNING)
# Every node looks for leases that have run out.
sa.Index("ix_jobs_lease", jobs.c.lease_expire_time, sqlite_where=IS_RUNNING, postgresql_where=IS_RUNNING)
# Waiting jobs whose deadline has passed; few jobs have one.
sa.Index(
    "ix_jobs_deadline",
    jobs.c.deadline_time,
    sqlite_where=sa.text("state = 'QUEUED' AND deadline_time IS NOT NULL"),
    postgresql_where=sa.text("state = 'QUEUED' AND deadline_time IS NOT NULL"),
)
# Media that waits to be erased, and whose job a blob is.
sa.Index(
    "ix_jobs_media",
    jobs.c.media_key,
    sqlite_where=sa.text("media_key <> ''"),
    postgresql_where=sa.text("media_key <> ''"),
)
# Counts by state come from this index alone; within a state it is the order in which retention ends.
sa.Index("ix_jobs_state", jobs.c.state, jobs.c.expire_time)

job_tags: Final = sa.Table(
    "job_tags",
    metadata,
    sa.Column("job_id", sa.Text, sa.ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True),
)
# ListJobs by tag; the primary key serves the cascade.
sa.Index("ix_job_tags_tag", job_tags.c.tag, job_tags.c.job_id)

# One row per segment, its words packed: 100 000 words of a ten-hour recording are some thousand rows, read in pages.
segments: Final = sa.Table(
    "segments",
    metadata,
    sa.Column("job_id", sa.Text, sa.ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("segment_index", sa.Integer, primary_key=True, autoincrement=False),
    _required("body", sa.Text),
)

# Segments of a job that tells speakers apart, until it knows who spoke; then its segments take their place.
drafts: Final = sa.Table(
    "drafts",
    metadata,
    sa.Column("job_id", sa.Text, sa.ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("segment_index", sa.Integer, primary_key=True, autoincrement=False),
    _required("body", sa.Text),
)

# No foreign key: a request id stays known after its job is deleted.
idempotency_keys: Final = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("request_id", sa.Text, primary_key=True),
    _required("fingerprint", sa.Text),
    _required("job_id", sa.Text),
    _required("create_time", UtcDateTime),
    sa.Column("expire_time", UtcDateTime),  # since its job was deleted: until then it goes with the job
)
# Request ids of deleted jobs whose time is up.
sa.Index(
    "ix_idempotency_keys_expire_time",
    idempotency_keys.c.expire_time,
    sqlite_where=sa.text("expire_time IS NOT NULL"),
    postgresql_where=sa.text("expire_time IS NOT NULL"),
)

uploads: Final = sa.Table(
    "uploads",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("upload_id", sa.Text, primary_key=True),
    _required("file_name", sa.Text),
    _required("size_bytes", sa.BigInteger),
    _required("offset_bytes", sa.BigInteger),
    _required("complete", sa.Boolean),
    _required("sha256", sa.Text),
    _required("create_time", UtcDateTime),
    _required("expire_time", UtcDateTime),
    sa.CheckConstraint("offset_bytes >= 0 AND size_bytes >= 0", name="bytes"),
    sa.CheckConstraint("NOT complete OR (sha256 <> '' AND offset_bytes = size_bytes)", name="complete_is_whole"),
)
# The sweep looks for those whose time is up.
sa.Index("ix_uploads_expire_time", uploads.c.expire_time)

# Where the bytes of uploads are that go into a bucket, by the name in the upload's key. No reference to the upload: the
# objects outlive it, and are to be found then.
upload_pieces: Final = sa.Table(
    "upload_pieces",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("offset_bytes", sa.BigInteger, primary_key=True, autoincrement=False),
    _required("size_bytes", sa.BigInteger),
    _required("object_key", sa.Text),
    sa.CheckConstraint("offset_bytes >= 0 AND size_bytes > 0", name="bytes"),
)

# What was transcribed, by the UTC day on which it was done; the primary key sums up a tenant's day.
usage: Final = sa.Table(
    "usage",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    _required("audio_s", sa.Float),
    _required("jobs", sa.Integer),
    sa.CheckConstraint("audio_s >= 0 AND jobs >= 1", name="counts"),
)
# Old days are removed, of all tenants.
sa.Index("ix_usage_day", usage.c.day)

# Whose transcript may be used again; gone with that job, whoever deletes it.
result_cache: Final = sa.Table(
    "result_cache",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("job_id", sa.Text, sa.ForeignKey("jobs.job_id", ondelete="CASCADE"), nullable=False),
    _required("create_time", UtcDateTime),
)
# For the cascade.
sa.Index("ix_result_cache_job_id", result_cache.c.job_id)
# Entries that are too old are removed.
sa.Index("ix_result_cache_create_time", result_cache.c.create_time)

# The outbox: what is still to be told of a job. `next_time` is when it is due, none before its job has ended; while a
# node holds it, when that node has lost it.
deliveries: Final = sa.Table(
    "deliveries",
    metadata,
    sa.Column("job_id", sa.Text, sa.ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("delivery_index", sa.Integer, primary_key=True, autoincrement=False),
    _required("host", sa.Text),
    sa.Column("notification", sa.Text),  # none: its transcript is to be written to files
    sa.Column("next_time", UtcDateTime),
    _required("node", sa.Text),
    _required("attempt", sa.Integer),
    sa.CheckConstraint("attempt >= 0", name="attempt"),
    sa.CheckConstraint("node = '' OR next_time IS NOT NULL", name="held_for_a_time"),
)
# Every node looks for what is due; jobs that have not ended are none of its business.
sa.Index(
    "ix_deliveries_next_time",
    deliveries.c.next_time,
    sqlite_where=sa.text("next_time IS NOT NULL"),
    postgresql_where=sa.text("next_time IS NOT NULL"),
)

# What nodes say of themselves, and when they said so last.
nodes: Final = sa.Table(
    "nodes",
    metadata,
    sa.Column("node", sa.Text, primary_key=True),
    _required("seen", UtcDateTime),
    _required("report", sa.Text),
)

# One row: the oldest revision a node must know to work with this schema (`migration.py`).
schema_rule: Final = sa.Table(
    "schema_rule",
    metadata,
    sa.Column("rule_id", sa.Integer, primary_key=True, autoincrement=False),
    _required("oldest_node", sa.Text),
    sa.CheckConstraint("rule_id = 1", name="only_one"),
)
