"""What the clients are let loose at: real servers with the real model, a receiver of notifications, a web server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

import stenod
from stenod.results import JobState
from tests.support.credentials import make_key
from tests.support.eventually import eventually_so
from tests.support.file_server import serving_files
from tests.support.receiver import Receiver, receiving
from tests.support.server import serving
from tests.support.speech import Recording, english_with_text, recordings

ENGINES: Final = 4
SHORT_S: Final = 4.0
_OPTIONS: Final = (
    f"--parallel={ENGINES}",
    "--elastic=off",
    "--admission=reject",
    "--fetch-allow=127.0.0.0/8",
    "--voices-model=voices",
)


@dataclass(frozen=True, slots=True)
class Arena:
    """`url` is a server that asks nobody for a key, `keyed_url` one that wants `right_key`. `short` is spoken in some
    seconds, `long` works the server for a while, `broken` is no recording at all. `files_url` is where `short`'s
    directory can be fetched from.
    """

    url: str
    keyed_url: str
    right_key: str
    grpc: stenod.Client
    web: httpx.AsyncClient
    short: Recording
    long: Recording
    broken: Path
    receiver: Receiver
    files_url: str

    async def ended(self, job_id: str) -> stenod.results.Job:
        job = await self.grpc.wait(job_id)
        assert job.state is JobState.SUCCEEDED
        return job

    async def text_of(self, job_id: str) -> str:
        """What the gRPC API has of it."""
        return (await self.grpc.transcript(job_id)).text

    async def engines(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.web.get("/jobs")).raise_for_status().json()
        return found

    async def idle(self) -> None:
        async def all_free() -> bool:
            return bool((await self.engines())["unused_engines"] == ENGINES)

        await eventually_so(all_free, timeout_s=120)

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Every engine is in use, and still was when the context ends."""
        async with self.running(self._hold) as job_id:
            yield
            assert (await self.grpc.job(job_id)).state is JobState.RUNNING

    @asynccontextmanager
    async def running(self, submit: Callable[[], Awaitable[str]]) -> AsyncIterator[str]:
        """A job that is submitted to an idle server and runs; it is erased in the end, unless it was before."""
        await self.idle()
        job_id = await submit()
        try:
            await eventually_so(lambda: self._runs(job_id))
            yield job_id
        finally:
            await self.web.delete(f"/v2/jobs/{job_id}", params={"force": "true"})
            await self.idle()

    async def _hold(self) -> str:
        return (await self.grpc.submit(self.long.path, parallel_engines=ENGINES)).job_id

    async def _runs(self, job_id: str) -> bool:
        return (await self.grpc.job(job_id)).state is JobState.RUNNING


@asynccontextmanager
async def open_arena(directory: Path, models_dir: Path) -> AsyncIterator[Arena]:
    short = min(english_with_text(), key=lambda one: abs(one.duration_s - SHORT_S))
    [long] = recordings("long")
    broken = directory / "broken.wav"
    broken.write_bytes(b"no recording at all" * 100)
    key = make_key(directory / "access.toml")
    locked = ("--parallel=1", f"--access-file={directory / 'access.toml'}")
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving())
        files_url = stack.enter_context(serving_files(short.path.parent))
        server = await stack.enter_async_context(serving(directory / "open", *_OPTIONS, models_dir=models_dir))
        keyed = await stack.enter_async_context(serving(directory / "keyed", *locked, models_dir=models_dir))
        url = f"http://{server.http}"
        grpc = await stack.enter_async_context(stenod.Client(server.address))
        web = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60.0))
        yield Arena(url, f"http://{keyed.http}", key, grpc, web, short, long, broken, receiver, files_url)
