"""The real Silero, in this process and in worker processes."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from stenod_server.audio.pool import AudioPoolSettings, AudioWorkerPool
from stenod_server.audio.vad import Silero
from tests.support.models import built_models_dir

__all__ = ["built_models_dir"]

OpenPool = Callable[..., AbstractAsyncContextManager[AudioWorkerPool]]


@pytest.fixture(scope="session")
def vad_path(built_models_dir: Path) -> Path:
    return built_models_dir / "silero-vad" / "1" / "silero_vad_sequence.onnx"


@pytest.fixture(scope="session")
def silero(vad_path: Path) -> Silero:
    return Silero(vad_path)


@pytest.fixture
def open_pool(vad_path: Path) -> OpenPool:
    """`async with open_pool(max_workers=1) as pool`: a pool of real processes that ends with the block."""

    @asynccontextmanager
    async def opened(**settings: float) -> AsyncIterator[AudioWorkerPool]:
        pool = AudioWorkerPool(AudioPoolSettings(vad_path=vad_path, **settings))  # type: ignore[arg-type]
        try:
            yield pool
        finally:
            await pool.close()

    return opened
