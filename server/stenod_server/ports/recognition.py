"""What recognises windows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stenod_server.domain.decoding import Decoding
from stenod_server.domain.transcript import Word

Int16Audio = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """What the server needs to know of a recogniser (see `stenod_models.contract.Profile`). Lengths in samples."""

    model: str
    family: str
    languages: tuple[str, ...]
    window_target_samples: int
    window_max_samples: int
    length_buckets_samples: tuple[int, ...]
    max_batch_size: int
    instances: int
    tasks: tuple[str, ...]
    operating_points: tuple[str, ...]
    default_engines: int
    revision: str = ""  # of what it was built from; empty: unknown
    identifies_languages: bool = False  # of what is spoken, where it is asked for `auto`
    max_beam_size: int = 1
    takes_hotwords: bool = False
    takes_prompt: bool = False
    takes_mark_bias: bool = False
    writes_marks: bool = True
    writes_capitals: bool = True


@dataclass(frozen=True, slots=True)
class VoiceProfile:
    """What the server needs to know of a model of voices. Embeddings of two models cannot be compared: `revision` is of
    what it was built from, and part of every identifier of a voice.
    """

    model: str
    family: str
    window_max_samples: int
    dimensions: int
    max_batch_size: int
    instances: int
    revision: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A slice of one channel, recognised on its own. `index` counts from 0; offsets are samples of the file.

    `audio` is int16 (samples,) at 16 000 Hz. Words that start outside `keep_start_samples:keep_end_samples` belong to
    a neighbour and are dropped when the window carries context on either side.
    """

    index: int
    start_samples: int
    audio: Int16Audio
    keep_start_samples: int
    keep_end_samples: int
    channel: int = 0

    @property
    def end_samples(self) -> int:
        return self.start_samples + len(self.audio)


@dataclass(frozen=True, slots=True)
class RecognitionRequest:
    """How a window is to be recognised: one config gives one of these for all of its windows."""

    model: str
    language: str = "auto"
    decoding: Decoding = field(default=Decoding())
    interactive: bool = False  # ahead of bulk work in Triton's queue


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The words of a window. Word offsets are samples from the start of the *window*, ordered, inside it."""

    words: tuple[Word, ...]
    language: str
    language_confidence: float
    no_speech: float


Embedding = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """One voice of a window. `embedding` is float32 (dimensions,) of length 1; the angle between two tells how likely
    they are of one person. `clean_samples`: how much speech of this voice alone it was made of.
    """

    embedding: Embedding
    clean_samples: int


@dataclass(frozen=True, slots=True)
class VoiceSpan:
    """Where a voice speaks, in samples from the start of the *window*. `voice`: its place in `WindowVoices.voices`."""

    start_samples: int
    end_samples: int
    voice: int


@dataclass(frozen=True, slots=True)
class WindowVoices:
    """Who speaks when in a window: spans in order of their start; those of two voices may overlap. One person can be
    several voices here: who is who is found out over the whole recording.
    """

    spans: tuple[VoiceSpan, ...] = ()
    voices: tuple[Voice, ...] = ()


class Engine(Protocol):
    """Recognises windows. One call is one engine in use; the adapter batches nothing itself."""

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        """Recognise int16 (samples,) at 16 000 Hz. Cancelling the task cancels the work at the recogniser.

        Raises EngineUnavailable, WindowTimeout (transient), ModelNotFound, InvalidField (the recogniser refused the
        request), ContractViolation.
        """
        ...

    async def voices(
        self, audio: Int16Audio, model: str, *, revision: str, interactive: bool, timeout_s: float
    ) -> WindowVoices:
        """Who speaks when in int16 (samples,) at 16 000 Hz, by a model of voices. Otherwise as `recognise`.

        What another revision than `revision` (of its profile) hears cannot be compared: EngineUnavailable where there
        is another one alone.
        """
        ...

    async def profiles(self) -> Mapping[str, ModelProfile]:
        """The recognisers that are loaded, by name. Raises EngineUnavailable."""
        ...

    async def voice_profiles(self) -> Mapping[str, VoiceProfile]:
        """The models of voices that are loaded, by name. Raises EngineUnavailable."""
        ...

    async def batch_statistics(self) -> Mapping[int, int]:
        """How often each batch size was executed since the recognisers started. Raises EngineUnavailable."""
        ...

    def is_ready(self, model: str = "") -> bool:
        """Whether the last canary recognition of a recogniser gave the expected words; of a `model`, also whether not
        all that had it are away just now. Never blocks.
        """
        ...

    async def close(self) -> None: ...
