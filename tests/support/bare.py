"""The bare recogniser: the same windows as the service's, no Triton, no scheduler, no stitching."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from stenod_models.contract import Profile, RecognitionOptions
from stenod_models.export.pbtxt import profile_of
from stenod_models.recogniser import Recogniser
from stenod_server.audio.pool import AudioPoolSettings, AudioWorkerPool
from stenod_server.ports import Window, WindowPlan
from tests.support.models import DEFAULT_MODEL, load_default_model


@dataclass(frozen=True, slots=True)
class Bare:
    """Recognises recordings window by window."""

    front_end: AudioWorkerPool
    recogniser: Recogniser
    profile: Profile

    async def windows(self, path: Path) -> Sequence[Window]:
        plan = WindowPlan(self.profile.window_target_samples, self.profile.window_max_samples)
        async with self.front_end.windows(path, plan) as items:
            return [item async for item in items if isinstance(item, Window)]

    async def words(self, path: Path) -> list[str]:
        """The words of all windows, one after the other, as the recogniser gives them."""
        windows = [window.audio for window in await self.windows(path)]
        return await asyncio.to_thread(self._recognise, windows)

    def _recognise(self, windows: Sequence[object]) -> list[str]:
        words: list[str] = []
        for window in windows:
            [result] = self.recogniser.recognise([window], language="en", options=RecognitionOptions())  # type: ignore[list-item]
            words += [word.text for word in result.words] if result else []
        return words


@asynccontextmanager
async def bare_recogniser(models_dir: Path) -> AsyncIterator[Bare]:
    profile = profile_of(models_dir / DEFAULT_MODEL / "config.pbtxt")
    vad = models_dir / "silero-vad" / "1" / "silero_vad_sequence.onnx"
    pool = AudioWorkerPool(AudioPoolSettings(vad_path=vad))
    try:
        yield Bare(pool, load_default_model(models_dir), profile)
    finally:
        await pool.close()
