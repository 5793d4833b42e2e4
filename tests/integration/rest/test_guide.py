"""The guide's API, over HTTP, against a node in this process: a test for each row of docs/dialects/guide.md."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from stenod_server.domain.job import JobState
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import UnsupportedMedia
from stenod_server.ports import JobFilter
from tests.support.credentials import make_key
from tests.support.eventually import eventually, eventually_so
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.http_node import HttpNode, http_node
from tests.support.speech import PROJECT_ROOT

MIB = 1024 * 1024


def node(directory: Path, engine: FakeEngine | None = None, **settings: Any) -> Any:
    return http_node(directory, engine, **{"front_end": ScriptedFrontEnd(make_windows(1, seconds=2.0)), **settings})


async def submit(http: HttpNode, audio: bytes = b"RIFF", **fields: Any) -> httpx.Response:
    return await http.client.post("/transcribe/async", files={"audio": ("talk.mp3", audio)}, data=fields)


async def ended(http: HttpNode, job_id: str) -> Any:
    """What is answered once the job has ended."""
    await http.node.scheduler.wait("default", job_id)
    return (await http.client.get(f"/transcribe/{job_id}")).json()


async def stored(http: HttpNode) -> Any:
    return await http.node.scheduler.list("default", JobFilter(), limit=10)


async def test_a_recording_is_submitted_and_asked_for(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    async with node(tmp_path, engine, parallel=1) as http:
        first, second = [await submit(http) for _ in range(2)]
        assert (first.status_code, first.json()["status"], set(first.json())) == (200, "queued", {"job_id", "status"})
        await eventually(lambda: engine.in_flight == 1)
        states = {(await http.client.get(f"/transcribe/{a.json()['job_id']}")).text for a in (first, second)}
        assert states == {'{"status":"processing"}', '{"status":"queued"}'}

        engine.gate.set()
        assert await ended(http, first.json()["job_id"]) == {
            "status": "completed",
            "result": {
                "text": "32000-0 32000-1",
                "language": "en",
                "language_probability": 1.0,
                "segments": [{"start": 0.0, "end": 1.5, "text": "32000-0 32000-1"}],
            },
        }


@pytest.mark.parametrize("flag", ["true", "True", "1", "on", "yes"])
async def test_words_come_with_their_segments_where_they_were_asked_for(tmp_path: Path, flag: str) -> None:
    async with node(tmp_path) as http:
        answer = await ended(http, (await submit(http, word_timestamps=flag)).json()["job_id"])
    assert answer["result"]["segments"][0]["words"] == [
        {"start": 0.0, "end": 0.5, "word": "32000-0", "probability": 1.0},
        {"start": 1.0, "end": 1.5, "word": "32000-1", "probability": 1.0},
    ]


@pytest.mark.parametrize("flag", ["false", "0", ""])
async def test_words_stay_away_otherwise(tmp_path: Path, flag: str) -> None:
    async with node(tmp_path) as http:
        answer = await ended(http, (await submit(http, word_timestamps=flag)).json()["job_id"])
    assert set(answer["result"]["segments"][0]) == {"start", "end", "text"}


@pytest.mark.parametrize(("given", "asked"), [({"language": "de"}, "de"), ({"language": ""}, "auto"), ({}, "auto")])
async def test_the_language_reaches_the_recogniser(tmp_path: Path, given: dict[str, Any], asked: str) -> None:
    engine = FakeEngine()
    async with node(tmp_path, engine) as http:
        await ended(http, (await submit(http, **given)).json()["job_id"])
    assert [request.language for request in engine.requests] == [asked]


async def test_a_failed_job_says_why_in_its_status(tmp_path: Path) -> None:
    async with node(tmp_path, front_end=ScriptedFrontEnd(error=UnsupportedMedia("this is no audio"))) as http:
        assert await ended(http, (await submit(http)).json()["job_id"]) == {"status": "failed: this is no audio"}


async def test_a_cancelled_job_has_failed(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    async with node(tmp_path, engine) as http:
        job_id = (await submit(http)).json()["job_id"]
        await http.node.scheduler.cancel("default", job_id)
        assert await ended(http, job_id) == {"status": "failed: the job was cancelled"}


async def test_silence_has_no_language(tmp_path: Path) -> None:
    async with node(tmp_path, front_end=ScriptedFrontEnd([], duration_samples=16_000)) as http:
        result = (await ended(http, (await submit(http)).json()["job_id"]))["result"]
    assert result == {"text": "", "language": None, "language_probability": None, "segments": []}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"language": "not a language"}, "language: "),
        ({"word_timestamps": "maybe"}, "word_timestamps: must be true or false"),
        ({"beam_size": "5"}, "beam_size: no such field"),
        ({"language": "xx"}, "for language xx"),
    ],
)
async def test_a_field_that_is_wrong_is_named_and_nothing_is_kept(
    tmp_path: Path, fields: dict[str, Any], named: str
) -> None:
    async with node(tmp_path) as http:
        refused = await submit(http, **fields)
        assert refused.status_code == 422
        assert named in refused.json()["detail"]
        assert (await stored(http), _media(tmp_path)) == ([], [])


async def test_a_form_without_a_recording_is_refused(tmp_path: Path) -> None:
    async with node(tmp_path) as http:
        refused = await http.client.post("/transcribe/async", files={"language": (None, "en")})
    assert (refused.status_code, refused.json()) == (422, {"detail": "audio: is missing"})


async def test_a_recording_over_the_limit_is_refused_in_the_guides_words(tmp_path: Path) -> None:
    async with node(tmp_path, guide_max_media_bytes=2 * MIB) as http:
        assert (await submit(http, bytes(2 * MIB))).status_code == 200
        refused = await submit(http, bytes(2 * MIB + 1))
    assert (refused.status_code, refused.json()) == (413, {"detail": "File exceeds 2MB limit"})


async def test_the_guides_limit_is_a_hundred_megabytes(tmp_path: Path) -> None:
    async with node(tmp_path) as http:
        refused = await submit(http, bytes(100 * MIB + 1))
        assert (refused.status_code, refused.json()) == (413, {"detail": "File exceeds 100MB limit"})
        assert _media(tmp_path) == []


async def test_an_unknown_job_is_not_found(tmp_path: Path) -> None:
    async with node(tmp_path) as http:
        for job_id in ("nope", "00000000-0000-0000-0000-000000000000", "%00", "url"):
            answer = await http.client.get(f"/transcribe/{job_id}")
            assert (answer.status_code, answer.json()) == (404, {"detail": "Job not found"})


async def test_the_job_of_another_tenant_is_not_found(tmp_path: Path) -> None:
    access = tmp_path / "access.toml"
    ours, theirs = make_key(access, tenant="ours"), make_key(access, tenant="theirs")
    async with node(tmp_path, access_file=access) as http:
        http.client.headers["Authorization"] = f"Bearer {ours}"
        job_id = (await submit(http)).json()["job_id"]
        assert (await http.client.get(f"/transcribe/{job_id}")).status_code == 200
        http.client.headers["Authorization"] = f"Bearer {theirs}"
        assert (await http.client.get(f"/transcribe/{job_id}")).status_code == 404
        del http.client.headers["Authorization"]
        refused = await http.client.get(f"/transcribe/{job_id}")
        assert (refused.status_code, set(refused.json())) == (401, {"detail"})


async def test_a_full_queue_says_when_to_come_again(tmp_path: Path) -> None:
    async with node(tmp_path, parallel=0, max_queued_jobs=1) as http:
        await submit(http)
        refused = await submit(http)
        await eventually_so(lambda: _holds(http, [JobState.QUEUED]))
    assert (refused.status_code, "max_queued_jobs" in refused.json()["detail"]) == (503, True)
    assert refused.headers["retry-after"] == "1"


def test_the_document_has_a_row_for_each_field() -> None:
    text = (PROJECT_ROOT / "docs" / "dialects" / "guide.md").read_text()
    assert [name for name in ("audio", "language", "word_timestamps") if f"| `{name}` |" not in text] == []


async def _holds(http: HttpNode, states: list[JobState]) -> bool:
    return [job.state for job in await stored(http)] == states


def _media(directory: Path) -> list[Path]:
    return [path for path in (directory / "data").rglob("media/*") if path.is_file()]
