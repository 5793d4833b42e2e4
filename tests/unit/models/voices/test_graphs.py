"""The graphs of a model of voices against the networks in PyTorch, with weights drawn at random."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from stenod_models.families.voices import architecture as arch
from stenod_models.families.voices.embedding_graph import build_embedding
from stenod_models.families.voices.segmentation_graph import build_segmentation
from stenod_models.onnx_sessions import open_session
from tests.support.voices_networks import CamPlusPlus, Segmentation, randomised


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that spin beside the other tests take minutes for what takes a second."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_segmentation_graph_is_the_network(tmp_path: Path) -> None:
    network = Segmentation()
    build_segmentation(randomised(network, 1)).save(tmp_path / "graph.onnx")
    audio = np.random.default_rng(2).normal(0, 1000, (2, arch.CHUNK_SAMPLES)).astype(np.int16)
    audio[1, 80_000:] = 0  # padded
    (classes,) = open_session(tmp_path / "graph.onnx", 1).run(None, {"audio": audio})
    with torch.no_grad():
        expected = network(torch.from_numpy(audio.astype(np.float32) / 32768)).numpy()
    found = torch.log_softmax(torch.from_numpy(classes), dim=-1).numpy()
    assert found.shape == expected.shape == (2, arch.CHUNK_FRAMES, len(arch.POWERSET))
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_the_embedding_graph_is_the_network(tmp_path: Path) -> None:
    network = CamPlusPlus()
    build_embedding(randomised(network, 3)).save(tmp_path / "graph.onnx")
    session = open_session(tmp_path / "graph.onnx", 1)
    for frames in (57, 200, 231):  # below, at and beyond one segment of 100 frames at half the rate
        features = np.random.default_rng(frames).normal(0, 2, (2, frames, arch.MEL_BINS)).astype(np.float32)
        (found,) = session.run(None, {"features": features})
        with torch.no_grad():
            expected = network(torch.from_numpy(features)).numpy()
        assert found.shape == (2, arch.DIMENSIONS)
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
