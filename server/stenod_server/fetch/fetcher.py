"""`UriFetcher`: media from any address that the settings allow. Size and time are limited here, for every scheme."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from stenod_server.domain.job import RemoteMedia
from stenod_server.domain.uri import shown
from stenod_server.errors import FetchFailed, InvalidField, LimitExceeded
from stenod_server.fetch import uri_rules, web_address
from stenod_server.fetch.files import FileSource
from stenod_server.fetch.objects import ObjectSource
from stenod_server.fetch.options import FetchOptions
from stenod_server.fetch.source import Source
from stenod_server.fetch.web import WebSource
from stenod_server.object_store.kinds import SCHEMES as BUCKET_SCHEMES
from stenod_server.ports import FetchedMedia


class UriFetcher:
    """Implements `ports.MediaFetcher`. Build it with `open_fetcher`."""

    def __init__(self, sources: Mapping[str, Source], *, timeout_s: float) -> None:
        self._sources = sources
        self._timeout_s = timeout_s

    def check(self, remote: RemoteMedia) -> None:
        self._source(remote).check(remote)

    @asynccontextmanager
    async def open(self, remote: RemoteMedia, *, max_bytes: int) -> AsyncIterator[FetchedMedia]:
        """See the port. Checks anew: the settings may have changed since the job was accepted."""
        source = self._source(remote)
        source.check(remote)
        budget = _Budget(remote, until_s=asyncio.get_running_loop().time() + self._timeout_s, max_bytes=max_bytes)
        async with AsyncExitStack() as stack:
            async with budget.time():
                media = await stack.enter_async_context(source.open(remote))
            budget.check_size(media.size_bytes)
            yield replace(media, chunks=budget.limited(media.chunks))

    async def close(self) -> None:
        for source in set(self._sources.values()):
            await source.close()

    def _source(self, remote: RemoteMedia) -> Source:
        uri_rules.check(remote.uri)
        source = self._sources.get(remote.uri.partition("://")[0].lower())
        if source is None:
            raise InvalidField("media.uri", f"must begin with one of {', '.join(f'{s}://' for s in self._sources)}")
        return source


class _Budget:
    """What one fetch may take: time in all, and bytes as they come out, whatever was announced."""

    def __init__(self, remote: RemoteMedia, *, until_s: float, max_bytes: int) -> None:
        self._address = shown(remote.uri)
        self._until_s = until_s
        self._max_bytes = max_bytes

    @asynccontextmanager
    async def time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(self._until_s):
                yield
        except TimeoutError as error:
            raise FetchFailed(f"{self._address} took too long (setting fetch_timeout_s)") from error

    def check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise LimitExceeded("media.uri", limit="max_media_bytes", allowed=self._max_bytes, actual=size_bytes)

    async def limited(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        size_bytes = 0
        while True:
            async with self.time():
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            size_bytes += len(chunk)
            self.check_size(size_bytes)
            yield chunk


def open_fetcher(options: FetchOptions) -> UriFetcher:
    """Raises ValueError for a setting that cannot be read."""
    web, stored = WebSource(options), ObjectSource(options)
    by_scheme: dict[str, Source] = dict.fromkeys(web_address.SCHEMES, web)
    by_scheme |= dict.fromkeys(BUCKET_SCHEMES, stored)
    by_scheme["file"] = FileSource(options)
    return UriFetcher(by_scheme, timeout_s=options.timeout_s)
