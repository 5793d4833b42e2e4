"""One running job: from its claim to the state it ends in. A supervisor: whatever a job does, it harms no other."""

import asyncio
import contextlib
import itertools
import random
import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import structlog

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.decoding import Decoding
from stenod_server.domain.job import Failure, Job, JobConfig, JobState, Progress
from stenod_server.domain.retry import failure_of
from stenod_server.domain.transcript import Segment, TranscriptInfo
from stenod_server.errors import Broken, JobDeadlineExceeded, StenodError, StorageFull, StoreUnavailable, Unforeseen
from stenod_server.ports import CacheKey, RecognitionRequest, WindowPlan
from stenod_server.recognition.drift import AUTO, LanguageWatch
from stenod_server.recognition.guard import GuardLimits
from stenod_server.recognition.language_choice import ChoiceRules
from stenod_server.recognition.listening import Listener
from stenod_server.recognition.memory import fits
from stenod_server.recognition.pipeline import Pipeline, Recording
from stenod_server.recognition.stitch import SegmentRules
from stenod_server.scheduler import abilities, language_doubt
from stenod_server.scheduler.fetching import fetch, unrecorded_key
from stenod_server.scheduler.observer import Observer
from stenod_server.scheduler.options import Adapters, SchedulerOptions
from stenod_server.scheduler.pulse import Pulse
from stenod_server.scheduler.recorder import JobStopped, Recorder, StopReason, Telling
from stenod_server.scheduler.result_cache import ResultCache
from stenod_server.scheduler.routing import Route, Router
from stenod_server.scheduler.slots import Slots
from stenod_server.scheduler.updates import JobUpdates
from stenod_server.text.language_of_text import LangidTextLanguage
from stenod_server.text.scripts import scripts_of

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Done:
    """The recording is transcribed; `rest` are the segments that are not stored yet."""

    info: TranscriptInfo
    rest: tuple[Segment, ...]
    cache: CacheKey | None = None


@dataclass(frozen=True, slots=True)
class Reused:
    """The job has got the transcript of an earlier one; it is stored."""

    job: Job


Outcome: TypeAlias = Done | Reused | Failure | StopReason


@dataclass(slots=True)
class Running:
    """A claimed job. `stop` is set once, by whoever wants it to end early."""

    job: Job
    interactive: bool = False
    recorder: Recorder | None = None
    stop: "asyncio.Future[StopReason]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def request_stop(self, reason: StopReason) -> None:
        if not self.stop.done():
            self.stop.set_result(reason)


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended: the job as it is now (None: not ours any more), and when to try again."""

    job: Job | None
    retry_in_s: float | None = None


class JobEngines:
    """The engines of one job, as its pipeline sees them."""

    def __init__(self, job_id: str, slots: Slots, pulse: Pulse) -> None:
        self._job_id = job_id
        self._slots = slots
        self._pulse = pulse

    async def acquire(self) -> None:
        await self._slots.acquire(self._job_id)
        if self._slots.table.in_use == 1:
            self._pulse.beat()  # work begins after idleness: that was no stall

    def release(self) -> None:
        self._pulse.beat()
        self._slots.give_back(self._job_id)


class Executor:
    """Runs jobs that are claimed and hold a reservation; gives the reservation back before the job's end is told."""

    def __init__(
        self,
        adapters: Adapters,
        options: SchedulerOptions,
        *,
        slots: Slots,
        router: Router,
        updates: JobUpdates,
        observer: Observer,
    ) -> None:
        self._adapters = adapters
        self._options = options
        self._slots = slots
        self._router = router
        self._updates = updates
        self._observer = observer
        self.pulse = Pulse(adapters.clock)
        self.cache = ResultCache(router, adapters.clock, options.cache_ttl, options.chunks)
        # A window that hangs must not keep the other engines idle: room for several rounds behind it.
        self._pipeline = Pipeline(adapters.engine, adapters.front_end, max_ahead=max(256, 4 * options.max_engines))
        self._listener = Listener(adapters.engine, adapters.front_end)
        self._texts_of = lru_cache(maxsize=8)(LangidTextLanguage)
        self._chance = random.Random()  # noqa: S311  jitter is no secret

    async def run(self, running: Running) -> Ended:
        """Run the job to an end and store it. Cancelling this leaves the job RUNNING in the store, to be rescued."""
        job = running.job
        with structlog.contextvars.bound_contextvars(job_id=job.job_id):
            try:
                outcome = await self._attempt(running)
            finally:
                # Before the end is stored: who hears of it may submit the next job, and finds the engines free.
                self._slots.release(job.job_id)
            if running.recorder is not None and not isinstance(outcome, Done):
                await self._hand_over(running.recorder)
            ended = await self._settle(job, outcome)
            if ended.job and ended.job.state.is_terminal:
                await self._erase_unrecorded(ended.job)
            return ended

    async def _hand_over(self, recorder: Recorder) -> None:
        """Whoever goes on with the job shall not do again what is done."""
        with contextlib.suppress(StenodError):  # it did not reach the store; then the checkpoint before counts
            await recorder.hand_over()

    async def _attempt(self, running: Running) -> Outcome:
        work = asyncio.create_task(self._transcribe(running), name=f"job-{running.job.job_id}")
        either: set[asyncio.Future[Any]] = {work, running.stop}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Also when this task is cancelled itself: nothing of a job outlives its executor.
            work.cancel()
            await asyncio.wait({work})
        if work.cancelled():
            return running.stop.result()
        error = work.exception()
        return work.result() if error is None else self._judge(running, error)

    def _judge(self, running: Running, error: BaseException) -> Outcome:
        if isinstance(error, JobStopped):
            return error.reason
        if running.stop.done():
            return running.stop.result()  # what breaks while it is torn down is no failure of the job
        if isinstance(error, StenodError) and not isinstance(error, Broken):
            return failure_of(error)
        error_id = uuid.uuid4().hex[:12]
        _log.error("job_broke", error_id=error_id, exc_info=error)
        return failure_of(Unforeseen(error_id))

    async def _transcribe(self, running: Running) -> Done | Reused:
        job = running.job
        if job.cancel_requested:  # while it waited, or before its node was restarted
            raise JobStopped(StopReason.CANCEL)
        try:
            async with asyncio.timeout(self._time_left_s(job)) as deadline:
                return await self._recognise(running, await self._with_media(job))
        except TimeoutError as error:
            if deadline.expired():
                raise JobDeadlineExceeded("the job was not done by its deadline") from error
            raise

    async def _recognise(self, running: Running, job: Job) -> Done | Reused:
        route = await self._router.route(job.config)
        config = self._router.heeded(job.config)
        listener = await self._router.listener(job.config)
        # What is heard first decides who recognises the rest: no key stands for that.
        key = None if listener else self.cache.key(job, route)
        if key is not None and (reused := await self._reuse(job, key)):
            return Reused(reused)
        async with self._adapters.blobs.local_path(job.media.key) as path:
            engines = JobEngines(job.job_id, self._slots, self.pulse)
            heard = None
            if listener:
                heard = await self._listener.listen(
                    self._recording(running, job, listener, path, Decoding()),
                    engines,
                    ChoiceRules(expected=config.expected_languages),
                )
                route = self._router.settled(job.config, heard)
                _log.info("language_heard", language=heard.language, confidence=round(heard.confidence, 3))
            decoding = abilities.honoured(route.profile, job.config.decoding)
            recording = self._recording(running, job, route, path, decoding)
            recording = replace(recording, watch=await self._watch(config, route))
            job = await self._resumable(job, recording)
            running.recorder = recorder = self._recorder(job, route)
            recording = replace(recording, resume=job.checkpoint)
            info = await self._pipeline.transcribe(recording, engines, recorder)
        if heard and heard.language == info.language:
            info = replace(info, language_confidence=heard.confidence)
        # What an earlier attempt has recognised may be of another revision of the recogniser.
        key = await self.cache.still(job, key) if recording.resume is None else None
        before = (*config.warnings, *abilities.warnings(route.profile, job.config.decoding))
        info = replace(info, warnings=(*before, *language_doubt.warnings(job.config, heard), *info.warnings))
        return Done(info, tuple(recorder.rest()), key)

    def _recording(self, running: Running, job: Job, route: Route, path: Path, decoding: Decoding) -> Recording:
        return Recording(
            path=path,
            plan=self._plan(job, route),
            request=RecognitionRequest(
                route.profile.model, route.language, decoding=decoding, interactive=running.interactive
            ),
            window_timeout_s=self._options.window_timeout_s,
            rules=SegmentRules(punctuation=job.config.formatting.punctuation),
            limits=GuardLimits(scripts=scripts_of(route.profile.languages)),
        )

    async def _watch(self, config: JobConfig, route: Route) -> LanguageWatch | None:
        """Over the language of each window, where the recogniser speaks several and does not say which it heard."""
        profile = route.profile
        if profile.identifies_languages or len(profile.languages) == 1:
            return None
        among = config.expected_languages if route.language == AUTO else profile.languages
        texts = await asyncio.to_thread(self._texts_of, tuple(sorted(among or profile.languages)))
        return LanguageWatch(texts, route.language)

    async def _reuse(self, job: Job, key: CacheKey) -> Job | None:
        """The job, SUCCEEDED with an earlier one's transcript, where there is one."""
        with contextlib.suppress(StoreUnavailable):  # then it is recognised like any other
            return await self._adapters.store.reuse(job, key, now=self._adapters.clock.now())
        return None

    async def _with_media(self, job: Job) -> Job:
        """The job once its media is in the blob store."""
        if job.media.key or job.media.remote is None:
            return job
        adapters, limit = self._adapters, self._options.max_media_bytes
        media = await fetch(job, job.media.remote, adapters.fetcher, adapters.blobs, max_bytes=limit)
        fetched = await adapters.store.fetched(job.lease, media)
        if fetched is None:
            raise JobStopped(StopReason.LOST)
        return fetched

    async def _erase_unrecorded(self, job: Job) -> None:
        if key := unrecorded_key(job):
            with contextlib.suppress(StenodError):  # then the janitor does, as nobody names it
                await self._adapters.blobs.delete(key)

    async def _resumable(self, job: Job, recording: Recording) -> Job:
        """The job without its checkpoint where another recogniser, or another release, has written that."""
        if job.checkpoint is None or fits(job.checkpoint, recording.signature):
            return job
        await self._adapters.store.restart(job.lease)
        return replace(job, checkpoint=None, progress=Progress())

    def _time_left_s(self, job: Job) -> float | None:
        if job.deadline_time is None:
            return None
        return (job.deadline_time - self._adapters.clock.now()).total_seconds()

    def _plan(self, job: Job, route: Route) -> WindowPlan:
        return WindowPlan(
            route.profile.window_target_samples,
            route.profile.window_max_samples,
            start_s=job.config.start_s,
            end_s=job.config.end_s,
            chunks=self._options.chunks,
            max_decoded_s=self._options.max_decoded_s,
            max_channels=self._options.max_channels,
            max_sample_rate_hz=self._options.max_sample_rate_hz,
        )

    def _recorder(self, job: Job, route: Route) -> Recorder:
        telling = Telling(
            updated=self._updates.publish,
            window=lambda audio_s: self._observer.window(route.profile.model, audio_s),
        )
        interval_s = self._options.record_interval_s
        return Recorder(job, self._adapters.store, self._adapters.clock, telling, interval_s=interval_s)

    async def _settle(self, job: Job, outcome: Outcome) -> Ended:
        """Store the end; while the store is away, keep at it: the work is done, only its result is not safe yet."""
        for count in itertools.count(1):
            try:
                ended = await self._write(job, outcome)
            except StoreUnavailable as error:
                delay_s = self._options.retry.delay_s(min(count, 10), self._chance.random())
                _log.warning("job_end_not_stored", error=str(error), retry_in_s=round(delay_s, 1))
                await asyncio.sleep(delay_s)
            else:
                break
        self._tell(job, outcome, ended)
        return ended

    async def _write(self, job: Job, outcome: Outcome) -> Ended:
        store, lease, now = self._adapters.store, job.lease, self._adapters.clock.now()
        match outcome:
            case Done(info=info, rest=rest, cache=cache):
                return Ended(await store.complete(lease, info, rest, now=now, cache=cache))
            case Reused(job=reused):
                return Ended(reused)
            case StopReason.CANCEL:
                return Ended(await store.cancelled(lease, now=now))
            case StopReason.HAND_BACK | StopReason.LOST:  # a job that is lost is not given back: the lease is another's
                return Ended(await store.release(lease, now=now))
            case Failure() if (delay_s := self._retry_in_s(job, outcome)) is not None:
                counted = None if _is_nobodys_fault(outcome) else outcome
                not_before = now + timedelta(seconds=delay_s)
                return Ended(await store.release(lease, now=now, failure=counted, not_before=not_before), delay_s)
            case _:
                return Ended(await store.fail(lease, outcome, now=now))

    def _retry_in_s(self, job: Job, failure: Failure) -> float | None:
        """None: it is final."""
        if _is_nobodys_fault(failure):
            return StorageFull.retry_after_s
        if not self._options.retry.allows(failure, job.failures + 1):
            return None
        return self._options.retry.delay_s(job.failures + 1, self._chance.random())

    def _tell(self, job: Job, outcome: Outcome, ended: Ended) -> None:
        if ended.job is None:
            _log.warning("job_lost", outcome=type(outcome).__name__)
            self._updates.invalidate(job.job_id)
            return
        self._updates.publish(ended.job)
        if ended.job.state is JobState.QUEUED:
            reason = outcome.reason if isinstance(outcome, Failure) else str(outcome)
            _log.info("job_released", reason=reason, attempt=job.attempt, retry_in_s=ended.retry_in_s)
            self._observer.released(ended.job, reason=reason)
            return
        run_s = (self._adapters.clock.now() - (job.start_time or job.create_time)).total_seconds()
        _log.info("job_ended", state=str(ended.job.state), run_s=round(run_s, 3), **_detail(outcome))
        self._observer.ended(ended.job, run_s=run_s)


def _is_nobodys_fault(failure: Failure) -> bool:
    """A full disk: the job waits for room, however long that takes."""
    return failure.reason == StorageFull.reason


def _detail(outcome: Outcome) -> dict[str, object]:
    if isinstance(outcome, Done):
        info = outcome.info
        return {"audio_s": round(info.duration_samples / SAMPLE_RATE_HZ, 1), "windows": info.windows}
    if isinstance(outcome, Reused):
        return {"from_cache": True}
    return {"reason": outcome.reason} if isinstance(outcome, Failure) else {}
