"""A copy of a running node's database, for a successor without its media."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from stenod_server.domain.job import Checkpoint, Media, Progress, RemoteMedia
from stenod_server.errors import StoreUnavailable
from stenod_server.store.open import open_store
from stenod_server.store.snapshots import FILE_NAME, take_snapshot
from tests.support.builders import START, make_job, make_segment

REMOTE = RemoteMedia(uri="s3://a/long.wav")


async def test_what_is_done_is_in_the_copy_and_the_media_is_to_be_fetched_again(tmp_path: Path) -> None:
    stores = await open_store(tmp_path / "first")
    job = replace(make_job(), media=Media(key="", file_name="long.wav", remote=REMOTE))
    await stores.jobs.submit(job, max_queued_jobs=10)
    running = await stores.jobs.claim(job.job_id, node="a", now=START, lease_until=START + timedelta(minutes=1))
    assert running
    fetched = replace(job.media, key=f"media/{job.job_id}", size_bytes=7, sha256="x")
    await stores.jobs.fetched(running.lease, fetched)
    done = Checkpoint(windows=3, segments=1, memory="{}")
    await stores.jobs.record(running.lease, Progress(segments=1), [make_segment(0, "so")], now=START, checkpoint=done)
    assert [segment async for segment in stores.jobs.segments(job.job_id)]

    (tmp_path / "second").mkdir()
    take_snapshot(tmp_path / "first", tmp_path / "second" / FILE_NAME)
    still = await stores.jobs.get(job.tenant, job.job_id)
    await stores.close()
    assert still.media == fetched

    successor = await open_store(tmp_path / "second")
    found = await successor.jobs.get(job.tenant, job.job_id)
    texts = [segment.text async for segment in successor.jobs.segments(job.job_id)]
    await successor.close()
    assert (found.media, found.checkpoint, texts) == (job.media, done, ["so"])


def test_without_a_database_there_is_no_copy(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        take_snapshot(tmp_path / "absent", tmp_path / "copy")
