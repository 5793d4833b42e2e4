"""AssemblyAI's on-premise dialect, over HTTP, against a node in this process."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from stenod_server.domain.job import JobState
from stenod_server.engine.fake import FakeEngine
from stenod_server.ports import JobFilter
from tests.support.eventually import eventually, eventually_so
from tests.support.fetcher import ScriptedFetcher
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.http_node import HttpNode, http_node
from tests.support.restartable import free_port

URL = "https://cdn.example.com/call.wav"


def node(directory: Path, engine: FakeEngine | None = None, **settings: Any) -> Any:
    parts = {"fetcher": ScriptedFetcher({URL: b"RIFF"}), "front_end": ScriptedFrontEnd(make_windows(1, seconds=2.0))}
    return http_node(directory, engine, **{**parts, **settings})


async def transcribe(http: HttpNode, **given: Any) -> httpx.Response:
    return await http.client.post("/transcribe/url", json={"audio_url": URL, **given})


async def jobs(http: HttpNode) -> Any:
    return await http.node.scheduler.list("default", JobFilter(), limit=10)


def held() -> FakeEngine:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    return engine


async def test_a_call_is_answered_with_the_transcript(tmp_path: Path) -> None:
    async with node(tmp_path) as http:
        answer = await transcribe(http)

        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        (job,) = await jobs(http)
        assert answer.json() == {
            "blob": "32000-0 32000-1",
            "duration": 2.0,
            "stereo_decode": False,
            "uid": f"t_{job.job_id[:8]}-{job.job_id[8:12]}-{job.job_id[12:16]}-{job.job_id[16:20]}-{job.job_id[20:]}",
            "utterances": None,
            "words": [
                {"confidence": 1.0, "end": 500, "start": 0, "text": "32000-0"},
                {"confidence": 1.0, "end": 1500, "start": 1000, "text": "32000-1"},
            ],
        }


async def test_the_trim_reaches_the_audio_front_end(tmp_path: Path) -> None:
    front_end = ScriptedFrontEnd(make_windows(1))
    async with node(tmp_path, front_end=front_end) as http:
        await transcribe(http, audio_start_from=8000, audio_end_at=20000)
    (plan,) = front_end.plans
    assert (plan.start_s, plan.end_s) == (8.0, 20.0)


async def test_a_job_of_this_dialect_goes_before_bulk_work(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with node(tmp_path, engine) as http:
        await transcribe(http)
    assert [request.interactive for request in engine.requests] == [True]


async def test_health_follows_the_recogniser_and_not_the_engines(tmp_path: Path) -> None:
    engine = held()
    async with node(tmp_path, engine, parallel=1) as http:
        assert (await http.client.get("/health")).status_code == 200
        call = asyncio.create_task(transcribe(http))
        await eventually(lambda: engine.in_flight == 1)
        assert (await http.client.get("/health")).status_code == 200  # full is not ill

        engine.ready = False
        await eventually_so(lambda: _status(http, "/health", 501))
        engine.ready = True
        await eventually_so(lambda: _status(http, "/health", 200))
        assert engine.gate
        engine.gate.set()
        assert (await call).status_code == 200


async def test_a_full_node_rejects_with_423(tmp_path: Path) -> None:
    engine = held()
    async with node(tmp_path, engine, parallel=1) as http:
        first = asyncio.create_task(transcribe(http))
        await eventually(lambda: engine.in_flight == 1)

        busy = await asyncio.wait_for(transcribe(http, punctuate=False), 10)  # which only a call that waits reaches
        assert (busy.status_code, busy.json()["code"]) == (423, 1)
        assert busy.json()["description"].startswith("Server busy: 1 engines not available (1 engines in use")
        assert engine.gate
        engine.gate.set()
        assert (await first).status_code == 200


async def test_a_full_node_blocks_where_it_is_told_to_queue(tmp_path: Path) -> None:
    engine = held()
    async with node(tmp_path, engine, parallel=1, assemblyai_admission="queue") as http:
        calls = [asyncio.create_task(transcribe(http, punctuate=flag)) for flag in (True, False)]
        await eventually_so(lambda: _count(http, 2))
        assert not any(call.done() for call in calls)
        assert engine.gate
        engine.gate.set()
        assert [(await call).status_code for call in calls] == [200, 200]


async def test_an_address_that_gives_nothing_is_a_download_error_with_the_jobs_uid(tmp_path: Path) -> None:
    async with node(tmp_path, fetcher=ScriptedFetcher()) as http:
        answer = await transcribe(http)
        (job,) = await jobs(http)
    assert answer.status_code == 400
    assert answer.json()["description"] == f"Download error to {URL}, there is nothing"
    assert answer.json()["uid"].replace("-", "") == f"t_{job.job_id}"


async def test_an_internal_address_is_refused_by_name_of_the_option_that_opens_it(tmp_path: Path) -> None:
    async with http_node(tmp_path) as http:
        answer = await http.client.post("/transcribe/url", json={"audio_url": "http://10.0.0.8/call.wav"})
    assert answer.status_code == 400
    assert "10.0.0.8 is a private address" in answer.json()["description"]
    assert "--fetch-allow" in answer.json()["description"]


async def test_a_body_that_is_no_object_is_refused(tmp_path: Path) -> None:
    bodies = (b"", b"{", b"[]", b"7", b'{"audio_start_from": NaN}', b"\xff\xfe", b"[" * 60_000, b"9" * 60_000)
    async with node(tmp_path) as http:
        answers = [await http.client.post("/transcribe/url", content=body) for body in bodies]
    assert [answer.status_code for answer in answers] == [400] * len(bodies)
    assert all(answer.json()["description"].startswith("body: ") for answer in answers)


async def test_a_body_over_its_limit_is_refused_by_name_of_it(tmp_path: Path) -> None:
    async with node(tmp_path) as http:
        answer = await http.client.post("/transcribe/url", content=b" " * 70_000)
    assert answer.status_code == 400
    assert "max_body_bytes" in answer.json()["description"]


async def test_a_caller_who_hangs_up_and_comes_back_joins_the_job(tmp_path: Path) -> None:
    engine = held()
    async with node(tmp_path, engine, disconnect_grace_s=60.0) as http:
        first = asyncio.create_task(transcribe(http))
        await eventually(lambda: engine.in_flight == 1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

        again = asyncio.create_task(transcribe(http))
        assert engine.gate
        engine.gate.set()
        assert (await again).status_code == 200
        assert len(await jobs(http)) == 1


async def test_a_caller_who_hangs_up_for_good_leaves_no_job_behind(tmp_path: Path) -> None:
    engine = held()
    async with node(tmp_path, engine, disconnect_grace_s=0.0) as http:
        call = asyncio.create_task(transcribe(http))
        await eventually(lambda: engine.in_flight == 1)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await eventually_so(lambda: _ended(http, JobState.CANCELLED))


async def test_a_job_that_is_cancelled_meanwhile_is_said_to_be(tmp_path: Path) -> None:
    engine = held()
    async with node(tmp_path, engine) as http:
        call = asyncio.create_task(transcribe(http))
        await eventually(lambda: engine.in_flight == 1)
        (job,) = await jobs(http)
        await http.node.scheduler.cancel("default", job.job_id)
        answer = await call
    assert (answer.status_code, answer.json()["code"]) == (404, 1)
    assert "CANCELLED" in answer.json()["description"]


async def test_the_second_port_serves_the_same(tmp_path: Path) -> None:
    port = free_port()
    async with node(tmp_path, assemblyai_listen=f"127.0.0.1:{port}") as http:
        second = f"http://127.0.0.1:{port}"
        assert (await http.client.get(f"{second}/health")).status_code == 200
        answer = await http.client.post(f"{second}/transcribe/url", json={"audio_url": URL})
        assert answer.json()["blob"] == "32000-0 32000-1"


async def test_only_health_is_open_to_everybody(tmp_path: Path) -> None:
    access = tmp_path / "access.toml"
    access.write_text("")
    async with node(tmp_path, access_file=access) as http:
        assert (await http.client.get("/health")).status_code == 200
        refused = await transcribe(http)
    assert (refused.status_code, refused.json()["code"]) == (401, 1)


async def _status(http: HttpNode, path: str, expected: int) -> bool:
    return (await http.client.get(path)).status_code == expected


async def _count(http: HttpNode, expected: int) -> bool:
    return len(await jobs(http)) == expected


async def _ended(http: HttpNode, state: JobState) -> bool:
    return [job.state for job in await jobs(http)] == [state]
