"""Reference: transformers' generate() on the random Parakeet, file by file and in batches of like length."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers

from bench.media import SAMPLE_RATE_HZ, Int16Audio, read_audio
from bench.parakeet_weights import random_parakeet
from bench.protocol import Clip, Report, Request, serve

CLIPS, BATCHED = "clips", "batched"
_BATCH: Final = 8
_PIECE_S: Final = 20.0


class Parakeet:
    def __init__(self, folder: Path) -> None:
        self._model: Any = transformers.ParakeetForTDT.from_pretrained(folder).eval()
        self._processor: Any = transformers.ParakeetProcessor.from_pretrained(folder)

    def texts(self, pieces: Sequence[Int16Audio]) -> list[str]:
        audio = [piece.astype(np.float32) / 32768 for piece in pieces]
        inputs = self._processor.feature_extractor(audio, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
        with torch.inference_mode():
            found = self._model.generate(**inputs)
        texts: list[str] = self._processor.batch_decode(found.sequences, skip_special_tokens=True)
        return texts


def run(request: Request, report: Report) -> None:
    torch.set_num_threads(request.threads)
    model = Parakeet(random_parakeet(Path(request.cache_dir)))
    model.texts([read_audio(request.single.path)])
    report.ready({"torch": version("torch"), "transformers": version("transformers")})
    for clip in request.warm_up:
        model.texts(_pieces(clip))
    if CLIPS in request.scenarios:
        for run in report.repeated(CLIPS):
            with run as texts:
                texts.update({clip.id: " ".join(model.texts(_pieces(clip))) for clip in request.clips})
    if BATCHED in request.scenarios:
        for run in report.repeated(BATCHED):
            with run as texts:
                texts.update(_batched(model, request.clips))


def _batched(model: Parakeet, clips: Sequence[Clip]) -> dict[str, str]:
    pieces = sorted(((clip.id, piece) for clip in clips for piece in _pieces(clip)), key=lambda item: len(item[1]))
    texts: dict[str, str] = {}
    for first in range(0, len(pieces), _BATCH):
        batch = pieces[first : first + _BATCH]
        for (clip_id, _piece), text in zip(batch, model.texts([piece for _clip, piece in batch]), strict=True):
            texts[clip_id] = f"{texts.get(clip_id, '')} {text}".strip()
    return texts


def _pieces(clip: Clip) -> list[Int16Audio]:
    audio = read_audio(clip.path)
    return np.array_split(audio, max(1, -(-len(audio) // round(_PIECE_S * SAMPLE_RATE_HZ))))


if __name__ == "__main__":
    serve(run)
