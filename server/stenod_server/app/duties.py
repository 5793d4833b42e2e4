"""What a node does once in a while, whether anybody calls or not."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from stenod_server.domain.health import NodeHealth, Stall
from stenod_server.errors import StenodError
from stenod_server.ports import Engine
from stenod_server.scheduler.janitor import Janitor
from stenod_server.scheduler.scheduler import Scheduler
from stenod_server.store.disk import FreeSpace
from stenod_server.store.open import Stores
from stenod_server.telemetry.metered import MeteredEngine
from stenod_server.telemetry.metrics import Metrics

LIVENESS_STALL_S: Final = 60.0
LIVENESS_WINDOWS: Final = 3  # nothing finished in the time of so many slow windows: work has stopped
SAMPLE_S: Final = 2.0
SWEEP_S: Final = 60.0


def health_probe(
    scheduler: Scheduler, engine: MeteredEngine, window_timeout_s: float
) -> Callable[[], Awaitable[NodeHealth]]:
    stall = Stall()

    def is_alive() -> bool:
        stalled_s = stall.lasting_s(scheduler.stalled_s(), excused=not engine.is_ready(), now_s=monotonic())
        # Before the first window nobody knows how long one takes; no longer than the setting allows.
        return stalled_s < max(LIVENESS_STALL_S, LIVENESS_WINDOWS * (engine.p99_s or window_timeout_s))

    async def probe() -> NodeHealth:
        capacity = await scheduler.capacity()  # the store is asked, so it answers
        return NodeHealth(
            ready=not scheduler.is_draining,
            accepting=capacity.accepting,
            alive=is_alive(),
            recognises=engine.is_ready(),
        )

    return probe


async def sample(scheduler: Scheduler, stores: Stores, engine: Engine, metrics: Metrics, space: FreeSpace) -> None:
    """Publish what is sampled rather than counted, every other second."""
    while True:
        metrics.triton_ready.set(engine.is_ready())
        with contextlib.suppress(OSError):
            metrics.show_disk(free_bytes=space.free_bytes(), reserved_bytes=space.min_free_bytes)
        with contextlib.suppress(StenodError):  # the next sample tells
            metrics.show_capacity(await scheduler.own_capacity(), await stores.jobs.counts())
            metrics.show_batches(await engine.batch_statistics())
        await asyncio.sleep(SAMPLE_S)


async def sweep(janitor: Janitor) -> None:
    """Forget what its time is up for, once a minute."""
    while True:
        await janitor.sweep()
        await asyncio.sleep(SWEEP_S)
