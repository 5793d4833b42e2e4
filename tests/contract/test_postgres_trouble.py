"""A PostgreSQL that restarts, says nothing, hangs up at the worst moment, or is another one now."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from stenod_server.domain.job import Job, JobState
from stenod_server.errors import StoreUnavailable
from stenod_server.ports.cluster import Signal, SignalKind
from stenod_server.store import postgres, postgres_driver, postgres_signals
from stenod_server.store.open import Shared, Stores, open_store
from tests.contract.lives import ROOM, submitted
from tests.support.builders import make_job
from tests.support.eventually import eventually
from tests.support.postgres import DATABASE, PostgresServer, postgres_server
from tests.support.tcp_proxy import TcpProxy

Open = Callable[[str], Awaitable[Stores]]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    stores: list[Stores] = []

    async def open_at(url: str) -> Stores:
        stores.append(await open_store(tmp_path / str(len(stores)), gather_s=0.0, shared=Shared(database_url=url)))
        return stores[-1]

    yield open_at
    for one in stores:
        await one.close()


@asynccontextmanager
async def _proxied(server: PostgresServer) -> AsyncIterator[tuple[TcpProxy, str]]:
    async with TcpProxy(f"127.0.0.1:{server.port}") as proxy:
        yield proxy, f"postgresql://postgres@{proxy.url}/{DATABASE}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, names in (
        (postgres, ("ATTEMPT_S", "PATIENCE_S")),
        (postgres_driver, ("CONNECT_TIMEOUT_S",)),
        (postgres_signals, ("BEAT_S", "ANSWER_S")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, 0.3)


async def _count(stores: Stores) -> int:
    return (await stores.jobs.counts())[JobState.QUEUED]


async def test_a_restart_is_not_noticed(postgres: PostgresServer, opened: Open) -> None:
    stores = await opened(postgres.url(DATABASE))
    await asyncio.gather(*(submitted(stores.jobs) for _ in range(8)))
    await asyncio.to_thread(postgres.restart)
    await asyncio.gather(*(submitted(stores.jobs) for _ in range(8)))
    assert await _count(stores) == 16


async def test_a_server_that_is_down_is_waited_for(postgres: PostgresServer, opened: Open) -> None:
    stores = await opened(postgres.url(DATABASE))
    await asyncio.to_thread(postgres.stop)
    writing, reading = asyncio.create_task(submitted(stores.jobs)), asyncio.create_task(stores.jobs.counts())
    await asyncio.sleep(0)
    await asyncio.to_thread(postgres.start)
    await asyncio.gather(writing, reading)
    assert await _count(stores) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_server_that_says_nothing_is_unavailable_until_it_speaks(
    postgres: PostgresServer, opened: Open
) -> None:
    async with _proxied(postgres) as (proxy, url):
        stores = await opened(url)
        await submitted(stores.jobs)
        proxy.quiet = True
        for call in (stores.jobs.counts(), submitted(stores.jobs)):
            with pytest.raises(StoreUnavailable):
                await asyncio.wait_for(call, 10.0)
        await proxy.cut()  # or the write that was on its way would be made after all
        proxy.quiet = False
        await submitted(stores.jobs)
        assert await _count(stores) == 2


async def test_a_host_that_says_nothing_does_not_hide_the_others(
    postgres: PostgresServer, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_driver, "CONNECT_TIMEOUT_S", 1.0)  # the host that speaks gets no more either
    async with _proxied(postgres) as (proxy, _):
        proxy.quiet = True
        stores = await opened(f"postgresql://postgres@{proxy.url},127.0.0.1:{postgres.port}/{DATABASE}")
        await submitted(stores.jobs)
        assert await _count(stores) == 1


async def test_a_job_whose_commit_was_not_answered_is_stored_once(
    postgres: PostgresServer, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = await opened(postgres.url(DATABASE))
    lost: list[object] = []
    commit = asyncpg.transaction.Transaction.commit

    async def commit_and_die(self: asyncpg.transaction.Transaction) -> None:
        await commit(self)
        if not lost:
            lost.append(self)
            self._connection.terminate()
            message = "connection was closed in the middle of operation"
            raise asyncpg.ConnectionDoesNotExistError(message)

    monkeypatch.setattr(asyncpg.transaction.Transaction, "commit", commit_and_die)
    job = make_job()
    for places in (ROOM, 1):  # the second time, it has the only one
        assert (await stores.jobs.submit(job, max_queued_jobs=places)).job_id == job.job_id
        assert len(lost) == 1
        lost.clear()
    assert await _count(stores) == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("trouble", ["cut", "quiet"])
async def test_who_may_have_missed_a_signal_is_told_so(postgres: PostgresServer, opened: Open, trouble: str) -> None:
    heard: list[Signal] = []
    teller = await opened(postgres.url(DATABASE))
    async with _proxied(postgres) as (proxy, url):
        hearer = await opened(url)
        hearer.signals.subscribe(heard.append)
        if trouble == "quiet":
            proxy.quiet = True
            await asyncio.sleep(1.0)  # longer than an answer may take, and a beat
            proxy.quiet = False
        else:
            await proxy.cut()
        await eventually(lambda: Signal(SignalKind.MISSED) in heard)
        heard.clear()
        await submitted(teller.jobs)
        await eventually(lambda: Signal(SignalKind.QUEUED) in heard)


async def test_a_standby_that_is_promoted_has_all_that_was_accepted(opened: Open) -> None:
    with tempfile.TemporaryDirectory(prefix="stenod-pg-") as directory, postgres_server(tcp=True) as primary:
        standby = await asyncio.to_thread(primary.make_standby, Path(directory))
        try:
            hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
            stores = await opened(f"postgresql://postgres@{hosts}/postgres")
            accepted: list[Job] = []
            fails_over = asyncio.create_task(_fail_over(primary, standby, lambda: len(accepted) >= 20))
            while not fails_over.done():
                accepted.append(await stores.jobs.submit(make_job(), max_queued_jobs=ROOM * ROOM))
            await fails_over
            accepted.append(await submitted(stores.jobs))
            assert await _count(stores) == len(accepted)
            for job in accepted:
                await stores.jobs.get("default", job.job_id)
        finally:
            if standby.is_running():
                standby.stop("immediate")


async def _fail_over(primary: PostgresServer, standby: PostgresServer, is_time: Callable[[], bool]) -> None:
    await eventually(is_time)
    await asyncio.to_thread(primary.stop, "immediate")
    await asyncio.to_thread(standby.promote)
