"""`python -m bench.diarization`: how fast speakers are told apart, beside senko, on one long file in one run.

All conversations of the speech set, joined. stenod is its front end, the model of voices in a real Triton with an
instance for each core, and its clustering, without a recogniser; senko is as its README runs it. Each round starts each
system in a fresh process, warms it up, and measures from the file to the turns. The table gives medians.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.conversations import OURS, SENKO, Told, as_recordings, conversations, joined_truth, run_system
from bench.diarization_error import ErrorTimes, SpeakerTime, diarization_error
from bench.machine import Machine
from bench.measure import Run
from bench.peers_venv import SPEAKER_PEERS, peers_python
from bench.preparation import build_models
from bench.protocol import JOINED
from bench.recordings import make_joined
from bench.request import MODELS_DIR
from bench.table import aligned

LEAST_SPEED: Final = 60.0  # x real time
LEAST_RATIO: Final = 1.5  # of the peer's speed
_ROUNDS: Final = 3
_HEADINGS: Final = ("system", "x real time", "(min-max)", "CPU s per audio h", "peak RSS MB", "DER %", "no overlap")


@dataclass(frozen=True, slots=True)
class Row:
    """A system over all rounds; error rates are the median round's, which all others give, too."""

    system: str
    audio_s: float
    runs: tuple[Run, ...]
    error: ErrorTimes
    without_overlap: ErrorTimes

    @property
    def speeds(self) -> list[float]:
        return [self.audio_s / run.wall_s for run in self.runs]

    @property
    def speed(self) -> float:
        return statistics.median(self.speeds)

    def cells(self) -> tuple[str, ...]:
        cpu_s = statistics.median(run.cpu_s for run in self.runs)
        return (
            self.system,
            f"{self.speed:.1f}",
            f"({min(self.speeds):.0f}-{max(self.speeds):.0f})",
            f"{cpu_s * 3600 / self.audio_s:.0f}",
            f"{max(run.peak_rss_bytes for run in self.runs) / 1e6:.0f}",
            f"{100 * self.error.rate:.2f}",
            f"{100 * self.without_overlap.rate:.2f}",
        )


def row_of(system: str, runs: Sequence[Run], truth: Sequence[SpeakerTime], duration_s: float) -> Row:
    turns, *others = (Told.of(run.texts[JOINED]).turns for run in runs)
    if any(other != turns for other in others):
        raise RuntimeError(f"{system} told the speakers otherwise from round to round")
    errors = [diarization_error(truth, turns, duration_s=duration_s, with_overlap=counted) for counted in (True, False)]
    return Row(system, duration_s, tuple(runs), *errors)


def missed_targets(rows: Mapping[str, Row]) -> list[str]:
    ours, peer = rows[OURS], rows[SENKO]
    ratio = ours.speed / peer.speed
    targets = {
        f"{ours.speed:.1f} x real time is below {LEAST_SPEED:g}": ours.speed < LEAST_SPEED,
        f"{ratio:.2f} x {SENKO}'s speed is below {LEAST_RATIO:g}": ratio < LEAST_RATIO,
        f"the error rate is above {SENKO}'s": ours.error.rate > peer.error.rate,
    }
    return [text for text, is_missed in targets.items() if is_missed]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=_ROUNDS, metavar="N", help=f"rounds (default {_ROUNDS})")
    rounds = max(1, parser.parse_args().rounds)
    chosen = conversations()
    make_joined(as_recordings(chosen))
    build_models(("voices",))
    peers_python(SPEAKER_PEERS)
    runs: dict[str, list[Run]] = {OURS: [], SENKO: []}
    for number in range(1, rounds + 1):
        for system, found in runs.items():
            print(f"round {number} of {rounds}: {system}", file=sys.stderr, flush=True)
            found.append(run_system(system, chosen, "long", models_dir=MODELS_DIR))
    truth, duration_s = joined_truth(chosen)
    rows = {system: row_of(system, found, truth, duration_s) for system, found in runs.items()}
    print(f"{Machine.here()}\n{len(chosen)} recordings joined, {duration_s:.0f} s, medians of {rounds} round(s)\n")
    print(aligned([_HEADINGS, *(row.cells() for row in rows.values())]))
    print(f"\n{OURS} is {rows[OURS].speed / rows[SENKO].speed:.2f} x as fast as {SENKO}")
    missed = missed_targets(rows)
    for text in missed:
        print(f"MISSED: {text}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
