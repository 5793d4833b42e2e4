"""The OpenAI dialect, asked by the client of its makers, unmodified."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from stenod_server.domain.job import JobState
from stenod_server.errors import UnsupportedMedia
from tests.support.credentials import make_key
from tests.support.eventually import eventually
from tests.support.front_end import ScriptedFrontEnd
from tests.support.openai_desk import MODEL, TEXT, Desk, open_desk


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
    transcription = await desk.transcribe(temperature=0.4, chunking_strategy={"type": "server_vad", "threshold": 0.4})
    assert transcription.text == TEXT
    job = (await desk.jobs())[0]
    assert [warning.message.partition(":")[0] for warning in job.config.warnings] == [
        "temperature",
        "chunking_strategy[type]",
        "chunking_strategy[threshold]",
    ]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"include": ["logprobs"]}, "include[]"),
        ({"known_speaker_names": ["agent"]}, "known_speaker_names"),
        ({"extra_body": {"diarize": "true"}}, "diarize"),
    ],
)
async def test_what_is_not_built_is_refused_by_name(desk: Desk, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await desk.transcribe(**fields)
    assert refused.value.param == param
    assert not await desk.jobs(JobState.QUEUED, JobState.RUNNING)


async def test_translations_are_refused_where_no_model_can(desk: Desk) -> None:
    async with desk.client() as client:
        says = "fake does nothing but transcribe; models that can: none"
        with pytest.raises(openai.BadRequestError, match=says), pytest.deprecated_call():
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
