"""The port for probes of a node that starts, and of one whose event loop is stuck."""

import asyncio
import threading
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stenod_server.app.node import open_node
from stenod_server.engine.launcher import free_port
from stenod_server.rpc.health import LIVENESS_NAME, HealthReporter
from stenod_server.rpc.server import build_probes
from stenod_server.settings import load
from tests.integration.engine.conftest import MakeTriton, make_triton
from tests.support.eventually import eventually
from tests.support.triton import SLEEPER

__all__ = ["make_triton"]

SERVING = health_pb2.HealthCheckResponse.SERVING


def _check(address: str, service: str) -> int:
    """As the kubelet asks: from another thread, with a deadline."""
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return int(stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=1.0).status)


async def test_a_stuck_event_loop_answers_no_probe() -> None:
    health = HealthReporter()
    await health.refresh()
    server, address = build_probes(health, address="127.0.0.1:0")
    await server.start()
    try:
        assert await asyncio.to_thread(_check, address, LIVENESS_NAME) == SERVING
        asked, answers = threading.Event(), list[object]()

        def ask() -> None:
            try:
                answers.append(_check(address, LIVENESS_NAME))
            except grpc.RpcError as error:
                answers.append(error.code())
            asked.set()

        threading.Thread(target=ask).start()
        asked.wait(20.0)  # the loop's own thread: nothing else runs in it
        assert answers == [grpc.StatusCode.DEADLINE_EXCEEDED]
    finally:
        await server.stop(0)


async def test_a_node_whose_model_loads_is_alive_and_not_ready(make_triton: MakeTriton, tmp_path: Path) -> None:
    own = await make_triton(start=False)
    model = own.root / "models" / SLEEPER / "1" / "model.py"
    gate = tmp_path / "gate"
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.05)\n"
    model.write_text(wait + model.read_text())
    phases: list[str] = []
    settings = load(
        data_dir=tmp_path / "data",
        models_dir=own.root / "models",
        model=SLEEPER,
        parallel=0,
        listen="127.0.0.1:0",
        metrics_listen="off",
        health_listen=f"127.0.0.1:{free_port()}",
    )
    node = open_node(settings, lambda phase, _ratio: phases.append(phase))
    opening = asyncio.create_task(node.__aenter__())
    try:
        await eventually(lambda: any(phase.startswith("loading") for phase in phases))
        assert await asyncio.to_thread(_check, settings.health_listen, LIVENESS_NAME) == SERVING
        assert await asyncio.to_thread(_check, settings.health_listen, "readiness") != SERVING
        assert not opening.done()
        gate.touch()
        await opening
        assert await asyncio.to_thread(_check, settings.health_listen, "readiness") == SERVING
    finally:
        gate.touch()
        await asyncio.gather(opening, return_exceptions=True)
        await node.__aexit__(None, None, None)
