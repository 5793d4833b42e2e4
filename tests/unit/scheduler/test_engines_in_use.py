"""What reservations and loans do to running recordings, in virtual time: nothing here depends on a machine."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.job import Checkpoint
from stenod_server.domain.transcript import Segment
from stenod_server.engine.fake import FakeEngine
from stenod_server.ports import RecognitionRequest, WindowPlan
from stenod_server.recognition.pipeline import Pipeline, Recording
from stenod_server.recognition.stitch import Frame
from stenod_server.scheduler.job_engines import JobEngines
from stenod_server.scheduler.pulse import Pulse
from stenod_server.scheduler.slots import Slots
from tests.support.builders import FakeClock
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.unit.scheduler.virtual_time import run_in_virtual_time

WINDOW_S = 0.04


class NoSink:
    def follow(self, checkpoint: Callable[[], Checkpoint | None]) -> None: ...

    def recognised(self, frame: Frame) -> None: ...

    async def progress(self, *, done_samples: int, total_samples: int) -> None: ...

    async def segments(self, segments: Sequence[Segment]) -> None: ...


async def _run(slots: Slots, job_id: str, *, windows: int) -> float:
    """Transcribe; gives the seconds it took."""
    pipeline = Pipeline(FakeEngine(fixed_delay_s=WINDOW_S), ScriptedFrontEnd(make_windows(windows)))
    recording = Recording(
        path=Path("x.wav"),
        plan=WindowPlan(10 * HZ, 30 * HZ),
        request=RecognitionRequest("fake"),
        window_timeout_s=10.0,
    )
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    await pipeline.transcribe(recording, JobEngines(job_id, slots, Pulse(FakeClock())), NoSink())
    slots.release(job_id)
    return loop.time() - started_s


def _alone(*, reserved: int, elastic: bool, most: int = 0) -> float:
    async def main() -> float:
        slots = Slots(8, elastic=elastic)
        assert slots.reserve("job", reserved, most=most)
        return await _run(slots, "job", windows=40)

    return run_in_virtual_time(main())


def test_four_reserved_engines_are_four_times_as_fast_as_one() -> None:
    one, four = _alone(reserved=1, elastic=False), _alone(reserved=4, elastic=False)
    print(f"1 engine {one:.2f} s, 4 engines {four:.2f} s: {one / four:.2f} x")
    assert one / four >= 3.5


def test_elastic_gives_a_lone_job_the_whole_node_up_to_its_limit() -> None:
    one = _alone(reserved=1, elastic=False)
    assert one / _alone(reserved=1, elastic=True) >= 7.0
    assert 2.7 <= one / _alone(reserved=1, elastic=True, most=3) <= 3.3


def test_a_new_job_has_its_reservation_within_one_window() -> None:
    async def main() -> list[tuple[float, int, int]]:
        slots = Slots(4, elastic=True)
        slots.reserve("long", 1)
        long = asyncio.create_task(_run(slots, "long", windows=200))
        await asyncio.sleep(10.5 * WINDOW_S)  # in the middle of its windows
        assert slots.table.holdings["long"].in_flight == 4
        slots.reserve("new", 3)
        new = asyncio.create_task(_run(slots, "new", windows=60))
        seen = []
        for _ in range(4):
            await asyncio.sleep(0.3 * WINDOW_S)
            holdings = slots.table.holdings
            seen.append((asyncio.get_running_loop().time(), holdings["new"].in_flight, holdings["long"].in_flight))
        await asyncio.gather(long, new)
        return seen

    seen = run_in_virtual_time(main())
    assert [(new, long) for _, new, long in seen] == [(0, 4), (3, 1), (3, 1), (3, 1)]


def test_two_jobs_share_what_neither_has_reserved() -> None:
    async def main() -> tuple[float, float]:
        slots = Slots(8, elastic=True)
        slots.reserve("a", 1)
        slots.reserve("b", 1)
        a, b = await asyncio.gather(_run(slots, "a", windows=80), _run(slots, "b", windows=80))
        return a, b

    a, b = run_in_virtual_time(main())
    assert abs(a - b) <= 2 * WINDOW_S
    assert max(a, b) <= (160 / 8 + 2) * WINDOW_S  # all eight engines were busy all the time
