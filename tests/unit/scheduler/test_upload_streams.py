"""How long a stream of an upload may say nothing, in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from stenod_server.errors import UploadOffsetMismatch, UploadStalled
from stenod_server.scheduler.upload_streams import SILENT_S, STALL_BYTES, STALL_S, UploadStream, UploadStreams
from tests.unit.scheduler.virtual_time import run_in_virtual_time


class LoopClock:
    """The loop's own time."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic_s(), UTC)

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


async def _every(pause_s: float, chunk: bytes, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        await asyncio.sleep(pause_s)
        yield chunk


async def _read(chunks: AsyncIterator[bytes]) -> int:
    """The bytes that came."""
    return sum([len(chunk) async for chunk in chunks])


def _ended_at_s(chunks: AsyncIterator[bytes]) -> float:
    async def main() -> float:
        with pytest.raises(UploadStalled):
            await _read(UploadStream(LoopClock()).chunks(chunks))
        return asyncio.get_running_loop().time()

    return run_in_virtual_time(main())


def test_a_stream_that_says_nothing_is_ended() -> None:
    assert _ended_at_s(_every(3600.0, b"", 1)) == STALL_S


@pytest.mark.parametrize("chunk", [b"", b"0"])
def test_a_byte_now_and_then_holds_no_place(chunk: bytes) -> None:
    assert _ended_at_s(_every(0.75, chunk, 10_000)) == STALL_S


def test_the_first_message_must_come_in_that_time_too() -> None:
    async def main() -> float:
        with pytest.raises(UploadStalled):
            await UploadStream(LoopClock()).hear(asyncio.sleep(3600.0))
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(main()) == STALL_S


def test_a_slow_stream_that_brings_enough_goes_on() -> None:
    async def main() -> bool:
        stream = UploadStream(LoopClock())
        slow = _every(STALL_S / 2 - 1, bytes(STALL_BYTES // 2), 100)
        return await _read(stream.chunks(slow)) == 50 * STALL_BYTES and stream.is_over

    assert run_in_virtual_time(main())


def test_the_time_that_storing_takes_is_not_the_sender_s() -> None:
    async def main() -> None:
        stream = UploadStream(LoopClock())
        async for _ in stream.chunks(_every(1.0, b"0", 10)):
            await asyncio.sleep(2 * STALL_S)
            assert not stream.is_silent
        assert stream.is_over

    run_in_virtual_time(main())


def test_a_time_out_of_the_source_is_its_own() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"0"
        raise TimeoutError

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await _read(UploadStream(LoopClock()).chunks(broken()))

    run_in_virtual_time(main())


@pytest.mark.parametrize(("pause_s", "gives_way"), [(SILENT_S, False), (SILENT_S + 1, True)])
def test_a_stream_gives_way_when_it_has_been_silent_for_longer(pause_s: float, *, gives_way: bool) -> None:
    async def main() -> list[str]:
        clock, told = LoopClock(), []
        streams = UploadStreams(clock, 2)

        async def send(name: str, chunks: AsyncIterator[bytes]) -> None:
            with streams.enter() as stream:
                try:
                    async with streams.alone("default", "mine", stream):
                        await _read(stream.chunks(chunks))
                        told.append(f"{name} stored")
                except UploadOffsetMismatch as error:
                    told.append(f"{name} {'superseded' if 'taken over' in error.message else 'refused'}")

        first = asyncio.create_task(send("first", _every(10.0, b"0", 3)))
        await asyncio.sleep(10.0 + pause_s)
        await send("second", _every(0.0, b"1", 1))
        assert clock.monotonic_s() == 10.0 + pause_s  # decided at once, not when the first one stalls or sends
        await first
        return told

    expected = ["first superseded", "second stored"] if gives_way else ["second refused", "first stored"]
    assert run_in_virtual_time(main()) == expected


def test_a_stream_that_is_superseded_while_it_stores_ends_at_its_next_chunk() -> None:
    async def main() -> bool:
        stream = UploadStream(LoopClock())
        chunks = stream.chunks(_every(1.0, b"0", 1))
        assert await anext(chunks) == b"0"
        stream.supersede()
        with pytest.raises(UploadOffsetMismatch):
            await anext(chunks)
        return stream.is_over

    assert run_in_virtual_time(main()) is False
