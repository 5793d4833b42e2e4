"""What makes windows of recordings."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from stenod_server.domain.audio import ChunkLengths
from stenod_server.ports.recognition import Window


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """How the front end cuts: trim in seconds (`end_s` 0 = to the end), window lengths in samples, caps.

    `per_channel` gives windows of each channel on its own; otherwise the channels are averaged into one.
    """

    window_target_samples: int
    window_max_samples: int
    start_s: float = 0.0
    end_s: float = 0.0
    max_decoded_s: float = 24 * 3600.0
    max_channels: int = 32
    max_sample_rate_hz: int = 384_000
    per_channel: bool = False
    chunks: ChunkLengths = field(default_factory=ChunkLengths)


@dataclass(frozen=True, slots=True)
class AudioProgress:
    """How far decoding is: `decoded_samples` so far, `estimated_samples` in all (0 = unknown)."""

    decoded_samples: int
    estimated_samples: int


@dataclass(frozen=True, slots=True)
class AudioSummary:
    """The last item of a front end's stream. `damage` is empty, or says what cut the recording short."""

    duration_samples: int
    speech_samples: int
    windows: int
    channels: int
    sample_rate_hz: int
    codec: str
    container: str
    damage: str = ""


class AudioFrontEnd(Protocol):
    """Decodes, finds speech and cuts windows, in a worker process that can be killed."""

    def windows(
        self, path: Path, plan: WindowPlan
    ) -> AbstractAsyncContextManager[AsyncIterator[Window | AudioProgress | AudioSummary]]:
        """Stream the windows of a media file in order of time; the last item is the AudioSummary.

        Back-pressure: the worker stops when nobody reads. Leaving the context early kills or frees the worker.

        Raises UnsupportedMedia, NoAudio, LimitExceeded (bad input), DecoderDied (transient).
        """
        ...

    async def close(self) -> None: ...
