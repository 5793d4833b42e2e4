"""`python -m bench.dialects`: the same files through gRPC and through each HTTP dialect of one server, in one run.

Each way sends all files at once and waits for every transcript, round by round and way by way; the table gives medians
of the rounds. The first row is what the others are measured against.
"""

import argparse
import asyncio
import functools
import http.server
import statistics
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

import stenod
from bench.machine import Machine
from bench.preparation import build_models
from bench.process_tree import ProcessTree
from bench.recordings import SPEECH_DIR, NoSpeechSet, english_recordings
from bench.request import request_for
from bench.systems.service import Running, running_server

POLL_S: Final = 0.05
_SERVER: Final = ("--fetch-allow=127.0.0.0/8", "--speechmatics-admission=queue", "--assemblyai-admission=queue")
Way = Callable[[Path], Awaitable[str]]


class Ways:
    """How a file becomes its text, by the API it goes through. `origin` is where the files are served from."""

    def __init__(self, grpc: stenod.Client, web: httpx.AsyncClient, origin: str) -> None:
        self._grpc = grpc
        self._web = web
        self._origin = origin

    def all(self) -> Mapping[str, Way]:
        return {
            "gRPC": self.grpc,
            "gRPC, by address": self.grpc_by_address,
            "Speechmatics": self.speechmatics,
            "OpenAI": self.openai,
            "guide": self.guide,
            "AssemblyAI, by address": self.assemblyai,
        }

    async def grpc(self, path: Path) -> str:
        return (await self._grpc.transcribe(path, language="en")).text

    async def grpc_by_address(self, path: Path) -> str:
        return (await self._grpc.transcribe(self._url(path), language="en")).text

    async def speechmatics(self, path: Path) -> str:
        config = '{"type": "transcription", "transcription_config": {"language": "en"}}'
        job = await self._post("/v2/jobs", files={"data_file": path.open("rb")}, data={"config": config})
        while True:
            answer = await self._web.get(f"/v2/jobs/{job['id']}", params={"wait": 30})
            if answer.raise_for_status().json()["job"]["status"] != "running":
                break
        text = await self._web.get(f"/v2/jobs/{job['id']}/transcript", params={"format": "txt"})
        return text.raise_for_status().text

    async def openai(self, path: Path) -> str:
        form = {"model": "whisper-1", "language": "en"}
        answer = await self._post("/v1/audio/transcriptions", files={"file": path.open("rb")}, data=form)
        return str(answer["text"])

    async def guide(self, path: Path) -> str:
        job = await self._post("/transcribe/async", files={"audio": path.open("rb")}, data={"language": "en"})
        while True:
            found = (await self._web.get(f"/transcribe/{job['job_id']}")).raise_for_status().json()
            if found["status"] == "completed":
                return str(found["result"]["text"])
            await asyncio.sleep(POLL_S)

    async def assemblyai(self, path: Path) -> str:
        return str((await self._post("/transcribe/url", json={"audio_url": self._url(path)}))["blob"])

    async def _post(self, path: str, **request: Any) -> dict[str, Any]:
        answer = await self._web.post(path, **request)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def _url(self, path: Path) -> str:
        return f"{self._origin}/{path.relative_to(SPEECH_DIR)}"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name of the library
        del format, args


@contextmanager
def _served(directory: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


async def measure(server: Running, paths: list[Path], rounds: int) -> None:
    audio_s = sum(recording.clip.duration_s for recording in english_recordings() if Path(recording.clip.path) in paths)
    tree = ProcessTree(server.pid)
    with _served(SPEECH_DIR) as origin:
        limits = httpx.Limits(max_connections=len(paths))
        async with (
            stenod.Client(server.grpc) as grpc,
            httpx.AsyncClient(base_url=f"http://{server.http}", timeout=300, limits=limits) as web,
        ):
            ways = Ways(grpc, web, origin).all()
            took: dict[str, list[float]] = {name: [] for name in ways}
            cpu: dict[str, list[float]] = {name: [] for name in ways}
            texts: dict[str, list[str]] = {}
            for turn in range(rounds + 1):  # the first warms up
                for name, way in ways.items():
                    before, begun = _server_cpu_s(tree), time.perf_counter()
                    texts[name] = [" ".join(text.split()) for text in await asyncio.gather(*map(way, paths))]
                    if turn:
                        took[name].append(time.perf_counter() - begun)
                        cpu[name].append(_server_cpu_s(tree) - before)
                    print(f"\rround {turn}/{rounds}  {name:<24}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    _print(took, cpu, texts, audio_s=audio_s, files=len(paths))


def _server_cpu_s(tree: ProcessTree) -> float:
    return tree.cpu_s_by_role(lambda command: "server" if "serve" in command.split() else "other").get("server", 0.0)


def _print(
    took: Mapping[str, list[float]],
    cpu: Mapping[str, list[float]],
    texts: Mapping[str, list[str]],
    *,
    audio_s: float,
    files: int,
) -> None:
    first = statistics.median(took["gRPC"])
    print(f"{files} files at once, {audio_s:.0f} s of speech, medians of {len(took['gRPC'])} rounds\n")
    print(f"{'way':<24} {'seconds':>8} {'x real time':>12} {'of gRPC':>8} {'server ms/file':>15}  same text")
    for name, seconds in took.items():
        median = statistics.median(seconds)
        server_ms = 1000 * statistics.median(cpu[name]) / files
        same = sum(a == b for a, b in zip(texts[name], texts["gRPC"], strict=True))
        print(
            f"{name:<24} {median:8.2f} {audio_s / median:12.1f} {first / median:8.2f} {server_ms:15.1f}  "
            f"{same} of {files}"
        )


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.dialects", description=__doc__)
    parser.add_argument("--files", type=int, default=16, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    arguments = parser.parse_args()
    try:
        recordings = english_recordings(arguments.files)
    except NoSpeechSet as error:
        print(error, file=sys.stderr)
        return 1
    build_models()
    print(Machine.here())
    async with running_server(request_for(recordings, scenarios=()), *_SERVER) as server:
        await measure(server, [Path(recording.clip.path) for recording in recordings], arguments.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
