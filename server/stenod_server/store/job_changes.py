"""What changes jobs: blocking functions of a connection, each one transaction of its caller's.

A state changes in one way alone: `_move`, a compare-and-set whose rows are those of the transition table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import sqlalchemy as sa

from stenod_server.domain.job import (
    TRANSITIONS,
    Checkpoint,
    Failure,
    Job,
    JobEvent,
    JobState,
    Lease,
    Media,
    Progress,
    next_state,
)
from stenod_server.domain.retry import failure_of
from stenod_server.domain.transcript import Segment, TranscriptInfo
from stenod_server.errors import IdempotencyMismatch, JobDeadlineExceeded, JobRunning, PoisonJob, QueueFull
from stenod_server.store import job_queries
from stenod_server.store.codec import (
    checkpoint_json,
    failure_json,
    info_json,
    job_row,
    media_json,
    progress_json,
    read_job,
    segment_row,
)
from stenod_server.store.tables import IS_QUEUED, IS_RUNNING, idempotency_keys, job_tags, jobs, segments


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has reported and is not stored yet."""

    progress: Progress
    time: datetime
    segments: tuple[Segment, ...] = ()
    checkpoint: Checkpoint | None = None

    def then(self, later: "Report | None") -> "Report":
        if later is None:
            return self
        checkpoint = later.checkpoint or self.checkpoint
        return replace(later, segments=self.segments + later.segments, checkpoint=checkpoint)


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


def claim(connection: sa.Connection, job_id: str, *, node: str, now: datetime, lease_until: datetime) -> Job | None:
    job = _move(
        connection,
        jobs.c.job_id == job_id,
        JobEvent.CLAIM,
        now=now,
        node=node,
        start_time=now,
        attempt=jobs.c.attempt + 1,
        lease_token=jobs.c.lease_token + 1,
        lease_expire_time=lease_until,
        not_before=None,
    )
    if job is None or job.attempt == 1:
        return job
    kept = job.checkpoint.segments if job.checkpoint else 0
    connection.execute(sa.delete(segments).where(segments.c.job_id == job_id, segments.c.segment_index >= kept))
    return job if job.checkpoint else _change(connection, job_id, progress=progress_json(Progress()))


def renew(connection: sa.Connection, leases: Sequence[Lease], lease_until: datetime) -> Mapping[str, bool]:
    held = {lease.job_id: lease.token for lease in leases}
    statement = (
        sa.update(jobs)
        .where(jobs.c.job_id.in_(held), jobs.c.node.in_({lease.node for lease in leases}), IS_RUNNING)
        .values(lease_expire_time=lease_until)
        .returning(jobs.c.job_id, jobs.c.lease_token, jobs.c.cancel_requested)
    )
    rows = connection.execute(statement).all()
    return {job_id: cancel for job_id, token, cancel in rows if held[job_id] == token}


def release(
    connection: sa.Connection,
    lease: Lease,
    *,
    now: datetime,
    failure: Failure | None = None,
    not_before: datetime | None = None,
) -> Job | None:
    if failure is None:
        return _give_back(connection, _held(lease), JobEvent.RELEASE, now=now)
    changes = {"failures": jobs.c.failures + 1, "failure": failure_json(failure), "not_before": not_before}
    return _give_back(connection, _held(lease), JobEvent.RELEASE, now=now, **changes)


def rescue(connection: sa.Connection, node: str, *, now: datetime, max_rescues: int) -> Sequence[Job]:
    return _rescue(connection, jobs.c.node == node, now=now, max_rescues=max_rescues)


def rescue_expired(connection: sa.Connection, *, now: datetime, max_rescues: int) -> Sequence[Job]:
    return _rescue(connection, jobs.c.lease_expire_time < now, now=now, max_rescues=max_rescues)


def restart(connection: sa.Connection, lease: Lease) -> None:
    changed = connection.execute(sa.update(jobs).where(*_held(lease)).values(checkpoint=None))
    if changed.rowcount:
        connection.execute(sa.delete(segments).where(segments.c.job_id == lease.job_id))


def fetched(connection: sa.Connection, lease: Lease, media: Media) -> Job | None:
    changes = {"media": media_json(media), "media_key": media.key}
    row = connection.execute(sa.update(jobs).where(*_held(lease)).values(**changes).returning(jobs)).first()
    return read_job(row) if row is not None else None


def record(connection: sa.Connection, reports: Mapping[Lease, Report]) -> None:
    """The same few statements for one report as for hundreds. Ignored of a run that is over: the job may have been
    cancelled, or rescued by another node, between the window's end and now.
    """
    by_id = {lease.job_id: lease for lease in reports}
    statement = sa.select(jobs.c.job_id, jobs.c.lease_token).where(jobs.c.job_id.in_(by_id), IS_RUNNING)
    rows = connection.execute(statement.with_for_update()).all()
    running = [by_id[job_id] for job_id, token in rows if by_id[job_id].token == token]
    if not running:
        return
    connection.execute(
        sa.update(jobs).where(jobs.c.job_id == sa.bindparam("running_id")),
        [
            {
                "running_id": lease.job_id,
                "progress": progress_json(reports[lease].progress),
                "update_time": reports[lease].time,
            }
            for lease in running
        ],
    )
    _store_checkpoints(connection, {lease.job_id: reports[lease].checkpoint for lease in running})
    _store_segments(connection, [(lease.job_id, segment) for lease in running for segment in reports[lease].segments])


def complete(
    connection: sa.Connection, lease: Lease, info: TranscriptInfo, last: Sequence[Segment], *, now: datetime
) -> Job | None:
    """Compare and set first: where the job has moved on, no segment is touched."""
    job_id = lease.job_id
    if _end(connection, _held(lease), JobEvent.COMPLETE, now=now, info=info_json(info)) is None:
        return None
    _store_segments(connection, [(job_id, segment) for segment in last])
    connection.execute(
        sa.update(segments).where(segments.c.job_id == job_id, sa.not_(segments.c.final)).values(final=True)
    )
    count = sa.select(sa.func.count()).select_from(segments).where(segments.c.job_id == job_id)
    whole = Progress(info.duration_samples, info.duration_samples, connection.execute(count).scalar_one())
    return _change(connection, job_id, progress=progress_json(whole))


def fail(connection: sa.Connection, lease: Lease, failure: Failure, *, now: datetime) -> Job | None:
    return _end(connection, _held(lease), JobEvent.FAIL, now=now, failure=failure_json(failure))


def fail_late(connection: sa.Connection, *, now: datetime) -> Sequence[Job]:
    late = sa.select(jobs.c.job_id).where(IS_QUEUED, jobs.c.deadline_time.is_not(None), jobs.c.deadline_time <= now)
    failure = failure_json(failure_of(JobDeadlineExceeded("the job waited until its deadline")))
    ended = [
        _end(connection, (jobs.c.job_id == job_id, IS_QUEUED), JobEvent.FAIL, now=now, failure=failure)
        for job_id in connection.execute(late).scalars().all()
    ]
    return [job for job in ended if job is not None]


def cancelled(connection: sa.Connection, lease: Lease, *, now: datetime) -> Job | None:
    return _end(connection, _held(lease), JobEvent.CANCEL, now=now)


def request_cancel(connection: sa.Connection, tenant: str, job_id: str, *, now: datetime) -> Job:
    job = _get_for_update(connection, tenant, job_id)
    if job.state is JobState.QUEUED:
        return _end(connection, (jobs.c.job_id == job_id,), JobEvent.CANCEL, now=now) or job
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


Condition: TypeAlias = "sa.ColumnElement[bool] | sa.TextClause"


def _held(lease: Lease) -> tuple[Condition, ...]:
    """The job while this lease is the one under which it runs."""
    return (jobs.c.job_id == lease.job_id, jobs.c.lease_token == lease.token, jobs.c.node == lease.node, IS_RUNNING)


def _rescue(connection: sa.Connection, lost: Condition, *, now: datetime, max_rescues: int) -> Sequence[Job]:
    statement = sa.select(jobs.c.job_id, jobs.c.rescues).where(lost, IS_RUNNING).order_by(jobs.c.create_time)
    rescued: list[Job | None] = []
    for job_id, rescues in connection.execute(statement.with_for_update(skip_locked=True)).all():
        this = (jobs.c.job_id == job_id, IS_RUNNING)
        if rescues + 1 >= max_rescues:
            failure = failure_json(failure_of(PoisonJob("the node", rescues + 1)))
            rescued.append(_end(connection, this, JobEvent.FAIL, now=now, failure=failure, rescues=rescues + 1))
        else:
            rescued.append(_give_back(connection, this, JobEvent.RESCUE, now=now, rescues=rescues + 1))
    return [job for job in rescued if job is not None]


def _give_back(
    connection: sa.Connection, this: Sequence[Condition], event: JobEvent, *, now: datetime, **changes: Any
) -> Job | None:
    """RUNNING → QUEUED. A job whose owner has asked to cancel it does not wait again: it is CANCELLED."""
    statement = sa.select(jobs.c.cancel_requested).where(*this).with_for_update()
    if connection.execute(statement).scalar():
        return _end(connection, this, JobEvent.CANCEL, now=now)
    return _move(connection, sa.and_(*this), event, now=now, lease_expire_time=None, **changes)


def _end(
    connection: sa.Connection, this: Sequence[Condition], event: JobEvent, *, now: datetime, **changes: Any
) -> Job | None:
    """Move to a terminal state; from then on the job is kept for its `ttl`, and nobody goes on with it."""
    ttl_s = connection.execute(sa.select(jobs.c.ttl_s).where(*this).with_for_update()).scalar()
    if ttl_s is None:
        return None
    changes = {"failure": None, "checkpoint": None} | changes
    changes |= {"end_time": now, "expire_time": now + timedelta(seconds=ttl_s), "lease_expire_time": None}
    return _move(connection, sa.and_(*this), event, now=now, **changes)


def _move(connection: sa.Connection, this: Condition, event: JobEvent, *, now: datetime, **changes: Any) -> Job | None:
    """Compare and set: one UPDATE that finds no row unless the table allows `event` in the state the job is in."""
    sources = [state for state, known in TRANSITIONS if known is event]
    (target,) = {next_state(state, event) for state in sources}
    statement = (
        sa.update(jobs)
        .where(this, jobs.c.state.in_([str(state) for state in sources]))
        .values(state=str(target), update_time=now, **changes)
        .returning(jobs)
    )
    row = connection.execute(statement).first()
    return read_job(row) if row is not None else None


def _change(connection: sa.Connection, job_id: str, **changes: Any) -> Job:
    return read_job(
        connection.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(**changes).returning(jobs)).one()
    )


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


def _store_checkpoints(connection: sa.Connection, new: Mapping[str, Checkpoint | None]) -> None:
    """A job that has got further has not been killed by what it did before."""
    rows = [
        {"running_id": job_id, "checkpoint": checkpoint_json(checkpoint), "rescues": 0}
        for job_id, checkpoint in new.items()
        if checkpoint is not None
    ]
    if rows:
        connection.execute(sa.update(jobs).where(jobs.c.job_id == sa.bindparam("running_id")), rows)
