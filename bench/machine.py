"""What the numbers were measured on."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil


@dataclass(frozen=True, slots=True)
class Machine:
    """`load` is the load average of the minute before: well above 0, the machine was not quiet."""

    cpu: str
    cores: int
    memory_bytes: int
    system: str
    python: str
    load: float

    @classmethod
    def here(cls) -> Self:
        return cls(
            cpu=_cpu_model(),
            cores=len(os.sched_getaffinity(0)),
            memory_bytes=psutil.virtual_memory().total,
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            python=platform.python_version(),
            load=os.getloadavg()[0],
        )

    def __str__(self) -> str:
        quiet = " (NOT QUIET)" if self.load > self.cores / 2 else ""
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_bytes / 2**30:.0f} GiB; {self.system}; "
            f"Python {self.python}; load before the run {self.load:.1f}{quiet}"
        )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "an unknown processor"
