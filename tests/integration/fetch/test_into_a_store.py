"""As a job fetches: from an origin straight into the blob store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stenod_server.domain.job import RemoteMedia
from stenod_server.errors import FetchFailed, LimitExceeded, StenodError
from stenod_server.fetch.fetcher import UriFetcher
from stenod_server.store.blobs import ObjectBlobStore, open_local_blobs
from tests.support.eventually import eventually
from tests.support.fetching import MIB
from tests.support.origin import Answer, Asked, Origin, breaking, dripping, head, media, raw

BODY = bytes(range(256)) * 50_000
KEY = "media/x"


@pytest.fixture
def blobs(tmp_path: Path) -> ObjectBlobStore:
    return open_local_blobs(tmp_path / "blobs")


async def fetch_into(blobs: ObjectBlobStore, fetcher: UriFetcher, uri: str, *, max_bytes: int = 20 * MIB) -> int:
    async with fetcher.open(RemoteMedia(uri=uri), max_bytes=max_bytes) as found:
        return await blobs.put(KEY, found.chunks)


@pytest.mark.parametrize("answer", [media(BODY), breaking(BODY, 5_000_000, 9_000_000)], ids=["whole", "resumed"])
async def test_media_is_stored_whole(
    origin: Origin, fetcher: UriFetcher, blobs: ObjectBlobStore, answer: Answer
) -> None:
    origin.answers["/x"] = answer
    assert await fetch_into(blobs, fetcher, origin.url("/x")) == len(BODY)
    async with blobs.local_path(KEY) as path:
        assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (raw(head(200) + BODY), LimitExceeded),
        (raw(head(200, content_length=str(10 * MIB)) + BODY[: 8 * MIB]), FetchFailed),
    ],
    ids=["too large", "broken off"],
)
async def test_a_failed_fetch_stores_nothing_and_says_why(
    origin: Origin, fetcher: UriFetcher, blobs: ObjectBlobStore, answer: Answer, error: type[StenodError]
) -> None:
    origin.answers["/x"] = answer
    with pytest.raises(error):
        await fetch_into(blobs, fetcher, origin.url("/x"), max_bytes=10 * MIB)
    assert not await blobs.exists(KEY)


async def test_a_cancelled_fetch_hangs_up_and_stores_nothing(
    origin: Origin, fetcher: UriFetcher, blobs: ObjectBlobStore
) -> None:
    gone = asyncio.Event()
    drip = dripping()

    async def noticing(asked: Asked, writer: asyncio.StreamWriter) -> None:
        try:
            await drip(asked, writer)
        finally:
            gone.set()

    origin.answers["/x"] = noticing
    fetching = asyncio.create_task(fetch_into(blobs, fetcher, origin.url("/x")))
    await eventually(lambda: bool(origin.asked))
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    async with asyncio.timeout(10):
        await gone.wait()
    assert not await blobs.exists(KEY)


async def test_a_reader_that_stops_early_leaves_nothing_open(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers["/x"] = media(BODY)

    async def first(chunks: AsyncIterator[bytes]) -> bytes:
        return await anext(chunks)

    async with fetcher.open(RemoteMedia(uri=origin.url("/x")), max_bytes=20 * MIB) as found:
        assert BODY.startswith(await first(found.chunks))
