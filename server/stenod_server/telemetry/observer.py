"""Counts what the scheduler tells (`scheduler.observer.Observer`, which this satisfies without seeing it)."""

from stenod_server.domain.job import Job, JobState
from stenod_server.telemetry.metrics import Metrics


class MetricsObserver:
    """Every call is a few counter increments."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def submitted(self, job: Job) -> None:
        self._metrics.audio_accepted.inc(job.media.size_bytes)

    def claimed(self, job: Job, *, waited_s: float) -> None:
        del job
        self._metrics.stage.labels("queue").observe(waited_s)

    def window(self, model: str, audio_s: float) -> None:
        del model
        self._metrics.windows.inc()
        self._metrics.audio_done.inc(audio_s)

    def released(self, job: Job, *, reason: str) -> None:
        del job
        self._metrics.jobs_released.labels(reason).inc()

    def ended(self, job: Job, *, run_s: float) -> None:
        reason = job.failure.reason if job.state is JobState.FAILED and job.failure else ""
        self._metrics.jobs_ended.labels(job.state.lower(), reason).inc()
        if run_s:
            self._metrics.stage.labels("run").observe(run_s)
        if job.state is JobState.SUCCEEDED and job.info:
            if job.info.from_cache:
                self._metrics.cache_hits.inc()
            self._metrics.audio_received.inc(job.info.duration_s)
            self._metrics.languages.labels(job.info.language or "none").inc()
            for reason in {warning.reason for warning in job.info.warnings}:
                self._metrics.warnings.labels(reason).inc()
            if not job.progress.segments:
                self._metrics.empty.inc()

    def over_quota(self, quota: str) -> None:
        self._metrics.quota_refusals.labels(quota).inc()
