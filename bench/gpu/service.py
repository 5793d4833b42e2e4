"""The whole service with a model on the GPU: a node, its Triton, and recordings through the API."""

import asyncio
import importlib.util
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.gpu.rows import Row
from bench.gpu.watch import watching
from bench.protocol import Clip, Request

_NEEDED: Final = ("pytriton", "stenod", "stenod_server", "tritonclient", "av")
_AT_ONCE: Final = 64


def measured(model: str, models_dir: Path, recordings: Sequence[Path], repeats: int) -> Row:
    """Each recording so many times, all at once; where the service cannot run here, the reason."""
    row = Row(model, "whole service")
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        row.remark = f"there is no {', no '.join(missing)}"
    elif not recordings:
        row.remark = "no --recordings were given, and noise is no speech to it"
    else:
        try:
            with watching() as watch:
                row.audio_s, row.wall_s = asyncio.run(_transcribed(model, models_dir, recordings, repeats))
            row.busy_ratio = watch.busy_ratio
        except Exception as error:  # noqa: BLE001 - one row of the table, and it says why it is empty
            row.remark = f"{type(error).__name__}: {error}"
    return row


async def _transcribed(model: str, models_dir: Path, recordings: Sequence[Path], repeats: int) -> tuple[float, float]:
    """Seconds of audio, and the seconds that it took."""
    import stenod  # noqa: PLC0415 - may be missing
    from bench.request import MODELS_DIR  # noqa: PLC0415
    from bench.systems.service import running_server  # noqa: PLC0415
    from stenod_models.export import catalogue, silero  # noqa: PLC0415

    catalogue.add(silero.NAME, models_dir, progress=lambda *_told: None, cache_dir=MODELS_DIR.parent / "wheels")
    none = Clip("", "", 0.0)
    request = Request((), (), none, none, threads=0, cache_dir=str(models_dir.parent), models_dir=str(models_dir))
    room = asyncio.Semaphore(_AT_ONCE)
    async with running_server(request, f"--model={model}") as server, stenod.Client(server.grpc) as client:

        async def transcribe(path: Path) -> float:
            async with room:
                return (await client.transcribe(path)).duration_s

        await transcribe(recordings[0])
        begun = time.perf_counter()
        lengths = await asyncio.gather(*(transcribe(path) for path in recordings for _ in range(repeats)))
        return sum(lengths), time.perf_counter() - begun
