"""`SqlUploadStore`: the records of uploads. What each method means stands in `ports.UploadStore`."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from stenod_server.errors import UploadNotFound, UploadOffsetMismatch
from stenod_server.ports import Upload
from stenod_server.store.codec import read_upload, upload_row
from stenod_server.store.database import Database
from stenod_server.store.tables import uploads
from stenod_server.store.upserts import insert_new


def key_of(tenant: str, upload_id: str, create_time: datetime) -> str:
    """Where an upload's bytes are. The creation time tells an upload from an earlier one of the same id, whose bytes a
    job may still be copying. Hashed, so that nothing of a caller's or a tenant's name reaches the file system.
    """
    identity = f"{tenant}\0{upload_id}\0{create_time.isoformat()}"
    return f"upload/{hashlib.sha256(identity.encode()).hexdigest()[:32]}"


class SqlUploadStore:
    """Implements `ports.UploadStore`; the database is the job store's to close."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_upload(self, upload: Upload) -> Upload:
        return await self._database.write(partial(_create, upload=upload))

    async def get_upload(self, tenant: str, upload_id: str) -> Upload:
        found = await self._database.read(partial(_find, tenant=tenant, upload_id=upload_id))
        if found is None:
            raise UploadNotFound(upload_id)
        return found

    async def save_upload(self, upload: Upload) -> None:
        await self._database.write(partial(_save, upload=upload))

    async def expired_uploads(self, now: datetime, *, limit: int = 1000) -> Sequence[Upload]:
        return await self._database.read(partial(_expired, now=now, limit=limit))

    async def delete_expired(self, upload: Upload, now: datetime) -> bool:
        return await self._database.write(partial(_delete_expired, upload=upload, now=now))


def _is(tenant: str, upload_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(uploads.c.tenant == tenant, uploads.c.upload_id == upload_id)


def _find(connection: sa.Connection, tenant: str, upload_id: str) -> Upload | None:
    row = connection.execute(sa.select(uploads).where(_is(tenant, upload_id))).first()
    return read_upload(row) if row is not None else None


def _create(connection: sa.Connection, upload: Upload) -> Upload:
    if insert_new(connection, uploads, upload_row(upload)):
        return upload
    return _find(connection, upload.tenant, upload.upload_id) or upload


def _save(connection: sa.Connection, upload: Upload) -> None:
    """An upload that was deleted meanwhile stays deleted, and one that another node has gone on with stays so."""
    this = _is(upload.tenant, upload.upload_id)
    columns = (uploads.c.offset_bytes, uploads.c.complete)
    row = connection.execute(sa.select(*columns).where(this).with_for_update()).first()
    if row is not None and (row.offset_bytes > upload.offset_bytes or (row.complete and not upload.complete)):
        message = f"another stream has written to upload {upload.upload_id!r}, which has {row.offset_bytes} bytes now"
        raise UploadOffsetMismatch(message, offset_bytes=row.offset_bytes)
    connection.execute(sa.update(uploads).where(this).values(upload_row(upload)))


def _expired(connection: sa.Connection, now: datetime, limit: int) -> Sequence[Upload]:
    statement = sa.select(uploads).where(uploads.c.expire_time <= now).order_by(uploads.c.expire_time).limit(limit)
    return [read_upload(row) for row in connection.execute(statement)]


def _delete_expired(connection: sa.Connection, upload: Upload, now: datetime) -> bool:
    this = sa.and_(_is(upload.tenant, upload.upload_id), uploads.c.expire_time <= now)
    return connection.execute(sa.delete(uploads).where(this)).rowcount > 0
