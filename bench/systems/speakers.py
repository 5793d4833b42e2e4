"""stenod's telling apart of speakers alone: its front end, the model of voices in a real Triton, and its clustering."""

import asyncio
import json
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench.protocol import JOINED, Clip, Report, Request, serve
from stenod_models.export.pbtxt import set_instances
from stenod_server.audio.pool import AudioPoolSettings, AudioWorkerPool
from stenod_server.domain.audio import SAMPLE_RATE_HZ, to_seconds
from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.engine.embedded import EmbeddedSettings, EmbeddedTriton
from stenod_server.engine.triton import TritonEngine
from stenod_server.ports import Window, WindowPlan, WindowVoices
from stenod_server.speakers.diarizer import Diarizer

CLIPS, LONG = "clips", "long"
VOICES: Final = "voices"
_PLAN: Final = WindowPlan(15 * SAMPLE_RATE_HZ, 30 * SAMPLE_RATE_HZ)  # as the default recogniser has them
_WINDOWS_AHEAD: Final = 16
_TIMEOUT_S: Final = 300.0


class SpeakersAlone:
    def __init__(self, front_end: AudioWorkerPool, engine: TritonEngine) -> None:
        self._front_end = front_end
        self._engine = engine

    async def turns(self, clip: Clip) -> str:
        """JSON: `turns`, each (speaker, start, end)."""
        diarizer = Diarizer(Diarization(mode=DiarizationMode.SPEAKER))
        waiting: list[tuple[int, asyncio.Task[WindowVoices]]] = []
        async with self._front_end.windows(Path(clip.path), _PLAN) as items:
            async for item in items:
                if not isinstance(item, Window):
                    continue
                waiting.append((item.start_samples, asyncio.create_task(self._voices(item))))
                if len(waiting) >= _WINDOWS_AHEAD:
                    await _add_first(diarizer, waiting)
        while waiting:
            await _add_first(diarizer, waiting)
        found = diarizer.finish()
        labels = [speaker.label for speaker in found.speakers]
        turns = [
            (labels[turn.speaker], to_seconds(turn.start_samples), to_seconds(turn.end_samples)) for turn in found.turns
        ]
        return json.dumps({"turns": turns})

    async def _voices(self, window: Window) -> WindowVoices:
        profile = (await self._engine.voice_profiles())[VOICES]
        return await self._engine.voices(
            window.audio, VOICES, revision=profile.revision, interactive=False, timeout_s=_TIMEOUT_S
        )


async def _add_first(diarizer: Diarizer, waiting: list[tuple[int, "asyncio.Task[WindowVoices]"]]) -> None:
    start_samples, task = waiting.pop(0)
    diarizer.add(start_samples, await task)


async def measure(request: Request, report: Report) -> None:
    models_dir = Path(request.models_dir)
    with tempfile.TemporaryDirectory(dir=request.cache_dir) as name:
        _entry_for(request.threads, models_dir / VOICES, Path(name) / "models" / VOICES)
        triton = EmbeddedTriton(
            EmbeddedSettings(data_dir=Path(name), models_dir=Path(name) / "models", models=[VOICES])
        )
        vad = models_dir / "silero-vad" / "1" / "silero_vad_sequence.onnx"
        front_end = AudioWorkerPool(AudioPoolSettings(vad_path=vad, max_workers=1))
        try:
            await triton.start()
            await front_end.start()
            system = SpeakersAlone(front_end, triton.engine)
            await system.turns(request.single)
            report.ready({name: version(name) for name in ("stenod", "nvidia-pytriton", "onnxruntime")})
            await _run(system, request, report)
        finally:
            await front_end.close()
            await triton.stop()


async def _run(system: SpeakersAlone, request: Request, report: Report) -> None:
    if CLIPS in request.scenarios:
        with report.measured(CLIPS) as texts:
            for clip in request.clips:
                texts[clip.id] = await system.turns(clip)
    if LONG in request.scenarios:
        with report.measured(LONG) as texts:
            texts[JOINED] = await system.turns(request.joined)


def _entry_for(threads: int, built: Path, entry: Path) -> None:
    """An instance for each core: nothing else runs here, while the entry as built leaves room for a recogniser."""
    shutil.copytree(built, entry)
    set_instances(entry / "config.pbtxt", instances=threads, threads=1)


def run(request: Request, report: Report) -> None:
    asyncio.run(measure(request, report))


if __name__ == "__main__":
    serve(run)
