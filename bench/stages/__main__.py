"""`python -m bench.stages`: where the processor time of an hour of speech goes, and how far that is from the limit.

    make bench-stages                                  the default model, alone and in the service
    make bench-stages ARGS="--alone --passes 5"        its audio path and recogniser alone, in this process
    make bench-stages ARGS="--flame --json FILE"       a flame graph of the server, too, and everything as JSON
    make bench-stages ARGS="--alone --model whisper-base-int8"

All numbers are processor seconds, which a busy machine disturbs less than the clock on the wall, if not little: caches
and memory are shared. Stages that are measured alone run on one thread.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bench.catalogue import DEFAULT_MODEL
from bench.machine import Machine
from bench.preparation import build_models
from bench.recordings import NoSpeechSet, english_recordings
from bench.request import MODELS_DIR, request_for
from bench.result_file import Figure, write_result
from bench.stages.bare import BareStages, Pass
from bench.stages.limits import Limit, Steps, frames_of, limit_table, limits
from bench.stages.profiler import ProfilerFailed
from bench.stages.service import PROFILE_DIR, ServicePasses, measure_service
from bench.stages.shares import Stage, stage_table, stages
from bench.systems.bare import Models
from stenod_models.export.errors import ModelBuildError
from stenod_models.families.moonshine.runs import GreedyRun

_PASSES: Final = 3


def main() -> int:
    options = _options()
    try:
        recordings = english_recordings(options.clips)
        build_models({options.model})
        machine = Machine.here()
        clips = [recording.clip for recording in recordings]
        audio_s = sum(clip.duration_s for clip in clips)
        bare = BareStages(Models(MODELS_DIR, options.model))
        steps = Steps()
        with _counting(steps):
            warm = bare.run(clips)
        alone = [bare.run(clips) for _ in range(options.passes)]
        found_limits, peaks_table = _limits(bare, warm, alone, steps, audio_s)
        service = None if options.alone else _service(options)
    except (NoSpeechSet, ModelBuildError, ProfilerFailed, LookupError) as error:
        print(error, file=sys.stderr)
        return 1
    found = stages(alone, service, audio_s)
    print(f"{machine}\n{options.model}: {len(clips)} recordings, {audio_s:.0f} s of English speech, ", end="")
    print(f"{len(warm.window_samples)} windows, {options.passes} passes\n")
    print(f"{stage_table(found)}\n\n{peaks_table}".rstrip())
    if options.flame and service:
        print(f"\nflame graph of the server's Python: {PROFILE_DIR / 'server.svg'}")
    if options.json:
        about = {"model": options.model, "recordings": len(clips), "audio_s": audio_s, "passes": options.passes}
        write_result(options.json, "stages", machine, _figures(found, found_limits), about=about)
    return 0


def _service(options: argparse.Namespace) -> ServicePasses:
    request = request_for(english_recordings(options.clips), scenarios=(), model=options.model)
    return asyncio.run(measure_service(request, options.passes, flame=options.flame))


@contextmanager
def _counting(steps: Steps) -> Iterator[None]:
    step = GreedyRun.step
    GreedyRun.step = steps.watch(step)  # type: ignore[method-assign]
    try:
        yield
    finally:
        GreedyRun.step = step  # type: ignore[method-assign]


def _limits(
    bare: BareStages, warm: Pass, alone: Sequence[Pass], steps: Steps, audio_s: float
) -> tuple[list[Limit], str]:
    """Of the default model's family alone: the others' operations are not counted yet."""
    if bare.profile.family != "moonshine":
        return [], ""
    best = min(alone, key=lambda one: sum(one.recogniser.values()))
    found, peaks = limits(best, frames_of(warm.window_samples), steps, audio_s)
    padded = steps.rows / max(1, steps.steps)
    return found, f"{limit_table(found, peaks, audio_s)}; {steps.steps} steps of {padded:.1f} rows"


def _figures(found: Sequence[Stage], limited: Sequence[Limit]) -> list[Figure]:
    figures = [
        Figure(f"{stage.process}: {stage.name}", name, value, "s per audio h", "lower")
        for stage in found
        for name, value in (("CPU", stage.cpu_s), ("CPU, least of the passes", stage.least_s))
    ]
    total_s = sum(stage.cpu_s for stage in found)
    figures.append(Figure("all", "CPU", total_s, "s per audio h", "lower"))
    for limit in limited:
        figures.append(Figure(limit.stage, "least CPU by the roofline", limit.least_s, "s per audio h"))
        figures += [Figure(limit.stage, name, value, "") for name, value in asdict(limit.work).items()]
    return figures


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.stages", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL, help=f"of the bench's catalogue (default: {DEFAULT_MODEL})")
    parser.add_argument("--alone", action="store_true", help="without the service")
    parser.add_argument("--passes", type=int, default=_PASSES, metavar="N", help=f"default {_PASSES}")
    parser.add_argument("--clips", type=int, metavar="N", help="at most N recordings (default: all)")
    parser.add_argument("--flame", action="store_true", help="also a flame graph of the server, as SVG")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
