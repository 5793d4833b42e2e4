"""Peer: the shipped Moonshine graphs in ONNX Runtime, in the plain loop that most people would write."""

from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from bench.media import SAMPLE_RATE_HZ, Int16Audio, read_audio
from bench.protocol import Clip, Report, Request, serve

CLIPS, BATCHED = "clips", "batched"
_BATCH: Final = 8
_PIECE_S: Final = 20.0  # longer recordings are cut into equal pieces; of longer ones the graphs lost text
_TOKENS_PER_S: Final = 6.5
_START, _END = 1, 2
_HEADS, _HEAD_SIZE = 8, 36
_SPACE: Final = "▁".encode()
_TEXT_TOKENS: Final = range(3, 32_000)

FloatArray = npt.NDArray[np.float32]


class PlainMoonshine:
    def __init__(self, assets: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._encoder = onnxruntime.InferenceSession(str(assets / "encoder_model.ort"), options)
        self._decoder = onnxruntime.InferenceSession(str(assets / "decoder_model_merged.ort"), options)
        self._pieces = _read_pieces((assets / "tokenizer.bin").read_bytes())
        self._past = [value.name for value in self._decoder.get_inputs() if value.name.startswith("past_")]

    def transcribe(self, windows: Sequence[Int16Audio]) -> list[str]:
        """One padded batch, decoded greedily until its last row has ended."""
        samples = max(map(len, windows))
        audio = np.zeros((len(windows), samples), np.float32)
        mask = np.zeros((len(windows), samples), np.int64)
        for row, window in enumerate(windows):
            audio[row, : len(window)] = window / np.float32(32768)
            mask[row, : len(window)] = 1
        hidden = self._encoder.run(None, {"input_values": audio, "attention_mask": mask})[0]
        tokens = self._decode(hidden, mask, max(2, int(samples / SAMPLE_RATE_HZ * _TOKENS_PER_S)))
        return [self._text(row) for row in tokens]

    def _decode(self, hidden: FloatArray, mask: npt.NDArray[np.int64], limit: int) -> list[list[int]]:
        rows = len(hidden)
        tokens: list[list[int]] = [[] for _ in range(rows)]
        ended = np.zeros(rows, np.bool_)
        newest = np.full((rows, 1), _START, np.int64)
        past = {name: np.zeros((rows, _HEADS, 0, _HEAD_SIZE), np.float32) for name in self._past}
        for step in range(limit):
            logits, *present = self._decoder.run(None, self._inputs(newest, hidden, mask, past, cached=step > 0))
            new = dict(zip(self._past, present, strict=True))
            # The encoder's part never changes: after the first step the graph gives nothing for it.
            past |= {name: value for name, value in new.items() if step == 0 or ".decoder." in name}
            newest = logits[:, -1].argmax(axis=-1)[:, None]
            ended |= newest[:, 0] == _END
            if ended.all():
                break
            for row in np.flatnonzero(~ended):
                tokens[row].append(int(newest[row, 0]))
        return tokens

    def _inputs(
        self, newest: npt.NDArray[np.int64], hidden: FloatArray, mask: npt.NDArray[np.int64], past: Any, *, cached: bool
    ) -> dict[str, Any]:
        own = {"input_ids": newest, "encoder_hidden_states": hidden, "encoder_attention_mask": mask}
        return {**own, **past, "use_cache_branch": np.array([cached])}

    def _text(self, tokens: Sequence[int]) -> str:
        raw = b"".join(self._pieces[token] for token in tokens if token in _TEXT_TOKENS)
        return raw.replace(_SPACE, b" ").decode("utf-8", "replace").strip()


def _read_pieces(data: bytes) -> list[bytes]:
    """Per token a length (one byte; from 128 on: low 7 bits + 128 x the next byte), then that many bytes."""
    pieces, place = [], 0
    while place < len(data):
        length = data[place]
        place += 1
        if length >= 128:
            length = length - 128 + 128 * data[place]
            place += 1
        pieces.append(data[place : place + length])
        place += length
    return pieces


def run(request: Request, report: Report) -> None:
    spec = find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        raise ValueError("moonshine-voice, which carries the graphs, is not installed here")
    model = PlainMoonshine(Path(spec.origin).parent / "assets" / "tiny-en", request.threads)
    model.transcribe([read_audio(request.single.path)])
    report.ready({"onnxruntime": version("onnxruntime")})
    _transcribe(model, request.warm_up, 1)
    for scenario, batch_size in ((CLIPS, 1), (BATCHED, _BATCH)):
        if scenario in request.scenarios:
            for run in report.repeated(scenario):
                with run as texts:
                    texts.update(_transcribe(model, request.clips, batch_size))


def _transcribe(model: PlainMoonshine, clips: Sequence[Clip], batch_size: int) -> dict[str, str]:
    """Batches hold pieces of like length: in order of arrival half of the work would be padding."""
    pieces = [(clip.id, piece) for clip in clips for piece in _pieces(read_audio(clip.path))]
    order = (
        sorted(range(len(pieces)), key=lambda index: len(pieces[index][1])) if batch_size > 1 else range(len(pieces))
    )
    found: dict[int, str] = {}
    for first in range(0, len(order), batch_size):
        members = order[first : first + batch_size]
        found.update(zip(members, model.transcribe([pieces[index][1] for index in members]), strict=True))
    texts: dict[str, str] = {}
    for index, (clip_id, _piece) in enumerate(pieces):
        texts[clip_id] = f"{texts.get(clip_id, '')} {found[index]}".strip()
    return texts


def _pieces(audio: Int16Audio) -> list[Int16Audio]:
    return np.array_split(audio, max(1, -(-len(audio) // round(_PIECE_S * SAMPLE_RATE_HZ))))


if __name__ == "__main__":
    serve(run)
