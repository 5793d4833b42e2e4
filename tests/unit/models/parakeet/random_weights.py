"""Weights of a tiny Parakeet by chance, under the names of transformers' models: graphs are tried without torch."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from stenod_models.families.parakeet import sessions
from stenod_models.families.parakeet.architecture import Architecture, Kind
from stenod_models.families.parakeet.decoder_graph import build_joint, build_predictor
from stenod_models.families.parakeet.encoder_graph import build_encoder

FloatArray = npt.NDArray[np.float32]

HIDDEN, CHANNELS, WIDTH, TOKENS = 32, 8, 24, 40


def tiny_backend(folder: Path, kind: Kind, *, precision: str = "fp32", seed: int = 0) -> sessions.OnnxBackend:
    """Built into `folder` and loaded, on one thread."""
    architecture = Architecture(
        kind=kind,
        runtime="onnxruntime",
        precision=precision,
        mel_bins=80,
        preemphasis=0.97,
        hidden_size=HIDDEN,
        layers=2,
        heads=2,
        scale_input=True,
        vocabulary_size=TOKENS,
        blank=TOKENS - 1,
        durations=(0, 1, 2, 3, 4) if kind == "tdt" else (),
        predictor_size=0 if kind == "ctc" else WIDTH,
        predictor_layers=0 if kind == "ctc" else 2,
    )
    weights = _weights(kind, np.random.default_rng(seed))
    build_encoder(weights, architecture).save(folder / sessions.ENCODER)
    if kind != "ctc":
        build_predictor(weights, architecture).save(folder / sessions.PREDICTOR)
        build_joint(weights, architecture).save(folder / sessions.JOINT)
    return sessions.OnnxBackend(folder, architecture, threads=1)


def _weights(kind: Kind, random: np.random.Generator) -> dict[str, FloatArray]:
    shapes = {
        "encoder.subsampling.layers.0": (CHANNELS, 1, 3, 3),
        "encoder.subsampling.linear": (HIDDEN, CHANNELS * 10),
    }
    for depthwise, pointwise in ((2, 3), (5, 6)):
        shapes[f"encoder.subsampling.layers.{depthwise}"] = (CHANNELS, 1, 3, 3)
        shapes[f"encoder.subsampling.layers.{pointwise}"] = (CHANNELS, CHANNELS, 1, 1)
    for layer in range(2):
        shapes |= {f"encoder.layers.{layer}.{name}": shape for name, shape in _block_shapes().items()}
    if kind == "ctc":
        shapes["ctc_head"] = (TOKENS, HIDDEN, 1)
    else:
        width = TOKENS + 5 * (kind == "tdt")
        shapes |= {"encoder_projector": (WIDTH, HIDDEN), "decoder.decoder_projector": (WIDTH, WIDTH)}
        shapes |= {"decoder.embedding": (TOKENS, WIDTH), "joint.head": (width, WIDTH)}
    weights: dict[str, FloatArray] = {}
    for name, shape in shapes.items():
        sharpness = 4.0 if name in {"ctc_head", "joint.head"} else 1.0
        weights[f"{name}.weight"] = _normal(random, shape, sharpness / np.sqrt(np.prod(shape[1:])))
        weights[f"{name}.bias"] = _normal(random, shape[:1], 0.1)
    for layer in range(2):
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            shape = (4 * WIDTH, WIDTH)[: 2 if part.startswith("weight") else 1]
            weights[f"decoder.lstm.{part}_l{layer}"] = _normal(random, shape, 0.2)
        _add_vectors(weights, f"encoder.layers.{layer}", random)
    return weights


def _block_shapes() -> dict[str, tuple[int, ...]]:
    wide = 2 * HIDDEN
    feeds: dict[str, tuple[int, ...]] = {f"feed_forward{one}.linear1": (wide, HIDDEN) for one in (1, 2)}
    feeds |= {f"feed_forward{one}.linear2": (HIDDEN, wide) for one in (1, 2)}
    attention: dict[str, tuple[int, ...]] = {
        f"self_attn.{one}_proj": (HIDDEN, HIDDEN) for one in ("q", "k", "v", "o", "relative_k")
    }
    convolution: dict[str, tuple[int, ...]] = {
        "conv.pointwise_conv1": (wide, HIDDEN, 1),
        "conv.depthwise_conv": (HIDDEN, 1, 9),
        "conv.pointwise_conv2": (HIDDEN, HIDDEN, 1),
    }
    return feeds | attention | convolution


def _add_vectors(weights: dict[str, FloatArray], name: str, random: np.random.Generator) -> None:
    norms = ["norm_feed_forward1", "norm_self_att", "norm_conv", "norm_feed_forward2", "norm_out", "conv.norm"]
    for norm in norms:
        weights[f"{name}.{norm}.weight"] = 1 + _normal(random, (HIDDEN,), 0.1)
        weights[f"{name}.{norm}.bias"] = _normal(random, (HIDDEN,), 0.1)
    weights[f"{name}.conv.norm.running_mean"] = _normal(random, (HIDDEN,), 0.1)
    weights[f"{name}.conv.norm.running_var"] = random.uniform(0.5, 2, HIDDEN).astype(np.float32)
    for bias in ("bias_u", "bias_v"):
        weights[f"{name}.self_attn.{bias}"] = _normal(random, (2, HIDDEN // 2), 0.3)


def _normal(random: np.random.Generator, shape: tuple[int, ...], deviation: float) -> FloatArray:
    return random.normal(0, deviation, shape).astype(np.float32)
