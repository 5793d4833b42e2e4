"""Where media come from, and where they are kept."""

from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias

from stenod_server.domain.job import Media, RemoteMedia

Written: TypeAlias = Future[None] | None  # done once the bytes are durable; None: they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Media on its way in. `offset_bytes` is what is stored; `size_bytes` 0 = not declared yet."""

    upload_id: str
    tenant: str
    file_name: str
    size_bytes: int
    offset_bytes: int
    complete: bool
    sha256: str  # of a complete upload
    create_time: datetime
    expire_time: datetime


class UploadStore(Protocol):
    """The records of uploads."""

    async def create_upload(self, upload: Upload) -> Upload:
        """Store it; when the id exists for the tenant, return the stored one."""
        ...

    async def get_upload(self, tenant: str, upload_id: str) -> Upload:
        """Raises UploadNotFound."""
        ...

    async def save_upload(self, upload: Upload) -> None:
        """One that is gone stays gone. Raises UploadOffsetMismatch where it has more bytes already, or is complete."""
        ...

    async def expired_uploads(self, now: datetime, *, limit: int = 1000) -> Sequence[Upload]:
        """The oldest first; at most `limit`."""
        ...

    async def delete_expired(self, upload: Upload, now: datetime) -> bool:
        """Forget it, unless it was gone on with meanwhile. Its bytes are the caller's to discard then, not before."""
        ...


class BlobStore(Protocol):
    """Bytes by key. Keys are built by us (`media/<id>`), never from a caller's text."""

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Store the stream under `key`, durable on return; gives the bytes written.

        Raises StorageFull, also in the middle of the stream, and StoreUnavailable; then nothing of it is stored.
        """
        ...

    async def put_whole(self, key: str, data: bytes) -> Future[None]:
        """As `put`, of what is in memory anyway. It may go on in a thread: durable once the future that comes back is
        done, which raises what `put` does, here or there.
        """
        ...

    def local_path(self, key: str) -> AbstractAsyncContextManager[Path]:
        """A seekable local file with the blob's bytes, for as long as the context is open."""
        ...

    async def exists(self, key: str) -> bool: ...

    async def copy(self, source: str, target: str) -> None:
        """The same bytes under another key, durable on return; a link rather than a copy where the store can."""
        ...

    async def delete(self, key: str) -> None:
        """Delete; a key that is not there is no error."""
        ...

    def keys(self) -> AsyncIterator[Sequence[str]]:
        """Every key there is, some hundred at a time. Raises StoreUnavailable."""
        ...


class MediaSpool(Protocol):
    """The bytes of uploads: appended to, then finished into the blob store."""

    async def append(self, upload: Upload, chunks: AsyncIterator[bytes]) -> int:
        """Append at `upload.offset_bytes`; gives the new offset, durable. Bytes that arrived before `chunks` failed
        stay. Raises UploadOffsetMismatch while another stream appends, or when one has appended on another node;
        StorageFull, StoreUnavailable, UploadNotFound (it was deleted meanwhile).
        """
        ...

    async def finish(self, upload: Upload) -> Media:
        """Move the complete file into the blob store under `key(upload)`; gives its size and SHA-256. Raises as
        `append`.
        """
        ...

    def key(self, upload: Upload) -> str: ...

    async def discard(self, upload: Upload) -> None:
        """Delete the bytes of an upload, complete or not."""
        ...

    async def keys(self) -> Sequence[str]:
        """The keys of all uploads that have bytes here."""
        ...

    async def erase(self, key: str) -> None:
        """Delete bytes that no upload names any more; a key that is not there is no error."""
        ...


@dataclass(frozen=True, slots=True)
class FetchedMedia:
    """Media on its way from its address. `size_bytes` 0: not announced. `file_name` is taken from the address."""

    chunks: AsyncIterator[bytes]
    size_bytes: int = 0
    file_name: str = ""


class MediaFetcher(Protocol):
    """Fetches media from where a job says it is."""

    def check(self, remote: RemoteMedia) -> None:
        """What can be refused without touching the network. Raises FetchRefused, InvalidField, LimitExceeded; fields
        are `media.uri` and `media.headers`.
        """
        ...

    def open(self, remote: RemoteMedia, *, max_bytes: int) -> AbstractAsyncContextManager[FetchedMedia]:
        """Stream the media; broken transfers are resumed where the origin can.

        Entering and reading raise FetchRefused, MediaNotFound, LimitExceeded (more than `max_bytes`, setting
        `max_media_bytes`), FetchFailed (passing).
        """
        ...

    async def close(self) -> None: ...
