"""The model of voices with its real weights, on real speech."""

from collections.abc import Sequence
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.contract import SAMPLE_RATE_HZ
from stenod_models.export.pbtxt import voices_profile_of
from stenod_models.families.registry import load_voices
from stenod_models.voices import HeardVoices, VoicesModel
from tests.support.models import VOICES_MODEL, read_audio
from tests.support.speech import needs_speech, recordings

Int16Audio = npt.NDArray[np.int16]

PAUSE = np.zeros(SAMPLE_RATE_HZ // 2, np.int16)
ALIKE = 0.4  # the cosine from which on two voices are of one person, as by default


@pytest.fixture(scope="module")
def model(built_models_dir: Path) -> VoicesModel:
    entry = built_models_dir / VOICES_MODEL
    return load_voices(voices_profile_of(entry / "config.pbtxt"), entry / "1", threads=1)


def heard_in(model: VoicesModel, windows: Sequence[Int16Audio]) -> list[HeardVoices]:
    heard = [voices for voices in model.voices(windows) if voices is not None]
    assert len(heard) == len(windows)
    return heard


def clips(people: int, each: int) -> list[list[Int16Audio]]:
    """So many clips of so many people, 3 to 9 s each."""
    by_speaker: dict[str, list[Path]] = {}
    for recording in recordings("read_en"):
        if 3 <= recording.duration_s <= 9 and recording.id.startswith("lso-"):
            by_speaker.setdefault(recording.fields["speaker"], []).append(recording.path)
    chosen = [paths[:each] for paths in by_speaker.values() if len(paths) >= each][:people]
    assert len(chosen) == people
    return [[read_audio(path) for path in paths] for paths in chosen]


def as_loud(clip: Int16Audio) -> npt.NDArray[np.float64]:
    scaled: npt.NDArray[np.float64] = clip * (2000 / np.sqrt((clip.astype(np.float64) ** 2).mean()))
    return scaled


@pytest.mark.parametrize("samples", [0, 1, 399, 16_000, 480_000])
def test_nobody_is_heard_in_silence(model: VoicesModel, samples: int) -> None:
    (heard,) = heard_in(model, [np.zeros(samples, np.int16)])
    assert (len(heard.span_voice), heard.embeddings.shape, len(heard.clean_samples)) == (0, (0, 192), 0)


def test_a_window_that_is_too_long_is_refused(model: VoicesModel) -> None:
    with pytest.raises(ValueError, match="480000 samples"):
        model.voices([np.zeros(480_001, np.int16)])


def test_a_cancelled_window_gives_nothing_and_its_mates_their_own(model: VoicesModel) -> None:
    silence = np.zeros(16_000, np.int16)
    first, second = model.voices([silence, silence], is_cancelled=lambda index: index == 0)
    assert first is None
    assert second is not None


def people_of(heard: HeardVoices) -> list[int]:
    """Of each voice the person it is likely of, counted from 0 in the order of the voices."""
    people: list[int] = []
    for voice, embedding in enumerate(heard.embeddings):
        alike = [people[other] for other in range(voice) if heard.embeddings[other] @ embedding > ALIKE]
        people.append(alike[0] if alike else len(set(people)))
    return people


class TestOnSpeech:
    """Of people who read."""

    pytestmark = needs_speech

    def test_a_window_is_heard_alike_alone_and_among_others(self, model: VoicesModel) -> None:
        (one, other), (third, fourth) = clips(2, 2)
        windows = [
            np.concatenate([one, PAUSE, third, PAUSE, other])[:480_000],
            third,
            np.concatenate([fourth, one]),
            other[:12_345],
            np.zeros(90_000, np.int16),
        ]
        together = heard_in(model, windows)
        for window, found in zip(windows, together, strict=True):
            (alone,) = heard_in(model, [window])
            for name in ("span_start_samples", "span_end_samples", "span_voice", "clean_samples"):
                np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
            np.testing.assert_allclose(found.embeddings, alone.embeddings, atol=1e-5)
            assert (found.span_start_samples < found.span_end_samples).all()
            assert list(found.span_start_samples) == sorted(found.span_start_samples)
            assert not len(found.span_voice) or found.span_end_samples.max() <= len(window)
            np.testing.assert_allclose(np.linalg.norm(found.embeddings, axis=1), 1.0, atol=1e-5)

    def test_two_people_are_two_voices_where_each_speaks(self, model: VoicesModel) -> None:
        (one, *_), (other, *_) = clips(2, 1)
        one, other = one[: 4 * SAMPLE_RATE_HZ], other[: 4 * SAMPLE_RATE_HZ]
        (heard,) = heard_in(model, [np.concatenate([one, PAUSE, other])])
        people = people_of(heard)
        border = len(one) + len(PAUSE) // 2
        sides = {
            (people[voice], bool((start + end) / 2 > border))
            for start, end, voice in zip(
                heard.span_start_samples, heard.span_end_samples, heard.span_voice, strict=True
            )
        }
        assert sides in ({(0, False), (1, True)}, {(1, False), (0, True)})
        assert (heard.clean_samples > SAMPLE_RATE_HZ).all()

    def test_two_people_at_once_are_heard_together(self, model: VoicesModel) -> None:
        people = [as_loud(clip) for (clip,) in clips(5, 1)]
        start = 2 * SAMPLE_RATE_HZ
        shared = together = 0
        for one, other in permutations(people, 2):
            window = np.zeros(max(len(one), start + len(other)))
            window[: len(one)] += one
            window[start : start + len(other)] += other
            (heard,) = heard_in(model, [window.astype(np.int16)])
            speaking = np.zeros(len(window), np.int8)
            for begin, end in zip(heard.span_start_samples, heard.span_end_samples, strict=True):
                speaking[begin:end] += 1
            assert not (speaking[:start] > 1).any()
            shared += min(len(one), start + len(other)) - start
            together += int((speaking[start:] > 1).sum())
        assert together > shared / 2

    def test_embeddings_tell_one_person_from_another(self, model: VoicesModel) -> None:
        people = clips(5, 2)
        found = heard_in(model, [clip for of_one in people for clip in of_one])
        voices = [heard.embeddings[heard.clean_samples.argmax()] for heard in found]
        same = [float(voices[2 * person] @ voices[2 * person + 1]) for person in range(len(people))]
        other = [float(voices[a] @ voices[b]) for a, b in combinations(range(len(voices)), 2) if a // 2 != b // 2]
        assert min(same) > max(other)
