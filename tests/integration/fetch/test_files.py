"""file:// on a real disk, with what lies in wait there."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from stenod_server.domain.job import RemoteMedia
from stenod_server.errors import FetchRefused, InvalidRequest, LimitExceeded, MediaNotFound
from stenod_server.fetch.fetcher import UriFetcher
from tests.support.eventually import eventually
from tests.support.fetching import MIB, fetched, fetching

BODY = bytes(range(256)) * 8000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.wav").write_bytes(b"secret")
    root = tmp_path / "root"
    (root / "calls").mkdir(parents=True)
    (root / "calls" / "a b.wav").write_bytes(BODY)
    return root


@pytest.fixture
async def reader(root: Path) -> AsyncIterator[UriFetcher]:
    async with fetching(file_roots=(root,)) as opened:
        yield opened


async def test_a_file_below_a_root_is_read(reader: UriFetcher, root: Path) -> None:
    uri = (root / "calls" / "a b.wav").as_uri()
    async with reader.open(RemoteMedia(uri=uri), max_bytes=10 * MIB) as found:
        assert (found.size_bytes, found.file_name) == (len(BODY), "a b.wav")
        assert b"".join([chunk async for chunk in found.chunks]) == BODY
    assert await fetched(reader, uri.replace("file://", "FILE://localhost"), max_bytes=len(BODY)) == BODY


async def test_a_fetch_that_is_cancelled_as_it_opens_the_file_leaves_nothing_open(
    reader: UriFetcher, root: Path
) -> None:
    path = root / "calls" / "a b.wav"
    for turns in range(30):
        reading = asyncio.create_task(fetched(reader, path.as_uri(), max_bytes=10 * MIB))
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    await eventually(lambda: str(path) not in [file.path for file in psutil.Process().open_files()])


async def test_symlinks_may_lead_about_below_the_root(reader: UriFetcher, root: Path) -> None:
    (root / "link.wav").symlink_to(root / "calls" / "a b.wav")
    (root / "again").symlink_to("calls")
    for path in (root / "link.wav", root / "again" / "a b.wav"):
        assert len(await fetched(reader, path.as_uri(), max_bytes=10 * MIB)) == len(BODY)


async def test_a_root_may_itself_be_a_symlink(root: Path, tmp_path: Path) -> None:
    (tmp_path / "named").symlink_to(root)
    async with fetching(file_roots=(tmp_path / "named",)) as reader:
        for base in (tmp_path / "named", root):
            assert await fetched(reader, (base / "calls" / "a b.wav").as_uri(), max_bytes=10 * MIB) == BODY


@pytest.mark.parametrize("way", ["secret.wav", "up/secret.wav", "up/root/../secret.wav"])
async def test_symlinks_that_lead_out_are_refused(reader: UriFetcher, root: Path, way: str) -> None:
    (root / "up").symlink_to(root.parent)
    (root / "secret.wav").symlink_to(root.parent / "secret.wav")
    with pytest.raises(InvalidRequest) as failure:
        await fetched(reader, f"{root.as_uri()}/{way}")
    assert isinstance(failure.value, FetchRefused) or ".." in way


async def test_a_file_swapped_for_a_symlink_is_judged_by_what_is_opened(reader: UriFetcher, root: Path) -> None:
    path = root / "calls" / "a b.wav"
    remote = RemoteMedia(uri=path.as_uri())
    reader.check(remote)
    path.unlink()
    path.symlink_to(root.parent / "secret.wav")
    with pytest.raises(FetchRefused, match=r"leads out.*fetch_file_roots"):
        await fetched(reader, remote.uri)


@pytest.mark.parametrize("name", ["fifo", "null", "calls", "proc"])
async def test_only_files_are_read(reader: UriFetcher, root: Path, name: str) -> None:
    """A fifo without a writer would hold an ordinary open up for ever."""
    os.mkfifo(root / "fifo")
    (root / "null").symlink_to("/dev/null")
    (root / "proc").symlink_to("/proc/self/environ")
    with pytest.raises(InvalidRequest):
        await fetched(reader, (root / name).as_uri())


async def test_what_is_not_there_or_too_large_is_refused(reader: UriFetcher, root: Path) -> None:
    with pytest.raises(MediaNotFound, match="does not exist"):
        await fetched(reader, (root / "none.wav").as_uri())
    with pytest.raises(MediaNotFound, match="does not exist"):
        await fetched(reader, (root / "calls" / "a b.wav" / "x").as_uri())
    with pytest.raises(LimitExceeded, match="max_media_bytes"):
        await fetched(reader, (root / "calls" / "a b.wav").as_uri(), max_bytes=len(BODY) - 1)


async def test_a_file_that_grows_is_cut_off_at_the_limit(reader: UriFetcher, root: Path) -> None:
    path = root / "calls" / "a b.wav"
    async with reader.open(RemoteMedia(uri=path.as_uri()), max_bytes=len(BODY)) as found:
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(LimitExceeded):
            [chunk async for chunk in found.chunks]
