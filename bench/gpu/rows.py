"""What was measured: one row for each way of running a model."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Row:
    """`wall_s` 0: it could not be measured, and `remark` says why. `roofline_ratio` is of the fastest possible."""

    model: str
    way: str
    audio_s: float = 0.0
    wall_s: float = 0.0
    batch_mean: float | None = None
    busy_ratio: float | None = None
    memory_gib: float | None = None
    roofline_ratio: float | None = None
    remark: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def real_time(self) -> float | None:
        """Seconds of audio in a second."""
        return self.audio_s / self.wall_s if self.wall_s else None

    def __str__(self) -> str:
        if self.real_time is None:
            return f"  {self.model:<10} {self.way:<26} not measured: {self.remark}"
        memory = "" if self.memory_gib is None else f"{self.memory_gib:.1f} GiB, "
        batch = "-" if self.batch_mean is None else f"{self.batch_mean:.1f}"
        return (
            f"  {self.model:<10} {self.way:<26} {self.real_time:>9.1f} x real time  batch {batch:>5}  "
            f"busy {_share(self.busy_ratio)}  of the roofline {_share(self.roofline_ratio)}  {memory}{self.remark}"
        )


def _share(value: float | None) -> str:
    return "     -" if value is None else f"{100 * value:5.1f}%"
