"""`SqlUploadStore`: the records of uploads. What each method means stands in `ports.UploadStore`."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from stenod_server.errors import UploadNotFound
from stenod_server.ports import Upload
from stenod_server.store.codec import read_upload, upload_row
from stenod_server.store.database import Database
from stenod_server.store.tables import uploads


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

    async def expired_uploads(self, now: datetime) -> Sequence[Upload]:
        return await self._database.read(partial(_expired, now=now))

    async def delete_upload(self, tenant: str, upload_id: str) -> None:
        await self._database.write(partial(_delete, tenant=tenant, upload_id=upload_id))


def _is(tenant: str, upload_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(uploads.c.tenant == tenant, uploads.c.upload_id == upload_id)


def _find(connection: sa.Connection, tenant: str, upload_id: str) -> Upload | None:
    row = connection.execute(sa.select(uploads).where(_is(tenant, upload_id))).first()
    return read_upload(row) if row is not None else None


def _create(connection: sa.Connection, upload: Upload) -> Upload:
    earlier = _find(connection, upload.tenant, upload.upload_id)
    if earlier is None:
        connection.execute(sa.insert(uploads), upload_row(upload))
    return earlier or upload


def _save(connection: sa.Connection, upload: Upload) -> None:
    """An upload that was deleted meanwhile stays deleted."""
    connection.execute(sa.update(uploads).where(_is(upload.tenant, upload.upload_id)).values(upload_row(upload)))


def _expired(connection: sa.Connection, now: datetime) -> Sequence[Upload]:
    statement = sa.select(uploads).where(uploads.c.expire_time <= now).order_by(uploads.c.expire_time)
    return [read_upload(row) for row in connection.execute(statement)]


def _delete(connection: sa.Connection, tenant: str, upload_id: str) -> None:
    connection.execute(sa.delete(uploads).where(_is(tenant, upload_id)))
