from collections.abc import Iterator
from itertools import chain
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.stages.bare import Pass, batches
from bench.stages.probes import FRONT_END, RECOGNISERS
from bench.stages.roofline import decoder_work, encoder_work
from bench.stages.samples import OTHER, SERVER_RULES, leaves, samples_in, shares, stage_of
from bench.stages.service import AUDIO, SERVER, TRITON, ServicePasses, role_of
from bench.stages.service import RECOGNISERS as RECOGNISING
from bench.stages.shares import stage_table, stages
from bench.stages.stopwatch import Probe, Stopwatch, probing


class Clock:
    """Shows what it was wound to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_stage_pauses_while_another_runs_inside_it() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    with watch.stage("outer"):
        clock.now += 1
        with watch.stage("inner"):
            clock.now += 10
        clock.now += 2
    clock.now += 50
    with watch.stage("inner"):
        clock.now += 5
    assert watch.seconds == {"outer": 3, "inner": 15}
    assert watch.calls == {"outer": 1, "inner": 2}


def test_probes_time_functions_and_the_steps_of_iterators_and_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()

    class Worker:
        def work(self) -> str:
            clock.now += 3
            return "done"

        def items(self) -> Iterator[int]:
            for item in range(2):
                clock.now += 10
                yield item

    monkeypatch.setattr("bench.stages.stopwatch.importlib.import_module", lambda _name: SimpleNamespace(Worker=Worker))
    before = Worker.work
    watch = Stopwatch(clock)
    probes = [Probe("anywhere:Worker.work", "work"), Probe("anywhere:Worker.items", "items", gives_items=True)]
    with probing(probes, watch):
        assert Worker().work() == "done"
        for _item in Worker().items():
            clock.now += 100
    assert watch.seconds == {"work": 3, "items": 20}
    assert Worker.work is before


def test_a_probe_says_when_its_function_is_gone() -> None:
    with pytest.raises(LookupError, match=r"bench/stages/probes\.py"):
        Probe("stenod_models.contract:Nothing.like_it", "x").owner()


@pytest.mark.parametrize("probe", [*FRONT_END, *chain.from_iterable(RECOGNISERS.values())], ids=lambda one: one.place)
def test_every_probe_finds_its_function(probe: Probe) -> None:
    owner, name = probe.owner()
    assert callable(getattr(owner, name))


def test_a_sample_counts_for_the_innermost_layer_that_is_known() -> None:
    store = ["run (asyncio/events.py:80)", "submit (stenod_server/scheduler/intake.py:5)", "go (sqlalchemy/x.py:1)"]
    assert stage_of(store, SERVER_RULES) == "store"
    assert stage_of([*store[:2], "dumps (json/encoder.py:2)"], SERVER_RULES) == "scheduling"
    assert stage_of(["run (asyncio/events.py:80)"], SERVER_RULES) == OTHER


def test_shares_are_of_all_samples_the_largest_first() -> None:
    folded = ["a (x.py:1);b (stenod_server/rpc/y.py:2) 1", "a (x.py:1) 3", "", "not a stack"]
    assert shares(folded, SERVER_RULES) == {OTHER: 0.75, "API": 0.25}
    assert samples_in(folded) == 4
    assert leaves(folded, most=1) == {"a (x.py)": 0.75}
    assert shares([], SERVER_RULES) == {}


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("python -m stenod_server.audio.worker {}", AUDIO),
        ("/wheel/tritonserver --id=1", TRITON),
        ("/data/triton/backends/python/triton_python_backend_stub /models/m", RECOGNISING),
        ("python -m stenod_server serve", SERVER),
    ],
)
def test_processes_are_known_by_their_command(command: str, role: str) -> None:
    assert role_of(command) == role


def test_what_a_process_takes_beyond_its_stages_is_its_rest() -> None:
    alone = [Pass({"decoding": 1.0}, {"encoder": 2.0, "decoder steps": 1.0}, {}, [])]
    by_role = [{AUDIO: 1.5, RECOGNISING: 4.0, TRITON: 0.5, SERVER: 3.0}]
    service = ServicePasses(by_role, {"store": 2.0, "API": 1.0}, profiled_s=4.0)
    found = {(stage.process, stage.name): stage.cpu_s for stage in stages(alone, service, audio_s=3600)}
    assert found[AUDIO, "the rest"] == 0.5
    assert found[RECOGNISING, "the rest"] == 1.0
    assert found[SERVER, "store"] == 1.5
    assert sum(found.values()) == pytest.approx(9.0)
    assert len(stages(alone, None, audio_s=3600)) == 3


def test_the_table_of_stages_ends_with_their_sum() -> None:
    alone = [Pass({"decoding": 1.0}, {"encoder": 3.0}, {}, [])]
    last = stage_table(stages(alone, None, audio_s=1800)).splitlines()[-1]
    assert last.split() == ["all", "8.00", "100.0", "%"]


def test_batches_are_neighbours_the_longest_first() -> None:
    windows: list[Any] = [np.zeros(length, np.int16) for length in (1, 3, 2)]
    assert [[len(window) for window in batch] for batch in batches(windows, 2)] == [[3, 1], [2]]


def test_operations_are_counted_from_shapes() -> None:
    """One frame: attention, feed-forward, the keys and values for six layers of the decoder, the convolutions."""
    alone = encoder_work([1])
    weights = 24 * 288**2 + 12 * 288 * 1152 + 12 * 288**2 + 14 * 288 * 576 + 6 * 288**2
    assert alone.products_8bit == 2 * weights + 4 * 6 * 288
    assert encoder_work([2]).products_8bit == 2 * 2 * weights + 4 * 6 * 4 * 288
    assert encoder_work([2]).products_float == 2 * 2 * 6 * 127 * 288
    step = decoder_work(row_frames=100, row_steps=1, steps=1)
    weights = 36 * 288**2 + 18 * 288 * 1152 + 288 * 32_768
    assert step.products_8bit == 2 * (weights + 100 * 12 * 288)
    assert step.bytes_read == 100 * 48 * (36 + 48 + 4) + weights
