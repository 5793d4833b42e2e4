"""Every metric of stenod. Base units, `stenod_` prefix, labels from closed sets only (state, reason, stage, method)."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from stenod_server.domain.capacity import Capacity
from stenod_server.domain.job import JobState

_LATENCY_BUCKETS_S: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
_RPC_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30)


class Metrics:
    """One node's metrics, on a registry of their own so that tests and several nodes in a process do not collide."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self.jobs: Final = self._gauge("jobs", "Jobs by state", "state")
        self.jobs_ended: Final = self._counter("jobs_ended", "Jobs that ended, by state and reason", "state", "reason")
        self.queue_oldest_age: Final = self._gauge("queue_oldest_age_seconds", "Age of the oldest waiting job")
        self.engines: Final = self._gauge("engines", "Engines: max, reserved, elastic, used, unused", "kind")
        self.real_time_factor: Final = self._gauge("real_time_factor", "Seconds of audio per second of work, recent")
        self.audio_accepted: Final = self._counter("audio_accepted_bytes", "Bytes of media accepted")
        self.jobs_released: Final = self._counter("jobs_released", "Running jobs that went back, by reason", "reason")
        self.audio_received: Final = self._counter("audio_received_seconds", "Seconds of recordings of ended jobs")
        self.audio_done: Final = self._counter("audio_transcribed_seconds", "Seconds of speech recognised")
        self.windows: Final = self._counter("windows", "Windows recognised")
        self.window_failures: Final = self._counter("window_failures", "Tries at a window that failed", "reason")
        self.stage: Final = self._histogram("stage_seconds", "Time in a stage of a job", _LATENCY_BUCKETS_S, "stage")
        self.languages: Final = self._counter("job_languages", "Succeeded jobs by language", "language")
        self.empty: Final = self._counter("empty_transcripts", "Succeeded jobs without a word")
        self.warnings: Final = self._counter("transcript_warnings", "Succeeded jobs by what is odd in them", "reason")
        self.silent_windows: Final = self._counter(
            "silent_windows", "Windows in which the recogniser itself doubts that anybody speaks, by its text", "text"
        )
        self.cache_hits: Final = self._counter("cache_hits", "Jobs that got the transcript of an earlier one")
        self.notifications: Final = self._counter("notifications", "Attempts to tell of a job's end", "outcome")
        self.quota_refusals: Final = self._counter("quota_refusals", "Jobs refused by their tenant's quota", "quota")
        self.rpc: Final = self._histogram("rpc_seconds", "Calls of the API", _RPC_BUCKETS_S, "method", "code")
        self.errors: Final = self._counter("rpc_errors", "Calls that ended in an error, by reason", "reason")
        self.calls_refused: Final = self._counter("calls_refused", "Calls that were not let in, by reason", "reason")
        self.disk_free: Final = self._gauge("disk_free_bytes", "Room left on the disk of data_dir")
        self.disk_reserved: Final = self._gauge("disk_reserved_bytes", "Room that media leaves: min_free_bytes")
        self.triton_ready: Final = self._gauge("triton_ready", "1: at least one Triton recognises")
        self.triton_up: Final = self._gauge("triton_up", "1: this Triton passed its last check", "target")
        self._batches = _BatchSizes()
        self.registry.register(self._batches)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """What alerts watch is there before it first happens: the step from nothing to one is no increase."""
        for state in JobState:
            self.jobs.labels(state.lower())
        self.jobs_ended.labels(JobState.SUCCEEDED.lower(), "")
        for reason in ("rescue", "hand_back"):
            self.jobs_released.labels(reason)
        for outcome in ("delivered", "failed", "given_up"):
            self.notifications.labels(outcome)
        for text in ("none", "some"):
            self.silent_windows.labels(text)

    def show_triton(self, target: str, *, is_up: bool) -> None:
        """A Triton was checked."""
        self.triton_up.labels(target).set(is_up)

    def forget_triton(self, target: str) -> None:
        """A Triton is not used any more."""
        with suppress(KeyError):
            self.triton_up.remove(target)

    def show_disk(self, *, free_bytes: int, reserved_bytes: int) -> None:
        self.disk_free.set(free_bytes)
        self.disk_reserved.set(reserved_bytes)

    def show_capacity(self, capacity: Capacity, counts: Mapping[JobState, int]) -> None:
        """Publish the numbers that are sampled rather than counted."""
        for state in JobState:
            self.jobs.labels(state.lower()).set(counts.get(state, 0))
        for kind, value in (
            ("max", capacity.max_engines),
            ("unused", capacity.unused_engines),
            ("reserved", capacity.reserved_engines),
            ("elastic", capacity.elastic_engines),
            ("used", capacity.used_engines),
        ):
            self.engines.labels(kind).set(value)
        self.queue_oldest_age.set(capacity.oldest_queued_age_s or 0.0)
        self.real_time_factor.set(capacity.real_time_factor or 0.0)

    def show_batches(self, executions_by_size: Mapping[int, int]) -> None:
        """Publish Triton's own count of executions by realised batch size."""
        self._batches.executions_by_size = dict(executions_by_size)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"stenod_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"stenod_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"stenod_{name}", text, labels, buckets=buckets, registry=self.registry)


def serve_metrics(metrics: Metrics, host: str, port: int) -> tuple[int, Callable[[], None]]:
    """Serve `/metrics` from a thread of its own; gives the port bound and what stops it. Raises OSError."""
    server, thread = start_http_server(port, addr=host, registry=metrics.registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return server.server_port, stop


class _BatchSizes(Collector):
    """Counters that Triton keeps: replaced whole, so they cannot be prometheus_client Counters."""

    def __init__(self) -> None:
        self.executions_by_size: dict[int, int] = {}

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily("stenod_batches", "Batches the recogniser ran, by their size", labels=["size"])
        for size, count in sorted(self.executions_by_size.items()):
            family.add_metric([str(size)], count)
        yield family
