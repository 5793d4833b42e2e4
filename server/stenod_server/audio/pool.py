"""The audio front end of the server: a bounded set of worker processes that are leased, reused, killed and replaced."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from stenod_server.ports import AudioProgress, AudioSummary, Window, WindowPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioPoolSettings:
    """`vad_path` is Silero's sequence graph (`<models_dir>/silero-vad/1/silero_vad_sequence.onnx`).

    A worker holds a recording until its last window is read, so `max_workers` bounds the recordings in work.
    """

    vad_path: Path
    max_workers: int = 2
    min_idle_workers: int = 1
    idle_exit_s: float = 60.0
    recordings_per_worker: int = 200
    stall_timeout_s: float = 120.0  # the longest a worker may say nothing while it is read from
    nice: int = 0
    memory_limit_bytes: int = 0  # RLIMIT_AS of a worker; 0 = none


class AudioWorkerPool:
    """Implements `ports.AudioFrontEnd`. Starts no process before the first recording; `close` ends them all."""

    def __init__(self, settings: AudioPoolSettings) -> None:
        self._settings = settings

    def windows(
        self, path: Path, plan: WindowPlan
    ) -> AbstractAsyncContextManager[AsyncIterator[Window | AudioProgress | AudioSummary]]:
        """See `ports.AudioFrontEnd.windows`."""
        raise NotImplementedError

    async def close(self) -> None:
        """Kill every worker. Recordings in work end with DecoderDied. Idempotent."""
