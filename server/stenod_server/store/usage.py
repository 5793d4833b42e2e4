"""What tenants have used: seconds of audio and jobs, by UTC day and the tenant's own user."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from stenod_server.domain.job import Job
from stenod_server.domain.quota import TenantLimits, until_next_day_s
from stenod_server.errors import QuotaExceeded
from stenod_server.store import queue
from stenod_server.store.tables import usage

KEPT: Final = timedelta(days=400)  # a year can be compared with the one before
_QUEUE_RETRY_S: Final = 1.0  # places in a queue come free one by one

# In these words both SQLite and PostgreSQL take it; SQLAlchemy's own upserts are of one database each.
_ADD: Final = sa.text(
    'INSERT INTO "usage" (tenant, day, user_id, audio_s, jobs) VALUES (:tenant, :day, :user_id, :audio_s, 1) '
    "ON CONFLICT (tenant, day, user_id) DO UPDATE SET "
    'audio_s = "usage".audio_s + excluded.audio_s, jobs = "usage".jobs + 1 RETURNING jobs'
).bindparams(sa.bindparam("day", type_=sa.Date))


def check(connection: sa.Connection, job: Job, limits: TenantLimits) -> None:
    """Whether the tenant may have one more job. Raises QuotaExceeded."""
    most = limits.max_queued_jobs
    if most and queue.is_full(connection, most, job.tenant):
        raise QuotaExceeded("max_queued_jobs", allowed=most, retry_after_s=_QUEUE_RETRY_S)
    hours = limits.audio_hours_per_day
    if hours and audio_s(connection, job.tenant, _day(job.create_time)) >= hours * 3600:
        raise QuotaExceeded("audio_hours_per_day", allowed=hours, retry_after_s=until_next_day_s(job.create_time))


def audio_s(connection: sa.Connection, tenant: str, day: date) -> float:
    """Seconds transcribed for the tenant on that day."""
    total = sa.func.coalesce(sa.func.sum(usage.c.audio_s), 0.0)
    statement = sa.select(total).where(usage.c.tenant == tenant, usage.c.day == day)
    return float(connection.execute(statement).scalar_one())


def add(connection: sa.Connection, job: Job, audio_s: float, *, now: datetime) -> None:
    """Count a job that was transcribed; to be called in the transaction that completes it."""
    day = _day(now)
    row = {"tenant": job.tenant, "day": day, "user_id": job.config.user_id, "audio_s": audio_s}
    if connection.execute(_ADD, row).scalar_one() == 1:  # the first of its day: seldom enough to look at old ones
        connection.execute(sa.delete(usage).where(usage.c.day < day - KEPT))


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
