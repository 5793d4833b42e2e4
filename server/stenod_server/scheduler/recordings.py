"""What a job and its recogniser make of a recording: how it is cut, asked about and put together."""

import asyncio
from functools import lru_cache
from pathlib import Path

from stenod_server.domain.decoding import Decoding
from stenod_server.domain.diarization import DiarizationMode
from stenod_server.domain.job import Job, JobConfig
from stenod_server.ports import RecognitionRequest, VoiceProfile, WindowPlan
from stenod_server.recognition.drift import AUTO, LanguageWatch
from stenod_server.recognition.guard import GuardLimits
from stenod_server.recognition.pipeline import Recording
from stenod_server.scheduler.options import SchedulerOptions
from stenod_server.scheduler.routing import Route
from stenod_server.text.formatting.formatter import Formatter
from stenod_server.text.formatting.rules import primary
from stenod_server.text.language_of_text import LangidTextLanguage
from stenod_server.text.scripts import scripts_of


class Recordings:
    """Makes them, of every job."""

    def __init__(self, options: SchedulerOptions) -> None:
        self._options = options
        self._texts_of = lru_cache(maxsize=8)(LangidTextLanguage)
        self._has_read: set[str] = set()  # what formatters need of these languages

    def of(
        self,
        job: Job,
        route: Route,
        path: Path,
        decoding: Decoding,
        *,
        interactive: bool,
        voices: VoiceProfile | None = None,
    ) -> Recording:
        """`voices`: of the model that is asked about the same windows."""
        return Recording(
            path=path,
            plan=self._plan(job, route, voices),
            request=RecognitionRequest(route.profile.model, route.language, decoding=decoding, interactive=interactive),
            window_timeout_s=self._options.window_timeout_s,
            limits=GuardLimits(scripts=scripts_of(route.profile.languages)),
            diarization=job.config.diarization,
        )

    async def formatter(self, job: Job, route: Route) -> Formatter:
        """Made in a thread where it has regular expressions of the job to compile, or files to read."""
        formatting, language = job.config.formatting, _written_in(job, route)
        has_read = primary(language) in self._has_read
        if has_read and not formatting.replacements and not formatting.output_locale:
            return Formatter(formatting, language)
        formatter = await asyncio.to_thread(Formatter, formatting, language)
        self._has_read.add(primary(language))
        return formatter

    async def watch(self, config: JobConfig, route: Route) -> LanguageWatch | None:
        """Over the language of each window, where the recogniser speaks several and does not say which it heard."""
        profile = route.profile
        if profile.identifies_languages or len(profile.languages) == 1:
            return None
        among = config.expected_languages if route.language == AUTO else profile.languages
        texts = await asyncio.to_thread(self._texts_of, tuple(sorted(among or profile.languages)))
        return LanguageWatch(texts, route.language)

    def _plan(self, job: Job, route: Route, voices: VoiceProfile | None) -> WindowPlan:
        most_samples = route.profile.window_max_samples
        if voices:  # one cut for both
            most_samples = min(most_samples, voices.window_max_samples)
        return WindowPlan(
            min(route.profile.window_target_samples, most_samples),
            most_samples,
            start_s=job.config.start_s,
            end_s=job.config.end_s,
            chunks=self._options.chunks,
            max_decoded_s=self._options.max_decoded_s,
            max_channels=self._options.max_channels,
            max_sample_rate_hz=self._options.max_sample_rate_hz,
            per_channel=job.config.diarization.mode is DiarizationMode.CHANNEL,
        )


def _written_in(job: Job, route: Route) -> str:
    """The language as the job names it, for it may name a country, too; else as the recogniser has it."""
    return route.language if job.config.language == AUTO else job.config.language
