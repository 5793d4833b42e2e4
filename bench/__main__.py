"""`python -m bench`: measure the service, the bare recogniser and peers on the same recordings, in one run."""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bench.catalogue import FAMILIES, SYSTEMS, System
from bench.machine import Machine
from bench.measure import Session, SystemFailed, measure
from bench.peers_venv import peers_python
from bench.preparation import build_models
from bench.recordings import NoSpeechSet, Recording, english_recordings, make_joined
from bench.request import request_for
from bench.result_file import write_result
from bench.results import Budget, Row, budgets, efficiency, figures, flat_figures, rows
from bench.table import budget_table, efficiency_table, figure_table, speed_table
from stenod_models.export.errors import ModelBuildError

_QUICK_CLIPS: Final = 12
_ROUNDS: Final = 3
_TIMEOUT_S: Final = 1800.0


def _parser() -> argparse.ArgumentParser:
    systems = "\n".join(f"  {system.name:<18}{system.description}" for system in SYSTEMS)
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the service, the bare recogniser and peers on the same recordings, one after the other.",
        epilog=f"systems:\n{systems}\n\nEvery round runs each system once in a fresh process; the table gives medians. "
        "The first run makes\nthe peers' environment in .bench/. Run it on a quiet machine.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [system.name for system in SYSTEMS]
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK_CLIPS} recordings, one round")
    parser.add_argument(
        "--family", nargs="+", choices=list(FAMILIES), default=["moonshine"], help="models (default: moonshine)"
    )
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help="only these systems, of any family")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"rounds (default {_ROUNDS})")
    parser.add_argument("--clips", type=int, metavar="N", help="at most N recordings (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    return parser


def main() -> int:
    options = _parser().parse_args()
    names = options.only or [system.name for family in options.family for system in FAMILIES[family]]
    chosen = [system for system in SYSTEMS if system.name in names]
    rounds = max(1, options.rounds or (1 if options.quick else _ROUNDS))
    try:
        recordings = english_recordings(options.clips or (_QUICK_CLIPS if options.quick else None))
        _prepare(chosen, recordings)
    except (NoSpeechSet, ModelBuildError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    machine = Machine.here()
    sessions, failures = _measure(chosen, recordings, rounds)
    found, values = rows(sessions, recordings), figures(sessions)
    judged = budgets(found, values)
    audio_s = sum(recording.clip.duration_s for recording in recordings)
    print(f"{machine}\n{_versions(sessions)}")
    print(f"{len(recordings)} recordings, {audio_s:.0f} s of English speech, medians of {rounds} round(s)\n")
    tables = (
        speed_table(found),
        efficiency_table(efficiency(found)),
        figure_table(values),
        budget_table(judged),
        "\n".join(failures),
    )
    for text in tables:
        if text:
            print(f"{text}\n")
    if options.json:
        about = {"recordings": len(recordings), "audio_s": audio_s, "rounds": rounds}
        sections = _sections(sessions, found, judged, failures)
        write_result(options.json, "bench", machine, flat_figures(found, values, judged), about=about, **sections)
    return 1 if failures else 0


def _prepare(chosen: Sequence[System], recordings: Sequence[Recording]) -> None:
    """Everything that is fetched or built, so that no measurement waits for it."""
    make_joined(recordings)
    _tell("building the models")
    build_models({system.model for system in chosen if system.model and not system.is_peer})
    if any(system.is_peer for system in chosen):
        _tell("preparing the peers' environment")
        peers_python()


def _measure(
    chosen: Sequence[System], recordings: Sequence[Recording], rounds: int
) -> tuple[dict[str, list[Session]], list[str]]:
    """Round by round, so that a disturbance of the machine does not fall on one system alone."""
    sessions: dict[str, list[Session]] = {}
    failures: dict[str, str] = {}
    for number in range(1, rounds + 1):
        for system in chosen:
            if system.name in failures:
                continue
            begun = time.perf_counter()
            where = f"round {number} of {rounds}  {system.name}"
            _tell(f"{where}: loading")
            try:
                session = _run(system, recordings, where)
            except SystemFailed as error:
                failures[system.name] = f"FAILED {system.name}: {error}"
                _tell(failures[system.name])
                continue
            sessions.setdefault(system.name, []).append(session)
            _tell(f"{where}: done in {time.perf_counter() - begun:.0f} s")
    return sessions, list(failures.values())


def _run(system: System, recordings: Sequence[Recording], where: str) -> Session:
    request = request_for(recordings, scenarios=[scenario.name for scenario in system.scenarios], model=system.model)
    return measure(
        system.module,
        peers_python() if system.is_peer else Path(sys.executable),
        request,
        timeout_s=_TIMEOUT_S,
        on_event=lambda scenario: _tell(f"{where}: {scenario}"),
    )


def _tell(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


def _versions(sessions: dict[str, list[Session]]) -> str:
    found = {name: version for repeats in sessions.values() for name, version in repeats[0].versions.items()}
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items()))


def _sections(
    sessions: dict[str, list[Session]], found: Sequence[Row], judged: Sequence[Budget], failures: Sequence[str]
) -> dict[str, object]:
    return {
        "rows": [asdict(row) for row in found],
        "budgets": [asdict(budget) | {"is_met": budget.is_met} for budget in judged],
        "failures": list(failures),
        "sessions": {name: [asdict(session) for session in repeats] for name, repeats in sessions.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
