"""What the store forgets when its time is up."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from stenod_server.domain.diarization import Diarization, DiarizationMode, KnownSpeaker
from stenod_server.domain.job import Job, JobConfig, JobState
from stenod_server.errors import JobNotFound
from stenod_server.ports import SpentMedia
from stenod_server.store.open import Stores
from tests.support.builders import START, make_info, make_job, make_segment

Reopen = Callable[[], Awaitable[Stores]]
TTL = timedelta(days=1)


async def _succeeded(stores: Stores, text: str = "so it goes", **changes: object) -> Job:
    job = await stores.jobs.submit(make_job(create_time=START, ttl=TTL, **changes), max_queued_jobs=10)
    claimed = await stores.jobs.claim(job.job_id, node="a", now=START, lease_until=START + timedelta(seconds=30))
    assert claimed is not None
    done = await stores.jobs.complete(claimed.lease, make_info(), [make_segment(0, text)], now=START)
    assert done is not None
    return done


async def test_media_is_spent_once_its_job_has_ended(stores: Stores) -> None:
    await stores.jobs.submit(make_job(), max_queued_jobs=10)
    done = await _succeeded(stores)
    spent = [SpentMedia(done.job_id, done.media.key)]
    assert await stores.retention.spent_media(now=START, keep=False, limit=10) == spent
    assert await stores.retention.spent_media(now=START, keep=True, limit=10) == []
    assert await stores.retention.spent_media(now=START + TTL, keep=True, limit=10) == spent
    await stores.retention.forget_media(spent)
    assert await stores.retention.spent_media(now=START + TTL, keep=False, limit=10) == []
    assert (await stores.jobs.get("default", done.job_id)).media.key == ""


async def test_an_expired_job_has_no_transcript_and_is_purged_a_retention_later(stores: Stores) -> None:
    done = await _succeeded(stores, request_id="mine")
    early = START + TTL - timedelta(seconds=1)
    assert await stores.retention.expire(now=early, limit=10) == []
    assert await stores.retention.expire(now=START + TTL, limit=10) == [done.job_id]
    expired = await stores.jobs.get("default", done.job_id)
    assert (expired.state, expired.info) == (JobState.EXPIRED, None)
    assert [segment async for segment in stores.jobs.segments(done.job_id)] == []
    again = make_job(request_id="mine", fingerprint=done.fingerprint)
    assert (await stores.jobs.submit(again, max_queued_jobs=10)).job_id == done.job_id
    assert await stores.retention.purge(now=START + 2 * TTL, limit=10) == 0  # its media is still there
    await stores.retention.forget_media([SpentMedia(done.job_id, done.media.key)])
    assert await stores.retention.purge(now=START + 2 * TTL, limit=10) == 1
    with pytest.raises(JobNotFound):
        await stores.jobs.get("default", done.job_id)
    assert (await stores.jobs.submit(again, max_queued_jobs=10)).job_id == again.job_id


async def test_an_expired_job_forgets_whose_voices_it_knew(stores: Stores) -> None:
    known = Diarization(mode=DiarizationMode.SPEAKER, known_speakers=(KnownSpeaker("Alice", ("identifier",)),))
    done = await _succeeded(stores, config=JobConfig(diarization=known))
    assert (await stores.jobs.get("default", done.job_id)).config.diarization == known
    await stores.retention.expire(now=START + TTL, limit=10)
    kept = (await stores.jobs.get("default", done.job_id)).config.diarization
    assert kept.known_speakers == (KnownSpeaker("Alice", ()),)


async def test_a_deleted_jobs_request_id_is_known_until_its_retention_ends(stores: Stores) -> None:
    done = await _succeeded(stores, request_id="mine")
    await stores.jobs.delete("default", done.job_id)
    again = make_job(request_id="mine", fingerprint=done.fingerprint)
    assert await stores.retention.purge(now=START + TTL - timedelta(seconds=1), limit=10) == 0
    with pytest.raises(JobNotFound):
        await stores.jobs.submit(again, max_queued_jobs=10)
    assert await stores.retention.purge(now=START + TTL, limit=10) == 1
    assert (await stores.jobs.submit(again, max_queued_jobs=10)).job_id == again.job_id


async def test_only_what_somebody_names_is_named(stores: Stores) -> None:
    done = await _succeeded(stores)
    fetching = await stores.jobs.submit(make_job(), max_queued_jobs=10)
    on_its_way = f"media/{fetching.job_id}"
    keys = {done.media.key, on_its_way, "media/nobodys", "upload/nobodys"}
    assert await stores.retention.named(keys) == {done.media.key, on_its_way}


async def test_no_file_has_a_deleted_transcript_after_scrubbing(reopen_file: Reopen, tmp_path: Path) -> None:
    stores = await reopen_file()
    marked = [await _succeeded(stores, text=f"marker{number} " * 50) for number in range(10)]
    for job in marked[::2]:
        await stores.jobs.delete("default", job.job_id)
    assert await stores.retention.scrub()
    found = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    left = [
        number for number in range(10) if f"marker{number} ".encode() in found or f'marker{number}"'.encode() in found
    ]
    assert left == [1, 3, 5, 7, 9]
    await stores.close()
