"""UploadMedia: the order of the stream's messages. What is stored, and how much, is the scheduler's business."""

from collections.abc import AsyncIterator
from typing import Final

import structlog

from stenod.v1 import media_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod_server.errors import InvalidField, LimitExceeded
from stenod_server.ports import Upload
from stenod_server.scheduler.uploads import UploadRequest, Uploads

MAX_CHUNK_BYTES: Final = 1024 * 1024


async def receive(uploads: Uploads, tenant: str, messages: AsyncIterator[pb.UploadMediaRequest]) -> Upload:
    """Store a stream: metadata first, then chunks. Raises InvalidField, and what `Uploads` raises."""
    with uploads.stream() as stream:
        first = await stream.hear(anext(aiter(messages), None))
        if first is None or first.WhichOneof("piece") != "metadata":
            raise InvalidField("metadata", "must be the first message of the stream")
        # Of this call's events, however it ends.
        structlog.contextvars.bind_contextvars(upload_id=first.metadata.upload_id)
        return await uploads.append(tenant, _request(first.metadata), stream=stream, chunks=_chunks(messages))


def _request(metadata: media_pb2.UploadMetadata) -> UploadRequest:
    return UploadRequest(
        upload_id=metadata.upload_id,
        offset_bytes=metadata.offset_bytes,
        size_bytes=metadata.size_bytes,
        file_name=metadata.file_name,
    )


async def _chunks(messages: AsyncIterator[pb.UploadMediaRequest]) -> AsyncIterator[bytes]:
    async for message in messages:
        if message.WhichOneof("piece") != "chunk":
            raise InvalidField("chunk", "must be in every message but the first")
        chunk = message.chunk  # each look at it is a copy
        if len(chunk) > MAX_CHUNK_BYTES:
            raise LimitExceeded("chunk", limit="bytes of a message", allowed=MAX_CHUNK_BYTES, actual=len(chunk))
        yield chunk
