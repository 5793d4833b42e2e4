"""The one language of a job that names none, from what a recogniser says of its first windows with speech. Pure.

Each window votes as it does for the transcript's language (facts.py): with the length of its audio times the certainty
of the recogniser, which is the posterior of its language token (Whisper: Radford et al. 2022, section 2.3) or whatever
the family's own measure is. Windows are taken until one language is ahead for good, or enough was heard.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.ports import WindowResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceRules:
    """`expected` languages alone count, where there are any; `de` is of `de-CH` and the other way round.

    Listened to are `least_speech_s` of speech, and more until one language cannot lose any more or `most_speech_s` were
    heard; whatever is heard, `most_windows`. A choice below `least_confidence_ratio` is not certain.
    """

    expected: Sequence[str] = ()
    least_speech_s: float = 10.0
    most_speech_s: float = 60.0
    most_windows: int = 12
    least_confidence_ratio: float = 0.5


@dataclass(frozen=True, slots=True)
class LanguageChoice:
    """`language` is empty where nothing was heard, or nothing that can be expected. `confidence` is the share of all
    that was heard, 0 to 1.
    """

    language: str
    confidence: float
    is_certain: bool
    is_speech: bool = True

    @property
    def doubt(self) -> str:
        """Why it is not certain, in words; empty where it is, and where nothing was heard that could be doubted."""
        if self.is_certain or not self.is_speech:
            return ""
        return f"most like {self.language} ({self.confidence:.2f})" if self.language else "like none that is expected"


@dataclass(slots=True)
class LanguageBallot:
    """Takes the votes of a job's windows, in order of time."""

    rules: ChoiceRules = field(default_factory=ChoiceRules)
    _weights: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _heard_samples: int = 0
    _windows: int = 0

    def vote(self, result: WindowResult, *, window_samples: int) -> None:
        """A window without words has no voice: a guess about silence or music is noise. Nor has one whose recogniser
        does not say what it heard.
        """
        self._windows += 1
        if not result.words or not result.language or not result.language_confidence:
            return
        self._heard_samples += window_samples
        if language := self._expected_as(result.language):
            self._weights[language] += window_samples * result.language_confidence

    @property
    def is_over(self) -> bool:
        """Whether more windows would change nothing, or cost more than they tell."""
        heard_s = self._heard_samples / SAMPLE_RATE_HZ
        if heard_s >= self.rules.most_speech_s or self._windows >= self.rules.most_windows:
            return True
        if heard_s < self.rules.least_speech_s or not self.choice.is_certain:
            return False
        first, second = sorted((*self._weights.values(), 0.0), reverse=True)[:2]
        left_samples = (self.rules.most_speech_s - heard_s) * SAMPLE_RATE_HZ
        return second == 0.0 or first - second > left_samples

    @property
    def choice(self) -> LanguageChoice:
        """As things stand; equal weights go to the first by name, so that a repeated job chooses alike."""
        if not self._weights:
            return LanguageChoice("", 0.0, is_certain=False, is_speech=self._heard_samples > 0)
        winner = max(sorted(self._weights), key=self._weights.__getitem__)
        confidence = min(1.0, self._weights[winner] / self._heard_samples)
        return LanguageChoice(winner, confidence, confidence >= self.rules.least_confidence_ratio)

    def _expected_as(self, language: str) -> str:
        """The language in the spelling of `expected`; empty where it is none of them."""
        if not self.rules.expected:
            return language
        for code in self.rules.expected:
            if code.lower() == language.lower():
                return code
        primary = language.lower().split("-")[0]
        return next((code for code in self.rules.expected if code.lower().split("-")[0] == primary), "")
