"""One running job: from its claim to the state it ends in. A supervisor: whatever a job does, it harms no other."""

import asyncio
import contextlib
import random
import uuid
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.job import Failure, Job, JobState
from stenod_server.domain.retry import failure_of
from stenod_server.errors import Broken, JobDeadlineExceeded, StenodError, StorageFull, StoreUnavailable, Unforeseen
from stenod_server.scheduler.attempt import Done, Ended, Outcome, Postponed, Reused, Running
from stenod_server.scheduler.fetching import fetch, unrecorded_key
from stenod_server.scheduler.job_engines import JobEngines
from stenod_server.scheduler.observer import Observer
from stenod_server.scheduler.options import Adapters, SchedulerOptions
from stenod_server.scheduler.pulse import Pulse
from stenod_server.scheduler.recognition_run import Recogniser
from stenod_server.scheduler.recorder import JobStopped, Recorder, StopReason, Telling
from stenod_server.scheduler.result_cache import ResultCache
from stenod_server.scheduler.routing import Route, Router
from stenod_server.scheduler.slots import Slots
from stenod_server.scheduler.updates import JobUpdates

STORE_AWAY_S: Final = 5.0  # until a job that met it tries again
_log = structlog.get_logger()


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
        self._updates = updates
        self._observer = observer
        self.pulse = Pulse(adapters.clock)
        self.cache = ResultCache(router, adapters.clock, options.cache_ttl, options.chunks)
        self._recogniser = Recogniser(
            adapters,
            options,
            router=router,
            cache=self.cache,
            engines_of=lambda job: JobEngines(job.job_id, slots, self.pulse),
            recorder_of=self._recorder,
        )
        self._chance = random.Random()  # noqa: S311  jitter is no secret

    async def run(self, running: Running) -> Ended:
        """Run the job to an end and store it. Cancelling this leaves the job RUNNING in the store, to be rescued."""
        job = running.job
        span = self._adapters.tracer.span(
            "job", parent=job.config.origin.traceparent, job_id=job.job_id, attempt=job.attempt
        )
        with structlog.contextvars.bound_contextvars(job_id=job.job_id), span as told:
            try:
                outcome = await self._attempt(running)
            finally:
                # Before the end is stored: who hears of it may submit the next job, and finds the engines free.
                self._slots.release(job.job_id)
            if running.recorder is not None and not isinstance(outcome, Done):
                await self._hand_over(running.recorder)
            ended = await self._settle(job, outcome)
            told.note(state=str(ended.job.state) if ended.job else "lost")
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
            delay_s = _postponed_s(error)
            return Postponed(failure_of(error), self._spread(delay_s)) if delay_s else failure_of(error)
        return _broken(error)

    def _spread(self, delay_s: float) -> float:
        """So that those who met the same trouble do not come back together."""
        return delay_s * (1 + 0.25 * self._chance.random())

    async def _transcribe(self, running: Running) -> Done | Reused:
        job = running.job
        if job.cancel_requested:  # while it waited, or before its node was restarted
            raise JobStopped(StopReason.CANCEL)
        try:
            async with asyncio.timeout(self._time_left_s(job)) as deadline:
                return await self._recogniser.run(running, await self._with_media(job))
        except TimeoutError as error:
            if deadline.expired():
                raise JobDeadlineExceeded("the job was not done by its deadline") from error
            raise

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

    def _time_left_s(self, job: Job) -> float | None:
        if job.deadline_time is None:
            return None
        return (job.deadline_time - self._adapters.clock.now()).total_seconds()

    def _recorder(self, job: Job, route: Route) -> Recorder:
        telling = Telling(
            updated=self._updates.publish,
            window=lambda audio_s: self._observer.window(route.profile.model, audio_s),
        )
        interval_s = self._options.record_interval_s
        return Recorder(job, self._adapters.store, self._adapters.clock, telling, interval_s=interval_s)

    async def _settle(self, job: Job, outcome: Outcome) -> Ended:
        """Store the end. One that the store can never take becomes a failure, without what was reported last."""
        try:
            ended = await self._stored(job, outcome)
        except Broken as error:
            outcome = _broken(error)
            ended = await self._stored(job, outcome)
        self._tell(job, outcome, ended)
        return ended

    async def _stored(self, job: Job, outcome: Outcome) -> Ended:
        """While the store is away, keep at it: the work is done, only its result is not safe yet."""
        tries = 0
        while True:
            try:
                return await self._write(job, outcome)
            except StoreUnavailable as error:
                tries = min(tries + 1, 10)
                delay_s = self._options.retry.delay_s(tries, self._chance.random())
                _log.warning("job_end_not_stored", error=str(error), retry_in_s=round(delay_s, 1))
                await asyncio.sleep(delay_s)

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
            case Failure() | Postponed():
                return await self._put_off(job, outcome, now)

    async def _put_off(self, job: Job, outcome: Failure | Postponed, now: datetime) -> Ended:
        """Until a later attempt; or it fails for good."""
        store, lease = self._adapters.store, job.lease
        if isinstance(outcome, Postponed):
            not_before = now + timedelta(seconds=outcome.delay_s)
            return Ended(await store.release(lease, now=now, not_before=not_before), outcome.delay_s)
        if not self._options.retry.allows(outcome, job.failures + 1):
            return Ended(await store.fail(lease, outcome, now=now))
        delay_s = self._options.retry.delay_s(job.failures + 1, self._chance.random())
        not_before = now + timedelta(seconds=delay_s)
        return Ended(await store.release(lease, now=now, failure=outcome, not_before=not_before), delay_s)

    def _tell(self, job: Job, outcome: Outcome, ended: Ended) -> None:
        if ended.job is None:
            _log.warning("job_lost", outcome=type(outcome).__name__)
            self._updates.invalidate(job.job_id)
            return
        self._updates.publish(ended.job)
        if ended.job.state is JobState.QUEUED:
            reason = _reason(outcome)
            _log.info(
                "job_released", reason=reason, attempt=job.attempt, retry_in_s=ended.retry_in_s, **_cause(outcome)
            )
            self._observer.released(ended.job, reason=reason)
            return
        run_s = (self._adapters.clock.now() - (job.start_time or job.create_time)).total_seconds()
        state = str(ended.job.state)
        _log.info("job_ended", state=state, attempt=job.attempt, run_s=round(run_s, 3), **_detail(outcome))
        self._observer.ended(ended.job, run_s=run_s)


def _broken(error: BaseException) -> Failure:
    error_id = uuid.uuid4().hex[:12]
    _log.error("job_broke", error_id=error_id, exc_info=error)
    return failure_of(Unforeseen(error_id))


def _postponed_s(error: StenodError) -> float:
    """For how long, where what was missing is nobody's fault: room on the disk, the database, the bucket. Else 0."""
    if isinstance(error, StorageFull):
        return error.retry_after_s
    return STORE_AWAY_S if isinstance(error, StoreUnavailable) and not error.missing else 0.0


def _reason(outcome: Outcome) -> str:
    match outcome:
        case Failure(reason=reason) | Postponed(cause=Failure(reason=reason)):
            return reason
        case _:
            return str(outcome)


def _cause(outcome: Outcome) -> dict[str, str]:
    """Nothing else tells of it: a job that is postponed has not failed."""
    return {"cause": outcome.cause.message} if isinstance(outcome, Postponed) else {}


def _detail(outcome: Outcome) -> dict[str, object]:
    if isinstance(outcome, Done):
        info = outcome.info
        return {"audio_s": round(info.duration_samples / SAMPLE_RATE_HZ, 1), "windows": info.windows}
    if isinstance(outcome, Reused):
        return {"from_cache": True}
    return {"reason": outcome.reason} if isinstance(outcome, Failure) else {}
