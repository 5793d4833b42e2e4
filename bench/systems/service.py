"""The whole service as a user runs it: `stenod serve` with its embedded Triton, driven through the gRPC API."""

import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Final

import stenod
from bench.process_tree import ProcessTree
from bench.protocol import FILES_AT_ONCE, JOINED, Clip, Report, Request, Word, serve

CLIPS, LONG, SINGLE, SUBMIT, WORDS = "clips", "long", "single", "submit", "words"
COLD_START: Final = "cold_start_s"
SINGLE_LATENCY: Final = "single_latency_s"
SUBMIT_LATENCY: Final = "submit_latency_s"
SUBMIT_LATENCY_IDLE: Final = "submit_latency_idle_s"  # with recognisers that yield entirely
LANGUAGE: Final = "en"  # as the bare loop and the peers are told
IN_FLIGHT: Final = 200
_SUBMITS: Final = 600
_SINGLE_REPEATS: Final = 10
_START_S: Final = 600.0
_STOP_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server: where it answers, its process, and how long it took from start to READY."""

    grpc: str
    http: str
    pid: int
    start_s: float


@asynccontextmanager
async def running_server(request: Request, *options: str, log: BinaryIO | None = None) -> AsyncIterator[Running]:
    """A server with an empty data directory. What it says goes to `log`, or where this process's stderr goes."""
    with tempfile.TemporaryDirectory(prefix="node-", dir=request.cache_dir) as data_dir:
        given = [f"--data-dir={data_dir}", f"--models-dir={request.models_dir}", "--log-level=warning"]
        given += [f"--model={request.model}"] if request.model else []
        listeners = ["--listen=127.0.0.1:0", "--http-listen=127.0.0.1:0", "--metrics-listen=off"]
        begun = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stenod_server", "serve", *given, *listeners, *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "NO_COLOR": "1"},
        )
        try:
            grpc, http = await asyncio.wait_for(_addresses(process), _START_S)
            yield Running(grpc, http, process.pid, time.perf_counter() - begun)
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), _STOP_S)


async def _addresses(process: asyncio.subprocess.Process) -> tuple[str, str]:
    if process.stdout is None:
        raise RuntimeError("the server's output is not read")
    async for line in process.stdout:
        if found := re.search(r"^READY grpc=(\S+) http=(\S+)", line.decode()):
            return found[1], found[2]
    raise RuntimeError("the server ended before it was READY")


async def transcribe_all(
    client: stenod.Client, clips: Sequence[Clip], *, at_once: int = FILES_AT_ONCE
) -> dict[str, stenod.Transcript]:
    """So many files at once, until all are done."""
    room = asyncio.Semaphore(at_once)

    async def transcribe(clip: Clip) -> tuple[str, stenod.Transcript]:
        async with room:
            return clip.id, await client.transcribe(Path(clip.path), language=LANGUAGE)

    return dict(await asyncio.gather(*map(transcribe, clips)))


async def measure_service(request: Request, report: Report) -> None:
    async with running_server(request) as server, stenod.Client(server.grpc) as client:
        await transcribe_all(client, [request.single] * FILES_AT_ONCE)
        report.ready(
            {name: version(name) for name in ("stenod", "nvidia-pytriton", "onnxruntime")}, measured_pid=server.pid
        )
        report.figure(COLD_START, server.start_s)
        await transcribe_all(client, request.warm_up)
        if LONG in request.scenarios:
            await client.transcribe(Path(request.joined.path), language=LANGUAGE)
        if SINGLE in request.scenarios:
            await _measure_single(client, request.single, report)
        if CLIPS in request.scenarios:
            await _measure_clips(client, request.clips, report, ProcessTree(server.pid))
        if LONG in request.scenarios:
            for run in report.repeated(LONG):
                with run as texts:
                    texts[JOINED] = (await client.transcribe(Path(request.joined.path), language=LANGUAGE)).text
        if WORDS in request.scenarios:
            for clip_id, transcript in (await transcribe_all(client, request.clips)).items():
                report.words(clip_id, [Word(word.text, word.start_s, word.end_s) for word in transcript.words])
        if SUBMIT in request.scenarios:
            await _measure_submits(client, request.single, report, SUBMIT_LATENCY)
    if SUBMIT in request.scenarios:
        async with running_server(request, "--worker-priority=idle") as server, stenod.Client(server.grpc) as client:
            await transcribe_all(client, [request.single] * FILES_AT_ONCE)
            await _measure_submits(client, request.single, report, SUBMIT_LATENCY_IDLE)


async def _measure_single(client: stenod.Client, clip: Clip, report: Report) -> None:
    for _ in range(_SINGLE_REPEATS):
        begun = time.perf_counter()
        await client.transcribe(Path(clip.path), language=LANGUAGE)
        report.figure(SINGLE_LATENCY, time.perf_counter() - begun)


async def _measure_clips(client: stenod.Client, clips: Sequence[Clip], report: Report, tree: ProcessTree) -> None:
    for run in report.repeated(CLIPS):
        before = tree.cpu_s_by_role(_role)
        with run as texts:
            found = await transcribe_all(client, clips)
            texts.update({clip_id: transcript.text for clip_id, transcript in found.items()})
        for role, seconds in tree.cpu_s_by_role(_role).items():
            report.figure(f"{role}_cpu_s_per_job", (seconds - before.get(role, 0.0)) / len(clips))


def _role(command: str) -> str:
    if "stenod_server.audio.worker" in command:
        return "audio"
    return "triton" if "tritonserver" in command or "python_backend_stub" in command else "server"


async def _measure_submits(client: stenod.Client, clip: Clip, report: Report, figure: str) -> None:
    """How long SubmitJob takes while at least IN_FLIGHT jobs wait or run: one after the other, each a new job."""
    media = await asyncio.to_thread(Path(clip.path).read_bytes)
    jobs = [await client.submit(media, language=LANGUAGE) for _ in range(IN_FLIGHT)]
    for _ in range(_SUBMITS):
        begun = time.perf_counter()
        job = await client.submit(media, language=LANGUAGE)
        report.figure(figure, time.perf_counter() - begun)
        jobs.append(job)
    await asyncio.gather(*(client.delete(job.job_id, force=True) for job in jobs))


def run(request: Request, report: Report) -> None:
    asyncio.run(measure_service(request, report))


if __name__ == "__main__":
    serve(run)
