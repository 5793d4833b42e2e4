"""The OpenAI dialect of a real server with the real model, asked by unmodified clients."""

import asyncio
import json
import shutil
import wave
from pathlib import Path
from typing import Any, Final

import openai
import pytest

from tests.support.models import models_dir_for_tests
from tests.support.node_packages import installed_packages, run_script
from tests.support.server import RunningServer

pytestmark = pytest.mark.triton
BEGINNING: Final = "It was the best of times"
SECONDS: Final = 8
FORMATS: Final = ("json", "text", "srt", "vtt", "verbose_json")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first seconds of a reading."""
    path = tmp_path_factory.mktemp("openai") / "two_cities.wav"
    source = models_dir_for_tests() / "moonshine-tiny-en" / "samples" / "two_cities.wav"
    with wave.open(str(source), "rb") as whole, wave.open(str(path), "wb") as part:
        part.setparams(whole.getparams())
        part.writeframes(whole.readframes(SECONDS * whole.getframerate()))
    return path


def _check(answers: dict[str, Any]) -> None:
    """What any client must have got, by format."""
    text = answers["json"]["text"]
    assert text.startswith(BEGINNING)
    assert answers["text"] == f"{text}\n"
    assert answers["srt"].startswith("1\n00:00:0")
    assert answers["vtt"].startswith("WEBVTT\n")
    whole = answers["verbose_json"]
    assert (whole["text"], whole["language"], whole["task"]) == (text, "english", "transcribe")
    assert "".join(segment["text"] for segment in whole["segments"]).strip() == text
    assert all(segment["avg_logprob"] < 0 < segment["compression_ratio"] for segment in whole["segments"])
    assert answers["json"]["usage"]["seconds"] == whole["duration"] == pytest.approx(SECONDS, abs=0.1)


async def test_python(server: RunningServer, recording: Path) -> None:
    async with openai.AsyncOpenAI(base_url=f"http://{server.http}/v1", api_key="any", max_retries=0) as client:
        given: dict[str, Any] = {"file": recording, "model": "whisper-1"}
        answers: dict[str, Any] = {}
        for form in FORMATS:
            answer = await client.audio.transcriptions.create(**given, response_format=form)
            answers[form] = answer if isinstance(answer, str) else answer.to_dict()
        _check(answers)
        stream = await client.audio.transcriptions.create(**given, stream=True)
        *deltas, done = [event async for event in stream]
        assert "".join(event.delta for event in deltas) == done.text == answers["json"]["text"]


async def test_node(server: RunningServer, recording: Path) -> None:
    directory = await installed_packages(Path(__file__).parent / "openai_node", "ask.js")
    status, out, err = await run_script(directory, "ask.js", f"http://{server.http}/v1", recording, ",".join(FORMATS))
    assert status == 0, err
    answers = json.loads(out)
    _check(answers)
    words = answers["words"]["words"]
    assert [word["word"] for word in words] == answers["json"]["text"].split()
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)
    *deltas, done = answers["events"]
    assert "".join(event["delta"] for event in deltas) == done["text"] == answers["json"]["text"]
    assert "moonshine-tiny-en" in answers["models"]
    assert answers["refused"] == {
        "name": "BadRequestError",
        "status": 400,
        "param": "include[]",
        "code": "feature_not_built",
    }
    assert {segment["speaker"] for segment in answers["speakers"]} == {"S1"}
    assert " ".join(segment["text"] for segment in answers["speakers"]) == answers["json"]["text"]


async def test_curl(server: RunningServer, recording: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl here")
    url = f"http://{server.http}/v1/audio/transcriptions"
    fields = ["-F", "model=whisper-1", "-F", f"file=@{recording}", "-F", "response_format=text"]
    process = await asyncio.create_subprocess_exec(
        curl, "-sS", "--fail", url, "-H", "Authorization: Bearer any", *fields, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert out.decode().startswith(BEGINNING)
