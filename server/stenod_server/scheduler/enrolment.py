"""An identifier of a voice from a short recording of one person alone, for APIs that take recordings in its place."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stenod_server.domain.audio import to_seconds
from stenod_server.domain.job import JobConfig
from stenod_server.errors import EngineUnavailable, InvalidField
from stenod_server.ports import AudioSummary, VoiceProfile, Window, WindowPlan
from stenod_server.scheduler.options import Adapters, SchedulerOptions
from stenod_server.scheduler.routing import Router
from stenod_server.speakers.diarizer import Diarizer
from stenod_server.speakers.turns import SpeakerTurns

SHORTEST_S: Final = 2.0
LONGEST_S: Final = 10.0
_LENIENCE_S: Final = 0.5  # of a codec that pads


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording in the blob store, and the name that its caller has for it."""

    key: str
    field: str


class Enrolment:
    """Keeps nothing between recordings."""

    def __init__(self, adapters: Adapters, options: SchedulerOptions, router: Router) -> None:
        self._adapters = adapters
        self._options = options
        self._router = router

    async def identifier(self, reference: Reference, config: JobConfig, tenant: str) -> str:
        """For a job of this config, which tells speakers apart. Takes no engine: it is a window at most.

        Raises InvalidField for a recording that is too short, too long or without speech; EngineUnavailable where it is
        not heard in the time of a window; what `AudioFrontEnd.windows`, `Engine.voices` and `Router.voices` raise.
        """
        profile = await self._router.voices(config)
        if profile is None:
            raise InvalidField(reference.field, "goes with telling speakers apart alone")
        try:
            async with asyncio.timeout(self._options.window_timeout_s):
                async with self._adapters.blobs.local_path(reference.key) as path:
                    turns = await self._heard(path, reference.field, profile, config)
        except TimeoutError as error:  # somebody waits at the line: not for as long as a job would
            raise EngineUnavailable("the recogniser did not hear the recording in time") from error
        if not turns.speakers:
            raise InvalidField(reference.field, "nobody is heard in it")
        voice = max(turns.speakers, key=lambda speaker: speaker.speech_samples)
        return self._options.identification.identifier_of(voice, config, tenant, profile)

    async def _heard(self, path: Path, field: str, profile: VoiceProfile, config: JobConfig) -> SpeakerTurns:
        diarizer = Diarizer(config.diarization)
        async with self._adapters.front_end.windows(path, self._plan(profile)) as items:
            async for item in items:
                if isinstance(item, Window):
                    voices = await self._adapters.engine.voices(
                        item.audio,
                        profile.model,
                        revision=profile.revision,
                        interactive=True,
                        timeout_s=self._options.window_timeout_s,
                    )
                    diarizer.add(item.start_samples, voices)
                elif isinstance(item, AudioSummary):
                    _check_length(field, to_seconds(item.duration_samples))
        return diarizer.finish()

    def _plan(self, profile: VoiceProfile) -> WindowPlan:
        return WindowPlan(
            profile.window_max_samples,
            profile.window_max_samples,
            end_s=LONGEST_S + 2 * _LENIENCE_S,  # as much as shows that it is too long
            chunks=self._options.chunks,
            max_channels=self._options.max_channels,
            max_sample_rate_hz=self._options.max_sample_rate_hz,
        )


def _check_length(field: str, duration_s: float) -> None:
    if not SHORTEST_S <= duration_s <= LONGEST_S + _LENIENCE_S:
        size = "is longer" if duration_s > LONGEST_S else f"has {duration_s:.2g} s"
        raise InvalidField(field, f"must be a recording of {SHORTEST_S:g} to {LONGEST_S:g} s, {size}")
