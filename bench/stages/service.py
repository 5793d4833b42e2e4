"""The stages of the whole service: its processes by their clocks, the server's Python by a sampling profiler."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import stenod
from bench.process_tree import ProcessTree
from bench.protocol import FILES_AT_ONCE, Request
from bench.recordings import CACHE_DIR
from bench.stages.profiler import RATE_HZ, Target, profiled
from bench.stages.samples import SERVER_RULES, samples_in, shares
from bench.systems.service import running_server, transcribe_all

SERVER, AUDIO, RECOGNISERS, TRITON = "server", "audio workers", "recognisers", "Triton"
PROFILE_DIR: Final = CACHE_DIR / "profile"
_LOG: Final = CACHE_DIR / "logs" / "stages.log"


@dataclass(frozen=True, slots=True)
class ServicePasses:
    """Processor seconds of each pass over the recordings, by process; of the server also by what its Python does.

    `python_s` is of the pass that was profiled, `profiled_s` are the server's seconds in it.
    """

    by_role: Sequence[Mapping[str, float]]
    python_s: Mapping[str, float]
    profiled_s: float


def role_of(command: str) -> str:
    """By the command line of a process."""
    if "stenod_server.audio.worker" in command:
        return AUDIO
    if "python_backend_stub" in command:
        return RECOGNISERS
    return TRITON if "tritonserver" in command else SERVER


async def measure_service(request: Request, passes: int, *, flame: bool) -> ServicePasses:
    """`passes` over the recordings, FILES_AT_ONCE in work; one more with the profiler, and with `flame` another for a
    flame graph in `PROFILE_DIR`. Raises ProfilerFailed.
    """
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    with _LOG.open("wb") as log:
        async with running_server(request, log=log) as server, stenod.Client(server.grpc) as client:
            await transcribe_all(client, [request.single] * FILES_AT_ONCE)
            tree = ProcessTree(server.pid)
            found = [await _pass(client, request, tree) for _ in range(passes)]
            folded = Target(server.pid, PROFILE_DIR / "server.folded")
            seconds = await _pass(client, request, tree, folded)
            if flame:
                await _pass(client, request, tree, Target(server.pid, PROFILE_DIR / "server.svg", flame=True))
    return ServicePasses(found, _python_s(folded.output), seconds[SERVER])


async def _pass(
    client: stenod.Client, request: Request, tree: ProcessTree, target: Target | None = None
) -> dict[str, float]:
    profiling = nullcontext() if target is None else profiled(target)
    with profiling:
        before = tree.cpu_s_by_role(role_of)
        await transcribe_all(client, request.clips)
        after = tree.cpu_s_by_role(role_of)
    return {role: max(0.0, seconds - before.get(role, 0.0)) for role, seconds in after.items()}


def _python_s(folded: Path) -> dict[str, float]:
    lines = folded.read_text().splitlines()
    total_s = samples_in(lines) / RATE_HZ
    return {stage: share * total_s for stage, share in shares(lines, SERVER_RULES).items()}
