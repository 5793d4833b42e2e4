"""The Tritons of a node: a child of its own, or those that the settings name, followed wherever they go."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from stenod_server.app.niceness import WORKER_NICE
from stenod_server.engine.canary import load_canaries
from stenod_server.engine.discovery import Discovery, keep_looking, parse
from stenod_server.engine.embedded import EmbeddedSettings, EmbeddedTriton
from stenod_server.engine.triton import TritonEngine
from stenod_server.errors import StenodError
from stenod_server.settings import Settings
from stenod_server.telemetry.metrics import Metrics
from stenod_server.telemetry.tritons import TritonCollector

Progress = Callable[[str, float], None]

EXTERNAL_TRITON_WAIT_S: Final = 10.0
_SHOW_S: Final = 2.0


@asynccontextmanager
async def open_triton(settings: Settings, metrics: Metrics, progress: Progress) -> AsyncIterator[TritonEngine]:
    """External Tritons where the settings name some, else a child of our own that is READY when this returns. Raises
    InvalidField, TritonFailed.
    """
    opened = _follow_external(settings) if settings.triton_url else _start_own(settings, progress)
    async with opened as engine:
        metrics.registry.register(TritonCollector(engine.report, engine.report_hedges))
        showing = asyncio.create_task(_show(engine, metrics))
        try:
            yield engine
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)


async def _show(engine: TritonEngine, metrics: Metrics) -> None:
    shown: set[str] = set()
    while True:
        now = {one.url: one.serves for one in engine.report()}
        for url in shown - now.keys():
            metrics.forget_triton(url)
        for url, serves in now.items():
            metrics.show_triton(url, is_up=serves)
        shown = set(now)
        await asyncio.sleep(_SHOW_S)


@asynccontextmanager
async def _follow_external(settings: Settings) -> AsyncIterator[TritonEngine]:
    discovery = Discovery(parse(settings.triton_url))
    engine = TritonEngine(
        canaries=load_canaries(settings.models_path, settings.models), hedge_ratio=settings.hedge_ratio
    )
    engine.follow(await discovery.look())
    looking = asyncio.create_task(keep_looking(discovery, engine)) if discovery.changes else None
    try:
        with contextlib.suppress(StenodError):  # jobs are accepted all the same, and wait for it
            await engine.wait_until_ready(EXTERNAL_TRITON_WAIT_S)
        yield engine
    finally:
        if looking is not None:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        await engine.close()


@asynccontextmanager
async def _start_own(settings: Settings, progress: Progress) -> AsyncIterator[TritonEngine]:
    embedded = EmbeddedTriton(
        EmbeddedSettings(
            data_dir=settings.data_path,
            models_dir=settings.models_path,
            models=own_models(settings),
            nice=WORKER_NICE[settings.worker_priority],
        )
    )
    await embedded.start(progress)
    try:
        yield embedded.engine
    finally:
        await embedded.stop()


def own_models(settings: Settings) -> tuple[str, ...]:
    """The recognisers, which must be there, and the model of voices where it is: without one nobody is told apart, and
    jobs that ask for it are refused.
    """
    voices = settings.voices_model
    is_there = bool(voices) and (settings.models_path / voices / "config.pbtxt").is_file()
    return tuple(dict.fromkeys((*settings.models, *([voices] if is_there else []))))
