"""The outbox: stored with its job, due when that has ended, gone with its secrets once it is settled."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from stenod_server.domain.job import Job, JobState
from stenod_server.domain.notification import Content, Method, NoticeState, Notification
from stenod_server.errors import QueueFull
from stenod_server.ports import FILES_INDEX, CacheKey, Delivery
from stenod_server.store.open import Stores, open_store
from tests.support.builders import START, make_config, make_info, make_job, make_segment

Reopen = Callable[[], Awaitable[Stores]]
HOLD = timedelta(seconds=60)
TTL = timedelta(days=1)
SECRET = "s3cret-of-a-receiver"
TOLD = Notification(
    url=f"https://user:{SECRET}@a.example/in?key={SECRET}",
    contents=(Content.JOBINFO, Content.DATA),
    method=Method.PUT,
    headers=(("Authorization", SECRET),),
)
OTHER = Notification(url="https://b.example/in")


async def _submitted(stores: Stores, *notifications: Notification) -> Job:
    job = make_job(create_time=START, ttl=TTL, config=make_config(notifications=notifications))
    return await stores.jobs.submit(job, max_queued_jobs=100)


async def _ended(stores: Stores, *notifications: Notification) -> Job:
    job = await _submitted(stores, *notifications)
    return await stores.jobs.request_cancel(job.tenant, job.job_id, now=START)


async def _due(
    stores: Stores,
    *,
    now: datetime = START,
    node: str = "a",
    limit: int = 100,
    per_host: int = 100,
    busy: Mapping[str, int] | None = None,
) -> Sequence[Delivery]:
    return await stores.deliveries.claim_due(
        node, now=now, until=now + HOLD, limit=limit, per_host=per_host, busy=busy or {}
    )


async def test_nothing_is_due_before_its_job_has_ended(stores: Stores) -> None:
    job = await _submitted(stores, TOLD)
    assert not await _due(stores)
    assert [notice.state for notice in job.notices] == [NoticeState.PENDING]
    claimed = await stores.jobs.claim(job.job_id, node="a", now=START, lease_until=START + HOLD)
    assert claimed
    assert not await _due(stores)
    await stores.jobs.complete(claimed.lease, make_info(), [make_segment(0)], now=START)
    (delivery,) = await _due(stores)
    assert (delivery.notification, delivery.attempt, delivery.index) == (TOLD, 1, 0)
    assert delivery.job.state is JobState.SUCCEEDED


@pytest.mark.parametrize("how", ["cancel", "fail", "fail_late", "rescue", "reuse"])
async def test_however_a_job_ends_it_is_told(stores: Stores, how: str) -> None:
    job = make_job(
        create_time=START,
        config=make_config(notifications=(TOLD,)),
        deadline_time=START + HOLD if how == "fail_late" else None,
    )
    cache = CacheKey("digest", START - HOLD)
    if how == "reuse":
        first = await stores.jobs.submit(make_job(create_time=START), max_queued_jobs=9)
        run = await stores.jobs.claim(first.job_id, node="a", now=START, lease_until=START + HOLD)
        assert run
        await stores.jobs.complete(run.lease, make_info(), [], now=START, cache=cache)
    await stores.jobs.submit(job, max_queued_jobs=9, cache=cache if how == "reuse" else None)
    if how in {"fail", "rescue"}:
        assert await stores.jobs.claim(job.job_id, node="a", now=START, lease_until=START + HOLD)
    match how:
        case "cancel":
            await stores.jobs.request_cancel(job.tenant, job.job_id, now=START)
        case "fail_late":
            await stores.jobs.fail_late(now=START + HOLD)
        case "fail" | "rescue":
            await stores.jobs.rescue("a", now=START, max_rescues=1)
    assert [delivery.job.job_id for delivery in await _due(stores, now=START + HOLD)] == [job.job_id]


async def test_a_job_that_is_refused_leaves_nothing_to_tell(stores: Stores) -> None:
    job = make_job(config=make_config(notifications=(TOLD,)))
    with pytest.raises(QueueFull):
        await stores.jobs.submit(job, max_queued_jobs=0)
    await stores.jobs.submit(job, max_queued_jobs=1)  # it would hurt a constraint if its delivery were there


async def test_what_is_held_is_nobody_elses_until_the_hold_ends(stores: Stores) -> None:
    await _ended(stores, TOLD)
    (held,) = await _due(stores)
    assert not await _due(stores, node="b", now=START + HOLD - timedelta(seconds=1))
    await stores.deliveries.extend(held, until=START + 2 * HOLD)
    assert not await _due(stores, node="b", now=START + HOLD)
    (taken,) = await _due(stores, node="b", now=START + 2 * HOLD)
    assert taken.attempt == 2
    await stores.deliveries.delivered(held)  # it comes too late: it is another node's now
    await stores.deliveries.failed(held, "late", retry_at=None)
    noted = (await stores.jobs.get("default", held.job.job_id)).notices
    assert [notice.state for notice in noted] == [NoticeState.PENDING]
    await stores.deliveries.delivered(taken)
    noted = (await stores.jobs.get("default", held.job.job_id)).notices
    assert [(notice.state, notice.attempts) for notice in noted] == [(NoticeState.DELIVERED, 2)]


async def test_what_a_node_held_is_due_when_it_comes_back(stores: Stores) -> None:
    await _ended(stores, TOLD)
    assert await _due(stores)
    await stores.deliveries.hand_back("b", now=START)
    assert not await _due(stores)
    await stores.deliveries.hand_back("a", now=START)
    assert len(await _due(stores, node="b")) == 1


async def test_failures_are_noted_one_by_one_and_put_off(stores: Stores) -> None:
    job = await _ended(stores, TOLD, OTHER)
    first, second = sorted(await _due(stores), key=lambda delivery: delivery.index)
    await stores.deliveries.failed(first, "it says no", retry_at=START + HOLD)
    await stores.deliveries.failed(second, "it says never", retry_at=None)
    noted = (await stores.jobs.get("default", job.job_id)).notices
    assert [(n.url, n.state, n.attempts, n.error) for n in noted] == [
        ("https://a.example/in", NoticeState.PENDING, 1, "it says no"),
        ("https://b.example/in", NoticeState.GIVEN_UP, 1, "it says never"),
    ]
    assert not await _due(stores, now=START + HOLD - timedelta(seconds=1))
    assert [(d.index, d.attempt) for d in await _due(stores, now=START + HOLD)] == [(0, 2)]


async def test_a_host_takes_no_more_than_its_share(stores: Stores) -> None:
    for _ in range(5):
        await _ended(stores, TOLD)
    await _ended(stores, OTHER)
    hosts = [delivery.host for delivery in await _due(stores, per_host=3, busy={"a.example": 1})]
    assert sorted(hosts) == ["a.example", "a.example", "b.example"]
    assert [d.host for d in await _due(stores, per_host=3, busy={"a.example": 3, "b.example": 1})] == []
    assert len(await _due(stores, per_host=3, limit=1)) == 1


async def test_media_is_kept_until_it_is_told_or_the_retention_ends(stores: Stores) -> None:
    told, kept = await _ended(stores, TOLD), await _ended(stores, TOLD)

    async def spent(now: datetime) -> set[str]:
        return {m.job_id for m in await stores.retention.spent_media(now=now, keep=False, limit=9)}

    assert await spent(START) == set()
    (delivery,) = [delivery for delivery in await _due(stores) if delivery.job.job_id == told.job_id]
    await stores.deliveries.delivered(delivery)
    assert await spent(START) == {told.job_id}
    assert await spent(START + TTL) == {told.job_id, kept.job_id}


async def test_an_expired_job_is_not_told_any_more(stores: Stores) -> None:
    job = await _ended(stores, TOLD)
    await stores.retention.expire(now=START + TTL, limit=9)
    assert not await _due(stores, now=START + TTL)
    (notice,) = (await stores.jobs.get("default", job.job_id)).notices
    assert (notice.state, notice.error) == (NoticeState.GIVEN_UP, "the job's retention ended")


async def test_a_deleted_job_is_not_told_any_more(stores: Stores) -> None:
    job = await _ended(stores, TOLD)
    (held,) = await _due(stores)
    await stores.jobs.delete("default", job.job_id)
    await stores.deliveries.failed(held, "late", retry_at=START)
    assert not await _due(stores, now=START + 2 * HOLD)


async def test_files_are_to_be_written_for_every_job_where_that_is_asked(tmp_path: Path) -> None:
    stores = await open_store(tmp_path, in_memory=True, with_files=True)
    await _ended(stores, OTHER)
    due = await _due(stores)
    assert {(delivery.index, delivery.notification) for delivery in due} == {(FILES_INDEX, None), (0, OTHER)}
    await stores.close()


async def test_secrets_are_in_no_file_once_they_are_of_no_use(reopen_file: Reopen, tmp_path: Path) -> None:
    def found() -> bool:
        return any(SECRET.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    stores = await reopen_file()
    job = await _ended(stores, TOLD, TOLD, TOLD)
    assert SECRET not in repr(await stores.jobs.get("default", job.job_id))
    assert found()
    one, two, three = await _due(stores)
    await stores.deliveries.delivered(one)
    await stores.deliveries.failed(two, "no", retry_at=None)
    await stores.deliveries.failed(three, "no", retry_at=START + HOLD)
    assert await stores.retention.scrub()
    assert found()  # one is to be told again
    (three,) = await _due(stores, now=START + HOLD)
    await stores.deliveries.delivered(three)
    assert await stores.retention.scrub()
    assert not found()
    await stores.close()
