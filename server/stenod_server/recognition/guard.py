"""What a recogniser invents on noise and silence: loops, and words where nobody speaks.

Cautious by design: text that is merely odd is *flagged*, so that a person can look; text is dropped only where it is
certain that nobody said it. The measures on text are those of openai/whisper (`transcribe.py`:
compression_ratio_threshold 2.4, logprob_threshold -1.0 = a mean token probability of 0.37, no_speech_threshold 0.6; the
ratio is `len(text) / len(zlib.compress(text))`), with the difference that Whisper decodes such a window again.
"""

import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from stenod_server.domain.audio import to_seconds
from stenod_server.domain.transcript import Word
from stenod_server.text.scripts import is_mostly_in

_NOT_ALPHANUMERIC: Final = re.compile(r"[\W_]+")


class Oddity(StrEnum):
    """What was found; also the `reason` of the transcript's warning."""

    LOOP_COLLAPSED = "LOOP_COLLAPSED"  # dropped: the same words over and over
    NO_SPEECH_DROPPED = "NO_SPEECH_DROPPED"  # dropped: a few unlikely words in a window without speech
    REPETITIVE_TEXT = "REPETITIVE_TEXT"  # kept: compresses like a loop
    IMPLAUSIBLE_PACE = "IMPLAUSIBLE_PACE"  # dropped: more words than can be said in the time
    SAME_TEXT_REPEATED = "SAME_TEXT_REPEATED"  # kept: window after window with the same text
    FOREIGN_SCRIPT = "FOREIGN_SCRIPT"  # dropped: letters that no language of the recogniser is written with
    LANGUAGE_DRIFT = "LANGUAGE_DRIFT"  # kept: text in another language than the job's (see drift.py)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardLimits:
    """The thresholds. To be tuned on recordings, so they stand in one place. `scripts`: in which the recogniser's
    languages are written; empty where that is not known.
    """

    loop_max_words: int = 10  # the longest phrase looked at
    loop_min_repeats: int = 6  # of a phrase of two words or more; nobody says one six times running in one window
    loop_min_repeats_of_a_word: int = 12  # "no, no, no, no" is said; a dozen is not
    compression_ratio: float = 2.4
    compression_min_characters: int = 60  # shorter text compresses too unevenly to judge
    max_words_per_s: float = 12.0  # the fastest speakers reach 7 or 8 for a moment
    max_words_per_s_of_a_loop: float = 8.0
    pace_min_words: int = 8
    no_speech_max_words: int = 8
    no_speech_probability: float = 0.6
    no_speech_confidence: float = 0.37
    same_text_windows: int = 4
    scripts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The words that stay, and what was odd."""

    words: tuple[Word, ...]
    oddities: tuple[Oddity, ...] = ()


class Guard:
    """Looks at the windows of a recording in order; remembers the text of the last one alone."""

    def __init__(self, limits: GuardLimits | None = None) -> None:
        self._limits = limits or GuardLimits()
        self._last_text = ""
        self._same = 0

    def remember(self) -> dict[str, Any]:
        """See `Stitcher.remember`."""
        return {"last_text": self._last_text, "same": self._same}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """See `Stitcher.recall`."""
        self._last_text, self._same = str(memory["last_text"]), int(memory["same"])

    def inspect(self, words: Sequence[Word], *, no_speech: float, window_samples: int) -> Verdict:
        """Judge a window's words; `no_speech` is the recogniser's own probability, `window_samples` what it heard."""
        limits = self._limits
        if not words:
            return Verdict(())
        if _is_silence(words, no_speech, limits):
            return Verdict((), (Oddity.NO_SPEECH_DROPPED,))
        if limits.scripts and not is_mostly_in("".join(word.text for word in words), limits.scripts):
            return Verdict((), (Oddity.FOREIGN_SCRIPT,))
        kept = collapse_loops(words, limits)
        has_loop = len(kept) < len(words)
        if _is_runaway(words, kept, to_seconds(window_samples), limits):
            return Verdict((), (Oddity.IMPLAUSIBLE_PACE,))
        oddities = [Oddity.LOOP_COLLAPSED] if has_loop else []
        if compression_ratio(kept, limits) > limits.compression_ratio:
            oddities.append(Oddity.REPETITIVE_TEXT)
        if self._is_stuck(words):
            oddities.append(Oddity.SAME_TEXT_REPEATED)
        return Verdict(tuple(kept), tuple(oddities))

    def _is_stuck(self, words: Sequence[Word]) -> bool:
        text = " ".join(_plain(word) for word in words)
        self._same = self._same + 1 if text == self._last_text else 1
        self._last_text = text
        return self._same >= self._limits.same_text_windows


def collapse_loops(words: Sequence[Word], limits: GuardLimits) -> list[Word]:
    """Keep the first of a phrase that is repeated back to back more often than anybody does, and what follows it."""
    plain = [_plain(word) for word in words]
    kept: list[Word] = []
    at = 0
    while at < len(words):
        length, repeats = _loop_at(plain, at, limits)
        if repeats:
            kept += words[at : at + length]
            at += length * repeats
        else:
            kept.append(words[at])
            at += 1
    return kept


def compression_ratio(words: Sequence[Word], limits: GuardLimits) -> float:
    """How much smaller zlib makes the text; 0 where it is too short to tell."""
    text = " ".join(word.text for word in words).encode()
    if len(text) < limits.compression_min_characters:
        return 0.0
    return len(text) / len(zlib.compress(text))


def _loop_at(plain: Sequence[str], at: int, limits: GuardLimits) -> tuple[int, int]:
    """Length and count of a loop that starts here; (0, 0): none."""
    for length in range(1, limits.loop_max_words + 1):
        needed = limits.loop_min_repeats_of_a_word if length == 1 else limits.loop_min_repeats
        if at + length * needed > len(plain):
            continue
        phrase = plain[at : at + length]
        repeats = 1
        while plain[at + repeats * length : at + (repeats + 1) * length] == phrase:
            repeats += 1
        # Digits are read out as they are ("0 0 0 0 ..."): text that says something each time is no loop.
        if repeats >= needed and any(word and not word.isdigit() for word in phrase):
            return length, repeats
    return 0, 0


def _is_silence(words: Sequence[Word], no_speech: float, limits: GuardLimits) -> bool:
    """All three must hold: few words, unlikely ones, and a recogniser that itself doubts that it heard speech."""
    if len(words) > limits.no_speech_max_words or no_speech < limits.no_speech_probability:
        return False
    mean = math.fsum(word.confidence for word in words) / len(words)
    return mean < limits.no_speech_confidence


def _is_runaway(words: Sequence[Word], kept: Sequence[Word], window_s: float, limits: GuardLimits) -> bool:
    """A decoder that runs away over a short sound stops at its limit of tokens alone: nobody said any of it.

    `kept` are the `words` without their loops; where there is more to it than the loop, that much was said.
    """
    if len(kept) < min(len(words), limits.pace_min_words):
        return _is_faster(words, limits.max_words_per_s_of_a_loop, window_s, limits)
    return _is_faster(kept, limits.max_words_per_s, window_s, limits)


def _is_faster(words: Sequence[Word], words_per_s: float, window_s: float, limits: GuardLimits) -> bool:
    # Scripts without blanks come letter by letter: their pace is not that of words.
    count = sum(len(_plain(word)) > 1 for word in words)
    return count >= limits.pace_min_words and count > words_per_s * window_s


def _plain(word: Word) -> str:
    return _NOT_ALPHANUMERIC.sub("", word.text).casefold()
