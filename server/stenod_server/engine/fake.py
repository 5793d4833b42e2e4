"""A recogniser that sleeps: the engine of the other layers' tests and of the scaling proof.

Product code, so that it is type-checked and kept to the contract suite that TritonEngine passes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from stenod_server.domain.audio import SAMPLE_RATE_HZ, to_seconds
from stenod_server.domain.transcript import Word
from stenod_server.errors import EngineUnavailable, InvalidField, ModelNotFound, WindowTimeout
from stenod_server.ports import (
    Int16Audio,
    ModelProfile,
    RecognitionRequest,
    Voice,
    VoiceProfile,
    VoiceSpan,
    WindowResult,
    WindowVoices,
)

FAKE_PROFILE: Final = ModelProfile(
    model="fake",
    family="fake",
    languages=("en", "de"),
    window_target_samples=10 * SAMPLE_RATE_HZ,
    window_max_samples=30 * SAMPLE_RATE_HZ,
    length_buckets_samples=(10 * SAMPLE_RATE_HZ, 30 * SAMPLE_RATE_HZ),
    max_batch_size=4,
    instances=1,
    tasks=("transcribe",),
    operating_points=("standard",),
    default_engines=8,
    takes_mark_bias=True,
)

FAKE_VOICE_PROFILE: Final = VoiceProfile(
    model="fake-voices",
    family="fake",
    window_max_samples=30 * SAMPLE_RATE_HZ,
    dimensions=8,
    max_batch_size=4,
    instances=1,
    revision="1",
)


class FakeEngine:
    """Takes `fixed_delay_s` + `delay_ratio` times the window's length, each window on its own.

    Its words follow from the window's length alone: one per whole second, `<length_samples>-<second>`, each half a
    second long. Its voices follow from the audio: in each whole second speaks the voice whose number is the second's
    first sample modulo 8, and none where that is 0. `failures` is consumed one error per call, before the delay.
    `gate`, when set to an asyncio.Event, holds every window until the event is set: tests that wait for a state rather
    than a time use it.
    """

    def __init__(
        self,
        profiles: Sequence[ModelProfile] = (FAKE_PROFILE,),
        *,
        fixed_delay_s: float = 0.0,
        delay_ratio: float = 0.0,
        failures: Sequence[Exception] = (),
        voice_profiles: Sequence[VoiceProfile] = (FAKE_VOICE_PROFILE,),
    ) -> None:
        self._voice_profiles = {profile.model: profile for profile in voice_profiles}
        self._profiles = {profile.model: profile for profile in profiles}
        self.fixed_delay_s = fixed_delay_s
        self.delay_ratio = delay_ratio
        self.failures = list(failures)
        self.gate: asyncio.Event | None = None
        self.ready = True
        self.away: set[str] = set()  # models that are loaded, but where nobody answers
        self.in_flight = 0
        self.max_in_flight = 0
        self.completed = 0
        self.cancelled = 0
        self.requests: list[RecognitionRequest] = []
        self._closed = False

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        """As `ports.Engine.recognise`."""
        if self._closed:
            raise EngineUnavailable("the engine is closed")
        self._check(audio, request)
        self.requests.append(request)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            if self.failures:
                raise self.failures.pop(0)
            async with asyncio.timeout(timeout_s):
                await self._work(audio)
        except TimeoutError as error:
            raise WindowTimeout(f"a window was not recognised within {timeout_s:g} s", model=request.model) from error
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1
        self.completed += 1
        return _result(audio, request)

    async def voices(
        self, audio: Int16Audio, model: str, *, revision: str, interactive: bool, timeout_s: float
    ) -> WindowVoices:
        """As `ports.Engine.voices`."""
        del interactive, timeout_s
        if self._closed:
            raise EngineUnavailable("the engine is closed")
        profile = self._voice_profiles.get(model)
        if profile is None:
            raise ModelNotFound(model)
        if revision != profile.revision:
            raise EngineUnavailable(f"{model} is of revision {profile.revision!r}, not {revision!r}")
        if len(audio) > profile.window_max_samples:
            raise InvalidField("window", f"{len(audio)} samples; at most {profile.window_max_samples} are taken")
        return _voices(audio)

    async def voice_profiles(self) -> Mapping[str, VoiceProfile]:
        """As `ports.Engine.voice_profiles`."""
        if self._closed:
            raise EngineUnavailable("the engine is closed")
        return dict(self._voice_profiles)

    async def profiles(self) -> Mapping[str, ModelProfile]:
        """As `ports.Engine.profiles`."""
        if self._closed:
            raise EngineUnavailable("the engine is closed")
        return dict(self._profiles)

    async def batch_statistics(self) -> Mapping[int, int]:
        """Executions by batch size; here every window is a batch of one."""
        return {1: self.completed} if self.completed else {}

    def is_ready(self, model: str = "") -> bool:
        return self.ready and not self._closed and model not in self.away

    async def close(self) -> None:
        self._closed = True

    def _check(self, audio: Int16Audio, request: RecognitionRequest) -> None:
        profile = self._profiles.get(request.model)
        if profile is None:
            raise ModelNotFound(request.model)
        if request.language not in {"auto", *profile.languages}:
            raise InvalidField("window", f"language {request.language!r} is not one of {', '.join(profile.languages)}")
        decoding = request.decoding
        if decoding.task not in profile.tasks:
            raise InvalidField("window", f"task {decoding.task!r} is not one of {', '.join(profile.tasks)}")
        if decoding.beam_size > profile.max_beam_size:
            raise InvalidField("window", f"beam_size {decoding.beam_size} is above {profile.max_beam_size}")
        if (decoding.vocabulary and not profile.takes_hotwords) or (decoding.prompt and not profile.takes_prompt):
            raise InvalidField("window", "a vocabulary, or a prompt, which is not taken")
        if decoding.mark_bias and not profile.takes_mark_bias:
            raise InvalidField("window", "a mark_bias, which is not taken")
        if len(audio) > profile.window_max_samples:
            raise InvalidField("window", f"{len(audio)} samples; at most {profile.window_max_samples} are taken")

    async def _work(self, audio: Int16Audio) -> None:
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(self.fixed_delay_s + self.delay_ratio * to_seconds(len(audio)))


def _result(audio: Int16Audio, request: RecognitionRequest) -> WindowResult:
    language = "en" if request.language == "auto" else request.language
    words = tuple(
        Word(
            text=f"{len(audio)}-{second}",
            start_samples=second * SAMPLE_RATE_HZ,
            end_samples=second * SAMPLE_RATE_HZ + SAMPLE_RATE_HZ // 2,
            confidence=1.0,
            language=language,
        )
        for second in range(len(audio) // SAMPLE_RATE_HZ)
    )
    return WindowResult(words=words, language=language, language_confidence=1.0, no_speech=0.0 if words else 1.0)


def _voices(audio: Int16Audio) -> WindowVoices:
    firsts = audio[: len(audio) // SAMPLE_RATE_HZ * SAMPLE_RATE_HZ : SAMPLE_RATE_HZ]
    numbers = [int(first) % FAKE_VOICE_PROFILE.dimensions for first in firsts]
    heard = sorted(set(numbers) - {0})
    spans = tuple(
        VoiceSpan(second * SAMPLE_RATE_HZ, (second + 1) * SAMPLE_RATE_HZ, heard.index(number))
        for second, number in enumerate(numbers)
        if number
    )
    directions = np.eye(FAKE_VOICE_PROFILE.dimensions, dtype=np.float32)
    voices = (Voice(directions[number], numbers.count(number) * SAMPLE_RATE_HZ) for number in heard)
    return WindowVoices(spans, tuple(voices))
