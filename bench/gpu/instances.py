"""An entry recognised by several processes at once, as Triton runs its instances; and what Triton's batcher does."""

import importlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
import numpy.typing as npt

from stenod_models.batching import BatchLimits, WindowKey, group_windows
from stenod_models.contract import RecognitionOptions
from stenod_models.device import Device
from stenod_models.export.pbtxt import profile_of
from stenod_models.families.registry import load_recogniser

Window = npt.NDArray[np.int16]

_PATIENCE_S = 420.0


@dataclass(frozen=True, slots=True)
class Throughput:
    """`batches` are the rows of each batch that was recognised together."""

    wall_s: float
    load_s: float
    words: int
    batches: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Signals:
    """Between the instances and who runs them: that one is warm, that all may begin, what one has heard."""

    ready: Any
    gate: Any
    done: Any


def run(entry: Path, device: Device, windows: Sequence[Window], *, instances: int, threads: int) -> Throughput:
    """All windows, shared between the instances; the clock runs when every one is warm."""
    context = get_context("spawn")
    signals = Signals(context.Queue(), context.Event(), context.Queue())
    shares = [list(windows[place::instances]) for place in range(instances)]
    begun = time.perf_counter()
    processes = [context.Process(target=_work, args=(entry, device, share, threads, signals)) for share in shares]
    for process in processes:
        process.start()
    try:
        for _ in processes:
            _answer(signals.ready, processes)
        load_s = time.perf_counter() - begun
        begun = time.perf_counter()
        signals.gate.set()
        answers = [_answer(signals.done, processes) for _ in processes]
        wall_s = time.perf_counter() - begun
    finally:
        for process in processes:
            process.join(5.0)
            process.kill()
    batches = tuple(size for _words, sizes in answers for size in sizes)
    return Throughput(wall_s, load_s, sum(words for words, _sizes in answers), batches)


def _answer(queue: Any, processes: Sequence[Any]) -> Any:
    """Raises RuntimeError where a process ends without one, TimeoutError where none comes."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            return queue.get(timeout=1.0)
        except Empty:
            if any(process.exitcode for process in processes):
                raise RuntimeError("an instance ended before it had answered: see its output above") from None
    raise TimeoutError(f"no instance answered within {_PATIENCE_S:.0f} s")


def _work(entry: Path, device: Device, windows: Sequence[Window], threads: int, signals: Signals) -> None:
    if threads:
        importlib.import_module("torch").set_num_threads(threads)
    profile = profile_of(entry / "config.pbtxt")
    recogniser = load_recogniser(profile, entry / "1", threads=threads, device=device)
    recogniser.warm()
    options = RecognitionOptions()
    limits = BatchLimits(profile.length_buckets_samples, profile.max_batch_size, recogniser.max_padding_ratio)
    recogniser.recognise(windows[: profile.max_batch_size], language="en", options=options)
    signals.ready.put(True)
    signals.gate.wait()
    words, sizes = 0, []
    for first in range(0, len(windows), profile.max_batch_size):
        keys = [
            WindowKey(index, len(windows[index]), "en", options)
            for index in range(first, min(first + profile.max_batch_size, len(windows)))
        ]
        for group in group_windows(keys, limits):
            found = recogniser.recognise([windows[key.index] for key in group], language="en", options=options)
            words += sum(len(result.words) for result in found if result)
            sizes.append(len(group))
    signals.done.put((words, sizes))
