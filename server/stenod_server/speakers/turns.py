"""Who speaks when over a whole recording: what telling speakers apart gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self, overload

import numpy as np
import numpy.typing as npt

from stenod_server.ports import Embedding

Places = npt.NDArray[np.int64]


class Turn(NamedTuple):
    """Samples from the start of the file; `speaker` is the place in `SpeakerTurns.speakers`."""

    start_samples: int
    end_samples: int
    speaker: int


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerVoice:
    """Somebody who is heard. `centroid`, float32 of length 1, is the mean of the embeddings by how much clean speech
    each was made of; `speech_samples` is how long all the turns are.
    """

    label: str
    centroid: Embedding
    speech_samples: int


class Turns(Sequence[Turn]):
    """In order of their start. `rows` int64 (turns, 3): three numbers each, however many there are."""

    def __init__(self, rows: Places) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Turn: ...
    @overload
    def __getitem__(self, index: slice) -> "Turns": ...
    def __getitem__(self, index: int | slice) -> "Turn | Turns":
        if isinstance(index, slice):
            return Turns(self.rows[index])
        start, end, speaker = self.rows[index].tolist()
        return Turn(start, end, speaker)


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerTurns:
    """`speakers` are in order of appearance. Turns of two speakers may overlap, those of one do not."""

    speakers: tuple[SpeakerVoice, ...] = ()
    turns: Sequence[Turn] = ()

    def renamed(self, labels: Mapping[int, str]) -> Self:
        """With other labels for the speakers at these places."""
        speakers = tuple(
            replace(speaker, label=labels.get(place, speaker.label)) for place, speaker in enumerate(self.speakers)
        )
        return replace(self, speakers=speakers)
