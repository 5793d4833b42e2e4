"""What is done to a job from outside: blocking functions of a connection, each one transaction of its caller's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from stenod_server.domain.job import Job, JobEvent, JobState
from stenod_server.domain.notification import Notice
from stenod_server.domain.quota import TenantLimits
from stenod_server.domain.retry import failure_of
from stenod_server.errors import (
    EnginesExhausted,
    IdempotencyMismatch,
    JobDeadlineExceeded,
    JobRunning,
    QueueFull,
    QuotaExceeded,
)
from stenod_server.ports import CacheKey
from stenod_server.ports.cluster import PlaceRequest, SignalKind
from stenod_server.store import claims, deliveries, job_queries, queue, result_cache, transition, usage
from stenod_server.store.codec import failure_json, job_row, read_job
from stenod_server.store.tables import IS_QUEUED, IS_RUNNING, idempotency_keys, job_tags, jobs
from stenod_server.store.telling import tell
from stenod_server.store.transition import end
from stenod_server.store.upserts import insert_new


@dataclass(frozen=True, slots=True)
class Terms:
    """On what a job is accepted. `with_files`: its transcript is to be written to files."""

    max_queued_jobs: int
    limits: TenantLimits
    cache: CacheKey | None = None
    place: PlaceRequest | None = None
    with_files: bool = False


def submit(connection: sa.Connection, job: Job, terms: Terms) -> Job:
    """Where the answer to a commit was lost it is done again, and finds the job it has stored."""
    if job.request_id and (earlier := _submitted_before(connection, job)):
        return earlier
    cache, place, with_files = terms.cache, terms.place, terms.with_files
    if cache is not None and (source := result_cache.find(connection, job.tenant, cache)):
        # Whatever is used up: it needs no engine and no place in the queue.
        job = _insert(connection, job, with_files=with_files)
        return result_cache.take_over(connection, transition.job(job.job_id), source, now=job.create_time) or job
    try:
        if queue.is_full(connection, terms.max_queued_jobs):
            raise QueueFull(terms.max_queued_jobs)  # noqa: TRY301  one of several
        usage.check(connection, job, terms.limits)
        promise = claims.promise(connection, job, place) if place else None
    except (QueueFull, QuotaExceeded, EnginesExhausted):
        if stored := connection.execute(sa.select(jobs).where(jobs.c.job_id == job.job_id)).first():
            return read_job(stored)
        raise
    job = _insert(connection, job, with_files=with_files)
    if promise:
        connection.execute(sa.update(jobs).where(jobs.c.job_id == job.job_id).values(**promise))
    tell(connection, SignalKind.QUEUED)
    return job


def _insert(connection: sa.Connection, given: Job, *, with_files: bool) -> Job:
    """The secrets of its notifications are with their deliveries alone, which are gone before the job is."""
    told = tuple(notification.without_secrets for notification in given.config.notifications)
    notices = tuple(Notice(url=notification.url) for notification in told)
    job = replace(given, config=replace(given.config, notifications=told), notices=notices)
    if not insert_new(connection, jobs, job_row(job)):
        return job_queries.get(connection, job.tenant, job.job_id)
    deliveries.store(connection, given, with_files=with_files)
    if job.config.tags:
        tags = [{"job_id": job.job_id, "tag": tag} for tag in sorted(set(job.config.tags))]
        connection.execute(sa.insert(job_tags), tags)
    return job


def fail_late(connection: sa.Connection, *, now: datetime) -> Sequence[Job]:
    late = sa.select(jobs.c.job_id).where(IS_QUEUED, jobs.c.deadline_time.is_not(None), jobs.c.deadline_time <= now)
    failure = failure_json(failure_of(JobDeadlineExceeded("the job waited until its deadline")))
    ended = [
        end(connection, transition.queued(job_id), JobEvent.FAIL, now=now, failure=failure)
        for job_id in connection.execute(late).scalars().all()
    ]
    return [job for job in ended if job is not None]


def request_cancel(connection: sa.Connection, tenant: str, job_id: str, *, now: datetime) -> Job:
    job = _get_for_update(connection, tenant, job_id)
    if job.state is JobState.QUEUED:
        return end(connection, transition.job(job_id), JobEvent.CANCEL, now=now) or job
    if job.state is not JobState.RUNNING or job.cancel_requested:
        return job
    statement = (
        sa.update(jobs).where(jobs.c.job_id == job_id, IS_RUNNING).values(cancel_requested=True, update_time=now)
    )
    tell(connection, SignalKind.STOP, job_id)
    return read_job(connection.execute(statement.returning(jobs)).one())


def delete(connection: sa.Connection, tenant: str, job_id: str) -> Job:
    """Tags, segments and cache entries go with the row (ON DELETE CASCADE); the idempotency key stays for as long as
    the job would have been kept.
    """
    job = _get_for_update(connection, tenant, job_id)
    if job.state is JobState.RUNNING:
        message = f"job {job_id!r} is running; cancel it first, or delete it with force"
        raise JobRunning(message, job_id=job_id)
    connection.execute(sa.delete(jobs).where(jobs.c.job_id == job_id))
    tell(connection, SignalKind.CHANGED, job_id)
    if job.request_id:
        key = (idempotency_keys.c.tenant == tenant, idempotency_keys.c.request_id == job.request_id)
        until = job.expire_time or job.update_time + job.ttl
        connection.execute(sa.update(idempotency_keys).where(*key).values(expire_time=until))
    return job


def _submitted_before(connection: sa.Connection, job: Job) -> Job | None:
    """The job of the same tenant's same request; None where there is none, and the request id is this job's now. One
    that is being submitted elsewhere is waited for. Raises JobNotFound where that job was deleted since: it was done
    once, and its owner did not want it kept.
    """
    key = {name: getattr(job, name) for name in ("tenant", "request_id", "fingerprint", "job_id", "create_time")}
    if insert_new(connection, idempotency_keys, key):
        return None
    statement = sa.select(idempotency_keys.c.fingerprint, idempotency_keys.c.job_id).where(
        idempotency_keys.c.tenant == job.tenant, idempotency_keys.c.request_id == job.request_id
    )
    known = connection.execute(statement).first()
    if known is None:
        return _submitted_before(connection, job)  # it was forgotten at this very moment
    if known.fingerprint != job.fingerprint:
        message = f"request_id {job.request_id!r} was used for another recording or configuration"
        raise IdempotencyMismatch(message, request_id=job.request_id)
    return job_queries.get(connection, job.tenant, known.job_id)


def _get_for_update(connection: sa.Connection, tenant: str, job_id: str) -> Job:
    """Locks the row where databases have row locks, so that what is decided here still holds when it is written."""
    locked = sa.select(jobs.c.job_id).where(jobs.c.job_id == job_id, jobs.c.tenant == tenant).with_for_update()
    connection.execute(locked).first()
    return job_queries.get(connection, tenant, job_id)
