"""`SqlUploadPieces`: which pieces of uploads are in the bucket, and where each begins.

A piece and the upload's `offset_bytes` are recorded in one transaction, after the piece is durable, and only where the
upload ends where the piece begins: of two nodes that bring the same bytes, one is the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from stenod_server.errors import UploadNotFound, UploadOffsetMismatch
from stenod_server.ports import Upload
from stenod_server.store.database import Database
from stenod_server.store.tables import upload_pieces, uploads


@dataclass(frozen=True, slots=True)
class Piece:
    """`object_key` is that in the bucket."""

    offset_bytes: int
    size_bytes: int
    object_key: str


class SqlUploadPieces:
    """By the name of an upload: that of its key. The database is the job store's to close."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, name: str) -> Sequence[Piece]:
        """In their order."""
        return await self._database.read(partial(_pieces, name=name))

    async def add(self, name: str, upload: Upload, piece: Piece) -> None:
        """The upload ends behind it now. Raises UploadOffsetMismatch where it did not end before it (then another node
        was quicker), UploadNotFound.
        """
        await self._database.write(partial(_add, name=name, upload=upload, piece=piece))

    async def restore(self, name: str, piece: Piece) -> None:
        """Of an upload that had them all, and has none."""
        await self._database.write(lambda connection: _insert(connection, name, piece))

    async def forget(self, name: str) -> None:
        await self._database.write(partial(_forget, name=name))


def _pieces(connection: sa.Connection, name: str) -> Sequence[Piece]:
    columns = (upload_pieces.c.offset_bytes, upload_pieces.c.size_bytes, upload_pieces.c.object_key)
    statement = sa.select(*columns).where(upload_pieces.c.name == name).order_by(upload_pieces.c.offset_bytes)
    return [Piece(*row) for row in connection.execute(statement)]


def _add(connection: sa.Connection, name: str, upload: Upload, piece: Piece) -> None:
    this = sa.and_(
        uploads.c.tenant == upload.tenant,
        uploads.c.upload_id == upload.upload_id,
        uploads.c.create_time == upload.create_time,
    )
    row = connection.execute(
        sa.select(uploads.c.offset_bytes, uploads.c.complete).where(this).with_for_update()
    ).first()
    if row is None:
        raise UploadNotFound(upload.upload_id)
    if row.complete or row.offset_bytes != piece.offset_bytes:
        message = f"another stream has written to upload {upload.upload_id!r}, which has {row.offset_bytes} bytes now"
        raise UploadOffsetMismatch(message, offset_bytes=row.offset_bytes)
    _insert(connection, name, piece)
    end_bytes = piece.offset_bytes + piece.size_bytes
    connection.execute(sa.update(uploads).where(this).values(offset_bytes=end_bytes))


def _insert(connection: sa.Connection, name: str, piece: Piece) -> None:
    row = {"name": name, "offset_bytes": piece.offset_bytes, "size_bytes": piece.size_bytes}
    connection.execute(sa.insert(upload_pieces), row | {"object_key": piece.object_key})


def _forget(connection: sa.Connection, name: str) -> None:
    connection.execute(sa.delete(upload_pieces).where(upload_pieces.c.name == name))
