"""What arrives is written in its order while more arrives; nothing is lost, and nothing follows what could not be."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from stenod_server.store.write_behind import BEHIND_BYTES, WriteBehind
from tests.support.eventually import eventually, settle

LIMIT_S = 20


class _Disk:
    """Takes what it is given once it is let; fails from the piece `bad` on."""

    def __init__(self, bad: bytes = b"") -> None:
        self.taken: list[bytes] = []
        self.calls = 0
        self.open = threading.Event()
        self._bad = bad

    def write(self, pieces: Sequence[bytes]) -> None:
        self.calls += 1
        assert self.open.wait(LIMIT_S)
        for piece in pieces:
            if piece == self._bad:
                raise OSError(piece)
            self.taken.append(piece)


async def _too_far_ahead(disk: _Disk) -> tuple[WriteBehind, asyncio.Task[None]]:
    """With one piece more than may be behind, and who brings it."""
    writer = WriteBehind(disk.write)
    await writer.feed(bytes(BEHIND_BYTES))
    late = asyncio.create_task(writer.feed(b"late"))
    await settle()
    return writer, late


async def test_whoever_brings_pieces_does_not_wait_for_the_disk() -> None:
    disk = _Disk()
    writer = WriteBehind(disk.write)
    pieces = [bytes([number]) for number in range(50)]
    for piece in pieces:
        await asyncio.wait_for(writer.feed(piece), LIMIT_S)
    assert (disk.taken, writer.behind_bytes) == ([], 50)
    disk.open.set()
    await eventually(lambda: disk.taken == pieces)  # also where nobody asks for it
    await writer.drain()
    assert (disk.calls, writer.behind_bytes) == (2, 0)


async def test_whoever_is_too_far_ahead_waits_and_no_longer_than_that() -> None:
    disk = _Disk()
    writer, late = await _too_far_ahead(disk)
    assert not late.done()
    disk.open.set()
    await late
    await writer.drain()
    assert disk.taken == [bytes(BEHIND_BYTES), b"late"]


async def test_a_piece_whose_bringer_is_cancelled_is_written() -> None:
    disk = _Disk()
    writer, late = await _too_far_ahead(disk)
    late.cancel()
    draining = asyncio.create_task(writer.drain())
    await settle()
    draining.cancel()
    disk.open.set()
    await writer.drain()
    assert disk.taken[1:] == [b"late"]
    assert late.cancelled()


async def test_a_piece_is_on_its_way_once_feeding_it_has_begun() -> None:
    disk = _Disk()
    disk.open.set()
    writer = WriteBehind(disk.write)
    for piece in (b"one", b"two"):  # the second one comes when nothing is being written
        feeding = writer.feed(piece)
        with pytest.raises(StopIteration):
            feeding.send(None)  # it waits for nothing, so nobody can cancel it
        await writer.drain()
    assert disk.taken == [b"one", b"two"]


async def test_nothing_follows_what_could_not_be_written() -> None:
    disk = _Disk(bad=b"bad")
    writer = WriteBehind(disk.write)
    for piece in (b"one", b"bad", b"two"):
        await writer.feed(piece)
    disk.open.set()
    with pytest.raises(OSError, match="bad"):
        await writer.drain()
    for _ in range(2):
        with pytest.raises(OSError, match="bad"):
            await writer.feed(b"three")
    with pytest.raises(OSError, match="bad"):
        await writer.drain()
    assert disk.taken == [b"one"]


async def test_whoever_waits_for_a_disk_that_fails_is_told() -> None:
    disk = _Disk(bad=b"bad")
    writer = WriteBehind(disk.write)
    await writer.feed(b"bad")
    late = asyncio.create_task(writer.feed(bytes(BEHIND_BYTES)))
    await settle()
    disk.open.set()
    await asyncio.wait_for(asyncio.wait({late}), LIMIT_S)
    with pytest.raises(OSError, match="bad"):
        await writer.drain()


async def test_pieces_are_written_and_counted_side_by_side() -> None:
    disk, digest = _Disk(), _Disk()
    digest.open.set()
    writer = WriteBehind(disk.write, digest.write)
    await writer.feed(b"one")
    await writer.feed(b"two")
    await eventually(lambda: digest.taken == [b"one", b"two"])
    assert disk.taken == []
    disk.open.set()
    await writer.drain()
    assert disk.taken == digest.taken == [b"one", b"two"]


async def test_what_fails_is_told_when_the_others_are_done() -> None:
    disk, digest = _Disk(), _Disk(bad=b"bad")
    digest.open.set()
    writer = WriteBehind(disk.write, digest.write)
    await writer.feed(b"bad")
    draining = asyncio.create_task(writer.drain())
    await eventually(lambda: digest.calls == 1)
    await settle()
    assert not draining.done()
    disk.open.set()
    with pytest.raises(OSError, match="bad"):
        await draining
    assert disk.taken == [b"bad"]
