"""What a recording's recognition must remember, so that another process can go on behind its last finished window.

Windows come out the same whenever a recording is cut anew, so the place is a number of windows; the rest is what the
steps behind the recogniser carry from window to window: of each channel the open segment and the guard's last text;
the facts; the voices.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from stenod_server.domain.job import Checkpoint
from stenod_server.ports import RecognitionRequest, WindowPlan, WindowVoices
from stenod_server.recognition.channels import Channels
from stenod_server.recognition.facts import Facts

FORMAT = 3  # of the memory; another one is of another release, and of no use


class VoiceCollector(Protocol):
    """Who finds out, over a whole recording, which voices are of one person."""

    def add(self, start_samples: int, voices: WindowVoices) -> None:
        """The voices of the next window, which starts at that sample of the file. Takes its time: in a thread."""
        ...

    def remember(self) -> Mapping[str, Any]:
        """See `Stitcher.remember`."""
        ...

    def recall(self, memory: Mapping[str, Any]) -> None:
        """See `Stitcher.recall`."""
        ...


@dataclass(frozen=True, slots=True)
class Voices:
    """That voices are to be told apart: by which model, and who collects what it hears. What two revisions of the model
    hear cannot be compared.
    """

    model: str
    collector: VoiceCollector
    revision: str = ""


def signature(request: RecognitionRequest, plan: WindowPlan, voices: Voices | None) -> str:
    """What the windows and their words depend on besides the recording."""
    chunks = plan.chunks
    lengths = (
        f"{plan.window_target_samples}/{plan.window_max_samples} "
        f"{chunks.left_samples}+{chunks.kept_samples}+{chunks.right_samples}"
    )
    part = f"{plan.start_s:g}-{plan.end_s:g} {plan.per_channel}"
    asked = hashlib.sha256(repr(request.decoding).encode()).hexdigest()[:16]
    model_of_voices = f"{voices.model}/{voices.revision}" if voices else "-"
    return f"{FORMAT} {request.model} {request.language} {lengths} {part} {asked} {model_of_voices}"


@dataclass(slots=True)
class Memory:
    """The steps behind the recogniser, how many windows they have seen, and how many segments they have given."""

    signature: str
    channels: Channels
    voices: Voices | None
    facts: Facts = field(default_factory=Facts)
    windows: int = 0
    segments: int = 0
    _is_whole: bool = field(default=True, init=False)

    @contextmanager
    def step(self) -> Iterator[None]:
        """What comes of a window. A step that breaks, or is cancelled, is never over."""
        self._is_whole = False
        yield
        self._is_whole = True

    def checkpoint(self) -> Checkpoint | None:
        """Before a window or behind it; None in the middle of one."""
        if not self._is_whole:
            return None
        plain = {
            "signature": self.signature,
            "channels": self.channels.remember(),
            "facts": self.facts.remember(),
            "voices": self.voices.collector.remember() if self.voices else None,
        }
        memory = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
        return Checkpoint(self.windows, self.segments, memory)

    def recall(self, checkpoint: Checkpoint) -> None:
        """Go on at a checkpoint that `fits`."""
        plain = json.loads(checkpoint.memory)
        self.channels.recall(plain["channels"])
        self.facts.recall(plain["facts"])
        if self.voices:
            self.voices.collector.recall(plain["voices"])
        self.windows, self.segments = checkpoint.windows, checkpoint.segments


def fits(checkpoint: Checkpoint, signature: str) -> bool:
    """Whether one can go on there: the same recogniser, windows and format."""
    return bool(json.loads(checkpoint.memory)["signature"] == signature)
