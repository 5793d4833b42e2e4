"""What is asked of the waiting and the running jobs of a cluster: blocking functions of a connection."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from stenod_server.domain.job import Job, JobConfig
from stenod_server.domain.quota import TenantLimits
from stenod_server.ports.cluster import Load, RunningJob
from stenod_server.store.codec import read_config, read_job
from stenod_server.store.job_queries import is_due
from stenod_server.store.tables import IS_PROMISED, IS_QUEUED, IS_RUNNING, UtcDateTime, jobs

# From tenant to tenant along the index, rather than over all that waits. What each has foremost tells level ones apart.
_TENANTS: Final = (
    sa.text(
        """
    WITH RECURSIVE waiting (tenant) AS (
        SELECT min(tenant) FROM jobs WHERE state = 'QUEUED'
        UNION ALL
        SELECT (SELECT min(jobs.tenant) FROM jobs WHERE state = 'QUEUED' AND jobs.tenant > waiting.tenant)
        FROM waiting WHERE waiting.tenant IS NOT NULL
    ),
    busy AS (SELECT tenant, sum(reserved_engines) AS engines FROM jobs WHERE state = 'RUNNING' GROUP BY tenant)
    SELECT waiting.tenant, coalesce(busy.engines, 0) AS engines,
        (SELECT create_time FROM jobs WHERE state = 'QUEUED' AND jobs.tenant = waiting.tenant
         ORDER BY priority DESC, create_time, job_id LIMIT 1) AS oldest
    FROM waiting LEFT JOIN busy ON busy.tenant = waiting.tenant WHERE waiting.tenant IS NOT NULL
    """
    )
    .columns(sa.column("tenant", sa.Text), sa.column("engines", sa.Integer), sa.column("oldest", UtcDateTime))
    .subquery()
)

_LOOKED_AT: Final = (
    jobs.c.job_id, jobs.c.tenant, jobs.c.priority, jobs.c.create_time, jobs.c.reserved_engines, jobs.c.overtakes,
    jobs.c.promised_to, jobs.c.promised_until, jobs.c.config,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """What decides of a waiting job who runs it."""

    job_id: str
    tenant: str
    priority: int
    create_time: datetime
    engines: int
    overtakes: int
    promised_to: str
    promised_until: datetime | None
    config: JobConfig


@dataclass(frozen=True, slots=True)
class WaitingTenant:
    """A tenant with jobs that wait: the engines of those that run, and the age of its foremost one."""

    name: str
    engines: int
    oldest: datetime


def waiting_tenants(connection: sa.Connection, gate: sa.ColumnElement[bool]) -> Sequence[WaitingTenant] | None:
    """None where `gate` is shut. It is tried in the same statement, so that what is read may be older by a moment."""
    is_open = sa.select(gate).scalar_subquery().label("is_open")
    rows = connection.execute(sa.select(*_TENANTS.c, is_open)).all()
    if not all(row.is_open for row in rows):
        return None
    return [WaitingTenant(row.tenant, row.engines, row.oldest) for row in rows]


def line_of(
    connection: sa.Connection, tenant: str, *, models: Sequence[str], now: datetime, page: int
) -> Iterator[WaitingJob]:
    """A tenant's waiting jobs that nobody else is at, in the order in which they run; locked as they are given."""
    statement = (
        sa.select(*_LOOKED_AT)
        .where(IS_QUEUED, jobs.c.tenant == tenant, is_due(now), jobs.c.model.in_(["", *models]))
        .order_by(jobs.c.priority.desc(), jobs.c.create_time, jobs.c.job_id)
        .with_for_update(skip_locked=True)
    )
    behind: sa.ColumnElement[bool] = sa.true()
    while line := [_read(row) for row in connection.execute(statement.where(behind).limit(page))]:
        yield from line
        if len(line) < page:
            return
        behind, page = _is_behind(line[-1]), page * 4


def promised_to(connection: sa.Connection, node: str, *, now: datetime) -> Sequence[WaitingJob]:
    """What a node keeps engines for, the first promise first; locked."""
    statement = (
        sa.select(*_LOOKED_AT)
        .where(IS_PROMISED, jobs.c.promised_to == node, jobs.c.promised_until > now, is_due(now))
        .order_by(jobs.c.create_time, jobs.c.job_id)
        .with_for_update(skip_locked=True)
    )
    return [_read(row) for row in connection.execute(statement)]


def engines_of(connection: sa.Connection, tenant: str, *, now: datetime) -> int:
    """What a tenant's jobs have, and what is promised to them."""
    mine = jobs.c.tenant == tenant
    has = sa.select(jobs.c.reserved_engines).where(IS_RUNNING, mine)
    gets = sa.select(jobs.c.reserved_engines).where(IS_PROMISED, mine, jobs.c.promised_until > now)
    both = sa.union_all(has, gets).subquery()
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.sum(both.c.reserved_engines), 0))).scalar_one())


def running_on(connection: sa.Connection, node: str) -> Sequence[Job]:
    return [read_job(row) for row in connection.execute(sa.select(jobs).where(IS_RUNNING, jobs.c.node == node))]


def load(connection: sa.Connection, *, now: datetime, limits_of: Callable[[str], TenantLimits]) -> Load:
    columns = (jobs.c.job_id, jobs.c.tenant, jobs.c.reserved_engines, jobs.c.node)
    running = [RunningJob(*row) for row in connection.execute(sa.select(*columns).where(IS_RUNNING)).all()]
    engines = sa.func.sum(jobs.c.reserved_engines)
    count, first = sa.func.count(), sa.func.min(jobs.c.create_time)
    waiting = connection.execute(
        sa.select(jobs.c.tenant, count, engines, first).where(IS_QUEUED).group_by(jobs.c.tenant)
    ).all()
    promises = connection.execute(
        sa.select(jobs.c.tenant, jobs.c.promised_to, jobs.c.reserved_engines).where(
            IS_PROMISED, jobs.c.promised_until > now
        )
    ).all()
    promised: Counter[str] = Counter()
    had = Counter[str]()
    for job in running:
        had[job.tenant] += job.engines
    asked = Counter({tenant: int(engines) for tenant, _, engines, _ in waiting})
    for tenant, node, engines_promised in promises:
        promised[node] += engines_promised
        had[tenant] += engines_promised
        asked[tenant] -= engines_promised
    return Load(
        running=running,
        queued_jobs=sum(count for _, count, _, _ in waiting),
        oldest_queued=min((oldest for *_, oldest in waiting), default=None),
        promised=promised,
        waiting_engines=sum(_allowed(n, had[tenant], limits_of(tenant)) for tenant, n in asked.items()),
    )


def _allowed(asked: int, had: int, limits: TenantLimits) -> int:
    return min(asked, max(0, limits.max_running_engines - had)) if limits.max_running_engines else asked


def _is_behind(job: WaitingJob) -> sa.ColumnElement[bool]:
    last = sa.tuple_(sa.literal(job.create_time, UtcDateTime), sa.literal(job.job_id, sa.Text))
    younger = sa.tuple_(jobs.c.create_time, jobs.c.job_id) > last
    return sa.or_(jobs.c.priority < job.priority, sa.and_(jobs.c.priority == job.priority, younger))


def _read(row: Any) -> WaitingJob:
    values = row._asdict()
    return WaitingJob(
        **{"engines": values.pop("reserved_engines"), "config": read_config(values.pop("config")), **values}
    )
