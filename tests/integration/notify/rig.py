"""A notifier over a real store, real blobs and real sockets, with jobs that have ended; only its patience is short."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from stenod_server.app.clock import SystemClock
from stenod_server.app.telling import MANNERS, RENDERINGS
from stenod_server.domain.job import Failure, Job, Origin
from stenod_server.domain.notification import Content, NoticeState, Notification
from stenod_server.domain.retry import RetryPolicy
from stenod_server.fetch.courier import WebCourier
from stenod_server.fetch.outputs import OutputBuckets
from stenod_server.scheduler.messenger import Sources, WebMessenger, Writers
from stenod_server.scheduler.notifier import Notifier, NotifierOptions
from stenod_server.scheduler.receivers import NamedReceivers
from stenod_server.scheduler.transcript_files import TranscriptFiles
from stenod_server.scheduler.transcript_outputs import TranscriptOutputs
from stenod_server.store.open import Stores
from tests.support.builders import make_config, make_info, make_job, make_segment
from tests.support.fetching import LOOPBACK

RECORDING = bytes(range(256)) * 5000
OPTIONS = NotifierOptions(node="a", retry=RetryPolicy(first_s=0.01, factor=1.0, max_s=0.01), poll_s=0.01)


@dataclass
class Rig:
    """`outcomes` is what was counted."""

    stores: Stores
    outcomes: list[str] = field(default_factory=list)

    async def ended(
        self,
        *notifications: Notification,
        failure: Failure | None = None,
        dialect: str = "",
        said: str = "{}",
        tenant: str = "default",
        **config: Any,
    ) -> Job:
        """A job that has ended now; SUCCEEDED with three segments unless it failed."""

        async def chunks() -> AsyncIterator[bytes]:
            yield RECORDING

        now = SystemClock().now()
        given = make_job(
            create_time=now,
            tenant=tenant,
            config=make_config(notifications=notifications, origin=Origin(dialect, "", said), **config),
        )
        given = replace(given, media=replace(given.media, size_bytes=len(RECORDING)))
        await self.stores.blobs.put(given.media.key, chunks())
        job = await self.stores.jobs.submit(given, max_queued_jobs=1000)
        claimed = await self.stores.jobs.claim(job.job_id, node="a", now=now, lease_until=now + timedelta(seconds=60))
        assert claimed
        if failure:
            done = await self.stores.jobs.fail(claimed.lease, failure, now=now)
        else:
            texts = ("so it goes", "and goes", "and ends")
            segments = [make_segment(index, text) for index, text in enumerate(texts)]
            done = await self.stores.jobs.complete(claimed.lease, make_info(), segments, now=now)
        assert done
        return done

    async def settled(self, job: Job) -> Job:
        """The job once nothing of it is left to tell."""
        while True:
            now = await self.stores.jobs.get(job.tenant, job.job_id)
            if all(notice.state is not NoticeState.PENDING for notice in now.notices):
                return now
            await asyncio.sleep(0.01)

    async def complained(self, job: Job) -> Job:
        """The job once a failure is noted on it."""
        while True:
            now = await self.stores.jobs.get(job.tenant, job.job_id)
            if any(notice.error for notice in now.notices):
                return now
            await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def notifying(
        self,
        options: NotifierOptions = OPTIONS,
        *,
        secrets: Sequence[bytes] = (),
        timeout_s: float = 5.0,
        files: Path | None = None,
        outputs: Sequence[str] = (),
        **fetch: Any,
    ) -> AsyncIterator[Notifier]:
        """A notifier that runs; `fetch` as for a fetcher."""
        sources = Sources(
            store=self.stores.jobs,
            blobs=self.stores.blobs,
            manners=MANNERS,
            renderings=RENDERINGS,
            secrets=lambda: secrets,
        )
        courier = WebCourier(replace(LOOPBACK, **fetch))
        results = OutputBuckets(outputs)
        writers = Writers(
            outputs=TranscriptOutputs(results, self.stores.jobs, RENDERINGS),
            files=TranscriptFiles(files, self.stores.jobs, RENDERINGS) if files else None,
        )
        clock = SystemClock()
        messenger = WebMessenger(courier, sources, clock, timeout_s=timeout_s, writers=writers)
        notifier = Notifier(
            self.stores.deliveries,
            messenger,
            NamedReceivers(courier, results),
            clock,
            options=options,
            count=self.outcomes.append,
        )
        running = asyncio.create_task(notifier.run())
        try:
            yield notifier
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await courier.close()


def telling(url: str, *contents: Content, **changes: Any) -> Notification:
    return Notification(url=url, contents=contents, **changes)
