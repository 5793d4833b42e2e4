"""Where the recording of a job of the Speechmatics dialect comes from, and where its end is told."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.http_node import HttpNode
from tests.support.origin import media, running_origin
from tests.support.speechmatics import AUDIO, config_with, ended, refusal, speechmatics_node, submit, submitted


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[HttpNode]:
    async with speechmatics_node(tmp_path) as node:
        yield node


async def test_a_recording_is_fetched_with_the_headers_that_are_given(tmp_path: Path) -> None:
    async with (
        running_origin() as origin,
        speechmatics_node(tmp_path, fetch_allow=("127.0.0.0/8",)) as http,
    ):
        origin.answers["/a.wav"] = media(AUDIO)
        fetch = {"url": origin.url("/a.wav?signature=secret"), "auth_headers": ["Authorization: Bearer secret"]}
        origin.answers["/a.wav?signature=secret"] = media(AUDIO)
        job_id = await submitted(http, config_with(fetch_data=fetch), audio=None)
        job = await ended(http, job_id)
        assert (job["status"], job["data_name"]) == ("done", "a.wav")
        assert job["config"]["fetch_data"] == {"url": origin.url("/a.wav")}
        [asked] = origin.asked
        assert asked.headers["authorization"] == "Bearer secret"
        stored = await http.node.scheduler.get("default", job_id)
        assert "secret" not in stored.config.origin.config_json
        assert (await http.client.get(f"/v2/jobs/{job_id}/data")).content == AUDIO


async def test_an_address_that_must_not_be_fetched_is_refused_by_its_name(http: HttpNode) -> None:
    answer = await submit(http, config_with(fetch_data={"url": "http://127.0.0.1/a.wav"}), audio=None)
    status, error, detail = refusal(answer)
    assert (status, error) == (400, "Bad Request")
    assert detail.startswith("fetch_data.url: ")
    fetch = {"url": "https://example.com/a.wav", "auth_headers": ["no header"]}
    detail = refusal(await submit(http, config_with(fetch_data=fetch), audio=None))[2]
    assert detail == "fetch_data.auth_headers.0: must be like 'Name: value'"
    fetch = {"url": "https://example.com/a.wav", "auth_headers": ["Host: other"]}
    assert refusal(await submit(http, config_with(fetch_data=fetch), audio=None))[2].startswith(
        "fetch_data.auth_headers: "
    )


async def test_an_address_that_must_not_be_notified_is_refused_by_its_name(http: HttpNode) -> None:
    hooks = [{"url": "https://example.com/hook"}, {"url": "http://127.0.0.1/hook"}]
    status, error, detail = refusal(await submit(http, config_with(notification_config=hooks)))
    assert (status, error) == (400, "Bad Request")
    assert detail.startswith("notification_config.1.url: ")


async def test_one_recording_makes_a_job_and_what_makes_none_leaves_nothing(http: HttpNode, tmp_path: Path) -> None:
    assert refusal(await submit(http, audio=None))[:2] == (400, "Missing data_file")
    both = config_with(fetch_data={"url": "https://example.com/a.wav"})
    assert refusal(await submit(http, both))[:2] == (400, "Missing data_file")
    assert refusal(await submit(http, audio=b""))[:2] == (400, "Missing data_file")
    await submitted(http)
    assert len([path for path in (tmp_path / "data").rglob("media/*") if path.is_file()]) == 1
