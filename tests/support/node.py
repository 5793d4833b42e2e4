"""A node in this process: the real API, store, scheduler and audio front end, with a recogniser that sleeps."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from stenod_server.app.node import Node, Parts, open_node
from stenod_server.engine.fake import FakeEngine
from stenod_server.ports import AudioFrontEnd, Clock, MediaFetcher
from stenod_server.settings import load
from tests.support.models import VAD_MODEL, build_models


@asynccontextmanager
async def fake_node(
    directory: Path,
    engine: FakeEngine | None = None,
    front_end: AudioFrontEnd | None = None,
    *,
    fetcher: MediaFetcher | None = None,
    clock: Clock | None = None,
    **settings: Any,
) -> AsyncIterator[Node]:
    """`settings` as for `stenod serve`; listens on a free port of loopback. The parts that are given replace real
    ones.
    """
    given = {
        "listen": "127.0.0.1:0",
        "http_listen": "off",
        "metrics_listen": "off",
        "model": "fake",
        "node": "test",
        **settings,
    }
    loaded = load(data_dir=directory / "data", models_dir=build_models(VAD_MODEL), **given)
    parts = Parts(engine=engine or FakeEngine(), front_end=front_end, fetcher=fetcher, clock=clock)
    async with open_node(loaded, parts=parts) as node:
        yield node
