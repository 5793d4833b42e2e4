"""Receivers are told until they have heard, and what became of it is noted on the job."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from stenod_server.domain.job import JobState
from stenod_server.domain.notification import Content, NoticeState
from stenod_server.errors import FetchRefused, InvalidField, LimitExceeded
from tests.integration.notify.rig import OPTIONS, Rig, telling
from tests.support.eventually import eventually
from tests.support.fetching import names
from tests.support.receiver import HANG, Receiver, receiving


async def test_a_receiver_gets_the_job_with_an_id_and_its_own_headers(rig: Rig, receiver: Receiver) -> None:
    job = await rig.ended(telling(receiver.url("/in?a=b"), headers=(("Authorization", "Bearer s3cret"),)))
    async with rig.notifying():
        now = await rig.settled(job)
    (call,) = receiver.calls
    assert (call.method, call.query) == ("POST", {"a": "b", "id": job.job_id, "status": "success"})
    assert call.headers["authorization"] == "Bearer s3cret"
    assert call.headers["user-agent"].startswith("stenod/")
    assert call.headers["content-type"] == "application/json"
    assert call.headers["webhook-id"] == f"{job.job_id}-0"
    assert "webhook-signature" not in call.headers
    assert json.loads(call.body)["jobId"] == job.job_id
    (notice,) = now.notices
    assert (notice.state, notice.attempts, notice.error) == (NoticeState.DELIVERED, 1, "")
    assert rig.outcomes == ["delivered"]


async def test_a_flaky_receiver_is_told_until_it_has_heard(rig: Rig, receiver: Receiver) -> None:
    job = await rig.ended(telling(receiver.url()))
    receiver.then(500)
    receiver.then(429)
    receiver.then(404)
    async with rig.notifying():
        now = await rig.settled(job)
    assert [call.headers["webhook-id"] for call in receiver.calls] == [f"{job.job_id}-0"] * 4
    (notice,) = now.notices
    assert (notice.state, notice.attempts) == (NoticeState.DELIVERED, 4)
    assert (now.state, rig.outcomes) == (JobState.SUCCEEDED, ["failed", "failed", "failed", "delivered"])


async def test_retry_after_is_waited_for(rig: Rig, receiver: Receiver) -> None:
    job = await rig.ended(telling(receiver.url()))
    receiver.then(503, retry_after="3000")
    async with rig.notifying():
        now = await rig.complained(job)
        assert "HTTP status 503" in now.notices[0].error
    # Longer than any backoff of this notifier: only what it asked for can hold it back.
    for later_s, count in ((2990, 0), (3010, 1)):
        at = now.update_time + timedelta(seconds=later_s)
        due = await rig.stores.deliveries.claim_due("b", now=at, until=at, limit=9, per_host=9, busy={})
        assert len(due) == count


async def test_a_receiver_that_says_nothing_is_told_again(rig: Rig, receiver: Receiver) -> None:
    job = await rig.ended(telling(receiver.url()))
    receiver.then(HANG)
    async with rig.notifying(timeout_s=0.2):
        now = await rig.settled(job)
    assert (now.notices[0].state, now.notices[0].attempts) == (NoticeState.DELIVERED, 2)


async def test_a_receiver_that_is_never_there_is_given_up_and_the_job_stays_done(rig: Rig) -> None:
    async with receiving() as gone:
        url = gone.url("/told?key=s3cret")
    job = await rig.ended(telling(url))
    async with rig.notifying(replace(OPTIONS, give_up_after=timedelta(seconds=2))):
        now = await rig.settled(job)
    (notice,) = now.notices
    assert (now.state, notice.state) == (JobState.SUCCEEDED, NoticeState.GIVEN_UP)
    assert notice.attempts > 1
    assert "cannot be connected to" in notice.error
    assert "s3cret" not in repr(now)
    assert rig.outcomes[-1] == "given_up"


async def test_a_redirect_is_not_followed(rig: Rig, receiver: Receiver) -> None:
    async with receiving() as other:
        job = await rig.ended(telling(receiver.url()))
        receiver.then(307, location=other.url())
        async with rig.notifying():
            await rig.settled(job)
        assert other.calls == []
    assert len(receiver.calls) == 2


async def test_a_name_that_leads_inside_is_given_up_at_once(rig: Rig, receiver: Receiver) -> None:
    job = await rig.ended(telling(receiver.url(host="inside.example")))
    async with rig.notifying(allow=(), resolve=names({"inside.example": ["127.0.0.1"]})):
        now = await rig.settled(job)
    (notice,) = now.notices
    assert (notice.state, notice.attempts, receiver.calls) == (NoticeState.GIVEN_UP, 1, [])
    assert "fetch_allow" in notice.error
    assert "127.0.0.1" not in notice.error


async def test_what_is_refused_by_its_form_is_refused_before_the_job(rig: Rig) -> None:
    async with rig.notifying(allow=()) as notifier:
        with pytest.raises(FetchRefused, match="fetch_allow") as refused:
            notifier.check(
                "config.notifications[{}]", [telling("https://a.example"), telling("http://10.0.0.1/")], tenant="a"
            )
        assert refused.value.field == "config.notifications[1].url"
        for wrong, field in (
            (telling("ftp://a.example"), "x.0.url"),
            (telling("https://a.example", headers=(("Host", "b"),)), "x.0.headers"),
            (telling("https://a.example", headers=(("webhook-id", "b"),)), "x.0.headers"),
        ):
            with pytest.raises(InvalidField) as refused_field:
                notifier.check("x.{}", [wrong], tenant="a")
            assert refused_field.value.field == field
        with pytest.raises(LimitExceeded, match="notifications of a job") as too_many:
            notifier.check("x.{}", [telling("https://a.example")] * 4, tenant="a")
        assert too_many.value.field == "x"


async def test_two_nodes_that_share_a_store_tell_once(rig: Rig, receiver: Receiver) -> None:
    jobs = [await rig.ended(telling(receiver.url()), telling(receiver.url("/too"))) for _ in range(15)]
    async with rig.notifying(), rig.notifying(replace(OPTIONS, node="b")):
        for job in jobs:
            await rig.settled(job)
    told = Counter(call.headers["webhook-id"] for call in receiver.calls)
    assert told == {f"{job.job_id}-{index}": 1 for job in jobs for index in (0, 1)}


async def test_a_slow_receiver_holds_up_nobody_else(rig: Rig, receiver: Receiver) -> None:
    slow = [await rig.ended(telling(receiver.url(host="slow.example"))) for _ in range(8)]
    resolve = names({"slow.example": ["127.0.0.1"], "quick.example": ["127.0.0.1"]})
    for _ in slow:
        receiver.then(HANG)
    options = replace(OPTIONS, concurrency=4, per_host=2)
    async with receiving() as quick:
        async with rig.notifying(options, timeout_s=60.0, resolve=resolve):
            await eventually(lambda: len(receiver.calls) == 2)
            jobs = [await rig.ended(telling(quick.url(host="quick.example"))) for _ in range(5)]
            for job in jobs:
                await rig.settled(job)
        assert (len(quick.calls), len(receiver.calls)) == (5, 2)


async def test_what_a_node_held_is_told_by_its_successor(rig: Rig, receiver: Receiver) -> None:
    """It died in the middle of telling: nothing was put back."""
    job = await rig.ended(telling(receiver.url()))
    assert job.end_time
    held = {"now": job.end_time, "until": job.end_time + timedelta(hours=1)}
    assert await rig.stores.deliveries.claim_due("a", limit=1, per_host=1, busy={}, **held)
    async with rig.notifying(replace(OPTIONS, node="b")):
        await asyncio.sleep(0.1)  # it is held: somebody else does not touch it
        assert receiver.calls == []
    async with rig.notifying():
        now = await rig.settled(job)
    assert now.notices[0].attempts == 2


async def test_a_node_that_stops_puts_back_what_it_holds(rig: Rig, receiver: Receiver) -> None:
    job = await rig.ended(telling(receiver.url(), Content.TXT))
    receiver.then(HANG)
    async with rig.notifying(timeout_s=60.0):
        await eventually(lambda: len(receiver.calls) == 1)
    async with rig.notifying(replace(OPTIONS, node="b")):
        await rig.settled(job)
    assert [call.body for call in receiver.calls] == [b"so it goes and goes and ends\n"] * 2
