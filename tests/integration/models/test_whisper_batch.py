"""A batch gives what each window gives alone, whatever the mates, their order and the language asked for."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stenod_models.contract import MAX_BOOST, Hotword, RecognitionOptions
from stenod_models.families.whisper.lanes import load_whisper
from stenod_models.families.whisper.runtime import WhisperRecogniser
from stenod_models.recogniser import Recognition
from stenod_models.side_by_side import SideBySide

pytest.importorskip("transformers")

from tests.support.whisper_checkpoints import LANGUAGES, Shape, build_random

OPTIONS = RecognitionOptions()
SHAPE = Shape(target_positions=48, source_positions=80)


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> WhisperRecogniser:
    return build_random(tmp_path_factory.mktemp("whisper"), SHAPE, seed=5, sharpness=4.0)[1]


@pytest.fixture(scope="module")
def windows(recogniser: WhisperRecogniser) -> list[npt.NDArray[np.int16]]:
    random = np.random.default_rng(7)
    longest = recogniser.profile.window_max_samples
    lengths = [0, 800, 1600, 5000, longest // 2, longest // 2 + 1, longest - 1, longest]
    return [(random.normal(0, 2000, length)).astype(np.int16) for length in lengths]


def alone(recogniser: WhisperRecogniser, window: npt.NDArray[np.int16], language: str) -> Recognition:
    (result,) = recogniser.recognise([window], language=language, options=OPTIONS)
    assert result is not None
    return result


def assert_same(one: Recognition, other: Recognition) -> None:
    assert [(word.text, word.start_samples, word.end_samples) for word in one.words] == [
        (word.text, word.start_samples, word.end_samples) for word in other.words
    ]
    assert one.language == other.language
    assert np.allclose(
        [one.no_speech, one.language_confidence, *(word.confidence for word in one.words)],
        [other.no_speech, other.language_confidence, *(word.confidence for word in other.words)],
        atol=1e-4,
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.lists(st.integers(0, 7), min_size=2, max_size=8), language=st.sampled_from(["auto", *LANGUAGES[:3]]))
def test_a_batch_gives_what_each_window_gives_alone(
    recogniser: WhisperRecogniser, windows: list[npt.NDArray[np.int16]], chosen: list[int], language: str
) -> None:
    results = recogniser.recognise([windows[index] for index in chosen], language=language, options=OPTIONS)
    for index, result in zip(chosen, results, strict=True):
        assert result is not None
        assert_same(result, alone(recogniser, windows[index], language))


@pytest.mark.parametrize("beam_size", [1, 3])
def test_in_eight_bits_a_batch_gives_the_same_to_the_last_bit(
    tmp_path: Path, windows: list[npt.NDArray[np.int16]], beam_size: int
) -> None:
    _model, recogniser = build_random(tmp_path, SHAPE, seed=5, precision="int8", sharpness=4.0)
    served = load_whisper(tmp_path / "entry" / "1", recogniser.profile, threads=2)
    assert isinstance(served, SideBySide)
    options = RecognitionOptions(beam_size=beam_size)
    results = served.recognise(windows[::-1], language="en", options=options)
    for window, result in zip(windows[::-1], results, strict=True):
        assert [result] == recogniser.recognise([window], language="en", options=options)


def test_a_cancelled_window_gives_none_and_its_mates_their_words(
    recogniser: WhisperRecogniser, windows: list[npt.NDArray[np.int16]]
) -> None:
    polls = 0

    def is_cancelled(index: int) -> bool:
        nonlocal polls
        polls += index == 1
        return index == 1 and polls > 3

    batch = [windows[7], windows[6], windows[5]]
    results = recogniser.recognise(batch, language="en", options=OPTIONS, is_cancelled=is_cancelled)
    assert results[1] is None
    for place in (0, 2):
        found = results[place]
        assert found is not None
        assert_same(found, alone(recogniser, batch[place], "en"))


def test_words_are_ordered_inside_the_window(
    recogniser: WhisperRecogniser, windows: list[npt.NDArray[np.int16]]
) -> None:
    for window in windows:
        times = [
            time for word in alone(recogniser, window, "en").words for time in (word.start_samples, word.end_samples)
        ]
        assert times == sorted(times)
        assert all(0 <= time <= len(window) for time in times)


def test_what_is_sampled_depends_on_the_window_alone(tmp_path: Path, windows: list[npt.NDArray[np.int16]]) -> None:
    _model, unsure = build_random(tmp_path, SHAPE, seed=5, sharpness=0.6)

    def tokens(chosen: list[npt.NDArray[np.int16]], temperature: float) -> list[list[int]]:
        batch, _heard = unsure._prompted(chosen, "en", OPTIONS)
        found = unsure._attempt(batch, temperature, lambda _row: False)
        return [attempt.hypothesis.tokens for attempt in found if attempt is not None]

    sampled = tokens(windows[4:], 0.8)
    assert sampled == [row for window in windows[4:] for row in tokens([window], 0.8)]
    assert len({tuple(row) for row in sampled}) == 4
    assert sampled != tokens(windows[4:], 0.0)


def test_words_are_heard_at_all(recogniser: WhisperRecogniser, windows: list[npt.NDArray[np.int16]]) -> None:
    assert any(alone(recogniser, window, "en").words for window in windows)


@pytest.mark.parametrize(
    "options",
    [RecognitionOptions(hotwords=(Hotword("the lobster", boost=MAX_BOOST),)), RecognitionOptions(prompt="the lobster")],
)
def test_hotwords_and_prompts_change_what_is_decoded(
    recogniser: WhisperRecogniser, windows: list[npt.NDArray[np.int16]], options: RecognitionOptions
) -> None:
    def tokens(chosen: RecognitionOptions) -> list[int]:
        batch, _heard = recogniser._prompted(windows[7:], "en", chosen)
        (attempt,) = recogniser._attempt(batch, 0.0, lambda _row: False)
        assert attempt is not None
        return attempt.hypothesis.tokens

    changed = tokens(options)
    assert changed != tokens(OPTIONS)
    spelled = recogniser._vocabulary.encode("the lobster")
    found = any(changed[place : place + len(spelled)] == spelled for place in range(len(changed)))
    assert found is bool(options.hotwords)


def test_of_a_long_prompt_the_end_counts(recogniser: WhisperRecogniser, windows: list[npt.NDArray[np.int16]]) -> None:
    batch, _heard = recogniser._prompted(windows[7:], "en", RecognitionOptions(prompt="the lobster " * 100))
    room, (prompt,) = recogniser._arch.most_prompt_tokens, batch.prompts.tolist()
    assert prompt[1:-4] == recogniser._vocabulary.encode("the lobster " * 100)[-room:]
    assert len(prompt) == SHAPE.target_positions // 2


@pytest.mark.parametrize("samples", [0, 1, 1599])
def test_too_short_or_empty_a_window_has_no_words(recogniser: WhisperRecogniser, samples: int) -> None:
    for window in (np.full(samples, 1000, np.int16), np.zeros(16_000, np.int16)):
        result = alone(recogniser, window, "auto")
        assert result.words == ()
        assert result.no_speech == 1.0


@pytest.mark.parametrize(
    ("language", "options"),
    [
        ("tlh", OPTIONS),
        ("", OPTIONS),
        ("en", RecognitionOptions(beam_size=11)),
    ],
)
def test_what_it_cannot_do_is_refused(
    recogniser: WhisperRecogniser, language: str, options: RecognitionOptions
) -> None:
    with pytest.raises(ValueError, match="whisper"):
        recogniser.check(language, options)


def test_too_long_a_window_is_refused(recogniser: WhisperRecogniser) -> None:
    with pytest.raises(ValueError, match="longer than 25600 samples"):
        recogniser.recognise([np.zeros(25_601, np.int16)], language="en", options=OPTIONS)
