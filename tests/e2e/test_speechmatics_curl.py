"""`curl` as the document of the batch worker prints it; the address and the recording are ours."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.server import RunningServer
from tests.support.speech import english_with_text, needs_speech

pytestmark = [pytest.mark.triton, *needs_speech]

WITH_SPEAKERS = """curl -X POST address.of.container:PORT/v2/jobs \\
-H 'X-SM-Processing-Data: {"parallel_engines": 2, "user_id": "MY_USER_ID"}' \\
-F 'config={
"type": "transcription",
"transcription_config": {
"language": "en",
"diarization": "speaker",
"operating_point": "enhanced"
}
}' \\
-F 'data_file=@~/audio_file.mp3'
"""
WITH_ENGINES = """curl -X POST address.of.container:PORT/v2/jobs \\
-H 'X-SM-Processing-Data: {"parallel_engines": 2}' \\
-F 'config={"type": "transcription", "transcription_config": {"language": "en"}}' \\
-F 'data_file=@~/audio_file.mp3'
"""


async def run(command: str, server: RunningServer) -> tuple[int, Any]:
    """The status and the answer; curl itself must have ended well."""
    recording = min(english_with_text(), key=lambda one: abs(one.duration_s - 4)).path
    command = command.replace("address.of.container:PORT", f"http://{server.http}")
    command = command.replace("~/audio_file.mp3", str(recording))
    options = "--silent --show-error --write-out '\\n%{http_code}'"
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", f"{command.strip()} {options}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    body, _, status = out.decode().rpartition("\n")
    return int(status), json.loads(body)


async def test_a_job_with_engines_is_accepted_and_done(server: RunningServer) -> None:
    status, answer = await run(WITH_ENGINES, server)
    assert (status, set(answer)) == (201, {"id"})
    job = f"curl address.of.container:PORT/v2/jobs/{answer['id']}?wait=60"
    status, answer = await run(job, server)
    assert (status, answer["job"]["status"]) == (200, "done")
    status, transcript = await run(f"curl address.of.container:PORT/v2/jobs/{answer['job']['id']}/transcript", server)
    assert status == 200
    assert len(transcript["results"]) > 3


async def test_speakers_are_refused_by_the_name_of_the_option(server: RunningServer) -> None:
    status, answer = await run(WITH_SPEAKERS, server)
    assert status == 400
    assert answer == {
        "code": 400,
        "error": "Bad Request",
        "detail": "transcription_config.diarization: this feature is not built yet",
    }


async def test_the_same_job_without_speakers_is_accepted(server: RunningServer) -> None:
    status, _ = await run(WITH_SPEAKERS.replace('"diarization": "speaker",\n', ""), server)
    assert status == 201


async def test_capacity_is_told(server: RunningServer) -> None:
    status, answer = await run("curl address.of.container:PORT/jobs", server)
    assert (status, set(answer)) == (200, {"active_jobs", "max_engines", "unused_engines"})
