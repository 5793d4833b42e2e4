"""Who is told when something changed. Nothing is queued for anybody: a slow listener finds the latest state, no more.

The store is the truth; a notice only spares the question. So a watch also works for a job that ended before it began,
or that another node runs.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from stenod_server.domain.job import Job


class Broadcast:
    """Wakes everybody who listens."""

    def __init__(self) -> None:
        self._events: set[asyncio.Event] = set()

    def notify(self) -> None:
        for event in self._events:
            event.set()

    @contextmanager
    def listen(self) -> Iterator[asyncio.Event]:
        """An event that is set by every `notify`; clear it before looking at the state."""
        event = asyncio.Event()
        self._events.add(event)
        try:
            yield event
        finally:
            self._events.discard(event)


class JobWatcher:
    """One watch of one job: the latest snapshot that was published and not yet taken."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._latest: Job | None = None

    def tell(self, job: Job | None) -> None:
        self._latest = job
        self._event.set()

    async def changed(self, timeout_s: float) -> Job | None:
        """Wait for news; None: ask the store, because the time is up or the job is gone."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return None
        self._event.clear()
        latest, self._latest = self._latest, None
        return latest


class JobUpdates:
    """The watches of this process, by job."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[JobWatcher]] = {}
        self.has_ended = False

    @contextmanager
    def watch(self, job_id: str) -> Iterator[JobWatcher]:
        watcher = JobWatcher()
        self._watchers.setdefault(job_id, set()).add(watcher)
        try:
            yield watcher
        finally:
            watchers = self._watchers[job_id]
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[job_id]

    def publish(self, job: Job) -> None:
        """The job as it is now; called after the store has it."""
        for watcher in self._watchers.get(job.job_id, ()):
            watcher.tell(job)

    def end(self) -> None:
        """There will be no more: nobody shall wait for any."""
        self.has_ended = True
        self.invalidate_all()

    def invalidate_all(self) -> None:
        """Something happened, nobody knows to which of them."""
        for job_id in self._watchers:
            self.invalidate(job_id)

    def invalidate(self, job_id: str) -> None:
        """Something happened that only the store knows: everybody shall ask it."""
        for watcher in self._watchers.get(job_id, ()):
            watcher.tell(None)
