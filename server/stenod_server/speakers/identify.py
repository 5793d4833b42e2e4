"""Which speakers of a recording are voices that are known already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_server.domain.diarization import DEFAULT_SENSITIVITY
from stenod_server.ports import Embedding
from stenod_server.speakers.turns import SpeakerTurns

# The cosine from which two embeddings are taken for one person's: between all pairs of one speaker's recordings and
# all pairs of two speakers' that `tests.proofs.identification` has.
SAME_VOICE: Final = 0.4
_SHORTEST: Final = 1e-6  # a mean of opposites has no direction
_SWAY: Final = 0.1  # of the above from sensitivity 0, where a known speaker is preferred, to 1, where a new one is


@dataclass(frozen=True, slots=True, eq=False)
class KnownVoice:
    """`embeddings`, at least one, are float32 (dimensions,) of length 1, each of another recording of the voice."""

    label: str
    embeddings: tuple[Embedding, ...]


def identify(
    turns: SpeakerTurns, known: Sequence[KnownVoice], *, sensitivity: float = DEFAULT_SENSITIVITY
) -> SpeakerTurns:
    """The same with the labels of who is known; the others are S1, S2 … in order of appearance.

    Nobody is two of the known, and no two speakers are the same one: those most alike are matched first.
    """
    if not turns.speakers or not known:
        return turns
    scores = _scores([speaker.centroid for speaker in turns.speakers], known)
    labels = {
        speaker: known[voice].label
        for speaker, voice in _matches(scores, SAME_VOICE + _SWAY * (sensitivity - DEFAULT_SENSITIVITY))
    }
    strangers = (place for place in range(len(turns.speakers)) if place not in labels)
    return turns.renamed(labels | {place: f"S{number}" for number, place in enumerate(strangers, start=1)})


def _scores(centroids: Sequence[Embedding], known: Sequence[KnownVoice]) -> npt.NDArray[np.float32]:
    """(speakers, known): the cosine with the mean of a voice's embeddings, which tells voices apart better than the
    most alike of them does: with every one there is another chance for a stranger.
    """
    means = np.stack([np.mean(voice.embeddings, axis=0) for voice in known])
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(np.stack(centroids) @ (means / np.maximum(lengths, _SHORTEST)).T, np.float32)


def _matches(scores: npt.NDArray[np.float32], least: float) -> Sequence[tuple[int, int]]:
    """(speaker, voice), the most alike first."""
    found = []
    left = scores.copy()
    while left.max() >= least:
        speaker, voice = divmod(int(left.argmax()), left.shape[1])
        found.append((speaker, voice))
        left[speaker, :] = left[:, voice] = -np.inf
    return found
