"""Whisper by torch: on a CPU, with weights of 32 bits, it hears what the graphs hear. What a GPU captures is the same
code; captured it runs in tests/proofs/gpu.py alone.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

from stenod_models.contract import Hotword, RecognitionOptions  # noqa: E402 - behind the guards
from stenod_models.device import Device, UnavailableDeviceError  # noqa: E402
from stenod_models.export import whisper  # noqa: E402
from stenod_models.export.pbtxt import profile_of  # noqa: E402
from stenod_models.families.whisper.architecture import WEIGHTS  # noqa: E402
from stenod_models.families.whisper.networks import load_networks  # noqa: E402
from stenod_models.families.whisper.runtime import WhisperRecogniser  # noqa: E402
from tests.support.whisper_checkpoints import Shape, build_random  # noqa: E402

Pair = tuple[WhisperRecogniser, WhisperRecogniser]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The same checkpoint as graphs and as weights."""
    folder = tmp_path_factory.mktemp("whisper")
    _model, graphs = build_random(folder, Shape(mels=128, width=48, decoder_layers=3, heads=3), seed=1, sharpness=4.0)
    target = folder / "weights"
    target.mkdir()
    whisper.build(target, source=folder / "source", precision="fp32", device="cuda", report=lambda *_told: None)
    return graphs, WhisperRecogniser(target / "1", profile_of(target / "config.pbtxt"), threads=1)


def windows(count: int, seed: int) -> list[npt.NDArray[np.int16]]:
    random = np.random.default_rng(seed)
    return [random.normal(0, 3000, int(random.integers(3200, 16_000))).astype(np.int16) for _ in range(count)]


def test_the_encoder_gives_what_the_graph_gives(pair: Pair) -> None:
    graph, network = (one._encoder.encode([one._features(window) for window in windows(5, 0)]) for one in pair)
    for name, block in graph.cross.items():
        part, layer = ("cross_key", "cross_value").index(name[: name.rindex("_")]), int(name.rpartition("_")[2])
        found = np.asarray(cast("Any", network).keys_values[layer, part].numpy())
        np.testing.assert_allclose(found, block.numpy(), atol=1e-4 * float(np.abs(block.numpy()).max()))


def test_the_networks_give_what_the_graphs_give(pair: Pair) -> None:
    tokens = np.random.default_rng(0).integers(0, pair[0]._arch.vocabulary, (3, 9))
    logits = []
    for one in pair:
        encoded = one._encoder.encode([one._features(window) for window in windows(5, 0)]).only([4, 1, 2])
        run = one._decoder.start(encoded, capacity=9, steps=1, frames=1)
        logits.append([run.logits(tokens[:, :4]), *(run.logits(tokens[:, place : place + 1]) for place in range(4, 9))])
    np.testing.assert_allclose(np.stack(logits[1]), np.stack(logits[0]), atol=1e-4 * float(np.abs(logits[0]).max()))


@pytest.mark.parametrize(
    "options",
    [
        RecognitionOptions(),
        RecognitionOptions(prompt="so it was", hotwords=(Hotword("once"),)),
        RecognitionOptions(beam_size=3),
    ],
    ids=["greedy", "prompt and hotwords", "beam"],
)
def test_both_hear_the_same_in_every_way_of_decoding(pair: Pair, options: RecognitionOptions) -> None:
    """Alone and in batches that shed their rows one after the other; a window that came out badly is sampled."""
    for seed, count in ((1, 1), (2, 5)):
        heard = [one.recognise(windows(count, seed), language="auto", options=options) for one in pair]
        for wanted, found in zip(*heard, strict=True):
            assert wanted is not None
            assert found is not None
            assert found.language == wanted.language
            assert [(word.text, word.start_samples) for word in found.words] == [
                (word.text, word.start_samples) for word in wanted.words
            ]
            np.testing.assert_allclose(
                [word.confidence for word in found.words], [word.confidence for word in wanted.words], atol=1e-3
            )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_weights_for_a_gpu_are_refused_where_torch_finds_none(tmp_path: Path, pair: Pair) -> None:
    (tmp_path / WEIGHTS).touch()
    with pytest.raises(UnavailableDeviceError, match=r"torch .* finds none"):
        load_networks(tmp_path, pair[1]._arch, threads=1, rows=1, device=Device("cuda"))


@pytest.mark.parametrize("samples", [1, 400, 7_000, 16_000])
def test_features_are_those_of_the_graphs(pair: Pair, samples: int) -> None:
    window = windows(1, samples)[0][:samples]
    np.testing.assert_allclose(np.asarray(pair[1]._features(window)), pair[0]._features(window), atol=1e-4)
