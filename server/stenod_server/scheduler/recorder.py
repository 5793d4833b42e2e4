"""Progress and segments of a running job on their way to the store, in batches: a write costs more than a window."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from stenod_server.domain.audio import to_seconds
from stenod_server.domain.job import Checkpoint, Job, Progress
from stenod_server.domain.transcript import Segment
from stenod_server.ports import Clock, JobStore
from stenod_server.recognition.stitch import Frame

MAX_PENDING_SEGMENTS: Final = 256  # what a fast recogniser may hold in memory between two writes
# A checkpoint goes with every report, but for that of hours of voices: what it has more than this waits for a second
# each time over.
CHECKPOINT_BYTES_PER_S: Final = 64 * 1024


class StopReason(StrEnum):
    """Why a job stops before it is done."""

    CANCEL = "cancel"  # its owner asked
    HAND_BACK = "hand_back"  # the node drains
    LOST = "lost"  # it is not this node's any more: deleted, or rescued by another one


class JobStopped(Exception):
    """The store says that the job shall not go on."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Whom a recorder tells what it knows already."""

    updated: Callable[[Job], None]
    window: Callable[[float], None]  # seconds of audio it covers


class Recorder:
    """The sink of one attempt at one job."""

    def __init__(self, job: Job, store: JobStore, clock: Clock, telling: Telling, *, interval_s: float) -> None:
        self._job = job
        self._store = store
        self._clock = clock
        self._telling = telling
        self._interval_s = interval_s
        self._pending: list[Segment] = []
        # A job that goes on where it was has got somewhere already.
        self._progress = job.progress if job.checkpoint else Progress()
        self._checkpoint: Callable[[], Checkpoint | None] = lambda: None
        self._sent_windows = job.checkpoint.windows if job.checkpoint else 0
        self._has_written = bool(job.checkpoint and job.checkpoint.segments)
        self._written_s = clock.monotonic_s()
        self._next_checkpoint_s = 0.0
        self._writing = asyncio.Lock()  # reader and emitter of the pipeline both come here

    @property
    def has_written(self) -> bool:
        """Whether the store has segments of the job, by this attempt or one before."""
        return self._has_written

    def rest(self) -> Sequence[Segment]:
        """What has not been written: goes with the completion, so that a short job costs one write."""
        return tuple(self._pending)

    def follow(self, checkpoint: Callable[[], Checkpoint | None]) -> None:
        self._checkpoint = checkpoint

    def seal(self) -> int:
        """No more segments come; where the run is, is not asked again. Gives how many there are of the whole job."""
        checkpoint = self._checkpoint()
        self._checkpoint = lambda: checkpoint
        return checkpoint.segments if checkpoint else 0

    def recognised(self, frame: Frame) -> None:
        self._telling.window(to_seconds(frame.kept_samples))

    async def progress(self, *, done_samples: int, total_samples: int) -> None:
        done = max(done_samples, self._progress.done_samples)
        self._progress = replace(self._progress, done_samples=done, total_samples=max(total_samples, done))
        await self._write_if_due()

    async def segments(self, segments: Sequence[Segment]) -> None:
        self._pending += segments
        self._progress = replace(self._progress, segments=self._progress.segments + len(segments))
        await self._write_if_due()

    def _is_due(self) -> bool:
        waited_s = self._clock.monotonic_s() - self._written_s
        return waited_s >= self._interval_s or len(self._pending) >= MAX_PENDING_SEGMENTS

    async def _write_if_due(self) -> None:
        if not self._is_due():
            return
        async with self._writing:
            if self._is_due():  # the other task may have written while this one waited
                await self._write()

    async def hand_over(self) -> None:
        """Report where the run is, for the one that goes on with it; to be called before the job is given back."""
        await self._report(self._checkpoint())

    async def _write(self) -> None:
        await self._report(self._checkpoint_if_due())
        self._telling.updated(replace(self._job, progress=self._progress, update_time=self._clock.now()))

    def _checkpoint_if_due(self) -> Checkpoint | None:
        now_s = self._clock.monotonic_s()
        if now_s < self._next_checkpoint_s or (checkpoint := self._checkpoint()) is None:
            return None
        self._next_checkpoint_s = now_s + max(0.0, len(checkpoint.memory) / CHECKPOINT_BYTES_PER_S - 1)
        return checkpoint

    async def _report(self, checkpoint: Checkpoint | None) -> None:
        """Segments and checkpoint are of one moment: nothing is awaited between taking the one and the other."""
        self._written_s = self._clock.monotonic_s()
        checkpoint = self._if_further(checkpoint)
        segments, self._pending = self._pending, []
        self._has_written = self._has_written or bool(segments)
        await self._store.record(
            self._job.lease, self._progress, segments, now=self._clock.now(), checkpoint=checkpoint
        )

    def _if_further(self, checkpoint: Checkpoint | None) -> Checkpoint | None:
        """A checkpoint tells the store that the job gets on, and is not what takes its nodes down: none at a place
        where the job has been before.
        """
        if checkpoint is None or checkpoint.windows <= self._sent_windows:
            return None
        self._sent_windows = checkpoint.windows
        return checkpoint
