"""Triton is killed, hangs, loses its stub; stenod is killed. Every process that is hurt here was started here."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from stenod_server.engine import dead_mans_switch, processes
from stenod_server.engine.embedded import EmbeddedTriton, TritonState
from stenod_server.engine.processes import PidRecord
from stenod_server.errors import EngineUnavailable
from tests.integration.engine.conftest import MakeTriton, OwnTriton, recognise
from tests.support.eventually import eventually
from tests.support.speech import PROJECT_ROOT
from tests.support.triton import add_sleeper, require_triton, sleeper_settings

AGAIN = [TritonState.STARTING, TritonState.READY, TritonState.RESTARTING, TritonState.READY]


async def _serves_again(own: OwnTriton) -> None:
    await eventually(lambda: own.states == AGAIN, timeout_s=40.0)
    assert len((await recognise(own.embedded.engine, seconds=2)).words) == 2


async def test_a_killed_triton_is_replaced_at_the_same_address(make_triton: MakeTriton) -> None:
    own = await make_triton()
    url, server_id = own.embedded.url, own.server_id
    window = asyncio.create_task(recognise(own.embedded.engine, language="x-wait"))
    await eventually((own.marks / "waiting").exists)
    os.kill(own.embedded.pid, signal.SIGKILL)
    with pytest.raises(EngineUnavailable):
        await window
    await _serves_again(own)
    assert own.embedded.url == url
    assert own.server_id != server_id
    assert processes.find(server_id) == []  # the old stub too, though it outlives its server


async def test_a_triton_that_cannot_come_back_is_tried_again(make_triton: MakeTriton) -> None:
    own = await make_triton()
    model = own.root / "models" / "sleeper" / "1" / "model.py"
    works = model.read_text()
    model.write_text("raise RuntimeError('gone')\n")
    os.kill(own.embedded.pid, signal.SIGKILL)
    await own.embedded.wait_for(TritonState.RESTARTING)
    tried = own.server_id
    await eventually(lambda: own.server_id not in {"", tried}, timeout_s=40.0)  # one start failed, another is tried
    assert not own.embedded.engine.is_ready()
    model.write_text(works)
    await _serves_again(own)


async def test_stopping_while_it_restarts_leaves_no_process(make_triton: MakeTriton) -> None:
    own = await make_triton()
    os.kill(own.embedded.pid, signal.SIGKILL)
    await own.embedded.wait_for(TritonState.RESTARTING)
    await eventually(lambda: own.server_id != "" and own.processes() != [])
    server_id = own.server_id
    await own.embedded.stop()
    assert processes.find(server_id) == []
    assert own.embedded.state is TritonState.STOPPED


def _kill_the_switch(parent_pid: int) -> None:
    (switch,) = (
        child for child in psutil.Process(parent_pid).children() if dead_mans_switch.__name__ in child.cmdline()
    )
    switch.kill()


@asynccontextmanager
async def _killed_stenod(root: Path, *, without_switch: bool = False) -> AsyncIterator[PidRecord]:
    """Start a stenod, SIGKILL it while its Triton works on a window; gives the record it left."""
    require_triton()
    marks = add_sleeper(root / "models")
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.engine.parent_process",
        str(root),
        stdout=asyncio.subprocess.PIPE,
        cwd=PROJECT_ROOT,
    )
    try:
        assert parent.stdout is not None
        while (line := await parent.stdout.readline()) != b"READY\n":
            assert line, "it ended before it was ready"
        await eventually((marks / "waiting").exists)
        record = PidRecord.read(root / "data" / "triton" / "triton.pid")
        assert record is not None
        assert len(processes.find(record.server_id)) == 2
        if without_switch:
            _kill_the_switch(parent.pid)
    finally:
        parent.kill()
        await parent.communicate()
    try:
        yield record
    finally:
        processes.kill(record.server_id)


async def test_triton_and_its_stubs_die_with_a_killed_stenod(tmp_path: Path) -> None:
    async with _killed_stenod(tmp_path) as record:
        await eventually(lambda: record.pid not in processes.find(record.server_id), timeout_s=2.0)
        await eventually(lambda: processes.find(record.server_id) == [], timeout_s=5.0)
        await eventually(lambda: not list(Path("/dev/shm").glob(f"{record.server_id}*")), timeout_s=5.0)


async def test_triton_dies_with_a_killed_stenod_that_has_no_switch(tmp_path: Path) -> None:
    async with _killed_stenod(tmp_path, without_switch=True) as record:
        await eventually(lambda: record.pid not in processes.find(record.server_id), timeout_s=2.0)


async def test_the_next_stenod_ends_the_stubs_of_a_killed_one(tmp_path: Path) -> None:
    async with _killed_stenod(tmp_path, without_switch=True) as record:
        assert processes.find(record.server_id) != []
        successor = EmbeddedTriton(sleeper_settings(tmp_path))
        try:
            await successor.start()
            assert processes.find(record.server_id) == []
        finally:
            await successor.stop()
