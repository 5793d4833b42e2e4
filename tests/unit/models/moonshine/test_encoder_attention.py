"""The encoder's attention in 8 bits against the same in floats, with weights drawn at random."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from stenod_models.export.graph_writer import GraphWriter
from stenod_models.export.quantised import QuantisedMatrix, quantise_fixed
from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.activation_limits import ENCODER_ATTENTION_LIMITS
from stenod_models.families.moonshine.encoder_attention import EncoderAttention
from stenod_models.families.moonshine.rotary import rotary_tables
from stenod_models.families.moonshine.weights import MoonshineWeights
from stenod_models.onnx_sessions import open_session

Array = npt.NDArray[Any]

LAYER = 2
INPUT_LIMIT = 5.0


@pytest.fixture(scope="module")
def weights() -> MoonshineWeights:
    """Of one layer; what they give stays well within the limits."""
    random = np.random.default_rng(0)
    matrices = {}
    for part, limits in zip("qkv", ENCODER_ATTENTION_LIMITS[LAYER], strict=True):
        scale = np.array(min(limits) / 6500, np.float32)
        values = random.integers(-127, 128, (arch.WIDTH, arch.WIDTH)).astype(np.int8)
        matrices[f"encoder.layers.{LAYER}.self_attn.{part}_proj"] = QuantisedMatrix(values, scale, np.array(3, np.int8))
    return MoonshineWeights(matrices, {})


@pytest.fixture(scope="module")
def session(weights: MoonshineWeights, tmp_path_factory: pytest.TempPathFactory) -> onnxruntime.InferenceSession:
    graph = GraphWriter("attention")
    normed = quantise_fixed(graph, graph.input("normed", "float", ["frames", arch.WIDTH]), INPUT_LIMIT)
    attended = EncoderAttention(graph, weights, graph.input("bias", "float", ["frames"]))(LAYER, normed)
    graph.output(attended, "attended", "float", ["frames", arch.WIDTH])
    path = tmp_path_factory.mktemp("graph") / "attention.onnx"
    graph.save(Path(path))
    return open_session(path, 1)


def attended(session: onnxruntime.InferenceSession, normed: Array, bias: Array) -> Array:
    (found,) = session.run(None, {"normed": normed, "bias": bias})
    return np.asarray(found)


def in_floats(weights: MoonshineWeights, normed: Array) -> Array:
    query, key, value = (_projected(weights, normed, part) for part in "qkv")
    scores = np.einsum("ihc,jhc->hij", _rotated(query), _rotated(key)) * arch.HEAD_SIZE**-0.5
    likely = np.exp(scores - scores.max(axis=-1, keepdims=True))
    likely /= likely.sum(axis=-1, keepdims=True)
    return np.einsum("hij,jhc->ihc", likely, value).reshape(len(normed), arch.WIDTH)


def _projected(weights: MoonshineWeights, normed: Array, part: str) -> Array:
    matrix = weights.matrices[f"encoder.layers.{LAYER}.self_attn.{part}_proj"]
    product = normed @ ((matrix.values - matrix.zero.astype(np.float64)) * matrix.scale)
    return product.reshape(len(normed), arch.HEADS, arch.HEAD_SIZE)


def _rotated(value: Array) -> Array:
    """Neighbouring channels are the pairs."""
    cosine, sine = (table[:, None] for table in rotary_tables(len(value)))
    even, odd = value[..., 0 : arch.ROTARY_SIZE : 2], value[..., 1 : arch.ROTARY_SIZE : 2]
    rotated = value.copy()
    rotated[..., 0 : arch.ROTARY_SIZE : 2] = even * cosine - odd * sine
    rotated[..., 1 : arch.ROTARY_SIZE : 2] = odd * cosine + even * sine
    return rotated


@pytest.mark.parametrize("frames", [1, 2, 47, 313])
def test_it_is_the_attention_within_eight_bits(
    session: onnxruntime.InferenceSession, weights: MoonshineWeights, frames: int
) -> None:
    normed = np.random.default_rng(frames).normal(0, 1, (frames, arch.WIDTH)).astype(np.float32)
    expected = in_floats(weights, normed)
    found = attended(session, normed, np.zeros(frames, np.float32))
    assert np.abs(found - expected).mean() < 0.03 * np.abs(_projected(weights, normed, "v")).mean()


def test_the_values_of_the_test_are_neither_clipped_nor_lost_in_the_levels(weights: MoonshineWeights) -> None:
    normed = np.random.default_rng(0).normal(0, 1, (313, arch.WIDTH)).astype(np.float32)
    for part, limits in zip("qkv", ENCODER_ATTENTION_LIMITS[LAYER], strict=True):
        largest = np.abs(_projected(weights, normed, part)).max(axis=(0, 2))
        assert (largest <= limits).all()
        assert (largest >= np.multiply(limits, 0.25)).all()


@pytest.mark.parametrize("padding", [1, 7, 100])
def test_padding_changes_no_bit(session: onnxruntime.InferenceSession, padding: int) -> None:
    frames = 130
    normed = np.random.default_rng(1).normal(0, 1, (frames + padding, arch.WIDTH)).astype(np.float32)
    bias = np.zeros(frames + padding, np.float32)
    bias[frames:] = arch.MASKED
    alone = attended(session, normed[:frames], bias[:frames])
    assert np.array_equal(attended(session, normed, bias)[:frames], alone)
