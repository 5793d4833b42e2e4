"""Whisper's graphs for a GPU, which compute in 16 bits: on a CPU they say what the model says, within those bits."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("torch")

from stenod_models.contract import RecognitionOptions
from stenod_models.export import whisper
from stenod_models.export.pbtxt import profile_of
from stenod_models.families.whisper.runtime import WhisperRecogniser
from tests.support.whisper_checkpoints import Shape, build_random

TENTHS_S = (9, 5, 8)


def test_the_graphs_for_a_gpu_say_what_those_for_a_cpu_say(tmp_path: Path) -> None:
    _model, wanted = build_random(tmp_path, Shape(), seed=0, sharpness=4.0)
    target = tmp_path / "gpu"
    target.mkdir()
    whisper.build(target, source=tmp_path / "source", precision="fp16", device="cuda", report=lambda *_told: None)
    profile = profile_of(target / "config.pbtxt")
    assert profile.max_batch_size == 32
    found = WhisperRecogniser(target / "1", profile, threads=1)

    random = np.random.default_rng(0)
    windows = [random.normal(0, 3000, 1600 * tenths).astype(np.int16) for tenths in TENTHS_S]
    features = [found._features(window) for window in windows]
    theirs, ours = (one._encoder.encode(features).cross for one in (wanted, found))
    assert theirs.keys() == ours.keys()
    for name, block in theirs.items():
        assert (block.dtype.name, ours[name].dtype.name) == ("float32", "float16")
        np.testing.assert_allclose(ours[name].numpy(), block.numpy(), atol=0.02 * float(np.abs(block.numpy()).max()))

    tokens = random.integers(0, found._arch.vocabulary, (2, 12))
    logits = [
        one._decoder.start(one._encoder.encode(features).only([2, 0]), capacity=12, steps=1, frames=1).logits(tokens)
        for one in (wanted, found)
    ]
    np.testing.assert_allclose(logits[1], logits[0], atol=0.01 * float(np.abs(logits[0]).max()))

    results = found.recognise(windows, language="en", options=RecognitionOptions())
    assert all(result is not None and result.words for result in results)
