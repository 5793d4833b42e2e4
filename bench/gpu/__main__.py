"""Measures the large models on one GPU in one call, and says what the machine could give at most.

    python -m bench.gpu                            on a GPU: published sizes, under 8 minutes
    python -m bench.gpu --size small --device cpu  the same steps at a size for a CPU
    python -m bench.gpu --plan                     the memory that each model takes, counted

Weights are random, and say as many tokens as speech makes the real ones say (bench/gpu/entries.py). Each model is run
through the code that Triton runs, by one instance and by several; by transformers' generate() on the same batches in
the same precision; and through the whole service, where there is a tritonserver and there are recordings of speech.
Beside each: batches realised, how busy the GPU was, and the share of the roofline, whose peaks are measured first. What
could not be measured is said, never left out.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from bench.gpu import plan
from bench.gpu.counts import SAMPLE_RATE_HZ, ParakeetShape, WhisperShape
from bench.gpu.rows import Row
from bench.gpu.watch import watching

SIZES: Final = {
    "full": (ParakeetShape(), WhisperShape()),
    "small": (
        ParakeetShape(64, 2, 4, 256, 9, 80, 16, 513, 5, 64, 2),
        WhisperShape(64, 2, 2, 4, 80, 3000, 1500, 448),
    ),
}
_DEFAULT_WINDOWS: Final = {"full": (1536, 512), "small": (12, 6)}
_DEFAULT_BATCH: Final = {"full": (64, 32), "small": (8, 4)}
_PRODUCT: Final = {"cuda": 8192, "cpu": 512}
_COPY_BYTES: Final = {"cuda": 4 * 2**30, "cpu": 2**26}


@dataclass(frozen=True, slots=True)
class Peaks:
    """Of this machine, measured: a matrix product in the precision of the models, and a copy read and written."""

    flops: float
    bandwidth_bytes_s: float


def main() -> int:
    options = _options()
    if options.plan:
        sys.stdout.write(plan.table() + "\n")
        return 0
    import torch  # noqa: PLC0415 - heavy

    from bench.gpu import entries  # noqa: PLC0415 - needs torch and transformers

    if options.threads:
        torch.set_num_threads(options.threads)
    _say(_machine(options.device))
    peaks = _peaks(options.device, entries.DTYPES[options.precision])
    _say(
        f"peaks, measured: {peaks.flops / 1e12:.3g} TFLOP/s in {options.precision}, "
        f"{peaks.bandwidth_bytes_s / 1e12:.3g} TB/s"
    )
    makers = {"parakeet": entries.parakeet, "whisper": entries.whisper}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="stenod-gpu-") as folder:
        for place, name in enumerate(makers):
            if name not in options.models:
                continue
            begun = time.perf_counter()
            count = options.windows or _DEFAULT_WINDOWS[options.size][place]
            batch = options.batch or _DEFAULT_BATCH[options.size][place]
            trial = entries.Trial(options.device, options.precision, count, batch)
            subject = makers[name](Path(folder), SIZES[options.size][place], trial)  # type: ignore[operator]
            _say(f"{name}: {subject.audio_s:.0f} s of audio; built in {time.perf_counter() - begun:.0f} s")
            for row in _measured(subject, options, peaks):
                rows.append(row)
                _say(str(row))
    told = {
        "machine": _machine(options.device),
        "peaks": asdict(peaks),
        "options": vars(options),
        "rows": [{**asdict(row), "real_time": row.real_time} for row in rows],
    }
    Path(options.output).write_text(json.dumps(told, indent=1, default=str) + "\n")
    _say(f"written to {options.output}")
    return 0


def _measured(subject: Any, options: argparse.Namespace, peaks: Peaks) -> Iterator[Row]:
    from bench.gpu import instances, service  # noqa: PLC0415 - needs torch
    from stenod_models.device import Device  # noqa: PLC0415

    def recognise(row: Row, *, count: int) -> None:
        with watching() as watch:
            device = Device(options.device)
            found = instances.run(subject.entry, device, subject.windows, instances=count, threads=options.threads)
        row.audio_s, row.wall_s, row.batch_mean = subject.audio_s, found.wall_s, fmean(found.batches)
        row.remark = f"{found.words / subject.audio_s:.1f} words/s, warm after {found.load_s:.0f} s"
        row.busy_ratio, row.roofline_ratio = watch.busy_ratio, row.audio_s / row.wall_s / best
        row.memory_gib = watch.most_memory_bytes and watch.most_memory_bytes / 2**30

    longest = max(map(len, subject.windows))
    batch = min(subject.profile.max_batch_size, len(subject.windows))
    stages = subject.work(batch, longest)
    least_s = sum(stage.least_s(peaks.flops, peaks.bandwidth_bytes_s) for stage in stages.values())
    counted = {name: asdict(stage) for name, stage in stages.items()}
    best = batch * longest / SAMPLE_RATE_HZ / least_s
    remark = ", ".join(f"{name} {stage.operations / batch / 1e9:.1f} GFLOP a window" for name, stage in stages.items())
    yield Row(subject.name, "roofline", best, 1.0, float(batch), remark=remark, extra=counted)
    for count in options.instances:
        yield _tried(Row(subject.name, f"recogniser x {count}"), partial(recognise, count=count))
    yield _tried(Row(subject.name, "transformers' generate()"), lambda row: _generate(row, subject, best, batch))
    yield service.measured(subject.name, subject.entry.parent, options.recordings, options.repeats)


def _tried(row: Row, measure: Callable[[Row], None]) -> Row:
    """What fails leaves its reason: the other rows are measured all the same."""
    try:
        measure(row)
    except Exception as error:  # noqa: BLE001 - see above
        row.remark = f"{type(error).__name__}: {error}"
    return row


def _generate(row: Row, subject: Any, best: float, batch: int) -> None:
    """transformers' generate() on a batch and on its own features, which are not timed; ours makes them itself."""
    chosen = subject.windows[:batch]
    generate = subject.prepare(chosen)
    generate()
    begun = time.perf_counter()
    with watching() as watch:
        generate()
    wall_s = time.perf_counter() - begun
    row.audio_s, row.wall_s, row.batch_mean = sum(map(len, chosen)) / SAMPLE_RATE_HZ, wall_s, float(batch)
    row.busy_ratio, row.roofline_ratio = watch.busy_ratio, row.audio_s / wall_s / best
    row.remark = "features not timed"


def _peaks(device: str, dtype: Any) -> Peaks:
    import torch  # noqa: PLC0415 - heavy

    size, count = _PRODUCT[device], _COPY_BYTES[device]
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    source = torch.empty(count, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    product_s = _best_s(device, lambda: one @ other)
    copy_s = _best_s(device, lambda: target.copy_(source))
    return Peaks(2 * size**3 / product_s, 2 * count / copy_s)


def _best_s(device: str, work: Callable[[], Any], repeats: int = 8) -> float:
    """The mean of several in a row, after some to warm up."""
    import torch  # noqa: PLC0415

    for _ in range(2):
        work()
    if device == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(repeats):
        work()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begun) / repeats


def _machine(device: str) -> str:
    import torch  # noqa: PLC0415

    name = torch.cuda.get_device_name(0) if device == "cuda" else platform.processor() or platform.machine()
    versions = ", ".join(f"{tool} {_version(tool)}" for tool in ("torch", "transformers", "onnxruntime", "numpy"))
    return f"{name}; Python {platform.python_version()}; {versions}"


def _version(tool: str) -> str:
    try:
        return version(tool)
    except PackageNotFoundError:
        return "missing"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", choices=tuple(SIZES), default="full")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default=None, help="bf16 on a GPU, fp32 on a CPU")
    parser.add_argument("--models", nargs="+", choices=("parakeet", "whisper"), default=("parakeet", "whisper"))
    parser.add_argument("--instances", nargs="+", type=int, default=(1, 3))
    parser.add_argument("--threads", type=int, default=0, help="of the CPU, for each instance; 0: as torch likes")
    parser.add_argument("--windows", type=int, default=0, help="how many each model is given")
    parser.add_argument("--batch", type=int, default=0, help="the largest; 64 of Parakeet, 32 of Whisper")
    parser.add_argument("--recordings", nargs="*", type=Path, default=(), help="speech for the whole service")
    parser.add_argument("--repeats", type=int, default=8, help="how often each recording is transcribed")
    parser.add_argument("--output", default="bench-gpu.json")
    parser.add_argument("--plan", action="store_true", help="print the memory that each model takes, counted")
    options = parser.parse_args()
    options.precision = options.precision or {"cuda": "bf16", "cpu": "fp32"}[options.device]
    return options


if __name__ == "__main__":
    sys.exit(main())
