"""Callers of the OpenAI dialect who wait long, and those who go away: events, signs of life, retries."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from stenod_server.app.clock import SystemClock
from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.job import JobState
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import UnsupportedMedia
from stenod_server.ports import Int16Audio, RecognitionRequest, WindowResult
from tests.support.eventually import eventually
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.openai_desk import MODEL, TEXT, Desk, open_desk
from tests.support.waves import silence


@pytest.fixture(scope="module")
async def impatient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """To it a hundredth of a second is a long silence."""
    async with open_desk(tmp_path_factory.mktemp("impatient"), http_keep_alive_s=0.01) as opened:
        yield opened


class HoldsLongWindows(FakeEngine):
    """Windows of three seconds wait for the test."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = asyncio.Event()

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        if len(audio) == 3 * SAMPLE_RATE_HZ:
            await self.let_go.wait()
        return await super().recognise(audio, request, timeout_s=timeout_s)


class RacingClock(SystemClock):
    """Segments are stored twice a second at most: by this clock nobody waits for that."""

    def monotonic_s(self) -> float:
        return super().monotonic_s() * 1e6


async def test_deltas_arrive_while_the_job_runs(tmp_path: Path) -> None:
    engine, windows = HoldsLongWindows(), make_windows(3, gap_s=3.0)
    windows[2] = replace(windows[2], audio=silence(3.0), keep_end_samples=windows[2].start_samples + 48_000)
    settings: Any = {"front_end": ScriptedFrontEnd(windows), "clock": RacingClock()}
    async with open_desk(tmp_path, engine, **settings) as desk, desk.stream() as events:
        first = await anext(events)
        assert (first.type, first.delta) == ("transcript.text.delta", "32000-0 32000-1")
        assert [job.state for job in await desk.jobs()] == [JobState.RUNNING]
        engine.let_go.set()
        *deltas, done = [event async for event in events]
        assert done.text == "".join(event.delta for event in [first, *deltas]) == f"{TEXT} 48000-0 48000-1 48000-2"
        assert done.usage.seconds == 13.0
        assert [job.state for job in await desk.jobs()] == [JobState.SUCCEEDED]


async def test_a_failure_is_an_event_of_the_stream(tmp_path: Path) -> None:
    front_end = ScriptedFrontEnd(make_windows(1), error=UnsupportedMedia("it ends in a picture"))
    async with open_desk(tmp_path, front_end=front_end) as desk, desk.stream() as events:
        with pytest.raises(openai.APIError, match="ends in a picture"):
            [event async for event in events]


async def test_who_goes_away_for_good_has_the_job_cancelled(tmp_path: Path) -> None:
    async with open_desk(tmp_path, disconnect_grace_s=0.05) as desk:
        with desk.busy():
            for extra in ({}, {"stream": True}, {"response_format": "text"}):
                await _break_off(desk, **extra)
                (job,) = await desk.jobs(JobState.QUEUED, JobState.RUNNING)
                ended = await desk.http.node.scheduler.wait("default", job.job_id)
                assert ended.state is JobState.CANCELLED


async def test_a_retry_joins_the_job(tmp_path: Path) -> None:
    """The client repeats by itself what timed out, with the whole recording."""
    async with open_desk(tmp_path) as desk:
        with desk.busy() as free:
            patient = asyncio.create_task(desk.transcribe(desk.client(max_retries=2, timeout=1.0)))
            await eventually(lambda: len(desk.sent) == 2)
            free.set()
            assert (await patient).text == TEXT
        assert len(await desk.jobs()) == 1
        blobs = desk.http.node.scheduler._adapters.blobs
        pages = blobs.keys()
        kept = [key async for page in pages for key in page]
        assert len(kept) <= 1


async def test_a_retry_that_wants_another_format_joins_it_too(impatient: Desk) -> None:
    desk = impatient
    jobs = len(await desk.jobs())
    with desk.busy() as free:
        await _break_off(desk, response_format="json")
        again = asyncio.create_task(desk.transcribe(response_format="text"))
        await eventually(lambda: len(desk.sent) == 2)
        free.set()
        assert await again == f"{TEXT}\n"
    assert len(await desk.jobs()) == jobs + 1


async def test_a_long_call_is_kept_alive_by_blanks_before_the_json(impatient: Desk) -> None:
    desk = impatient
    body = b""
    with desk.busy() as free:
        request = desk.http.client.build_request(
            "POST", "/v1/audio/transcriptions", files={"model": (None, "any"), "file": desk.recording.read_bytes()}
        )
        answer = await desk.http.client.send(request, stream=True)
        async for piece in answer.aiter_raw():
            body += piece
            if len(body) >= 3:
                free.set()
    assert body.startswith(b"   ")
    assert answer.status_code == 200
    assert json.loads(body)["text"] == TEXT


async def test_plain_text_is_not_touched(impatient: Desk) -> None:
    with impatient.busy() as free:
        asking = asyncio.create_task(impatient.transcribe(response_format="text"))
        async with impatient.http.client.stream(
            "POST", "/v1/audio/transcriptions", files=_stream_form(impatient)
        ) as other:
            lines = other.aiter_lines()
            while await anext(lines) != ": keep-alive":  # so a silence is over
                pass
            free.set()
            assert await asking == f"{TEXT}\n"
            async for _ in lines:  # to its end: who leaves before it is expected back
                pass


async def test_a_late_failure_breaks_the_answer_off_and_the_retry_is_told(tmp_path: Path) -> None:
    begun = asyncio.Event()
    error = UnsupportedMedia("it ends in a picture")
    front_end = ScriptedFrontEnd(make_windows(1), error=error, error_when=begun)
    async with open_desk(tmp_path, front_end=front_end, http_keep_alive_s=0.01) as desk:
        request = desk.http.client.build_request(
            "POST", "/v1/audio/transcriptions", files={"model": (None, MODEL), "file": desk.recording.read_bytes()}
        )
        answer = await desk.http.client.send(request, stream=True)
        begun.set()
        with pytest.raises(httpx.RemoteProtocolError):
            await answer.aread()
        with pytest.raises(openai.BadRequestError, match="ends in a picture"):
            await desk.transcribe()
        assert len(await desk.jobs()) == 1


async def test_a_silent_stream_is_kept_alive_by_comments(impatient: Desk) -> None:
    desk = impatient
    lines: list[str] = []
    with desk.busy() as free:
        async with desk.http.client.stream("POST", "/v1/audio/transcriptions", files=_stream_form(desk)) as answer:
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            async for line in answer.aiter_lines():
                lines.append(line)
                if lines.count(": keep-alive") == 2:
                    free.set()
    assert lines.count(": keep-alive") >= 2
    assert '"transcript.text.done"' in lines[-2]


async def _break_off(desk: Desk, **fields: Any) -> None:
    """Ask, and go away once the recogniser has it."""
    asking = asyncio.create_task(_read(desk, **fields))
    await eventually(lambda: desk.engine.in_flight > 0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def _read(desk: Desk, **fields: Any) -> None:
    if not fields.get("stream"):
        await desk.transcribe(**fields)
        return
    async with desk.stream() as events:
        [event async for event in events]


def _stream_form(desk: Desk) -> Any:
    return {"model": (None, "any"), "stream": (None, "true"), "file": desk.recording.read_bytes()}
