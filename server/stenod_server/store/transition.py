"""How a job's state changes, and the only way: a compare-and-set whose rows are those of the transition table."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import sqlalchemy as sa

from stenod_server.domain.job import TRANSITIONS, Job, JobEvent, JobState, next_state
from stenod_server.ports.cluster import SignalKind
from stenod_server.store.codec import read_job
from stenod_server.store.tables import deliveries, jobs
from stenod_server.store.telling import tell

Condition: TypeAlias = "sa.ColumnElement[bool] | sa.TextClause"


def move(connection: sa.Connection, this: Condition, event: JobEvent, *, now: datetime, **changes: Any) -> Job | None:
    """Compare and set: one UPDATE that finds no row unless the table allows `event` in the state the job is in."""
    return next(iter(_moved(connection, this, event, now=now, **changes)), None)


def move_all(
    connection: sa.Connection, job_ids: Collection[str], event: JobEvent, *, now: datetime, **changes: Any
) -> Sequence[Job]:
    """As `move`, for all of them that the table allows it, in one UPDATE."""
    return _moved(connection, jobs.c.job_id.in_(job_ids), event, now=now, **changes)


def end(
    connection: sa.Connection, this: Sequence[Condition], event: JobEvent, *, now: datetime, **changes: Any
) -> Job | None:
    """Move to a terminal state; from then on the job is kept for its `ttl`, nobody goes on with it, and whoever is to
    be told is told.
    """
    ttl_s = connection.execute(sa.select(jobs.c.ttl_s).where(*this).with_for_update()).scalar()
    if ttl_s is None:
        return None
    changes = {"failure": None, "checkpoint": None} | changes
    changes |= {"end_time": now, "expire_time": now + timedelta(seconds=ttl_s), "lease_expire_time": None}
    job = move(connection, sa.and_(*this), event, now=now, **changes)
    if job is not None:
        due = sa.update(deliveries).where(deliveries.c.job_id == job.job_id).values(next_time=now)
        if connection.execute(due).rowcount:
            tell(connection, SignalKind.DELIVERY)
    return job


def give_back(
    connection: sa.Connection, this: Sequence[Condition], event: JobEvent, *, now: datetime, **changes: Any
) -> Job | None:
    """RUNNING → QUEUED. A job whose owner has asked to cancel it does not wait again: it is CANCELLED."""
    statement = sa.select(jobs.c.cancel_requested).where(*this).with_for_update()
    if connection.execute(statement).scalar():
        return end(connection, this, JobEvent.CANCEL, now=now)
    return move(connection, sa.and_(*this), event, now=now, lease_expire_time=None, **changes)


def change(connection: sa.Connection, job_id: str, **changes: Any) -> Job:
    return read_job(
        connection.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(**changes).returning(jobs)).one()
    )


def _moved(
    connection: sa.Connection, these: Condition, event: JobEvent, *, now: datetime, **changes: Any
) -> Sequence[Job]:
    sources = [state for state, known in TRANSITIONS if known is event]
    (target,) = {next_state(state, event) for state in sources}
    statement = (
        sa.update(jobs)
        .where(these, jobs.c.state.in_([str(state) for state in sources]))
        .values(state=str(target), update_time=now, **changes)
        .returning(jobs)
    )
    moved = [read_job(row) for row in connection.execute(statement).all()]
    for job in moved:
        tell(connection, SignalKind.CHANGED, job.job_id)
        if target is JobState.QUEUED:
            tell(connection, SignalKind.QUEUED)
    return moved
