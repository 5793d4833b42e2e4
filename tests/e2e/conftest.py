"""One real server with the real models for all end-to-end tests of a session."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import stenod
from tests.support.models import built_models_dir
from tests.support.server import RunningServer, serving

__all__ = ["built_models_dir"]


@pytest.fixture(scope="session")
async def server(built_models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningServer]:
    async with serving(
        tmp_path_factory.mktemp("node"), "--voices-model=voices", models_dir=built_models_dir
    ) as running:
        yield running


@pytest.fixture(scope="session")
def server_address(server: RunningServer) -> str:
    return server.address


@pytest.fixture
async def client(server: RunningServer) -> AsyncIterator[stenod.Client]:
    async with stenod.Client(server.address) as connected:
        yield connected
