"""The engines that one job may use."""

from stenod_server.scheduler.pulse import Pulse
from stenod_server.scheduler.slots import Slots


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
