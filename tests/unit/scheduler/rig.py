"""A scheduler with its doubles: a database in memory, an engine that sleeps, a front end that plays a script."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stenod_server.domain.job import Job, JobConfig, JobState, Media
from stenod_server.domain.retry import RetryPolicy
from stenod_server.engine.fake import FakeEngine
from stenod_server.ports import JobStore
from stenod_server.scheduler.options import Adapters, Cluster, SchedulerOptions
from stenod_server.scheduler.routing import RoutingTable
from stenod_server.scheduler.scheduler import Scheduler, Submission
from stenod_server.store.open import Stores, open_store
from tests.support.builders import FakeClock
from tests.support.eventually import eventually
from tests.support.fetcher import ScriptedFetcher
from tests.support.front_end import ScriptedFrontEnd, make_windows

TENANT = "default"
OPTIONS = SchedulerOptions(
    node="node-a",
    max_engines=4,
    routing=RoutingTable(preferred=("fake",)),
    retry=RetryPolicy(first_s=10.0, jitter_ratio=0.0),
    poll_s=0.02,
    watch_poll_s=0.05,
    record_interval_s=0.0,
    capacity_interval_s=0.0,
)


@dataclass
class Seen:
    """An observer that keeps what it is told."""

    events: list[str] = field(default_factory=list)
    windows: int = 0
    window_s: float = 2.0  # how long each is expected to be

    def submitted(self, job: Job) -> None:
        self.events.append(f"submitted {job.job_id}")

    def claimed(self, job: Job, *, waited_s: float) -> None:
        self.events.append(f"claimed {job.job_id}")
        assert waited_s >= 0

    def window(self, model: str, audio_s: float) -> None:
        assert (model in {"fake", "other"}, audio_s) == (True, self.window_s)
        self.windows += 1

    def released(self, job: Job, *, reason: str) -> None:
        assert reason
        self.events.append(f"released {job.job_id}")

    def ended(self, job: Job, *, run_s: float) -> None:
        self.events.append(f"{job.state} {job.job_id}")
        assert run_s >= 0

    def over_quota(self, quota: str) -> None:
        self.events.append(f"over {quota}")


@dataclass
class Rig:
    """What a test handles."""

    scheduler: Scheduler
    stores: Stores
    engine: FakeEngine
    front_end: ScriptedFrontEnd
    clock: FakeClock
    seen: Seen
    fetcher: ScriptedFetcher
    count: int = 0

    async def media(self) -> Media:
        self.count += 1
        key = f"media/{self.count}"

        async def chunks() -> AsyncIterator[bytes]:
            yield b"RIFF"

        await self.stores.blobs.put(key, chunks())
        return Media(key=key, size_bytes=4, sha256=f"{self.count:064x}")

    async def submit(
        self,
        *,
        request_id: str = "",
        fail_fast: bool = False,
        interactive: bool = False,
        media: Media | None = None,
        tenant: str = TENANT,
        **config: Any,
    ) -> Job:
        submission = Submission(
            config=JobConfig(**config), request_id=request_id, fail_fast=fail_fast, interactive=interactive
        )
        return await self.scheduler.submit(tenant, submission, media or await self.media())

    async def state(self, job: Job) -> JobState:
        return (await self.scheduler.get(job.tenant, job.job_id)).state

    async def until(self, holds: Callable[[], bool]) -> None:
        await eventually(holds)

    async def released(self, job: Job, *, times: int = 1) -> None:
        """Wait until the job has been given back so often and waits for its backoff: now the clock may go on."""
        told, running = f"released {job.job_id}", self.scheduler._dispatcher.running
        await eventually(lambda: self.seen.events.count(told) == times and job.job_id not in running)

    async def runs(self, *jobs: Job) -> None:
        """Wait until these jobs run here."""
        await eventually(lambda: all(job.job_id in self.scheduler._dispatcher.running for job in jobs))


@asynccontextmanager
async def open_rig(
    data_dir: Path,
    *,
    engine: FakeEngine | None = None,
    front_end: ScriptedFrontEnd | None = None,
    stores: Stores | None = None,
    around: Callable[[JobStore], JobStore] = lambda store: store,
    cluster: Callable[[Stores], Cluster] | None = None,
    start: bool = True,
    **options: Any,
) -> AsyncIterator[Rig]:
    """`stores`: those of another rig, which owns them; `around`: what the scheduler gets instead of the job store;
    `cluster`: what it shares with other nodes.

    A recording has three windows of two seconds.
    """
    own_stores = stores or await open_store(data_dir, in_memory=True, gather_s=0.0)
    engine = engine or FakeEngine()
    front_end = front_end or ScriptedFrontEnd(make_windows(3))
    clock, seen, fetcher = FakeClock(), Seen(), ScriptedFetcher()
    adapters = Adapters(
        store=around(own_stores.jobs),
        blobs=own_stores.blobs,
        engine=engine,
        front_end=front_end,
        fetcher=fetcher,
        clock=clock,
        cluster=cluster(own_stores) if cluster else None,
    )
    scheduler = Scheduler(adapters, replace(OPTIONS, **options), seen)
    try:
        if start:
            await scheduler.start()
        yield Rig(scheduler, own_stores, engine, front_end, clock, seen, fetcher)
    finally:
        await scheduler.stop()
        if stores is None:
            await own_stores.close()
