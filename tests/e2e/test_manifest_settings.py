"""A node with the environment that the overlay `embedded` gives its pod, asked by the overlay's own probes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import stenod
from tests.support.credentials import make_key
from tests.support.eventually import eventually
from tests.support.manifest_environment import environment
from tests.support.manifests import Workload, build, workloads
from tests.support.models import DEFAULT_MODEL
from tests.support.restartable import free_port
from tests.support.server import STENOD

START_S = 240.0
SERVING = health_pb2.HealthCheckResponse.SERVING
pytestmark = pytest.mark.triton


class Pod:
    """The pod of a workload on this machine: its ports are others, its paths lie elsewhere. `key` is of a caller."""

    def __init__(self, workload: Workload, objects: list[dict[str, Any]], directory: Path, models_dir: Path) -> None:
        (directory / "access").mkdir()
        self.key = make_key(directory / "access" / "access.toml")
        self.workload = workload
        self._ports = {port: free_port() for port in workload.ports.values()}
        where = {
            "/var/lib/stenod": str(directory / "data"),
            "/etc/stenod/access": str(directory / "access"),
            "/opt/models": str(models_dir),
        }
        self.environment = {name: self._moved(value, where) for name, value in environment(workload, objects).items()}

    def address(self, port: int | str) -> str:
        number = self.workload.ports[port] if isinstance(port, str) else port
        return f"127.0.0.1:{self._ports[number]}"

    def _moved(self, value: str, where: dict[str, str]) -> str:
        host, _, port = value.rpartition(":")
        if host == "0.0.0.0":
            return self.address(int(port))
        for prefix, place in where.items():
            value = place + value.removeprefix(prefix) if value.startswith(prefix) else value
        return value

    async def says(self, probe: str) -> object:
        """What the kubelet would be told; an error's code where it is told nothing."""
        asked, allowed_s = self.workload.main[probe]["grpc"], self.workload.main[probe]["timeoutSeconds"]
        async with grpc.aio.insecure_channel(self.address(asked["port"])) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                reply = await stub.Check(health_pb2.HealthCheckRequest(service=asked["service"]), timeout=allowed_s)
            except grpc.aio.AioRpcError as error:
                return error.code()
            return reply.status


@asynccontextmanager
async def _running(pod: Pod, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STENOD_")}
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            STENOD,
            *pod.workload.main["args"],
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            # Loading a model of voices takes the time of a test that asks for none.
            env={**clean, **pod.environment, "STENOD_VOICES_MODEL": ""},
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_the_embedded_node_answers_the_probes_of_its_manifest(tmp_path: Path, built_models_dir: Path) -> None:
    objects = build("embedded")
    (workload,) = workloads(objects)
    pod, log = Pod(workload, objects, tmp_path, built_models_dir), tmp_path / "log"
    async with _running(pod, log) as process:
        # It answers before it is ready: alive, so that nobody kills what only loads its models.
        async with asyncio.timeout(START_S):
            while await pod.says("livenessProbe") != SERVING:
                assert process.returncode is None, log.read_text()
        assert process.stdout
        async with asyncio.timeout(START_S):
            ready = (await process.stdout.readline()).decode()
        assert ready.startswith("READY"), log.read_text()
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert await pod.says(probe) == SERVING

        async with httpx.AsyncClient() as http:
            assert (await http.get(f"http://{pod.address('http')}/live")).status_code == 200
            metrics = (await http.get(f"http://{pod.address('metrics')}/metrics")).text
        assert "stenod_engines" in metrics
        async with stenod.Client(pod.address("grpc"), api_key=pod.key) as client:
            transcript = await client.transcribe(built_models_dir / DEFAULT_MODEL / "canary.wav")
        assert transcript.text.startswith("It was the best of times")

        process.send_signal(signal.SIGTERM)
        await eventually(lambda: process.returncode is not None, timeout_s=60)
        assert process.returncode == 0
    assert await pod.says("livenessProbe") == grpc.StatusCode.UNAVAILABLE
