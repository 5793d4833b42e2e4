"""Who writes to which upload, within a node; and what an upload is called where its bytes are."""

from collections.abc import Iterator
from contextlib import contextmanager

from stenod_server.errors import UploadOffsetMismatch
from stenod_server.ports import Upload
from stenod_server.store.uploads import key_of


class UploadWriters:
    """`len`: the uploads that are written to."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def __len__(self) -> int:
        return len(self._names)

    @contextmanager
    def alone(self, upload: Upload) -> Iterator[None]:
        """One writer for each upload; a second one is refused rather than queued, for its offset would be wrong. Raises
        UploadOffsetMismatch.
        """
        name = name_of(upload)
        if name in self._names:
            message = f"another stream is writing to upload {upload.upload_id!r}"
            raise UploadOffsetMismatch(message, offset_bytes=upload.offset_bytes)
        self._names.add(name)
        try:
            yield
        finally:
            self._names.discard(name)


def name_of(upload: Upload) -> str:
    return key_of(upload.tenant, upload.upload_id, upload.create_time).removeprefix("upload/")
