"""`curl` as the document of the batch worker prints it; the address and the recording are ours."""

import json
from typing import Any

import pytest

from tests.support.clients.printed_curl import WITH_ENGINES, WITH_SPEAKERS, WITH_USER, run_printed
from tests.support.server import RunningServer
from tests.support.speech import english_with_text, needs_speech

pytestmark = [pytest.mark.triton, *needs_speech]
SPEAKERS = '"diarization": "speaker",\n'


async def run(command: str, server: RunningServer) -> tuple[int, Any]:
    recording = min(english_with_text(), key=lambda one: abs(one.duration_s - 4)).path
    status, body = await run_printed(command, f"http://{server.http}", recording)
    return status, json.loads(body)


async def test_a_job_with_engines_is_accepted_and_done(server: RunningServer) -> None:
    status, answer = await run(WITH_ENGINES, server)
    assert (status, set(answer)) == (201, {"id"})
    job = f"curl address.of.container:PORT/v2/jobs/{answer['id']}?wait=60"
    status, answer = await run(job, server)
    assert (status, answer["job"]["status"]) == (200, "done")
    status, transcript = await run(f"curl address.of.container:PORT/v2/jobs/{answer['job']['id']}/transcript", server)
    assert status == 200
    assert len(transcript["results"]) > 3


@pytest.mark.parametrize("command", [WITH_SPEAKERS, WITH_USER])
async def test_speakers_are_refused_by_the_name_of_the_option(server: RunningServer, command: str) -> None:
    status, answer = await run(command, server)
    assert status == 400
    assert answer == {
        "code": 400,
        "error": "Bad Request",
        "detail": "transcription_config.diarization: this feature is not built yet",
    }


@pytest.mark.parametrize("command", [WITH_SPEAKERS, WITH_USER])
async def test_the_same_job_without_speakers_is_accepted(server: RunningServer, command: str) -> None:
    status, _ = await run(command.replace(SPEAKERS, ""), server)
    assert status == 201


async def test_capacity_is_told(server: RunningServer) -> None:
    status, answer = await run("curl address.of.container:PORT/jobs", server)
    assert (status, set(answer)) == (200, {"active_jobs", "max_engines", "unused_engines"})
