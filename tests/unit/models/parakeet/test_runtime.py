"""What becomes of emissions: words, times, confidences; and what is refused. No networks in here."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.contract import Hotword, Profile, RecognitionOptions
from stenod_models.families.parakeet.emissions import Emissions
from stenod_models.families.parakeet.runtime import ParakeetRecogniser
from stenod_models.families.parakeet.search import GREEDY, Search
from stenod_models.families.parakeet.vocabulary import Vocabulary
from stenod_models.language_model.fusion import LanguageModelFusion, LanguageModelUse, WordPieces
from stenod_models.language_model.ngrams import NgramModel, Order
from stenod_models.recogniser import Int16Audio, Recognition

PROFILE = Profile("p", "parakeet", ("en", "de"), 16_000, 32_000, (16_000, 32_000), 4, max_beam_size=4)
PIECES = ["▁the", "▁c", "at", "."]
FRAME = 1280


class ScriptedBackend:
    max_padding_ratio = 0.5

    def __init__(self, *rows: Emissions) -> None:
        self.rows = rows
        self.batches: list[list[int]] = []
        self.searches: list[Search] = []

    def decode(
        self, windows: Sequence[Int16Audio], is_cancelled: Callable[[int], bool], search: Search = GREEDY
    ) -> list[Emissions | None]:
        self.searches.append(search)
        self.batches.append([len(window) for window in windows])
        return [None if is_cancelled(row) else self.rows[row % len(self.rows)] for row in range(len(windows))]

    def encode(self, windows: Sequence[Int16Audio]) -> list[npt.NDArray[np.float32]]:
        raise NotImplementedError


def load(*rows: Emissions, profile: Profile = PROFILE) -> ParakeetRecogniser:
    return ParakeetRecogniser(profile, Vocabulary(PIECES), ScriptedBackend(*rows))


def heard(recogniser: ParakeetRecogniser, samples: int = 16_000, language: str = "en") -> Recognition:
    (result,) = recogniser.recognise([np.ones(samples, np.int16)], language=language, options=RecognitionOptions())
    assert result is not None
    return result


def test_words_have_times_in_samples_and_confidences() -> None:
    result = heard(load(Emissions([0, 1, 2, 3], [1, 4, 6, 9], [3, 6, 8, 9], [0.5, 0.8, 0.2, 0.4])))
    assert [word.text for word in result.words] == ["the", "cat."]
    assert [(word.start_samples, word.end_samples) for word in result.words] == [
        (1 * FRAME, 3 * FRAME),
        (4 * FRAME, 8 * FRAME),  # its full stop, said a frame later, takes no time
    ]
    assert [word.confidence for word in result.words] == pytest.approx([0.5, (0.8 * 0.2 * 0.4) ** (1 / 3)])
    assert result.no_speech == pytest.approx(1 - (0.5 * 0.8 * 0.2 * 0.4) ** 0.25)


def test_a_word_lasts_a_frame_at_least_but_neither_into_the_next_nor_past_the_window() -> None:
    result = heard(load(Emissions([0, 0, 0, 0], [1, 1, 5, 12], [1, 7, 7, 14], [1.0] * 4)))
    assert [(word.start_samples, word.end_samples) for word in result.words] == [
        (FRAME, FRAME),
        (FRAME, 5 * FRAME),
        (5 * FRAME, 7 * FRAME),
        (12 * FRAME, 16_000),
    ]


def test_a_window_without_tokens_is_no_speech() -> None:
    result = heard(load(Emissions()))
    assert result.words == ()
    assert result.no_speech == 1.0


def test_a_window_of_less_than_two_feature_frames_is_no_speech() -> None:
    recogniser = load(Emissions([0], [0], [1], [1.0]))
    assert heard(recogniser, samples=319).words == ()
    assert heard(recogniser, samples=320).words != ()


@pytest.mark.parametrize(
    ("asked", "languages", "told"),
    [("de-AT", ("en", "de"), ("de", 1.0)), ("auto", ("en", "de"), ("und", 0.0)), ("auto", ("en",), ("en", 1.0))],
)
def test_the_language_is_what_was_asked_for_or_the_only_one(
    asked: str, languages: tuple[str, ...], told: tuple[str, float]
) -> None:
    profile = Profile("p", "parakeet", languages, 16_000, 32_000, (32_000,), 4)
    result = heard(load(Emissions(), profile=profile), language=asked)
    assert (result.language, result.language_confidence) == told


@pytest.mark.parametrize(
    ("language", "options"),
    [
        ("ja", RecognitionOptions()),
        ("en", RecognitionOptions(task="translate")),
        ("en", RecognitionOptions(beam_size=5)),
        ("en", RecognitionOptions(prompt="so")),
    ],
)
def test_what_it_cannot_do_is_refused(language: str, options: RecognitionOptions) -> None:
    with pytest.raises(
        ValueError, match=r"language 'ja'|task 'translate'|beam_size 5: p searches with at most 4|prompt: p takes none"
    ):
        load(Emissions()).check(language, options)


def test_a_window_longer_than_the_last_bucket_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 32000 samples"):
        heard(load(Emissions()), samples=32_001)


def test_a_cancelled_window_gives_none_and_its_mates_their_own() -> None:
    recogniser = load(Emissions([0], [0], [1], [1.0]))
    windows = [np.ones(length, np.int16) for length in (16_000, 100, 8_000)]
    results = recogniser.recognise(
        windows, language="en", options=RecognitionOptions(), is_cancelled=lambda index: index == 0
    )
    assert results[0] is None
    assert [len(result.words) for result in results[1:] if result] == [0, 1]


def test_warming_runs_every_bucket_and_one_full_batch() -> None:
    recogniser = load(Emissions())
    recogniser.warm()
    backend = recogniser._backend
    assert isinstance(backend, ScriptedBackend)
    assert backend.batches == [[16_000], [32_000], [16_000] * 4]


def test_hotwords_are_searched_for_in_every_spelling_and_written_as_they_shall_be() -> None:
    recogniser = load(Emissions([0, 1, 2, 3], [1, 4, 6, 9], [3, 6, 8, 9], [0.5, 0.8, 0.2, 0.4]))
    hotword = Hotword("Qat of Siam", sounds_like=("cat",))
    (result,) = recogniser.recognise(
        [np.ones(16_000, np.int16)], language="en", options=RecognitionOptions(hotwords=(hotword,))
    )
    assert result is not None
    assert [word.text for word in result.words] == ["the", "Qat", "of", "Siam."]
    backend = recogniser._backend
    assert isinstance(backend, ScriptedBackend)
    (search,) = backend.searches
    assert search.trie is not None
    assert [(match.first, match.end) for match in search.trie.matches([0, 1, 2, 3])] == [(1, 3)]


def test_marks_that_are_doubtful_are_left_out_and_more_are_searched_for() -> None:
    profile = replace(PROFILE, takes_mark_bias=True)
    recogniser = load(Emissions([0, 1, 2, 3], [1, 4, 6, 9], [3, 6, 8, 9], [0.5, 0.8, 0.2, 0.4]), profile=profile)

    def texts(bias: float) -> list[str]:
        options = RecognitionOptions(mark_bias=bias)
        (result,) = recogniser.recognise([np.ones(16_000, np.int16)], language="en", options=options)
        assert result is not None
        return [word.text for word in result.words]

    assert [texts(bias) for bias in (0.0, -0.1, 0.5)] == [["the", "cat."], ["the", "cat"], ["the", "cat."]]
    backend = recogniser._backend
    assert isinstance(backend, ScriptedBackend)
    assert [search.marks is not None for search in backend.searches] == [False, False, True]
    assert [search.needs_scores for search in backend.searches] == [False, False, True]


def test_hotwords_that_the_vocabulary_cannot_spell_change_nothing() -> None:
    recogniser = load(Emissions([0], [1], [3], [0.5]))
    options = RecognitionOptions(hotwords=(Hotword("Qat"),))
    recogniser.recognise([np.ones(16_000, np.int16)], language="en", options=options)
    backend = recogniser._backend
    assert isinstance(backend, ScriptedBackend)
    assert not backend.searches[0].needs_scores


@pytest.mark.parametrize(("asked", "beam_size"), [(1, 3), (4, 4)])
def test_every_job_of_a_recogniser_with_a_language_model_listens_to_it(asked: int, beam_size: int) -> None:
    pieces = WordPieces(opens_word=np.ones(4, np.bool_), end_token=-1, spell=lambda _tokens: "")
    ngrams = NgramModel({"<unk>": 0}, [Order(np.zeros(1, np.int64), np.zeros(1, np.float32), np.zeros(1, np.float32))])
    language_model = LanguageModelFusion(ngrams, pieces, LanguageModelUse(beam_size=3))
    backend = ScriptedBackend(Emissions())
    recogniser = ParakeetRecogniser(PROFILE, Vocabulary(PIECES), backend, language_model)
    options = RecognitionOptions(beam_size=asked)
    recogniser.recognise([np.ones(16_000, np.int16)], language="en", options=options)
    (search,) = backend.searches
    assert (search.beam_size, search.language_model) == (beam_size, language_model)
