"""A fetcher that has what it fetches at hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stenod_server.domain.job import RemoteMedia
from stenod_server.errors import FetchRefused, MediaNotFound, StenodError
from stenod_server.ports import FetchedMedia


class ScriptedFetcher:
    """Implements `ports.MediaFetcher`. `media` by URI; `failures` are raised first, one for each fetch."""

    def __init__(self, media: dict[str, bytes] | None = None) -> None:
        self.media = media or {}
        self.failures: list[StenodError] = []
        self.asked: list[RemoteMedia] = []

    def check(self, remote: RemoteMedia) -> None:
        if not remote.uri.startswith("https://"):
            raise FetchRefused("media.uri", "this is not the web", setting="fetch_allow")

    @asynccontextmanager
    async def open(self, remote: RemoteMedia, *, max_bytes: int) -> AsyncIterator[FetchedMedia]:
        self.asked.append(remote)
        if self.failures:
            raise self.failures.pop(0)
        if remote.uri not in self.media:
            raise MediaNotFound("there is nothing")
        data = self.media[remote.uri]
        assert len(data) <= max_bytes

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(data), 1000):
                yield data[start : start + 1000]

        yield FetchedMedia(chunks(), len(data), remote.uri.partition("?")[0].rpartition("/")[2])

    async def close(self) -> None: ...
