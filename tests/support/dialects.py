"""A recording through each way into a server: gRPC and every HTTP dialect, as bytes and by its address."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

import stenod
from tests.support.server import RunningServer

Way = Callable[[Path], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Dialects:
    """`url_of` says where a server can fetch a file from. Each way gives the text, or what the refusal says."""

    grpc: stenod.Client
    web: httpx.AsyncClient
    url_of: Callable[[Path], str]

    def uploading(self) -> Mapping[str, Way]:
        return {
            "gRPC": self.by_grpc,
            "Speechmatics": self.by_speechmatics,
            "OpenAI": self.by_openai,
            "guide": self.by_guide,
        }

    def fetching(self) -> Mapping[str, Way]:
        return {
            "gRPC": self.from_address_by_grpc,
            "Speechmatics": self.from_address_by_speechmatics,
            "AssemblyAI": self.from_address_by_assemblyai,
        }

    async def by_grpc(self, path: Path) -> str:
        return (await self.grpc.transcribe(path, language="en")).text

    async def from_address_by_grpc(self, path: Path) -> str:
        return (await self.grpc.transcribe(self.url_of(path), language="en")).text

    async def by_speechmatics(self, path: Path) -> str:
        config = '{"type": "transcription", "transcription_config": {"language": "en"}}'
        with path.open("rb") as media:
            answer = await self.web.post("/v2/jobs", files={"data_file": media}, data={"config": config})
        return await self._speechmatics_text(answer)

    async def from_address_by_speechmatics(self, path: Path) -> str:
        config = '{"type": "transcription", "transcription_config": {"language": "en"}, "fetch_data": {"url": "%s"}}'
        answer = await self.web.post("/v2/jobs", files={"config": (None, config % self.url_of(path))})
        return await self._speechmatics_text(answer)

    async def by_openai(self, path: Path) -> str:
        form = {"model": "whisper-1", "language": "en", "response_format": "text"}
        with path.open("rb") as media:
            answer = await self.web.post("/v1/audio/transcriptions", files={"file": media}, data=form)
        return answer.raise_for_status().text

    async def by_guide(self, path: Path) -> str:
        with path.open("rb") as media:
            answer = await self.web.post("/transcribe/async", files={"audio": media}, data={"language": "en"})
        if answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return f"{answer.status_code} {answer.json()['detail']}"
        job_id = answer.raise_for_status().json()["job_id"]
        await self.grpc.wait(job_id)
        found = (await self.web.get(f"/transcribe/{job_id}")).raise_for_status().json()
        return str(found["result"]["text"])

    async def from_address_by_assemblyai(self, path: Path) -> str:
        answer = await self.web.post("/transcribe/url", json={"audio_url": self.url_of(path)})
        return str(answer.raise_for_status().json()["blob"])

    async def _speechmatics_text(self, answer: httpx.Response) -> str:
        job_id = answer.raise_for_status().json()["id"]
        await self.grpc.wait(job_id)
        url = f"/v2/jobs/{job_id}/transcript"
        return (await self.web.get(url, params={"format": "txt"})).raise_for_status().text


def web_client(server: RunningServer, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{server.http}", timeout=600.0, **options)
