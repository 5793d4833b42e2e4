"""Proof: hotwords are heard, and nothing is heard because of them that was not said.

    python -m tests.proofs.hotwords [moonshine] [whisper] [--every N]

Of every English recording the rare words that the model misses greedily become hotwords, first alone, then among 10 and
100 that belong to other recordings, then among as many as a job may have. Prints for greedy decoding, and a beam where
the model has one, how many of the missed words are heard, how many listed words are heard that were not said, the word
error rate, and the speed, in seconds of audio per second of processor; then what the phrases cost a decoding step. With
the default model and with Whisper base. Exit status 1 when too few are heard or too many invented.
"""

import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jiwer
import numpy as np
import numpy.typing as npt
from whisper_normalizer.english import EnglishTextNormalizer

from stenod_models.contract import MAX_HOTWORDS, SAMPLE_RATE_HZ, Hotword, RecognitionOptions
from stenod_models.decoding.hotwords import Phrase, PhraseTrie
from stenod_models.recogniser import Recogniser
from tests.support.families import prove_families
from tests.support.models import read_audio
from tests.support.speech import english_with_text

LONGEST_S = 30
RARE_IN = 2  # recordings at most
FEW, DISTRACTORS = 10, 100
BEAM = 5
STEPS = 200
LEAST_HEARD_RATIO = 0.5  # of the missed words, by the best search, among the distractors
MOST_INVENTED_RATIO = 0.1  # of the recordings, as above

Options = Callable[[str], RecognitionOptions]
Texts = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Corpus:
    """`audio` and the words of `references` by recording; `missed` are the rare ones that are not heard greedily."""

    audio: Mapping[str, npt.NDArray[np.int16]]
    references: Texts
    missed: Texts
    rare: Sequence[str]

    def hotwords(self, name: str, count: int) -> tuple[Hotword, ...]:
        """The missed words of a recording and `count` rare ones that are not said in it, or as many as there are."""
        others = [word for word in self.rare if word not in self.references[name]]
        others += [f"{one}{other}" for one in others[:60] for other in others[-60:]]
        chosen = random.Random(name).sample(others, count)
        return tuple(Hotword(word) for word in (*self.missed[name], *chosen))


@dataclass(frozen=True, slots=True)
class Trial:
    name: str
    heard: int
    invented: int
    wer: float
    speed: float

    def __str__(self) -> str:
        return f"{self.name:42} {self.heard:5} {self.invented:9} {self.wer:7.2f} {self.speed:8.1f}"


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def recognise(
    recogniser: Recogniser, audio: Mapping[str, npt.NDArray[np.int16]], options: Options
) -> tuple[Texts, float]:
    """The words of every recording, one by one on one thread, and the seconds of processor that it took."""
    texts, begin = {}, time.process_time()
    for name, samples in audio.items():
        (result,) = recogniser.recognise([samples], language="en", options=options(name))
        texts[name] = words_of(" ".join(word.text for word in result.words)) if result else []
    return texts, time.process_time() - begin


def corpus_of(recogniser: Recogniser, every: int) -> Corpus:
    chosen = [recording for recording in english_with_text() if recording.duration_s <= LONGEST_S][::every]
    references = {recording.id: words_of(recording.text) for recording in chosen}
    audio = {recording.id: read_audio(recording.path) for recording in chosen}
    plain, _ = recognise(recogniser, audio, lambda _name: RecognitionOptions())
    said_in = Counter(word for words in references.values() for word in set(words))
    heard = {word for words in plain.values() for word in words}
    normalise = EnglishTextNormalizer()

    def is_rare(word: str) -> bool:  # a number is no word: the model writes digits
        is_word = len(word) >= 5 and word.isalpha() and normalise(word).isalpha()
        return is_word and said_in[word] <= RARE_IN

    rare = sorted(word for word in said_in if is_rare(word))
    missed = {
        name: [word for word in dict.fromkeys(words) if is_rare(word) and word not in heard]
        for name, words in references.items()
    }
    return Corpus(audio, references, missed, rare)


def trial(recogniser: Recogniser, corpus: Corpus, name: str, options: Options) -> Trial:
    recognise(recogniser, dict(list(corpus.audio.items())[:2]), options)  # what is loaded at first use
    texts, took_s = recognise(recogniser, corpus.audio, options)
    invented = 0
    for recording, words in texts.items():
        listed = {hotword.text for hotword in options(recording).hotwords}
        invented += sum(word in listed for word in (Counter(words) - Counter(corpus.references[recording])).elements())
    normalise = EnglishTextNormalizer()
    said, heard = (
        [normalise(" ".join(words[recording])) or "-" for recording in texts] for words in (corpus.references, texts)
    )
    seconds = sum(len(samples) for samples in corpus.audio.values()) / SAMPLE_RATE_HZ
    found = sum(word in texts[recording] for recording, words in corpus.missed.items() for word in words)
    return Trial(name, found, invented, 100 * jiwer.wer(said, heard), seconds / took_s)


def trials(recogniser: Recogniser, corpus: Corpus) -> list[Trial]:
    done = []
    searches = [(1, "greedy"), (BEAM, f"beam of {BEAM}")]
    for beam_size, search in searches if recogniser.profile.max_beam_size >= BEAM else searches[:1]:
        plain = RecognitionOptions(beam_size=beam_size)
        done.append(trial(recogniser, corpus, search, lambda _name, plain=plain: plain))  # type: ignore[misc]
        print(done[-1], flush=True)
        most = max(len(words) for words in corpus.missed.values())
        for count in (0, FEW, DISTRACTORS, MAX_HOTWORDS - most):
            by_name = {
                name: RecognitionOptions(beam_size=beam_size, hotwords=corpus.hotwords(name, count))
                for name in corpus.audio
            }
            done.append(trial(recogniser, corpus, f"{search}, hotwords and {count} others", by_name.__getitem__))
            print(done[-1], flush=True)
    return done


def step_cost_ms(entries: int, slots: int) -> float:
    """Of the trie alone: wanted tokens, amounts of them and of the best, and the next states.

    One hypothesis in eight is inside a phrase.
    """
    rng = np.random.default_rng(0)
    vocabulary = 32_768
    phrases = [Phrase(tuple(rng.integers(300, vocabulary, 4).tolist()), 2.0) for _ in range(3 * entries)]
    trie = PhraseTrie(phrases, rng.random(vocabulary) < 0.5)
    states = trie.start(slots)
    begin = time.perf_counter()
    for _ in range(STEPS):
        wanted = trie.wanted(states)
        trie.amounts(states, np.concatenate([wanted[:, :10], wanted], axis=1))
        states = trie.advance(states, np.where(rng.random(slots) < 1 / 8, wanted[:, -1], 0))
    return (time.perf_counter() - begin) / STEPS * 1000


def proven(recogniser: Recogniser, every: int) -> bool:
    corpus = corpus_of(recogniser, every)
    missed = sorted({word for words in corpus.missed.values() for word in words})
    total = sum(len(words) for words in corpus.missed.values())
    print(
        f"{recogniser.profile.model}: {len(corpus.audio)} recordings; {total} rare words are not heard greedily: "
        f"{' '.join(missed)}\n{'':42} heard  invented   WER %  x real time"
    )
    judged = next(one for one in trials(recogniser, corpus)[::-1] if f" {DISTRACTORS} others" in one.name)
    enough = judged.heard >= LEAST_HEARD_RATIO * total
    clean = judged.invented <= MOST_INVENTED_RATIO * len(corpus.audio)
    print(f"{judged.name}: {'ok' if enough and clean else 'FAIL'}")
    return enough and clean


def main() -> int:
    holds = prove_families(__doc__, proven)
    for entries in (10, 100, MAX_HOTWORDS):
        costs = ", ".join(f"{step_cost_ms(entries, slots):.2f} ms for {slots}" for slots in (1, 8, 40))
        print(f"{entries} entries of three spellings cost a step {costs} hypotheses")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
