"""Proof: transcripts in the programs that other people read them with, and subtitles that can be read.

    python -m tests.proofs.renderings [--every N]

All English of the speech set goes through the service: the conversations with their speakers told apart, the recordings
of several channels channel by channel, all with numbers in digits and entities. Of every transcript json-v2 must be
read by the models of speechmatics-batch, srt by the package srt and vtt by webvtt-py, each with every word that was
said and none beside them, and the own json must have the utterances and paragraphs that the messages have. Prints for
each kind of recording the longest line, the fastest reading speed and how many cues are faster than the limit, the
shortest gap, and the shortest and the longest cue. Exit status 1 when anything is lost, a line is too long, a gap too
short, or a cue faster than the limit although there was room behind it.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import stenod
from stenod_server.domain.diarization import UNKNOWN_SPEAKER
from stenod_server.domain.rendering import SubtitleShape
from tests.support.models import VOICES_MODEL, build_models
from tests.support.renderings import (
    Said,
    ShownCue,
    faults_of_cues,
    faults_of_json_v2,
    faults_of_words,
    read_json_v2,
    read_srt,
    read_vtt,
)
from tests.support.server import serving
from tests.support.speech import Recording, recordings

SHAPE: Final = SubtitleShape()
MODES: Final[Mapping[str, str]] = {"diarization": "speaker", "telephone": "speaker", "dual_channel": "channel"}
KINDS: Final = (
    "read_en", "read_en_1min", "short_en", "spont_en", "noisy_en", "long", "telephone", "dual_channel", "diarization",
)  # fmt: skip
SIDE_BY_SIDE: Final = 2


@dataclass(slots=True)
class Row:
    """What became of the recordings of a kind."""

    files: int = 0
    words: int = 0
    cues: list[ShownCue] = field(default_factory=list)
    gaps_ms: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, cues: Sequence[ShownCue]) -> None:
        self.cues += cues
        self.gaps_ms += [after.start_ms - before.end_ms for before, after in pairwise(cues)]

    def __str__(self) -> str:
        speeds = [cue.characters_per_s for cue in self.cues]
        lengths = [cue.length_ms for cue in self.cues]
        fast = sum(speed > SHAPE.max_characters_per_s for speed in speeds)
        return (
            f"{self.files:>6}{self.words:>8}{len(self.cues):>7}"
            f"{max((len(line) for cue in self.cues for line in cue.lines), default=0):>9}"
            f"{max(speeds, default=0.0):>9.1f}{fast:>7}{min(self.gaps_ms, default=0):>9}"
            f"{min(lengths, default=0):>10}{max(lengths, default=0):>9}{len(self.faults):>8}"
        )


async def render(client: stenod.Client, recording: Recording) -> tuple[int, Sequence[ShownCue], list[str]]:
    """The words of a recording's transcript, the cues of its srt, and what is wrong with any of its renderings."""
    options: Any = {"diarization": MODES.get(recording.kind, "none"), "numerals": True, "entities": True}
    transcript = await client.transcribe(recording.path, language="en", **options)
    forms: Any = {form: await _rendered(client, transcript.job_id, form) for form in ("json", "json-v2", "srt", "vtt")}
    whole = json.loads(forms["json"])
    spoken = [word["text"] for segment in whole["segments"] for word in segment["words"]]
    said_by = {segment["speaker"] or segment["channel"] or "" for segment in whole["segments"]}
    faults = list(faults_of_json_v2(read_json_v2(forms["json-v2"]), said_of(transcript)))
    for cues in (read_srt(forms["srt"]), read_vtt(forms["vtt"])):
        faults += [*faults_of_cues(cues, SHAPE), *faults_of_words(cues, spoken, sorted(said_by))]
    faults += faults_of_turns(whole, transcript)
    return len(spoken), read_srt(forms["srt"]), faults


def said_of(transcript: stenod.Transcript) -> Iterator[Said]:
    for word in transcript.words:
        yield word.channel, "" if word.speaker == UNKNOWN_SPEAKER else word.speaker, word.text


def faults_of_turns(whole: Mapping[str, Any], transcript: stenod.Transcript) -> list[str]:
    """Where the own json and the messages tell differently who has the word, and for how long."""
    told = [(one["text"], one["speaker"] or "", one["utterance"], one["paragraph"]) for one in whole["segments"]]
    messages = [(one.text, one.speaker, one.utterance, one.paragraph) for one in transcript.segments]
    faults = [] if told == messages else ["the own json has other segments than the messages"]
    for turns, numbers in (("utterances", [one[2] for one in told]), ("paragraphs", [one[3] for one in told])):
        held = [number for number, turn in enumerate(whole[turns]) for _ in range(turn["segment_count"])]
        if held != numbers:
            faults.append(f"{turns} do not hold the segments")
    return faults


async def _rendered(client: stenod.Client, job_id: str, form: Any) -> str:
    return "".join([piece async for piece in client.rendered(job_id, form)])


async def prove(every: int) -> bool:
    chosen = [one for kind in KINDS for one in recordings(kind)[::every]]
    rows = {kind: Row() for kind in KINDS}
    room, done = asyncio.Semaphore(SIDE_BY_SIDE), 0
    with tempfile.TemporaryDirectory(prefix="stenod-renderings-") as folder:
        async with (
            serving(Path(folder), f"--voices-model={VOICES_MODEL}", models_dir=build_models()) as server,
            stenod.Client(server.address) as client,
        ):

            async def add(recording: Recording) -> None:
                nonlocal done
                async with room:
                    words, cues, faults = await render(client, recording)
                done += 1
                print(f"\r{done} of {len(chosen)} recordings", end="", file=sys.stderr, flush=True)
                row = rows[recording.kind]
                row.files, row.words = row.files + 1, row.words + words
                row.faults += [f"{recording.id}: {fault}" for fault in faults]
                row.add(cues)

            await asyncio.gather(*map(add, chosen))
    return report(rows)


def report(rows: Mapping[str, Row]) -> bool:
    """Print the table; whether it holds."""
    whole = Row()
    for row in rows.values():
        whole.files, whole.words = whole.files + row.files, whole.words + row.words
        whole.cues, whole.gaps_ms = whole.cues + row.cues, whole.gaps_ms + row.gaps_ms
        whole.faults += row.faults
    limit = f"over {SHAPE.max_characters_per_s:g}"
    print(
        f"\n{'':14}{'files':>6}{'words':>8}{'cues':>7}{'longest':>9}{'fastest':>9}{limit:>7}{'shortest':>9}"
        f"{'shortest':>10}{'longest':>9}{'faults':>8}"
        f"\n{'':35}{'line':>9}{'char/s':>9}{'cues':>7}{'gap ms':>9}{'cue ms':>10}{'cue ms':>9}"
    )
    for name, row in [*rows.items(), ("all", whole)]:
        print(f"{name:14}{row}")
    for fault in whole.faults:
        print(f"  {fault}")
    return bool(whole.files) and not whole.faults


def main() -> None:
    parser = argparse.ArgumentParser(prog="prove-renderings")
    parser.add_argument("--every", type=int, default=1, help="every N-th recording of a kind")
    sys.exit(0 if asyncio.run(prove(parser.parse_args().every)) else 1)


if __name__ == "__main__":
    main()
