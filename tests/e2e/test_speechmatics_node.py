"""Unmodified clients at a real server with real speech: that of Speechmatics for Node with all it can do, the others
with what nothing else in `make test` tries. The whole matrix: tests/proofs/clients.py.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.clients import openai_cells, speechmatics_cells
from tests.support.clients.arena import Arena, open_arena
from tests.support.clients.node import node_script
from tests.support.clients.openai import AsyncOpenAi
from tests.support.clients.speechmatics import AsyncBatch, Legacy, NodeBatch, SpeechmaticsCaller, SyncBatch
from tests.support.clients.speechmatics_cells import CELLS
from tests.support.speech import needs_speech

pytestmark = [
    pytest.mark.triton,
    *needs_speech,
    # The asynchronous client sends a recording as one piece, whatever its size.
    pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning"),
]
# What tests/e2e/test_speechmatics_clients.py does not ask the clients for Python.
OF_PYTHON = ("fetch", "delete", "busy", "key", "broken", "engines", "user_id", "notify")


@pytest.fixture(scope="module")
async def arena(built_models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    async with open_arena(tmp_path_factory.mktemp("arena"), built_models_dir) as opened:
        yield opened


@pytest.fixture(scope="module")
async def node(arena: Arena) -> speechmatics_cells.Trial:
    return speechmatics_cells.node_trial(await node_script("speechmatics_node", "ask.js"), arena)


@pytest.mark.parametrize("action", [action for action in CELLS if action not in NodeBatch.lacks])
async def test_node(node: speechmatics_cells.Trial, action: str) -> None:
    await CELLS[action](node)


@pytest.mark.parametrize(
    ("caller", "action"),
    [
        (caller, action)
        for caller in (AsyncBatch, SyncBatch, Legacy)
        for action in OF_PYTHON
        if action not in caller.lacks
    ],
)
async def test_python(arena: Arena, caller: type[SpeechmaticsCaller], action: str) -> None:
    await CELLS[action](speechmatics_cells.Trial(caller, arena))


@pytest.mark.parametrize("action", ["busy", "key"])
async def test_openai(arena: Arena, action: str) -> None:
    await openai_cells.CELLS[action](openai_cells.Trial(AsyncOpenAi, arena))
