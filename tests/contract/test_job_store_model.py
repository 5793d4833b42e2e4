"""Any sequence of calls leaves the store where the transition table says, and nowhere else."""

import asyncio
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from stenod_server.domain.job import TRANSITIONS, Checkpoint, Failure, Job, JobEvent, JobState, Lease, Progress
from stenod_server.errors import JobNotFound, JobRunning
from stenod_server.store.open import ALONE, Shared, open_store
from tests.support.builders import START, make_info, make_job, make_segment
from tests.support.postgres import DATABASE, PostgresServer, forget_everything

NODE = "node-1"
AGES = st.sampled_from([0, 0, 0, 1])  # of the lease that is written under


class JobStoreModel(RuleBasedStateMachine):
    """Beside the store, a dictionary of what each job must be. Hypothesis is not async: it has a loop of its own."""

    job_ids: Bundle[str] = Bundle("job_ids")

    def __init__(self, shared: Shared = ALONE) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        stores = self.runner.run(open_store(Path(self.directory.name), in_memory=True, gather_s=0.0, shared=shared))
        self.stores, self.store = stores, stores.jobs
        self.now = START
        self.states: dict[str, JobState] = {}
        self.cancelling: set[str] = set()
        self.segments: dict[str, int] = {}
        self.drafts: dict[str, int] = {}  # of jobs that have any
        self.attempts: dict[str, int] = {}
        self.leases: dict[str, list[Lease]] = {}  # of each claim, the last one counts
        self.kept: dict[str, int] = {}  # segments before the checkpoint

    def teardown(self) -> None:
        self.runner.run(self.stores.close())
        self.runner.close()
        self.directory.cleanup()

    # --- calls ----------------------------------------------------------------------------------------------------

    @rule(target=job_ids)
    def submit(self) -> str:
        job = self.runner.run(self.store.submit(make_job(create_time=self._tick()), max_queued_jobs=100))
        self.states[job.job_id] = JobState.QUEUED
        self.segments[job.job_id] = self.attempts[job.job_id] = 0
        return job.job_id

    @rule(job_id=job_ids)
    def claim(self, job_id: str) -> None:
        job = self.runner.run(self.store.claim(job_id, node=NODE, now=self._tick(), lease_until=self.now))
        if self._moves(job, job_id, JobEvent.CLAIM):
            assert job is not None
            assert all(job.lease.token > lease.token for lease in self.leases.get(job_id, []))
            self.leases[job_id] = [*self.leases.get(job_id, []), job.lease]
            of_run = self.drafts if job_id in self.drafts else self.segments
            self.segments[job_id] = 0
            of_run[job_id] = self.kept.get(job_id, 0)
            self.attempts[job_id] += 1

    @rule(job_id=job_ids, age=AGES)
    def record(self, job_id: str, age: int) -> None:
        if job_id not in self.drafts:
            self._record(job_id, age, self.segments, final=True)

    @rule(job_id=job_ids, age=AGES)
    def draft(self, job_id: str, age: int) -> None:
        if not self.segments.get(job_id):
            self._record(job_id, age, self.drafts, final=False)

    @rule(job_id=job_ids, age=AGES)
    def finalise(self, job_id: str, age: int) -> None:
        if job_id not in self.drafts:
            return
        lease, count = self._lease(job_id, age), self.segments[job_id]
        stored = self.runner.run(self.store.finalise(lease, [make_segment(count), make_segment(count + 1)]))
        assert stored == self._holds(lease)
        self.segments[job_id] += 2 * stored

    @rule(job_id=job_ids, age=AGES)
    def complete(self, job_id: str, age: int) -> None:
        count = self.segments.get(job_id, 0) + 1
        lease = self._lease(job_id, age)
        job = self.runner.run(self.store.complete(lease, make_info(), [make_segment(count - 1)], now=self._tick()))
        if self._ends_run(job, lease, JobEvent.COMPLETE):
            self.segments[job_id] = count
            self.drafts.pop(job_id, None)

    @rule(job_id=job_ids, age=AGES)
    def fail(self, job_id: str, age: int) -> None:
        lease = self._lease(job_id, age)
        job = self.runner.run(self.store.fail(lease, Failure("NO_AUDIO", "silence"), now=self._tick()))
        self._ends_run(job, lease, JobEvent.FAIL)

    @rule(job_id=job_ids, age=AGES)
    def cancelled(self, job_id: str, age: int) -> None:
        lease = self._lease(job_id, age)
        job = self.runner.run(self.store.cancelled(lease, now=self._tick()))
        self._ends_run(job, lease, JobEvent.CANCEL)

    @rule(job_id=job_ids, age=AGES)
    def release(self, job_id: str, age: int) -> None:
        event = JobEvent.CANCEL if job_id in self.cancelling else JobEvent.RELEASE
        lease = self._lease(job_id, age)
        job = self.runner.run(self.store.release(lease, now=self._tick()))
        self._ends_run(job, lease, event)

    @rule()
    def renew(self) -> None:
        leases = [leases[-1] for leases in self.leases.values()]
        held = self.runner.run(self.store.renew(leases, lease_until=self.now)) if leases else {}
        assert held == {lease.job_id: lease.job_id in self.cancelling for lease in leases if self._holds(lease)}

    @rule()
    def rescue(self) -> None:
        held = {job_id for job_id, state in self.states.items() if state is JobState.RUNNING}
        rescued = self.runner.run(self.store.rescue(NODE, now=self._tick(), max_rescues=1000))
        assert {job.job_id for job in rescued} == held
        for job in rescued:
            event = JobEvent.CANCEL if job.job_id in self.cancelling else JobEvent.RESCUE
            self._moves(job, job.job_id, event)

    @rule(job_id=job_ids)
    def request_cancel(self, job_id: str) -> None:
        try:
            job = self.runner.run(self.store.request_cancel("default", job_id, now=self._tick()))
        except JobNotFound:
            assert job_id not in self.states
            return
        if self.states[job_id] is JobState.RUNNING:
            self.cancelling.add(job_id)
            assert job.cancel_requested
        elif self.states[job_id] is JobState.QUEUED:
            self._moves(job, job_id, JobEvent.CANCEL)

    @rule(job_id=job_ids)
    def delete(self, job_id: str) -> None:
        try:
            self.runner.run(self.store.delete("default", job_id))
        except JobNotFound:
            assert job_id not in self.states
        except JobRunning:
            assert self.states[job_id] is JobState.RUNNING
        else:
            assert self.states.pop(job_id) is not JobState.RUNNING
            del self.segments[job_id], self.attempts[job_id]
            self.kept.pop(job_id, None)
            self.drafts.pop(job_id, None)
            self.cancelling.discard(job_id)

    # --- what must hold -------------------------------------------------------------------------------------------

    @invariant()
    def the_store_is_where_the_model_is(self) -> None:
        self.runner.run(self._compare())

    async def _compare(self) -> None:
        wanted = dict.fromkeys(JobState, 0)
        for state in self.states.values():
            wanted[state] += 1
        assert await self.store.counts() == wanted
        for job_id, state in self.states.items():
            segments = [segment async for segment in self.store.segments(job_id)]
            assert [segment.index for segment in segments] == list(range(self.segments[job_id]))
            drafts = [segment async for segment in self.store.segments(job_id, final=False)]
            assert [draft.index for draft in drafts] == list(range(self.drafts.get(job_id, 0)))
            assert (all(one.final for one in segments), any(one.final for one in drafts)) == (True, False)
            job = await self.store.get("default", job_id)
            assert (job.state, job.attempt) == (state, self.attempts[job_id])
            assert job.cancel_requested == (job_id in self.cancelling)

    def _record(self, job_id: str, age: int, counts: dict[str, int], *, final: bool) -> None:
        count = counts.get(job_id, 0) + 1
        checkpoint = Checkpoint(count, count, "{}") if count % 2 else None
        progress, segment = Progress(count, 100, count), make_segment(count - 1, final=final)
        lease = self._lease(job_id, age)
        self.runner.run(self.store.record(lease, progress, [segment], now=self.now, checkpoint=checkpoint))
        if self._holds(lease):
            counts[job_id] = count
            if checkpoint:
                self.kept[job_id] = count

    def _lease(self, job_id: str, age: int) -> Lease:
        """The job's last lease, or one before; of a job that never ran, one that nobody has."""
        leases = self.leases.get(job_id) or [Lease(job_id, NODE, 0)]
        return leases[max(0, len(leases) - 1 - age)]

    def _holds(self, lease: Lease) -> bool:
        running = self.states.get(lease.job_id) is JobState.RUNNING
        return running and lease == self.leases[lease.job_id][-1]

    def _ends_run(self, job: Job | None, lease: Lease, event: JobEvent) -> bool:
        """Only who holds the job may end its run."""
        if self._holds(lease):
            return self._moves(job, lease.job_id, event)
        assert job is None
        return False

    def _moves(self, job: Job | None, job_id: str, event: JobEvent) -> bool:
        """The call did what the table says: moved the job, or, where the table has no row, nothing."""
        state = self.states.get(job_id)
        target = TRANSITIONS.get((state, event)) if state else None
        assert (job.state if job else None) is target
        if target is None:
            return False
        self.states[job_id] = target
        return True

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


TestJobStoreModel = JobStoreModel.TestCase
TestJobStoreModel.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_any_sequence_of_calls_over_postgres(postgres: PostgresServer) -> None:
    class Model(JobStoreModel):
        def __init__(self) -> None:
            forget_everything(postgres)
            super().__init__(Shared(database_url=postgres.url(DATABASE), database_pool=2))

    run_state_machine_as_test(Model, settings=settings(max_examples=8, stateful_step_count=25, deadline=None))
