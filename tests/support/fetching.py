"""Fetching in tests: a fetcher that may reach loopback, and whole bodies."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from stenod_server.domain.job import RemoteMedia
from stenod_server.fetch.fetcher import UriFetcher, open_fetcher
from stenod_server.fetch.options import FetchOptions

MIB = 1024 * 1024
LOOPBACK = FetchOptions(allow=("127.0.0.0/8", "::1/128"), timeout_s=20, stall_s=10, resume_pause_s=0)


@asynccontextmanager
async def fetching(options: FetchOptions = LOOPBACK, **changes: object) -> AsyncIterator[UriFetcher]:
    fetcher = open_fetcher(replace(options, **changes))  # type: ignore[arg-type]
    try:
        yield fetcher
    finally:
        await fetcher.close()


async def fetched(fetcher: UriFetcher, uri: str, *headers: tuple[str, str], max_bytes: int = MIB) -> bytes:
    async with fetcher.open(RemoteMedia(uri=uri, headers=headers), max_bytes=max_bytes) as media:
        return b"".join([chunk async for chunk in media.chunks])


def names(known: Mapping[str, Sequence[str]]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """A resolver that knows these names alone."""

    async def resolve(host: str, _port: int) -> Sequence[str]:
        if host not in known:
            raise OSError(host)
        return known[host]

    return resolve
