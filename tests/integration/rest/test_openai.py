"""The OpenAI dialect, asked by the client of its makers, unmodified."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from stenod_server.app.clock import SystemClock
from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.job import Job, JobState
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import UnsupportedMedia
from stenod_server.ports import Int16Audio, JobFilter, RecognitionRequest, WindowResult
from tests.support.credentials import make_key
from tests.support.eventually import eventually
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.http_node import HttpNode, http_node
from tests.support.waves import silence, write_wav

TEXT = "32000-0 32000-1 32000-0 32000-1"
MODEL = "gpt-transcribe"


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


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path_factory.mktemp("desk")) as opened:
        yield opened


@pytest.fixture
def desk(shared: Desk) -> Desk:
    """One node for all tests that do not count what others leave."""
    shared.sent.clear()
    shared.answered.clear()
    return shared


@pytest.fixture(scope="module")
async def impatient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """To it a hundredth of a second is a long silence."""
    async with open_desk(tmp_path_factory.mktemp("impatient"), http_keep_alive_s=0.01) as opened:
        yield opened


async def test_json(desk: Desk) -> None:
    transcription = await desk.transcribe()
    assert transcription.text == TEXT
    assert transcription.usage.to_dict() == {"type": "duration", "seconds": 7.0}


@pytest.mark.parametrize(
    ("response_format", "begins"),
    [("text", f"{TEXT}\n"), ("srt", "1\n00:00:00,000 --> 00:00:0"), ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:0")],
)
async def test_plain_formats(desk: Desk, response_format: str, begins: str) -> None:
    answer = await desk.transcribe(response_format=response_format)
    assert isinstance(answer, str)
    assert answer.startswith(begins)


async def test_verbose_json_with_words_and_segments(desk: Desk) -> None:
    transcription = await desk.transcribe(
        response_format="verbose_json", timestamp_granularities=["word", "segment"], language="en"
    )
    assert (transcription.text, transcription.language, transcription.duration) == (TEXT, "english", 7.0)
    assert [(word.word, word.start, word.end) for word in transcription.words][2] == ("32000-0", 5.0, 5.5)
    assert [(segment.id, segment.start, segment.text) for segment in transcription.segments] == [
        (0, 0.0, " 32000-0 32000-1"),
        (1, 5.0, " 32000-0 32000-1"),
    ]


async def test_the_client_that_waits_in_a_thread(desk: Desk) -> None:
    def ask() -> str:
        with openai.OpenAI(base_url=f"{desk.http.url}/v1", api_key="any") as client:
            return client.audio.transcriptions.create(file=desk.recording, model=MODEL).text

    assert await asyncio.to_thread(ask) == TEXT


@pytest.mark.parametrize("name", ["timestamp_granularities", "timestamp_granularities[]"])
async def test_both_spellings_of_a_list_before_the_file_and_after(desk: Desk, name: str) -> None:
    answer = await desk.post(("model", "any"), ("response_format", "verbose_json"), (name, "word"))
    assert [word["word"] for word in answer.json()["words"]] == TEXT.split()
    parts: list[Any] = [
        ("file", ("a.wav", desk.recording.read_bytes())),
        ("model", (None, "any")),
        ("response_format", (None, "verbose_json")),
        (name, (None, "word")),
    ]
    answer = await desk.http.client.post("/v1/audio/transcriptions", files=parts)
    assert [word["word"] for word in answer.json()["words"]] == TEXT.split()


async def test_hints_are_accepted_and_leave_a_warning_on_the_job(desk: Desk) -> None:
    transcription = await desk.transcribe(
        prompt="Stenod", temperature=0.4, chunking_strategy={"type": "server_vad", "threshold": 0.4}
    )
    assert transcription.text == TEXT
    job = (await desk.jobs())[0]
    assert [warning.message.partition(":")[0] for warning in job.config.warnings] == [
        "prompt",
        "temperature",
        "chunking_strategy[type]",
        "chunking_strategy[threshold]",
    ]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "diarized_json"}, "response_format"),
        ({"include": ["logprobs"]}, "include[]"),
        ({"known_speaker_names": ["agent"]}, "known_speaker_names[]"),
        ({"extra_body": {"diarize": "true"}}, "diarize"),
    ],
)
async def test_what_is_not_built_is_refused_by_name(desk: Desk, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await desk.transcribe(**fields)
    assert refused.value.param == param
    assert not await desk.jobs(JobState.QUEUED, JobState.RUNNING)


async def test_translations_are_refused(desk: Desk) -> None:
    async with desk.client() as client:
        with pytest.raises(openai.BadRequestError, match="translations"), pytest.deprecated_call():
            await client.audio.translations.create(file=desk.recording, model="whisper-1")


async def test_a_recording_that_cannot_be_read_is_the_callers_fault(tmp_path: Path) -> None:
    async with open_desk(tmp_path, front_end=ScriptedFrontEnd(error=UnsupportedMedia("it is a picture"))) as desk:
        with pytest.raises(openai.BadRequestError, match="it is a picture") as refused:
            await desk.transcribe(desk.client(max_retries=2))
    assert refused.value.code == "unsupported_media"
    assert len(desk.sent) == 1


async def test_a_model_that_nothing_stands_for(tmp_path: Path) -> None:
    async with open_desk(tmp_path, model_aliases={"whisper-1": "fake"}) as desk:
        assert (await desk.transcribe(model="whisper-1")).text == TEXT
        with pytest.raises(openai.NotFoundError) as refused:
            await desk.transcribe(model="gpt-9")
        assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
        async with desk.client() as client:
            assert [model.id async for model in client.models.list()] == ["fake", "whisper-1"]
            assert (await client.models.retrieve("whisper-1")).object == "model"
            with pytest.raises(openai.NotFoundError):
                await client.models.retrieve("gpt-9")


async def test_any_name_stands_for_the_default_unless_set_otherwise(desk: Desk) -> None:
    async with desk.client() as client:
        assert (await client.models.retrieve("Systran/faster-whisper-base")).id == "Systran/faster-whisper-base"
        assert [model.id async for model in client.models.list()] == ["fake"]


async def test_a_wrong_key(tmp_path: Path) -> None:
    keys = tmp_path / "access.toml"
    key = make_key(keys)
    async with open_desk(tmp_path, access_file=keys) as desk:
        with pytest.raises(openai.AuthenticationError) as refused:
            await desk.transcribe(desk.client(api_key="wrong"))
        assert refused.value.code == "invalid_api_key"
        assert (await desk.transcribe(desk.client(api_key=key))).text == TEXT


async def test_a_busy_node_is_asked_again_when_it_said(tmp_path: Path) -> None:
    async with open_desk(tmp_path, admission="reject", parallel=1) as desk:
        with desk.busy() as free:
            first = asyncio.create_task(desk.transcribe(language="en"))
            await eventually(lambda: desk.engine.in_flight > 0)
            with pytest.raises(openai.RateLimitError) as refused:
                await desk.transcribe()
            assert refused.value.response.headers["retry-after"] == "1"
            desk.sent.clear()
            desk.answered.clear()
            second = asyncio.create_task(desk.transcribe(desk.client(max_retries=2)))
            await eventually(lambda: desk.answered == [429])
            free.set()
            assert [(await first).text, (await second).text] == [TEXT, TEXT]
        assert desk.answered[-1] == 200
        assert desk.sent[-1].headers["x-stainless-retry-count"] != "0"


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


async def test_a_retry_that_wants_another_format_joins_it_too(desk: Desk) -> None:
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


async def test_a_late_failure_breaks_the_answer_off_and_the_retry_is_told(tmp_path: Path) -> None:
    front_end = ScriptedFrontEnd(make_windows(1), error=UnsupportedMedia("it ends in a picture"))
    async with open_desk(tmp_path, front_end=front_end, http_keep_alive_s=0.01) as desk:
        with desk.busy() as free:
            request = desk.http.client.build_request(
                "POST", "/v1/audio/transcriptions", files={"model": (None, MODEL), "file": desk.recording.read_bytes()}
            )
            answer = await desk.http.client.send(request, stream=True)
            free.set()
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
