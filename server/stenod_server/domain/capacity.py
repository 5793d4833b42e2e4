"""How busy a node is, how fast it is, and how long a job submitted now would wait."""

from collections import deque
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Admission(StrEnum):
    """What happens to a job that finds no free engine."""

    QUEUE = "queue"  # it waits
    REJECT = "reject"  # it is refused


@dataclass(frozen=True, slots=True)
class ActiveJob:
    """A running job: the engines guaranteed to it, and those lent to it at this moment on top."""

    job_id: str
    tenant: str
    reserved_engines: int
    elastic_engines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCapacity:
    """What one node of a cluster has. `ready`: its recogniser answers; one that drains takes no more jobs."""

    node: str
    max_engines: int
    unused_engines: int
    elastic_engines: int
    ready: bool
    draining: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """All that a caller of `node` can use, at one moment: its own engines, or in a cluster those of all `nodes`.

    `reserved_engines` are guaranteed to jobs, whether or not they use them just now;
    `used_engines` have a window in flight; `elastic_engines` are those of them that are lent.

    `None` means unknown: no job waits, or none has finished yet.
    """

    node: str
    admission: Admission
    accepting: bool  # a job of one engine would be accepted now
    max_engines: int
    reserved_engines: int
    elastic_engines: int
    used_engines: int
    active_jobs: tuple[ActiveJob, ...] = ()
    queued_jobs: int = 0
    oldest_queued_age_s: float | None = None
    expected_wait_s: float | None = None
    real_time_factor: float | None = None
    nodes: tuple[NodeCapacity, ...] = ()

    @property
    def unused_engines(self) -> int:
        """Engines that no job has reserved: what admission promises from."""
        return self.max_engines - self.reserved_engines

    def seen_by(self, tenant: str) -> "Capacity":
        """The same numbers with the tenant's own jobs alone."""
        return replace(self, active_jobs=tuple(job for job in self.active_jobs if job.tenant == tenant))


def expected_wait_s(
    *, queued_jobs: int, active_jobs: int, unused_engines: int, mean_run_s: float | None
) -> float | None:
    """How long a job of one engine submitted now would wait: the queue ahead of it, served by as many jobs side by
    side as run at this moment. None while nothing has been measured.
    """
    if unused_engines > queued_jobs:
        return 0.0
    if mean_run_s is None:
        return None
    ahead = queued_jobs - unused_engines + 1
    return mean_run_s * ahead / max(1, active_jobs + unused_engines)


@dataclass(slots=True)
class SpeedMeter:
    """Seconds of audio finished per second in which at least one job ran, over the last jobs.

    Idle time does not count, and jobs side by side count together: it is the speed of the node, not of a job.
    """

    memory_jobs: int = 64
    _running: int = 0
    _busy_s: float = 0.0
    _since_s: float = 0.0
    _finished: deque[tuple[float, float, float]] = field(default_factory=deque)  # (busy before, audio, run)
    _busy_at_last_finish_s: float = 0.0

    def started(self, now_s: float) -> None:
        self._advance(now_s)
        self._running += 1

    def ended(self, now_s: float) -> None:
        """A job stopped running, however it ended."""
        self._advance(now_s)
        self._running -= 1

    def finished(self, *, audio_s: float, run_s: float) -> None:
        """A job succeeded; called after `ended`."""
        self._finished.append((self._busy_at_last_finish_s, audio_s, run_s))
        self._busy_at_last_finish_s = self._busy_s
        if len(self._finished) > self.memory_jobs:
            self._finished.popleft()

    @property
    def real_time_factor(self) -> float | None:
        if not self._finished:
            return None
        busy_s = self._busy_at_last_finish_s - self._finished[0][0]
        return sum(audio_s for _, audio_s, _ in self._finished) / busy_s if busy_s > 0 else None

    @property
    def mean_run_s(self) -> float | None:
        if not self._finished:
            return None
        return sum(run_s for _, _, run_s in self._finished) / len(self._finished)

    def _advance(self, now_s: float) -> None:
        if self._running:
            self._busy_s += now_s - self._since_s
        self._since_s = now_s
