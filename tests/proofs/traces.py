"""Proof: Triton's own spans are in the trace of whoever submitted the job.

    python -m tests.proofs.traces

A real tritonserver that sends its traces by OpenTelemetry, a node before it that does so too, a collector for either,
and a client with a span open. Prints the spans of that trace. Exit status 1 unless spans of the node and of Triton have
the trace id of the client's span.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from opentelemetry.sdk.trace import TracerProvider

import stenod
from stenod_server.engine.tritonserver import Host, Launch, environment, link_backend, locate
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.models import VAD_MODEL, build_models
from tests.support.quiet import keep_quiet
from tests.support.receiver import Receiver, receiving
from tests.support.spans import Collector, collecting
from tests.support.triton import SLEEPER, add_sleeper

WINDOWS: Final = 3
PATIENCE_S: Final = 30.0


@asynccontextmanager
async def traced_triton(directory: Path, receiver: Receiver) -> AsyncIterator[str]:
    """With the sleeper, and every request traced that comes with a trace; its address."""
    add_sleeper(directory / "models")
    installation = locate(Host.here())
    link_backend(installation, directory / "backends")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = Launch(
        server_id=f"traced-{port}",
        port=port,
        models_dir=directory / "models",
        models=(SLEEPER,),
        backends_dir=directory / "backends",
        grace_s=5.0,
    )
    command = [one for one in launch.command(installation.binary) if not one.startswith("--grpc-restricted-protocol")]
    command += [
        "--trace-config=mode=opentelemetry",
        f"--trace-config=opentelemetry,url={receiver.url('/v1/traces')}",
        "--trace-config=opentelemetry,bsp_schedule_delay=100",
        "--trace-config=level=TIMESTAMPS",
        "--trace-config=rate=1000000000",  # of those that come without a trace: none
    ]
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment(installation, os.environ),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield f"127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def traced_job(directory: Path, triton: str, collector: Collector) -> str:
    """Submit within a span and wait; the id of its trace."""
    from stenod_server.app.node import Parts, open_node  # noqa: PLC0415  reads nothing before the environment is set
    from stenod_server.settings import load  # noqa: PLC0415  as above

    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.address
    settings = load(
        data_dir=directory / "data",
        models_dir=build_models(VAD_MODEL),
        listen="127.0.0.1:0",
        http_listen="off",
        metrics_listen="off",
        model=SLEEPER,
        triton_url=(triton,),
        log_level="error",
    )
    application = TracerProvider(shutdown_on_exit=False).get_tracer("an application")
    parts = Parts(front_end=ScriptedFrontEnd(make_windows(WINDOWS, seconds=2.0)))
    async with open_node(settings, parts=parts) as node, stenod.Client(node.address) as client:
        with application.start_as_current_span("caller") as caller:
            job = await client.submit(b"RIFF", language="en")
        await client.wait(job.job_id, timeout_s=PATIENCE_S)
    return f"{caller.get_span_context().trace_id:032x}"


def spans_of_triton(receiver: Receiver, trace_id: str) -> list[str]:
    """Their names. Triton sends OTLP as JSON, in which ids are hexadecimal."""
    found = []
    for call in receiver.calls:
        for of_resource in json.loads(call.body)["resourceSpans"]:
            for scope in of_resource["scopeSpans"]:
                found += [span["name"] for span in scope["spans"] if span["traceId"].lower() == trace_id]
    return sorted(found)


async def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    keep_quiet()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        async with receiving() as receiver, collecting() as collector:
            async with traced_triton(directory, receiver) as triton:
                trace_id = await traced_job(directory, triton, collector)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE_S):
                        while len(set(spans_of_triton(receiver, trace_id))) < 2:  # noqa: ASYNC110  it has no event
                            await asyncio.sleep(0.1)
            ours, theirs = collector.names(trace_id), spans_of_triton(receiver, trace_id)
    print(f"trace  {trace_id}\nstenod {' '.join(ours)}\nTriton {' '.join(theirs)}")
    is_whole = ours.count("window") == WINDOWS and "job" in ours and bool(theirs)
    print("one trace from the client to Triton" if is_whole else "FAIL: the trace is not whole")
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
