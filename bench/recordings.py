"""The recordings that are measured: English speech with a trustworthy text, and the file they make when joined."""

import hashlib
import json
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.media import SAMPLE_RATE_HZ, decoded_blocks
from bench.protocol import JOINED, Clip

PROJECT_DIR: Final = Path(__file__).resolve().parents[1]
CACHE_DIR: Final = PROJECT_DIR / ".bench"
SPEECH_DIR: Final = PROJECT_DIR.parent / "shared" / "speech"
JOINED_GAP_S: Final = 0.5  # of silence between two recordings of the joined file
SINGLE_S: Final = 10.0
_KINDS: Final = ("read_en", "read_en_1min", "short_en", "spont_en")
_CLEAN_KINDS: Final = ("read_en", "read_en_1min")
_UNTRUSTED: Final = "sb-"  # references repaired from recogniser output


@dataclass(frozen=True, slots=True)
class Recording:
    """A clip and what is said in it."""

    clip: Clip
    kind: str
    text: str


class NoSpeechSet(Exception):
    """The recordings are not here."""


def english_recordings(limit: int | None = None) -> list[Recording]:
    """English speech with text; `limit` takes that many, spread evenly over the set. Raises NoSpeechSet."""
    manifest = SPEECH_DIR / "manifest.jsonl"
    if not manifest.is_file():
        raise NoSpeechSet(f"the benchmarks read the recordings listed in {manifest}, which is not there")
    rows = map(json.loads, manifest.read_text().splitlines())
    found = [
        Recording(Clip(row["id"], str(SPEECH_DIR / row["file"]), row["duration_s"]), row["kind"], row["text"])
        for row in rows
        if row["kind"] in _KINDS and row["text"] and not row["id"].startswith(_UNTRUSTED)
    ]
    if limit is None or limit >= len(found):
        return found
    return [found[index * len(found) // limit] for index in range(limit)]


def clean_read_recordings(limit: int | None = None) -> list[Recording]:
    """The read speech among them: where word times can be trusted most."""
    found = [recording for recording in english_recordings() if recording.kind in _CLEAN_KINDS]
    return found[:limit]


def single_clip(recordings: Sequence[Recording]) -> Clip:
    """The recording whose length is nearest to ten seconds."""
    return min((recording.clip for recording in recordings), key=lambda clip: abs(clip.duration_s - SINGLE_S))


def joined_clip(recordings: Sequence[Recording]) -> Clip:
    """All of them in one WAV file (see `make_joined`). Its duration is theirs: the gaps are not counted."""
    identity = hashlib.sha256(" ".join(recording.clip.id for recording in recordings).encode()).hexdigest()[:12]
    path = CACHE_DIR / f"joined-{identity}.wav"
    return Clip(JOINED, str(path), sum(recording.clip.duration_s for recording in recordings))


def make_joined(recordings: Sequence[Recording]) -> None:
    """Write the file of `joined_clip`; at once where it is there."""
    path = Path(joined_clip(recordings).path)
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    gap = bytes(2 * round(JOINED_GAP_S * SAMPLE_RATE_HZ))
    with wave.open(str(partial), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE_HZ)
        for recording in recordings:
            for block in decoded_blocks(recording.clip.path):
                out.writeframes(block.tobytes())
            out.writeframes(gap)
    partial.rename(path)
