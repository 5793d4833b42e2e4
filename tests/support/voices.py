"""Made voices: people whose embeddings lie as CAM++'s do, without any audio."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.ports import Embedding, Voice, VoiceSpan, WindowVoices

DIMENSIONS = 192
_NOISE_RATIO = 0.55  # of the length: two embeddings of a person then have a cosine of about 0.77


@dataclass(slots=True)
class Cast:
    """People with voices; the same seed gives the same."""

    people: int
    seed: int = 0
    noise: np.random.Generator = field(init=False)
    _voices: Embedding = field(init=False)

    def __post_init__(self) -> None:
        self.noise = np.random.default_rng(self.seed)
        self._voices = _unit(self.noise.normal(size=(self.people, DIMENSIONS)))

    def voice(self, person: int, clean_s: float = 3.0) -> Voice:
        noise = _unit(self.noise.normal(size=DIMENSIONS)) * _NOISE_RATIO
        return Voice(_unit(self._voices[person] + noise), round(clean_s * SAMPLE_RATE_HZ))

    def like(self, person: int, cosine: float, clean_s: float) -> Voice:
        """A voice of nobody that has about this cosine with the person's."""
        own = self.voice(person).embedding
        other = self.noise.normal(size=DIMENSIONS)
        other = other - (other @ own) * own
        mixed = cosine * own + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)
        return Voice(mixed.astype(np.float32), samples(clean_s))

    def window(self, *spans: tuple[float, float, int]) -> WindowVoices:
        """Spans of (start in seconds, end in seconds, person); each person is one voice."""
        heard = sorted({person for _start, _end, person in spans})
        length_s = {person: sum(end - start for start, end, who in spans if who == person) for person in heard}
        return WindowVoices(
            tuple(VoiceSpan(samples(start), samples(end), heard.index(who)) for start, end, who in sorted(spans)),
            tuple(self.voice(person, length_s[person]) for person in heard),
        )


def conversation(cast: Cast, windows: int, *, window_s: float = 15.0) -> Iterator[tuple[int, WindowVoices]]:
    """(start, voices) of windows in which two people at a time take turns of a few seconds."""
    for number in range(windows):
        first, second = number % cast.people, (number + 1) % cast.people
        spans = [(0.5, 4.0, first), (4.2, 8.0, second), (7.8, 11.0, first), (11.5, 14.5, second)]
        yield samples(number * window_s), cast.window(*spans)


def samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)


def _unit(vectors: npt.NDArray[np.float64]) -> Embedding:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / lengths, np.float32)
