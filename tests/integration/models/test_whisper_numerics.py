"""The graphs and the decoding against transformers' Whisper, on small random checkpoints of many shapes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

from transformers import GenerationMixin  # noqa: E402 - behind the guards

from stenod_models.contract import RecognitionOptions  # noqa: E402
from stenod_models.families.whisper.runtime import WhisperRecogniser  # noqa: E402
from stenod_models.families.whisper.sessions import EncodedBatch  # noqa: E402
from tests.support.whisper_checkpoints import Shape, build_random, tokens  # noqa: E402

SHAPES = (
    Shape(),
    Shape(mels=128, width=48, encoder_layers=1, decoder_layers=3, heads=3),
    Shape(width=64, encoder_layers=3, decoder_layers=1, heads=4, source_positions=60),
    Shape(width=16, heads=1, target_positions=40),
)
CLEAR_MARGIN = 1e-4
END = tokens().index("<|endoftext|>")

Build = Callable[[int], tuple[Any, WhisperRecogniser]]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    built: dict[int, tuple[Any, WhisperRecogniser]] = {}

    def of(seed: int) -> tuple[Any, WhisperRecogniser]:
        if seed not in built:
            built[seed] = build_random(tmp_path_factory.mktemp("whisper"), SHAPES[seed % len(SHAPES)], seed)
        return built[seed]

    return of


def windows_for(recogniser: WhisperRecogniser, count: int, seed: int = 0) -> list[npt.NDArray[np.int16]]:
    random = np.random.default_rng(seed)
    longest = recogniser.profile.window_max_samples
    return [
        (random.normal(0, 1, int(random.integers(3200, longest))) * 10 ** random.uniform(2, 4)).astype(np.int16)
        for _ in range(count)
    ]


def encoded(recogniser: WhisperRecogniser, windows: list[npt.NDArray[np.int16]]) -> EncodedBatch:
    return recogniser._encoder.encode([recogniser._features(window) for window in windows])


def torch_features(recogniser: WhisperRecogniser, windows: list[npt.NDArray[np.int16]]) -> Any:
    return torch.from_numpy(np.stack([recogniser._features(window) for window in windows]))


@pytest.mark.parametrize("seed", range(8))
def test_the_encoder_gives_the_keys_and_values_of_the_model(build: Build, seed: int) -> None:
    model, recogniser = build(seed)
    windows = windows_for(recogniser, 2)
    found = encoded(recogniser, windows).cross
    with torch.no_grad():
        hidden = model.model.encoder(torch_features(recogniser, windows)).last_hidden_state
        for layer, block in enumerate(model.model.decoder.layers):
            for part, projection in (("key", block.encoder_attn.k_proj), ("value", block.encoder_attn.v_proj)):
                flat, given = projection(hidden), found[f"cross_{part}_{layer}"].numpy()
                heads = flat.view(*flat.shape[:2], given.shape[1], -1).transpose(1, 2).numpy()
                assert np.abs(given - heads).max() < 1e-4 * max(1.0, np.abs(heads).max())


@pytest.mark.parametrize("seed", range(8))
def test_the_decoder_gives_the_logits_of_the_model(build: Build, seed: int) -> None:
    model, recogniser = build(seed)
    windows = windows_for(recogniser, 3)
    random = np.random.default_rng(seed)
    sequence = random.integers(0, END, (3, 20))
    run = recogniser._decoder.start(encoded(recogniser, windows), capacity=20, steps=20, frames=5)
    found = [run.logits(sequence[:, :4])] + [run.logits(sequence[:, place : place + 1]) for place in range(4, 20)]
    with torch.no_grad():
        expected = model(
            input_features=torch_features(recogniser, windows), decoder_input_ids=torch.from_numpy(sequence)
        ).logits.numpy()
    largest = np.abs(expected).max()
    assert np.abs(np.stack(found, axis=1) - expected[:, 3:]).max() < 1e-4 * max(1.0, largest)


@pytest.mark.parametrize("seed", range(20))
def test_greedy_tokens_are_those_of_generate(build: Build, seed: int) -> None:
    model, recogniser = build(seed)
    windows = windows_for(recogniser, 3, seed)
    batch, _heard = recogniser._prompted(windows, "de", RecognitionOptions())
    attempts = recogniser._attempt(batch, 0.0, lambda _row: False)
    never = np.flatnonzero(recogniser._suppressed[0] < 0).tolist()
    for row, attempt in enumerate(attempts):
        expected, clear = _generate(
            model, torch_features(recogniser, windows[row : row + 1]), batch.prompts[row], never
        )
        assert attempt is not None
        found = attempt.hypothesis.tokens
        assert len(found) >= 1
        agreed = min(len(found), clear)
        assert found[:agreed] == expected[:agreed]
        if attempt.hypothesis.ended and clear > len(found):
            assert expected[len(found)] == END


def _generate(model: Any, features: Any, prompt: npt.NDArray[np.int64], never: list[int]) -> tuple[list[int], int]:
    """The tokens behind the prompt, and how many of them had no rival within the margin."""
    output: Any = GenerationMixin.generate(
        model,
        input_features=features,
        decoder_input_ids=torch.from_numpy(prompt[None]),
        suppress_tokens=never,
        begin_suppress_tokens=[32, END],
        max_new_tokens=model.config.max_target_positions // 2,
        do_sample=False,
        output_scores=True,
        return_dict_in_generate=True,
        forced_decoder_ids=None,
    )
    top = [score[0].topk(2).values for score in output.scores]
    close = [place for place, pair in enumerate(top) if pair[0] - pair[1] < CLEAR_MARGIN]
    return output.sequences[0, len(prompt) :].tolist(), close[0] if close else len(top)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_other_precisions_stay_near(tmp_path: Path, precision: str) -> None:
    _model, recogniser = build_random(tmp_path, SHAPES[2], 3, precision)
    _same, exact = build_random(tmp_path / "fp32", SHAPES[2], 3)
    windows = windows_for(exact, 1)
    sequence = np.arange(4)[None]
    found, expected = (
        one._decoder.start(encoded(one, windows), capacity=4, steps=1, frames=5).logits(sequence)
        for one in (recogniser, exact)
    )
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    assert 0 < difference < {"fp16": 0.01, "int8": 0.1}[precision]
