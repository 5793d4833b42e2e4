"""Which speakers of a recording are voices that are known already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_server.ports import Embedding
from stenod_server.speakers.turns import SpeakerTurns

SAME_VOICE: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class KnownVoice:
    """`embeddings`, at least one, are float32 (dimensions,) of length 1, each of another recording of the voice."""

    label: str
    embeddings: tuple[Embedding, ...]


def identify(turns: SpeakerTurns, known: Sequence[KnownVoice]) -> SpeakerTurns:
    """The same with the labels of who is known; the others are S1, S2 … in order of appearance.

    Nobody is two of the known, and no two speakers are the same one: the most alike are matched first.
    """
    if not turns.speakers or not known:
        return turns
    labels = _matched(_scores([speaker.centroid for speaker in turns.speakers], known), known)
    if not labels:
        return turns
    strangers = (place for place in range(len(turns.speakers)) if place not in labels)
    numbered = {place: f"S{number}" for number, place in enumerate(strangers, start=1)}
    return turns.renamed(labels | numbered)


def _scores(centroids: Sequence[Embedding], known: Sequence[KnownVoice]) -> npt.NDArray[np.float32]:
    """(speakers, known): the cosine with the most alike of a voice's embeddings."""
    columns = [np.max(np.stack(centroids) @ np.stack(voice.embeddings).T, axis=1) for voice in known]
    return np.stack(columns, axis=1)


def _matched(scores: npt.NDArray[np.float32], known: Sequence[KnownVoice]) -> Mapping[int, str]:
    """Labels by the places of speakers."""
    found: dict[int, str] = {}
    left = scores.copy()
    while left.size and left.max() >= SAME_VOICE:
        speaker, voice = np.unravel_index(left.argmax(), left.shape)
        found[int(speaker)] = known[int(voice)].label
        left[speaker, :] = left[:, voice] = -np.inf
    return found
