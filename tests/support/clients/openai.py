"""Callers of the OpenAI API: what each client calls the same few things."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import openai

from tests.support.clients.node import NodeScript
from tests.support.speechmatics_clients import KEY

Answer = str | Mapping[str, Any]
_T = TypeVar("_T")


class OpenAiCaller(Protocol):
    """One client at one address, which asks once."""

    async def transcribe(self, recording: Path, **fields: Any) -> Answer: ...

    async def streamed(self, recording: Path, **fields: Any) -> Sequence[Mapping[str, Any]]:
        """The events."""

    async def models(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class AsyncOpenAi:
    """`openai` for Python, asynchronous."""

    url: str
    key: str = KEY

    def _client(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0)

    async def transcribe(self, recording: Path, **fields: Any) -> Answer:
        async with self._client() as client:
            return _plain(await client.audio.transcriptions.create(file=recording, **fields))

    async def streamed(self, recording: Path, **fields: Any) -> Sequence[Mapping[str, Any]]:
        async with self._client() as client:
            events = await client.audio.transcriptions.create(file=recording, stream=True, **fields)
            return [event.to_dict() async for event in events]

    async def models(self) -> Sequence[str]:
        async with self._client() as client:
            return [model.id async for model in client.models.list()]


@dataclass(frozen=True)
class SyncOpenAi:
    """`openai` for Python, synchronous: in a thread of its own."""

    url: str
    key: str = KEY

    async def _use(self, call: Callable[[openai.OpenAI], _T]) -> _T:
        def use() -> _T:
            with openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0) as client:
                return call(client)

        return await asyncio.to_thread(use)

    async def transcribe(self, recording: Path, **fields: Any) -> Answer:
        return await self._use(lambda client: _plain(client.audio.transcriptions.create(file=recording, **fields)))

    async def streamed(self, recording: Path, **fields: Any) -> Sequence[Mapping[str, Any]]:
        def use(client: openai.OpenAI) -> list[Mapping[str, Any]]:
            events = client.audio.transcriptions.create(file=recording, stream=True, **fields)
            return [event.to_dict() for event in events]

        return await self._use(use)

    async def models(self) -> Sequence[str]:
        return await self._use(lambda client: [model.id for model in client.models.list()])


@dataclass(frozen=True)
class NodeOpenAi:
    """`openai` for Node."""

    script: NodeScript
    url: str
    key: str = KEY

    async def transcribe(self, recording: Path, **fields: Any) -> Answer:
        found: Answer = await self._ask("transcribe", recording=str(recording), **fields)
        return found

    async def streamed(self, recording: Path, **fields: Any) -> Sequence[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = await self._ask("stream", recording=str(recording), **fields)
        return found

    async def models(self) -> Sequence[str]:
        found: list[str] = await self._ask("models")
        return found

    async def _ask(self, action: str, **given: Any) -> Any:
        return await self.script(action, f"{self.url}/v1", self.key, **given)


def _plain(answer: Any) -> Answer:
    return answer if isinstance(answer, str) else dict(answer.to_dict())
