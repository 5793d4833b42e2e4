"""Uploads over real connections, to a node whose clock stands still: broken, doubled, half open, and too many."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from stenod.errors import InvalidRequest, StenodError, Unavailable, WrongState, rpc_errors
from stenod.v1 import media_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from stenod_server.app.node import Node
from stenod_server.scheduler import upload_streams
from stenod_server.scheduler.upload_streams import SILENT_S
from tests.support.builders import FakeClock
from tests.support.eventually import eventually, eventually_so
from tests.support.node import fake_node

CHUNK_BYTES: Final = 256 * 1024
DATA: Final = os.urandom(5 * CHUNK_BYTES)
ID: Final = "mine"


class Uploader:
    """A client of its own, with a connection of its own."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = TranscriptionServiceStub(channel)  # type: ignore[no-untyped-call]

    async def begin(self, offset_bytes: int = 0, *, upload_id: str = ID, chunks: int = 0) -> Any:
        call = self._stub.UploadMedia()
        metadata = media_pb2.UploadMetadata(upload_id=upload_id, offset_bytes=offset_bytes, size_bytes=len(DATA))
        await call.write(pb.UploadMediaRequest(metadata=metadata))
        for start in range(offset_bytes, offset_bytes + chunks * CHUNK_BYTES, CHUNK_BYTES):
            await call.write(pb.UploadMediaRequest(chunk=DATA[start : start + CHUNK_BYTES]))
        return call

    async def send_rest(self, offset_bytes: int) -> media_pb2.Upload:
        call = await self.begin(offset_bytes, chunks=(len(DATA) - offset_bytes) // CHUNK_BYTES)
        return await end(call)

    async def stored(self) -> media_pb2.Upload:
        with rpc_errors():
            response = await self._stub.GetUpload(pb.GetUploadRequest(upload_id=ID))
        upload: media_pb2.Upload = response.upload
        return upload

    def silent(self) -> Any:
        return self._stub.UploadMedia()


async def end(call: Any) -> media_pb2.Upload:
    with rpc_errors():
        await call.done_writing()
        upload: media_pb2.Upload = (await call).upload
    return upload


async def refusal(call: Any, match: str) -> StenodError:
    """How the server ended the call. Nothing is written meanwhile: a write that fails hides the server's words."""
    with pytest.raises(StenodError, match=match) as caught, rpc_errors():
        await call
    return caught.value


@asynccontextmanager
async def _uploader(node: Node) -> AsyncIterator[Uploader]:
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(node.address, options=options) as channel:
        yield Uploader(channel)


def _part_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in (directory / "data" / "uploads").glob("*.part"))


def _is_whole(upload: media_pb2.Upload) -> bool:
    return upload.complete and upload.sha256 == hashlib.sha256(DATA).hexdigest()


async def test_an_upload_whose_connection_broke_goes_on(tmp_path: Path) -> None:
    async with fake_node(tmp_path, clock=FakeClock()) as node, _uploader(node) as second:
        async with _uploader(node) as first:
            await first.begin(chunks=2)
            await eventually(lambda: _part_bytes(tmp_path) == 2 * CHUNK_BYTES)
        while (stored := await second.stored()).offset_bytes == 0:  # noqa: ASYNC110  the server has yet to notice
            await asyncio.sleep(0.01)
        assert stored.offset_bytes == 2 * CHUNK_BYTES
        assert _is_whole(await second.send_rest(stored.offset_bytes))
        assert _is_whole(await second.send_rest(len(DATA)))  # as who lost the answer asks


async def test_a_half_open_stream_is_left_alone_while_it_may_live_and_then_taken_over(tmp_path: Path) -> None:
    clock = FakeClock()
    async with fake_node(tmp_path, clock=clock) as node, _uploader(node) as first, _uploader(node) as second:
        half_open = await first.begin(chunks=3)
        await eventually(lambda: _part_bytes(tmp_path) == 3 * CHUNK_BYTES)
        assert isinstance(await refusal(await second.begin(), "another stream is writing"), WrongState)

        async def takes_over() -> bool:
            clock.advance(SILENT_S + 1)  # while the server stores the last chunk, no silence counts as the sender's
            error = await refusal(await second.begin(), f"is writing|continues at byte {3 * CHUNK_BYTES}")
            return "continues at byte" in str(error)

        await eventually_so(takes_over)
        assert isinstance(await refusal(half_open, "taken over"), WrongState)
        assert (await second.stored()).offset_bytes == 3 * CHUNK_BYTES
        assert _is_whole(await second.send_rest(3 * CHUNK_BYTES))


async def test_streams_that_say_too_little_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with fake_node(tmp_path, clock=FakeClock()) as node, _uploader(node) as uploader:
        monkeypatch.setattr(upload_streams, "STALL_S", 1.0)
        for call in (await uploader.begin(chunks=2), uploader.silent()):
            error = await refusal(call, "GetUpload tells the offset")
            assert (type(error), error.reason) == (Unavailable, "UPLOAD_STALLED")
        monkeypatch.undo()
        assert _is_whole(await uploader.send_rest((await uploader.stored()).offset_bytes))


async def test_a_stream_too_many_is_refused_unread(tmp_path: Path) -> None:
    async with fake_node(tmp_path, clock=FakeClock(), max_upload_streams=2) as node, _uploader(node) as uploader:
        silent, begun = uploader.silent(), await uploader.begin(chunks=1)
        await eventually(lambda: _part_bytes(tmp_path) == CHUNK_BYTES)
        error = await refusal(uploader.silent(), "max_upload_streams")
        assert isinstance(error, Unavailable)
        assert (error.reason, error.retry_after_s) == ("TOO_MANY_CALLS", 1.0)
        for call in (silent, uploader.silent()):  # the first one's place is the second one's
            with pytest.raises(InvalidRequest, match="first message"):
                await end(call)
        begun.cancel()
