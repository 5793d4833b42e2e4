"""Tritons: of a test that hurts it; with the sleeper, for all that do not; with the default model."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.engine import processes
from stenod_server.engine.embedded import EmbeddedTriton, TritonState
from stenod_server.engine.processes import PidRecord
from stenod_server.engine.triton import TritonEngine
from stenod_server.engine.tritonserver import Launch
from stenod_server.ports import RecognitionRequest, WindowResult
from tests.support.models import built_models_dir
from tests.support.triton import (
    SLEEPER,
    add_sleeper,
    embedded_triton,
    require_triton,
    sleeper_settings,
    sleeper_triton,
)

__all__ = ["built_models_dir", "embedded_triton", "sleeper_triton"]


class _Unlocked(EmbeddedTriton):
    """Lets a test load and unload models, which stenod's own lets nobody do."""

    def _launch(self, server_id: str, port: int) -> Launch:
        return replace(super()._launch(server_id, port), restricted_protocols="trace")


class OwnTriton:
    """An EmbeddedTriton with a directory of its own and what a test wants to know of it."""

    def __init__(self, root: Path, settings: dict[str, Any], *, fixed_ms: int, **wiring: Any) -> None:
        self.root = root
        self.states: list[TritonState] = []
        self.marks = add_sleeper(root / "models", fixed_ms=fixed_ms)
        self.embedded = _Unlocked(sleeper_settings(root, **settings), on_state=self.states.append, **wiring)

    @property
    def server_id(self) -> str:
        """Of the start that is running, or of the last one that was not ended properly; "" after a proper end."""
        record = PidRecord.read(self.root / "data" / "triton" / "triton.pid")
        return record.server_id if record else ""

    def processes(self) -> list[int]:
        """Every Triton and stub that serves this root's models, whatever its id."""
        return [pid for pid, command in processes.commands() if any(str(self.root / "models") in a for a in command)]


MakeTriton = Callable[..., Awaitable[OwnTriton]]


@pytest.fixture
async def make_triton(tmp_path: Path) -> AsyncIterator[MakeTriton]:
    """Makes and starts Tritons that the test may hurt; `start=False` leaves the start to the test."""
    require_triton()
    async with AsyncExitStack() as stack:
        made: list[OwnTriton] = []

        async def make(
            *, start: bool = True, fixed_ms: int = 0, wiring: dict[str, Any] | None = None, **settings: Any
        ) -> OwnTriton:
            own = OwnTriton(tmp_path / str(len(made)), settings, fixed_ms=fixed_ms, **(wiring or {}))
            made.append(own)
            stack.push_async_callback(own.embedded.stop)
            if start:
                await own.embedded.start()
            return own

        yield make


async def recognise(engine: TritonEngine, *, seconds: int = 1, language: str = "en") -> WindowResult:
    audio = np.zeros(seconds * SAMPLE_RATE_HZ, np.int16)
    return await engine.recognise(audio, RecognitionRequest(SLEEPER, language), timeout_s=20.0)


async def statistics_when(engine: TritonEngine, holds: Callable[[Mapping[int, int]], bool]) -> Mapping[int, int]:
    """Triton counts a batch a moment after it has answered."""
    async with asyncio.timeout(20.0):
        while not holds(counts := await engine.batch_statistics()):  # noqa: ASYNC110  Triton has no event for it
            await asyncio.sleep(0.01)
    return counts


def windows_in(counts: Mapping[int, int]) -> int:
    return sum(size * executions for size, executions in counts.items())
