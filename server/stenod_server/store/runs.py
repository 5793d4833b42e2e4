"""The run of a job, from its claim to its end: blocking functions of a connection, each a transaction of its caller's.

Whoever runs a job writes under its lease; a write under a lease that was lost finds no row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from stenod_server.domain.job import Checkpoint, Failure, Job, JobEvent, Lease, Media, Progress
from stenod_server.domain.retry import failure_of
from stenod_server.domain.transcript import Segment, TranscriptInfo
from stenod_server.errors import PoisonJob
from stenod_server.ports import CacheKey
from stenod_server.ports.cluster import SignalKind
from stenod_server.store import result_cache, transition, usage
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
from stenod_server.store.transition import Condition, change, end, give_back, held, move

_DELETE_DRAFTS: Final = sa.delete(drafts).where(drafts.c.job_id == sa.bindparam("old_id"))
_COUNT_SEGMENTS: Final = (
    sa.select(sa.func.count()).select_from(segments).where(segments.c.job_id == sa.bindparam("old_id"))
)
# In these words both SQLite and PostgreSQL take it; SQLAlchemy's own upserts are of one database each.
_REPLACE: Final[Mapping[sa.Table, sa.TextClause]] = {
    table: sa.text(
        f"INSERT INTO {table.name} (job_id, segment_index, body) VALUES (:job_id, :segment_index, :body) "  # noqa: S608
        "ON CONFLICT (job_id, segment_index) DO UPDATE SET body = excluded.body"
    )
    for table in (segments, drafts)
}


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
        transition.job(job_id),
        JobEvent.CLAIM,
        now=now,
        counting=("attempt", "lease_token"),
        node=node,
        start_time=now,
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
        changes |= {"counting": ("failures",), "failure": failure_json(failure)}
    return give_back(connection, held(lease), JobEvent.RELEASE, now=now, **changes)


def rescue(connection: sa.Connection, node: str, *, now: datetime, max_rescues: int) -> Sequence[Job]:
    return _rescue(connection, jobs.c.node == node, now=now, max_rescues=max_rescues)


def rescue_expired(connection: sa.Connection, *, now: datetime, max_rescues: int) -> Sequence[Job]:
    return _rescue(connection, jobs.c.lease_expire_time < now, now=now, max_rescues=max_rescues)


def restart(connection: sa.Connection, lease: Lease) -> None:
    this = held(lease)
    changed = connection.execute(sa.update(jobs).where(*this.conditions), {"checkpoint": None, **this.values})
    if changed.rowcount:
        _forget_behind(connection, lease.job_id, 0)


def fetched(connection: sa.Connection, lease: Lease, media: Media) -> Job | None:
    this = held(lease)
    changes = {"media": media_json(media), "media_key": media.key, **this.values}
    row = connection.execute(sa.update(jobs).where(*this.conditions).returning(jobs), changes).first()
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
    if transition.lock(connection, held(lease)) is None:
        return False
    _store_segments(connection, [(lease.job_id, segment) for segment in final])
    tell(connection, SignalKind.CHANGED, lease.job_id)
    return True


def complete(
    connection: sa.Connection,
    lease: Lease,
    info: TranscriptInfo,
    last: Sequence[Segment],
    *,
    now: datetime,
    cache: CacheKey | None = None,
) -> Job | None:
    """Locked first: where the job has moved on, no segment is touched and nothing is counted."""
    this, job_id = held(lease), lease.job_id
    ttl = transition.lock(connection, this)
    if ttl is None:
        return None
    _store_segments(connection, [(job_id, segment) for segment in last if segment.final])
    connection.execute(_DELETE_DRAFTS, {"old_id": job_id})
    stored = connection.execute(_COUNT_SEGMENTS, {"old_id": job_id}).scalar_one()
    whole = Progress(info.duration_samples, info.duration_samples, stored)
    changes = {"info": info_json(info), "progress": progress_json(whole)}
    job = transition.end_locked(connection, this, JobEvent.COMPLETE, now=now, ttl=ttl, **changes)
    if job is None:
        return None
    usage.add(connection, job, info.duration_s, now=now)
    if cache is not None:
        result_cache.remember(connection, job, cache, now=now)
    return job


def reuse(connection: sa.Connection, lease: Lease, tenant: str, cache: CacheKey, *, now: datetime) -> Job | None:
    source = result_cache.find(connection, tenant, cache)
    return None if source is None else result_cache.take_over(connection, held(lease), source, now=now)


def fail(connection: sa.Connection, lease: Lease, failure: Failure, *, now: datetime) -> Job | None:
    return end(connection, held(lease), JobEvent.FAIL, now=now, failure=failure_json(failure))


def cancelled(connection: sa.Connection, lease: Lease, *, now: datetime) -> Job | None:
    return end(connection, held(lease), JobEvent.CANCEL, now=now)


def _rescue(connection: sa.Connection, lost: Condition, *, now: datetime, max_rescues: int) -> Sequence[Job]:
    statement = sa.select(jobs.c.job_id, jobs.c.rescues).where(lost, IS_RUNNING).order_by(jobs.c.create_time)
    rescued: list[Job | None] = []
    for job_id, rescues in connection.execute(statement.with_for_update(skip_locked=True)).all():
        this = transition.running(job_id)
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
            connection.execute(_REPLACE[table], list(rows.values()))


def _store_checkpoints(connection: sa.Connection, new: Mapping[str, Checkpoint | None]) -> None:
    """A job that has got further has not been killed by what it did before."""
    rows = [
        {"running_id": job_id, "checkpoint": checkpoint_json(checkpoint), "rescues": 0}
        for job_id, checkpoint in new.items()
        if checkpoint is not None
    ]
    if rows:
        connection.execute(sa.update(jobs).where(jobs.c.job_id == sa.bindparam("running_id")), rows)
