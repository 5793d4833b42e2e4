"""What only a GPU can show: that it says what a CPU says, captured or not, in memory that holds and does not grow.

make prove-gpu                     at a small size, a minute
make prove-gpu ARGS="--size full"  at the published sizes
make prove-gpu ARGS="--device cpu" the steps that need no GPU, to try this module; it fails, for it proves nothing
"""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from bench.gpu import entries
from bench.gpu.__main__ import SIZES
from stenod_models.batching import recognise_apart
from stenod_models.contract import RecognitionOptions
from stenod_models.device import CPU, Device
from stenod_models.families.registry import load_recogniser
from stenod_models.recogniser import Recogniser, Recognition

_PRECISIONS: Final = ("fp32", "bf16")
_WINDOWS: Final = 12
_BATCH: Final = 8
_ROUNDS: Final = 20
_LEAST_AGREEMENT: Final = 0.98  # of words: random weights decide narrowly
_MOST_GROWTH_BYTES: Final = 64 * 2**20
_SPARE_RATIO: Final = 0.5  # of what a full batch takes beside the weights, left to it

Check = tuple[str, bool, str]


def main() -> int:
    options = _options()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.stdout.write(f"torch {torch.__version__} finds no GPU: nothing was verified\n")
        return 2
    failed = 0
    for name, held, told in _checks(options):
        sys.stdout.write(f"{'ok  ' if held else 'FAIL'} {name}: {told}\n")
        sys.stdout.flush()
        failed += not held
    return 1 if failed or options.device == "cpu" else 0


def _checks(options: argparse.Namespace) -> Iterator[Check]:
    with tempfile.TemporaryDirectory(prefix="stenod-prove-gpu-") as folder:
        makers = (entries.parakeet, entries.whisper)
        for precision, (make, shape) in itertools.product(_PRECISIONS, zip(makers, SIZES[options.size], strict=True)):
            trial = entries.Trial(options.device, precision, _WINDOWS, _BATCH)
            subject = make(Path(folder) / precision, shape, trial)  # type: ignore[operator]
            yield from _checks_of(subject, Device(options.device))


def _checks_of(subject: entries.Subject, device: Device) -> Iterator[Check]:
    on_cpu = load_recogniser(subject.profile, subject.entry / "1", threads=0, device=CPU)
    here = load_recogniser(subject.profile, subject.entry / "1", threads=0, device=device)
    here.warm()
    windows = subject.windows[:_BATCH]
    wanted, found = _words(on_cpu, windows), _words(here, windows)
    yield _alike(f"{subject.name}: a GPU says what a CPU says", wanted, found)
    if device.kind == "cpu":
        yield f"{subject.name}: captured graphs, memory", False, "there is no GPU in this run: not verified"
        return
    captured = _words(here, windows)
    with_graphs = _without_graphs(here)
    yield _alike(f"{subject.name}: a captured graph says what its steps say", captured, _words(here, windows))
    with_graphs()
    alone = [_words(here, [window])[0] for window in windows]
    yield _alike(f"{subject.name}: a batch says what its windows say alone", alone, captured)
    yield _memory_stays(subject, here)
    yield _halves(subject, here, captured)


def _memory_stays(subject: entries.Subject, recogniser: Recogniser) -> Check:
    """After one round of every batch size, more rounds take no more."""
    random = np.random.default_rng(0)
    sizes = [*range(1, _BATCH + 1)]
    for size in sizes:
        _words(recogniser, subject.windows[:size])
    before = torch.cuda.memory_reserved()
    for _ in range(_ROUNDS):
        first = int(random.integers(0, _WINDOWS - _BATCH))
        _words(recogniser, subject.windows[first : first + int(random.choice(sizes))])
    grown = torch.cuda.memory_reserved() - before
    told = f"{before / 2**30:.2f} GiB, and {grown / 2**20:.0f} MiB more after {_ROUNDS} batches"
    return f"{subject.name}: memory stays", grown <= _MOST_GROWTH_BYTES, told


def _halves(subject: entries.Subject, recogniser: Recogniser, wanted: Sequence[list[str]]) -> Check:
    """With room for half of what a full batch takes."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    _words(recogniser, subject.windows[:_BATCH])
    needed = torch.cuda.max_memory_allocated() - held
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + _SPARE_RATIO * needed) / total)
    batches: list[int] = []

    def recognise(windows: Sequence[Any]) -> list[list[str]]:
        batches.append(len(windows))
        return _words(recogniser, windows)

    try:
        found = recognise_apart(subject.windows[:_BATCH], recognise, lambda _window, error: [repr(error)])
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    name, held_up, told = _alike(f"{subject.name}: a batch that does not fit is halved", wanted, found)
    return name, held_up, f"{told}; a batch takes {needed / 2**20:.0f} MiB; batches seen above torch's own: {batches}"


def _without_graphs(recogniser: Any) -> Callable[[], None]:
    """Have every step run by itself; what is returned puts the graphs back."""
    decoder = getattr(recogniser, "_decoder", None)
    if decoder is not None:
        graphs, decoder._captured = decoder._captured, {}
        return lambda: setattr(decoder, "_captured", graphs)
    loops = list(recogniser._backend._loops.values())
    kept = [loop._captured for loop in loops]
    for loop in loops:
        loop._captured = None

    def put_back() -> None:
        for loop, graph in zip(loops, kept, strict=True):
            loop._captured = graph

    return put_back


def _words(recogniser: Recogniser, windows: Sequence[Any]) -> list[list[str]]:
    found = recogniser.recognise(windows, language="en", options=RecognitionOptions())
    return [[word.text for word in _whole(result).words] for result in found]


def _whole(result: Recognition | None) -> Recognition:
    if result is None:
        raise AssertionError("a window was not recognised")
    return result


def _alike(name: str, wanted: Sequence[list[str]], found: Sequence[list[str]]) -> Check:
    pairs = [
        pair for row, told in zip(wanted, found, strict=True) for pair in itertools.zip_longest(row, told, fillvalue="")
    ]
    same = sum(one == other for one, other in pairs)
    return name, bool(pairs) and same >= _LEAST_AGREEMENT * len(pairs), f"{same} of {len(pairs)} words the same"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", choices=tuple(SIZES), default="small")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
