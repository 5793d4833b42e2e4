"""Rounds of measurements → rows with medians, and the budgets they are held against."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.catalogue import BARE, SERVICE, SYSTEMS, System
from bench.measure import Run, Session
from bench.recordings import Recording
from bench.result_file import Figure
from bench.wer import word_error_ratio

Sessions = Mapping[str, Sequence[Session]]  # by system


@dataclass(frozen=True, slots=True)
class Row:
    """Medians over the rounds. `speed` is seconds of audio for each second; `service_ratio` is the service's ÷ it."""

    system: str
    scenario: str
    label: str
    speed: float
    slowest: float
    fastest: float
    service_ratio: float | None
    wer_ratio: float
    cpu_s_per_audio_hour: float
    peak_rss_bytes: int
    load_s: float


@dataclass(frozen=True, slots=True)
class Budget:
    """`measured` is held against `limit`: it shall be at least that, or at most where `is_ceiling`."""

    name: str
    measured: float
    limit: float
    unit: str = "x"
    is_ceiling: bool = False

    @property
    def is_met(self) -> bool:
        return self.measured <= self.limit if self.is_ceiling else self.measured >= self.limit


def rows(sessions: Sessions, recordings: Sequence[Recording]) -> list[Row]:
    """In the order of the catalogue; what was not measured is left out."""
    return [row for system in SYSTEMS for row in _rows_of(system, sessions, recordings)]


def _rows_of(system: System, sessions: Sessions, recordings: Sequence[Recording]) -> Iterator[Row]:
    audio_s = sum(recording.clip.duration_s for recording in recordings)
    served = {name: _speed(runs, audio_s) for name, runs in _runs(sessions.get(system.against, ())).items()}
    measured = _runs(sessions.get(system.name, ()))
    for scenario in system.scenarios:
        runs = measured.get(scenario.name)
        if not runs or not scenario.label:
            continue
        speed = _speed(runs, audio_s)
        yield Row(
            system=system.name,
            scenario=scenario.name,
            label=scenario.label,
            speed=speed,
            slowest=audio_s / max(run.wall_s for run in runs),
            fastest=audio_s / min(run.wall_s for run in runs),
            service_ratio=served[scenario.against] / speed if scenario.against in served else None,
            wer_ratio=statistics.median(word_error_ratio(run.texts, recordings) for run in runs),
            cpu_s_per_audio_hour=statistics.median(run.cpu_s for run in runs) / audio_s * 3600,
            peak_rss_bytes=round(statistics.median(run.peak_rss_bytes for run in runs)),
            load_s=statistics.median(session.load_s for session in sessions[system.name]),
        )


def efficiency(found: Sequence[Row]) -> list[tuple[str, float, float]]:
    """(what, speed of the service ÷ of the bare loop, processor seconds of the bare loop ÷ of the service).

    The second says the same on a busy machine, where the first is chance.
    """
    by_name = {(row.system, row.scenario): row for row in found}
    loops = [system for system in SYSTEMS if system.module == BARE]
    pairs = [
        (by_name.get((loop.against, name)), by_name.get((loop.name, name)))
        for loop in loops
        for name in ("clips", "long")
    ]
    return [
        (ours.label, ours.speed / bare.speed, bare.cpu_s_per_audio_hour / ours.cpu_s_per_audio_hour)
        for ours, bare in pairs
        if ours and bare
    ]


def figures(sessions: Sessions) -> dict[str, list[float]]:
    """Every value of every figure of the default model, by its name."""
    found: dict[str, list[float]] = {}
    for session in (session for name in (SERVICE, BARE) for session in sessions.get(name, ())):
        for name, values in session.figures.items():
            found.setdefault(name, []).extend(values)
    return found


@dataclass(frozen=True, slots=True)
class _SpeedBudget:
    name: str
    ours: tuple[str, str]
    theirs: tuple[str, str]
    limit: float


_FILES: Final = (SERVICE, "clips")
_LONG: Final = (SERVICE, "long")
_SPEED_BUDGETS: Final = (
    _SpeedBudget("service / bare loop, files", _FILES, (BARE, "clips"), 0.90),
    _SpeedBudget("service / bare loop, one long file", _LONG, (BARE, "long"), 0.90),
    _SpeedBudget("service / moonshine-voice", _FILES, ("moonshine-native", "clips"), 3.0),
    _SpeedBudget("service / faster-whisper file by file", _FILES, ("faster-whisper", "clips"), 6.0),
    _SpeedBudget("service / faster-whisper batched, one long file", _LONG, ("faster-whisper", "batched"), 2.0),
)
_EXTRA_CPU_S: Final = 14.0  # for an hour of audio: the tenth that 0.90 allowed beside a bare loop of 57 x (ADR 28)
_SINGLE_FACTOR: Final = 1.2
_SINGLE_EXTRA_S: Final = 0.050


def budgets(found: Sequence[Row], values: Mapping[str, Sequence[float]]) -> list[Budget]:
    """Those that can be judged by what was measured."""
    by_name = {(row.system, row.scenario): row for row in found}
    judged = [
        Budget(budget.name, by_name[budget.ours].speed / by_name[budget.theirs].speed, budget.limit)
        for budget in _SPEED_BUDGETS
        if budget.ours in by_name and budget.theirs in by_name
    ]
    for scenario in ("clips", "long"):
        ours, bare = by_name.get((SERVICE, scenario)), by_name.get((BARE, scenario))
        if ours and bare:
            points = 100 * (ours.wer_ratio - bare.wer_ratio)
            judged.append(
                Budget(f"WER of the service - of the bare loop, {scenario}", points, 0.1, "points", is_ceiling=True)
            )
            extra_s = ours.cpu_s_per_audio_hour - bare.cpu_s_per_audio_hour
            judged.append(
                Budget(f"CPU beyond the bare loop, {scenario}", extra_s, _EXTRA_CPU_S, "s per audio h", is_ceiling=True)
            )
    if "single_latency_s" in values and "single_recognition_s" in values:
        limit_s = _SINGLE_FACTOR * statistics.median(values["single_recognition_s"]) + _SINGLE_EXTRA_S
        latency_s = statistics.median(values["single_latency_s"])
        judged.append(Budget("a 10 s clip, warm", latency_s * 1000, limit_s * 1000, "ms", is_ceiling=True))
    for figure, named in (("submit_latency_s", ""), ("submit_latency_idle_s", ", --worker-priority idle")):
        if figure in values:
            p99_ms = 1000 * percentile(values[figure], 99)
            judged.append(Budget(f"SubmitJob p99, 200 jobs in flight{named}", p99_ms, 20.0, "ms", is_ceiling=True))
    return judged


def flat_figures(found: Sequence[Row], values: Mapping[str, Sequence[float]], judged: Sequence[Budget]) -> list[Figure]:
    """Everything of the tables, for a comparison."""
    flat = []
    for row in found:
        flat += [
            Figure(row.label, "speed", row.speed, "x", "higher"),
            Figure(row.label, "WER", 100 * row.wer_ratio, "%", "lower"),
            Figure(row.label, "CPU", row.cpu_s_per_audio_hour, "s per audio h", "lower"),
            Figure(row.label, "peak RSS", row.peak_rss_bytes / 1e6, "MB", "lower"),
            Figure(row.label, "load", row.load_s, "s", "lower"),
        ]
    flat += [Figure(name, "median", statistics.median(taken), "s", "lower") for name, taken in values.items()]
    return flat + [
        Figure(one.name, "budget", one.measured, one.unit, "lower" if one.is_ceiling else "higher") for one in judged
    ]


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1] if len(values) > 1 else values[0]


def _runs(sessions: Sequence[Session]) -> dict[str, list[Run]]:
    by_scenario: dict[str, list[Run]] = {}
    for run in (run for session in sessions for run in session.runs):
        by_scenario.setdefault(run.scenario, []).append(run)
    return by_scenario


def _speed(runs: Sequence[Run], audio_s: float) -> float:
    return audio_s / statistics.median(run.wall_s for run in runs)
