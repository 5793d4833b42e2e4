"""A Whisper checkpoint as faster-whisper has it: `model.bin`, `config.json` and a vocabulary of CTranslate2.

Its variables map one to one onto Hugging Face's names, but for the projections that read the same input: query, key and
value of self-attention are one matrix, key and value of cross-attention another.
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stenod_models.export.ctranslate2_files import dequantised, read_variables
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.whisper_checkpoint import Checkpoint, padded_tokens
from stenod_models.families.whisper.architecture import Architecture, checked_heads

Array = npt.NDArray[Any]

WEIGHTS: Final = "model.bin"
_MULTILINGUAL_VOCABULARY: Final = 51_865  # English-only models have one token less
_NORMS: Final = {"gamma": "weight", "beta": "bias"}


def read(directory: Path) -> Checkpoint:
    """Raises ModelBuildError."""
    variables = read_variables(directory / WEIGHTS, "WhisperSpec")
    try:
        tensors = _Mapping(variables).tensors()
        config = json.loads((directory / "config.json").read_text("utf-8"))
        tokens = _tokens(directory)
        architecture = _architecture(variables, tensors, config)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ModelBuildError(f"{directory} is not a whole CTranslate2 Whisper model: {error!r}") from error
    listed = dict(enumerate(tokens))
    return Checkpoint(architecture, tensors, padded_tokens(listed, architecture.vocabulary))


def _architecture(variables: dict[str, Array], tensors: dict[str, Array], config: dict[str, Any]) -> Architecture:
    width, mels = tensors["encoder.conv1.weight"].shape[:2]
    vocabulary = len(tensors["decoder.embed_tokens.weight"])
    layers = {side: sum(name.startswith(f"{side}/layer_") and name.endswith("ffn/linear_0/bias") for name in variables)
              for side in ("encoder", "decoder")}  # fmt: skip
    heads = {side: int(variables[f"{side}/num_heads"]) for side in layers}
    return Architecture(
        mels=mels,
        width=width,
        encoder_layers=layers["encoder"],
        encoder_heads=heads["encoder"],
        decoder_layers=layers["decoder"],
        decoder_heads=heads["decoder"],
        vocabulary=vocabulary,
        source_positions=len(tensors["encoder.embed_positions.weight"]),
        target_positions=len(tensors["decoder.embed_positions.weight"]),
        multilingual=vocabulary >= _MULTILINGUAL_VOCABULARY,
        alignment_heads=checked_heads(config.get("alignment_heads") or (), layers["decoder"], heads["decoder"]),
        suppressed=tuple(config.get("suppress_ids") or ()),
        suppressed_first=tuple(config.get("suppress_ids_begin") or ()),
    )


def _tokens(directory: Path) -> list[str]:
    listed = directory / "vocabulary.json"
    if listed.is_file():
        tokens: list[str] = json.loads(listed.read_text("utf-8"))
        return tokens
    return (directory / "vocabulary.txt").read_text("utf-8").removesuffix("\n").split("\n")


class _Mapping:
    """Builds the tensors under Hugging Face's names."""

    def __init__(self, variables: dict[str, Array]) -> None:
        self._variables = variables
        self._tensors: dict[str, Array] = {}

    def tensors(self) -> dict[str, Array]:
        for name in ("conv1", "conv2"):
            self._linear(f"encoder/{name}", (f"encoder.{name}",))
        for side in ("encoder", "decoder"):
            self._tensors[f"{side}.embed_positions.weight"] = self._variables[f"{side}/position_encodings/encodings"]
            self._norm(f"{side}/layer_norm", f"{side}.layer_norm")
        for side, layer in sorted({tuple(name.split("/")[:2]) for name in self._variables if "/layer_" in name}):
            if layer.startswith("layer_") and layer != "layer_norm":
                self._layer(f"{side}/{layer}", f"{side}.layers.{layer.removeprefix('layer_')}")
        self._tensors["decoder.embed_tokens.weight"] = dequantised(self._variables, "decoder/embeddings/weight")
        return self._tensors

    def _layer(self, source: str, target: str) -> None:
        self._norm(f"{source}/self_attention/layer_norm", f"{target}.self_attn_layer_norm")
        own = tuple(f"{target}.self_attn.{part}_proj" for part in ("q", "k", "v"))
        self._linear(f"{source}/self_attention/linear_0", own)
        self._linear(f"{source}/self_attention/linear_1", (f"{target}.self_attn.out_proj",))
        if f"{source}/attention/linear_0/weight" in self._variables:
            cross = f"{target}.encoder_attn"
            self._norm(f"{source}/attention/layer_norm", f"{target}.encoder_attn_layer_norm")
            self._linear(f"{source}/attention/linear_0", (f"{cross}.q_proj",))
            self._linear(f"{source}/attention/linear_1", (f"{cross}.k_proj", f"{cross}.v_proj"))
            self._linear(f"{source}/attention/linear_2", (f"{cross}.out_proj",))
        self._norm(f"{source}/ffn/layer_norm", f"{target}.final_layer_norm")
        for index in (0, 1):
            self._linear(f"{source}/ffn/linear_{index}", (f"{target}.fc{index + 1}",))

    def _linear(self, source: str, targets: tuple[str, ...]) -> None:
        """Cut the outputs of one matrix evenly among `targets`. A key has no bias of its own in Whisper: it is zero."""
        for part, values in (("weight", dequantised(self._variables, f"{source}/weight")), ("bias", None)):
            chosen = self._variables[f"{source}/bias"] if values is None else values
            for target, piece in zip(targets, np.split(chosen, len(targets)), strict=True):
                if not (part == "bias" and target.endswith(".k_proj")):
                    self._tensors[f"{target}.{part}"] = piece

    def _norm(self, source: str, target: str) -> None:
        for name, part in _NORMS.items():
            self._tensors[f"{target}.{part}"] = self._variables[f"{source}/{name}"]
