"""`--triton-url`: a server without a Triton of its own uses others', and one of several may be dead."""

import re
from pathlib import Path

import psutil
import pytest

import stenod
from tests.support.models import DEFAULT_MODEL
from tests.support.server import RunningServer, serving

pytestmark = pytest.mark.triton


async def test_a_server_uses_an_external_triton_found_by_name_and_goes_round_a_dead_one(
    server: RunningServer, built_models_dir: Path, tmp_path: Path
) -> None:
    found = re.search(r"triton_ready.*url=(?:\x1b\[\w+)*(127\.0\.0\.1:\d+)", server.log.read_text())
    assert found
    options = (f"--triton-url=dns:///localhost:{found[1].rpartition(':')[2]}", "--triton-url=127.0.0.1:9")
    async with (
        serving(tmp_path, *options, models_dir=built_models_dir) as second,
        stenod.Client(second.address) as client,
    ):
        transcript = await client.transcribe(built_models_dir / DEFAULT_MODEL / "canary.wav")
        assert transcript.text.startswith("It was the best of times")
        children = psutil.Process(second.process.pid).children(recursive=True)
        assert not [child for child in children if "triton" in child.name()]
