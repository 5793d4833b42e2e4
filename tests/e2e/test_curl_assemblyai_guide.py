"""AssemblyAI's and the guide's endpoints as their documents print them: curl, a real server, real speech."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.eventually import eventually_so
from tests.support.origin import Origin, media, running_origin
from tests.support.restartable import free_port
from tests.support.server import serving
from tests.support.speech import needs_speech, recordings

pytestmark = [pytest.mark.triton, *needs_speech]


@dataclass
class Desk:
    """A server that may fetch from this machine; `second` is AssemblyAI's own port. `origin` has the recording."""

    first: str
    second: str
    origin: Origin
    recording: Path

    async def curl(self, *arguments: str) -> tuple[int, Any]:
        """Status and body."""
        process = await asyncio.create_subprocess_exec(
            "curl", "--silent", "--write-out", "\n%{http_code}", *arguments, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        body, _, status = out.decode().rpartition("\n")
        return int(status), json.loads(body)

    async def transcribe(self, **given: Any) -> tuple[int, Any]:
        body = json.dumps({"audio_url": self.origin.url("/speech.wav"), **given})
        return await self.curl(
            *("--request", "POST", "--url", f"http://{self.second}/transcribe/url"),
            *("--header", "content-type: application/json", "--data", body),
        )


@pytest.fixture(scope="module")
async def desk(built_models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    recording = max((r for r in recordings("read_en") if r.text), key=lambda r: len(r.text)).path
    second = f"127.0.0.1:{free_port()}"
    options = ("--fetch-allow=127.0.0.0/8", f"--assemblyai-listen={second}")
    async with (
        running_origin() as origin,
        serving(tmp_path_factory.mktemp("node"), *options, models_dir=built_models_dir) as server,
    ):
        origin.answers["/speech.wav"] = media(recording.read_bytes())
        yield Desk(server.http, second, origin, recording)


async def test_assemblyai_health(desk: Desk) -> None:
    assert await desk.curl("--url", f"http://{desk.second}/health") == (200, {"healthy": True})


async def test_assemblyai_transcribes_an_address(desk: Desk) -> None:
    status, answer = await desk.transcribe()
    assert (status, answer["utterances"], answer["stereo_decode"]) == (200, None, False)
    assert answer["blob"] == " ".join(word["text"] for word in answer["words"])
    assert answer["blob"].rstrip()[-1] in ".?!"
    assert answer["blob"] != answer["blob"].lower()
    assert all(isinstance(word["start"], int) and word["start"] <= word["end"] for word in answer["words"])
    assert answer["words"][-1]["end"] <= answer["duration"] * 1000

    _, plain = await desk.transcribe(format_text=False, punctuate=False)
    assert plain["blob"] == plain["blob"].lower()
    assert not any(word["text"][-1] in ".,?!" for word in plain["words"])
    assert [word["text"].strip(".,?!;:").lower() for word in answer["words"]] == [w["text"] for w in plain["words"]]


async def test_assemblyai_transcribes_a_part(desk: Desk) -> None:
    _, part = await desk.transcribe(audio_start_from=2000, audio_end_at=4500)
    assert part["words"]
    assert all(2000 <= word["start"] <= word["end"] <= 4500 for word in part["words"])


async def test_assemblyai_says_what_cannot_be_downloaded(desk: Desk) -> None:
    missing = desk.origin.url("/missing.wav")
    status, answer = await desk.transcribe(audio_url=missing)
    assert (status, answer["code"]) == (400, 1)
    assert answer["description"].startswith(f"Download error to {missing}, ")


async def test_the_guides_two_calls(desk: Desk) -> None:
    status, job = await desk.curl(
        *(f"http://{desk.first}/transcribe/async", "-F", f"audio=@{desk.recording}"),
        *("-F", "language=en", "-F", "word_timestamps=true"),
    )
    assert (status, job["status"]) == (200, "queued")
    answer: Any = {}

    async def completed() -> bool:
        nonlocal answer
        _, answer = await desk.curl(f"http://{desk.first}/transcribe/{job['job_id']}")
        return bool(answer["status"] == "completed")

    await eventually_so(completed, timeout_s=60)
    result = answer["result"]
    _, other = await desk.transcribe()
    assert (result["text"], result["language"]) == (other["blob"], "en")
    assert result["text"] == " ".join(segment["text"] for segment in result["segments"])
    words = [word["word"] for segment in result["segments"] for word in segment["words"]]
    assert " ".join(words) == result["text"]


async def test_the_guide_does_not_know_every_job(desk: Desk) -> None:
    assert await desk.curl(f"http://{desk.first}/transcribe/nope") == (404, {"detail": "Job not found"})
