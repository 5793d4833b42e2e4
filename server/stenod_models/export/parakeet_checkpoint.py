"""Reads a Hugging Face directory of a Parakeet model. Needs torch and transformers (extra `export`)."""

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stenod_models.export.errors import ModelBuildError
from stenod_models.families.parakeet.architecture import SUBSAMPLING, Architecture, Kind, Runtime

FloatArray = npt.NDArray[np.float32]

_CLASSES: Final[Mapping[str, tuple[Kind, str]]] = {
    "parakeet_tdt": ("tdt", "ParakeetForTDT"),
    "parakeet_rnnt": ("rnnt", "ParakeetForRNNT"),
    "parakeet_ctc": ("ctc", "ParakeetForCTC"),
}
# What features.py computes; a checkpoint that was trained on anything else is refused.
_FEATURES: Final = {"sampling_rate": 16_000, "hop_length": 160, "n_fft": 512, "win_length": 400}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`model` is transformers', in float32 and ready to run; `pieces` is the text of each token."""

    model: Any
    feature_extractor: Any
    architecture: Architecture
    pieces: list[str]

    def weights(self) -> dict[str, FloatArray]:
        return {name: value.numpy() for name, value in self.model.state_dict().items()}


def read_checkpoint(source: Path, *, precision: str, runtime: Runtime) -> Checkpoint:
    """Raises ModelBuildError for what is not a Parakeet checkpoint, or one of a kind that is not known;
    ModuleNotFoundError without the extra `export`.
    """
    config = _json(source / "config.json")
    found = _CLASSES.get(str(config.get("model_type")))
    if found is None:
        raise ModelBuildError(
            f"{source} holds a model of type {config.get('model_type')!r}; this exporter takes {', '.join(_CLASSES)}"
        )
    kind, class_name = found
    features = _feature_settings(source)
    transformers, torch = importlib.import_module("transformers"), importlib.import_module("torch")
    try:
        model = getattr(transformers, class_name).from_pretrained(source, dtype=torch.float32).eval()
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelBuildError(f"{source} could not be read as {class_name}: {error}") from error
    extractor = transformers.ParakeetFeatureExtractor(**features)
    architecture = architecture_of(model.config, kind, features, precision=precision, runtime=runtime)
    return Checkpoint(model, extractor, architecture, read_pieces(source, architecture.vocabulary_size))


def architecture_of(
    config: Any, kind: Kind, features: Mapping[str, Any], *, precision: str, runtime: Runtime
) -> Architecture:
    encoder = config.encoder_config
    if encoder.subsampling_factor != SUBSAMPLING or encoder.hidden_act != "silu":
        raise ModelBuildError(
            f"subsampling_factor {encoder.subsampling_factor} with {encoder.hidden_act} is not known: only 8 with silu"
        )
    shared: dict[str, Any] = {
        "kind": kind,
        "runtime": runtime,
        "precision": precision,
        "mel_bins": encoder.num_mel_bins,
        "preemphasis": features["preemphasis"],
        "hidden_size": encoder.hidden_size,
        "layers": encoder.num_hidden_layers,
        "heads": encoder.num_attention_heads,
        "scale_input": encoder.scale_input,
        "vocabulary_size": config.vocab_size,
    }
    if kind == "ctc":
        return Architecture(**shared, blank=config.pad_token_id)
    return Architecture(
        **shared,
        blank=config.blank_token_id,
        durations=tuple(config.durations) if kind == "tdt" else (),
        max_symbols=config.max_symbols_per_step,
        predictor_size=config.decoder_hidden_size,
        predictor_layers=config.num_decoder_layers,
    )


def _feature_settings(source: Path) -> dict[str, Any]:
    """Of preprocessor_config.json, or of processor_config.json, which newer directories have instead."""
    plain = source / "preprocessor_config.json"
    found = _json(plain) if plain.is_file() else _json(source / "processor_config.json").get("feature_extractor", {})
    for key, wanted in _FEATURES.items():
        if found.get(key, wanted) != wanted:
            raise ModelBuildError(f"{source}: features with {key} {found[key]} are not known: only {wanted}")
    return {"feature_size": int(found.get("feature_size", 80)), "preemphasis": float(found.get("preemphasis", 0.97))}


def read_pieces(source: Path, size: int) -> list[str]:
    """The text of each token out of tokenizer.json; empty for control tokens, the unknown token and the blank."""
    raw = _json(source / "tokenizer.json")
    table = raw["model"]["vocab"]
    numbered = table.items() if isinstance(table, dict) else ((entry[0], place) for place, entry in enumerate(table))
    pieces = [""] * size
    unknown = raw["model"].get("unk_token", "<unk>")
    for piece, token in numbered:
        if token < size and piece != unknown:
            pieces[token] = piece
    for added in raw.get("added_tokens", ()):
        if added["id"] < size:
            pieces[added["id"]] = "" if added["special"] else added["content"]
    return pieces


def _json(path: Path) -> dict[str, Any]:
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelBuildError(f"{path} could not be read: {error}") from error
    return raw
