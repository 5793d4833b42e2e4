"""The façade: what a transport may ask of the node. A transport converts; every decision is made below here."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from stenod_server.domain.capacity import Capacity
from stenod_server.domain.job import Job, JobConfig, JobState, Media
from stenod_server.domain.transcript import Segment
from stenod_server.errors import (
    JobExpired,
    JobFinished,
    JobNotFinished,
    QueueFull,
    QuotaExceeded,
    StenodError,
    Unavailable,
)
from stenod_server.ports import CacheKey, JobFilter, ModelProfile
from stenod_server.ports.cluster import PlaceRequest
from stenod_server.ports.media import Written
from stenod_server.scheduler.admission import Gate
from stenod_server.scheduler.capacity_view import CapacityView
from stenod_server.scheduler.dispatcher import Dispatcher
from stenod_server.scheduler.enrolment import Enrolment, Reference
from stenod_server.scheduler.executor import Executor
from stenod_server.scheduler.fetching import unrecorded_key
from stenod_server.scheduler.fingerprint import fingerprint
from stenod_server.scheduler.membership import Membership
from stenod_server.scheduler.nodes import Nodes
from stenod_server.scheduler.observer import Observer, SilentObserver
from stenod_server.scheduler.options import Adapters, Cluster, SchedulerOptions
from stenod_server.scheduler.own_queue import OwnQueue
from stenod_server.scheduler.recorder import StopReason
from stenod_server.scheduler.routing import Router
from stenod_server.scheduler.shared_queue import SharedQueue
from stenod_server.scheduler.slots import Slots
from stenod_server.scheduler.updates import Broadcast, JobUpdates
from stenod_server.scheduler.watches import Watches

DELETE_PATIENCE_S: Final = 30.0  # for another node to stop a job that is deleted with force

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a caller asks for. `fail_fast`: refuse the job unless its engines are free now, whatever the admission mode.
    `interactive`: somebody waits at the line for the answer, so its windows go before bulk work at the recogniser.
    """

    config: JobConfig
    request_id: str = ""
    fail_fast: bool = False
    interactive: bool = False


class Scheduler:
    """One node's scheduler. Built by `app`; `start` before the first call, `stop` once, at the end. `watches` are for
    whoever follows a job.
    """

    def __init__(self, adapters: Adapters, options: SchedulerOptions, observer: Observer | None = None) -> None:
        observer = observer or SilentObserver()
        self._adapters = adapters
        self._options = options
        self._observer = observer
        self._changed = Broadcast()
        self._updates = JobUpdates()
        self.watches = Watches(adapters.store, self._updates, poll_s=options.watch_poll_s)
        self._slots = Slots(options.max_engines, elastic=options.elastic, on_change=self._changed.notify)
        self._router = Router(adapters.engine, adapters.clock, options.routing)
        slots, updates, router = self._slots, self._updates, self._router
        self._executor = Executor(adapters, options, slots=slots, router=router, updates=updates, observer=observer)
        dispatcher = self._dispatcher = Dispatcher(
            adapters, options, self._executor, slots=slots, updates=updates, observer=observer
        )
        self._gate = Gate(adapters, options, slots=slots, dispatcher=dispatcher, router=router)
        self._capacity = CapacityView(adapters, options, slots=slots, dispatcher=dispatcher, gate=self._gate)
        self._membership = self._join(adapters.cluster)

    def _join(self, cluster: Cluster | None) -> Membership:
        """Where jobs come from, and who else is there."""
        dispatcher, nodes = self._dispatcher, None
        if cluster is None:
            dispatcher.queue = OwnQueue(self._adapters, self._options, self._slots, dispatcher.running)
        else:
            report = partial(self._capacity.report, self._router)
            nodes = self._gate.nodes = Nodes(
                cluster.nodes, self._adapters.clock, self._options, report=report, on_change=self._changed.notify
            )
            dispatcher.queue = SharedQueue(
                clock=self._adapters.clock,
                store=cluster.claims,
                options=self._options,
                slots=self._slots,
                running=dispatcher.running,
                nodes=nodes,
                router=self._router,
            )
        signals = cluster.signals if cluster else None
        return Membership(signals, nodes, dispatcher=dispatcher, updates=self._updates, changed=self._changed)

    async def start(self) -> None:
        """Put back what this node ran before it was restarted, and begin to run jobs. Raises StoreUnavailable."""
        await self._membership.join()
        await self._dispatcher.start()

    async def drain(self, grace_s: float) -> None:
        """Refuse new jobs, claim none, let running ones finish for `grace_s`, hand back the rest; whoever watches is
        sent to another node. May be repeated.
        """
        await self._membership.tell_of_leaving()
        await self._dispatcher.drain(grace_s)
        self._updates.end()
        self._changed.notify()
        await self._membership.leave()

    async def stop(self) -> None:
        """End at once, handing back what runs. May be called twice, or without `start`."""
        await self.drain(0.0)

    # --- jobs ---------------------------------------------------------------------------------------------------

    async def check(self, config: JobConfig, *, fail_fast: bool = False) -> None:
        """Whether a job of this config would be accepted now: before its media is read, or to validate alone.

        Raises what `submit` raises but IdempotencyMismatch, QueueFull and QuotaExceeded. Promises nothing: `submit`
        decides.
        """
        self._gate.check_open()
        immediate = self._gate.is_immediate(fail_fast=fail_fast)
        await self._gate.check(config, immediate=immediate)
        if immediate:
            await self._gate.check_free(config)

    async def enrol(self, reference: Reference, config: JobConfig, tenant: str) -> str:
        """An identifier of the voice in a recording: see `Enrolment.identifier`. Raises what `check` raises, too."""
        await self.check(config)
        return await Enrolment(self._adapters, self._options, self._router).identifier(reference, config, tenant)

    async def submit(self, tenant: str, submission: Submission, media: Media, written: Written = None) -> Job:
        """Accept a job whose media is stored, or is once `written` is done; what that raises is raised. Durable on
        return; idempotent by `request_id`.

        It is SUCCEEDED at once where an earlier job's transcript can be used again.

        Raises EnginesUnsatisfiable, ModelNotFound, IdempotencyMismatch, QueueFull, QuotaExceeded, Draining,
        StoreUnavailable; in reject mode or with `fail_fast` EnginesExhausted and EngineUnavailable. With any of these
        the job is not stored and the media is the caller's to delete, as it is when the job that comes back has another
        media key. A call that is cancelled may have stored the job.
        """
        self._gate.check_open()
        job = self._new_job(tenant, submission, media)
        key = await self._executor.cache.key_of(job)
        immediate = self._gate.is_immediate(fail_fast=submission.fail_fast)
        try:
            await self._gate.check(job.config, immediate=immediate)
            place = self._gate.promise(job) if immediate else None
        except StenodError as refusal:
            return await self._without_an_engine(job, key, refusal, written)
        reserved = immediate and place is None
        try:
            stored = await self._store(job, key, written, self._options.max_queued_jobs, place)
        except BaseException:
            self._forget(job, reserved=reserved)
            raise
        if stored.job_id != job.job_id or stored.state.is_terminal:
            self._forget(job, reserved=reserved)
        self._accepted(job, stored, reserved=reserved)
        return stored

    async def get(self, tenant: str, job_id: str) -> Job:
        """Raises JobNotFound."""
        return await self._adapters.store.get(tenant, job_id)

    async def list(self, tenant: str, job_filter: JobFilter, *, limit: int) -> Sequence[Job]:
        """Newest first; at most `limit`."""
        return await self._adapters.store.list(tenant, job_filter, limit=limit)

    async def cancel(self, tenant: str, job_id: str) -> Job:
        """A job that waits ends at once; one that runs within one window. Terminal: unchanged. Raises JobNotFound."""
        now = self._adapters.clock.now()
        job = await self._adapters.store.request_cancel(tenant, job_id, now=now)
        if job.state is JobState.RUNNING:
            self._dispatcher.request_stop(job_id, StopReason.CANCEL)
        else:
            self._dispatcher.withdraw(job_id)
            self._changed.notify()
        if job.state is JobState.CANCELLED and job.end_time == now:
            _log.info("job_ended", job_id=job_id, state=str(job.state), run_s=0.0)
            self._observer.ended(job, run_s=0.0)
        self._updates.publish(job)
        return job

    async def delete(self, tenant: str, job_id: str, *, force: bool = False) -> Job:
        """Erase a job with its media and transcript; `force` cancels it first. Returns it as it was.

        Raises JobNotFound, JobRunning (also with `force` where another node does not stop it in time).
        """
        if force and (await self.cancel(tenant, job_id)).state is JobState.RUNNING:
            await self._dispatcher.ended(job_id)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DELETE_PATIENCE_S):
                    await self.wait(tenant, job_id)
        job = await self._adapters.store.delete(tenant, job_id)
        self._dispatcher.withdraw(job_id)
        self._updates.invalidate(job_id)
        self._changed.notify()
        if key := job.media.key or unrecorded_key(job):
            await self._adapters.blobs.delete(key)
        _log.info("job_deleted", job_id=job_id, state=str(job.state))
        return job

    async def wait(self, tenant: str, job_id: str) -> Job:
        """See `Watches.wait`."""
        return await self.watches.wait(tenant, job_id)

    def segments(self, job: Job) -> AsyncIterator[Segment]:
        """The stored segments of a job, in order; none of one that was deleted meanwhile."""
        return self._adapters.store.segments(job.job_id)

    def check_succeeded(self, job: Job) -> None:
        """Raises JobNotFinished, JobExpired, JobFinished unless the job has a transcript."""
        match job.state:
            case JobState.SUCCEEDED:
                return
            case JobState.QUEUED | JobState.RUNNING:
                raise JobNotFinished(f"job {job.job_id!r} is {job.state}: it has not ended yet", state=job.state)
            case JobState.EXPIRED:
                raise JobExpired(job.job_id)
            case _:
                raise JobFinished(f"job {job.job_id!r} is {job.state}: it has no transcript", state=job.state)

    @property
    def is_draining(self) -> bool:
        """Whether the node is going away."""
        return self._dispatcher.draining

    # --- the node -----------------------------------------------------------------------------------------------

    async def capacity(self) -> Capacity:
        """Of the whole cluster, where there is one. Raises StoreUnavailable."""
        return await self._capacity.whole(self._membership.nodes)

    async def own_capacity(self) -> Capacity:
        """Of this node alone. Raises StoreUnavailable."""
        return await self._capacity.own()

    async def watch_capacity(self) -> AsyncIterator[Capacity]:
        """The capacity now, then whenever it changed, at most ten times a second. Raises Draining in the end."""
        shown: Capacity | None = None
        with self._changed.listen() as changed:
            while True:
                changed.clear()
                now = await self.capacity()
                if now != shown:
                    yield now
                    shown = now
                with contextlib.suppress(TimeoutError):  # the recogniser's readiness is announced by nobody
                    async with asyncio.timeout(self._options.watch_poll_s):
                        await changed.wait()
                await asyncio.sleep(self._options.capacity_interval_s)
                self.watches.check_staying()

    async def models(self) -> Mapping[str, ModelProfile]:
        """The recognisers that are loaded, by name. Raises EngineUnavailable."""
        return await self._router.profiles()

    def operating_points(self) -> frozenset[str]:
        """Those that a recogniser serves, as of when `models` was last called."""
        return self._router.operating_points()

    def stalled_s(self) -> float:
        """How long work has been in flight without anything being finished; 0 when nothing is in flight."""
        return self._executor.pulse.silent_s() if self._slots.table.in_use else 0.0

    # --- submitting ---------------------------------------------------------------------------------------------

    def _new_job(self, tenant: str, submission: Submission, media: Media) -> Job:
        now = self._adapters.clock.now()
        return Job(
            job_id=uuid.uuid4().hex,
            tenant=tenant,
            config=submission.config,
            media=media,
            create_time=now,
            update_time=now,
            request_id=submission.request_id,
            interactive=submission.interactive,
            fingerprint=fingerprint(media, submission.config),
            ttl=submission.config.ttl or self._options.retention,
            deadline_time=now + submission.config.deadline if submission.config.deadline else None,
        )

    async def _without_an_engine(self, job: Job, key: CacheKey | None, refusal: StenodError, written: Written) -> Job:
        """A repeated request gets the job it made, and a recording its cached transcript, although what needs engines
        is refused now.
        """
        if not isinstance(refusal, Unavailable):
            key = None  # what is wrong with a request does not depend on what was asked before
        if job.request_id or key:
            # A queue without room stores nothing that needs one, and says so.
            with contextlib.suppress(QueueFull):
                stored = await self._store(job, key, written, 0)
                self._accepted(job, stored, reserved=False)
                return stored
        if isinstance(refusal, QuotaExceeded):
            self._observer.over_quota(refusal.quota)
        raise refusal

    async def _store(
        self, job: Job, key: CacheKey | None, written: Written, room: int, place: PlaceRequest | None = None
    ) -> Job:
        limits = self._options.limits_of(job.tenant)
        try:
            return await self._adapters.store.submit(
                job, max_queued_jobs=room, limits=limits, cache=key, place=place, written=written
            )
        except QuotaExceeded as refusal:
            self._observer.over_quota(refusal.quota)
            raise

    def _accepted(self, job: Job, stored: Job, *, reserved: bool) -> None:
        """Tell of a job that was stored; `stored` is another one where the request was repeated."""
        if stored.job_id != job.job_id:
            return
        _log.info("job_submitted", job_id=job.job_id, engines=job.config.parallel_engines)
        self._observer.submitted(stored)
        if stored.state.is_terminal:
            _log.info("job_ended", job_id=job.job_id, state=str(stored.state), run_s=0.0, from_cache=True)
            self._observer.ended(stored, run_s=0.0)
        else:
            self._dispatcher.offer(stored, reserved=reserved)
        self._changed.notify()

    def _forget(self, job: Job, *, reserved: bool) -> None:
        if reserved:
            self._slots.release(job.job_id)
        self._dispatcher.withdraw(job.job_id)
