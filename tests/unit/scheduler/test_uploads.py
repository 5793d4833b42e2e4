"""Uploads that are interrupted, sent twice, taken over, repeated after their end, abandoned, or too many."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stenod_server.errors import LimitExceeded, TooManyCalls, UploadNotFound, UploadOffsetMismatch, UploadStalled
from stenod_server.ports import Upload
from stenod_server.scheduler import upload_streams
from stenod_server.scheduler.janitor import Janitor, JanitorStores
from stenod_server.scheduler.upload_streams import SILENT_S, STALL_BYTES
from stenod_server.scheduler.uploads import UploadLimits, UploadRequest, Uploads
from stenod_server.store import upload_files
from stenod_server.store.open import Stores, open_store
from tests.support.builders import FakeClock

TENANT = "default"
TTL_S = 240.0
MAX_STREAMS = 3
ID = "mine"


class Sender:
    """One stream: what is put into `pieces` is sent; None ends it."""

    def __init__(self, call: Callable[[AsyncIterator[bytes]], Coroutine[Any, Any, Upload]]) -> None:
        self.pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self._is_waited_for = asyncio.Event()
        self.call = asyncio.create_task(call(self._chunks()))

    async def ready(self) -> None:
        """All that was sent has been taken in, or the call has ended."""
        waited_for = asyncio.create_task(self._is_waited_for.wait())
        await asyncio.wait([waited_for, self.call], return_when=asyncio.FIRST_COMPLETED)
        waited_for.cancel()

    async def send(self, *pieces: bytes) -> None:
        self._is_waited_for.clear()
        for piece in pieces:
            self.pieces.put_nowait(piece)
        await self.ready()

    async def end(self, *pieces: bytes | Exception) -> Upload:
        for piece in (*pieces, None):
            self.pieces.put_nowait(piece)
        return await self.call

    async def vanish(self) -> None:
        self.call.cancel()
        await asyncio.wait([self.call])

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            if self.pieces.empty():
                self._is_waited_for.set()
            piece = await self.pieces.get()
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise piece
            yield piece


@dataclass
class House:
    uploads: Uploads
    stores: Stores
    clock: FakeClock
    directory: Path
    senders: list[Sender] = field(default_factory=list)

    def start(self, offset_bytes: int = 0, *, size_bytes: int = 0, upload_id: str = ID) -> Sender:
        async def call(chunks: AsyncIterator[bytes]) -> Upload:
            with self.uploads.stream() as stream:
                request = UploadRequest(upload_id, offset_bytes, size_bytes)
                return await self.uploads.append(TENANT, request, stream=stream, chunks=chunks)

        self.senders.append(Sender(call))
        return self.senders[-1]

    async def begin(self, offset_bytes: int = 0, *, size_bytes: int = 0, upload_id: str = ID) -> Sender:
        """A stream that waits for its first chunk, or was refused."""
        sender = self.start(offset_bytes, size_bytes=size_bytes, upload_id=upload_id)
        await sender.ready()
        return sender

    async def known(self) -> Upload:
        return await self.uploads.get(TENANT, ID)

    async def refused(self, offset_bytes: int = 0, *, match: str) -> int:
        """The offset that a stream is told which is refused."""
        sender = await self.begin(offset_bytes)
        with pytest.raises(UploadOffsetMismatch, match=match) as caught:
            await sender.call
        return int(caught.value.metadata["offset_bytes"])

    async def holds(self, data: bytes) -> bool:
        """Whether these are the bytes that a job would get, and the digest is theirs."""
        upload, key = await self.uploads.get_complete(TENANT, ID)
        async with self.stores.blobs.local_path(key) as path:
            return (path.read_bytes(), upload.sha256) == (data, hashlib.sha256(data).hexdigest())

    async def sweep(self) -> None:
        stores = self.stores
        swept = JanitorStores(
            retention=stores.retention, uploads=stores.uploads, spool=stores.spool, blobs=stores.blobs
        )
        await Janitor(swept, self.clock, keep_media=False, cache_ttl=timedelta()).sweep()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    stores = await open_store(tmp_path, in_memory=True, gather_s=0.0)
    clock = FakeClock()
    limits = UploadLimits(max_media_bytes=2**20, max_upload_streams=MAX_STREAMS, ttl=timedelta(seconds=TTL_S))
    house = House(Uploads(stores.uploads, stores.spool, clock=clock, limits=limits), stores, clock, tmp_path)
    yield house
    for sender in house.senders:
        await sender.vanish()
    await stores.close()


# --- interrupted ----------------------------------------------------------------------------------------------------


async def test_a_stream_that_broke_goes_on_where_its_bytes_end(house: House) -> None:
    broken = await house.begin(size_bytes=10)
    await broken.send(b"0123")
    with pytest.raises(ConnectionResetError):
        await broken.end(ConnectionResetError())
    assert (await house.known()).offset_bytes == 4
    gone = await house.begin(4)
    await gone.send(b"45")
    await gone.vanish()
    assert (await (await house.begin(6)).end(b"67")).complete is False
    assert (await (await house.begin(8)).end(b"89")).complete is True
    assert await house.holds(b"0123456789")


@pytest.mark.parametrize("offset_bytes", [0, 3, 5])
async def test_another_offset_than_the_stored_one_is_refused_with_it(house: House, offset_bytes: int) -> None:
    await (await house.begin(size_bytes=10)).end(b"0123")
    assert await house.refused(offset_bytes, match="continues at byte 4") == 4
    await (await house.begin(4)).end(b"456789")
    assert await house.holds(b"0123456789")


async def test_a_stream_that_brings_too_much_is_refused_and_what_fits_is_kept(house: House) -> None:
    greedy = await house.begin(size_bytes=10)
    await greedy.send(b"01234", b"5678901")
    with pytest.raises(LimitExceeded, match="size_bytes"):
        await greedy.call
    await (await house.begin(5)).end(b"56789")
    assert await house.holds(b"0123456789")


# --- duplicated -----------------------------------------------------------------------------------------------------


async def test_a_second_stream_is_refused_while_the_first_one_is_alive(house: House) -> None:
    first = await house.begin()
    await first.send(b"first")
    house.clock.advance(SILENT_S)
    assert await house.refused(match="another stream is writing") == 0
    await first.send(b" and")
    house.clock.advance(SILENT_S)
    assert await house.refused(9, match="another stream is writing") == 9  # stored, for a turn is over
    await first.end(b" last")
    assert await house.holds(b"first and last")


async def test_of_streams_that_begin_at_once_one_writes(house: House) -> None:
    senders = [house.start() for _ in range(MAX_STREAMS)]
    ends = (sender.end(b"%d" % number * 9) for number, sender in enumerate(senders))
    results = await asyncio.gather(*ends, return_exceptions=True)
    (winner,) = (number for number, result in enumerate(results) if isinstance(result, Upload))
    assert all(isinstance(result, UploadOffsetMismatch) for n, result in enumerate(results) if n != winner)
    assert await house.holds(b"%d" % winner * 9)


async def test_streams_of_other_uploads_do_not_mind_each_other(house: House) -> None:
    senders = [await house.begin(upload_id=upload_id) for upload_id in ("a", "", "")]
    assert [(await sender.end(b"0")).complete for sender in senders] == [True] * 3


# --- half open ------------------------------------------------------------------------------------------------------


async def test_a_silent_stream_gives_way_and_nothing_of_it_is_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_files, "SYNC_EVERY_BYTES", 4)
    half_open = await house.begin(size_bytes=10)
    await half_open.send(b"0123")
    assert (await house.known()).offset_bytes == 4
    house.clock.advance(SILENT_S + 1)
    heir = await house.begin(4)
    with pytest.raises(UploadOffsetMismatch, match="taken over"):
        await half_open.call
    half_open.pieces.put_nowait(b"late")
    assert (await heir.end(b"456789")).complete
    assert await house.holds(b"0123456789")


async def test_who_takes_over_is_told_of_bytes_that_were_not_known_to_be_stored(house: House) -> None:
    half_open = await house.begin(size_bytes=10)
    await half_open.send(b"0123")
    assert (await house.known()).offset_bytes == 0
    house.clock.advance(SILENT_S + 1)
    assert await house.refused(0, match="continues at byte 4") == 4
    with pytest.raises(UploadOffsetMismatch, match="taken over"):
        await half_open.call
    await (await house.begin(4)).end(b"456789")
    assert await house.holds(b"0123456789")


async def test_of_two_that_come_for_a_silent_stream_one_takes_over(house: House) -> None:
    await house.begin(size_bytes=4)
    house.clock.advance(SILENT_S + 1)
    heirs = [await house.begin(), await house.begin()]
    assert [heir.call.done() for heir in heirs] == [False, True]
    with pytest.raises(UploadOffsetMismatch, match="another stream is writing"):
        await heirs[1].call
    await heirs[0].end(b"0123")
    assert await house.holds(b"0123")


async def test_an_heir_can_be_silent_in_its_turn(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_files, "SYNC_EVERY_BYTES", 1)
    heirs = []
    for number in range(5):
        heirs.append(await house.begin(number))
        await heirs[-1].send(b"%d" % number)
        house.clock.advance(SILENT_S + 1)
    await heirs.pop().end(b"!")
    assert all(isinstance(heir.call.exception(), UploadOffsetMismatch) for heir in heirs)
    assert await house.holds(b"01234!")


async def test_who_waits_to_take_over_and_vanishes_leaves_the_way_free(house: House) -> None:
    half_open = await house.begin(size_bytes=4)
    house.clock.advance(SILENT_S + 1)
    heir = house.start()
    await asyncio.sleep(0)
    await heir.vanish()
    with pytest.raises(UploadOffsetMismatch, match="taken over"):
        await half_open.call
    await (await house.begin()).end(b"0123")
    assert await house.holds(b"0123")


# --- repeated after the end -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"0123456789"])
async def test_who_lost_the_answer_is_answered_again(house: House, data: bytes) -> None:
    first = await (await house.begin()).end(data)
    assert first.complete
    again = await house.begin(len(data))
    assert await again.end() == first
    assert await (await house.begin(len(data))).end(b"") == first
    assert await house.holds(data)


async def test_a_complete_upload_takes_no_more(house: House) -> None:
    await (await house.begin()).end(b"0123")
    assert await house.refused(0, match="is complete with 4 bytes") == 4
    more = await house.begin(4)
    await more.send(b"4")
    with pytest.raises(UploadOffsetMismatch, match="is complete"):
        await more.call
    assert await house.holds(b"0123")


# --- abandoned ------------------------------------------------------------------------------------------------------


async def test_an_abandoned_upload_expires_and_leaves_nothing(house: House) -> None:
    await (await house.begin(size_bytes=10)).end(b"0123")
    house.clock.advance(TTL_S - 1)
    await house.sweep()
    assert (await house.known()).offset_bytes == 4
    house.clock.advance(1)
    await house.sweep()
    with pytest.raises(UploadNotFound):
        await house.known()
    assert not [path for path in (house.directory / "uploads").iterdir() if path.is_file()]
    again = await house.begin(4)
    with pytest.raises(UploadNotFound):
        await again.call


async def test_an_upload_that_takes_longer_than_it_would_be_kept_is_not_abandoned(house: House) -> None:
    slow, chunk, count = await house.begin(), bytes(STALL_BYTES), 10
    for _ in range(count):
        await slow.send(chunk)
        house.clock.advance(TTL_S / 5)
        await house.sweep()
    assert (await slow.end()).complete
    assert await house.holds(chunk * count)


async def test_an_upload_that_goes_on_at_the_last_moment_has_all_its_time_again(house: House) -> None:
    await (await house.begin(size_bytes=10)).end(b"0123")
    house.clock.advance(TTL_S - 1)
    going_on = await house.begin(4)
    house.clock.advance(2)
    await house.sweep()
    await going_on.end(b"456789")
    assert await house.holds(b"0123456789")


# --- too many, too slow ---------------------------------------------------------------------------------------------


async def test_a_stream_too_many_is_refused_and_a_place_that_is_left_is_free(house: House) -> None:
    senders = [await house.begin(upload_id=f"upload-{number}") for number in range(MAX_STREAMS)]
    with pytest.raises(TooManyCalls, match=r"3 such calls .*\(max_upload_streams\)") as caught, house.uploads.stream():
        pass
    assert caught.value.metadata == {"max_upload_streams": "3"}
    assert caught.value.retry_after_s > 0
    await senders[0].vanish()
    with house.uploads.stream():
        pass


async def test_a_stalled_stream_is_ended_and_its_bytes_are_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_streams, "STALL_S", 0.2)
    stalled = await house.begin(size_bytes=10)
    await stalled.send(b"0123")
    with pytest.raises(UploadStalled, match="GetUpload tells the offset"):
        await stalled.call
    monkeypatch.undo()
    assert (await house.known()).offset_bytes == 4
    await (await house.begin(4)).end(b"456789")
    assert await house.holds(b"0123456789")
