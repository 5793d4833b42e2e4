"""grpc.health.v1: what each name means is said here, once.

`""`, `stenod.v1.TranscriptionService`, `readiness`   the node can answer API calls
`capacity`                                            a submit sent now would be accepted
`liveness`                                            work in flight progresses, or would if its recogniser were there

A node that still starts is alive and neither of the others. An event loop that is stuck answers nobody, which every
probe counts as a failure.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from grpc_health.v1 import health, health_pb2

from stenod_server.domain.health import STARTING, NodeHealth

READINESS_NAMES: Final = ("", "stenod.v1.TranscriptionService", "readiness")
CAPACITY_NAME: Final = "capacity"
LIVENESS_NAME: Final = "liveness"
INTERVAL_S: Final = 0.5
PATIENCE_S: Final = 5.0  # for the store, which may be stuck rather than away

_log = structlog.get_logger()


async def starting() -> NodeHealth:
    """Before there is anything to ask."""
    return STARTING


class HealthReporter:
    """Asks for the node's health twice a second and publishes it; a probe that fails counts as not healthy."""

    def __init__(self) -> None:
        self.servicer: Final = health.aio.HealthServicer()
        self._probe: Callable[[], Awaitable[NodeHealth]] = starting
        self._last: NodeHealth | None = None

    @property
    def now(self) -> NodeHealth:
        """What was found last."""
        return self._last or STARTING

    def follow(self, probe: Callable[[], Awaitable[NodeHealth]]) -> None:
        """Ask this from now on."""
        self._probe = probe

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(INTERVAL_S)

    async def refresh(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                now = await self._probe()
        except Exception as error:  # noqa: BLE001  whatever broke, the answer is "not healthy"
            _log.warning("health_probe_failed", error=str(error) or type(error).__name__)
            now = STARTING
        if now == self._last:
            return
        self._last = now
        _log.info("health_changed", ready=now.ready, accepting=now.accepting, alive=now.alive)
        for name in READINESS_NAMES:
            await self._set(name, serving=now.ready)
        await self._set(CAPACITY_NAME, serving=now.accepting)
        await self._set(LIVENESS_NAME, serving=now.alive)

    async def _set(self, name: str, *, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        await self.servicer.set(name, status)
