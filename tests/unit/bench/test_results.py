from typing import Final

import pytest

from bench.catalogue import SERVICE, SYSTEMS
from bench.measure import Run, Session
from bench.protocol import JOINED, Clip
from bench.recordings import Recording
from bench.results import budgets, efficiency, figures, rows
from bench.table import budget_table, efficiency_table, figure_table, speed_table

RECORDINGS: Final = [
    Recording(Clip("one", "one.wav", 40.0), "read_en", "it was the best of times"),
    Recording(Clip("two", "two.wav", 60.0), "read_en", "it was the worst of times"),
]
TEXTS: Final = {"one": "It was the best of times.", "two": "It was the worst of times."}


def session(*runs: Run, **figures_by_name: list[float]) -> Session:
    return Session(load_s=2.0, runs=list(runs), figures=figures_by_name)


def run(scenario: str, wall_s: float, texts: dict[str, str] | None = None, cpu_s: float = 10.0) -> Run:
    return Run(scenario, wall_s, cpu_s, peak_rss_bytes=10**9, texts=TEXTS if texts is None else texts)


def test_a_row_is_the_median_of_the_rounds() -> None:
    (row,) = rows({"service": [session(run("clips", wall_s)) for wall_s in (1.0, 2.0, 10.0)]}, RECORDINGS)
    assert (row.slowest, row.speed, row.fastest) == (10.0, 50.0, 100.0)
    assert row.wer_ratio == 0
    assert row.cpu_s_per_audio_hour == pytest.approx(360.0)


def test_a_peer_is_compared_with_the_service_on_the_same_audio() -> None:
    joined = {JOINED: " ".join(TEXTS.values())}
    measured = {
        "service": [session(run("clips", 1.0), run("long", 2.0, joined))],
        "faster-whisper": [session(run("clips", 10.0), run("batched", 8.0, joined))],
    }
    ratios = {row.label: row.service_ratio for row in rows(measured, RECORDINGS)}
    assert ratios["faster-whisper base int8: file by file"] == 10.0
    assert ratios["faster-whisper base int8: one long file, batched"] == 4.0


def test_each_precision_of_whisper_is_compared_with_its_own_service() -> None:
    measured = {
        "whisper-int8": [session(run("clips", 2.0))],
        "whisper-int8-peer": [session(run("clips", 6.0))],
        "whisper-fp32": [session(run("clips", 4.0, cpu_s=20.0))],
        "whisper-fp32-bare": [session(run("clips", 3.0, cpu_s=10.0))],
        "whisper-fp32-peer": [session(run("clips", 16.0))],
    }
    found = rows(measured, RECORDINGS)
    assert [row.service_ratio for row in found] == [1.0, 3.0, 1.0, 0.75, 4.0]
    assert efficiency(found) == [("stenod, base fp32: 32 files at once", 0.75, 0.5)]
    assert budgets(found, {}) == []  # they are of the default model


def test_every_system_has_a_name_of_its_own_and_a_service_to_be_compared_with() -> None:
    names = [system.name for system in SYSTEMS]
    assert len(set(names)) == len(names)
    for system in SYSTEMS:
        (service,) = (one for one in SYSTEMS if one.name == system.against)
        assert service.module == SERVICE
        compared = {scenario.against for scenario in system.scenarios}
        assert compared <= {scenario.name for scenario in service.scenarios}


def test_without_the_service_there_is_nothing_to_compare_with() -> None:
    (row,) = rows({"moonshine-native": [session(run("clips", 5.0))]}, RECORDINGS)
    assert row.service_ratio is None
    assert budgets([row], {}) == []


def test_budgets_tell_what_is_met() -> None:
    measured = {
        "service": [
            session(run("clips", 2.0, {"one": "It was", "two": TEXTS["two"]}, cpu_s=10.5), single_latency_s=[0.2, 0.2])
        ],
        "bare": [session(run("clips", 1.0), single_recognition_s=[0.1, 0.1])],
    }
    judged = {budget.name: budget for budget in budgets(rows(measured, RECORDINGS), figures(measured))}
    assert judged["service / bare loop, files"].measured == 0.5
    assert not judged["service / bare loop, files"].is_met
    assert not judged["WER of the service - of the bare loop, clips"].is_met
    assert judged["CPU beyond the bare loop, clips"].measured == pytest.approx(18.0)
    assert not judged["CPU beyond the bare loop, clips"].is_met
    assert judged["a 10 s clip, warm"].limit == pytest.approx(170.0)
    assert not judged["a 10 s clip, warm"].is_met


def test_tables_show_every_row() -> None:
    measured = {
        "service": [
            session(
                run("clips", 2.0),
                cold_start_s=[3.0],
                submit_latency_s=[0.001] * 200,
                submit_latency_idle_s=[0.030] * 200,
            )
        ],
        "bare": [session(run("clips", 1.0, cpu_s=9.0))],
    }
    found = rows(measured, RECORDINGS)
    table = speed_table(found).splitlines()
    assert len(table) == 3
    assert len({len(line) for line in table}) == 1
    assert efficiency_table(efficiency(found)).splitlines()[1].split()[-2:] == ["0.50", "0.90"]
    assert "p99 1.0" in figure_table(figures(measured))
    judged = budget_table(budgets(found, figures(measured))).splitlines()
    by_default, idle = (line for line in judged if line.startswith("SubmitJob p99"))
    assert by_default.endswith("  met")
    assert "--worker-priority idle" in idle
    assert idle.endswith("NOT MET")
