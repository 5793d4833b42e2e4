"""The whole service with a model on the GPU: a node, its Triton, and recordings through the API."""

import asyncio
import importlib.util
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from bench.gpu.rows import Row
from bench.gpu.watch import watching
from bench.protocol import Clip, Request

_NEEDED: Final = ("pytriton", "stenod", "stenod_server", "tritonclient", "av")
_AT_ONCE: Final = 64
_TOLD_LINES: Final = 4  # of the server's log, where it fails


def measured(model: str, models_dir: Path, recordings: Sequence[Path], repeats: int) -> Row:
    """Each recording so many times, all at once; where the service cannot run here, the reason."""
    row = Row(model, "whole service")
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        row.remark = f"there is no {', no '.join(missing)}"
    elif not recordings:
        row.remark = "no --recordings were given, and noise is no speech to it"
    else:
        with tempfile.TemporaryFile() as log:
            try:
                with watching() as watch:
                    row.audio_s, row.wall_s = asyncio.run(_transcribed(model, models_dir, recordings, repeats, log))
                row.busy_ratio, row.remark = watch.busy_ratio, f"{len(recordings) * repeats} jobs"
            except Exception as error:  # noqa: BLE001 - one row of the table, and it says why it is empty
                row.remark = "; ".join([f"{type(error).__name__}: {error}", *_last_lines(log)])
    return row


def _last_lines(log: BinaryIO) -> list[str]:
    log.seek(0)
    return log.read().decode(errors="replace").splitlines()[-_TOLD_LINES:]


async def _transcribed(
    model: str, models_dir: Path, recordings: Sequence[Path], repeats: int, log: BinaryIO
) -> tuple[float, float]:
    """Seconds of audio, and the seconds that it took."""
    import stenod  # noqa: PLC0415 - may be missing
    from bench.request import MODELS_DIR  # noqa: PLC0415
    from bench.systems.service import running_server  # noqa: PLC0415
    from stenod_models.export import catalogue, silero  # noqa: PLC0415

    catalogue.add(silero.NAME, models_dir, progress=lambda *_told: None, cache_dir=MODELS_DIR.parent / "wheels")
    none = Clip("", "", 0.0)
    request = Request((), (), none, none, threads=0, cache_dir=str(models_dir.parent), models_dir=str(models_dir))
    room = asyncio.Semaphore(_AT_ONCE)
    async with running_server(request, f"--model={model}", log=log) as server, stenod.Client(server.grpc) as client:

        async def transcribe(path: Path) -> float:
            async with room:
                return (await client.transcribe(path)).duration_s

        await transcribe(recordings[0])
        begun = time.perf_counter()
        lengths = await asyncio.gather(*(transcribe(path) for path in recordings for _ in range(repeats)))
        return sum(lengths), time.perf_counter() - begun
