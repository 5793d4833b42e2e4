"""What a recording's recognition must remember, so that another process can go on behind its last finished window.

Windows come out the same whenever a recording is cut anew, so the place is a number of windows; the rest is what the
steps behind the recogniser carry from window to window: the open segment, the guard's last text, the facts.
"""

import hashlib
import json
from dataclasses import dataclass, field

from stenod_server.domain.job import Checkpoint
from stenod_server.ports import RecognitionRequest, WindowPlan
from stenod_server.recognition.facts import Facts
from stenod_server.recognition.guard import Guard, GuardLimits
from stenod_server.recognition.stitch import SegmentRules, Stitcher

FORMAT = 2  # of the memory; another one is of another release, and of no use


def signature(request: RecognitionRequest, plan: WindowPlan) -> str:
    """What the windows and their words depend on besides the recording."""
    chunks = plan.chunks
    lengths = (
        f"{plan.window_target_samples}/{plan.window_max_samples} "
        f"{chunks.left_samples}+{chunks.kept_samples}+{chunks.right_samples}"
    )
    part = f"{plan.start_s:g}-{plan.end_s:g} {plan.per_channel}"
    asked = hashlib.sha256(repr(request.decoding).encode()).hexdigest()[:16]
    return f"{FORMAT} {request.model} {request.language} {lengths} {part} {asked}"


@dataclass(slots=True)
class Memory:
    """The steps behind the recogniser, and how many windows they have seen."""

    signature: str
    stitcher: Stitcher
    guard: Guard
    facts: Facts = field(default_factory=Facts)
    windows: int = 0

    @classmethod
    def fresh(cls, signature: str, rules: SegmentRules, limits: GuardLimits) -> "Memory":
        return cls(signature, Stitcher(rules), Guard(limits))

    def checkpoint(self) -> Checkpoint:
        plain = {
            "signature": self.signature,
            "stitcher": self.stitcher.remember(),
            "guard": self.guard.remember(),
            "facts": self.facts.remember(),
        }
        memory = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
        return Checkpoint(self.windows, self.stitcher.segment_count, memory)

    def recall(self, checkpoint: Checkpoint) -> None:
        """Go on at a checkpoint that `fits`."""
        plain = json.loads(checkpoint.memory)
        self.stitcher.recall(plain["stitcher"])
        self.guard.recall(plain["guard"])
        self.facts.recall(plain["facts"])
        self.windows = checkpoint.windows


def fits(checkpoint: Checkpoint, signature: str) -> bool:
    """Whether one can go on there: the same recogniser, windows and format."""
    return bool(json.loads(checkpoint.memory)["signature"] == signature)
