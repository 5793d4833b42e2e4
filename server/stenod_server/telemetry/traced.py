"""A front end whose recordings are spans."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from stenod_server.ports import AudioFrontEnd, AudioProgress, AudioSummary, Window, WindowPlan
from stenod_server.telemetry.tracing import Tracer


class TracedFrontEnd:
    """Passes every call on to `front_end`. Implements `ports.AudioFrontEnd`."""

    def __init__(self, front_end: AudioFrontEnd, tracer: Tracer) -> None:
        self._front_end = front_end
        self._tracer = tracer

    @asynccontextmanager
    async def windows(
        self, path: Path, plan: WindowPlan
    ) -> AsyncIterator[AsyncIterator[Window | AudioProgress | AudioSummary]]:
        # Not current: windows are recognised while the recording is decoded, beside it and not for it.
        with self._tracer.span("decode", is_current=False):
            async with self._front_end.windows(path, plan) as items:
                yield items

    async def close(self) -> None:
        await self._front_end.close()
