"""The processes of a node: who yields to whom, and who hears of a Ctrl-C."""

import os

import psutil

from stenod_server.app.niceness import WORKER_NICE
from tests.support.eventually import eventually
from tests.support.server import RunningServer


def _workers(server: RunningServer) -> list[psutil.Process]:
    """Audio workers, Triton and its stubs; not what ends Triton when the server cannot, which only waits."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    return [child for child in children if "dead_mans_switch" not in " ".join(child.cmdline())]


async def test_who_decodes_and_recognises_yields_to_the_server(server: RunningServer) -> None:
    workers = _workers(server)
    names = " ".join(" ".join(worker.cmdline()) for worker in workers)
    assert all(part in names for part in ("stenod_server.audio.worker", "tritonserver", "triton_python_backend_stub"))
    own = psutil.Process(server.process.pid).nice()
    await eventually(lambda: {worker.nice() for worker in workers} == {own + WORKER_NICE})  # once they have started
    session = os.getsid(server.process.pid)  # where niceness counts
    assert {os.getsid(worker.pid) for worker in workers} == {session}


async def test_of_a_ctrl_c_only_the_server_hears(server: RunningServer) -> None:
    groups = {os.getpgid(worker.pid) for worker in _workers(server)}
    assert groups
    assert os.getpgid(server.process.pid) not in groups
