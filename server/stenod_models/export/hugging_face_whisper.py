"""A Whisper checkpoint as transformers saves it: safetensors, `config.json`, `generation_config.json`, a tokenizer."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stenod_models.export.errors import ModelBuildError
from stenod_models.export.safetensors_files import read_directory
from stenod_models.export.whisper_checkpoint import Checkpoint, padded_tokens
from stenod_models.families.whisper.architecture import Architecture, checked_heads

Array = npt.NDArray[Any]

_PREFIX: Final = "model."
_PROJECTION: Final = "proj_out.weight"
_EMBEDDING: Final = "decoder.embed_tokens.weight"
_MULTILINGUAL_VOCABULARY: Final = 51_865


def read(directory: Path) -> Checkpoint:
    """Raises ModelBuildError."""
    stored = read_directory(directory)
    try:
        config = _json(directory / "config.json")
        generation = directory / "generation_config.json"
        generation_config = _json(generation) if generation.is_file() else config
        tensors = {name.removeprefix(_PREFIX): value for name, value in stored.items()}
        _check_tied(tensors)
        architecture = _architecture(config, generation_config)
        tokens = padded_tokens(_tokens(directory), architecture.vocabulary)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelBuildError(f"{directory} is not a whole Whisper checkpoint: {error!r}") from error
    return Checkpoint(architecture, tensors, tokens)


def _architecture(config: dict[str, Any], generation: dict[str, Any]) -> Architecture:
    if config.get("model_type") != "whisper":
        raise ValueError(f"model_type is {config.get('model_type')!r}")
    layers, heads = config["decoder_layers"], config["decoder_attention_heads"]
    return Architecture(
        mels=config["num_mel_bins"],
        width=config["d_model"],
        encoder_layers=config["encoder_layers"],
        encoder_heads=config["encoder_attention_heads"],
        decoder_layers=layers,
        decoder_heads=heads,
        vocabulary=config["vocab_size"],
        source_positions=config["max_source_positions"],
        target_positions=config["max_target_positions"],
        multilingual=generation.get("is_multilingual", config["vocab_size"] >= _MULTILINGUAL_VOCABULARY),
        alignment_heads=checked_heads(generation.get("alignment_heads") or (), layers, heads),
        suppressed=tuple(generation.get("suppress_tokens") or ()),
        suppressed_first=tuple(generation.get("begin_suppress_tokens") or ()),
    )


def _check_tied(tensors: dict[str, Array]) -> None:
    """Every published Whisper predicts with its embedding; the graphs store it once."""
    projection = tensors.pop(_PROJECTION, None)
    if projection is not None and not np.array_equal(projection, tensors[_EMBEDDING]):
        raise ValueError("its output projection is not its embedding")


def _tokens(directory: Path) -> dict[int, str]:
    whole = directory / "tokenizer.json"
    if whole.is_file():
        tokenizer = _json(whole)
        numbers = dict(tokenizer["model"]["vocab"])
        numbers |= {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    else:
        numbers = _json(directory / "vocab.json")
        added = directory / "added_tokens.json"
        numbers |= _json(added) if added.is_file() else {}
    return {number: token for token, number in numbers.items()}


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content
