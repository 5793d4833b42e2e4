"""Whisper's beam search: what `generate` of transformers finds, in batches as alone, with hotwords."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.contract import MAX_BOOST, Hotword, RecognitionOptions
from stenod_models.decoding.greedy import loop_surplus
from stenod_models.families.whisper.attempts import Attempt
from stenod_models.families.whisper.runtime import WhisperRecogniser

pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

from transformers import GenerationMixin  # noqa: E402 - behind the guards

from tests.support.whisper_checkpoints import Shape, build_random, tokens  # noqa: E402

END = tokens().index("<|endoftext|>")
SHAPES = (
    Shape(),
    Shape(width=16, heads=1, target_positions=40),
    Shape(width=48, encoder_layers=1, decoder_layers=3, heads=3, source_positions=60),
)
WINDOWS = 3
Audio = npt.NDArray[np.int16]
Built = dict[int, tuple[Any, WhisperRecogniser]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return {seed: build_random(tmp_path_factory.mktemp("whisper"), shape, seed) for seed, shape in enumerate(SHAPES)}


def windows_of(recogniser: WhisperRecogniser, seed: int = 0) -> list[Audio]:
    random = np.random.default_rng(seed)
    lengths = random.integers(3200, recogniser.profile.window_max_samples, WINDOWS)
    return [random.normal(0, 1000, length).astype(np.int16) for length in lengths]


def attempts(recogniser: WhisperRecogniser, windows: list[Audio], options: RecognitionOptions) -> list[Attempt]:
    batch, _heard = recogniser._prompted(windows, "de", options)
    found = recogniser._attempt(batch, 0.0, lambda _row: False)
    return [attempt for attempt in found if attempt is not None]


def generated(model: Any, recogniser: WhisperRecogniser, window: Audio, beam_size: int) -> tuple[list[int], float]:
    """The tokens behind the prompt without the end, and what the sequence was compared by."""
    batch, _heard = recogniser._prompted([window], "de", RecognitionOptions())
    output: Any = GenerationMixin.generate(
        model,
        input_features=torch.from_numpy(recogniser._features(window)[None]),
        decoder_input_ids=torch.from_numpy(batch.prompts),
        suppress_tokens=np.flatnonzero(recogniser._suppressed[0] < 0).tolist(),
        begin_suppress_tokens=[32, END],
        max_new_tokens=model.config.max_target_positions // 2,
        num_beams=beam_size,
        do_sample=False,
        early_stopping=True,
        renormalize_logits=True,  # suppressed tokens have no share of the probability, as in openai/whisper
        forced_decoder_ids=None,
        return_dict_in_generate=True,
        output_scores=True,
    )
    sequence = output.sequences[0, batch.prompts.shape[1] :].tolist()
    return sequence[: sequence.index(END)] if END in sequence else sequence, float(output.sequences_scores[0])


@pytest.mark.parametrize("beam_size", [2, 5])
@pytest.mark.parametrize("seed", range(len(SHAPES)))
def test_the_tokens_are_those_of_generate(built: Built, seed: int, beam_size: int) -> None:
    model, recogniser = built[seed]
    windows = windows_of(recogniser, seed)
    compared = 0
    for window, attempt in zip(
        windows, attempts(recogniser, windows, RecognitionOptions(beam_size=beam_size)), strict=True
    ):
        expected, score = generated(model, recogniser, window, beam_size)
        if loop_surplus(expected):
            continue  # we go on without a hypothesis that loops
        assert attempt.hypothesis.tokens == expected
        assert attempt.log_probability == pytest.approx(score, abs=1e-3)
        compared += 1
    assert compared >= WINDOWS - 1


def test_a_wider_beam_finds_what_is_likelier(built: Built) -> None:
    _model, recogniser = built[0]
    windows = windows_of(recogniser)
    means = {
        beam_size: np.mean(
            [found.log_probability for found in attempts(recogniser, windows, RecognitionOptions(beam_size=beam_size))]
        )
        for beam_size in (1, 5)
    }
    assert means[5] > means[1] + 0.05


def test_a_batch_gives_what_each_window_gives_alone(built: Built) -> None:
    """Each window in another language, so that their prompts differ."""
    for _model, recogniser in built.values():
        batch, _heard = recogniser._prompted(windows_of(recogniser, 1), "de", RecognitionOptions(beam_size=4))
        prompts = [recogniser._vocabulary.prompt(language, "transcribe") for language in ("de", "en", "fr")]
        batch = replace(batch, prompts=np.array(prompts, np.int64))
        for row, together in enumerate(recogniser._attempt(batch, 0.0, lambda _row: False)):
            (alone,) = recogniser._attempt(batch.only([row]), 0.0, lambda _row: False)
            assert together
            assert alone
            assert together.hypothesis.tokens == alone.hypothesis.tokens
            assert together.log_probability == pytest.approx(alone.log_probability, abs=1e-4)
            frames = alone.attention.shape[-1]
            assert np.allclose(together.attention[..., :frames], alone.attention, atol=1e-4)


def test_each_token_has_the_attention_that_it_was_predicted_with(built: Built) -> None:
    """Whatever place its hypothesis had in the beam by then."""
    _model, recogniser = built[0]
    windows = windows_of(recogniser)
    for window, attempt in zip(windows, attempts(recogniser, windows, RecognitionOptions(beam_size=4)), strict=True):
        batch, _heard = recogniser._prompted([window], "de", RecognitionOptions())
        steps, frames = attempt.attention.shape[0], attempt.attention.shape[-1]
        run = recogniser._decoder.start(batch.encoded, capacity=len(tokens()), steps=steps, frames=frames)
        run.advance(batch.prompts, recogniser._suppressed_first)
        for token in attempt.hypothesis.tokens[: steps - 1]:
            run.advance(np.array([[token]], np.int64), recogniser._suppressed)
        assert np.allclose(run.attention[:steps, 0, :, 0], attempt.attention, atol=1e-4)


def test_hotwords_are_heard(built: Built) -> None:
    _model, recogniser = built[0]
    window = windows_of(recogniser)[0]
    spelled = recogniser._vocabulary.encode("the lobster")

    def is_heard(*hotwords: Hotword) -> bool:
        (attempt,) = attempts(recogniser, [window], RecognitionOptions(beam_size=3, hotwords=hotwords))
        found = attempt.hypothesis.tokens
        return any(found[place : place + len(spelled)] == spelled for place in range(len(found)))

    assert is_heard(Hotword("the lobster", boost=MAX_BOOST))
    assert not is_heard()


def test_what_came_out_badly_is_sampled_without_a_beam(built: Built) -> None:
    _model, recogniser = built[0]

    def tokens_of(beam_size: int, temperature: float) -> list[list[int]]:
        batch, _heard = recogniser._prompted(windows_of(recogniser), "de", RecognitionOptions(beam_size=beam_size))
        found = recogniser._attempt(batch, temperature, lambda _row: False)
        return [attempt.hypothesis.tokens for attempt in found if attempt is not None]

    assert tokens_of(3, 0.4) == tokens_of(1, 0.4)
    assert tokens_of(3, 0.0) != tokens_of(1, 0.0)


def test_how_wide_a_beam_may_be_stands_in_the_profile(built: Built) -> None:
    _model, recogniser = built[0]
    assert recogniser.profile.max_beam_size == 10
    with pytest.raises(ValueError, match="at most 10"):
        recogniser.check("en", RecognitionOptions(beam_size=11))
