"""The batch API v2 of Speechmatics on a node with a recogniser that can be held."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from stenod_server.domain.job import JobConfig, Media
from stenod_server.engine.fake import FakeEngine
from stenod_server.scheduler.scheduler import Submission
from tests.support.credentials import make_key
from tests.support.eventually import eventually
from tests.support.http_node import HttpNode
from tests.support.speechmatics import AUDIO, CONFIG, ended, refusal, speechmatics_node, submit, submitted


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
async def http(tmp_path: Path, engine: FakeEngine) -> AsyncIterator[HttpNode]:
    async with speechmatics_node(tmp_path, engine, parallel=5) as node:
        yield node


@pytest.fixture
async def held(http: HttpNode, engine: FakeEngine) -> AsyncIterator[HttpNode]:
    """Nothing is recognised before the test has ended."""
    engine.gate = asyncio.Event()
    try:
        yield http
    finally:
        engine.gate.set()


async def test_a_job_is_submitted_polled_and_its_transcript_fetched_in_every_format(http: HttpNode) -> None:
    answer = await submit(http)
    assert answer.status_code == httpx.codes.CREATED
    assert set(answer.json()) == {"id"}
    job_id = answer.json()["id"]
    job = await ended(http, job_id)
    assert (job["id"], job["status"], job["duration"], job["data_name"], job["lang"]) == (
        job_id,
        "done",
        4,
        "speech.wav",
        "en",
    )
    assert job["config"] == CONFIG
    plain = await http.client.get(f"/v2/jobs/{job_id}/transcript")
    assert plain.headers["content-type"] == "application/vnd.speechmatics.v2+json"
    whole = plain.json()
    assert (whole["format"], whole["job"]["id"], whole["metadata"]["type"]) == ("2.9", job_id, "transcription")
    assert [result["alternatives"][0]["content"] for result in whole["results"]] == [
        "32000-0",
        "32000-1",
        "32000-0",
        "32000-1",
    ]
    assert (await http.client.get(f"/v2/jobs/{job_id}/transcript?format=json-v2")).json() == whole
    text = await http.client.get(f"/v2/jobs/{job_id}/transcript?format=txt")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.text.split() == ["32000-0", "32000-1", "32000-0", "32000-1"]
    subtitles = await http.client.get(f"/v2/jobs/{job_id}/transcript?format=srt")
    assert subtitles.text.startswith("1\n00:00:00,000 --> ")


async def test_a_request_names_itself_on_the_job(http: HttpNode) -> None:
    job_id = await submitted(http, headers={"X-Request-Id": "mine"})
    assert (await ended(http, job_id))["request_id"] == "mine"
    again = await submitted(http, headers={"X-Request-Id": "mine"})
    assert again != job_id  # clients send one id with everything they do


async def test_a_job_that_waits_or_runs_is_running_and_has_a_duration(held: HttpNode) -> None:
    job = (await held.client.get(f"/v2/jobs/{await submitted(held)}")).json()["job"]
    assert (job["status"], job["duration"]) == ("running", 0)
    assert "errors" not in job


async def test_the_parts_of_the_form_may_come_in_any_order(http: HttpNode) -> None:
    parts: list[tuple[str, Any]] = [("data_file", ("a.wav", AUDIO)), ("config", (None, json.dumps(CONFIG)))]
    answer = await http.client.post("/v2/jobs?sm-sdk=js-5.1.0&sm-app=x", files=parts)
    assert answer.status_code == httpx.codes.CREATED


# --- engines ----------------------------------------------------------------------------------------------------------


async def test_engines_that_are_not_free_are_refused_in_the_words_of_the_worker(held: HttpNode) -> None:
    await submitted(held, headers={"X-SM-Processing-Data": '{"parallel_engines": 2}'})
    answer = await submit(held, headers={"X-SM-Processing-Data": '{"parallel_engines": 8}'})
    detail = "Server busy: 8 engines not available (2 engines in use, 5 parallel allowed)"
    assert answer.json() == {"code": 503, "error": "Job error", "detail": detail}
    answer = await submit(held, headers={"X-SM-Processing-Data": '{"parallel_engines": 4}'})
    assert refusal(answer) == (
        503,
        "Job error",
        "Server busy: 4 engines not available (2 engines in use, 5 parallel allowed)",
    )


async def test_a_busy_server_answers_before_the_recording_comes_in(held: HttpNode) -> None:
    await submitted(held, headers={"X-SM-Processing-Data": '{"parallel_engines": 5}'})

    async def endless() -> AsyncIterator[bytes]:
        yield b"--x\r\n"
        await asyncio.Event().wait()

    headers = {"Content-Type": "multipart/form-data; boundary=x", "Transfer-Encoding": "chunked"}
    sending = asyncio.create_task(_status_of_raw(held, headers, endless()))
    async with asyncio.timeout(20):
        assert await sending == httpx.codes.SERVICE_UNAVAILABLE


async def _status_of_raw(http: HttpNode, headers: dict[str, str], body: AsyncIterator[bytes]) -> int:
    """The status of an answer that comes while the body is being sent; httpx would send all of it first."""
    host, _, port = http.node.http_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(["POST /v2/jobs HTTP/1.1", "Host: test", *lines, "", ""]).encode())
        piece = await anext(body)
        writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
        await writer.wait_closed()


async def test_engines_that_went_while_the_recording_came_in_are_not_waited_for(
    tmp_path: Path, engine: FakeEngine
) -> None:
    engine.gate = asyncio.Event()
    is_begun, may_go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        request = httpx.Request(
            "POST", "http://x", files=[("config", (None, json.dumps(CONFIG))), ("data_file", AUDIO)]
        )
        body = request.read().replace(request.headers["content-type"].partition("=")[2].encode(), b"x")
        yield body[:100]
        is_begun.set()
        await may_go_on.wait()
        yield body[100:]

    async with speechmatics_node(tmp_path, engine, parallel=1) as http:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        first = asyncio.create_task(http.client.post("/v2/jobs", content=slow(), headers=headers))
        await is_begun.wait()
        await submitted(http)
        may_go_on.set()
        busy = "Server busy: 1 engines not available (1 engines in use, 1 parallel allowed)"
        assert refusal(await first) == (503, "Job error", busy)
        engine.gate.set()


async def test_a_setting_makes_this_dialect_queue(tmp_path: Path, engine: FakeEngine) -> None:
    engine.gate = asyncio.Event()
    async with speechmatics_node(tmp_path, engine, parallel=1, speechmatics_admission="queue") as http:
        first, second = await submitted(http), await submitted(http)
        assert (await http.client.get(f"/v2/jobs/{second}")).json()["job"]["status"] == "running"
        answer = await submit(http, headers={"X-SM-Processing-Data": '{"parallel_engines": 2}'})
        assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE  # they will never be there
        engine.gate.set()
        assert [(await ended(http, job_id))["status"] for job_id in (first, second)] == ["done", "done"]


async def test_jobs_tells_of_the_engines_and_who_holds_them(held: HttpNode, engine: FakeEngine) -> None:
    idle = {"active_jobs": [], "max_engines": 5, "unused_engines": 5}
    assert (await held.client.get("/jobs")).json() == idle
    job_id = await submitted(held, headers={"X-SM-Processing-Data": '{"parallel_engines": 2, "user_id": "U"}'})
    await eventually(lambda: engine.in_flight > 0)
    assert (await held.client.get("/jobs")).json() == {
        "active_jobs": [{"job_id": job_id, "parallel_engines": 2}],
        "max_engines": 5,
        "unused_engines": 3,
    }
    job = await held.node.scheduler.get("default", job_id)
    assert (job.config.parallel_engines, job.config.user_id) == (2, "U")


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("{", "X-SM-Processing-Data"),
        ("[]", "X-SM-Processing-Data"),
        ('{"parallel_engines": "2"}', "X-SM-Processing-Data.parallel_engines"),
        ('{"parallel_engines": 0}', "X-SM-Processing-Data.parallel_engines"),
        ('{"parallel_engines": -%s}' % ("9" * 4000), "X-SM-Processing-Data.parallel_engines"),
        ('{"parallel_engines": %s}' % ("9" * 4000), "X-SM-Processing-Data.parallel_engines"),
        ('{"parallel_engines": true}', "X-SM-Processing-Data.parallel_engines"),
        ('{"user_id": 7}', "X-SM-Processing-Data.user_id"),
        ('{"user_id": "%s"}' % ("x" * 200), "X-SM-Processing-Data.user_id"),
        ('{"engines": 2}', "X-SM-Processing-Data.engines"),
    ],
)
async def test_processing_data_that_is_wrong_is_named(http: HttpNode, header: str, named: str) -> None:
    status, error, detail = refusal(await submit(http, headers={"X-SM-Processing-Data": header}))
    assert (status, error) == (400, "Bad Request")
    assert detail.startswith(f"{named}: ")


# --- one job ----------------------------------------------------------------------------------------------------------


async def test_what_is_asked_of_a_job_that_is_not_there_or_not_done_is_said_in_this_api_s_words(held: HttpNode) -> None:
    for path in ("", "/transcript", "/data", "/log"):
        assert refusal(await held.client.get(f"/v2/jobs/nobody{path}"))[:2] == (404, "Job not found")
    assert refusal(await held.client.delete("/v2/jobs/nobody"))[:2] == (404, "Job not found")
    job_id = await submitted(held)
    assert refusal(await held.client.get(f"/v2/jobs/{job_id}/transcript"))[:2] == (404, "Transcription not ready")
    assert refusal(await held.client.get(f"/v2/jobs/{job_id}/log"))[:2] == (404, "Log file not available")
    answer = await held.client.get(f"/v2/jobs/{job_id}/transcript?format=vtt")
    assert refusal(answer)[:2] == (400, "Format Not Supported")


async def test_a_running_job_is_deleted_by_force_alone(held: HttpNode, engine: FakeEngine) -> None:
    job_id = await submitted(held)
    await eventually(lambda: engine.in_flight > 0)
    assert refusal(await held.client.delete(f"/v2/jobs/{job_id}"))[:2] == (423, "Resource Locked")
    answer = await held.client.delete(f"/v2/jobs/{job_id}?force=true")
    assert (answer.status_code, answer.json()["job"]["id"], answer.json()["job"]["status"]) == (200, job_id, "deleted")
    assert refusal(await held.client.get(f"/v2/jobs/{job_id}"))[:2] == (404, "Job not found")


async def test_a_cancelled_job_is_rejected_and_says_so(held: HttpNode) -> None:
    job_id = await submitted(held)
    await held.node.scheduler.cancel("default", job_id)
    job = await ended(held, job_id)
    assert job["status"] == "rejected"
    assert [set(error) for error in job["errors"]] == [{"timestamp", "message"}]
    assert job["errors"][0]["message"] == "the job was cancelled"
    assert refusal(await held.client.get(f"/v2/jobs/{job_id}/transcript"))[:2] == (404, "Job rejected")


async def test_a_recording_that_cannot_be_decoded_rejects_the_job_and_its_log_says_why(tmp_path: Path) -> None:
    async with speechmatics_node(tmp_path, front_end=None) as http:
        job_id = await submitted(http, audio=b"no recording at all")
        job = await ended(http, job_id)
        assert (job["status"], job["duration"]) == ("rejected", 0)
        log = await http.client.get(f"/v2/jobs/{job_id}/log")
        assert log.headers["content-type"].startswith("text/plain")
        assert f"ERROR UNSUPPORTED_MEDIA: {job['errors'][0]['message']}" in log.text


async def test_a_log_tells_of_the_life_of_a_job_and_nothing_of_its_words(http: HttpNode) -> None:
    job_id = await submitted(http)
    await ended(http, job_id)
    log = (await http.client.get(f"/v2/jobs/{job_id}/log")).text
    for part in (f"job {job_id} accepted: speech.wav", "attempt 1 started on node test", "job SUCCEEDED"):
        assert part in log
    assert "32000-0" not in log


async def test_the_recording_can_be_fetched_again_after_the_job_has_ended(http: HttpNode) -> None:
    job_id = await submitted(http)
    await ended(http, job_id)
    answer = await http.client.get(f"/v2/jobs/{job_id}/data")
    assert (answer.content, answer.headers["content-type"]) == (AUDIO, "application/octet-stream")
    assert 'filename="speech.wav"' in answer.headers["content-disposition"]
    assert (await http.node.scheduler.get("default", job_id)).config.keep_media


async def test_an_account_of_usage_is_not_implemented(http: HttpNode) -> None:
    assert refusal(await http.client.get("/v2/usage"))[:2] == (501, "Not Implemented")


# --- waiting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json-v2", "txt", "srt"])
async def test_a_submit_that_waits_brings_the_transcript(http: HttpNode, form: str) -> None:
    answer = (await submit(http, params={"wait": 30, "format": form})).json()
    assert answer["status"] == "done"
    fetched = await http.client.get(f"/v2/jobs/{answer['id']}/transcript", params={"format": form})
    assert answer[form] == (fetched.json() if form == "json-v2" else fetched.text)


async def test_a_wait_that_is_over_tells_how_far_the_job_is(held: HttpNode) -> None:
    answer = await submit(held, params={"wait": 1})
    assert answer.status_code == httpx.codes.CREATED
    assert answer.json()["status"] == "running"
    job_id = answer.json()["id"]
    assert (await held.client.get(f"/v2/jobs/{job_id}?wait=1")).json()["job"]["status"] == "running"


async def test_a_poll_that_waits_is_answered_when_the_job_ends(held: HttpNode, engine: FakeEngine) -> None:
    job_id = await submitted(held)
    polls = [
        asyncio.create_task(held.client.get(f"/v2/jobs/{job_id}{path}", params={"wait": 60}))
        for path in ("", "/transcript")
    ]
    await eventually(lambda: engine.in_flight > 0)
    assert not any(poll.done() for poll in polls)
    assert engine.gate
    engine.gate.set()
    job, transcript = [(await poll).json() for poll in polls]
    assert (job["job"]["status"], transcript["job"]["id"]) == ("done", job_id)


async def test_a_wait_is_a_number_of_seconds(http: HttpNode) -> None:
    assert refusal(await submit(http, params={"wait": -1}))[0] == httpx.codes.BAD_REQUEST
    assert refusal(await http.client.get("/v2/jobs/x?wait=soon"))[0] == httpx.codes.BAD_REQUEST


# --- the list ---------------------------------------------------------------------------------------------------------


async def test_jobs_are_listed_newest_first_whichever_way_they_came(http: HttpNode) -> None:
    first = await submitted(http)
    config = JobConfig(language="en", title="by another API", details_json='{"a": 1}')
    path = await http.node.scheduler.get("default", first)
    other = await http.node.scheduler.submit("default", Submission(config=config), Media(key=path.media.key))
    third = await submitted(http)
    listed = (await http.client.get("/v2/jobs", params={"sm-sdk": "x", "include_deleted": "true"})).json()["jobs"]
    assert [job["id"] for job in listed] == [third, other.job_id, first]
    assert listed[1]["config"] == {
        "type": "transcription",
        "transcription_config": {"language": "en"},
        "tracking": {"title": "by another API"},
    }
    assert [job["id"] for job in (await http.client.get("/v2/jobs?limit=1")).json()["jobs"]] == [third]


async def test_the_list_is_narrowed_by_time(http: HttpNode) -> None:
    ids = [await submitted(http) for _ in range(3)]
    middle = (await http.node.scheduler.get("default", ids[1])).create_time
    for parameter, expected in (("created_before", ids[0]), ("created_after", ids[2])):
        for written in (middle.isoformat(), middle.replace(tzinfo=None).isoformat()):
            listed = (await http.client.get("/v2/jobs", params={parameter: written})).json()["jobs"]
            assert [job["id"] for job in listed] == [expected]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=many", "created_before=yesterday", "created_after=0001-01-01T00:00%2B09:00"],
)
async def test_parameters_of_the_list_that_are_wrong_are_unprocessable(http: HttpNode, query: str) -> None:
    status, error, detail = refusal(await http.client.get(f"/v2/jobs?{query}"))
    assert (status, error) == (422, "Unprocessable Entity")
    assert query.partition("=")[0] in detail


# --- who asks ---------------------------------------------------------------------------------------------------------


async def test_a_wrong_key_and_a_scope_that_is_missing_are_denied_in_this_api_s_words(tmp_path: Path) -> None:
    access_file = tmp_path / "access.toml"
    reader, writer = make_key(access_file, scopes=["read"]), make_key(access_file)
    stranger = make_key(access_file, tenant="archive")
    async with speechmatics_node(tmp_path, access_file=access_file) as http:
        assert refusal(await submit(http))[:2] == (401, "Permission Denied")
        wrong = {"Authorization": "Bearer wrong"}
        assert refusal(await submit(http, headers=wrong))[:2] == (401, "Permission Denied")
        assert refusal(await submit(http, headers={"Authorization": f"Bearer {reader}"}))[:2] == (
            403,
            "Permission Denied",
        )
        job_id = await submitted(http, headers={"Authorization": f"Bearer {writer}"})
        for path in ("", "/transcript", "/data", "/log"):
            theirs = await http.client.get(f"/v2/jobs/{job_id}{path}", headers={"Authorization": f"Bearer {stranger}"})
            assert refusal(theirs)[:2] == (404, "Job not found")
        listed = await http.client.get("/v2/jobs", headers={"Authorization": f"Bearer {stranger}"})
        assert listed.json() == {"jobs": []}


async def test_other_tenants_jobs_are_not_shown_among_those_that_hold_engines(tmp_path: Path) -> None:
    access_file = tmp_path / "access.toml"
    keys = {
        "newsroom": make_key(access_file),
        "archive": make_key(access_file, tenant="archive"),
        "admin": make_key(access_file, tenant="operators", scopes=["admin"]),
    }
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    async with speechmatics_node(tmp_path, engine, access_file=access_file, parallel=4) as http:
        await submitted(http, headers={"Authorization": f"Bearer {keys['newsroom']}"})
        await eventually(lambda: engine.in_flight > 0)
        shown = {
            name: (await http.client.get("/jobs", headers={"Authorization": f"Bearer {key}"})).json()
            for name, key in keys.items()
        }
        engine.gate.set()
    assert {name: len(said["active_jobs"]) for name, said in shown.items()} == {
        "newsroom": 1,
        "archive": 0,
        "admin": 1,
    }
    assert {said["unused_engines"] for said in shown.values()} == {3}
