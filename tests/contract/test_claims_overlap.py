"""Two nodes at the same jobs in the same moment, on PostgreSQL; each test is there for one of the locks."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from stenod_server.domain.job import Job
from stenod_server.domain.quota import NO_LIMITS, TenantLimits
from stenod_server.errors import EnginesExhausted
from stenod_server.ports.cluster import Claims, PlaceRequest
from stenod_server.store import claims, job_changes, runs
from stenod_server.store.job_changes import Terms
from stenod_server.store.open import Stores
from tests.contract.test_claims import ASKED, NOW
from tests.support.builders import make_config, make_info, make_job
from tests.support.overlap import held, waits

ROOM = 1000


async def _queue(stores: Stores, count: int, *, engines: int = 1) -> list[Job]:
    made = [make_job(config=make_config(parallel_engines=engines)) for _ in range(count)]
    return [await stores.jobs.submit(job, max_queued_jobs=ROOM) for job in made]


def _claim(node: str, **changes: Any) -> "partial[Claims]":
    return partial(claims.claim_next, request=replace(ASKED, node=node, **changes))


def _place(**workers: int) -> PlaceRequest:
    return PlaceRequest(
        workers=workers, limits_of=lambda _tenant: NO_LIMITS, now=NOW, until=NOW + timedelta(seconds=30)
    )


def _at_once(**workers: int) -> "partial[Job]":
    terms = Terms(max_queued_jobs=ROOM, limits=NO_LIMITS, place=_place(**workers))
    return partial(job_changes.submit, job=make_job(config=make_config()), terms=terms)


async def _is_done(stores: Stores, node: str, **changes: Any) -> Claims:
    """A claim that waits for nobody."""
    task = await waits(stores, stores.jobs.claim_next(replace(ASKED, node=node, **changes)))
    assert task.done(), "it waits for the other node"
    return task.result()


async def test_jobs_that_another_node_is_at_are_left_to_it_without_waiting(pair: tuple[Stores, Stores]) -> None:
    queued = await _queue(pair[0], 4)
    async with held(pair[0], _claim("a", free_engines=2)) as claim:
        theirs = await _is_done(pair[1], "b", free_engines=2)
        mine = await claim.result()
    assert [job.job_id for job in mine.jobs] == [job.job_id for job in queued[:2]]
    assert [job.job_id for job in theirs.jobs] == [job.job_id for job in queued[2:]]


async def test_a_tenant_whose_engines_are_being_counted_is_left_alone(pair: tuple[Stores, Stores]) -> None:
    limits: dict[str, Any] = {"limits_of": lambda _tenant: TenantLimits(max_running_engines=2)}
    await _queue(pair[0], 4)
    async with held(pair[0], _claim("a", free_engines=2, **limits)) as claim:
        theirs = await _is_done(pair[1], "b", free_engines=2, **limits)
        assert (list(theirs.jobs), theirs.ask_again) == ([], True)
        assert len((await claim.result()).jobs) == 2
    after = await pair[1].jobs.claim_next(replace(ASKED, node="b", **limits))
    assert (list(after.jobs), after.ask_again) == ([], False)


async def test_the_last_engine_is_promised_to_one_of_two_submits(pair: tuple[Stores, Stores]) -> None:
    async with held(pair[0], _at_once(a=1)) as submit:
        other = await waits(pair[1], pair[1].jobs._database.write(_at_once(a=1)))
        assert not other.done()
        await submit.result()
        with pytest.raises(EnginesExhausted):
            await other


async def test_nobody_claims_while_engines_are_being_promised(pair: tuple[Stores, Stores]) -> None:
    async with held(pair[0], _at_once(a=1)) as submit:
        await _queue(pair[1], 1)
        theirs = await _is_done(pair[1], "a", free_engines=1, max_engines=1)
        assert (list(theirs.jobs), theirs.ask_again) == ([], True)
        promised = await submit.result()
    (first,) = (await pair[1].jobs.claim_next(replace(ASKED, node="a", free_engines=1, max_engines=1))).jobs
    assert first.job_id == promised.job_id


async def test_no_engines_are_promised_while_somebody_claims_them(pair: tuple[Stores, Stores]) -> None:
    await _queue(pair[0], 1)
    async with held(pair[0], _claim("a", free_engines=1, max_engines=1)) as claim:
        other = await waits(pair[1], pair[1].jobs._database.write(_at_once(a=1)))
        assert not other.done()
        await claim.result()
        with pytest.raises(EnginesExhausted):
            await other


async def test_a_node_that_lost_its_job_while_it_wrote_changes_nothing(pair: tuple[Stores, Stores]) -> None:
    """Its write begins before the other node has committed the rescue, and is answered after."""
    (job,) = await _queue(pair[0], 1)
    (mine,) = (await pair[0].jobs.claim_next(ASKED)).jobs
    late = ASKED.lease_until + timedelta(seconds=1)

    def rescue_and_claim(connection: sa.Connection) -> Claims:
        runs.rescue_expired(connection, now=late, max_rescues=5)
        return claims.claim_next(connection, replace(ASKED, node="b", now=late, lease_until=late))

    async with held(pair[1], rescue_and_claim) as rescue:
        writing = await waits(pair[0], pair[0].jobs.complete(mine.lease, make_info(), [], now=NOW))
        assert not writing.done()
        (theirs,) = (await rescue.result()).jobs
        assert await writing is None
    assert theirs.job_id == job.job_id
    assert await pair[1].jobs.complete(theirs.lease, make_info(), [], now=late) is not None
