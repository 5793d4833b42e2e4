"""Cross-attention in 8 bits against the same in floating point."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from stenod_models.export.graph_writer import GraphWriter
from stenod_models.families.whisper.architecture import Architecture
from stenod_models.families.whisper.cross_attention import attend, publish
from stenod_models.families.whisper.layers import Layers
from stenod_models.onnx_sessions import open_session

HEADS, SIZE, FRAMES = 2, 16, 300
ARCH = Architecture(
    mels=8,
    width=HEADS * SIZE,
    encoder_layers=1,
    encoder_heads=HEADS,
    decoder_layers=1,
    decoder_heads=HEADS,
    vocabulary=8,
    source_positions=FRAMES,
    target_positions=8,
    multilingual=False,
    alignment_heads=(),
)
FloatArray = npt.NDArray[np.float32]


def session(graph: GraphWriter, path: Path) -> onnxruntime.InferenceSession:
    graph.save(path)
    return open_session(path, 1)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> tuple[onnxruntime.InferenceSession, ...]:
    """What publishes hidden states as they are, and what attends to them."""
    same = np.eye(HEADS * SIZE, dtype=np.float32)
    tensors = {f"decoder.layers.0.encoder_attn.{part}_proj.weight": same for part in "kv"}
    folder = tmp_path_factory.mktemp("graphs")
    writer = GraphWriter("publisher")
    layers = Layers(writer, tensors, "int8")
    publish(layers, ARCH, 0, layers.rows(writer.input("hidden", "float", ["batch", FRAMES, HEADS * SIZE])))
    publisher = session(writer, folder / "publisher.onnx")
    writer = GraphWriter("reader")
    query = writer.input("query", "float", ["windows", HEADS, "steps", SIZE])
    found, attention = attend(Layers(writer, {}, "int8"), ARCH, 0, query)
    writer.output(found, "found", "float", ["windows", HEADS, "steps", SIZE])
    writer.output(attention, "attention", "float", ["windows", HEADS, "steps", FRAMES])
    return publisher, session(writer, folder / "reader.onnx")


def expected(hidden: FloatArray, query: FloatArray) -> tuple[FloatArray, FloatArray]:
    split = hidden.reshape(len(hidden), FRAMES, HEADS, SIZE).transpose(0, 2, 1, 3)
    scores = query @ split.transpose(0, 1, 3, 2)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    attention = shares / shares.sum(axis=-1, keepdims=True)
    return attention @ split, attention


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("sharpness", [0.02, 0.3, 1.0], ids=["flat", "soft", "sharp"])
def test_what_is_found_is_what_floats_find(
    sessions: tuple[onnxruntime.InferenceSession, ...], steps: int, sharpness: float
) -> None:
    random = np.random.default_rng(steps)
    hidden = random.normal(0.3, 1, (3, FRAMES, HEADS * SIZE)).astype(np.float32)
    query = random.normal(0, sharpness, (3, HEADS, steps, SIZE)).astype(np.float32)
    publisher, reader = sessions
    names = [output.name for output in publisher.get_outputs()]
    cross = dict(zip(names, publisher.run(None, {"hidden": hidden}), strict=True))
    found, attention = reader.run(None, {"query": query, **cross})
    wanted, shares = expected(hidden, query)
    np.testing.assert_allclose(attention, shares, atol=0.03 * shares.max())
    np.testing.assert_allclose(found, wanted, atol=0.05)


def test_many_small_shares_count_beside_a_large_one(sessions: tuple[onnxruntime.InferenceSession, ...]) -> None:
    hidden = np.full((1, FRAMES, HEADS * SIZE), 1.0, np.float32)
    hidden[:, :, ::SIZE] = 0.0
    hidden[:, 0, ::SIZE] = 1.0
    hidden[:, 0, 1::SIZE] = -1.0
    query = np.zeros((1, HEADS, 1, SIZE), np.float32)
    query[..., 0] = np.log(1000.0)  # the others' shares are a thousandth of the first one's
    publisher, reader = sessions
    cross = zip(
        [output.name for output in publisher.get_outputs()], publisher.run(None, {"hidden": hidden}), strict=True
    )
    found, _attention = reader.run(None, {"query": query, **dict(cross)})
    np.testing.assert_allclose(found, expected(hidden, query)[0], atol=0.01)
