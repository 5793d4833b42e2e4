"""The processes of a node: who yields to whom, and who hears of a Ctrl-C."""

import os
from pathlib import Path

import psutil

from stenod_server.app.niceness import WORKER_NICE
from tests.support.eventually import eventually
from tests.support.server import RunningServer, serving

DECODER, TRITON, RECOGNISER = "stenod_server.audio.worker", "bin/tritonserver", "triton_python_backend_stub"


def _processes(server: RunningServer, *kinds: str) -> list[psutil.Process]:
    children = psutil.Process(server.process.pid).children(recursive=True)
    found = {kind: [child for child in children if kind in " ".join(child.cmdline())] for kind in kinds}
    assert all(found.values()), found
    return [process for processes in found.values() for process in processes]


def _threads(processes: list[psutil.Process]) -> set[int]:
    return {thread.id for process in processes for thread in process.threads()}


async def test_who_decodes_and_recognises_yields_to_the_server(server: RunningServer) -> None:
    workers = _processes(server, DECODER, RECOGNISER)
    wanted = {os.getpriority(os.PRIO_PROCESS, server.process.pid) + WORKER_NICE["low"]}
    await eventually(lambda: {os.getpriority(os.PRIO_PROCESS, thread) for thread in _threads(workers)} == wanted)
    session = os.getsid(server.process.pid)  # where niceness counts
    assert {os.getsid(worker.pid) for worker in workers} == {session}


async def test_at_idle_they_run_where_nobody_else_wants_to(built_models_dir: Path, tmp_path: Path) -> None:
    async with serving(tmp_path, "--worker-priority=idle", models_dir=built_models_dir) as server:
        workers, wanted = _processes(server, DECODER, RECOGNISER), {os.SCHED_IDLE}
        await eventually(lambda: {os.sched_getscheduler(thread) for thread in _threads(workers)} == wanted)
        assert os.sched_getscheduler(server.process.pid) == os.SCHED_OTHER


async def test_of_a_ctrl_c_only_the_server_hears(server: RunningServer) -> None:
    groups = {os.getpgid(process.pid) for process in _processes(server, DECODER, TRITON, RECOGNISER)}
    assert os.getpgid(server.process.pid) not in groups
