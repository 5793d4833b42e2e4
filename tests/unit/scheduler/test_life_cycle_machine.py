"""Two nodes and one store: whatever is submitted, cancelled, deleted, broken, killed and drained when, every accepted
job ends once, and nothing is left over.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.job import TRANSITIONS, JobConfig, JobState, Media
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import Broken, EngineUnavailable, StenodError
from stenod_server.ports import AudioFrontEnd, BlobStore, JobFilter, WindowPlan
from stenod_server.scheduler.options import Adapters, Cluster
from stenod_server.scheduler.scheduler import Scheduler, Submission
from stenod_server.store.open import Stores, open_store
from tests.support.builders import START
from tests.support.fetcher import ScriptedFetcher
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.unit.scheduler.rig import OPTIONS
from tests.unit.scheduler.virtual_time import VirtualTimeLoop

ENGINES: Final = 3
TENANTS: Final = ("one", "two")
NODES: Final = st.sampled_from(["a", "b"])
SETTLED_S: Final = 100_000.0
MANY_RESCUES: Final = 1000  # that a job is given up after some is another test's
ALLOWED: Final = {(before, after) for (before, _), after in TRANSITIONS.items()}
_WITNESS: Final = (
    "CREATE TABLE moves (job_id TEXT, before TEXT, after TEXT)",
    """CREATE TRIGGER witness AFTER UPDATE OF state ON jobs WHEN old.state <> new.state
    BEGIN INSERT INTO moves VALUES (old.job_id, old.state, new.state); END""",
)
_node: ContextVar[str] = ContextVar("node", default="")


class _Clock:
    """The loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        return self._loop.time()


class _FrontEnd:
    """Of a recording called `<number>-<n>`, n windows with a pause after each."""

    @asynccontextmanager
    async def windows(self, path: Path, plan: WindowPlan) -> AsyncIterator[Any]:
        count = int(path.name.rpartition("-")[2])
        async with ScriptedFrontEnd(make_windows(count, gap_s=1.0)).windows(path, plan) as stream:
            yield stream

    async def close(self) -> None: ...


class _Blobs:
    """As many as the scheduler asks for."""

    def __init__(self) -> None:
        self.keys: set[str] = set()

    @asynccontextmanager
    async def local_path(self, key: str) -> AsyncIterator[Path]:
        assert key in self.keys
        yield Path(key)

    async def delete(self, key: str) -> None:
        self.keys.discard(key)


@dataclass
class Node:
    """A process: what it has started dies with it."""

    engine: FakeEngine
    scheduler: Scheduler
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)


@dataclass
class Asked:
    """What one caller sent, and what came of it."""

    tenant: str
    windows: int
    engines: int
    answers: list[asyncio.Task[Any]] = field(default_factory=list)
    cancelled: bool = False
    cancels: list[asyncio.Task[Any]] = field(default_factory=list)
    deletions: list[asyncio.Task[Any]] = field(default_factory=list)

    @property
    def job_ids(self) -> set[str]:
        return {task.result().job_id for task in self.answers if _succeeded(task)}

    @property
    def calls(self) -> list[asyncio.Task[Any]]:
        return [*self.answers, *self.cancels, *self.deletions]

    @property
    def is_deleted(self) -> bool:
        """Maybe: the answer of a node that was killed is unknown."""
        return any(_succeeded(task) or task.cancelled() for task in self.deletions)


class LifeCycle(RuleBasedStateMachine):
    """Calls are tasks: they are answered while time passes, or die with their node."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.runner.get_loop().set_task_factory(self.owned)  # type: ignore[arg-type]
        self.directory = tempfile.TemporaryDirectory()
        self.blobs = _Blobs()
        self.nodes: dict[str, Node] = {}
        self.asked: dict[str, Asked] = {}
        self.stores: Stores = self.runner.run(self.opened())
        self.node_starts("a")

    async def opened(self) -> Stores:
        stores = await open_store(Path(self.directory.name), in_memory=True, gather_s=0.0)
        for statement in _WITNESS:
            await self.query(stores, statement)
        return stores

    async def query(self, stores: Stores, statement: str) -> list[Any]:
        def run(connection: sa.Connection) -> list[Any]:
            result = connection.exec_driver_sql(statement)
            return list(result) if result.returns_rows else []

        return await stores.jobs._database.write(run)

    def owned(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], context: Any = None
    ) -> asyncio.Task[Any]:
        """Every task, but the store's own, belongs to the node that started it, through whatever other tasks."""
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
        name = context[_node] if context and _node in context else _node.get()
        if name in self.nodes and "SqliteDatabase" not in repr(work) and "ProgressRecorder" not in repr(work):
            self.nodes[name].tasks.append(task)
        return task

    def on_node(self, name: str, call: Callable[[Scheduler], Coroutine[Any, Any, Any]]) -> asyncio.Task[Any]:
        context = copy_context()
        context.run(_node.set, name)
        work = call(self.nodes[name].scheduler)
        return self.runner.get_loop().create_task(work, context=context)

    def cluster(self) -> Cluster | None:
        """Each node has a queue of its own here; `test_cluster_machine` has nodes that share one."""
        return None

    def up(self, name: str) -> bool:
        return name in self.nodes

    # --- what callers do ----------------------------------------------------------------------------------------

    @rule(
        node=NODES,
        engines=st.integers(1, ENGINES),
        priority=st.integers(0, 2),
        tenant=st.sampled_from(TENANTS),
        windows=st.integers(0, 5),
        fail_fast=st.sampled_from([False, False, True]),
        twice=st.booleans(),
    )
    def submit(
        self, node: str, engines: int, priority: int, tenant: str, windows: int, *, fail_fast: bool, twice: bool
    ) -> None:
        if not self.up(node):
            return
        number = len(self.asked)
        asked = self.asked[f"request-{number}"] = Asked(tenant, windows, engines)
        config = JobConfig(language="en", parallel_engines=engines, priority=priority)
        submission = Submission(config=config, request_id=f"request-{number}", fail_fast=fail_fast)
        for copy in range(2 if twice else 1):
            media = Media(key=f"media/{number}{copy}-{windows}", size_bytes=4, sha256=f"{number:064x}")
            self.blobs.keys.add(media.key)
            call = lambda scheduler, media=media: scheduler.submit(tenant, submission, media)  # noqa: E731
            asked.answers.append(self.on_node(node if copy == 0 or not self.up("b") else "b", call))

    @rule(node=NODES, which=st.integers(0, 30))
    def cancel(self, node: str, which: int) -> None:
        if (chosen := self.answered(node, which)) is not None:
            asked, job_id = chosen
            asked.cancelled = True
            asked.cancels.append(self.on_node(node, lambda scheduler: scheduler.cancel(asked.tenant, job_id)))

    @rule(node=NODES, which=st.integers(0, 30), force=st.booleans())
    def delete(self, node: str, which: int, *, force: bool) -> None:
        if (chosen := self.answered(node, which)) is not None:
            asked, job_id = chosen
            asked.cancelled |= force
            call = self.on_node(node, lambda scheduler: scheduler.delete(asked.tenant, job_id, force=force))
            asked.deletions.append(call)

    def answered(self, node: str, which: int) -> tuple[Asked, str] | None:
        known = [(asked, job_id) for asked in self.asked.values() for job_id in asked.job_ids]
        return known[-1 - which % len(known)] if known and self.up(node) else None

    # --- what befalls nodes -------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.001, 0.3, 1.0, 3.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.runner.run(asyncio.sleep(seconds))

    @rule(node=NODES, count=st.integers(1, 9))
    def windows_fail(self, node: str, count: int) -> None:
        if self.up(node):
            self.nodes[node].engine.failures += [EngineUnavailable("no answer")] * count

    @rule()
    def leases_are_lost(self) -> None:
        """To a third node, whose clock is far ahead."""
        late = START + timedelta(days=1000)
        self.runner.run(self.stores.jobs.rescue_expired(now=late, max_rescues=MANY_RESCUES))

    @rule(node=NODES)
    def node_starts(self, node: str) -> None:
        if self.up(node):
            return
        engine = FakeEngine(fixed_delay_s=1.0)
        adapters = Adapters(
            store=self.stores.jobs,
            blobs=cast("BlobStore", self.blobs),
            engine=engine,
            front_end=cast("AudioFrontEnd", _FrontEnd()),
            fetcher=ScriptedFetcher(),
            clock=_Clock(self.runner.get_loop()),
            cluster=self.cluster(),
        )
        options = replace(OPTIONS, node=node, max_engines=ENGINES, poll_s=5.0, max_rescues=MANY_RESCUES)
        self.nodes[node] = Node(engine, Scheduler(adapters, options))
        starting = self.on_node(node, lambda scheduler: scheduler.start())
        self.runner.run(asyncio.wait_for(starting, None))

    @rule(node=NODES)
    def node_is_killed(self, node: str) -> None:
        if self.up(node):
            self.runner.run(_kill(self.nodes.pop(node).tasks))

    @rule(node=NODES, grace_s=st.sampled_from([0.0, 2.0, 60.0]))
    def node_drains(self, node: str, grace_s: float) -> None:
        if self.up(node):
            draining = self.on_node(node, lambda scheduler: scheduler.drain(grace_s))
            self.runner.run(asyncio.wait_for(draining, None))
            gone = self.nodes.pop(node)
            assert_idle(gone)
            self.runner.run(_kill(gone.tasks))

    # --- what must hold -----------------------------------------------------------------------------------------

    @invariant()
    def no_more_windows_than_engines(self) -> None:
        for node in self.nodes.values():
            table = node.scheduler._slots.table
            assert node.engine.max_in_flight <= ENGINES
            assert 0 <= table.in_use <= ENGINES
            assert 0 <= table.reserved <= ENGINES

    @invariant()
    def errors_are_of_the_tree(self) -> None:
        for asked in self.asked.values():
            assert len(asked.job_ids) <= 1
            for call in asked.calls:
                if call.done() and not call.cancelled() and (error := call.exception()):
                    assert isinstance(error, StenodError)
                    assert not isinstance(error, Broken)

    @precondition(lambda self: len(self.nodes) > 0)
    @invariant()
    def jobs_move_by_the_table(self) -> None:
        moves = self.runner.run(self.query(self.stores, "SELECT job_id, before, after FROM moves"))
        assert {(JobState(before), JobState(after)) for _, before, after in moves} <= ALLOWED
        ends = Counter(job_id for job_id, _, after in moves if JobState(after).is_terminal)
        assert not [job_id for job_id, count in ends.items() if count > 1]

    def teardown(self) -> None:
        if not self.nodes:  # else the other one stays away for good
            self.node_starts("b")
        for node in self.nodes.values():
            node.engine.failures.clear()
        self.runner.run(self.settled())
        self.jobs_move_by_the_table()
        self.errors_are_of_the_tree()
        self.runner.run(self.judged())
        for name in list(self.nodes):
            assert_idle(self.nodes[name])
            self.node_drains(name, 0.0)
        self.runner.run(self.stores.close())
        self.runner.close()
        self.directory.cleanup()

    async def settled(self) -> None:
        end_s = asyncio.get_running_loop().time() + SETTLED_S
        while True:
            counts = await self.stores.jobs.counts()
            calls = [call for asked in self.asked.values() for call in asked.calls]
            if not counts[JobState.QUEUED] + counts[JobState.RUNNING] and all(call.done() for call in calls):
                await asyncio.sleep(60.0)  # for what comes after a job's end
                return
            assert asyncio.get_running_loop().time() < end_s, f"never settled: {counts}"
            await asyncio.sleep(60.0)

    async def judged(self) -> None:
        used: Counter[str] = Counter()
        for tenant in TENANTS:
            jobs = {job.request_id: job for job in await self.stores.jobs.list(tenant, JobFilter(), limit=1000)}
            for request_id, asked in self.asked.items():
                if asked.tenant != tenant:
                    continue
                job = jobs.pop(request_id, None)
                if job is None:
                    assert not asked.job_ids or asked.is_deleted, "an accepted job is gone"
                    used["maybe"] += asked.is_deleted
                    continue
                assert asked.job_ids <= {job.job_id}
                assert job.state is not JobState.CANCELLED or asked.cancelled
                assert job.state is not JobState.FAILED or job.failures == OPTIONS.retry.attempts - 1
                if job.state is JobState.SUCCEEDED:
                    used["certain"] += 1
                    await self.is_whole(job.job_id, asked.windows)
            assert not jobs, "jobs that nobody asked for"
        [[counted]] = await self.query(self.stores, "SELECT coalesce(sum(jobs), 0) FROM usage")
        assert used["certain"] <= counted <= used["certain"] + used["maybe"]

    async def is_whole(self, job_id: str, windows: int) -> None:
        segments = [segment async for segment in self.stores.jobs.segments(job_id)]
        assert [segment.index for segment in segments] == list(range(len(segments)))
        heard = [(word.text, word.start_samples) for segment in segments for word in segment.words]
        assert heard == [
            (f"{len(window.audio)}-{second}", window.start_samples + second * SAMPLE_RATE_HZ)
            for window in make_windows(windows, gap_s=1.0)
            for second in range(2)
        ]


def assert_idle(node: Node) -> None:
    table = node.scheduler._slots.table
    assert (table.in_use, table.reserved, dict(table.holdings)) == (0, 0, {})
    assert node.engine.in_flight == 0


def _succeeded(task: asyncio.Task[Any]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


async def _kill(tasks: list[asyncio.Task[Any]]) -> None:
    """Nothing of the node runs any more, and nothing of it gets to clean up in the store."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait(left)


TestLifeCycle = LifeCycle.TestCase
TestLifeCycle.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
