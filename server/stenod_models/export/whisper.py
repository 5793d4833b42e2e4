"""Builds the entry of a Whisper model of any size from a Hugging Face or a CTranslate2 directory."""

import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from stenod_models.contract import SAMPLE_RATE_HZ, Profile
from stenod_models.export import ctranslate2_whisper, hugging_face_whisper
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.pbtxt import set_profile
from stenod_models.export.templates import template_of
from stenod_models.export.whisper_canary import add_canary
from stenod_models.export.whisper_checkpoint import Checkpoint
from stenod_models.families.whisper.architecture import WEIGHTS, Architecture
from stenod_models.families.whisper.vocabulary import Vocabulary

TEMPLATE: Final = "whisper"
VERSION: Final = "1"
PRECISIONS: Final = {"cpu": ("fp32", "fp16", "int8"), "cuda": ("fp16", "bf16", "fp32")}

_MOST_BATCHED: Final = {"cpu": 8, "cuda": 32}
_BATCH_BYTES: Final = {"cpu": 2**30, "cuda": 2**32}  # of a batch's cross-attention keys and values
# A CPU computes in 32 bits what it stores in 16.
_STATE_BYTES: Final = {("cuda", "fp16"): 2, ("cuda", "bf16"): 2, ("cpu", "int8"): 1}
_MAX_BEAM: Final = 10
_TARGET_SPARE_SAMPLES: Final = 2 * SAMPLE_RATE_HZ  # the segmenter aims this far below the longest window

Report = Callable[[str, float], None]


def build(target: Path, *, source: Path, precision: str, report: Report, device: str = "cpu") -> None:
    """Fill the empty directory `target`; compared with the torch model where torch is installed.

    On a CPU fp16 is stored in 16 bits and computed in 32. For a GPU fp16 becomes graphs for ONNX Runtime, which has its
    fused attention in 16 bits alone; bf16 and fp32 become weights for the torch runtime. Raises ModelBuildError.
    """
    from stenod_models.export.whisper_verification import verify  # noqa: PLC0415 - needs onnx

    if precision not in PRECISIONS[device]:
        known = ", ".join(PRECISIONS[device])
        raise ModelBuildError(f"precision {precision!r} of Whisper is not known: there are {known}")
    report("reading the weights", 0.0)
    checkpoint = read_checkpoint(source)
    ignored = shutil.ignore_patterns("__pycache__", ".gitignore")
    shutil.copytree(template_of(TEMPLATE), target, dirs_exist_ok=True, ignore=ignored)
    version = target / VERSION
    report("writing the graphs", 0.1)
    _describe(version, checkpoint)
    if device == "cuda" and precision != "fp16":
        _write_weights(version, checkpoint, precision)
    else:
        _write_graphs(version, checkpoint, "half" if device == "cuda" else precision)
    set_profile(target / "config.pbtxt", _profile(checkpoint, device, precision))
    for licence in source.glob("LICEN[CS]E*"):
        shutil.copy(licence, target / "LICENCE")
    report("comparing with the torch model", 0.5)
    verification = verify(version, checkpoint, precision)
    (target / "verification.json").write_text(verification.to_json() + "\n")
    report("trying the model", 0.9)
    add_canary(target, version)
    report(f"verified: {verification}", 1.0)


def read_checkpoint(source: Path) -> Checkpoint:
    """Raises ModelBuildError where the directory holds neither layout."""
    if (source / ctranslate2_whisper.WEIGHTS).is_file():
        return ctranslate2_whisper.read(source)
    return hugging_face_whisper.read(source)


def _describe(version: Path, checkpoint: Checkpoint) -> None:
    (version / "whisper.json").write_text(checkpoint.architecture.to_json() + "\n")
    (version / "vocabulary.json").write_text(json.dumps(checkpoint.tokens, ensure_ascii=False) + "\n", "utf-8")


def _write_weights(version: Path, checkpoint: Checkpoint, precision: str) -> None:
    torch = importlib.import_module("torch")
    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    weights = {name: torch.from_numpy(checkpoint.float32(name).copy()).to(dtype) for name in checkpoint.tensors}
    torch.save(weights, version / WEIGHTS)


def _write_graphs(version: Path, checkpoint: Checkpoint, precision: str) -> None:
    from stenod_models.families.whisper.decoder_graph import build_decoder  # noqa: PLC0415 - needs onnx
    from stenod_models.families.whisper.encoder_graph import build_encoder  # noqa: PLC0415

    arch = checkpoint.architecture
    try:
        build_encoder(arch, checkpoint.tensors, precision).save(version / "encoder.onnx")
        build_decoder(arch, checkpoint.tensors, precision).save(version / "decoder.onnx")
    except KeyError as error:
        raise ModelBuildError(f"the checkpoint has no tensor {error}") from error


def _profile(checkpoint: Checkpoint, device: str, precision: str) -> Profile:
    arch = checkpoint.architecture
    try:
        vocabulary = Vocabulary(checkpoint.tokens, multilingual=arch.multilingual)
    except ValueError as error:
        raise ModelBuildError(str(error)) from error
    window = arch.window_samples
    return Profile(
        model=TEMPLATE,
        family="whisper",
        languages=tuple(sorted(vocabulary.languages)) or ("en",),
        tasks=("transcribe", "translate") if arch.multilingual else ("transcribe",),
        window_target_samples=max(window // 2, window - _TARGET_SPARE_SAMPLES),
        window_max_samples=window,
        length_buckets_samples=(window,),
        max_batch_size=_batch_size(arch, device, precision),
        identifies_languages=arch.multilingual,
        max_beam_size=_MAX_BEAM,
        takes_hotwords=True,
        takes_prompt=True,
        takes_mark_bias=True,
    )


def _batch_size(arch: Architecture, device: str, precision: str) -> int:
    per_window = arch.decoder_layers * 2 * arch.source_positions * arch.width * _STATE_BYTES.get((device, precision), 4)
    return max(1, min(_MOST_BATCHED[device], _BATCH_BYTES[device] // per_window))
