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


def drawn(*, alike: float = 0.0) -> MoonshineWeights:
    """Of one layer; what they give stays well within the limits. `alike` more than 0: a frame's key points where its
    query does, and both are near their limits, the nearer the larger it is, so that it hears hardly more than itself.
    """
    random = np.random.default_rng(0)
    matrices = {}
    for part, limits in zip("qkv", ENCODER_ATTENTION_LIMITS[LAYER], strict=True):
        values = random.integers(-127, 128, (arch.WIDTH, arch.WIDTH)).astype(np.int8)
        scale, zero = min(limits) / 6500, 3
        if alike and part != "v":
            values = np.random.default_rng(1).permutation(np.resize([-100, 100], values.size)).reshape(values.shape)
            scale, zero = min(limits) * alike / 3300, 0
        matrices[f"encoder.layers.{LAYER}.self_attn.{part}_proj"] = QuantisedMatrix(
            values.astype(np.int8), np.array(scale, np.float32), np.array(zero, np.int8)
        )
    return MoonshineWeights(matrices, {})


def opened(weights: MoonshineWeights, folder: Path) -> onnxruntime.InferenceSession:
    graph = GraphWriter("attention")
    normed = quantise_fixed(graph, graph.input("normed", "float", ["frames", arch.WIDTH]), INPUT_LIMIT)
    attended = EncoderAttention(graph, weights, graph.input("bias", "float", ["frames"]))(LAYER, normed)
    graph.output(attended, "attended", "float", ["frames", arch.WIDTH])
    graph.save(folder / "attention.onnx")
    return open_session(folder / "attention.onnx", 1)


@pytest.fixture(scope="module")
def weights() -> MoonshineWeights:
    return drawn()


@pytest.fixture(scope="module")
def session(weights: MoonshineWeights, tmp_path_factory: pytest.TempPathFactory) -> onnxruntime.InferenceSession:
    return opened(weights, tmp_path_factory.mktemp("graph"))


def attended(session: onnxruntime.InferenceSession, normed: Array, bias: Array) -> Array:
    (found,) = session.run(None, {"normed": normed, "bias": bias})
    return np.asarray(found)


def in_floats(weights: MoonshineWeights, normed: Array) -> Array:
    query, key, value = (_projected(weights, normed, part) for part in "qkv")
    scores = np.einsum("ihc,jhc->hij", _rotated(query), _rotated(key)) * arch.HEAD_SIZE**-0.5
    likely = np.exp(scores - scores.max(axis=-1, keepdims=True))
    likely /= likely.sum(axis=-1, keepdims=True)
    mixed: Array = np.einsum("hij,jhc->ihc", likely, value).reshape(len(normed), arch.WIDTH)
    return mixed


def _projected(weights: MoonshineWeights, normed: Array, part: str) -> Array:
    matrix = weights.matrices[f"encoder.layers.{LAYER}.self_attn.{part}_proj"]
    product: Array = normed @ ((matrix.values - matrix.zero.astype(np.float64)) * matrix.scale)
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


def test_scores_that_exp_alone_could_not_bear_are_borne(tmp_path: Path) -> None:
    weights = drawn(alike=1.0)
    normed = np.random.default_rng(2).normal(0, 1, (40, arch.WIDTH)).astype(np.float32)
    limits = [np.reshape(limit, (-1, 1)) for limit in ENCODER_ATTENTION_LIMITS[LAYER][:2]]
    query, key = (
        np.clip(_projected(weights, normed, part), -limit, limit) for part, limit in zip("qk", limits, strict=True)
    )
    scores = (query * key).sum(axis=-1) * arch.HEAD_SIZE**-0.5
    assert scores.max() > np.log(np.finfo(np.float32).max) + 5
    found = attended(opened(weights, tmp_path), normed, np.zeros(40, np.float32))
    expected = _projected(weights, normed, "v").reshape(found.shape)
    assert np.abs(found - expected).mean() < 0.03 * np.abs(expected).mean()


def test_no_score_makes_it_give_what_is_no_number(tmp_path: Path) -> None:
    normed = np.random.default_rng(2).normal(0, 1, (40, arch.WIDTH)).astype(np.float32)
    assert np.isfinite(attended(opened(drawn(alike=3.0), tmp_path), normed, np.zeros(40, np.float32))).all()
