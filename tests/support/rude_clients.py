"""Clients that cost a server something and want nothing: too slow, half there, or too many."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from uuid import uuid4

import grpc

from stenod.errors import StenodError, rpc_errors
from stenod.v1 import transcription_service_pb2 as pb
from stenod.v1.media_pb2 import UploadMetadata
from stenod.v1.transcription_service_pb2_grpc import TranscriptionServiceStub

TOO_MANY: Final = "TOO_MANY_CALLS"
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HALF_A_FRAME: Final = b"\x00\x00\x20\x01\x04\x00\x00"
_PER_CHANNEL: Final = 50


@asynccontextmanager
async def slow(address: str, *, count: int) -> AsyncIterator[None]:
    """`count` each of: connections that say nothing, that stop inside a frame, uploads of a byte now and then, and
    streams that are never read.
    """
    async with AsyncExitStack() as stack:
        for said in (b"", _PREFACE + _HALF_A_FRAME):
            for _ in range(count):
                stack.callback((await _connected(address, said)).close)
        stub = await _stub(stack, address)
        dripping = [asyncio.create_task(_drip(stub)) for _ in range(count)]
        stack.push_async_callback(_end, dripping)
        for _ in range(count):
            stack.callback(stub.WatchCapacity(pb.WatchCapacityRequest()).cancel)
        yield


@asynccontextmanager
async def flood(address: str, *, count: int, connections: int) -> AsyncIterator[Counter[str]]:
    """`count` streams at once, and `connections` with nothing on them; gives by reason what was refused."""
    refused: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        streams = []
        for number in range(count):
            if number % _PER_CHANNEL == 0:
                stub = await _stub(stack, address)
            streams.append(asyncio.create_task(_watch(stub, refused)))
        stack.push_async_callback(_end, streams)
        for _ in range(connections):
            stack.callback((await _connected(address)).close)
        yield refused


async def _watch(stub: TranscriptionServiceStub, refused: Counter[str]) -> None:
    try:
        with rpc_errors():
            async for _ in stub.WatchCapacity(pb.WatchCapacityRequest()):
                pass
    except StenodError as error:
        refused[error.reason] += 1


async def _drip(stub: TranscriptionServiceStub) -> None:
    call = stub.UploadMedia()
    try:
        metadata = UploadMetadata(upload_id=str(uuid4()), size_bytes=1_000_000, file_name="slow.wav")
        await call.write(pb.UploadMediaRequest(metadata=metadata))
        while True:
            await call.write(pb.UploadMediaRequest(chunk=b"\0"))
            await asyncio.sleep(0.5)
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        pass  # the server had enough of it
    finally:
        call.cancel()


async def _stub(stack: AsyncExitStack, address: str) -> TranscriptionServiceStub:
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, options=options))
    return TranscriptionServiceStub(channel)  # type: ignore[no-untyped-call]


async def _connected(address: str, said: bytes = b"") -> asyncio.StreamWriter:
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    return writer


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
