"""What is known of a transcript as a whole: its language by a vote of the windows, and the warnings."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stenod_server.domain.audio import to_seconds
from stenod_server.domain.transcript import TranscriptInfo, Warning  # noqa: A004  the word the API uses
from stenod_server.ports import AudioSummary, WindowResult
from stenod_server.recognition.guard import Oddity
from stenod_server.recognition.stitch import Frame

DAMAGED_MEDIA = "DAMAGED_MEDIA"


@dataclass(slots=True)
class _Sightings:
    count: int
    first_samples: int


@dataclass(slots=True)
class Facts:
    """Grows with the number of languages, channels and oddities, not with the recording."""

    _weights: dict[tuple[int, str], float] = field(
        default_factory=lambda: defaultdict(float)
    )  # of channel and language
    _heard_samples: int = 0
    _sightings: dict[Oddity, _Sightings] = field(default_factory=dict)

    def remember(self) -> dict[str, Any]:
        """See `Stitcher.remember`."""
        return {
            "weights": [[*of, weight] for of, weight in self._weights.items()],
            "heard": self._heard_samples,
            "oddities": {str(oddity): [seen.count, seen.first_samples] for oddity, seen in self._sightings.items()},
        }

    def recall(self, memory: Mapping[str, Any]) -> None:
        """See `Stitcher.recall`."""
        self._weights.update({(channel, language): weight for channel, language, weight in memory["weights"]})
        self._heard_samples = int(memory["heard"])
        self._sightings = {Oddity(name): _Sightings(*seen) for name, seen in memory["oddities"].items()}

    def vote(self, frame: Frame, result: WindowResult) -> None:
        """A window with words votes for its language: its length times its certainty. Without that it has no voice."""
        if result.words and result.language and result.language_confidence:
            self._weights[frame.channel, result.language] += frame.kept_samples * result.language_confidence
            self._heard_samples += frame.kept_samples

    def language_on(self, channel: int) -> str:
        """That of most of what was heard on a channel so far, or of all where it said nothing; empty at the start."""
        return _heaviest(self._by_language(channel)) or _heaviest(self._by_language())

    def _by_language(self, channel: int | None = None) -> dict[str, float]:
        weights: dict[str, float] = defaultdict(float)
        for (on, language), weight in self._weights.items():
            if channel in {None, on}:
                weights[language] += weight
        return weights

    def note(self, frame: Frame, oddities: tuple[Oddity, ...]) -> None:
        for oddity in oddities:
            seen = self._sightings.setdefault(oddity, _Sightings(0, frame.start_samples))
            seen.count += 1

    def info(self, summary: AudioSummary, *, model: str, language: str) -> TranscriptInfo:
        """`language` is what was asked for; it stands where no window has spoken, unless it is `auto`."""
        asked = "" if language == "auto" else language
        weights = self._by_language()
        winner = _heaviest(weights) or asked
        certainty = weights.get(winner, 0.0) / self._heard_samples if self._heard_samples else 0.0
        return TranscriptInfo(
            duration_samples=summary.duration_samples,
            language=winner,
            language_confidence=min(1.0, certainty),
            model=model,
            speech_samples=summary.speech_samples,
            windows=summary.windows,
            warnings=self._warnings(summary),
        )

    def _warnings(self, summary: AudioSummary) -> tuple[Warning, ...]:
        damaged = [Warning(DAMAGED_MEDIA, summary.damage)] if summary.damage else []
        odd = [
            Warning(
                oddity,
                f"{seen.count} of {summary.windows} windows; the first at {to_seconds(seen.first_samples):.1f} s",
            )
            for oddity, seen in self._sightings.items()
        ]
        return (*damaged, *odd)


def _heaviest(weights: Mapping[str, float]) -> str:
    return max(sorted(weights), key=weights.__getitem__, default="")
