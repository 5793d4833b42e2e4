"""What is read of jobs: blocking functions of a connection, one statement each.

What is read for every job is built once, here: to build a statement and find out that it was compiled before takes
several times as long as to run it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from stenod_server.domain.job import Job, JobState
from stenod_server.domain.transcript import Segment
from stenod_server.errors import JobNotFound
from stenod_server.ports import JobFilter
from stenod_server.store.codec import read_job
from stenod_server.store.segment_codec import read_segment
from stenod_server.store.tables import IS_QUEUED, drafts, job_tags, jobs, segments

_MAX_BACKOFF: Final = timedelta(hours=1)
SEGMENT_PAGE: Final = 200  # segments read at a time: some hundred kilobytes, however long the recording

_GET: Final = sa.select(jobs).where(
    jobs.c.job_id == sa.bindparam("this_id"), jobs.c.tenant == sa.bindparam("this_tenant")
)
_COUNT_QUEUED: Final = sa.select(sa.func.count()).select_from(jobs).where(IS_QUEUED)
_COUNT_QUEUED_OF: Final = _COUNT_QUEUED.where(jobs.c.tenant == sa.bindparam("this_tenant"))
_COUNTS: Final = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
_PAGES: Final = {
    is_final: sa.select(table)
    .where(table.c.job_id == sa.bindparam("this_id"), table.c.segment_index >= sa.bindparam("from_index"))
    .order_by(table.c.segment_index)
    .limit(SEGMENT_PAGE)
    for is_final, table in ((True, segments), (False, drafts))
}


def get(connection: sa.Connection, tenant: str, job_id: str) -> Job:
    row = connection.execute(_GET, {"this_id": job_id, "this_tenant": tenant}).first()
    if row is None:
        raise JobNotFound(job_id)
    return read_job(row)


def page(connection: sa.Connection, tenant: str, job_filter: JobFilter, *, limit: int) -> Sequence[Job]:
    """Newest first. A page continues behind a key, not at a number: jobs that arrive meanwhile shift nothing."""
    statement = (
        sa.select(jobs)
        .where(jobs.c.tenant == tenant)
        .order_by(jobs.c.create_time.desc(), jobs.c.job_id.desc())
        .limit(limit)
    )
    if job_filter.states:
        statement = statement.where(jobs.c.state.in_([str(state) for state in job_filter.states]))
    if job_filter.user_id:
        statement = statement.where(jobs.c.user_id == job_filter.user_id)
    if job_filter.tag:
        statement = statement.where(
            jobs.c.job_id.in_(sa.select(job_tags.c.job_id).where(job_tags.c.tag == job_filter.tag))
        )
    if job_filter.since is not None:
        statement = statement.where(jobs.c.create_time > job_filter.since)
    if job_filter.before is not None:
        create_time, job_id = job_filter.before
        last = sa.tuple_(sa.literal(create_time, jobs.c.create_time.type), sa.literal(job_id, sa.Text))
        statement = statement.where(sa.tuple_(jobs.c.create_time, jobs.c.job_id) < last)
    return [read_job(row) for row in connection.execute(statement)]


def queued(connection: sa.Connection, *, now: datetime, limit: int) -> Sequence[Job]:
    """First every tenant's foremost job, then every tenant's second, and so on; equals by age."""
    place = sa.func.row_number().over(
        partition_by=jobs.c.tenant, order_by=(jobs.c.priority.desc(), jobs.c.create_time, jobs.c.job_id)
    )
    # Ranking 10 000 waiting jobs takes some 10 ms, so only the rows that are wanted are then fetched whole.
    ranked = sa.select(jobs.c.job_id, jobs.c.create_time, place.label("place")).where(IS_QUEUED, is_due(now)).subquery()
    foremost = (
        sa.select(ranked.c.job_id, ranked.c.place)
        .where(ranked.c.place <= limit)
        .order_by(ranked.c.place, ranked.c.create_time, ranked.c.job_id)
        .limit(limit)
        .subquery()
    )
    statement = (
        sa.select(jobs)
        .join(foremost, foremost.c.job_id == jobs.c.job_id)
        .order_by(foremost.c.place, jobs.c.create_time, jobs.c.job_id)
    )
    return [read_job(row) for row in connection.execute(statement)]


def is_due(now: datetime) -> sa.ColumnElement[bool]:
    """Of a waiting job: that it need not wait any longer."""
    # No backoff is that long: such a time was written before the clock was set back.
    return sa.or_(jobs.c.not_before.is_(None), jobs.c.not_before <= now, jobs.c.not_before > now + _MAX_BACKOFF)


def count_queued(connection: sa.Connection, tenant: str | None = None) -> int:
    """The jobs that wait: all of them, or a tenant's."""
    if tenant is None:
        return connection.execute(_COUNT_QUEUED).scalar_one()
    return connection.execute(_COUNT_QUEUED_OF, {"this_tenant": tenant}).scalar_one()


def counts(connection: sa.Connection) -> Mapping[JobState, int]:
    rows = connection.execute(_COUNTS).all()
    return dict.fromkeys(JobState, 0) | {JobState(state): count for state, count in rows}


def segment_page(connection: sa.Connection, job_id: str, from_index: int, *, final: bool) -> Sequence[Segment]:
    rows = connection.execute(_PAGES[final], {"this_id": job_id, "from_index": from_index})
    return [read_segment(row, final=final) for row in rows]
