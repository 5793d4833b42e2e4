"""Jobs whose media is at an address: fetched when they run, once, and their secrets forgotten."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from stenod_server.domain.job import Job, JobConfig, JobState, Lease, Media, RemoteMedia
from stenod_server.domain.retry import RetryPolicy
from stenod_server.errors import FetchFailed, FetchRefused, JobNotFound, MediaNotFound, StoreUnavailable
from stenod_server.scheduler.scheduler import Submission
from tests.support.eventually import eventually
from tests.unit.scheduler.rig import TENANT, Rig, open_rig

URI = "https://example.org/talk.mp3"
SECRET = (("authorization", "Bearer of-somebody"),)
RECORDING = b"RIFF" + bytes(5000)


async def _submit(rig: Rig, uri: str = URI, request_id: str = "") -> Job:
    media = Media(key="", remote=RemoteMedia(uri=uri, headers=SECRET))
    return await rig.scheduler.submit(TENANT, Submission(config=JobConfig(), request_id=request_id), media)


async def test_media_is_fetched_when_the_job_runs(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        rig.fetcher.media[URI] = RECORDING
        done = await rig.scheduler.wait(TENANT, (await _submit(rig)).job_id)
        assert done.state is JobState.SUCCEEDED
        assert (done.media.size_bytes, done.media.file_name) == (len(RECORDING), "talk.mp3")
        assert done.media.sha256 == hashlib.sha256(RECORDING).hexdigest()
        assert done.media.remote == RemoteMedia(uri=URI)  # without the header
        assert rig.fetcher.asked == [RemoteMedia(uri=URI, headers=SECRET)]


async def test_a_fetch_that_fails_for_a_passing_reason_is_tried_again(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        rig.fetcher.media[URI] = RECORDING
        rig.fetcher.failures = [FetchFailed("reset by peer")]
        job = await _submit(rig)
        await rig.released(job)
        assert (await rig.scheduler.get(TENANT, job.job_id)).failures == 1
        rig.clock.advance(60)
        done = await rig.scheduler.wait(TENANT, job.job_id)
        assert (done.state, done.attempt) == (JobState.SUCCEEDED, 2)


async def test_a_store_that_is_away_is_no_failure_of_a_job(tmp_path: Path) -> None:
    outages = 2 * RetryPolicy().attempts
    async with open_rig(tmp_path) as rig:
        rig.fetcher.media[URI] = RECORDING
        rig.fetcher.failures = [StoreUnavailable("away") for _ in range(outages)]
        job = await _submit(rig)
        for times in range(1, outages + 1):
            await rig.released(job, times=times)
            rig.clock.advance(10)
        done = await rig.scheduler.wait(TENANT, job.job_id)
        assert (done.state, done.failures, done.attempt) == (JobState.SUCCEEDED, 0, outages + 1)


async def test_a_store_that_lost_something_is_not_waited_for(tmp_path: Path) -> None:
    async with open_rig(tmp_path, retry=RetryPolicy(attempts=1)) as rig:
        rig.fetcher.failures = [StoreUnavailable("it is not there", missing=True)]
        done = await rig.scheduler.wait(TENANT, (await _submit(rig)).job_id)
        assert done.failure
        assert (done.state, done.failure.reason) == (JobState.FAILED, "STORE_UNAVAILABLE")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MediaNotFound("404"), "MEDIA_NOT_FOUND"),
        (FetchRefused("media.uri", "redirects to 10.0.0.1", setting="fetch_allow"), "FETCH_REFUSED"),
    ],
)
async def test_what_the_address_does_not_give_is_not_asked_for_again(
    tmp_path: Path, error: MediaNotFound | FetchRefused, reason: str
) -> None:
    async with open_rig(tmp_path) as rig:
        rig.fetcher.failures = [error]
        done = await rig.scheduler.wait(TENANT, (await _submit(rig)).job_id)
        assert done.failure
        assert (done.state, done.attempt, done.failure.reason) == (JobState.FAILED, 1, reason)
        assert "Bearer" not in done.failure.message


async def test_the_same_request_with_other_credentials_is_the_same_job(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        rig.fetcher.media[URI] = RECORDING
        first = await _submit(rig, request_id="once")
        media = Media(key="", remote=RemoteMedia(uri=URI, headers=(("authorization", "renewed"),)))
        submission = Submission(config=JobConfig(), request_id="once")
        assert (await rig.scheduler.submit(TENANT, submission, media)).job_id == first.job_id
        await rig.scheduler.wait(TENANT, first.job_id)


async def test_a_job_deleted_before_it_was_fetched_leaves_nothing(tmp_path: Path) -> None:
    async with open_rig(tmp_path, start=False) as rig:
        job = await _submit(rig)
        await rig.scheduler.delete(TENANT, job.job_id)
        with pytest.raises(JobNotFound):
            await rig.scheduler.get(TENANT, job.job_id)


@pytest.mark.parametrize("with_delete", [False, True])
async def test_media_of_a_job_that_is_stopped_before_its_record_says_so_is_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, with_delete: bool
) -> None:
    is_fetched = asyncio.Event()

    async def never(_lease: Lease, _media: Media) -> None:
        is_fetched.set()
        await asyncio.Event().wait()

    async with open_rig(tmp_path) as rig:
        rig.fetcher.media[URI] = RECORDING
        monkeypatch.setattr(rig.stores.jobs, "fetched", never)
        job = await _submit(rig)
        await is_fetched.wait()
        assert await _blobs(rig)
        if with_delete:
            await rig.scheduler.delete(TENANT, job.job_id, force=True)
        else:
            await rig.scheduler.cancel(TENANT, job.job_id)
        await eventually(lambda: _is_over(rig, job))
        assert await _blobs(rig) == []


def _is_over(rig: Rig, job: Job) -> bool:
    return job.job_id not in rig.scheduler._dispatcher.running


async def _blobs(rig: Rig) -> list[str]:
    listed = rig.stores.blobs.keys()
    return [key async for keys in listed for key in keys]
