"""The speech set beside the project; tests that need it skip with the reason where it is absent."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

PROJECT_ROOT = Path(__file__).resolve().parents[2]
SPEECH_DIR = PROJECT_ROOT.parent / "shared" / "speech"
needs_speech = [
    pytest.mark.speech,
    pytest.mark.skipif(not SPEECH_DIR.is_dir(), reason="the speech set ../shared/speech is not here"),
]

ENGLISH_KINDS = ("read_en", "read_en_1min", "short_en", "spont_en")


@dataclass(frozen=True, slots=True)
class Recording:
    """One line of the manifest."""

    id: str
    path: Path
    kind: str
    text: str
    duration_s: float
    fields: dict[str, Any]


@cache
def recordings(*kinds: str) -> tuple[Recording, ...]:
    """The recordings of these kinds (all when none is given), in the manifest's order; none where the set is absent."""
    if not SPEECH_DIR.is_dir():
        return ()
    with (SPEECH_DIR / "manifest.jsonl").open() as lines:
        rows = [json.loads(line) for line in lines]
    return tuple(
        Recording(row["id"], SPEECH_DIR / row["file"], row["kind"], row["text"] or "", row["duration_s"] or 0.0, row)
        for row in rows
        if not kinds or row["kind"] in kinds
    )


def english_with_text() -> tuple[Recording, ...]:
    """English read and spontaneous speech with a trustworthy transcript (the `sb-` texts are not)."""
    return tuple(r for r in recordings(*ENGLISH_KINDS) if r.text and not r.id.startswith("sb-"))
