"""Compares the written graphs with transformers' Whisper, where torch is installed."""

import json
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stenod_models.export.errors import ModelBuildError
from stenod_models.export.whisper_checkpoint import Checkpoint
from stenod_models.families.whisper.architecture import Architecture
from stenod_models.families.whisper.networks import load_networks

FloatArray = npt.NDArray[np.float32]

# Largest difference of a logit, as a share of the largest logit.
_TOLERANCE: Final = {"fp32": 1e-3, "fp16": 1e-2, "bf16": 5e-2, "int8": 0.25}
# How far the reference's best logit stands above its second where every precision must choose it, as such a share too:
# rounding moves the logits of one token much alike, so their order bears more than their values. With 8 bits the two
# best of Whisper base move against each other by up to 0.04, the logits by 0.07.
_CLEAR_MARGIN: Final = {"fp32": 1e-3, "fp16": 1e-2, "bf16": 5e-2, "int8": 0.125}
_STEPS: Final = 24


@dataclass(frozen=True, slots=True)
class Verification:
    """`logit_difference` is the largest, as a share of the largest logit; `agreeing` of `compared` greedy tokens are
    the reference's own choice too, among them all `clear` ones, where rounding explains no other. All are 0 where torch
    is not installed, and then nothing is compared.
    """

    reference: str
    logit_difference: float
    compared: int
    agreeing: int
    clear: int

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def __str__(self) -> str:
        if not self.compared:
            return "not compared, torch is not installed"
        tokens = f"{self.agreeing} of {self.compared} tokens the same ({self.clear} clear)"
        return f"logits within {self.logit_difference:.1e}, {tokens}"


def verify(version: Path, checkpoint: Checkpoint, precision: str) -> Verification:
    """Decode noise greedily with both. Raises ModelBuildError where the graphs do not give what the model gives."""
    if find_spec("torch") is None or find_spec("transformers") is None:
        return Verification("", 0.0, 0, 0, 0)
    arch = checkpoint.architecture
    features = np.random.default_rng(0).normal(0, 0.5, (1, arch.mels, 2 * arch.source_positions)).astype(np.float32)
    start = checkpoint.tokens.index("<|startoftranscript|>")
    tokens, logits = _decoded(version, arch, features, start)
    return compare(logits, _reference(checkpoint, features, tokens), precision)


def compare(logits: FloatArray, expected: FloatArray, precision: str) -> Verification:
    """Both are (tokens, vocabulary), behind the same tokens. Raises ModelBuildError where they differ by more than
    `precision` explains: in the logits, or in a choice that is clear.
    """
    largest = np.abs(expected).max()
    difference = float(np.abs(logits - expected).max() / largest)
    if not difference <= _TOLERANCE[precision]:
        raise ModelBuildError(f"the graphs differ from the torch model: logits by {difference:.1e} of the largest one")
    is_same = logits.argmax(axis=-1) == expected.argmax(axis=-1)
    second, best = np.partition(expected, -2, axis=-1)[:, -2:].T
    is_clear = best - second > _CLEAR_MARGIN[precision] * largest
    wrong, clear = int((is_clear & ~is_same).sum()), int(is_clear.sum())
    if wrong:
        message = f"{wrong} of {clear} tokens are others where its choice is clear"
        raise ModelBuildError(f"the graphs differ from the torch model: {message}")
    return Verification("transformers", difference, len(is_same), int(is_same.sum()), clear)


def _decoded(version: Path, arch: Architecture, features: FloatArray, start: int) -> tuple[list[int], FloatArray]:
    """Token by token, through the cache: the tokens that were put in, and the logits behind each."""
    _features, encoder, decoder = load_networks(version, arch, threads=0, rows=1)
    encoded = encoder.encode(list(features))
    steps = min(_STEPS, arch.target_positions)
    run = decoder.start(encoded, capacity=steps, steps=1, frames=1)
    tokens = [start]
    logits: list[FloatArray] = []
    while len(logits) < steps:
        logits.append(run.logits(np.array([tokens[-1:]], np.int64))[0].copy())
        tokens.append(int(logits[-1].argmax()))
    return tokens[:steps], np.stack(logits)


def _reference(checkpoint: Checkpoint, features: FloatArray, tokens: list[int]) -> FloatArray:
    """Float32 (tokens, vocabulary) of transformers' model with the same weights, all tokens at once."""
    import torch  # noqa: PLC0415 - heavy, and in the extra `export` only
    from transformers import WhisperConfig, WhisperForConditionalGeneration  # noqa: PLC0415

    with torch.device("meta"):  # without weights of its own to make and throw away
        model = WhisperForConditionalGeneration(WhisperConfig(**_config(checkpoint)))
    weights = {f"model.{name}": torch.from_numpy(checkpoint.float32(name).copy()) for name in checkpoint.tensors}
    weights["proj_out.weight"] = weights["model.decoder.embed_tokens.weight"]
    model.load_state_dict(weights, assign=True)
    with torch.no_grad():
        model.train(mode=False)
        output = model(
            input_features=torch.from_numpy(features), decoder_input_ids=torch.tensor([tokens], dtype=torch.long)
        )
    logits: FloatArray = output.logits[0].numpy()
    return logits


def _config(checkpoint: Checkpoint) -> dict[str, Any]:
    arch = checkpoint.architecture
    return {
        "vocab_size": arch.vocabulary,
        "num_mel_bins": arch.mels,
        "d_model": arch.width,
        "encoder_layers": arch.encoder_layers,
        "encoder_attention_heads": arch.encoder_heads,
        "decoder_layers": arch.decoder_layers,
        "decoder_attention_heads": arch.decoder_heads,
        "encoder_ffn_dim": len(checkpoint.tensors["encoder.layers.0.fc1.weight"]),
        "decoder_ffn_dim": len(checkpoint.tensors["decoder.layers.0.fc1.weight"]),
        "max_source_positions": arch.source_positions,
        "max_target_positions": arch.target_positions,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 0,
        "decoder_start_token_id": 0,
    }
