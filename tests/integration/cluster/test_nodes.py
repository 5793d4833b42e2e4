"""Nodes on a real PostgreSQL, asked over real gRPC: any of them answers for any job."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import stenod
from stenod import errors
from stenod.results import JobState
from stenod_server.app.node import Node
from stenod_server.engine.fake import FakeEngine
from tests.support.cluster_nodes import MEDIA, Member, cluster_node, doubled, executions, member_process
from tests.support.eventually import eventually
from tests.support.postgres import DATABASE, PostgresServer, forget_everything, postgres_server


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def database_url(server: PostgresServer) -> str:
    forget_everything(server)
    return server.url(DATABASE)


def _gated() -> FakeEngine:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    return engine


def _open(engine: FakeEngine) -> None:
    assert engine.gate
    engine.gate.set()


@asynccontextmanager
async def _cluster(
    directory: Path, database_url: str, *engines: FakeEngine | None, each: int = 2, **settings: Any
) -> AsyncIterator[list[tuple[Node, stenod.Client]]]:
    """Nodes and their clients. None: a node that only answers."""
    async with AsyncExitStack() as stack:
        nodes = []
        for name, engine in zip("abcd", engines, strict=False):
            member = Member(
                directory=str(directory), database_url=database_url, name=name, engines=each if engine else 0
            )
            node = await stack.enter_async_context(cluster_node(member, engine, **settings))
            nodes.append((node, await stack.enter_async_context(stenod.Client(node.address))))
        for node, _ in nodes:
            await eventually(lambda node=node: len(node.scheduler._membership.nodes.known) == len(nodes))  # type: ignore[misc]
        yield nodes


async def test_a_node_that_only_answers_knows_models_and_engines_and_follows_jobs(
    tmp_path: Path, database_url: str
) -> None:
    engine = _gated()
    async with _cluster(tmp_path, database_url, None, engine) as ((_, front), (worker, other)):
        assert [model.name for model in await front.models()] == ["fake"]
        capacity = await front.capacity()
        assert (capacity.max_engines, capacity.unused_engines, capacity.accepting) == (2, 2, True)
        with pytest.raises((errors.NotFound, errors.InvalidRequest)):
            await front.submit(MEDIA, language="fr")
        done, cancelled = await front.submit(MEDIA, language="en"), await front.submit(MEDIA, language="en")
        await eventually(lambda: len(worker.scheduler._dispatcher.running) == 2)
        assert set((await front.capacity()).active_job_ids) == {done.job_id, cancelled.job_id}
        watched = asyncio.create_task(_states(front, done.job_id))
        await front.cancel(cancelled.job_id)
        with pytest.raises(errors.JobFailed, match="cancelled"):
            await front.wait(cancelled.job_id)
        _open(engine)
        assert (await watched)[-1] is JobState.SUCCEEDED
        assert (await front.transcript(done.job_id)).text == (await other.transcript(done.job_id)).text != ""


async def test_a_tenants_engines_are_counted_by_the_database(tmp_path: Path, database_url: str) -> None:
    engines = _gated(), _gated()
    limits = {"max_running_engines": 3}
    async with _cluster(tmp_path, database_url, *engines, tenant_defaults=limits) as ((a, client), (b, _)):
        jobs = [await client.submit(MEDIA, language="en") for _ in range(6)]
        await eventually(lambda: len(a.scheduler._dispatcher.running) + len(b.scheduler._dispatcher.running) == 3)
        assert (await client.capacity()).unused_engines == 1
        for engine in engines:
            _open(engine)
        for job in jobs:
            assert (await client.wait(job.job_id)).state is JobState.SUCCEEDED
        assert sum(engine.max_in_flight for engine in engines) <= 4


async def test_two_nodes_do_not_promise_the_same_engine(tmp_path: Path, database_url: str) -> None:
    engines = _gated(), _gated()
    async with _cluster(tmp_path, database_url, *engines, None, admission="reject") as nodes:
        calls = [client.submit(MEDIA, language="en") for _, client in nodes * 4]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        accepted = [outcome for outcome in outcomes if isinstance(outcome, stenod.Job)]
        assert len(accepted) == 4
        assert {type(outcome) for outcome in outcomes if outcome not in accepted} == {errors.Busy}
        await eventually(lambda: sum(len(node.scheduler._dispatcher.running) for node, _ in nodes) == 4)
        for engine in engines:
            _open(engine)


async def test_a_node_that_is_killed_loses_nothing(tmp_path: Path, database_url: str) -> None:
    dead, left = (
        Member(
            directory=str(tmp_path), database_url=database_url, name=name, engines=2, sleep_s=0.2, windows=3, lease_s=1
        )
        for name in ("dead", "left")
    )
    async with member_process(dead) as process, stenod.Client(process.address) as client:
        jobs = [await client.submit(MEDIA, language="en") for _ in range(6)]
        await eventually(lambda: len(executions([dead])) >= 2)
        await process.kill()
    async with cluster_node(left) as node, stenod.Client(node.address) as client:
        for job in jobs:
            assert (await client.wait(job.job_id, timeout_s=60)).state is JobState.SUCCEEDED
    done = executions([dead, left])
    assert {one.job_id for one in done} == {job.job_id for job in jobs}
    assert doubled([one for one in done if one.end_s != float("inf")]) == []


async def _states(client: stenod.Client, job_id: str) -> list[JobState]:
    return [update.job.state async for update in client.watch(job_id)]
