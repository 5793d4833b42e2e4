"""How busy a GPU is while something runs: what its driver says, sampled beside."""

import importlib
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_PERIOD_S = 0.05


@dataclass(slots=True)
class Watch:
    """Percent of time with a kernel running, watts and bytes, as NVML has them; empty where there is none."""

    busy_percent: list[float] = field(default_factory=list)
    watts: list[float] = field(default_factory=list)
    memory_bytes: list[float] = field(default_factory=list)

    @property
    def busy_ratio(self) -> float | None:
        return statistics.fmean(self.busy_percent) / 100 if self.busy_percent else None

    @property
    def most_memory_bytes(self) -> float | None:
        return max(self.memory_bytes, default=None)


@contextmanager
def watching(index: int = 0) -> Iterator[Watch]:
    """Everything inside is watched."""
    watch, over = Watch(), threading.Event()
    sampler = threading.Thread(target=_sample, args=(watch, over, index), daemon=True)
    sampler.start()
    try:
        yield watch
    finally:
        over.set()
        sampler.join()


def _sample(watch: Watch, over: threading.Event, index: int) -> None:
    try:
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
        device = nvml.nvmlDeviceGetHandleByIndex(index)
    except Exception:  # noqa: BLE001 - without the library or the driver nothing is sampled, and the table says so
        return
    while not over.is_set():
        watch.busy_percent.append(nvml.nvmlDeviceGetUtilizationRates(device).gpu)
        watch.watts.append(nvml.nvmlDeviceGetPowerUsage(device) / 1000)
        watch.memory_bytes.append(nvml.nvmlDeviceGetMemoryInfo(device).used)
        time.sleep(_PERIOD_S)
