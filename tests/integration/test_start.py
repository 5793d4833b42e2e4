"""What a node does before it answers."""

from pathlib import Path

from tests.support.eventually import eventually
from tests.support.front_end import ScriptedFrontEnd
from tests.support.node import fake_node


async def test_a_node_on_its_own_erases_at_its_start_what_a_crash_left_without_a_job(tmp_path: Path) -> None:
    left = tmp_path / "data" / "blobs" / "media" / "0123456789abcdef"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"submitted by nobody")
    async with fake_node(tmp_path, front_end=ScriptedFrontEnd()):
        await eventually(lambda: not left.exists())
