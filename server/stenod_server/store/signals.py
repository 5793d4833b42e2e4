"""`LocalSignals`: signals within one process, which is all there is where the database is a file of one node."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

import structlog

from stenod_server.ports.cluster import Signal

Hear: TypeAlias = "Callable[[Signal], None]"

_log = structlog.get_logger()


class LocalSignals:
    """Implements `ports.cluster.Signals`. Used on the event loop only."""

    def __init__(self) -> None:
        self._hearers: dict[object, Hear] = {}

    def subscribe(self, hear: Hear) -> Callable[[], None]:
        key = object()
        self._hearers[key] = hear
        return lambda: self._hearers.pop(key, None) and None

    def publish(self, signals: Iterable[Signal]) -> None:
        """Tell everybody here. One that cannot hear keeps it from no other."""
        for signal in signals:
            for hear in tuple(self._hearers.values()):
                try:
                    hear(signal)
                except Exception:  # noqa: BLE001  a supervisor: what was told is stored, whatever is made of it
                    _log.exception("signal_not_heard", kind=signal.kind)
