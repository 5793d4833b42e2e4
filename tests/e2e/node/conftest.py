from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.node_packages import installed_packages, run_script
from tests.support.speech import PROJECT_ROOT

SOURCE = PROJECT_ROOT / "clients" / "node"
Node = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture(scope="session")
async def node_client() -> Path:
    """The client with its packages."""
    files = ("stenod.js", "stenod.binpb", "service_config.json", "transcribe.js")
    return await installed_packages(SOURCE, *files)


@pytest.fixture
def transcribe_js(node_client: Path) -> Node:
    """Runs the example on a recording."""

    async def transcribe(server: str, recording: Path) -> tuple[int, str, str]:
        return await run_script(node_client, "transcribe.js", recording, STENOD_SERVER=server)

    return transcribe
