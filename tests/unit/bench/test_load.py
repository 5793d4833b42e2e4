import asyncio
import statistics
from itertools import pairwise

from bench.load import Latency, Scaling, arrivals, at_moments, figures, latency_table, scaling_table, ten_second_clips
from bench.protocol import Clip
from bench.recordings import Recording


def test_arrivals_are_in_order_and_as_many_a_second_as_asked() -> None:
    moments = list(arrivals(5.0, 2000))
    assert moments == sorted(moments)
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert abs(statistics.fmean(gaps) - 0.2) < 0.02
    assert abs(statistics.stdev(gaps) - 0.2) < 0.02  # as chance has it: no metronome


def test_arrivals_are_the_same_every_time() -> None:
    assert list(arrivals(1.0, 5)) == list(arrivals(1.0, 5))


async def test_work_starts_at_its_moment_though_other_work_runs() -> None:
    started = asyncio.Event()

    async def work(index: int) -> None:
        if index == 0:
            await started.wait()
        else:
            started.set()

    latencies_s, late_s = await at_moments([0.0, 0.01], work)
    assert latencies_s[0] >= 0.01
    assert late_s >= 0


def test_the_clips_of_the_stream_are_those_nearest_to_ten_seconds() -> None:
    recordings = [Recording(Clip(str(length), "", length), "read_en", "") for length in (1.0, 9.5, 30.0, 10.2)]
    assert [clip.id for clip in ten_second_clips(recordings, 2)] == ["10.2", "9.5"]


def test_tables_and_figures_hold_what_was_measured() -> None:
    scaling = [Scaling(1, 20.0, 50.0), Scaling(16, 60.0, 40.0)]
    latency = [Latency(0.5, 60.0, 10.0, [0.1] * 99 + [1.0], 0.002)]
    assert scaling_table(scaling).splitlines()[2].split() == ["16", "60.0", "40.0"]
    assert latency_table(latency).splitlines()[1].split()[:3] == ["50%", "of", "60"]
    found = {(figure.row, figure.metric): figure.value for figure in figures(scaling, latency)}
    assert found["16 at once", "speed"] == 60.0
    assert found["10 s clips at 50% load", "p50"] == 100.0
