"""`SqlRetentionStore`: what is forgotten when its time is up. See `ports.RetentionStore`."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

import sqlalchemy as sa

from stenod_server.domain.job import Job, JobConfig, JobEvent, JobState, Media
from stenod_server.domain.notification import Notice, NoticeState
from stenod_server.ports import SpentMedia
from stenod_server.store import transition
from stenod_server.store.codec import config_json, media_json, notices_json, read_job
from stenod_server.store.database import Database
from stenod_server.store.tables import deliveries, drafts, idempotency_keys, jobs, result_cache, segments, uploads
from stenod_server.store.uploads import key_of

_LIVE: Final = (str(JobState.QUEUED), str(JobState.RUNNING))
_ENDED: Final = (str(JobState.SUCCEEDED), str(JobState.FAILED), str(JobState.CANCELLED))


class SqlRetentionStore:
    """Implements `ports.RetentionStore`; the database is the job store's to close."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def spent_media(self, *, now: datetime, keep: bool, limit: int) -> Sequence[SpentMedia]:
        return await self._database.read(partial(_spent_media, now=now, keep=keep, limit=limit))

    async def forget_media(self, spent: Sequence[SpentMedia]) -> None:
        await self._database.write(partial(_forget_media, spent=spent))

    async def expire(self, *, now: datetime, limit: int) -> Sequence[str]:
        return await self._database.write(partial(_expire, now=now, limit=limit))

    async def purge(self, *, now: datetime, limit: int) -> int:
        return await self._database.write(partial(_purge, now=now, limit=limit))

    async def forget_results(self, *, before: datetime, limit: int) -> int:
        return await self._database.write(partial(_forget_results, before=before, limit=limit))

    async def named(self, keys: Collection[str]) -> AbstractSet[str]:
        found: set[str] = set()
        for look in (_media_of_jobs, _media_on_its_way, _uploads):
            found |= await self._database.read(partial(look, keys=keys))
        return found

    async def scrub(self) -> bool:
        return await self._database.scrub()


def _spent_media(connection: sa.Connection, now: datetime, limit: int, *, keep: bool) -> Sequence[SpentMedia]:
    statement = (
        sa.select(jobs.c.job_id, jobs.c.media_key)
        .where(sa.text("media_key <> ''"), jobs.c.state.not_in(_LIVE))
        .order_by(jobs.c.expire_time)
        .limit(limit)
    )
    is_over = sa.or_(jobs.c.expire_time <= now, jobs.c.state == str(JobState.EXPIRED))
    is_to_be_sent = sa.exists().where(deliveries.c.job_id == jobs.c.job_id)
    is_of_no_use = sa.not_(sa.or_(jobs.c.keep_media, is_to_be_sent))
    statement = statement.where(is_over if keep else sa.or_(is_over, is_of_no_use))
    return [SpentMedia(job_id, key) for job_id, key in connection.execute(statement)]


def _forget_media(connection: sa.Connection, spent: Sequence[SpentMedia]) -> None:
    keys = {media.job_id: media.key for media in spent}
    locked = sa.select(jobs).where(jobs.c.job_id.in_(keys)).order_by(jobs.c.job_id).with_for_update()
    for row in connection.execute(locked).all():
        job = read_job(row)
        this = sa.and_(jobs.c.job_id == job.job_id, jobs.c.media_key == keys[job.job_id])
        media = media_json(replace(job.media, key=""))
        connection.execute(sa.update(jobs).where(this).values(media_key="", media=media))


def _expire(connection: sa.Connection, now: datetime, limit: int) -> Sequence[str]:
    over = (
        sa.select(jobs)
        .where(jobs.c.state.in_(_ENDED), jobs.c.expire_time <= now)
        .order_by(jobs.c.expire_time)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    expired = [_expire_one(connection, read_job(row), now) for row in connection.execute(over).all()]
    for table in (segments, drafts, result_cache, deliveries):
        connection.execute(sa.delete(table).where(table.c.job_id.in_(expired)))
    return expired


def _expire_one(connection: sa.Connection, job: Job, now: datetime) -> str:
    transition.move(
        connection,
        transition.job(job.job_id),
        JobEvent.EXPIRE,
        now=now,
        expire_time=now + job.ttl,
        media=media_json(_without_secrets(job.media)),
        config=config_json(_without_identifiers(job.config)),
        info=None,
        failure=None,
        checkpoint=None,
        notices=notices_json(map(_given_up, job.notices)),
    )
    return job.job_id


def _given_up(notice: Notice) -> Notice:
    """Nobody is told of a job that is no more."""
    if notice.state is not NoticeState.PENDING:
        return notice
    return replace(notice, state=NoticeState.GIVEN_UP, error=notice.error or "the job's retention ended")


def _without_identifiers(config: JobConfig) -> JobConfig:
    """A voice is forgotten with the transcript it is heard in."""
    return replace(config, diarization=config.diarization.without_identifiers())


def _without_secrets(media: Media) -> Media:
    """Of an address that was never fetched: those of the others are forgotten already."""
    return media if media.remote is None else replace(media, remote=replace(media.remote, headers=()))


def _purge(connection: sa.Connection, now: datetime, limit: int) -> int:
    """A job whose media is not erased yet stays: its row is all that knows of it."""
    over = (
        sa.select(jobs.c.job_id, jobs.c.tenant, jobs.c.request_id)
        .where(jobs.c.state == str(JobState.EXPIRED), jobs.c.expire_time <= now, jobs.c.media_key == "")
        .order_by(jobs.c.expire_time)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(over).all()
    requests = [(tenant, request_id) for _, tenant, request_id in rows if request_id]
    known = (idempotency_keys.c.tenant, idempotency_keys.c.request_id)
    connection.execute(sa.delete(idempotency_keys).where(sa.tuple_(*known).in_(requests)))
    connection.execute(sa.delete(jobs).where(jobs.c.job_id.in_([job_id for job_id, _, _ in rows])))
    of_deleted = sa.select(*known).where(idempotency_keys.c.expire_time <= now).limit(limit - len(rows))
    gone = connection.execute(sa.delete(idempotency_keys).where(sa.tuple_(*known).in_(of_deleted)))
    return len(rows) + gone.rowcount


def _forget_results(connection: sa.Connection, before: datetime, limit: int) -> int:
    key = (result_cache.c.tenant, result_cache.c.digest)
    old = sa.select(*key).where(result_cache.c.create_time < before).limit(limit)
    return connection.execute(sa.delete(result_cache).where(sa.tuple_(*key).in_(old))).rowcount


# --- who names a key ------------------------------------------------------------------------------------------------


def _media_of_jobs(connection: sa.Connection, keys: Collection[str]) -> set[str]:
    statement = sa.select(jobs.c.media_key).where(sa.text("media_key <> ''"), jobs.c.media_key.in_(keys))
    return set(connection.execute(statement).scalars())


def _media_on_its_way(connection: sa.Connection, keys: Collection[str]) -> set[str]:
    """What a job fetches is stored under the job's own id before the job's row says so."""
    by_id = {key.removeprefix("media/"): key for key in keys if key.startswith("media/")}
    statement = sa.select(jobs.c.job_id).where(jobs.c.job_id.in_(by_id), jobs.c.state.in_(_LIVE))
    return {by_id[job_id] for job_id in connection.execute(statement).scalars()}


def _uploads(connection: sa.Connection, keys: Collection[str]) -> set[str]:
    """An upload's key is a hash of these three; there are few uploads at a time, for they live an hour."""
    if not any(key.startswith("upload/") for key in keys):
        return set()
    rows = connection.execute(sa.select(uploads.c.tenant, uploads.c.upload_id, uploads.c.create_time))
    return {key_of(*row) for row in rows} & set(keys)
