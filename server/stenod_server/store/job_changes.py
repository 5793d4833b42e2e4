"""What changes jobs: blocking functions of a connection, each one transaction of its caller's.

A state changes in one way alone: `_move`, a compare-and-set whose rows are those of the transition table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from stenod_server.domain.job import TRANSITIONS, Failure, Job, JobEvent, JobState, Progress, next_state
from stenod_server.domain.transcript import Segment, TranscriptInfo
from stenod_server.errors import IdempotencyMismatch, JobRunning, QueueFull
from stenod_server.store import job_queries
from stenod_server.store.codec import failure_json, info_json, job_row, progress_json, read_job, segment_row
from stenod_server.store.tables import IS_RUNNING, idempotency_keys, job_tags, jobs, segments


@dataclass(frozen=True, slots=True)
class Report:
    """What a running job has reported and is not stored yet."""

    progress: Progress
    segments: tuple[Segment, ...] = ()

    def then(self, later: "Report | None") -> "Report":
        return self if later is None else replace(later, segments=self.segments + later.segments)


def submit(connection: sa.Connection, job: Job, *, max_queued_jobs: int) -> Job:
    if job.request_id and (earlier := _submitted_before(connection, job)):
        return earlier
    if job_queries.count_queued(connection) >= max_queued_jobs:
        raise QueueFull(max_queued_jobs)
    connection.execute(sa.insert(jobs), job_row(job))
    if job.config.tags:
        tags = [{"job_id": job.job_id, "tag": tag} for tag in sorted(set(job.config.tags))]
        connection.execute(sa.insert(job_tags), tags)
    if job.request_id:
        key = {name: getattr(job, name) for name in ("tenant", "request_id", "fingerprint", "job_id", "create_time")}
        connection.execute(sa.insert(idempotency_keys), key)
    return job


def claim(connection: sa.Connection, job_id: str, *, node: str, now: datetime) -> Job | None:
    job = _move(
        connection,
        job_id,
        JobEvent.CLAIM,
        now=now,
        node=node,
        start_time=now,
        attempt=jobs.c.attempt + 1,
        progress=progress_json(Progress()),
    )
    if job is not None and job.attempt > 1:
        connection.execute(sa.delete(segments).where(segments.c.job_id == job_id))
    return job


def give_back(connection: sa.Connection, job_id: str, event: JobEvent, *, now: datetime) -> Job | None:
    """Release or rescue. A job whose owner has asked to cancel it does not wait again: it is CANCELLED."""
    statement = sa.select(jobs.c.cancel_requested).where(jobs.c.job_id == job_id).with_for_update()
    if connection.execute(statement).scalar():
        return cancelled(connection, job_id, now=now)
    return _move(connection, job_id, event, now=now)


def rescue(connection: sa.Connection, node: str, *, now: datetime) -> Sequence[Job]:
    held = sa.select(jobs.c.job_id).where(jobs.c.node == node, IS_RUNNING).order_by(jobs.c.create_time)
    rescued = [give_back(connection, id_, JobEvent.RESCUE, now=now) for id_ in connection.execute(held).scalars().all()]
    return [job for job in rescued if job is not None]


def record(connection: sa.Connection, reports: Mapping[str, Report]) -> None:
    """Reports by job id: the same few statements for one as for hundreds. Ignored of a job that is not RUNNING: it may
    have been cancelled between the window's end and now.
    """
    statement = sa.select(jobs.c.job_id).where(jobs.c.job_id.in_(reports), IS_RUNNING).with_for_update()
    running = connection.execute(statement).scalars().all()
    if not running:
        return
    connection.execute(
        sa.update(jobs).where(jobs.c.job_id == sa.bindparam("running_id")),
        [{"running_id": id_, "progress": progress_json(reports[id_].progress)} for id_ in running],
    )
    _store_segments(connection, [(id_, segment) for id_ in running for segment in reports[id_].segments])


def complete(
    connection: sa.Connection, job_id: str, info: TranscriptInfo, last: Sequence[Segment], *, now: datetime
) -> Job | None:
    """Compare and set first: where the job has moved on, no segment is touched."""
    if _move(connection, job_id, JobEvent.COMPLETE, now=now, end_time=now, info=info_json(info)) is None:
        return None
    _store_segments(connection, [(job_id, segment) for segment in last])
    connection.execute(
        sa.update(segments).where(segments.c.job_id == job_id, sa.not_(segments.c.final)).values(final=True)
    )
    count = sa.select(sa.func.count()).select_from(segments).where(segments.c.job_id == job_id)
    whole = Progress(info.duration_samples, info.duration_samples, connection.execute(count).scalar_one())
    statement = sa.update(jobs).where(jobs.c.job_id == job_id).values(progress=progress_json(whole)).returning(jobs)
    return read_job(connection.execute(statement).one())


def fail(connection: sa.Connection, job_id: str, failure: Failure, *, now: datetime) -> Job | None:
    return _move(connection, job_id, JobEvent.FAIL, now=now, end_time=now, failure=failure_json(failure))


def cancelled(connection: sa.Connection, job_id: str, *, now: datetime) -> Job | None:
    """By its executor, so only while it runs: a job that was released meanwhile is somebody else's."""
    return _move(connection, job_id, JobEvent.CANCEL, only=JobState.RUNNING, now=now, end_time=now)


def request_cancel(connection: sa.Connection, tenant: str, job_id: str, *, now: datetime) -> Job:
    job = _get_for_update(connection, tenant, job_id)
    if job.state is JobState.QUEUED:
        return _move(connection, job_id, JobEvent.CANCEL, now=now, end_time=now) or job
    if job.state is not JobState.RUNNING or job.cancel_requested:
        return job
    statement = (
        sa.update(jobs).where(jobs.c.job_id == job_id, IS_RUNNING).values(cancel_requested=True, update_time=now)
    )
    return read_job(connection.execute(statement.returning(jobs)).one())


def delete(connection: sa.Connection, tenant: str, job_id: str) -> Job:
    """Tags and segments go with the row (ON DELETE CASCADE); the idempotency key stays."""
    job = _get_for_update(connection, tenant, job_id)
    if job.state is JobState.RUNNING:
        message = f"job {job_id!r} is running; cancel it first, or delete it with force"
        raise JobRunning(message, job_id=job_id)
    connection.execute(sa.delete(jobs).where(jobs.c.job_id == job_id))
    return job


def _move(
    connection: sa.Connection,
    job_id: str,
    event: JobEvent,
    *,
    now: datetime,
    only: JobState | None = None,
    **changes: Any,
) -> Job | None:
    """Compare and set: one UPDATE that finds no row unless the table allows `event` in the state the job is in.

    `only` narrows the states further.
    """
    sources = [state for state, known in TRANSITIONS if known is event and only in {None, state}]
    (target,) = {next_state(state, event) for state in sources}
    statement = (
        sa.update(jobs)
        .where(jobs.c.job_id == job_id, jobs.c.state.in_([str(state) for state in sources]))
        .values(state=str(target), update_time=now, **changes)
        .returning(jobs)
    )
    row = connection.execute(statement).first()
    return read_job(row) if row is not None else None


def _submitted_before(connection: sa.Connection, job: Job) -> Job | None:
    """The job of the same tenant's same request. Raises JobNotFound where that job was deleted since: it was done
    once, and its owner did not want it kept.
    """
    statement = sa.select(idempotency_keys.c.fingerprint, idempotency_keys.c.job_id).where(
        idempotency_keys.c.tenant == job.tenant, idempotency_keys.c.request_id == job.request_id
    )
    known = connection.execute(statement).first()
    if known is None:
        return None
    if known.fingerprint != job.fingerprint:
        message = f"request_id {job.request_id!r} was used for another recording or configuration"
        raise IdempotencyMismatch(message, request_id=job.request_id)
    return job_queries.get(connection, job.tenant, known.job_id)


def _get_for_update(connection: sa.Connection, tenant: str, job_id: str) -> Job:
    """Locks the row where databases have row locks, so that what is decided here still holds when it is written."""
    locked = sa.select(jobs.c.job_id).where(jobs.c.job_id == job_id, jobs.c.tenant == tenant).with_for_update()
    connection.execute(locked).first()
    return job_queries.get(connection, tenant, job_id)


def _store_segments(connection: sa.Connection, new: Sequence[tuple[str, Segment]]) -> None:
    """Insert; a segment stored before under the same index is replaced (its labels were provisional)."""
    if not new:
        return
    rows = {(job_id, segment.index): segment_row(job_id, segment) for job_id, segment in new}
    connection.execute(
        sa.delete(segments).where(
            segments.c.job_id == sa.bindparam("old_id"), segments.c.segment_index == sa.bindparam("old_index")
        ),
        [{"old_id": job_id, "old_index": index} for job_id, index in rows],
    )
    connection.execute(sa.insert(segments), list(rows.values()))
