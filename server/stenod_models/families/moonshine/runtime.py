"""MoonshineRecogniser: windows in, words out. See recogniser.Recogniser for the contract."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from stenod_models.alignment.dtw import token_starts
from stenod_models.alignment.word_times import WordSpan, times_of_words
from stenod_models.contract import AUTO_LANGUAGE, SAMPLE_RATE_HZ, Profile, RecognitionOptions
from stenod_models.decoding.greedy import Hypothesis, decode_greedy
from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.scratch import FloatArray
from stenod_models.families.moonshine.sessions import Decoder, Encoder
from stenod_models.families.moonshine.tokenizer import Tokenizer
from stenod_models.recogniser import Int16Audio, RecognisedWord, Recognition

_LANGUAGE: Final = "en"
_TOKENS_PER_S: Final = 6.5  # the model card's limit against runaway text
_SPARE_TOKENS: Final = 12  # a short window may be all speech, and the end token counts


class MoonshineRecogniser:
    max_padding_ratio = 1.0  # the encoder pads nothing, and the decoder's padding costs little

    def __init__(self, artefacts: Path, profile: Profile, *, threads: int, padding_frames: int = 0) -> None:
        """Load from the version directory of a model repository entry. `threads` 0 lets ONNX Runtime choose.

        `padding_frames` has every window computed with that much padding, to prove that it changes nothing.
        """
        self._padding_frames = padding_frames
        self.profile = profile
        self._tokenizer = Tokenizer.load(artefacts / "tokenizer.bin")
        self._encoder = Encoder(artefacts / "encoder.onnx", threads)
        self._decoder = Decoder(artefacts / "decoder.onnx", threads)

    def recognise(
        self,
        windows: Sequence[Int16Audio],
        *,
        language: str,
        options: RecognitionOptions,
        is_cancelled: Callable[[int], bool] = lambda _index: False,
    ) -> list[Recognition | None]:
        self.check(language, options)
        longest = self.profile.length_buckets_samples[-1]
        if any(len(window) > longest for window in windows):
            raise ValueError(f"a window is longer than {longest} samples")
        results: list[Recognition | None] = [_EMPTY] * len(windows)
        # Longest first: a batch sheds finished rows from its end.
        order = sorted(range(len(windows)), key=lambda index: -len(windows[index]))
        wanted = [index for index in order if not is_cancelled(index)]
        for index in set(order) - set(wanted):
            results[index] = None
        audible = [index for index in wanted if len(windows[index]) >= arch.MIN_SAMPLES]
        if audible:
            chosen = [windows[index] for index in audible]
            found = self._recognise(chosen, lambda row: is_cancelled(audible[row]))
            for index, result in zip(audible, found, strict=True):
                results[index] = result
        return results

    def check(self, language: str, options: RecognitionOptions) -> None:
        """Raises ValueError for what this family cannot do."""
        primary = language.lower().replace("_", "-").split("-")[0]
        if primary not in {AUTO_LANGUAGE, _LANGUAGE}:
            raise ValueError(f"language {language!r}: {self.profile.model} knows English only")
        if options.task not in self.profile.tasks:
            raise ValueError(f"task {options.task!r}: {self.profile.model} only transcribes")
        if options.beam_size != 1 or options.hotwords or options.prompt:
            raise ValueError(f"{self.profile.model} decodes greedily: no beam, hotwords or prompt")

    def warm(self) -> None:
        noise = np.random.default_rng(0).normal(0, 300, self.profile.length_buckets_samples[-1]).astype(np.int16)
        for bucket in self.profile.length_buckets_samples:
            self._run([noise[:bucket]], lambda _row: False, cap=2)
        shortest = noise[: self.profile.length_buckets_samples[0]]
        self._run([shortest] * self.profile.max_batch_size, lambda _row: False, cap=2)

    def _recognise(
        self, windows: Sequence[Int16Audio], is_cancelled: Callable[[int], bool]
    ) -> list[Recognition | None]:
        hypotheses, attention = self._run(windows, is_cancelled)
        return [
            None if hypothesis is None else self._words(window, hypothesis, attention[:, row, :, 0])
            for row, (window, hypothesis) in enumerate(zip(windows, hypotheses, strict=True))
        ]

    def _run(
        self, windows: Sequence[Int16Audio], is_cancelled: Callable[[int], bool], cap: int = arch.MAX_TOKENS
    ) -> tuple[list[Hypothesis | None], FloatArray]:
        caps = [min(cap, _token_cap(len(window))) for window in windows]
        run = self._decoder.start(self._encoder.encode(windows, padding_frames=self._padding_frames), max(caps))
        hypotheses = decode_greedy(
            run, caps, start_token=arch.START_TOKEN, end_token=arch.END_TOKEN, is_cancelled=is_cancelled
        )
        return hypotheses, run.attention

    def _words(self, window: Int16Audio, hypothesis: Hypothesis, attention: FloatArray) -> Recognition:
        words = self._tokenizer.words(hypothesis.tokens)
        if not words:
            return _EMPTY
        rows = len(hypothesis.tokens) + hypothesis.ended  # the end token's attention says where the last word ends
        frames = arch.frames_of(len(window))
        starts = np.append(token_starts(attention[:rows, :, :frames]), frames)
        spans = [WordSpan(int(starts[word.first]), int(starts[word.last + 1])) for word in words]
        times = times_of_words(window, spans, arch.FRAME_SAMPLES)
        logs = np.log(np.maximum(hypothesis.probabilities, 1e-9))
        spelled = tuple(
            RecognisedWord(word.text, start, end, float(np.exp(logs[word.first : word.last + 1].mean())))
            for word, (start, end) in zip(words, times, strict=True)
        )
        return Recognition(spelled, _LANGUAGE, 1.0, no_speech=float(1 - np.exp(logs.mean())))


# Moonshine has no "no speech" token. A window without words is taken as silence; otherwise one minus the geometric
# mean of the token probabilities stands in: low for clear speech, high where the decoder guesses at noise.
_EMPTY: Final = Recognition((), _LANGUAGE, 1.0, no_speech=1.0)


def _token_cap(samples: int) -> int:
    return min(arch.MAX_TOKENS, int(samples / SAMPLE_RATE_HZ * _TOKENS_PER_S) + _SPARE_TOKENS)
