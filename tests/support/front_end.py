"""An audio front end that plays a script: the windows, an error, a summary."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.ports import AudioProgress, AudioSummary, Window, WindowPlan


def make_windows(count: int, *, seconds: float = 2.0, gap_s: float = 0.0) -> list[Window]:
    """`count` windows of silence, one after the other."""
    length, gap = round(seconds * SAMPLE_RATE_HZ), round(gap_s * SAMPLE_RATE_HZ)
    audio = np.zeros(length, np.int16)
    starts = [index * (length + gap) for index in range(count)]
    return [Window(index, start, audio, start, start + length) for index, start in enumerate(starts)]


class ScriptedFrontEnd:
    """Plays `windows`, then raises `error` or ends with a summary. Counts what was taken from it.

    The error waits for `error_when`, if there is one.
    """

    def __init__(
        self,
        windows: Iterable[Window] = (),
        *,
        duration_samples: int | None = None,
        damage: str = "",
        error: Exception | None = None,
        error_when: asyncio.Event | None = None,
        progress: Sequence[AudioProgress] = (),
        summary: bool = True,
        channels: int = 1,
    ) -> None:
        self._windows = windows
        self._duration_samples = duration_samples
        self._damage = damage
        self._error = error
        self._error_when = error_when
        self._progress = progress
        self._summary = summary
        self._channels = channels
        self.taken = 0
        self.opened = 0
        self.open = 0
        self.plans: list[WindowPlan] = []

    @asynccontextmanager
    async def windows(
        self, path: Path, plan: WindowPlan
    ) -> AsyncIterator[AsyncIterator[Window | AudioProgress | AudioSummary]]:
        del path
        self.plans.append(plan)
        self.opened += 1
        self.open += 1
        stream = self._stream()
        try:
            yield stream
        finally:
            self.open -= 1
            await stream.aclose()

    async def _stream(self) -> AsyncGenerator[Window | AudioProgress | AudioSummary, None]:
        end_samples = speech_samples = count = 0
        for item in self._progress:
            yield item
        for window in self._windows:
            self.taken += 1
            yield window
            end_samples, speech_samples, count = window.end_samples, speech_samples + len(window.audio), count + 1
        if self._error is not None:
            if self._error_when is not None:
                await self._error_when.wait()
            raise self._error
        if not self._summary:
            return
        duration = end_samples if self._duration_samples is None else self._duration_samples
        yield AudioSummary(
            duration, speech_samples, count, self._channels, SAMPLE_RATE_HZ, "pcm_s16le", "wav", self._damage
        )

    async def close(self) -> None: ...
