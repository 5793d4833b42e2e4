"""Peer: faster-whisper with Whisper base: clip by clip, and its batched mode over one joined recording."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from faster_whisper import BatchedInferencePipeline, WhisperModel  # type: ignore[import-not-found]

from bench.protocol import JOINED, Report, Request, Word, serve
from bench.whisper_weights import whisper_base

CLIPS, BATCHED, WORDS = "clips", "batched", "words"
_BATCH = 8
_VERSIONS = ("faster-whisper", "ctranslate2")


def _text(segments: Any) -> str:
    return " ".join(segment.text.strip() for segment in segments)


def run(request: Request, report: Report) -> None:
    model = WhisperModel(
        str(whisper_base(Path(request.cache_dir))),
        device="cpu",
        compute_type=request.model,
        cpu_threads=request.threads,
    )
    greedy = {"language": "en", "beam_size": 1}
    _text(model.transcribe(request.single.path, **greedy)[0])
    report.ready({name: version(name) for name in _VERSIONS})
    batched = BatchedInferencePipeline(model)
    for clip in request.warm_up:
        _text(model.transcribe(clip.path, **greedy)[0])
    if BATCHED in request.scenarios:
        _text(batched.transcribe(request.joined.path, batch_size=_BATCH, **greedy)[0])
    if CLIPS in request.scenarios:
        for run in report.repeated(CLIPS):
            with run as texts:
                for clip in request.clips:
                    texts[clip.id] = _text(model.transcribe(clip.path, **greedy)[0])
    if BATCHED in request.scenarios:
        for run in report.repeated(BATCHED):
            with run as texts:
                texts[JOINED] = _text(batched.transcribe(request.joined.path, batch_size=_BATCH, **greedy)[0])
    if WORDS in request.scenarios:
        for clip in request.clips:
            report.words(clip.id, _words(model, clip.path))


def _words(model: Any, path: str) -> list[Word]:
    """Beam search, no voice activity filter: the most trustworthy times it has."""
    segments, _info = model.transcribe(path, language="en", beam_size=5, word_timestamps=True, vad_filter=False)
    return [Word(word.word.strip(), word.start, word.end) for segment in segments for word in segment.words]


if __name__ == "__main__":
    serve(run)
