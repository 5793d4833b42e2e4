"""What the scheduler tells those who count: telemetry attaches here. Calls must be quick and must not raise."""

from typing import Protocol

from stenod_server.domain.job import Job


class Observer(Protocol):
    """One call per transition of a job, and one per window."""

    def submitted(self, job: Job) -> None: ...

    def claimed(self, job: Job, *, waited_s: float) -> None: ...

    def window(self, model: str, audio_s: float) -> None:
        """A window was recognised; `audio_s` is what it adds to the transcript."""
        ...

    def released(self, job: Job, *, reason: str) -> None:
        """A running job went back to the queue: a failure's reason, `hand_back`, `lost` or `rescue`."""
        ...

    def ended(self, job: Job, *, run_s: float) -> None:
        """A job is in a terminal state; `run_s` 0: it never ran here."""
        ...

    def over_quota(self, quota: str) -> None:
        """A job was refused because its tenant has used that quota up."""
        ...


class SilentObserver:
    """Counts nothing."""

    def submitted(self, job: Job) -> None: ...

    def claimed(self, job: Job, *, waited_s: float) -> None: ...

    def window(self, model: str, audio_s: float) -> None: ...

    def released(self, job: Job, *, reason: str) -> None: ...

    def ended(self, job: Job, *, run_s: float) -> None: ...

    def over_quota(self, quota: str) -> None: ...
