"""Voices that wait to be clustered."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final, Self

import numpy as np

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.ports import Embedding, Voice, VoiceSpan, WindowVoices
from stenod_server.speakers.clusters import Prints
from stenod_server.speakers.packing import packed, unpacked_numbers

# Two voices that are heard at once for less may be one that the model was unsure about.
_OVERLAP_SAMPLES: Final = round(0.1 * SAMPLE_RATE_HZ)
_LEAST_WEIGHT_S: Final = 0.1  # of a voice that is never heard alone
# Of clean speech: from here on the embedding of a voice can be trusted. Who talks alone for longer has such voices,
# however the model cuts its speech; at a change of turn, or under somebody else, a voice has less.
CLEAR_S: Final = 1.5


class Block:
    """`apart`: pairs of places that are of two people, having been heard at the same time."""

    def __init__(self) -> None:
        self._embeddings: list[Embedding] = []
        self._weights_s: list[float] = []
        self.apart: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._weights_s)

    def add(self, voices: WindowVoices) -> None:
        first = len(self)
        for voice in voices.voices:
            self._embeddings.append(voice.embedding)
            self._weights_s.append(weight_s(voice))
        for one, other in combinations(voices.spans, 2):
            if one.voice != other.voice and _shared_samples(one, other) >= _OVERLAP_SAMPLES:
                self.apart.append((first + one.voice, first + other.voice))

    def prints(self) -> Prints:
        if not self._weights_s:
            return Prints.none()
        weights_s = np.array(self._weights_s, np.float32)
        clear_s = np.where(weights_s >= CLEAR_S, weights_s, np.float32(0))
        return Prints(np.stack(self._embeddings).astype(np.float32) * weights_s[:, None], weights_s, clear_s)

    def remember(self) -> dict[str, Any]:
        embeddings = np.stack(self._embeddings) if self._embeddings else np.zeros((0, 0), np.float32)
        return {"embeddings": packed(embeddings), "weights": self._weights_s, "apart": self.apart}

    @classmethod
    def recall(cls, memory: Mapping[str, Any]) -> Self:
        block = cls()
        block._weights_s = [float(weight) for weight in memory["weights"]]
        if block._weights_s:
            block._embeddings = list(unpacked_numbers(memory["embeddings"]).reshape(len(block._weights_s), -1))
        block.apart = [(int(one), int(other)) for one, other in memory["apart"]]
        return block


def weight_s(voice: Voice) -> float:
    """How much a voice counts for the centroid of its person."""
    return max(voice.clean_samples / SAMPLE_RATE_HZ, _LEAST_WEIGHT_S)


def _shared_samples(one: VoiceSpan, other: VoiceSpan) -> int:
    return min(one.end_samples, other.end_samples) - max(one.start_samples, other.start_samples)
