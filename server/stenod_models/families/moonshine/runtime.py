"""MoonshineRecogniser: windows in, words out. See recogniser.Recogniser for the contract."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Final, TypeAlias

from stenod_models.admission import check_lengths, check_options, recognise_audible
from stenod_models.alignment.attended_words import attended_words
from stenod_models.contract import AUTO_LANGUAGE, SAMPLE_RATE_HZ, Profile, RecognitionOptions
from stenod_models.decoding.beam import BeamSearch, Fusion, decode_beam
from stenod_models.decoding.confidence import geometric_mean
from stenod_models.decoding.greedy import Hypothesis
from stenod_models.decoding.marks import MarkTokens
from stenod_models.decoding.phrase_book import PhraseBook
from stenod_models.decoding.spellings import Span, respelled
from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.memory import EncodedWindow
from stenod_models.families.moonshine.runs import BeamRun, GreedyRun
from stenod_models.families.moonshine.sessions import Encoder, FloatArray, StepGraph
from stenod_models.families.moonshine.tokenizer import Tokenizer
from stenod_models.language_model.beside import fusion_beside
from stenod_models.language_model.fusion import WordPieces, opens_word_of
from stenod_models.language_tags import primary_subtag
from stenod_models.recogniser import Asked, Int16Audio, Recognition
from stenod_models.warming import warming_batches

# The tokens of a window and the attention each was predicted with, (tokens and the end, heads, frames).
_Decoded: TypeAlias = tuple[Hypothesis, FloatArray]

_LANGUAGE: Final = "en"
_TOKENS_PER_S: Final = 6.5  # the model card's limit against runaway text
_ROWS: Final = 16  # in decoding at once; a row that ends makes room for the next window
_SPARE_TOKENS: Final = 12  # a short window may be all speech, and the end token counts


class MoonshineRecogniser:
    max_padding_ratio = 1.0  # the encoder pads nothing, and the decoder's padding costs little

    def __init__(self, artefacts: Path, profile: Profile, *, threads: int, padding_frames: int = 0) -> None:
        """Load from the version directory of a model repository entry. `threads` 0 lets ONNX Runtime choose.

        `padding_frames` has every window computed with that much padding, to prove that it changes nothing.
        """
        self._padding_frames = padding_frames
        self._artefacts = artefacts
        self._threads = threads
        self.profile = profile
        self._tokenizer = Tokenizer.load(artefacts / "tokenizer.bin")
        self._encoder = Encoder(artefacts / "encoder.onnx", threads)
        self._decoder = StepGraph(artefacts / "decoder.onnx", threads)
        texts = self._tokenizer.texts()
        self._phrases = PhraseBook(texts, lambda text: (self._tokenizer.tokens(text),))
        self._marks = MarkTokens(texts)
        pieces = WordPieces(opens_word=opens_word_of(texts), end_token=arch.END_TOKEN, spell=self._spell)
        self._language_model = fusion_beside(artefacts, pieces)
        self._least_beam = self._language_model.use.beam_size if self._language_model else 1

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
        return recognise_audible(
            windows,
            lambda audible, is_row_cancelled: self._recognise(audible, options, is_row_cancelled),
            is_audible=lambda window: len(window) >= arch.MIN_SAMPLES,
            silence=_EMPTY,
            is_cancelled=is_cancelled,
        )

    def check(self, language: str, options: RecognitionOptions) -> None:
        """Raises ValueError for what this family cannot do."""
        if primary_subtag(language) not in {AUTO_LANGUAGE, _LANGUAGE}:
            raise ValueError(f"language {language!r}: {self.profile.model} knows English only")
        check_options(options, self.profile)

    def joins(self, options: RecognitionOptions) -> bool:
        return max(options.beam_size, self._least_beam) == 1 and not options.hotwords and not options.mark_bias

    def recognise_open(self, waiting: Callable[[], Asked | None]) -> None:
        run = GreedyRun[Asked](
            self._decoder,
            lambda asked: (self._encode(asked.audio), _token_cap(len(asked.audio))),
            width=_ROWS,
            capacity=arch.MAX_TOKENS,
        )
        for done in run.rolling().run(lambda: _next_audible(waiting), lambda asked: asked.is_cancelled()):
            if done.hypothesis is None:
                done.item.answer(None)
                continue
            words = self._tokenizer.words(done.hypothesis.tokens)
            done.item.answer(self._timed(done.item.audio, done.hypothesis, run.attention_of(done.row), words))

    def warm(self) -> None:
        """The longest window and the largest batch, which take the memory that will be needed: no graph is prepared for
        a particular length.
        """
        batches = warming_batches(self.profile)[-2:]
        for batch in batches:
            self._greedy(batch, lambda _row: False, cap=2)
        if self._language_model is not None:
            self._beam(batches[-1][:1], self._least_beam, (), lambda _row: False)

    def _recognise(
        self, windows: Sequence[Int16Audio], options: RecognitionOptions, is_cancelled: Callable[[int], bool]
    ) -> list[Recognition | None]:
        beam_size = max(options.beam_size, self._least_beam)
        trie = self._phrases.trie_of(options.hotwords) if options.hotwords else None
        fusions = [fusion for fusion in (trie, self._marks.raised(options.mark_bias)) if fusion is not None]
        if beam_size == 1 and not fusions:
            found = self._greedy(windows, is_cancelled)
        else:
            found = self._beam(windows, beam_size, fusions, is_cancelled)
        return [
            None if decoded is None else self._timed(window, *decoded, self._written(decoded[0], options))
            for window, decoded in zip(windows, found, strict=True)
        ]

    def _greedy(
        self, windows: Sequence[Int16Audio], is_cancelled: Callable[[int], bool], cap: int = arch.MAX_TOKENS
    ) -> list[_Decoded | None]:
        caps = [min(cap, _token_cap(len(window))) for window in windows]
        run = GreedyRun[int](
            self._decoder,
            lambda item: (self._encode(windows[item]), caps[item]),
            width=min(_ROWS, len(windows)),
            capacity=max(caps),
        )
        found: list[_Decoded | None] = [None] * len(windows)
        for done in run.rolling().run(partial(next, iter(range(len(windows))), None), is_cancelled):
            if done.hypothesis is not None:
                found[done.item] = done.hypothesis, run.attention_of(done.row)
        return found

    def _beam(
        self,
        windows: Sequence[Int16Audio],
        beam_size: int,
        fusions: Sequence[Fusion],
        is_cancelled: Callable[[int], bool],
    ) -> list[_Decoded | None]:
        caps = [_token_cap(len(window)) for window in windows]
        fused = (*fusions, *filter(None, [self._language_model]))
        search = BeamSearch(beam_size=beam_size, start_token=arch.START_TOKEN, end_token=arch.END_TOKEN, fusions=fused)
        run = BeamRun(self._beam_decoder, [self._encode(window) for window in windows], max(caps), beam_size)
        return [
            None if hypothesis is None else (hypothesis, run.attention_of(row, hypothesis))
            for row, hypothesis in enumerate(decode_beam(run, caps, search, is_cancelled=is_cancelled))
        ]

    def _encode(self, window: Int16Audio) -> EncodedWindow:
        return self._encoder.encode(window, padding_frames=self._padding_frames)

    @cached_property
    def _beam_decoder(self) -> StepGraph:
        """Loaded when it is first asked for: most jobs want nothing that needs it, and it holds its own weights."""
        return StepGraph(self._artefacts / "beam_decoder.onnx", self._threads)

    def _spell(self, tokens: Sequence[int]) -> str:
        return " ".join(word.text for word in self._tokenizer.words(tokens))

    def _written(self, hypothesis: Hypothesis, options: RecognitionOptions) -> list[Span]:
        tokens = hypothesis.tokens
        words = self._marks.sure(self._tokenizer.words(tokens), tokens, hypothesis.probabilities, options.mark_bias)
        return respelled(words, self._phrases.trie_of(options.hotwords).matches(tokens)) if options.hotwords else words

    def _timed(
        self, window: Int16Audio, hypothesis: Hypothesis, attention: FloatArray, words: Sequence[Span]
    ) -> Recognition:
        if not words:
            return _EMPTY
        rows = len(hypothesis.tokens) + hypothesis.ended  # the end token's attention says where the last word ends
        spelled = attended_words(
            window,
            words,
            attention[:rows],
            probabilities=hypothesis.probabilities,
            frame_samples=arch.FRAME_SAMPLES,
        )
        return Recognition(spelled, _LANGUAGE, 1.0, no_speech=1 - geometric_mean(hypothesis.probabilities))


# Moonshine has no "no speech" token. A window without words is taken as silence; otherwise one minus the geometric
# mean of the token probabilities stands in: low for clear speech, high where the decoder guesses at noise.
_EMPTY: Final = Recognition((), _LANGUAGE, 1.0, no_speech=1.0)


def _next_audible(waiting: Callable[[], Asked | None]) -> Asked | None:
    """The next window that is to be decoded; those before it are answered."""
    while (asked := waiting()) is not None:
        if asked.is_cancelled():
            asked.answer(None)
        elif len(asked.audio) < arch.MIN_SAMPLES:
            asked.answer(_EMPTY)
        else:
            return asked
    return None


def _token_cap(samples: int) -> int:
    return min(arch.MAX_TOKENS, int(samples / SAMPLE_RATE_HZ * _TOKENS_PER_S) + _SPARE_TOKENS)
