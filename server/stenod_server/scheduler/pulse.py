"""When something was finished last: what liveness is judged by."""

from stenod_server.ports import Clock


class Pulse:
    """Beats whenever a window is done."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_s = clock.monotonic_s()

    def beat(self) -> None:
        self._last_s = self._clock.monotonic_s()

    def silent_s(self) -> float:
        return self._clock.monotonic_s() - self._last_s
