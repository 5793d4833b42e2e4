"""What was measured alone and in the service, put together as one table of stages. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.stages.bare import Pass
from bench.stages.probes import ACTIVITY, ALIGNMENT, BETWEEN, CUTTING, DECODER, DECODING, ENCODER, FEATURES
from bench.stages.service import AUDIO, RECOGNISERS, SERVER, TRITON, ServicePasses
from bench.table import aligned

_FRONT_END = (DECODING, ACTIVITY, CUTTING)
_RECOGNISER = (FEATURES, ENCODER, DECODER, ALIGNMENT, BETWEEN)
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Stage:
    """Processor seconds for each hour of audio: median, least and most of the passes."""

    process: str
    name: str
    cpu_s: float
    least_s: float
    most_s: float


def stages(alone: Sequence[Pass], service: ServicePasses | None, audio_s: float) -> list[Stage]:
    """In the order of the data. What a process takes beyond its stages measured alone is its rest: pipes, tensors, what
    the processes of a service cost one another. Without the service, the stages alone.
    """
    scale = _HOUR_S / audio_s
    front = _measured(AUDIO, _FRONT_END, [one.front_end for one in alone], scale)
    back = _measured(RECOGNISERS, _RECOGNISER, [one.recogniser for one in alone], scale)
    if service is None:
        return [*front, *back]
    roles = {
        role: [found.get(role, 0.0) * scale for found in service.by_role]
        for role in (AUDIO, RECOGNISERS, TRITON, SERVER)
    }
    return [
        *front,
        _rest(AUDIO, roles[AUDIO], front),
        *back,
        _rest(RECOGNISERS, roles[RECOGNISERS], back),
        _stage(TRITON, "queues, batches, transport", roles[TRITON]),
        *_server(service, roles[SERVER]),
    ]


def _measured(process: str, names: Sequence[str], passes: Sequence[Mapping[str, float]], scale: float) -> list[Stage]:
    return [
        _stage(process, name, [found.get(name, 0.0) * scale for found in passes])
        for name in names
        if any(name in found for found in passes)
    ]


def _stage(process: str, name: str, values: Sequence[float]) -> Stage:
    return Stage(process, name, statistics.median(values), min(values), max(values))


def _rest(process: str, values: Sequence[float], known: Sequence[Stage]) -> Stage:
    explained = sum(stage.cpu_s for stage in known)
    return _stage(process, "the rest", [value - explained for value in values])


def _server(service: ServicePasses, values: Sequence[float]) -> list[Stage]:
    """The profiled pass says which share of the server's time each stage has; the other passes, how long it takes."""
    outside = "outside Python: gRPC, SQLite, files"
    python_s = dict(service.python_s)
    python_s[outside] = max(0.0, service.profiled_s - sum(python_s.values()))
    total_s = sum(python_s.values())
    return [_stage(SERVER, name, [value * part / total_s for value in values]) for name, part in python_s.items()]


def stage_table(found: Sequence[Stage]) -> str:
    total_s = sum(stage.cpu_s for stage in found)
    lines = [("process: stage", "CPU s per audio h", "(min-max)", "share")]
    lines += [
        (
            f"{stage.process}: {stage.name}",
            f"{stage.cpu_s:.2f}",
            f"({stage.least_s:.1f}-{stage.most_s:.1f})",
            f"{100 * stage.cpu_s / total_s:.1f} %",
        )
        for stage in found
    ]
    return aligned([*lines, ("all", f"{total_s:.2f}", "", "100.0 %")])
