"""The run of a job, from its claim to its end: blocking functions of a connection, each a transaction of its caller's.

Whoever runs a job writes under its lease; a write under a lease that was lost finds no row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from stenod_server.domain.job import Checkpoint, Failure, Job, JobEvent, Lease, Media, Progress
from stenod_server.domain.retry import failure_of
from stenod_server.domain.transcript import Segment, TranscriptInfo
from stenod_server.errors import PoisonJob
from stenod_server.ports import CacheKey
from stenod_server.ports.cluster import SignalKind
from stenod_server.store import result_cache, usage
from stenod_server.store.codec import (
    checkpoint_json,
    failure_json,
    info_json,
    media_json,
    progress_json,
    read_job,
)
from stenod_server.store.segment_codec import segment_row
from stenod_server.store.tables import IS_RUNNING, drafts, jobs, segments
from stenod_server.store.telling import tell
from stenod_server.store.transition import Condition, change, end, give_back, move


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


def claim(connection: sa.Connection, job_id: str, *, node: str, now: datetime, lease_until: datetime) -> Job | None:
    job = move(
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
    return None if job is None else begun(connection, job)


def begun(connection: sa.Connection, job: Job) -> Job:
    """A job that was claimed, with what is behind the checkpoint alone."""
    if job.attempt == 1:
        return job
    _forget_behind(connection, job.job_id, job.checkpoint.segments if job.checkpoint else 0)
    return job if job.checkpoint else change(connection, job.job_id, progress=progress_json(Progress()))


def renew(connection: sa.Connection, leases: Sequence[Lease], lease_until: datetime) -> Mapping[str, bool]:
    held = {lease.job_id: lease.token for lease in leases}
    # In one order everywhere: two transactions that lock some of the same rows do not end in a deadlock.
    locked = sa.select(jobs.c.job_id).where(jobs.c.job_id.in_(held), IS_RUNNING).order_by(jobs.c.job_id)
    connection.execute(locked.with_for_update()).all()
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
    changes: dict[str, Any] = {"not_before": not_before}
    if failure is not None:
        changes |= {"failures": jobs.c.failures + 1, "failure": failure_json(failure)}
    return give_back(connection, _held(lease), JobEvent.RELEASE, now=now, **changes)


def rescue(connection: sa.Connection, node: str, *, now: datetime, max_rescues: int) -> Sequence[Job]:
    return _rescue(connection, jobs.c.node == node, now=now, max_rescues=max_rescues)


def rescue_expired(connection: sa.Connection, *, now: datetime, max_rescues: int) -> Sequence[Job]:
    return _rescue(connection, jobs.c.lease_expire_time < now, now=now, max_rescues=max_rescues)


def restart(connection: sa.Connection, lease: Lease) -> None:
    changed = connection.execute(sa.update(jobs).where(*_held(lease)).values(checkpoint=None))
    if changed.rowcount:
        _forget_behind(connection, lease.job_id, 0)


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
    rows = connection.execute(statement.order_by(jobs.c.job_id).with_for_update()).all()
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
    for lease in running:
        tell(connection, SignalKind.CHANGED, lease.job_id)
    _store_checkpoints(connection, {lease.job_id: reports[lease].checkpoint for lease in running})
    _store_segments(connection, [(lease.job_id, segment) for lease in running for segment in reports[lease].segments])


def finalise(connection: sa.Connection, lease: Lease, final: Sequence[Segment]) -> bool:
    held = connection.execute(sa.select(jobs.c.job_id).where(*_held(lease)).with_for_update()).first()
    if held is not None:
        _store_segments(connection, [(lease.job_id, segment) for segment in final])
        tell(connection, SignalKind.CHANGED, lease.job_id)
    return held is not None


def complete(
    connection: sa.Connection,
    lease: Lease,
    info: TranscriptInfo,
    last: Sequence[Segment],
    *,
    now: datetime,
    cache: CacheKey | None = None,
) -> Job | None:
    """Compare and set first: where the job has moved on, no segment is touched and nothing is counted."""
    job_id = lease.job_id
    if end(connection, _held(lease), JobEvent.COMPLETE, now=now, info=info_json(info)) is None:
        return None
    _store_segments(connection, [(job_id, segment) for segment in last if segment.final])
    connection.execute(sa.delete(drafts).where(drafts.c.job_id == job_id))
    count = sa.select(sa.func.count()).select_from(segments).where(segments.c.job_id == job_id)
    whole = Progress(info.duration_samples, info.duration_samples, connection.execute(count).scalar_one())
    job = change(connection, job_id, progress=progress_json(whole))
    usage.add(connection, job, info.duration_s, now=now)
    if cache is not None:
        result_cache.remember(connection, job, cache, now=now)
    return job


def reuse(connection: sa.Connection, lease: Lease, tenant: str, cache: CacheKey, *, now: datetime) -> Job | None:
    source = result_cache.find(connection, tenant, cache)
    return None if source is None else result_cache.take_over(connection, _held(lease), source, now=now)


def fail(connection: sa.Connection, lease: Lease, failure: Failure, *, now: datetime) -> Job | None:
    return end(connection, _held(lease), JobEvent.FAIL, now=now, failure=failure_json(failure))


def cancelled(connection: sa.Connection, lease: Lease, *, now: datetime) -> Job | None:
    return end(connection, _held(lease), JobEvent.CANCEL, now=now)


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
            rescued.append(end(connection, this, JobEvent.FAIL, now=now, failure=failure, rescues=rescues + 1))
        else:
            rescued.append(give_back(connection, this, JobEvent.RESCUE, now=now, rescues=rescues + 1))
    return [job for job in rescued if job is not None]


def _forget_behind(connection: sa.Connection, job_id: str, kept: int) -> None:
    """What is before the checkpoint is kept; where those are drafts, none of the final segments are: they are made of
    all the drafts.
    """
    connection.execute(sa.delete(drafts).where(drafts.c.job_id == job_id, drafts.c.segment_index >= kept))
    has_drafts = sa.exists().where(drafts.c.job_id == job_id)
    behind = sa.or_(segments.c.segment_index >= kept, has_drafts)
    connection.execute(sa.delete(segments).where(segments.c.job_id == job_id, behind))


def _store_segments(connection: sa.Connection, new: Sequence[tuple[str, Segment]]) -> None:
    """Insert; a segment stored before under the same index is replaced."""
    for table, final in ((segments, True), (drafts, False)):
        rows = {(job_id, one.index): segment_row(job_id, one) for job_id, one in new if one.final is final}
        if rows:
            _replace(connection, table, rows)


def _replace(connection: sa.Connection, table: sa.Table, rows: Mapping[tuple[str, int], Mapping[str, Any]]) -> None:
    connection.execute(
        sa.delete(table).where(
            table.c.job_id == sa.bindparam("old_id"), table.c.segment_index == sa.bindparam("old_index")
        ),
        [{"old_id": job_id, "old_index": index} for job_id, index in rows],
    )
    connection.execute(sa.insert(table), list(rows.values()))


def _store_checkpoints(connection: sa.Connection, new: Mapping[str, Checkpoint | None]) -> None:
    """A job that has got further has not been killed by what it did before."""
    rows = [
        {"running_id": job_id, "checkpoint": checkpoint_json(checkpoint), "rescues": 0}
        for job_id, checkpoint in new.items()
        if checkpoint is not None
    ]
    if rows:
        connection.execute(sa.update(jobs).where(jobs.c.job_id == sa.bindparam("running_id")), rows)
