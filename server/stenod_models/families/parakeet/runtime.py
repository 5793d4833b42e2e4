"""ParakeetRecogniser: windows in, words out. See recogniser.Recogniser for the contract."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol, Self

import numpy as np
import numpy.typing as npt

from stenod_models.admission import check_lengths, check_options, recognise_audible
from stenod_models.contract import AUTO_LANGUAGE, Profile, RecognitionOptions
from stenod_models.decoding.confidence import geometric_mean
from stenod_models.decoding.marks import MarkTokens
from stenod_models.decoding.phrase_book import PhraseBook
from stenod_models.decoding.spellings import Span, respelled
from stenod_models.device import CPU, Device, UnavailableDeviceError
from stenod_models.families.parakeet.architecture import FRAME_SAMPLES, MIN_SAMPLES, Architecture
from stenod_models.families.parakeet.emissions import Emissions
from stenod_models.families.parakeet.nemo_sessions import NemoBackend
from stenod_models.families.parakeet.search import GREEDY, Search
from stenod_models.families.parakeet.sessions import OnnxBackend
from stenod_models.families.parakeet.vocabulary import Vocabulary
from stenod_models.language_model.beside import fusion_beside
from stenod_models.language_model.fusion import LanguageModelFusion, WordPieces, opens_word_of
from stenod_models.language_tags import primary_subtag
from stenod_models.recogniser import Int16Audio, RecognisedWord, Recognition
from stenod_models.warming import warming_batches

FloatArray = npt.NDArray[np.float32]

_UNDETERMINED: Final = "und"  # BCP-47's word for a language that is not known
_NO_TOKEN: Final = -1  # there is no end token


class Backend(Protocol):
    """What runs the networks. `max_padding_ratio` is as in recogniser.Recogniser."""

    max_padding_ratio: float

    def decode(
        self, windows: Sequence[Int16Audio], is_cancelled: Callable[[int], bool], search: Search = GREEDY
    ) -> list[Emissions | None]:
        """Windows of MIN_SAMPLES or more, as one batch. A cancelled window gives None."""
        ...

    def encode(self, windows: Sequence[Int16Audio]) -> list[FloatArray]:
        """Of each window its own frames, before the decoder: to compare with the model that this was built from."""
        ...


class ParakeetRecogniser:
    def __init__(
        self,
        profile: Profile,
        vocabulary: Vocabulary,
        backend: Backend,
        language_model: LanguageModelFusion | None = None,
    ) -> None:
        self.profile = profile
        self.max_padding_ratio = backend.max_padding_ratio
        self._vocabulary = vocabulary
        self._backend = backend
        self._language_model = language_model
        self._phrases = PhraseBook(vocabulary.texts(), vocabulary.spellings)
        self._marks = MarkTokens(vocabulary.texts())

    @classmethod
    def load(cls, artefacts: Path, profile: Profile, *, threads: int, device: Device = CPU) -> Self:
        """From the version directory of a model repository entry. `threads` 0 lets ONNX Runtime choose."""
        backend = load_backend(
            artefacts, threads=threads, buckets_samples=profile.length_buckets_samples, device=device
        )
        vocabulary = Vocabulary.load(artefacts)
        pieces = WordPieces(opens_word=opens_word_of(vocabulary.texts()), end_token=_NO_TOKEN, spell=vocabulary.spell)
        return cls(profile, vocabulary, backend, fusion_beside(artefacts, pieces))

    def recognise(
        self,
        windows: Sequence[Int16Audio],
        *,
        language: str,
        options: RecognitionOptions,
        is_cancelled: Callable[[int], bool] = lambda _index: False,
    ) -> list[Recognition | None]:
        self.check(language, options)
        check_lengths(windows, self.profile)
        spoken = self._spoken_language(language)
        return recognise_audible(
            windows,
            lambda audible, is_row_cancelled: self._recognise(audible, spoken, options, is_row_cancelled),
            is_audible=lambda window: len(window) >= MIN_SAMPLES,
            silence=_recognition((), spoken),
            is_cancelled=is_cancelled,
        )

    def check(self, language: str, options: RecognitionOptions) -> None:
        """Raises ValueError for what this family cannot do."""
        known = {AUTO_LANGUAGE, *self.profile.languages}
        if primary_subtag(language) not in known:
            raise ValueError(f"language {language!r}: {self.profile.model} knows {', '.join(self.profile.languages)}")
        check_options(options, self.profile)

    def warm(self) -> None:
        for batch in warming_batches(self.profile):
            self._backend.decode(batch, lambda _row: False)

    def _recognise(
        self,
        windows: Sequence[Int16Audio],
        spoken: tuple[str, float],
        options: RecognitionOptions,
        is_cancelled: Callable[[int], bool],
    ) -> list[Recognition | None]:
        found = self._backend.decode(windows, is_cancelled, self._search_for(options))
        return [
            None
            if emissions is None
            else self._heard(emissions, len(window), spoken, self._written(emissions, options))
            for window, emissions in zip(windows, found, strict=True)
        ]

    def _spoken_language(self, asked: str) -> tuple[str, float]:
        """Parakeet does not say what it heard: what was asked for, or its only language, or nothing known."""
        if primary_subtag(asked) != AUTO_LANGUAGE:
            return primary_subtag(asked), 1.0
        return (self.profile.languages[0], 1.0) if len(self.profile.languages) == 1 else (_UNDETERMINED, 0.0)

    def _search_for(self, options: RecognitionOptions) -> Search:
        marks = self._marks.raised(options.mark_bias)
        trie = self._phrases.trie_of(options.hotwords)
        least = self._language_model.use.beam_size if self._language_model else 1
        beam_size = max(options.beam_size, least)
        return Search(beam_size, None if trie.is_empty and marks is None else trie, self._language_model, marks)

    def _written(self, emissions: Emissions, options: RecognitionOptions) -> list[Span]:
        tokens = emissions.tokens
        words = self._marks.sure(self._vocabulary.words(tokens), tokens, emissions.probabilities, options.mark_bias)
        return respelled(words, self._phrases.trie_of(options.hotwords).matches(tokens)) if options.hotwords else words

    def _heard(
        self, emissions: Emissions, samples: int, language: tuple[str, float], spelled: Sequence[Span]
    ) -> Recognition:
        firsts = [emissions.starts[word.first] for word in spelled]
        limits = [*firsts[1:], -(-samples // FRAME_SAMPLES)]
        words = [self._timed(word, emissions, limit, samples) for word, limit in zip(spelled, limits, strict=False)]
        return _recognition(tuple(words), language, emissions.probabilities)

    def _timed(self, word: Span, emissions: Emissions, limit: int, samples: int) -> RecognisedWord:
        """From its first token's frame to where its last sounding token ends, at least a frame, at most to `limit`."""
        first = emissions.starts[word.first]
        sounding = self._vocabulary.last_sounding(emissions.tokens, word)
        end = min(max(emissions.ends[sounding], emissions.starts[sounding] + 1), max(limit, first))
        confidence = geometric_mean(emissions.probabilities[word.first : word.last + 1])
        start_samples = min(first * FRAME_SAMPLES, samples)
        return RecognisedWord(word.text, start_samples, min(end * FRAME_SAMPLES, samples), confidence)


def load_backend(artefacts: Path, *, threads: int, buckets_samples: Sequence[int], device: Device = CPU) -> Backend:
    """What the entry was built for. `buckets_samples` ascends; its last entry is the longest window.

    Raises UnavailableDeviceError where it was not built for this device.
    """
    architecture = Architecture.load(artefacts)
    if architecture.runtime == "torch":
        from stenod_models.families.parakeet.torch_runtime import TorchBackend  # noqa: PLC0415 - torch is heavy

        return TorchBackend(artefacts, architecture, buckets_samples=buckets_samples, device=device)
    if device.kind != "cpu":
        raise UnavailableDeviceError(
            f"this model has graphs for a CPU ({architecture.runtime}), but its instance_group is KIND_GPU: add it "
            "with --device cuda"
        )
    kind = NemoBackend if architecture.runtime == "nemo" else OnnxBackend
    return kind(artefacts, architecture, threads=threads)


def _recognition(
    words: tuple[RecognisedWord, ...], language: tuple[str, float], probabilities: Sequence[float] = ()
) -> Recognition:
    """There is no token for "no speech": without words it is taken as certain, otherwise as one minus the geometric
    mean of the tokens' probabilities, which is low for clear speech and high where the decoder guesses at noise.
    """
    no_speech = 1.0 - geometric_mean(probabilities) if words else 1.0
    return Recognition(words, language[0], language[1], no_speech=no_speech)
