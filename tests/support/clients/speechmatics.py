"""Callers of the batch API v2 of Speechmatics: what each client calls the same few things."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TypeVar

from tests.support.clients.node import NodeScript
from tests.support.speechmatics_clients import KEY, async_client, batch, batch_models, legacy_client, sync_client

Config = Mapping[str, Any]
PLAIN: Final[Config] = {"type": "transcription", "transcription_config": {"language": "en"}}
_FORMS: Final = {"txt": batch.FormatType.TXT, "srt": batch.FormatType.SRT}
_T = TypeVar("_T")


class SpeechmaticsCaller(Protocol):
    """One client at one address. `lacks` names the cells that it has no method for."""

    lacks: ClassVar[frozenset[str]]

    async def submit(
        self, recording: Path | None, config: Config, *, engines: int | None = None, user_id: str | None = None
    ) -> str:
        """The job. Without a recording the configuration says where it is."""

    async def transcribed(self, recording: Path) -> str:
        """The text, by the client's own way to wait for it."""

    async def words(self, job_id: str) -> Sequence[str]:
        """Out of json-v2, without punctuation."""

    async def text(self, job_id: str, form: str) -> str:
        """`txt` or `srt`."""

    async def jobs(self) -> Sequence[str]: ...

    async def status(self, job_id: str) -> str: ...

    async def delete(self, job_id: str, *, force: bool = False) -> None: ...


@dataclass(frozen=True)
class AsyncBatch:
    """`speechmatics-batch`, asynchronous."""

    url: str
    key: str = KEY
    lacks: ClassVar[frozenset[str]] = frozenset({"data"})

    async def submit(
        self, recording: Path | None, config: Config, *, engines: int | None = None, user_id: str | None = None
    ) -> str:
        async with async_client(self.url, self.key) as client:
            job = await client.submit_job(
                recording and str(recording),
                config=batch_models.JobConfig.from_dict(dict(config)),
                parallel_engines=engines,
                user_id=user_id,
            )
            return str(job.id)

    async def transcribed(self, recording: Path) -> str:
        async with async_client(self.url, self.key) as client:
            return str((await client.transcribe(str(recording))).transcript_text)

    async def words(self, job_id: str) -> Sequence[str]:
        async with async_client(self.url, self.key) as client:
            return _words(await client.get_transcript(job_id))

    async def text(self, job_id: str, form: str) -> str:
        async with async_client(self.url, self.key) as client:
            return str(await client.get_transcript(job_id, format_type=_FORMS[form]))

    async def jobs(self) -> Sequence[str]:
        async with async_client(self.url, self.key) as client:
            return [job.id for job in await client.list_jobs(limit=100)]

    async def status(self, job_id: str) -> str:
        async with async_client(self.url, self.key) as client:
            return str((await client.get_job_info(job_id)).status.value)

    async def delete(self, job_id: str, *, force: bool = False) -> None:
        async with async_client(self.url, self.key) as client:
            await client.delete_job(job_id, force=force)


@dataclass(frozen=True)
class SyncBatch:
    """`speechmatics-batch`, synchronous: in a thread of its own."""

    url: str
    key: str = KEY
    lacks: ClassVar[frozenset[str]] = frozenset({"data"})

    async def _use(self, call: Callable[[Any], _T]) -> _T:
        def use() -> _T:
            with sync_client(self.url, self.key) as client:
                return call(client)

        return await asyncio.to_thread(use)

    async def submit(
        self, recording: Path | None, config: Config, *, engines: int | None = None, user_id: str | None = None
    ) -> str:
        typed = batch_models.JobConfig.from_dict(dict(config))
        given = {"config": typed, "parallel_engines": engines, "user_id": user_id}
        return await self._use(lambda client: str(client.submit_job(recording and str(recording), **given).id))

    async def transcribed(self, recording: Path) -> str:
        return await self._use(lambda client: str(client.transcribe(str(recording)).transcript_text))

    async def words(self, job_id: str) -> Sequence[str]:
        return await self._use(lambda client: _words(client.get_transcript(job_id)))

    async def text(self, job_id: str, form: str) -> str:
        return await self._use(lambda client: str(client.get_transcript(job_id, format_type=_FORMS[form])))

    async def jobs(self) -> Sequence[str]:
        return await self._use(lambda client: [job.id for job in client.list_jobs(limit=100)])

    async def status(self, job_id: str) -> str:
        return await self._use(lambda client: str(client.get_job_info(job_id).status.value))

    async def delete(self, job_id: str, *, force: bool = False) -> None:
        await self._use(lambda client: client.delete_job(job_id, force=force))


@dataclass(frozen=True)
class Legacy:
    """`speechmatics-python`: it sends no X-SM-Processing-Data."""

    url: str
    key: str = KEY
    lacks: ClassVar[frozenset[str]] = frozenset({"data", "engines", "user_id"})

    async def _use(self, call: Callable[[Any], _T]) -> _T:
        def use() -> _T:
            with legacy_client(self.url, self.key) as client:
                return call(client)

        return await asyncio.to_thread(use)

    async def submit(
        self, recording: Path | None, config: Config, *, engines: int | None = None, user_id: str | None = None
    ) -> str:
        assert (engines, user_id) == (None, None)
        return await self._use(lambda client: str(client.submit_job(recording and str(recording), dict(config))))

    async def transcribed(self, recording: Path) -> str:
        def use(client: Any) -> str:
            return str(client.wait_for_completion(client.submit_job(str(recording), dict(PLAIN)), "txt"))

        return await self._use(use)

    async def words(self, job_id: str) -> Sequence[str]:
        return await self._use(lambda client: words_of(client.get_job_result(job_id, "json-v2")))

    async def text(self, job_id: str, form: str) -> str:
        return await self._use(lambda client: str(client.get_job_result(job_id, form)))

    async def jobs(self) -> Sequence[str]:
        return await self._use(lambda client: [job["id"] for job in client.list_jobs()])

    async def status(self, job_id: str) -> str:
        return await self._use(lambda client: str(client.check_job_status(job_id)["job"]["status"]))

    async def delete(self, job_id: str, *, force: bool = False) -> None:
        said = await self._use(lambda client: client.delete_job(job_id, force=force))
        assert said == f"Job {job_id} deleted"


@dataclass(frozen=True)
class NodeBatch:
    """`@speechmatics/batch-client`: it sends no X-SM-Processing-Data either."""

    script: NodeScript
    url: str
    key: str = KEY
    lacks: ClassVar[frozenset[str]] = frozenset({"engines", "user_id"})

    async def submit(
        self, recording: Path | None, config: Config, *, engines: int | None = None, user_id: str | None = None
    ) -> str:
        assert (engines, user_id) == (None, None)
        address = config.get("fetch_data", {}).get("url")
        return str(await self._ask("submit", recording=recording and str(recording), url=address, config=config))

    async def transcribed(self, recording: Path) -> str:
        given = {"recording": str(recording), "as": "file", "config": PLAIN, "format": "text"}
        return str(await self._ask("transcribe", **given))

    async def words(self, job_id: str) -> Sequence[str]:
        return words_of(await self._ask("transcript", id=job_id, format="json-v2"))

    async def text(self, job_id: str, form: str) -> str:
        return str(await self._ask("transcript", id=job_id, format={"txt": "text"}.get(form, form)))

    async def jobs(self) -> Sequence[str]:
        return [job["id"] for job in await self._ask("jobs", limit=100)]

    async def status(self, job_id: str) -> str:
        return str((await self._ask("job", id=job_id))["status"])

    async def delete(self, job_id: str, *, force: bool = False) -> None:
        assert (await self._ask("delete", id=job_id, force=force))["status"] == "deleted"

    async def data(self, job_id: str) -> Mapping[str, str]:
        """`sha256` of what came, and what the client said of it: it can only read JSON."""
        found: dict[str, str] = await self._ask("data", id=job_id)
        return found

    async def _ask(self, action: str, **given: Any) -> Any:
        return await self.script(action, f"{self.url}/v2", self.key, **given)


def words_of(transcript: Mapping[str, Any]) -> list[str]:
    """Of json-v2 as it is on the wire."""
    results = transcript["results"]
    return [str(result["alternatives"][0]["content"]) for result in results if result["type"] == "word"]


def _words(transcript: Any) -> list[str]:
    return [str(result.alternatives[0].content) for result in transcript.results if result.type == "word"]
