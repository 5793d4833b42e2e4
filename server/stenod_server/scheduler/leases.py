"""Keeps this node's hold on the jobs it runs, and takes back those whose node is gone.

Every third of a lease: say that this node lives, learn which of its jobs are not its own any more or are to be
cancelled, then put back the jobs whose lease has run out. In this order, so that a node that was frozen for longer than
a lease first takes hold of what nobody else has taken meanwhile.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from stenod_server.domain.job import Job, JobState
from stenod_server.errors import StoreUnavailable
from stenod_server.ports import Clock, JobStore
from stenod_server.scheduler.attempt import Running
from stenod_server.scheduler.options import SchedulerOptions
from stenod_server.scheduler.recorder import StopReason

LONGEST_INTERVAL_S: Final = 5.0  # waiting jobs whose deadline has passed are looked for in the same round
BEATS_PER_LEASE: Final = 3  # a node that misses one or two has lost nothing

_log = structlog.get_logger()


class Leases:
    """`running` are the jobs of this node, by id; `on_change` is called when jobs went back to the queue or ended."""

    def __init__(
        self,
        store: JobStore,
        clock: Clock,
        options: SchedulerOptions,
        *,
        running: Mapping[str, Running],
        on_change: Callable[[Job], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._options = options
        self._running = running
        self._on_change = on_change

    async def run(self) -> None:
        """Until cancelled."""
        interval_s = min(LONGEST_INTERVAL_S, self._options.lease_s / BEATS_PER_LEASE)
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.beat()
            except StoreUnavailable as error:
                _log.warning("leases_not_renewed", jobs=len(self._running), error=str(error))
            except Exception:  # noqa: BLE001  a supervisor: a fault of one round must not end the heartbeat
                _log.exception("leases_broke", error_id=uuid.uuid4().hex[:12])

    async def take_back(self) -> None:
        """Put back what this node held before it was restarted. Raises StoreUnavailable."""
        now = self._clock.now()
        self._tell(await self._store.rescue(self._options.node, now=now, max_rescues=self._options.max_rescues))

    async def beat(self) -> None:
        """One round. Raises StoreUnavailable."""
        await self._renew()
        now = self._clock.now()
        self._tell(await self._store.rescue_expired(now=now, max_rescues=self._options.max_rescues))
        self._tell(await self._store.fail_late(now=now))

    async def _renew(self) -> None:
        leases = [running.job.lease for running in self._running.values()]
        if not leases:
            return
        held = await self._store.renew(leases, lease_until=lease_end(self._clock, self._options))
        for lease in leases:
            running = self._running.get(lease.job_id)
            if running is None or running.job.lease != lease:
                continue  # it ended meanwhile
            if lease.job_id not in held:
                running.request_stop(StopReason.LOST)
            elif held[lease.job_id]:
                running.request_stop(StopReason.CANCEL)

    def _tell(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job.state is JobState.QUEUED:
                _log.warning("job_rescued", job_id=job.job_id, lost_node=job.node, attempt=job.attempt)
            else:
                reason = job.failure.reason if job.failure else ""
                _log.info("job_ended", job_id=job.job_id, state=str(job.state), reason=reason)
            self._on_change(job)


def lease_end(clock: Clock, options: SchedulerOptions) -> datetime:
    """Until when a lease holds that is given or renewed now."""
    return clock.now() + timedelta(seconds=options.lease_s)
