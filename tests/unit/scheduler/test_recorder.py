"""What a running job reports, and how often."""

from collections.abc import Sequence
from typing import Any

from stenod_server.domain.job import Checkpoint, Job, JobState, Lease, Progress
from stenod_server.domain.transcript import Segment
from stenod_server.scheduler.recorder import CHECKPOINT_BYTES_PER_S, Recorder, Telling
from tests.support.builders import FakeClock, make_job, make_segment


class _Store:
    """Keeps what is reported, and still has the job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.segments: list[int] = []
        self.checkpoints: list[int] = []  # windows before each that was written

    async def record(
        self, lease: Lease, progress: Progress, segments: Sequence[Segment], *, now: Any, checkpoint: Checkpoint | None
    ) -> None:
        assert lease == self._job.lease
        assert progress.segments
        assert now
        self.segments += [segment.index for segment in segments]
        self.checkpoints += [checkpoint.windows] if checkpoint else []

    async def get(self, *_args: str) -> Job:
        return self._job


def _recorder(clock: FakeClock, *, interval_s: float = 0.5) -> tuple[Recorder, _Store]:
    job = make_job(state=JobState.RUNNING, node="node-a")
    store = _Store(job)
    telling = Telling(updated=lambda _job: None, window=lambda _audio_s: None)
    return Recorder(job, store, clock, telling, interval_s=interval_s), store  # type: ignore[arg-type]


async def test_a_large_checkpoint_is_written_less_often_than_progress() -> None:
    clock = FakeClock()
    recorder, store = _recorder(clock)
    windows = 0
    recorder.follow(lambda: Checkpoint(windows, windows, "x" * 4 * CHECKPOINT_BYTES_PER_S))
    for windows in range(1, 11):
        clock.advance(0.5)
        await recorder.segments([make_segment(windows - 1)])
    assert store.segments == list(range(10))
    assert store.checkpoints == [1, 7]
    await recorder.hand_over()
    assert store.checkpoints == [1, 7, 10]


async def test_a_small_checkpoint_goes_with_every_report() -> None:
    recorder, store = _recorder(FakeClock(), interval_s=0.0)  # whose clock stands still
    recorder.follow(lambda: Checkpoint(len(store.segments) + 1, 0, "small"))
    for index in range(5):
        await recorder.segments([make_segment(index)])
    assert store.checkpoints == [1, 2, 3, 4, 5]


async def test_a_job_that_gets_no_further_sends_no_checkpoint() -> None:
    recorder, store = _recorder(FakeClock(), interval_s=0.0)
    windows = iter((0, 1, 1, 1, 2, 2))
    recorder.follow(lambda: Checkpoint(next(windows), 0, "{}"))
    for index in range(5):
        await recorder.segments([make_segment(index)])
    await recorder.hand_over()
    assert (store.checkpoints, store.segments) == ([1, 2], [0, 1, 2, 3, 4])


async def test_a_sealed_checkpoint_stays_as_it_is() -> None:
    recorder, store = _recorder(FakeClock())
    windows = 3
    recorder.follow(lambda: Checkpoint(windows, 2, "{}"))
    await recorder.segments([make_segment(0), make_segment(1)])
    assert not recorder.has_written
    assert recorder.seal() == 2
    windows = 99
    await recorder.hand_over()
    assert (store.checkpoints, store.segments, recorder.has_written) == ([3], [0, 1], True)
    assert list(recorder.rest()) == []
