"""Transcripts that may be used again: an entry names a job of the same tenant, and is of use while that has one."""

from dataclasses import replace
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from stenod_server.domain.job import Job, JobEvent, JobState
from stenod_server.ports import CacheKey
from stenod_server.store.codec import info_json, progress_json, read_job
from stenod_server.store.tables import UtcDateTime, drafts, jobs, result_cache, segments
from stenod_server.store.transition import These, end

# In these words both SQLite and PostgreSQL take it; SQLAlchemy's own upserts are of one database each.
_REMEMBER: Final = sa.text(
    "INSERT INTO result_cache (tenant, digest, job_id, create_time) VALUES (:tenant, :digest, :job_id, :now) "
    "ON CONFLICT (tenant, digest) DO UPDATE SET job_id = excluded.job_id, create_time = excluded.create_time"
).bindparams(sa.bindparam("now", type_=UtcDateTime))


def remember(connection: sa.Connection, job: Job, key: CacheKey, *, now: datetime) -> None:
    """The job's transcript is the one of `key`. Entries that are too old go: nobody else looks for them."""
    connection.execute(sa.delete(result_cache).where(result_cache.c.create_time < key.since))
    row = {"tenant": job.tenant, "digest": key.digest, "job_id": job.job_id, "now": now}
    connection.execute(_REMEMBER, row)


def find(connection: sa.Connection, tenant: str, key: CacheKey) -> Job | None:
    """The job whose transcript can be used. It is locked: it cannot be deleted while its segments are copied."""
    statement = (
        sa.select(jobs)
        .join(result_cache, result_cache.c.job_id == jobs.c.job_id)
        .where(
            result_cache.c.tenant == tenant,
            result_cache.c.digest == key.digest,
            result_cache.c.create_time >= key.since,
            jobs.c.tenant == tenant,
            jobs.c.state == str(JobState.SUCCEEDED),
        )
        .with_for_update(read=True, of=jobs)
    )
    row = connection.execute(statement).first()
    return read_job(row) if row is not None else None


def take_over(connection: sa.Connection, this: These, source: Job, *, now: datetime) -> Job | None:
    """End a job with a copy of another one's transcript; None where it has moved on."""
    if source.info is None:
        return None
    info = info_json(replace(source.info, from_cache=True))
    job = end(connection, this, JobEvent.REUSE, now=now, info=info, progress=progress_json(source.progress))
    if job is None:
        return None
    for table in (segments, drafts):
        connection.execute(sa.delete(table).where(table.c.job_id == job.job_id))  # of attempts before
    copied = (segments.c.segment_index, segments.c.body)
    rows = sa.select(sa.literal(job.job_id), *copied).where(segments.c.job_id == source.job_id)
    names = [segments.c.job_id.name, *(column.name for column in copied)]
    connection.execute(sa.insert(segments).from_select(names, rows))
    return job
