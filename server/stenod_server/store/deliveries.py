"""`SqlDeliveryStore`: the outbox. See `ports.DeliveryStore`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa

from stenod_server.domain.job import Job
from stenod_server.domain.notification import Notice, NoticeState
from stenod_server.ports import FILES_INDEX, Delivery
from stenod_server.ports.cluster import SignalKind
from stenod_server.store.codec import notices_json, notification_json, read_job, read_notices, read_notification
from stenod_server.store.database import Database
from stenod_server.store.tables import deliveries, jobs
from stenod_server.store.telling import tell
from stenod_server.store.transition import Condition


class SqlDeliveryStore:
    """Implements `ports.DeliveryStore`; the database is the job store's to close."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim_due(
        self, node: str, *, now: datetime, until: datetime, limit: int, per_host: int, busy: Mapping[str, int]
    ) -> Sequence[Delivery]:
        """Mostly nothing is due: that is found without the writer, and without a transaction."""
        due = await self._database.read(partial(_due, now=now, limit=limit, per_host=per_host, busy=busy))
        if not due:
            return ()
        return await self._database.write(partial(_claim, keys=due, node=node, now=now, until=until))

    async def extend(self, delivery: Delivery, *, until: datetime) -> None:
        await self._database.write(lambda connection: _update(connection, delivery, next_time=until))

    async def delivered(self, delivery: Delivery) -> None:
        await self._database.write(partial(_settle, delivery=delivery, state=NoticeState.DELIVERED))

    async def failed(self, delivery: Delivery, error: str, *, retry_at: datetime | None) -> None:
        if retry_at is None:
            change = partial(_settle, delivery=delivery, state=NoticeState.GIVEN_UP, error=error)
        else:
            change = partial(_put_off, delivery=delivery, error=error, retry_at=retry_at)
        await self._database.write(change)

    async def hand_back(self, node: str, *, now: datetime) -> None:
        await self._database.write(partial(_hand_back, node=node, now=now))


def store(connection: sa.Connection, job: Job, *, with_files: bool) -> None:
    """Of a job that is accepted. Nothing of it is due before the job has ended."""
    rows: list[dict[str, Any]] = [
        {"delivery_index": index, "host": given.host, "notification": notification_json(given)}
        for index, given in enumerate(job.config.notifications)
    ]
    if with_files:
        rows.append({"delivery_index": FILES_INDEX, "host": "", "notification": None})
    if rows:
        plain = {"job_id": job.job_id, "next_time": None, "node": "", "attempt": 0}
        connection.execute(sa.insert(deliveries), [plain | row for row in rows])


def _due(
    connection: sa.Connection, now: datetime, limit: int, *, per_host: int, busy: Mapping[str, int]
) -> Sequence[tuple[str, int]]:
    """A receiver that is slow, or has much to be told, takes no more than its share of the places."""
    place = sa.func.row_number().over(partition_by=deliveries.c.host, order_by=deliveries.c.next_time)
    due = (
        sa.select(
            deliveries.c.job_id,
            deliveries.c.delivery_index,
            deliveries.c.next_time,
            deliveries.c.host,
            place.label("place"),
        )
        .where(deliveries.c.next_time.is_not(None), deliveries.c.next_time <= now)
        .subquery()
    )
    room: sa.ColumnElement[int] = sa.literal(per_host)
    if busy:
        room = sa.case({host: per_host - count for host, count in busy.items()}, value=due.c.host, else_=per_host)
    statement = (
        sa.select(due.c.job_id, due.c.delivery_index).where(due.c.place <= room).order_by(due.c.next_time).limit(limit)
    )
    return [(job_id, index) for job_id, index in connection.execute(statement)]


def _claim(
    connection: sa.Connection, keys: Sequence[tuple[str, int]], *, node: str, now: datetime, until: datetime
) -> Sequence[Delivery]:
    """Compare and set: what another node took meanwhile is not due any more; what it is about to take is left to it."""
    key = sa.tuple_(deliveries.c.job_id, deliveries.c.delivery_index)
    free = sa.select(*key.clauses).where(key.in_(keys), deliveries.c.next_time <= now)
    statement = (
        sa.update(deliveries)
        .where(key.in_(free.with_for_update(skip_locked=True)), deliveries.c.next_time <= now)
        .values(node=node, next_time=until, attempt=deliveries.c.attempt + 1)
        .returning(deliveries)
    )
    rows = connection.execute(statement).all()
    found = connection.execute(sa.select(jobs).where(jobs.c.job_id.in_({row.job_id for row in rows})))
    by_id = {job.job_id: job for job in map(read_job, found)}
    return [
        Delivery(
            by_id[row.job_id],
            row.delivery_index,
            row.attempt,
            read_notification(row.notification) if row.notification else None,
        )
        for row in rows
    ]


def _held(delivery: Delivery) -> tuple[Condition, ...]:
    return (
        deliveries.c.job_id == delivery.job.job_id,
        deliveries.c.delivery_index == delivery.index,
        deliveries.c.attempt == delivery.attempt,
    )


def _update(connection: sa.Connection, delivery: Delivery, **changes: Any) -> bool:
    return bool(connection.execute(sa.update(deliveries).where(*_held(delivery)).values(**changes)).rowcount)


def _hand_back(connection: sa.Connection, node: str, now: datetime) -> None:
    free = sa.update(deliveries).where(deliveries.c.node == node).values(node="", next_time=now)
    if connection.execute(free).rowcount:
        tell(connection, SignalKind.DELIVERY)


def _settle(connection: sa.Connection, delivery: Delivery, state: NoticeState, *, error: str = "") -> None:
    notices = _lock_notices(connection, delivery)
    if connection.execute(sa.delete(deliveries).where(*_held(delivery))).rowcount:
        _note(connection, delivery, notices, state, error)


def _put_off(connection: sa.Connection, delivery: Delivery, error: str, *, retry_at: datetime) -> None:
    notices = _lock_notices(connection, delivery)
    if _update(connection, delivery, node="", next_time=retry_at):
        _note(connection, delivery, notices, NoticeState.PENDING, error)


def _lock_notices(connection: sa.Connection, delivery: Delivery) -> list[Notice]:
    """Of the job, whose row is locked first: another notification may be noted too, or the job be deleted, which
    deletes its deliveries after itself. Empty where it was.
    """
    this = jobs.c.job_id == delivery.job.job_id
    noted = connection.execute(sa.select(jobs.c.notices).where(this).with_for_update()).scalar()
    return [] if noted is None else list(read_notices(noted))


def _note(connection: sa.Connection, delivery: Delivery, notices: list[Notice], state: NoticeState, error: str) -> None:
    """On the job, whose transcript is not touched by it."""
    if delivery.index == FILES_INDEX:
        return
    notices[delivery.index] = replace(notices[delivery.index], state=state, attempts=delivery.attempt, error=error)
    this = jobs.c.job_id == delivery.job.job_id
    connection.execute(sa.update(jobs).where(this).values(notices=notices_json(notices)))
