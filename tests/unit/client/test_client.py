import asyncio
import json
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest
from google.rpc import code_pb2

import stenod
from stenod.errors import Busy, DeadlineExceeded, JobFailed, NotFound, ServerFault, Unavailable, WrongState
from stenod.v1 import job_pb2
from tests.unit.client.conftest import IMPATIENT
from tests.unit.client.scripted import TEXT, Script, make_status, scripted_server, with_retry_after

ROOT = Path(__file__).parents[3]


async def test_one_call_gives_the_transcript_of_a_recording(client: stenod.Client) -> None:
    transcript = await client.transcribe(b"RIFF", language="en")

    assert (transcript.language, transcript.duration_s) == ("en", 15.0)
    assert transcript.text == " ".join([TEXT] * 3)
    assert transcript.words[6] == stenod.Word("best", 6.0, 6.5, 0.75, "", "", "")


async def test_a_transcript_comes_with_the_end_of_its_job_in_two_calls(client: stenod.Client, script: Script) -> None:
    script.segment_count = 6
    script.break_watches_after = [3, 2]

    transcript = await client.transcribe(b"RIFF")

    assert [segment.index for segment in transcript.segments] == [0, 1, 2, 3, 4, 5]
    assert [name for name, _ in script.calls] == ["SubmitJob", *["WatchJob"] * 3]
    assert all(request.skip_progress and request.include_segments for request in script.requests("WatchJob"))


async def test_drafts_of_an_older_server_are_not_taken_for_the_transcript(
    client: stenod.Client, script: Script
) -> None:
    script.shows_progress_always = True

    transcript = await client.transcribe(b"RIFF")

    assert [(segment.index, segment.final) for segment in transcript.segments] == [(0, True), (1, True), (2, True)]
    assert len(script.requests("GetTranscript")) == 1


async def test_who_only_waits_is_spared_the_progress(client: stenod.Client, script: Script) -> None:
    job = await client.submit(b"RIFF")
    await client.wait(job.job_id)
    (request,) = script.requests("WatchJob")
    assert (request.skip_progress, request.include_segments) == (True, False)


async def test_a_failed_job_raises_its_reason(client: stenod.Client) -> None:
    with pytest.raises(JobFailed, match="no audio stream") as caught:
        await client.transcribe(b"RIFF", file_name="broken.wav")

    assert (caught.value.reason, caught.value.job.state) == ("UNSUPPORTED_MEDIA", "FAILED")


async def test_a_watch_shows_every_segment_once_although_the_connection_breaks(
    client: stenod.Client, script: Script
) -> None:
    script.segment_count = 6
    script.break_watches_after = [3, 2]
    job = await client.submit(b"RIFF")

    updates = [update async for update in client.watch(job.job_id, include_segments=True)]

    assert [segment.index for update in updates for segment in update.segments] == [0, 1, 2, 3, 4, 5]
    assert updates[-1].job.state == "SUCCEEDED"
    assert len(script.requests("WatchJob")) == 3


async def test_a_watch_shows_every_final_segment_once_although_the_connection_breaks(
    client: stenod.Client, script: Script
) -> None:
    script.segment_count, script.final_count = 3, 5
    script.break_watches_after = [2, 6, 3]
    job = await client.submit(b"RIFF")

    updates = [update async for update in client.watch(job.job_id, include_segments=True)]

    segments = [segment for update in updates for segment in update.segments]
    assert [segment.index for segment in segments if not segment.final] == [0, 1, 2]
    assert [segment.index for segment in segments if segment.final] == [0, 1, 2, 3, 4]
    assert len(script.requests("WatchJob")) == 4


async def test_a_transcript_is_complete_although_the_connection_breaks(client: stenod.Client, script: Script) -> None:
    job = await client.submit(b"RIFF")
    await client.wait(job.job_id)
    script.break_watches_after = [1, 1]

    transcript = await client.transcript(job.job_id)

    assert [segment.index for segment in transcript.segments] == [0, 1, 2]


async def test_waiting_survives_a_restart_of_the_server() -> None:
    script = Script(hold_watches=True)
    async with AsyncExitStack() as stack:
        async with scripted_server(script) as address:
            client = await stack.enter_async_context(stenod.Client(address, retry=IMPATIENT))
            job = await client.submit(b"RIFF")
            waiting = asyncio.create_task(client.wait(job.job_id))
            await script.watching.wait()

        script.hold_watches = False
        async with scripted_server(script, address):
            assert (await waiting).state == "SUCCEEDED"


async def test_waiting_ends_at_the_caller_s_limit(client: stenod.Client, script: Script) -> None:
    script.hold_watches = True
    job = await client.submit(b"RIFF")

    with pytest.raises(DeadlineExceeded, match=job.job_id):
        await client.wait(job.job_id, timeout_s=0.05)

    assert (await client.job(job.job_id)).state == "QUEUED"


async def test_a_cancelled_transcribe_cancels_its_job(client: stenod.Client, script: Script) -> None:
    script.hold_watches = True
    transcribing = asyncio.create_task(client.transcribe(b"RIFF"))
    await script.watching.wait()

    transcribing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await transcribing

    assert len(script.requests("CancelJob")) == 1


async def test_a_rendering_arrives_in_pieces(client: stenod.Client, script: Script) -> None:
    job = await client.submit(b"RIFF", file_name="a.wav")

    pieces = [piece async for piece in client.rendered(job.job_id, "srt", max_lines=1, min_gap_s=0.25)]

    assert pieces == [f"a.wav TRANSCRIPT_FORMAT_SRT {index}\n" for index in range(3)]
    shape = script.requests("GetTranscript")[0].subtitles
    assert (shape.max_lines, shape.min_gap.ToMilliseconds(), shape.HasField("speaker_names")) == (1, 250, False)


async def test_jobs_are_listed_page_by_page_up_to_the_limit(client: stenod.Client, script: Script) -> None:
    for _ in range(450):
        script.jobs[f"job-{len(script.jobs)}"] = job_pb2.Job(job_id=f"job-{len(script.jobs)}")

    everything = [job.job_id async for job in client.jobs()]
    some = [job.job_id async for job in client.jobs(limit=250)]

    assert everything == [f"job-{n}" for n in reversed(range(450))]
    assert some == everything[:250]
    assert [request.page_size for request in script.requests("ListJobs")] == [200, 200, 200, 200, 50]


async def test_jobs_can_be_cancelled_and_deleted(client: stenod.Client, script: Script) -> None:
    job = await client.submit(b"RIFF")

    assert (await client.cancel(job.job_id)).state == "CANCELLED"
    assert (await client.delete(job.job_id)).job_id == job.job_id
    assert not script.jobs


async def test_the_server_tells_of_itself(client: stenod.Client) -> None:
    capacity = await client.capacity()
    models = await client.models()

    assert (capacity.max_engines, capacity.active_job_ids, capacity.admission_mode) == (4, ("job-1",), "queue")
    assert (capacity.expected_wait_s, capacity.accepting) == (None, True)
    assert [model.name for model in models] == ["moonshine-tiny-en"]
    assert await client.health()


async def test_a_watch_of_the_capacity_goes_on_for_ever(client: stenod.Client, script: Script) -> None:
    async with aclosing(client.watch_capacity()) as updates:
        seen = [(await anext(updates)).node for _ in range(3)]

    assert seen == ["node-1"] * 3
    assert len(script.requests("WatchCapacity")) == 3


async def test_errors_carry_what_the_server_said(client: stenod.Client, script: Script) -> None:
    status = make_status(code_pb2.RESOURCE_EXHAUSTED, "QUEUE_FULL", "the queue is full", max_queued_jobs="10")
    script.faults["SubmitJob"] = [with_retry_after(status, 1.5)]

    with pytest.raises(Busy, match="the queue is full") as caught:
        await client.submit(b"RIFF")

    error = caught.value
    assert (error.reason, error.metadata, error.retry_after_s) == ("QUEUE_FULL", {"max_queued_jobs": "10"}, 1.5)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(code_pb2.NOT_FOUND, NotFound), (code_pb2.FAILED_PRECONDITION, WrongState), (code_pb2.INTERNAL, ServerFault)],
)
async def test_each_status_has_its_class(
    client: stenod.Client, script: Script, code: int, kind: type[stenod.StenodError]
) -> None:
    script.faults["DeleteJob"] = [make_status(code, "REASON")]

    with pytest.raises(kind):
        await client.delete("job-1")


async def test_nobody_there_is_said_soon() -> None:
    async with stenod.Client("127.0.0.1:1", retry=IMPATIENT) as client:
        with pytest.raises(Unavailable):
            await client.health()
        with pytest.raises(Unavailable):
            await client.submit(b"RIFF")


async def test_the_api_key_travels_as_a_bearer_token(address: str, script: Script) -> None:
    async with stenod.Client(address, api_key="secret") as client:
        await client.capacity()

    assert script.metadata["authorization"] == "Bearer secret"
    assert script.metadata["user-agent"].startswith("stenod-python/")


async def test_a_client_that_is_not_open_says_how_to_open_it() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await stenod.Client().capacity()


def test_the_packaged_service_config_is_that_of_the_api() -> None:
    packaged = ROOT / "clients/python/stenod/service_config.json"

    assert json.loads(packaged.read_text()) == json.loads((ROOT / "proto/stenod/v1/service_config.json").read_text())
