"""What nodes know of each other through the store: signals, the nodes themselves, one clock."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stenod_server.domain.job import Progress
from stenod_server.domain.notification import Notification
from stenod_server.errors import InvalidField, JobNotFound
from stenod_server.ports.cluster import NodeReport, Signal, SignalKind
from stenod_server.ports.recognition import ModelProfile, VoiceProfile
from stenod_server.store.open import Shared, Stores, open_store
from stenod_server.store.postgres_signals import _packed, _unpacked
from tests.contract.lives import LATER, NOW, ROOM, running, submitted
from tests.support.builders import make_config, make_info, make_job, make_segment
from tests.support.eventually import eventually
from tests.support.postgres import DATABASE, PostgresServer

TOLD = Notification(url="https://example.com/told")
QUEUED, DELIVERY = Signal(SignalKind.QUEUED), Signal(SignalKind.DELIVERY)
MODEL = ModelProfile("fake", "fake", ("en",), 1, 2, (1, 2), 8, 1, ("transcribe",), ("standard",), 4)
VOICES = VoiceProfile("voices", "ecapa", 1, 192, 8, 1)
REPORT = NodeReport(
    node="one",
    max_engines=4,
    reserved_engines=1,
    elastic_engines=2,
    models=(MODEL,),
    voices=(VOICES,),
    ready=True,
    draining=False,
    real_time_factor=50.0,
    mean_run_s=2.5,
    seen=NOW,
)


@pytest.fixture
def heard(stores: Stores) -> list[Signal]:
    signals: list[Signal] = []
    stores.signals.subscribe(signals.append)
    return signals


def _changed(job_id: str) -> Signal:
    return Signal(SignalKind.CHANGED, job_id)


async def test_what_a_life_tells(stores: Stores, heard: list[Signal]) -> None:
    job = await submitted(stores.jobs, config=make_config(notifications=(TOLD,)))
    assert heard.pop() == QUEUED
    claimed = await stores.jobs.claim(job.job_id, node="one", now=NOW, lease_until=LATER)
    assert claimed is not None
    assert heard.pop() == _changed(job.job_id)
    await stores.jobs.record(claimed.lease, Progress(1, 2, 1), [make_segment(0)], now=NOW)
    await eventually(lambda: heard == [_changed(job.job_id)])
    heard.clear()
    await stores.jobs.request_cancel("default", job.job_id, now=NOW)
    assert heard == [Signal(SignalKind.STOP, job.job_id)]
    heard.clear()
    await stores.jobs.complete(claimed.lease, make_info(), [], now=NOW)
    assert heard == [_changed(job.job_id), DELIVERY]
    heard.clear()
    await stores.jobs.delete("default", job.job_id)
    assert heard == [_changed(job.job_id)]


async def test_a_job_that_goes_back_waits_for_all_to_hear(stores: Stores, heard: list[Signal]) -> None:
    job = await running(stores.jobs)
    heard.clear()
    await stores.jobs.rescue_expired(now=LATER, max_rescues=3)
    assert heard == [_changed(job.job_id), QUEUED]


async def test_a_transaction_that_fails_tells_nothing(stores: Stores, heard: list[Signal]) -> None:
    await submitted(stores.jobs, request_id="known", fingerprint="one")
    heard.clear()
    outcomes = await asyncio.gather(
        submitted(stores.jobs, request_id="known", fingerprint="another"),
        stores.jobs.request_cancel("default", "nobody", now=NOW),
        stores.jobs.renew([], lease_until=LATER),
        return_exceptions=True,
    )
    assert [isinstance(outcome, Exception) for outcome in outcomes] == [True, True, False]
    assert heard == []


async def test_who_cannot_hear_keeps_it_from_no_other(stores: Stores) -> None:
    heard: list[Signal] = []

    def fall_over(_signal: Signal) -> None:
        raise ZeroDivisionError

    stores.signals.subscribe(fall_over)
    end = stores.signals.subscribe(heard.append)
    await submitted(stores.jobs)
    end()
    await submitted(stores.jobs)
    assert heard == [QUEUED]


async def test_nodes_are_known_while_they_are_seen(stores: Stores, heard: list[Signal]) -> None:
    other = replace(REPORT, node="another", seen=LATER, max_engines=0, models=(), voices=())
    await stores.nodes.report(REPORT)
    await stores.nodes.report(other)
    assert list(await stores.nodes.nodes(since=NOW)) == [other, REPORT]
    assert list(await stores.nodes.nodes(since=LATER)) == [other]
    assert heard == [Signal(SignalKind.CAPACITY, "one"), Signal(SignalKind.CAPACITY, "another")]


async def test_a_heartbeat_tells_only_what_is_new(stores: Stores, heard: list[Signal]) -> None:
    await stores.nodes.report(REPORT)
    heard.clear()
    await stores.nodes.report(replace(REPORT, seen=LATER))
    assert heard == []
    assert [node.seen for node in await stores.nodes.nodes(since=NOW)] == [LATER]
    await stores.nodes.report(replace(REPORT, seen=LATER, reserved_engines=4))
    await stores.nodes.forget("one")
    await stores.nodes.forget("one")
    assert heard == [Signal(SignalKind.CAPACITY, "one")] * 2
    assert list(await stores.nodes.nodes(since=NOW)) == []


@pytest.fixture
async def pair(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[tuple[Stores, Stores]]:
    shared = Shared(database_url=postgres.url(DATABASE))
    one, other = [await open_store(tmp_path / name, gather_s=0.0, shared=shared) for name in ("one", "other")]
    yield one, other
    await one.close()
    await other.close()


async def test_other_nodes_hear_it_once_and_so_does_this_one(pair: tuple[Stores, Stores]) -> None:
    here: list[Signal] = []
    there: list[Signal] = []
    pair[0].signals.subscribe(here.append)
    pair[1].signals.subscribe(there.append)
    jobs = [await running(pair[0].jobs) for _ in range(3)]
    await asyncio.gather(*(pair[0].jobs.request_cancel("default", job.job_id, now=NOW) for job in jobs))
    stops = [Signal(SignalKind.STOP, job.job_id) for job in jobs]
    await eventually(lambda: set(stops) <= set(there))
    await pair[1].jobs.submit(make_job(job_id="last"), max_queued_jobs=ROOM)
    await eventually(lambda: here.count(QUEUED) == 4)
    assert sorted(signal.name for signal in here if signal in stops) == [job.job_id for job in jobs]


async def test_last_words_are_heard(pair: tuple[Stores, Stores]) -> None:
    there: list[Signal] = []
    pair[1].signals.subscribe(there.append)
    await pair[0].nodes.report(REPORT)
    await pair[0].nodes.forget("one")
    await pair[0].close()
    await eventually(lambda: Signal(SignalKind.CAPACITY, "one") in there)


async def test_nodes_have_one_clock(pair: tuple[Stores, Stores]) -> None:
    clocks = [stores.clock for stores in pair]
    assert clocks[0] is not None
    assert clocks[1] is not None
    differ = abs(clocks[0].now() - clocks[1].now())
    assert differ < timedelta(seconds=1)
    assert abs(clocks[0].now() - datetime.now(UTC)) < timedelta(seconds=5)


async def test_text_that_postgres_cannot_store_is_the_callers_fault(pair: tuple[Stores, Stores]) -> None:
    with pytest.raises(InvalidField):
        await pair[0].jobs.get("default", "a\0b")
    with pytest.raises(JobNotFound):
        await pair[0].jobs.get("default", "ab")


def test_signals_are_packed_into_as_many_payloads_as_they_need() -> None:
    signals = [Signal(SignalKind.CHANGED, f"jöb-{number:040}") for number in range(1000)]
    payloads = list(_packed("origin", signals))
    assert max(len(payload.encode()) for payload in payloads) < 8000
    assert len(payloads) < 10
    read = [signal for payload in payloads for signal in _unpacked(payload.split("\n")[1:])]
    assert read == signals


def test_signals_of_a_newer_node_are_left_out() -> None:
    assert list(_unpacked(["queued ", "invented x", "stop y"])) == [QUEUED, Signal(SignalKind.STOP, "y")]
