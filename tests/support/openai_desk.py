"""A node with the OpenAI dialect, and its makers' client to ask it with."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import openai

from stenod_server.domain.job import Job, JobState
from stenod_server.engine.fake import FakeEngine
from stenod_server.ports import JobFilter
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.http_node import HttpNode, http_node
from tests.support.waves import silence, write_wav

TEXT: Final = "32000-0 32000-1 32000-0 32000-1"
MODEL: Final = "gpt-transcribe"


@dataclass
class Desk:
    """A node with the dialect, its recogniser, and a recording of two utterances."""

    http: HttpNode
    engine: FakeEngine
    recording: Path
    sent: list[httpx.Request] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)

    def client(self, *, max_retries: int = 0, api_key: str = "any", timeout: float = 30.0) -> openai.AsyncOpenAI:
        async def keep(request: httpx.Request) -> None:
            self.sent.append(request)

        async def note(response: httpx.Response) -> None:
            self.answered.append(response.status_code)

        return openai.AsyncOpenAI(
            base_url=f"{self.http.url}/v1",
            api_key=api_key,
            max_retries=max_retries,
            timeout=timeout,
            http_client=openai.DefaultAsyncHttpxClient(event_hooks={"request": [keep], "response": [note]}),
        )

    async def transcribe(self, client: openai.AsyncOpenAI | None = None, **fields: Any) -> Any:
        async with client or self.client() as asking:
            return await asking.audio.transcriptions.create(**{"file": self.recording, "model": MODEL, **fields})

    @asynccontextmanager
    async def stream(self, **fields: Any) -> AsyncIterator[AsyncIterator[Any]]:
        """The events, while the context is open."""
        async with self.client() as asking:
            given = {"file": self.recording, "model": MODEL, "stream": True, **fields}
            yield aiter(await asking.audio.transcriptions.create(**given))

    async def post(self, *fields: tuple[str, str], path: str = "/v1/audio/transcriptions") -> httpx.Response:
        parts: list[Any] = [(name, (None, value)) for name, value in fields]
        parts.append(("file", (self.recording.name, self.recording.read_bytes(), "audio/x-wav")))
        return await self.http.client.post(path, files=parts)

    async def jobs(self, *states: JobState) -> list[Job]:
        return list(await self.http.node.scheduler.list("default", JobFilter(states=states), limit=100))

    @contextmanager
    def busy(self) -> Iterator[asyncio.Event]:
        """The recogniser waits for the event."""
        self.engine.gate = asyncio.Event()
        try:
            yield self.engine.gate
        finally:
            self.engine.gate.set()


@asynccontextmanager
async def open_desk(directory: Path, engine: FakeEngine | None = None, **settings: Any) -> AsyncIterator[Desk]:
    settings.setdefault("front_end", ScriptedFrontEnd(make_windows(2, gap_s=3.0)))
    engine = engine or FakeEngine()
    recording = write_wav(directory / "speech.wav", silence(0.1))
    async with http_node(directory, engine, **settings) as http:
        yield Desk(http, engine, recording)
