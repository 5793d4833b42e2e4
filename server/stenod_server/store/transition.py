"""How a job's state changes, and the only way: a compare-and-set whose rows are those of the transition table.

Its statements are built once each: to build one takes longer than to run it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from stenod_server.domain.job import TRANSITIONS, Job, JobEvent, JobState, Lease, next_state
from stenod_server.ports.cluster import SignalKind
from stenod_server.store.codec import read_job
from stenod_server.store.tables import IS_QUEUED, IS_RUNNING, deliveries, jobs
from stenod_server.store.telling import tell

Condition: TypeAlias = "sa.ColumnElement[bool] | sa.TextClause"


class _Rows(StrEnum):
    """Which rows of the jobs."""

    JOB = "job"
    JOBS = "jobs"
    QUEUED = "queued"  # one, while it waits
    RUNNING = "running"  # one, while it runs
    HELD = "held"  # one, while it runs under a lease


_JOB: Final = jobs.c.job_id == sa.bindparam("this_id")
_CONDITIONS: Final[Mapping[_Rows, Sequence[Condition]]] = {
    _Rows.JOB: (_JOB,),
    _Rows.JOBS: (jobs.c.job_id.in_(sa.bindparam("these_ids", expanding=True)),),
    _Rows.QUEUED: (_JOB, IS_QUEUED),
    _Rows.RUNNING: (_JOB, IS_RUNNING),
    _Rows.HELD: (
        _JOB,
        jobs.c.lease_token == sa.bindparam("this_token"),
        jobs.c.node == sa.bindparam("this_node"),
        IS_RUNNING,
    ),
}
_DUE: Final = (
    sa.update(deliveries)
    .where(deliveries.c.job_id == sa.bindparam("this_id"))
    .values(next_time=sa.bindparam("now", type_=deliveries.c.next_time.type))
)
_CHANGE: Final = sa.update(jobs).where(_JOB).returning(jobs)


@dataclass(frozen=True, slots=True)
class These:
    """Jobs that may change their state. `values` are the condition's."""

    rows: _Rows
    values: Mapping[str, Any]

    @property
    def conditions(self) -> Sequence[Condition]:
        """To be executed with `values`."""
        return _CONDITIONS[self.rows]


def job(job_id: str) -> These:
    return These(_Rows.JOB, {"this_id": job_id})


def queued(job_id: str) -> These:
    return These(_Rows.QUEUED, {"this_id": job_id})


def running(job_id: str) -> These:
    return These(_Rows.RUNNING, {"this_id": job_id})


def held(lease: Lease) -> These:
    """The job while this lease is the one under which it runs."""
    return These(_Rows.HELD, {"this_id": lease.job_id, "this_token": lease.token, "this_node": lease.node})


def move(
    connection: sa.Connection,
    this: These,
    event: JobEvent,
    *,
    now: datetime,
    counting: tuple[str, ...] = (),
    **changes: Any,
) -> Job | None:
    """Compare and set: one UPDATE that finds no row unless the table allows `event` in the state the job is in. The
    columns of `counting` are one more.
    """
    return next(iter(_moved(connection, this, event, now=now, counting=counting, **changes)), None)


def move_all(
    connection: sa.Connection,
    job_ids: Collection[str],
    event: JobEvent,
    *,
    now: datetime,
    counting: tuple[str, ...] = (),
    **changes: Any,
) -> Sequence[Job]:
    """As `move`, for all of them that the table allows it, in one UPDATE."""
    these = These(_Rows.JOBS, {"these_ids": list(job_ids)})
    return _moved(connection, these, event, now=now, counting=counting, **changes)


def lock(connection: sa.Connection, this: These) -> timedelta | None:
    """Nobody else changes the job until the transaction ends. How long it is to be kept after its end; None where there
    is none such.
    """
    ttl_s = connection.execute(_locking(this.rows, "ttl_s"), this.values).scalar()
    return None if ttl_s is None else timedelta(seconds=ttl_s)


def end(connection: sa.Connection, this: These, event: JobEvent, *, now: datetime, **changes: Any) -> Job | None:
    """Move to a terminal state; from then on the job is kept for its `ttl`, nobody goes on with it, and whoever is to
    be told is told.
    """
    ttl = lock(connection, this)
    return None if ttl is None else end_locked(connection, this, event, now=now, ttl=ttl, **changes)


def end_locked(
    connection: sa.Connection, this: These, event: JobEvent, *, now: datetime, ttl: timedelta, **changes: Any
) -> Job | None:
    """As `end`, of a job that was locked."""
    changes = {"failure": None, "checkpoint": None} | changes
    changes |= {"end_time": now, "expire_time": now + ttl, "lease_expire_time": None}
    ended = move(connection, this, event, now=now, **changes)
    if ended is not None and connection.execute(_DUE, {"this_id": ended.job_id, "now": now}).rowcount:
        tell(connection, SignalKind.DELIVERY)
    return ended


def give_back(connection: sa.Connection, this: These, event: JobEvent, *, now: datetime, **changes: Any) -> Job | None:
    """RUNNING → QUEUED. A job whose owner has asked to cancel it does not wait again: it is CANCELLED."""
    if connection.execute(_locking(this.rows, "cancel_requested"), this.values).scalar():
        return end(connection, this, JobEvent.CANCEL, now=now)
    return move(connection, this, event, now=now, lease_expire_time=None, **changes)


def change(connection: sa.Connection, job_id: str, **changes: Any) -> Job:
    return read_job(connection.execute(_CHANGE, {"this_id": job_id, **changes}).one())


def _moved(
    connection: sa.Connection,
    these: These,
    event: JobEvent,
    *,
    now: datetime,
    counting: tuple[str, ...],
    **changes: Any,
) -> Sequence[Job]:
    target = _target(event)
    statement = _moving(these.rows, event, counting)
    values = {"state": str(target), "update_time": now, **changes, **these.values}
    moved = [read_job(row) for row in connection.execute(statement, values).all()]
    for one in moved:
        tell(connection, SignalKind.CHANGED, one.job_id)
        if target is JobState.QUEUED:
            tell(connection, SignalKind.QUEUED)
    return moved


@cache
def _target(event: JobEvent) -> JobState:
    (target,) = {next_state(state, event) for state in _sources(event)}
    return target


def _sources(event: JobEvent) -> Sequence[JobState]:
    return [state for state, known in TRANSITIONS if known is event]


@cache
def _moving(rows: _Rows, event: JobEvent, counting: tuple[str, ...]) -> sa.UpdateBase:
    sources = jobs.c.state.in_([sa.literal_column(f"'{state}'") for state in _sources(event)])
    counted = {name: jobs.c[name] + 1 for name in counting}
    statement = sa.update(jobs).where(*_CONDITIONS[rows], sources)
    return (statement.values(**counted) if counted else statement).returning(jobs)


@cache
def _locking(rows: _Rows, column: str) -> sa.Select[Any]:
    return sa.select(jobs.c[column]).where(*_CONDITIONS[rows]).with_for_update()
