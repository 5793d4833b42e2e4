"""The recognition of one job: who recognises it, from where on, and whether somebody has done it before."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from stenod_server.domain.decoding import Decoding
from stenod_server.domain.job import Job, Progress
from stenod_server.domain.transcript import TranscriptInfo
from stenod_server.errors import StoreUnavailable
from stenod_server.ports import CacheKey
from stenod_server.recognition.language_choice import ChoiceRules, LanguageChoice
from stenod_server.recognition.listening import Listened, Listener
from stenod_server.recognition.memory import fits
from stenod_server.recognition.pipeline import EngineSource, Pipeline, Recording
from stenod_server.scheduler import abilities, language_doubt
from stenod_server.scheduler.attempt import Done, Reused, Running
from stenod_server.scheduler.final_pass import FinalPass, Listening
from stenod_server.scheduler.options import Adapters, SchedulerOptions
from stenod_server.scheduler.recorder import Recorder
from stenod_server.scheduler.recordings import Recordings
from stenod_server.scheduler.result_cache import ResultCache
from stenod_server.scheduler.routing import Route, Router
from stenod_server.speakers.diarizer import Diarizer

_log = structlog.get_logger()


class Recogniser:
    """Recognises the jobs of a node; keeps nothing between them. `engines_of` and `recorder_of` are of one job."""

    def __init__(
        self,
        adapters: Adapters,
        options: SchedulerOptions,
        *,
        router: Router,
        cache: ResultCache,
        engines_of: Callable[[Job], EngineSource],
        recorder_of: Callable[[Job, Route], Recorder],
    ) -> None:
        self._adapters = adapters
        self._router = router
        self._cache = cache
        self._engines_of = engines_of
        self._recorder_of = recorder_of
        self._recordings = Recordings(options)
        # A window that hangs must not keep the other engines idle: room for several rounds behind it.
        self._pipeline = Pipeline(adapters.engine, adapters.front_end, max_ahead=max(256, 4 * options.max_engines))
        self._listener = Listener(adapters.engine, adapters.front_end)
        self._final_pass = FinalPass(adapters.store, options.identification)

    async def run(self, running: Running, job: Job) -> Done | Reused:
        """Recognise the job, whose media is in the blob store, unless the tenant has its transcript already.

        Raises whatever keeps it from its end.
        """
        route = await self._router.route(job.config)
        listener = await self._router.listener(job.config)
        voices = await self._router.voices(job.config)
        listening = Listening(voices, Diarizer(job.config.diarization)) if voices else None
        # What is heard first decides who recognises the rest: no key stands for that.
        key = None if listener else self._cache.key(job, route, voices)
        if key is not None and (reused := await self._reuse(job, key)):
            return Reused(reused)
        engines = self._engines_of(job)
        async with self._adapters.blobs.local_path(job.media.key) as path:
            heard = None
            if listener:
                heard = await self._listen(job, listener, path, engines)
                route = self._router.settled(job.config, heard.choice)
            recording = await self._recording(job, route, path, listening)
            if heard:
                recording = replace(recording, known=heard.known_to(recording))
            job = await self._resumable(job, recording)
            running.recorder = recorder = self._recorder_of(job, route)
            info = await self._pipeline.transcribe(replace(recording, resume=job.checkpoint), engines, recorder)
        info, rest = self._told(info, job, route, heard.choice if heard else None), recorder.rest()
        if listening:
            info, rest = await self._final_pass.run(job, listening, recorder, info)
        # What an earlier attempt has recognised may be of another revision of the recogniser.
        key = await self._cache.still(job, key) if job.checkpoint is None else None
        return Done(info, tuple(rest), key)

    async def _reuse(self, job: Job, key: CacheKey) -> Job | None:
        """The job, SUCCEEDED with an earlier one's transcript, where there is one."""
        with contextlib.suppress(StoreUnavailable):  # then it is recognised like any other
            return await self._adapters.store.reuse(job, key, now=self._adapters.clock.now())
        return None

    async def _listen(self, job: Job, listener: Route, path: Path, engines: EngineSource) -> Listened:
        recording = self._recordings.of(job, listener, path, Decoding(), interactive=job.interactive)
        expected = self._router.heeded(job.config).expected_languages
        heard = await self._listener.listen(recording, engines, ChoiceRules(expected=expected))
        choice = heard.choice
        _log.info("language_heard", language=choice.language, confidence=round(choice.confidence, 3))
        return heard

    async def _recording(self, job: Job, route: Route, path: Path, listening: Listening | None) -> Recording:
        decoding = abilities.honoured(route.profile, job.config.asked_of_recogniser)
        voices = listening.profile if listening else None
        return replace(
            self._recordings.of(job, route, path, decoding, interactive=job.interactive, voices=voices),
            watch=await self._recordings.watch(self._router.heeded(job.config), route),
            voices=listening.voices if listening else None,
            formatter=await self._recordings.formatter(job, route),
            formats_slowly=bool(job.config.formatting.replacements),
        )

    async def _resumable(self, job: Job, recording: Recording) -> Job:
        """The job without its checkpoint where another recogniser, or another release, has written that."""
        if job.checkpoint is None or fits(job.checkpoint, recording.signature):
            return job
        await self._adapters.store.restart(job.lease)
        return replace(job, checkpoint=None, progress=Progress())

    def _told(self, info: TranscriptInfo, job: Job, route: Route, heard: LanguageChoice | None) -> TranscriptInfo:
        """With what was known, or found out, of the job as a whole."""
        if heard and heard.language == info.language:
            info = replace(info, language_confidence=heard.confidence)
        before = (
            *self._router.heeded(job.config).warnings,
            *abilities.warnings(route.profile, job.config.asked_of_recogniser),
            *abilities.warnings_of_text(route.profile, job.config.formatting),
        )
        return replace(info, warnings=(*before, *language_doubt.warnings(job.config, heard), *info.warnings))
