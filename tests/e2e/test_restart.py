"""What was accepted is transcribed, although the server is killed in the middle of it."""

import signal
from pathlib import Path

import pytest

import stenod
from stenod.results import JobState
from tests.support.models import DEFAULT_MODEL
from tests.support.server import start_server, stop_server

pytestmark = pytest.mark.triton


async def test_jobs_survive_a_kill_of_the_server_and_their_transcripts_a_restart(
    built_models_dir: Path, tmp_path: Path
) -> None:
    recording = built_models_dir / DEFAULT_MODEL / "samples" / "two_cities.wav"
    options = ("--parallel=1", "--elastic=off")
    server = await start_server(tmp_path, *options, models_dir=built_models_dir)
    async with stenod.Client(server.address) as client:
        jobs = [await client.submit(recording) for _ in range(3)]
        async for update in client.watch(jobs[0].job_id):
            if update.job.state is JobState.RUNNING:
                break
    await stop_server(server, signal.SIGKILL)
    server = await start_server(tmp_path, *options, models_dir=built_models_dir)
    try:
        async with stenod.Client(server.address) as client:
            ended = [await client.wait(job.job_id) for job in jobs]
            texts = {(await client.transcript(job.job_id)).text for job in jobs}
        assert len(texts) == 1
        assert texts.pop().startswith("It was the best of times")
        assert ended[0].proto.attempt_count == 2  # once before the kill, once after
    finally:
        assert await stop_server(server) == 0
