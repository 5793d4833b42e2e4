"""`curl` as the document of the batch worker prints it; the address and the recording are ours."""

import json
from typing import Any

import pytest

from tests.support.clients.printed_curl import WITH_ENGINES, WITH_SPEAKERS, WITH_USER, run_printed
from tests.support.server import RunningServer
from tests.support.speech import english_with_text, needs_speech

pytestmark = [pytest.mark.triton, *needs_speech]


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
async def test_a_job_with_speakers_says_who_speaks(server: RunningServer, command: str) -> None:
    status, answer = await run(command, server)
    assert (status, set(answer)) == (201, {"id"})
    job = f"address.of.container:PORT/v2/jobs/{answer['id']}"
    status, answer = await run(f"curl {job}?wait=60", server)
    assert (status, answer["job"]["status"]) == (200, "done")
    status, transcript = await run(f"curl {job}/transcript", server)
    assert status == 200
    assert {result["alternatives"][0]["speaker"] for result in transcript["results"]} == {"S1"}


async def test_capacity_is_told(server: RunningServer) -> None:
    status, answer = await run("curl address.of.container:PORT/jobs", server)
    assert (status, set(answer)) == (200, {"active_jobs", "max_engines", "unused_engines"})
