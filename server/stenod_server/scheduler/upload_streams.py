"""The streams of uploads: how many there may be, which of them may write, and how long one may say nothing.

A sender whose network died is not told apart from a slow one but by its silence: the connection of the dead may look
well for hours.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

import structlog

from stenod_server.errors import StenodError, TooManyCalls, UploadOffsetMismatch, UploadStalled
from stenod_server.ports import Clock

SILENT_S: Final = 5.0  # a stream that is silent so long gives way to another one of its upload
STALL_S: Final = 60.0  # one that makes its reader wait so long is ended, unless meanwhile it brought
STALL_BYTES: Final = 64 * 1024  # so much: a byte now and then must not hold one of `max_upload_streams` for ever

T = TypeVar("T")
_log = structlog.get_logger()


class UploadStream:
    """One call that sends an upload. Only time spent waiting for the sender counts as its silence."""

    def __init__(self, clock: Clock) -> None:
        self.offset_bytes = 0  # where it writes, to be told to those who are refused for it
        self.is_over = False
        self.left = asyncio.Event()
        self._clock = clock
        self._waits_since_s: float | None = None
        self._patience_s = STALL_S
        self._timer = asyncio.timeout(None)
        self._fresh_bytes = 0
        self._is_superseded = False

    @property
    def is_silent(self) -> bool:
        return self._waits_since_s is not None and self._clock.monotonic_s() - self._waits_since_s > SILENT_S

    async def hear(self, said: Awaitable[T]) -> T:
        """Wait for what the sender says next. Raises UploadStalled, and UploadOffsetMismatch once superseded."""
        self._waits_since_s = since_s = self._clock.monotonic_s()
        self._timer = asyncio.timeout(self._patience_s)
        try:
            async with self._timer:
                return await said
        except TimeoutError:
            if not self._timer.expired():
                raise
            raise self._end() from None
        finally:
            self._waits_since_s = None
            self._patience_s -= self._clock.monotonic_s() - since_s

    async def chunks(self, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """All that comes, as long as this stream may write. `is_over` when the sender has ended it."""
        while (chunk := await self.hear(anext(source, None))) is not None:
            self._fresh_bytes += len(chunk)
            if self._fresh_bytes >= STALL_BYTES:
                self._fresh_bytes, self._patience_s = 0, STALL_S
            yield chunk
            if self._is_superseded:
                raise self._end()
        self.is_over = True

    def supersede(self) -> None:
        """End it; what it has brought is stored until `left` is set."""
        self._is_superseded = True
        if self._waits_since_s is not None and not self._timer.expired():
            self._timer.reschedule(0)

    def _end(self) -> StenodError:
        if self._is_superseded:
            message = "another stream of this upload has taken over from this silent one; GetUpload tells the offset"
            return UploadOffsetMismatch(message)
        return UploadStalled(STALL_BYTES, STALL_S)


class UploadStreams:
    """Those of the node."""

    def __init__(self, clock: Clock, max_streams: int) -> None:
        self._clock = clock
        self._max_streams = max_streams
        self._count = 0
        self._writing: dict[tuple[str, str], UploadStream] = {}

    @contextmanager
    def enter(self) -> Iterator[UploadStream]:
        """Raises TooManyCalls; a stream never waits for a place."""
        if self._count >= self._max_streams:
            raise TooManyCalls(self._max_streams, setting="max_upload_streams")
        self._count += 1
        try:
            yield UploadStream(self._clock)
        finally:
            self._count -= 1

    @asynccontextmanager
    async def alone(self, tenant: str, upload_id: str, stream: UploadStream) -> AsyncIterator[None]:
        """Let `stream` write, and nobody else; an earlier one that is silent has stored all it had by then.

        Raises UploadOffsetMismatch when the earlier one is alive.
        """
        key = (tenant, upload_id)
        earlier = self._writing.get(key)
        if earlier is not None and not earlier.is_silent:
            message = f"another stream is writing to upload {upload_id!r}"
            raise UploadOffsetMismatch(message, offset_bytes=earlier.offset_bytes)
        self._writing[key] = stream  # at once: of two that come for a silent one, the first takes over
        try:
            if earlier is not None:
                _log.info("upload_taken_over", upload_id=upload_id)
                earlier.supersede()
                await earlier.left.wait()
            yield
        finally:
            stream.left.set()
            if self._writing.get(key) is stream:  # not an heir, nor one that came and went
                del self._writing[key]
