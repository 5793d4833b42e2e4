"""What SQLite's one writer gives, PostgreSQL's transactions give by their locks; each test is there for one of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from stenod_server.domain.job import Job, JobState, Media, RemoteMedia
from stenod_server.domain.notification import NoticeState, Notification
from stenod_server.domain.quota import NO_LIMITS, TenantLimits
from stenod_server.errors import QueueFull, QuotaExceeded
from stenod_server.ports import CacheKey, SpentMedia
from stenod_server.store import claims, deliveries, job_changes, postgres_faults, retention, runs
from stenod_server.store import uploads as upload_changes
from stenod_server.store.job_changes import Terms
from stenod_server.store.open import Stores
from tests.contract.lives import LATER, NOW, ROOM, UNTIL, running, stored_segments, submitted
from tests.contract.test_claims import ASKED
from tests.support.builders import make_config, make_info, make_job, make_segment, make_upload
from tests.support.overlap import held, waits

TOLD = Notification(url="https://example.com/told")
CACHE = CacheKey("digest", NOW - timedelta(days=1))


def _submit(
    job: Job, *, room: int = ROOM, limits: TenantLimits = NO_LIMITS, cache: CacheKey | None = None
) -> "partial[Job]":
    return partial(job_changes.submit, job=job, terms=Terms(max_queued_jobs=room, limits=limits, cache=cache))


async def _succeeded(stores: Stores, **changes: object) -> Job:
    job = await running(stores.jobs, **changes)
    done = await stores.jobs.complete(job.lease, make_info(), [make_segment(0), make_segment(1)], now=NOW, cache=CACHE)
    assert done is not None
    return done


async def test_one_request_on_two_nodes_is_one_job(pair: tuple[Stores, Stores]) -> None:
    first, second = (make_job(request_id="again", fingerprint="same") for _ in range(2))
    async with held(pair[0], _submit(first)) as submit:
        other = await waits(pair[1], pair[1].jobs.submit(second, max_queued_jobs=ROOM))
        assert not other.done()
        await submit.result()
        assert (await other).job_id == first.job_id
    assert (await pair[0].jobs.counts())[JobState.QUEUED] == 1


async def test_a_tenant_gets_the_last_place_of_its_quota_once(pair: tuple[Stores, Stores]) -> None:
    limits = TenantLimits(max_queued_jobs=1)
    async with held(pair[0], _submit(make_job(), limits=limits)) as submit:
        other = await waits(pair[1], pair[1].jobs.submit(make_job(), max_queued_jobs=ROOM, limits=limits))
        await submit.result()
        with pytest.raises(QuotaExceeded):
            await other


async def test_the_last_place_of_the_queue_is_given_once(pair: tuple[Stores, Stores]) -> None:
    async with held(pair[0], _submit(make_job(), room=1)) as submit:
        other = await waits(pair[1], pair[1].jobs.submit(make_job(tenant="another"), max_queued_jobs=1))
        await submit.result()
        with pytest.raises(QueueFull):
            await other


async def test_submits_do_not_wait_for_each_other_where_there_is_room(pair: tuple[Stores, Stores]) -> None:
    limits = TenantLimits(max_queued_jobs=ROOM)
    async with held(pair[0], _submit(make_job(), limits=limits)) as submit:
        await pair[1].jobs.submit(make_job(), max_queued_jobs=ROOM, limits=limits)
        await submit.result()
    assert (await pair[0].jobs.counts())[JobState.QUEUED] == 2


async def test_a_job_is_claimed_once(pair: tuple[Stores, Stores]) -> None:
    job = await submitted(pair[0].jobs)
    claim = partial(runs.claim, job_id=job.job_id, node="one", now=NOW, lease_until=UNTIL)
    async with held(pair[0], claim) as first:
        other = await waits(pair[1], pair[1].jobs.claim(job.job_id, node="other", now=NOW, lease_until=UNTIL))
        claimed = await first.result()
        assert claimed is not None
        assert await other is None


async def test_nodes_take_different_jobs_and_wait_for_nobody(pair: tuple[Stores, Stores]) -> None:
    waiting = [(await submitted(pair[0].jobs)).job_id for _ in range(4)]
    two = replace(ASKED, free_engines=2, limit=2)
    async with held(pair[0], partial(claims.claim_next, request=two)) as first:
        other = await pair[1].jobs.claim_next(replace(two, node="other"))
        mine = await first.result()
    assert [[job.job_id for job in one.jobs] for one in (mine, other)] == [waiting[:2], waiting[2:]]


async def test_a_job_that_is_cancelled_as_it_is_claimed_is_stopped(pair: tuple[Stores, Stores]) -> None:
    job = await submitted(pair[0].jobs)
    claim = partial(runs.claim, job_id=job.job_id, node="one", now=NOW, lease_until=UNTIL)
    async with held(pair[0], claim) as first:
        cancelling = await waits(pair[1], pair[1].jobs.request_cancel("default", job.job_id, now=NOW))
        await first.result()
        await cancelling
    stored = await pair[0].jobs.get("default", job.job_id)
    assert (stored.state, stored.cancel_requested) == (JobState.RUNNING, True)


async def test_a_job_that_is_given_back_as_it_is_cancelled_is_cancelled(pair: tuple[Stores, Stores]) -> None:
    job = await running(pair[0].jobs)
    cancel = partial(job_changes.request_cancel, tenant="default", job_id=job.job_id, now=NOW)
    async with held(pair[0], cancel) as first:
        releasing = await waits(pair[1], pair[1].jobs.release(job.lease, now=NOW))
        await first.result()
        released = await releasing
    assert released is not None
    assert released.state is JobState.CANCELLED


async def test_a_job_is_not_rescued_while_its_node_writes(pair: tuple[Stores, Stores]) -> None:
    job = await running(pair[0].jobs)
    finalise = partial(runs.finalise, lease=job.lease, final=[make_segment(0)])
    async with held(pair[0], finalise) as write:
        assert await pair[1].jobs.rescue_expired(now=LATER, max_rescues=3) == []
        assert await write.result()


@pytest.mark.parametrize("how", ["finalise", "record"])
async def test_a_late_write_is_refused_while_its_job_is_being_rescued(pair: tuple[Stores, Stores], how: str) -> None:
    job = await running(pair[0].jobs)
    report = runs.Report(job.progress, NOW, (make_segment(0),))
    late: dict[str, Callable[[sa.Connection], object]] = {
        "finalise": partial(runs.finalise, lease=job.lease, final=report.segments),
        "record": partial(runs.record, reports={job.lease: report}),
    }
    async with held(pair[0], partial(runs.rescue_expired, now=LATER, max_rescues=3)) as rescue:
        write = await waits(pair[1], pair[1].jobs._database.write(late[how]))
        await rescue.result()
        assert not await write
    assert await stored_segments(pair[0].jobs, job) == []


async def test_an_expired_lease_is_rescued_once_and_nobody_waits_for_it(pair: tuple[Stores, Stores]) -> None:
    job = await running(pair[0].jobs)
    async with held(pair[0], partial(runs.rescue_expired, now=LATER, max_rescues=3)) as rescue:
        assert await pair[1].jobs.rescue_expired(now=LATER, max_rescues=3) == []
        assert [one.job_id for one in await rescue.result()] == [job.job_id]
    assert (await pair[1].jobs.get("default", job.job_id)).rescues == 1


async def test_what_two_jobs_used_is_added_up(pair: tuple[Stores, Stores]) -> None:
    jobs = [await running(pair[0].jobs) for _ in range(2)]
    ends = [partial(runs.complete, lease=job.lease, info=make_info(), last=[], now=NOW) for job in jobs]
    async with held(pair[0], ends[0]) as first:
        other = await waits(pair[1], pair[1].jobs._database.write(ends[1]))
        assert not other.done()
        await first.result()
        await other
    rows = await pair[0].jobs._database.read(
        lambda connection: connection.exec_driver_sql("SELECT jobs FROM usage").all()
    )
    assert [tuple(row) for row in rows] == [(2,)]


async def test_a_transcript_is_not_deleted_while_it_is_copied(pair: tuple[Stores, Stores]) -> None:
    source = await _succeeded(pair[0])
    copy = _submit(make_job(), cache=CACHE)
    async with held(pair[0], copy) as submit:
        deleting = await waits(pair[1], pair[1].jobs.delete("default", source.job_id))
        assert not deleting.done()
        copied = await submit.result()
        await deleting
    assert len(await stored_segments(pair[0].jobs, copied)) == 2


async def test_an_upload_is_created_once(pair: tuple[Stores, Stores]) -> None:
    first, second = make_upload(upload_id="same"), make_upload(upload_id="same", file_name="another.wav")
    async with held(pair[0], partial(upload_changes._create, upload=first)) as create:
        other = await waits(pair[1], pair[1].uploads.create_upload(second))
        await create.result()
        assert (await other).file_name == first.file_name


async def _told(stores: Stores, count: int) -> Job:
    job = await running(stores.jobs, config=make_config(notifications=(TOLD,) * count))
    done = await stores.jobs.cancelled(job.lease, now=NOW)
    assert done is not None
    return done


async def test_a_delivery_is_claimed_once_and_nobody_waits_for_it(pair: tuple[Stores, Stores]) -> None:
    job = await _told(pair[0], 1)
    claim = partial(deliveries._claim, keys=[(job.job_id, 0)], node="one", now=NOW, until=LATER)
    async with held(pair[0], claim) as first:
        taken = await pair[1].deliveries.claim_due("other", now=NOW, until=LATER, limit=9, per_host=9, busy={})
        assert list(taken) == []
        assert len(await first.result()) == 1


async def test_two_deliveries_of_a_job_are_both_noted(pair: tuple[Stores, Stores]) -> None:
    job = await _told(pair[0], 2)
    one, other = await pair[0].deliveries.claim_due("one", now=NOW, until=LATER, limit=9, per_host=9, busy={})
    settle = partial(deliveries._settle, delivery=one, state=NoticeState.DELIVERED)
    async with held(pair[0], settle) as first:
        second = await waits(pair[1], pair[1].deliveries.delivered(other))
        await first.result()
        await second
    notices = (await pair[0].jobs.get("default", job.job_id)).notices
    assert [notice.state for notice in notices] == [NoticeState.DELIVERED] * 2


async def test_a_job_can_be_deleted_while_one_is_told_of_it(
    pair: tuple[Stores, Stores], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await _told(pair[0], 1)
    (delivery,) = await pair[0].deliveries.claim_due("one", now=NOW, until=LATER, limit=9, per_host=9, busy={})
    monkeypatch.setattr(postgres_faults, "_PASSING", frozenset())  # a deadlock is an error now
    async with held(pair[0], partial(job_changes.delete, tenant="default", job_id=job.job_id)) as delete:
        telling = await waits(pair[1], pair[1].deliveries.delivered(delivery))
        await delete.result()
        await telling


async def test_what_is_forgotten_of_media_stays_forgotten(pair: tuple[Stores, Stores]) -> None:
    remote = RemoteMedia(uri="https://example.com/a.wav", headers=(("authorization", "secret"),))
    job = await submitted(pair[0].jobs, media=Media(key="media/one", remote=remote))
    await pair[0].jobs.request_cancel("default", job.job_id, now=NOW)
    after = NOW + timedelta(days=30)
    async with held(pair[0], partial(retention._expire, now=after, limit=9)) as expire:
        forget = await waits(pair[1], pair[1].retention.forget_media([SpentMedia(job.job_id, "media/one")]))
        assert not forget.done()
        await expire.result()
        await forget
    media = (await pair[0].jobs.get("default", job.job_id)).media
    assert media.key == ""
    assert media.remote is not None
    assert media.remote.headers == ()


async def test_a_retention_ends_once_and_nobody_waits_for_it(pair: tuple[Stores, Stores]) -> None:
    job = await _succeeded(pair[0])
    after = NOW + timedelta(days=30)
    async with held(pair[0], partial(retention._expire, now=after, limit=9)) as expire:
        assert await pair[1].retention.expire(now=after, limit=9) == []
        assert await expire.result() == [job.job_id]
