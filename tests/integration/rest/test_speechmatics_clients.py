"""The clients of Speechmatics, unmodified, where they are refused."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from stenod_server.engine.fake import FakeEngine
from tests.support.builders import FakeClock
from tests.support.credentials import make_key
from tests.support.http_node import HttpNode
from tests.support.origin import media, running_origin
from tests.support.speechmatics import AUDIO, ended, refusal, speechmatics_node, submitted
from tests.support.speechmatics_clients import (
    BatchTranscriptionConfig,
    TranscriptionError,
    async_client,
    batch,
    batch_models,
    legacy_client,
    sync_client,
)

BUSY = r"Server busy: 8 engines not available \(2 engines in use, 5 parallel allowed\)"


@pytest.fixture
def recording(tmp_path: Path) -> str:
    """Large enough that a client is still sending it when it is refused; of a megabyte, aiohttp would warn."""
    path = tmp_path / "audio.wav"
    path.write_bytes(AUDIO * 50_000)
    return str(path)


@pytest.fixture
async def busy(tmp_path: Path) -> AsyncIterator[HttpNode]:
    """Two of its five engines are taken."""
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    async with speechmatics_node(tmp_path, engine, parallel=5) as http:
        await submitted(http, headers={"X-SM-Processing-Data": '{"parallel_engines": 2}'})
        yield http
        engine.gate.set()


async def test_a_busy_server_is_told_to_the_asynchronous_client(busy: HttpNode, recording: str) -> None:
    async with async_client(busy.url) as client:
        with pytest.raises(batch.BatchError, match=f"HTTP 503.*{BUSY}"):
            await client.submit_job(recording, parallel_engines=8)


async def test_a_busy_server_is_told_to_the_synchronous_client(busy: HttpNode, recording: str) -> None:
    def use() -> None:
        with sync_client(busy.url) as client, pytest.raises(batch.BatchError, match=f"HTTP 503.*{BUSY}"):
            client.submit_job(recording, parallel_engines=8)

    await asyncio.to_thread(use)


async def test_a_busy_server_is_told_to_the_older_client(tmp_path: Path, recording: str) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Event()

    def use(url: str) -> httpx.Response:
        with legacy_client(url) as client, pytest.raises(httpx.HTTPStatusError) as refused:
            client.submit_job(recording, BatchTranscriptionConfig(language="en"))
        response: httpx.Response = refused.value.response
        return response

    async with speechmatics_node(tmp_path, engine, parallel=1) as http:
        await submitted(http)
        response = await asyncio.to_thread(use, http.url)
        engine.gate.set()
    assert response.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert "Server busy: 1 engines not available (1 engines in use, 1 parallel allowed)" in response.text


async def test_a_wrong_key_is_told_to_every_client(tmp_path: Path, recording: str) -> None:
    access_file = tmp_path / "access.toml"
    key = make_key(access_file)

    def use(url: str) -> None:
        with sync_client(url, "wrong") as client, pytest.raises(batch.AuthenticationError):
            client.submit_job(recording)
        with legacy_client(url, "wrong") as client, pytest.raises(httpx.HTTPStatusError, match="401"):
            client.submit_job(recording, BatchTranscriptionConfig(language="en"))
        with sync_client(url, key) as client:
            assert client.list_jobs() == []

    async with speechmatics_node(tmp_path, access_file=access_file) as http:
        async with async_client(http.url, "wrong") as client:
            with pytest.raises(batch.AuthenticationError):
                await client.submit_job(recording)
        await asyncio.to_thread(use, http.url)


async def test_a_recording_that_cannot_be_decoded_is_told_to_every_client(tmp_path: Path) -> None:
    async with speechmatics_node(tmp_path, front_end=None) as http:
        job_id = await submitted(http, audio=b"no recording at all")
        await http.client.get(f"/v2/jobs/{job_id}", params={"wait": 30})
        async with async_client(http.url) as client:
            with pytest.raises(batch.JobError, match="was rejected"):
                await client.wait_for_completion(job_id)
            details = await client.get_job_info(job_id)
            assert details.errors[0].message
            with pytest.raises(batch.JobError):
                await client.get_transcript(job_id)

        def use() -> None:
            with legacy_client(http.url) as client, pytest.raises(TranscriptionError, match="rejected"):
                client.wait_for_completion(job_id)

        await asyncio.to_thread(use)


async def test_a_recording_is_fetched_for_every_client(tmp_path: Path) -> None:
    async with running_origin() as origin, speechmatics_node(tmp_path, fetch_allow=("127.0.0.0/8",)) as http:
        origin.answers["/a.wav"] = media(AUDIO)
        fetch: dict[str, Any] = {"url": origin.url("/a.wav"), "auth_headers": ["X-Key: secret"]}

        def use() -> None:
            config = batch_models.JobConfig.from_dict(
                {"type": "transcription", "transcription_config": {"language": "en"}, "fetch_data": fetch}
            )
            with sync_client(http.url) as client:
                assert client.submit_job(None, config=config, wait=30).status is batch.JobStatus.DONE
            with legacy_client(http.url) as client:
                client.submit_job(None, BatchTranscriptionConfig(language="en", fetch_data=fetch))

        await asyncio.to_thread(use)
        for job in (await http.client.get("/v2/jobs")).json()["jobs"]:
            assert (await ended(http, job["id"]))["status"] == "done"
        assert [asked.headers["x-key"] for asked in origin.asked] == ["secret", "secret"]


async def test_a_job_whose_retention_is_over_is_told_to_the_clients(tmp_path: Path) -> None:
    clock = FakeClock()
    async with speechmatics_node(tmp_path, clock=clock) as http:
        job_id = await submitted(http)
        await ended(http, job_id)
        clock.advance(8 * 86_400)
        await http.node.janitor.sweep()
        for path in ("", "/transcript", "/log"):
            assert refusal(await http.client.get(f"/v2/jobs/{job_id}{path}"))[:2] == (410, "Job Expired")
        assert refusal(await http.client.get(f"/v2/jobs/{job_id}/data"))[:2] == (410, "File Expired")
        assert (await http.client.get("/v2/jobs")).json() == {"jobs": []}
        async with async_client(http.url) as client:
            with pytest.raises(batch.JobExpiredError):
                await client.get_job_info(job_id)
            with pytest.raises(batch.JobExpiredError):
                await client.get_transcript(job_id)
            await client.delete_job(job_id)
