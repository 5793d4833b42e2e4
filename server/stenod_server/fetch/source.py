"""The role of one kind of address inside the fetcher."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from stenod_server.domain.job import RemoteMedia
from stenod_server.ports import FetchedMedia


class Source(Protocol):
    """Media behind addresses of certain schemes. Sizes and the time in all are the fetcher's business."""

    def check(self, remote: RemoteMedia) -> None:
        """See `ports.MediaFetcher.check`."""
        ...

    def open(self, remote: RemoteMedia) -> AbstractAsyncContextManager[FetchedMedia]:
        """Raises FetchRefused, MediaNotFound, FetchFailed; so does reading."""
        ...

    async def close(self) -> None: ...
