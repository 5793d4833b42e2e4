"""The entry point of the Triton image, run with the real tritonserver as the container runs it; stenod in front."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import stenod
from stenod_server.engine.tritonserver import Host, environment, link_backend, locate
from tests.support.eventually import eventually
from tests.support.manifests import build, workloads
from tests.support.models import DEFAULT_MODEL
from tests.support.restartable import free_port
from tests.support.server import serving
from tests.support.speech import PROJECT_ROOT

ENTRYPOINT = PROJECT_ROOT / "deploy" / "docker" / "triton-entrypoint"
pytestmark = pytest.mark.triton


@asynccontextmanager
async def image(directory: Path, models_dir: Path, *arguments: str) -> AsyncIterator[tuple[int, Path]]:
    """The port of Triton's gRPC and its log; what an image has on PATH, the wheel's binary plays."""
    installation, log = locate(Host.here()), directory / "triton.log"
    link_backend(installation, directory / "backends")
    (directory / "tritonserver").write_text(f'#!/bin/sh\nexec {installation.binary} "$@"\n')
    (directory / "tritonserver").chmod(0o755)
    environ = environment(installation, os.environ)
    port, http, metrics = free_port(), free_port(), free_port()
    moved = (f"--grpc-port={port}", f"--http-port={http}", f"--metrics-port={metrics}", "--grpc-address=127.0.0.1")
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            str(ENTRYPOINT),
            *arguments,
            *moved,
            "--metrics-address=127.0.0.1",
            f"--backend-directory={directory / 'backends'}",
            stdout=said,
            stderr=said,
            env={**environ, "PATH": f"{directory}:{environ['PATH']}", "STENOD_MODELS_DIR": str(models_dir)},
        )
    try:
        yield port, log
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def _says(port: int, probe: str) -> int:
    """What the kubelet would be told that asks as the manifests say."""
    (triton,) = (workload for workload in workloads(build("gpu")) if workload.name == "Deployment/stenod-triton")
    request = health_pb2.HealthCheckRequest(service=triton.main[probe]["grpc"].get("service", ""))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        reply = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=5.0)
    return int(reply.status)


async def test_the_image_s_triton_loads_what_is_there_and_serves_stenod(built_models_dir: Path, tmp_path: Path) -> None:
    async with image(tmp_path, built_models_dir) as (port, log):
        await eventually(lambda: "Started GRPCInferenceService" in log.read_text(), timeout_s=60)
        assert await _says(port, "readinessProbe") == health_pb2.HealthCheckResponse.SERVING
        options = (f"--triton-url=127.0.0.1:{port}",)
        async with (
            serving(tmp_path / "node", *options, models_dir=built_models_dir) as server,
            stenod.Client(server.address) as client,
        ):
            transcript = await client.transcribe(built_models_dir / DEFAULT_MODEL / "canary.wav")
            assert transcript.text.startswith("It was the best of times")


@pytest.mark.parametrize(
    ("models", "arguments", "said"),
    [
        (False, (), "there is no model in"),
        (True, ("no-such-model",), "failed to load all models"),
    ],
)
async def test_a_model_that_is_not_there_ends_the_start(
    built_models_dir: Path, tmp_path: Path, *, models: bool, arguments: tuple[str, ...], said: str
) -> None:
    async with image(tmp_path, built_models_dir if models else tmp_path, *arguments) as (_port, log):
        await eventually(lambda: said in log.read_text(), timeout_s=20)
