"""Brings a recording to the server: small ones with the request, larger ones in chunks.

An upload goes on from what the server has stored when the connection breaks.
"""

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final
from uuid import uuid4

from stenod._channel import Connection
from stenod._client_stream import send_all
from stenod._recording import Media, Recording, open_recording
from stenod._retry import Patience
from stenod.errors import InvalidRequest, NotFound, Unavailable, WrongState, rpc_errors
from stenod.v1.media_pb2 import HttpHeader, MediaSource, Upload, UploadMetadata
from stenod.v1.transcription_service_pb2 import GetUploadRequest, UploadMediaRequest

_INLINE_BYTES: Final = 3 * 1024**2  # the server's `max_inline_bytes`, by default


async def media_source(
    connection: Connection, media: Media, file_name: str, headers: Mapping[str, str] | None = None
) -> MediaSource:
    """How a request names the recording; uploads it first where it is too large to travel along."""
    if isinstance(media, str) and "://" in media:
        sent = [HttpHeader(name=name, value=value) for name, value in (headers or {}).items()]
        return MediaSource(uri=media, file_name=file_name, headers=sent)
    if headers:
        message = "headers go with an address: nothing else is fetched"
        raise InvalidRequest(message, reason="INVALID_FIELD", metadata={"field": "headers"})
    file_name = file_name or _name_of(media)
    async with open_recording(media) as recording:
        whole = await recording.whole(_INLINE_BYTES)
        if whole is not None:
            return MediaSource(inline=whole, file_name=file_name)
        return MediaSource(upload_id=await _upload(connection, recording, file_name), file_name=file_name)


async def _upload(connection: Connection, recording: Recording, file_name: str) -> str:
    """Returns the id of the complete upload. Raises StenodError; Unavailable once patience has run out."""
    upload_id = str(uuid4())  # our own, because a broken upload can only be found again by its id
    patience = Patience(connection.retry)
    known_bytes = -1
    while True:
        try:
            stored = await _stored(connection, upload_id)
            if stored.offset_bytes > known_bytes:
                patience.renew()
            known_bytes = stored.offset_bytes
            if not stored.complete:
                stored = await _send(connection, recording, stored, file_name)
        except Unavailable as error:
            await patience.wait(error)
        except (WrongState, NotFound) as error:
            # Bytes of the broken stream may still be landing, or the server has not noticed yet that it is broken; or
            # the upload has expired meanwhile, and begins anew.
            if error.reason not in {"UPLOAD_OFFSET_MISMATCH", "UPLOAD_NOT_FOUND"}:
                raise
            await patience.wait(Unavailable(error.message, code=error.code, reason=error.reason))
        else:
            if stored.complete:
                return upload_id
            if stored.offset_bytes <= known_bytes:
                message = f"the recording ends at {stored.offset_bytes} of {recording.size_bytes} bytes"
                raise InvalidRequest(message, reason="UPLOAD_INCOMPLETE")


async def _stored(connection: Connection, upload_id: str) -> Upload:
    """What the server has of it. Asked before the first byte, too: so it is known whether anybody is there."""
    try:
        response = await connection.call(connection.stub.GetUpload, GetUploadRequest(upload_id=upload_id))
    except NotFound:
        return Upload(upload_id=upload_id)
    stored: Upload = response.upload
    return stored


async def _send(connection: Connection, recording: Recording, stored: Upload, file_name: str) -> Upload:
    call = connection.stub.UploadMedia(metadata=connection.sent())
    with rpc_errors():
        response = await send_all(call, _pieces(recording, stored, file_name))
    received: Upload = response.upload
    return received


async def _pieces(recording: Recording, stored: Upload, file_name: str) -> AsyncIterator[UploadMediaRequest]:
    offset_bytes = stored.offset_bytes
    yield UploadMediaRequest(
        metadata=UploadMetadata(
            upload_id=stored.upload_id,
            offset_bytes=offset_bytes,
            size_bytes=recording.size_bytes,
            file_name=file_name,
        )
    )
    while chunk := await recording.read(offset_bytes):
        offset_bytes += len(chunk)
        yield UploadMediaRequest(chunk=chunk)


def _name_of(media: Media) -> str:
    name = media if isinstance(media, str | os.PathLike) else getattr(media, "name", "")
    # An open file may have a number for its name.
    return Path(name).name if isinstance(name, str | os.PathLike) else ""
