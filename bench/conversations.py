"""The recordings of which it is known who speaks when, alone and joined, and what a system made of them."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.diarization_error import ErrorTimes, SpeakerTime, diarization_error, read_rttm
from bench.measure import Run, measure
from bench.peers_venv import SPEAKER_PEERS, peers_python
from bench.protocol import Clip
from bench.recordings import JOINED_GAP_S, SPEECH_DIR, NoSpeechSet, Recording
from bench.request import request_for

OURS, SENKO, ONE_SPEAKER = "stenod", "senko", "one speaker"
_MODULES: Final = {OURS: "speakers", SENKO: "senko"}
_TIMEOUT_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Conversation:
    """A recording and the truth about it. `segments` have speaker, start, end and text, where those are known."""

    clip: Clip
    truth: tuple[SpeakerTime, ...]
    segments: tuple[Mapping[str, Any], ...] = ()

    @property
    def speakers(self) -> int:
        return len({turn.speaker for turn in self.truth})

    def error(self, found: Sequence[SpeakerTime], *, with_overlap: bool) -> ErrorTimes:
        return diarization_error(self.truth, found, duration_s=self.clip.duration_s, with_overlap=with_overlap)


def conversations() -> list[Conversation]:
    """Raises NoSpeechSet."""
    manifest = SPEECH_DIR / "manifest.jsonl"
    if not manifest.is_file():
        raise NoSpeechSet(f"the recordings listed in {manifest} are needed, and not there")
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    return [
        Conversation(
            Clip(row["id"], str(SPEECH_DIR / row["file"]), row["duration_s"]),
            tuple(read_rttm(SPEECH_DIR / row["rttm"])),
            tuple(row.get("segments") or ()),
        )
        for row in rows
        if row["kind"] == "diarization"
    ]


def as_recordings(chosen: Sequence[Conversation]) -> list[Recording]:
    return [Recording(one.clip, "diarization", "") for one in chosen]


def joined_truth(chosen: Sequence[Conversation]) -> tuple[list[SpeakerTime], float]:
    """Of the file that `bench.recordings.make_joined` writes, and its length in seconds. Who is in two recordings is
    one speaker.
    """
    truth: list[SpeakerTime] = []
    now_s = 0.0
    for one in chosen:
        truth += (
            replace(turn, start_s=turn.start_s + now_s, end_s=min(turn.end_s, one.clip.duration_s) + now_s)
            for turn in one.truth
        )
        now_s += one.clip.duration_s + JOINED_GAP_S
    return truth, now_s


@dataclass(frozen=True, slots=True)
class Told:
    """Who speaks when, as a system has it, and the stretches of speech that it took for its base, if it says so."""

    turns: list[SpeakerTime]
    speech: list[SpeakerTime]

    @classmethod
    def of(cls, text: str) -> "Told":
        """What `bench.systems.senko` and `.speakers` write."""
        plain = json.loads(text)
        return cls(
            [SpeakerTime(*turn) for turn in plain["turns"]],
            [SpeakerTime(ONE_SPEAKER, start_s, end_s) for start_s, end_s in plain.get("speech", [])],
        )


def run_system(name: str, chosen: Sequence[Conversation], scenario: str, *, models_dir: Path) -> Run:
    """One scenario in a fresh process, loaded and warm before it is measured. Raises SystemFailed."""
    python = peers_python(SPEAKER_PEERS) if name == SENKO else Path(sys.executable)
    request = replace(request_for(as_recordings(chosen), scenarios=[scenario]), models_dir=str(models_dir))
    session = measure(_MODULES[name], python, request, timeout_s=_TIMEOUT_S)
    return next(run for run in session.runs if run.scenario == scenario)
