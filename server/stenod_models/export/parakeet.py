"""Builds the entry of a Parakeet model (TDT, RNN-T or CTC) from a Hugging Face or an onnx-asr directory.

For a CPU it becomes ONNX graphs for ONNX Runtime, for a GPU weights for the torch runtime.
"""

import importlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from stenod_models.contract import Profile
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.parakeet_checkpoint import Checkpoint, read_checkpoint
from stenod_models.export.parakeet_nemo import NemoExport, is_nemo_export, read_nemo_export, try_nemo_export
from stenod_models.export.parakeet_verification import verify
from stenod_models.export.pbtxt import profile_of, set_profile
from stenod_models.export.templates import template_of
from stenod_models.families.parakeet import sessions, vocabulary
from stenod_models.families.parakeet.architecture import WEIGHTS, Architecture, Runtime

TEMPLATE: Final = "parakeet"
VERSION: Final = "1"
_GPU_BATCH: Final = 64  # windows; see docs/gpu.md for the memory they take
RUNTIMES: Final[dict[str, Runtime]] = {
    "fp32": "onnxruntime",
    "int8": "onnxruntime",
    "fp16": "torch",
    "bf16": "torch",
}

_SENTENCE_ENDS: Final = frozenset(".?!。？！؟।")  # noqa: RUF001  marks of other scripts
_LANGUAGES: Final = re.compile(r"^language:\s*\n((?:\s*-\s*\S+\s*\n)+)", re.MULTILINE)

Report = Callable[[str, float], None]


def build(target: Path, *, source: Path, precision: str, report: Report, device: str = "cpu") -> None:
    """Fill the empty directory `target`; tried against the torch model before it returns. Raises ModelBuildError."""
    if precision not in RUNTIMES:
        raise ModelBuildError(f"precision {precision!r} is not known: there are {', '.join(RUNTIMES)}")
    runtime: Runtime = "torch" if device == "cuda" else RUNTIMES[precision]
    ignored = shutil.ignore_patterns("__pycache__", ".gitignore")
    shutil.copytree(template_of(TEMPLATE), target, dirs_exist_ok=True, ignore=ignored)
    config = target / "config.pbtxt"
    profile = profile_of(config)
    batch = _GPU_BATCH if device == "cuda" else profile.max_batch_size
    profile = replace(profile, languages=languages_of(source) or profile.languages, max_batch_size=batch)
    for licence in source.glob("LICEN[CS]E*"):
        shutil.copy(licence, target / "LICENCE")
    report("reading the weights", 0.0)
    if is_nemo_export(source) and device == "cuda":
        raise ModelBuildError(f"{source} has NeMo's graphs, which run on a CPU alone: a GPU takes the checkpoint")
    if is_nemo_export(source):
        export = read_nemo_export(source, precision)
        set_profile(config, with_writing(profile, export.pieces))
        _build_from_nemo(target / VERSION, export, report)
    else:
        checkpoint = read_checkpoint(source, precision=precision, runtime=runtime)
        set_profile(config, with_writing(profile, checkpoint.pieces))
        _build_from_checkpoint(target / VERSION, checkpoint, report)


def with_writing(profile: Profile, pieces: Sequence[str]) -> Profile:
    """The profile saying what these pieces can write. Letters that have no capitals need none; bytes are for what no
    piece has, and tell nothing.
    """
    letters = set("".join(piece for piece in pieces if not vocabulary.is_byte(piece)))
    has_capitals = any(map(str.isupper, letters)) or not any(map(str.islower, letters))
    return replace(profile, writes_marks=bool(letters & _SENTENCE_ENDS), writes_capitals=has_capitals)


def _build_from_checkpoint(version: Path, checkpoint: Checkpoint, report: Report) -> None:
    report("writing the model", 0.2)
    write_entry(version, checkpoint)
    report("comparing with the torch model", 0.7)
    report(f"verified: {verify(version, checkpoint)}", 1.0)


def write_entry(version: Path, checkpoint: Checkpoint) -> None:
    """Fill an entry's version directory."""
    _describe(version, checkpoint.architecture, checkpoint.pieces)
    if checkpoint.architecture.runtime == "torch":
        _write_weights(version, checkpoint)
    else:
        _write_graphs(version, checkpoint)


def _build_from_nemo(version: Path, export: NemoExport, report: Report) -> None:
    _describe(version, export.architecture, export.pieces)
    report("copying the graphs", 0.2)
    export.copy(version)
    report("trying the model", 0.7)
    report(f"verified: {try_nemo_export(version, export)}", 1.0)


def _describe(version: Path, architecture: Architecture, pieces: list[str]) -> None:
    architecture.save(version)
    (version / vocabulary.FILE_NAME).write_text(json.dumps(pieces, ensure_ascii=False) + "\n", "utf-8")


def _write_graphs(version: Path, checkpoint: Checkpoint) -> None:
    from stenod_models.families.parakeet.decoder_graph import build_joint, build_predictor  # noqa: PLC0415 - needs onnx
    from stenod_models.families.parakeet.encoder_graph import build_encoder  # noqa: PLC0415

    architecture, weights = checkpoint.architecture, checkpoint.weights()
    build_encoder(weights, architecture).save(version / sessions.ENCODER)
    if architecture.kind != "ctc":
        build_predictor(weights, architecture).save(version / sessions.PREDICTOR)
        build_joint(weights, architecture).save(version / sessions.JOINT)


def _write_weights(version: Path, checkpoint: Checkpoint) -> None:
    torch = importlib.import_module("torch")
    dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[checkpoint.architecture.precision]
    weights = {name: value.to(dtype) for name, value in checkpoint.model.state_dict().items()}
    torch.save(weights, version / WEIGHTS)


def languages_of(source: Path) -> tuple[str, ...]:
    """What the front matter of its README lists; empty where it lists none."""
    try:
        text = (source / "README.md").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ()
    found = _LANGUAGES.search(text)
    return tuple(re.findall(r"-\s*[\"']?([\w-]+)", found[1])) if found else ()
