"""WhisperRecogniser: windows in, words out. See recogniser.Recogniser for the contract."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from stenod_models.admission import check_lengths, check_options, recognise_audible
from stenod_models.contract import AUTO_LANGUAGE, Profile, RecognitionOptions
from stenod_models.decoding.beam import BeamSearch, Fusion
from stenod_models.decoding.hotwords import PhraseTrie
from stenod_models.decoding.marks import MarkBias, MarkTokens
from stenod_models.decoding.phrase_book import PhraseBook
from stenod_models.decoding.spellings import respelled
from stenod_models.device import CPU, Device
from stenod_models.families.whisper.architecture import MIN_SAMPLES, Architecture, frames_of
from stenod_models.families.whisper.attempts import (
    TEMPERATURES,
    Attempt,
    PromptedBatch,
    PromptedBeam,
    PromptedRun,
    better,
    decode,
    decode_by_beam,
)
from stenod_models.families.whisper.boosts import Boosts, Favour, Noise, together
from stenod_models.families.whisper.networks import load_networks
from stenod_models.families.whisper.sessions import SUPPRESSED, EncodedBatch
from stenod_models.families.whisper.spelling import token_texts, words_of
from stenod_models.families.whisper.transcript import Heard, heard_in, is_silence, silent, timed_words
from stenod_models.families.whisper.vocabulary import Vocabulary
from stenod_models.recogniser import Int16Audio, Recognition
from stenod_models.warming import warming_batches


class WhisperRecogniser:
    max_padding_ratio = 1.0  # every window is padded to the whole input, whatever its mates

    def __init__(self, artefacts: Path, profile: Profile, *, threads: int, device: Device = CPU) -> None:
        """Load from the version directory of a model repository entry. `threads` 0 lets ONNX Runtime choose."""
        arch = Architecture.from_json((artefacts / "whisper.json").read_text())
        self.profile = profile
        self._arch = arch
        self._vocabulary = Vocabulary.load(artefacts / "vocabulary.json", multilingual=arch.multilingual)
        self._features, self._encoder, self._decoder = load_networks(
            artefacts, arch, threads=threads, rows=profile.max_batch_size, device=device
        )
        texts = token_texts(self._vocabulary, arch.vocabulary)
        self._phrases = PhraseBook(texts, lambda text: (self._vocabulary.encode(text),))
        self._marks = MarkTokens(texts)
        never = self._vocabulary.never_chosen(arch.vocabulary, arch.suppressed)
        self._suppressed = np.where(never, SUPPRESSED, np.float32(0))[None]
        self._suppressed_first = self._suppressed.copy()
        self._suppressed_first[0, list(arch.suppressed_first)] = SUPPRESSED

    def have_own_memory(self) -> None:
        """For a copy that another thread uses: the weights are shared, what is written is not. Not of torch."""
        self._encoder, self._decoder = self._encoder.twin(), self._decoder.twin()

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
            lambda audible, is_row_cancelled: self._recognise(audible, language, options, is_row_cancelled),
            is_audible=lambda window: len(window) >= MIN_SAMPLES and bool(np.any(window)),
            silence=silent(Heard(self._vocabulary.language_of(language) or "en", 0.0, 1.0)),
            is_cancelled=is_cancelled,
        )

    def check(self, language: str, options: RecognitionOptions) -> None:
        """Raises ValueError for what this model cannot do."""
        if language.lower() != AUTO_LANGUAGE and self._vocabulary.language_of(language) is None:
            raise ValueError(f"language {language!r}: {self.profile.model} knows {', '.join(self.profile.languages)}")
        check_options(options, self.profile)

    def warm(self) -> None:
        for windows in warming_batches(self.profile):
            batch, _heard = self._prompted(windows, AUTO_LANGUAGE, RecognitionOptions())
            self._attempt(batch, 0.0, lambda _row: False, cap=2)

    def _recognise(
        self,
        windows: Sequence[Int16Audio],
        language: str,
        options: RecognitionOptions,
        is_cancelled: Callable[[int], bool],
    ) -> list[Recognition | None]:
        batch, heard = self._prompted(windows, language, options)
        return [
            None if attempt is None else self._recognition(window, listened, attempt, options)
            for window, listened, attempt in zip(windows, heard, self._decode(batch, heard, is_cancelled), strict=True)
        ]

    def _prompted(
        self, windows: Sequence[Int16Audio], language: str, options: RecognitionOptions
    ) -> tuple[PromptedBatch, list[Heard]]:
        encoded = self._encoder.encode([self._features(window) for window in windows])
        heard = self._listen(encoded, language)
        previous = self._vocabulary.encode(options.prompt) if options.prompt.strip() else []
        last = previous[-self._arch.most_prompt_tokens :]
        prompts = [self._vocabulary.prompt(item.language, options.task, last) for item in heard]
        return PromptedBatch(windows, encoded, np.array(prompts, np.int64), options), heard

    def _listen(self, encoded: EncodedBatch, language: str) -> list[Heard]:
        """One step over the start token alone: what stands in the place of the language says both."""
        run = self._decoder.start(encoded, capacity=1, steps=1, frames=1)
        start = np.full((encoded.rows, 1), self._vocabulary.start, np.int64)
        known = None if language.lower() == AUTO_LANGUAGE else self._vocabulary.language_of(language)
        return [heard_in(row, self._vocabulary, known) for row in run.logits(start)]

    def _decode(
        self, batch: PromptedBatch, heard: Sequence[Heard], is_cancelled: Callable[[int], bool]
    ) -> list[Attempt | None]:
        """The attempt to keep of each row: the first sound one, or the best."""
        kept: list[Attempt | None] = [None] * len(heard)
        pending = list(range(len(heard)))
        for temperature in TEMPERATURES:
            rows, pending = pending, []
            if not rows:
                break
            found = self._attempt(batch.only(rows), temperature, lambda place, rows=rows: is_cancelled(rows[place]))  # type: ignore[misc]
            for row, attempt in zip(rows, found, strict=True):
                kept[row] = None if attempt is None else better(kept[row], attempt)
                if attempt and not attempt.is_sound and not is_silence(heard[row], attempt):
                    pending.append(row)
        return kept

    def _attempt(
        self, batch: PromptedBatch, temperature: float, is_cancelled: Callable[[int], bool], cap: int | None = None
    ) -> list[Attempt | None]:
        arch = self._arch
        length = batch.prompts.shape[1]
        steps = min(arch.target_positions // 2 if cap is None else cap, arch.target_positions - length)
        frames = max(frames_of(len(window)) for window in batch.windows)
        beam_size = 1 if temperature else batch.options.beam_size
        run = self._decoder.start(
            batch.encoded, capacity=length + steps, steps=steps, frames=frames, beam_size=beam_size
        )
        if beam_size > 1:
            beam = PromptedBeam(run, batch.prompts, self._suppressed_first, self._suppressed)
            search = self._search(batch.options)
            return decode_by_beam(beam, steps, search, vocabulary=self._vocabulary, is_cancelled=is_cancelled)
        boosts: list[Boosts] = [Noise(batch.windows, temperature, arch.vocabulary)] if temperature else []
        boosts.extend(Favour(favoured, arch.vocabulary) for favoured in self._favoured(batch.options))
        step = PromptedRun(run, batch.prompts, self._suppressed_first, self._suppressed, together(boosts))
        return decode(step, steps, vocabulary=self._vocabulary, is_cancelled=is_cancelled, temperature=temperature)

    def _search(self, options: RecognitionOptions) -> BeamSearch:
        end = self._vocabulary.end
        fusions: Sequence[Fusion] = self._favoured(options)
        return BeamSearch(beam_size=options.beam_size, start_token=end, end_token=end, fusions=fusions)

    def _favoured(self, options: RecognitionOptions) -> list[PhraseTrie | MarkBias]:
        trie = self._phrases.trie_of(options.hotwords) if options.hotwords else None
        marks = self._marks.raised(options.mark_bias)
        return [favoured for favoured in (trie, marks) if favoured is not None]

    def _recognition(
        self, window: Int16Audio, heard: Heard, attempt: Attempt, options: RecognitionOptions
    ) -> Recognition:
        tokens = attempt.hypothesis.tokens
        if is_silence(heard, attempt):
            return silent(heard)
        words = words_of(self._vocabulary, tokens, "en" if options.task == "translate" else heard.language)
        words = self._marks.sure(words, tokens, attempt.hypothesis.probabilities, options.mark_bias)
        if options.hotwords:
            words = respelled(words, self._phrases.trie_of(options.hotwords).matches(tokens))
        if not words:
            return silent(heard)
        timed = timed_words(window, attempt, words)
        return Recognition(timed, heard.language, heard.confidence, heard.no_speech)
