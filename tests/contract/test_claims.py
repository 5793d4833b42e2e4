"""How nodes share the waiting jobs, over every database."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from stenod_server.domain.job import Job, JobState
from stenod_server.domain.quota import NO_LIMITS, TenantLimits
from stenod_server.errors import EnginesExhausted, QuotaExceeded
from stenod_server.ports.cluster import ClaimRequest, PlaceRequest
from stenod_server.store.open import Stores
from tests.support.builders import START, make_config, make_job

NOW = START + timedelta(hours=1)
LEASE = NOW + timedelta(seconds=30)
ASKED = ClaimRequest(
    node="a",
    free_engines=4,
    max_engines=4,
    largest_engines=4,
    models=("fake",),
    busy_with=(),
    can_run=lambda _config: True,
    limits_of=lambda _tenant: NO_LIMITS,
    max_overtakes=2,
    now=NOW,
    lease_until=LEASE,
    limit=32,
)


async def _queue(stores: Stores, *, tenant: str = "default", engines: int = 1, **config: Any) -> Job:
    job = make_job(tenant=tenant, config=make_config(parallel_engines=engines, **config))
    return await stores.jobs.submit(job, max_queued_jobs=1000)


async def _claim(stores: Stores, **changes: Any) -> Sequence[Job]:
    return (await stores.jobs.claim_next(replace(ASKED, **changes))).jobs


def _ids(jobs: Sequence[Job]) -> list[str]:
    return [job.job_id for job in jobs]


def _limits(**running: int) -> Any:
    return lambda tenant: TenantLimits(max_running_engines=running.get(tenant, 0))


async def test_a_claim_takes_as_many_as_there_are_engines_under_a_lease(stores: Stores) -> None:
    queued = [await _queue(stores) for _ in range(6)]
    claimed = await _claim(stores)
    assert _ids(claimed) == _ids(queued[:4])
    for job in claimed:
        assert (job.state, job.node, job.attempt, job.lease_token) == (JobState.RUNNING, "a", 1, 1)
        assert (job.start_time, job.lease_expire_time) == (NOW, LEASE)
    assert _ids(await _claim(stores, node="b", limit=1)) == _ids(queued[4:5])
    assert _ids(await stores.jobs.running_on("a")) == _ids(queued[:4])


async def test_the_tenant_with_the_fewest_running_engines_for_its_weight_is_next(stores: Stores) -> None:
    many = [await _queue(stores, tenant="many") for _ in range(6)]
    few = [await _queue(stores, tenant="few") for _ in range(2)]
    assert _ids(await _claim(stores)) == _ids([many[0], few[0], many[1], few[1]])
    assert _ids(await _claim(stores, node="b", free_engines=1)) == _ids([many[2]])
    await _queue(stores, tenant="few")
    heavy = lambda tenant: TenantLimits(weight=2.0 if tenant == "many" else 1.0)  # noqa: E731
    claimed = await _claim(stores, node="c", limits_of=heavy)
    assert [job.tenant for job in claimed] == ["many", "many", "few", "many"]


async def test_inside_a_tenant_priority_counts_before_age(stores: Stores) -> None:
    slow, urgent = await _queue(stores), await _queue(stores, priority=5)
    assert _ids(await _claim(stores)) == _ids([urgent, slow])


async def test_a_job_that_waits_for_its_next_attempt_is_left(stores: Stores) -> None:
    job = await _queue(stores)
    (running,) = await _claim(stores)
    await stores.jobs.release(running.lease, now=NOW, not_before=NOW + timedelta(seconds=10))
    assert not await _claim(stores)
    assert _ids(await _claim(stores, now=NOW + timedelta(seconds=10))) == [job.job_id]


async def test_what_a_node_cannot_run_is_left_to_others(stores: Stores) -> None:
    named = await _queue(stores, model="other")
    foreign = await _queue(stores, language="de")
    large = await _queue(stores, engines=5)
    mine = await _queue(stores)
    can_run = lambda config: config.language == "en"  # noqa: E731
    assert _ids(await _claim(stores, can_run=can_run, largest_engines=8)) == [mine.job_id]
    claimed = await _claim(stores, node="b", models=("fake", "other"), largest_engines=8, max_engines=8, free_engines=8)
    assert _ids(claimed) == _ids([named, foreign, large])


async def test_a_job_that_is_too_large_for_all_nodes_runs_on_the_largest(stores: Stores) -> None:
    job = await _queue(stores, engines=9)
    assert not await _claim(stores, max_engines=3, free_engines=3)
    assert _ids(await _claim(stores)) == [job.job_id]


async def test_what_a_node_has_not_let_go_of_is_not_given_to_it(stores: Stores) -> None:
    job = await _queue(stores)
    assert not await _claim(stores, busy_with={job.job_id})


async def test_a_job_that_needs_many_engines_is_overtaken_so_often_and_no_more(stores: Stores) -> None:
    large = await _queue(stores, engines=4)
    small = [await _queue(stores, tenant="other") for _ in range(5)]
    assert _ids(await _claim(stores, free_engines=1)) == _ids(small[:1])
    assert _ids(await _claim(stores, free_engines=1)) == _ids(small[1:2])
    assert not await _claim(stores, free_engines=3)
    # Another node, which has not promised it anything, goes on; and takes it, where it can.
    assert _ids(await _claim(stores, node="b", free_engines=1)) == _ids(small[2:3])
    assert not await _claim(stores, free_engines=3)
    assert _ids(await _claim(stores)) == [large.job_id]
    assert _ids(await _claim(stores)) == _ids(small[3:])


async def test_a_promise_that_is_not_kept_up_ends(stores: Stores) -> None:
    large = await _queue(stores, engines=4)
    small = [await _queue(stores, tenant="other") for _ in range(4)]
    await _claim(stores, free_engines=1)
    await _claim(stores, free_engines=1)
    assert not await _claim(stores, free_engines=2)
    assert _ids(await _claim(stores, node="b", free_engines=1)) == _ids(small[2:3])  # it is a's to see to
    later = NOW + timedelta(minutes=1)
    assert not await _claim(stores, node="b", free_engines=1, now=later)  # a is gone: b keeps its own for it
    assert _ids(await _claim(stores, node="b", now=later)) == [large.job_id]


async def test_a_tenant_has_no_more_engines_than_it_may_over_all_nodes(stores: Stores) -> None:
    mine = [await _queue(stores, tenant="one") for _ in range(5)]
    limits = _limits(one=3)
    assert _ids(await _claim(stores, free_engines=2, limits_of=limits)) == _ids(mine[:2])
    assert _ids(await _claim(stores, node="b", limits_of=limits)) == _ids(mine[2:3])
    assert not await _claim(stores, node="c", limits_of=limits)
    (job,) = await stores.jobs.running_on("b")
    await stores.jobs.release(job.lease, now=NOW)
    assert _ids(await _claim(stores, node="c", limits_of=limits)) == [job.job_id]


async def test_a_job_that_asks_for_more_than_its_tenant_may_have_runs_alone(stores: Stores) -> None:
    large, small = await _queue(stores, tenant="one", engines=3), await _queue(stores, tenant="one")
    assert _ids(await _claim(stores, limits_of=_limits(one=2))) == [large.job_id]
    assert not await _claim(stores, node="b", limits_of=_limits(one=2))
    (running,) = await stores.jobs.running_on("a")
    await stores.jobs.cancelled(running.lease, now=NOW)
    assert _ids(await _claim(stores, node="b", limits_of=_limits(one=2))) == [small.job_id]


# --- jobs that must start at once -----------------------------------------------------------------------------------


def _place(limits_of: Any = lambda _tenant: NO_LIMITS, **workers: int) -> PlaceRequest:
    return PlaceRequest(workers=workers, limits_of=limits_of, now=NOW, until=NOW + timedelta(seconds=30))


async def _at_once(stores: Stores, place: PlaceRequest, *, tenant: str = "default", engines: int = 1) -> Job:
    job = make_job(tenant=tenant, config=make_config(parallel_engines=engines))
    return await stores.jobs.submit(job, max_queued_jobs=1000, place=place)


async def test_engines_are_promised_once(stores: Stores) -> None:
    first = await _at_once(stores, _place(a=1, b=2), engines=2)
    second = await _at_once(stores, _place(a=1, b=2))
    with pytest.raises(EnginesExhausted) as caught:
        await _at_once(stores, _place(a=1, b=2))
    assert caught.value.metadata == {"requested": "1", "in_use": "3", "max": "3"}
    assert _ids(await _claim(stores, max_engines=1, free_engines=1)) == [second.job_id]
    with pytest.raises(EnginesExhausted):
        await _at_once(stores, _place(a=1, b=2))
    assert _ids(await _claim(stores, node="b", free_engines=2)) == [first.job_id]


async def test_who_was_promised_engines_is_first_at_them(stores: Stores) -> None:
    promised = await _at_once(stores, _place(a=1))
    urgent = await _queue(stores, priority=9)
    assert _ids(await _claim(stores, free_engines=1, max_engines=1)) == [promised.job_id]
    assert _ids(await _claim(stores, free_engines=1, max_engines=1)) == [urgent.job_id]


async def test_who_waits_comes_before_who_must_start_at_once(stores: Stores) -> None:
    await _queue(stores, engines=2)
    with pytest.raises(EnginesExhausted):
        await _at_once(stores, _place(a=2))
    await _at_once(stores, _place(a=3))


async def test_engines_of_two_nodes_do_not_make_one(stores: Stores) -> None:
    with pytest.raises(EnginesExhausted):
        await _at_once(stores, _place(a=2, b=2), engines=3)


async def test_what_must_start_at_once_is_within_its_tenants_engines(stores: Stores) -> None:
    limits = _limits(one=2)
    await _at_once(stores, _place(limits, a=4), tenant="one")
    with pytest.raises(QuotaExceeded, match="max_running_engines"):
        await _at_once(stores, _place(limits, a=4), tenant="one", engines=2)
    await _at_once(stores, _place(limits, a=4), tenant="two", engines=2)


async def test_a_promise_of_a_node_that_is_gone_ends_and_the_job_waits_like_others(stores: Stores) -> None:
    job = await _at_once(stores, _place(a=1))
    assert _ids(await _claim(stores, node="b", now=NOW + timedelta(minutes=1))) == [job.job_id]


async def test_the_load_tells_what_runs_waits_and_is_promised(stores: Stores) -> None:
    running = await _queue(stores, engines=2)
    await _claim(stores)
    await _at_once(stores, _place(b=3), engines=3)
    oldest = await _queue(stores, tenant="one", engines=4)
    await _queue(stores, tenant="two", engines=1)
    load = await stores.jobs.load(now=NOW, limits_of=_limits(one=3))
    assert [(job.job_id, job.engines, job.node) for job in load.running] == [(running.job_id, 2, "a")]
    assert (load.queued_jobs, dict(load.promised), load.waiting_engines) == (3, {"b": 3}, 4)
    assert load.oldest_queued is not None
    assert load.oldest_queued < oldest.create_time
