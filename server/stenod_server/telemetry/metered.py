"""An engine that is timed: what each try at a window took, for the metrics and for liveness, and why some failed."""

import time
from collections import deque
from collections.abc import Mapping
from typing import Final

from stenod_server.errors import StenodError
from stenod_server.ports import (
    Engine,
    Int16Audio,
    ModelProfile,
    RecognitionRequest,
    VoiceProfile,
    WindowResult,
    WindowVoices,
)
from stenod_server.telemetry.metrics import Metrics
from stenod_server.telemetry.tracing import NO_TRACER, Tracer

_MEMORY_WINDOWS: Final = 256
_NO_SPEECH: Final = 0.6  # as in openai/whisper (no_speech_threshold)


class MeteredEngine:
    """Passes every call on to `engine`. Implements `ports.Engine`."""

    def __init__(self, engine: Engine, metrics: Metrics, tracer: Tracer = NO_TRACER) -> None:
        self._engine = engine
        self._tracer = tracer
        self._window = metrics.stage.labels("window")
        self._voices = metrics.stage.labels("voices")
        self._failures = metrics.window_failures
        self._silent = metrics.silent_windows
        self._recent_s: deque[float] = deque(maxlen=_MEMORY_WINDOWS)

    @property
    def p99_s(self) -> float:
        """What all but a hundredth of the last windows stayed below; 0 before the first."""
        ordered = sorted(self._recent_s)
        return ordered[-1 - len(ordered) // 100] if ordered else 0.0

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        started_s = time.monotonic()
        try:
            with self._tracer.span("window", kind="client", model=request.model, samples=len(audio)):
                result = await self._engine.recognise(audio, request, timeout_s=timeout_s)
        except StenodError as error:
            self._failures.labels(error.reason).inc()
            raise
        took_s = time.monotonic() - started_s
        self._window.observe(took_s)
        self._recent_s.append(took_s)
        if result.no_speech >= _NO_SPEECH:
            self._silent.labels("some" if result.words else "none").inc()
        return result

    async def voices(
        self, audio: Int16Audio, model: str, *, revision: str, interactive: bool, timeout_s: float
    ) -> WindowVoices:
        started_s = time.monotonic()
        try:
            with self._tracer.span("voices", kind="client", model=model, samples=len(audio)):
                result = await self._engine.voices(
                    audio, model, revision=revision, interactive=interactive, timeout_s=timeout_s
                )
        except StenodError as error:
            self._failures.labels(error.reason).inc()
            raise
        self._voices.observe(time.monotonic() - started_s)
        return result

    async def profiles(self) -> Mapping[str, ModelProfile]:
        return await self._engine.profiles()

    async def voice_profiles(self) -> Mapping[str, VoiceProfile]:
        return await self._engine.voice_profiles()

    async def batch_statistics(self) -> Mapping[int, int]:
        return await self._engine.batch_statistics()

    def is_ready(self, model: str = "") -> bool:
        return self._engine.is_ready(model)

    async def close(self) -> None:
        await self._engine.close()
