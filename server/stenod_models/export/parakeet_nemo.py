"""Reads an onnx-asr directory: the ONNX graphs that NeMo exports, a vocabulary, and (mostly) a config.json.

The graphs are taken as they are: `encoder-model.onnx` with `decoder_joint-model.onnx`, or `model.onnx` of a CTC model.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from stenod_models.export.errors import ModelBuildError
from stenod_models.families.parakeet.architecture import Architecture, Kind
from stenod_models.families.parakeet.nemo_sessions import CTC, DECODER, ENCODER, NemoBackend
from stenod_models.onnx_sessions import open_session
from stenod_models.recogniser import Int16Audio

_BLANK: Final = "<blk>"
_BANDS: Final = (80, 128)


@dataclass(frozen=True, slots=True)
class NemoExport:
    """`files` are what the runtime reads; `pieces` is the text of each token."""

    architecture: Architecture
    pieces: list[str]
    files: tuple[Path, ...]

    def copy(self, version: Path) -> None:
        for file in self.files:
            shutil.copy(file, version)


def is_nemo_export(source: Path) -> bool:
    return (source / "vocab.txt").is_file() and any((source / name).is_file() for name in (ENCODER, CTC))


def read_nemo_export(source: Path, precision: str) -> NemoExport:
    """Raises ModelBuildError where a file is missing or does not fit the others."""
    if precision != "fp32":
        raise ModelBuildError(f"an onnx-asr directory is taken as it is: precision {precision} cannot be had from it")
    table = _vocabulary(source / "vocab.txt")
    is_ctc = not (source / ENCODER).is_file()
    try:
        config = json.loads((source / "config.json").read_text("utf-8")) if (source / "config.json").is_file() else {}
        shared: dict[str, Any] = {
            "runtime": "nemo",
            "precision": precision,
            "mel_bins": _bands(source / (CTC if is_ctc else ENCODER), config),
            "preemphasis": 0.97,
            "hidden_size": 0,
            "layers": 0,
            "heads": 0,
            "scale_input": False,
            "vocabulary_size": len(table),
            "blank": table.index(_BLANK),
            "max_symbols": int(config.get("max_tokens_per_step", 10)),
        }
        architecture = (
            Architecture(kind="ctc", **shared) if is_ctc else Architecture(**shared, **_decoder(source, len(table)))
        )
    except (OSError, ValueError) as error:
        raise ModelBuildError(f"{source} is no onnx-asr directory that can be read: {error}") from error
    graphs = (CTC,) if is_ctc else (ENCODER, DECODER)
    names = [name for graph in graphs for name in (graph, f"{graph}.data")]
    files = tuple(source / name for name in names if (source / name).is_file())
    pieces = ["" if piece.startswith("<") and not piece.startswith("<0x") else piece for piece in table]
    return NemoExport(architecture, pieces, files)


def try_nemo_export(version: Path, export: NemoExport) -> str:
    """There is no torch model to compare with: a window must say beside another what it says alone."""
    backend = NemoBackend(version, export.architecture, threads=0)
    noise = np.random.default_rng(0).normal(0, 1000, 40_000).astype(np.int16)
    windows: list[Int16Audio] = [noise, noise[:14_000]]
    together = backend.decode(windows, lambda _row: False)
    alone = [backend.decode([window], lambda _row: False)[0] for window in windows]
    if [row and row.tokens for row in together] != [row and row.tokens for row in alone]:
        raise ModelBuildError("the graphs do not mask padding: a window says something else beside a longer one")
    return f"{len(windows)} windows of noise say together what they say alone"


def _vocabulary(path: Path) -> list[str]:
    """Lines of a piece and its number, in order."""
    try:
        lines = [line.rsplit(" ", 1) for line in path.read_text("utf-8").splitlines() if line]
        table = [piece for piece, _number in lines]
        is_numbered = [int(number) for _piece, number in lines] == list(range(len(lines)))
    except (OSError, ValueError) as error:
        raise ModelBuildError(f"{path} could not be read: {error}") from error
    if not is_numbered or _BLANK not in table:
        raise ModelBuildError(f"{path} must number its pieces from 0 in order, {_BLANK} among them")
    return table


def _bands(graph: Path, config: dict[str, Any]) -> int:
    shapes = {entry.name: entry.shape for entry in _opened(graph).get_inputs()}
    declared = shapes.get("audio_signal", [None, None])[1]
    bands = declared if isinstance(declared, int) else int(config.get("features_size", _BANDS[0]))
    if bands not in _BANDS:
        raise ValueError(f"{graph.name} takes {bands} mel bands; only {_BANDS} are known")
    return bands


def _decoder(source: Path, vocabulary_size: int) -> dict[str, Any]:
    session = _opened(source / DECODER)
    shapes = {entry.name: entry.shape for entry in session.get_inputs()}
    states = shapes.get("input_states_1")
    width = session.get_outputs()[0].shape[-1]
    if not states or not isinstance(width, int):
        raise ValueError(f"{DECODER} does not say the shape of input_states_1 or of its logits")
    kind: Kind = "tdt" if width > vocabulary_size else "rnnt"
    durations = tuple(range(width - vocabulary_size))
    return {"kind": kind, "durations": durations, "predictor_layers": states[0], "predictor_size": states[2]}


def _opened(graph: Path) -> Any:
    try:
        return open_session(graph, 1)
    except Exception as error:
        raise ValueError(f"{graph.name} is no graph that ONNX Runtime runs: {error}") from error
