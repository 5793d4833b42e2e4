"""A job that tells speakers apart: drafts while it runs, and in the end segments of one speaker each, exactly once,
whatever dies on the way.
"""

import asyncio
import contextlib
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.domain.job import Checkpoint, Job, JobState, Lease, Progress
from stenod_server.domain.transcript import Segment
from stenod_server.engine.fake import FAKE_VOICE_PROFILE, FakeEngine
from stenod_server.errors import StoreUnavailable
from stenod_server.ports import JobStore, Window
from stenod_server.scheduler import final_pass
from stenod_server.scheduler.final_pass import FinalPass, Listening
from stenod_server.scheduler.recorder import Recorder, Telling
from stenod_server.speakers.diarizer import Diarizer
from stenod_server.speakers.identification import identification_of_its_own
from tests.support.builders import FakeClock, make_info, make_job, make_segment
from tests.support.front_end import ScriptedFrontEnd
from tests.unit.scheduler.rig import TENANT, Rig, open_rig

SPEAKER = Diarization(mode=DiarizationMode.SPEAKER)
VOICES = [number for number in (3, 5, 3, 6) for _ in range(15)]  # who speaks in each window of two seconds
LABELS = {3: "S1", 5: "S2", 6: "S3"}


def _recording(voices: Sequence[int] = VOICES) -> ScriptedFrontEnd:
    """A pause after each window: every window is a draft."""
    starts = [index * 3 * HZ for index in range(len(voices))]
    return ScriptedFrontEnd(
        Window(index, start, np.full(2 * HZ, voice, np.int16), start, start + 2 * HZ)
        for index, (start, voice) in enumerate(zip(starts, voices, strict=True))
    )


class _Dying:
    """A store that dies with its node after so many batches of final segments: nothing is answered any more."""

    def __init__(self, store: JobStore, batches: int) -> None:
        self._store = store
        self._left = batches
        self.died = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def finalise(self, lease: Lease, segments: Sequence[Segment]) -> bool:
        if self._left == 0:
            self.died.set()
            await asyncio.Event().wait()
        self._left -= 1
        return await self._store.finalise(lease, segments)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(final_pass, "BATCH_SEGMENTS", 8)


async def _stored(rig: Rig, job: Job, *, final: bool) -> list[Segment]:
    return [segment async for segment in rig.stores.jobs.segments(job.job_id, final=final)]


async def _check_transcript(rig: Rig, job: Job) -> None:
    """Every word is there once, with the label of its voice, and no draft is left."""
    done = await rig.scheduler.wait(TENANT, job.job_id)
    assert done.state is JobState.SUCCEEDED
    segments = await _stored(rig, job, final=True)
    assert [segment.index for segment in segments] == list(range(len(segments)))
    words = [(word.start_samples, word.speaker) for segment in segments for word in segment.words]
    assert words == [
        (window * 3 * HZ + second * HZ, LABELS[voice]) for window, voice in enumerate(VOICES) for second in range(2)
    ]
    assert {word.speaker for segment in segments for word in segment.words if word.speaker != segment.speaker} == set()
    assert await _stored(rig, job, final=False) == []
    assert done.info
    assert [speaker.label for speaker in done.info.speakers] == ["S1", "S2", "S3"]
    assert (done.info.windows, done.progress.segments) == (len(VOICES), len(segments))


@asynccontextmanager
async def _dying(directory: Path, batches: int, **options: Any) -> AsyncIterator[tuple[Rig, Job]]:
    """A node that has stored so many batches of a job's final segments, and does nothing more."""
    stores: list[_Dying] = []

    def around(store: JobStore) -> JobStore:
        stores.append(_Dying(store, batches))
        return stores[0]  # type: ignore[return-value]

    async with open_rig(directory, front_end=_recording(list(VOICES)), around=around, **options) as rig:
        job = await rig.submit(diarization=SPEAKER)
        await asyncio.wait_for(stores[0].died.wait(), 20)
        yield rig, job


async def test_words_get_the_label_of_their_voice(tmp_path: Path) -> None:
    async with open_rig(tmp_path, front_end=_recording()) as rig:
        await _check_transcript(rig, await rig.submit(diarization=SPEAKER))


async def test_a_short_job_costs_one_write_and_stores_no_draft(tmp_path: Path) -> None:
    class Watched(_Dying):
        async def record(self, *_args: Any, **_options: Any) -> None:
            raise AssertionError

    async with open_rig(
        tmp_path,
        front_end=_recording(),
        around=lambda store: Watched(store, 0),  # type: ignore[arg-type,return-value]
        record_interval_s=3600.0,
    ) as rig:
        await _check_transcript(rig, await rig.submit(diarization=SPEAKER))


@pytest.mark.parametrize("batches", [0, 1, 2])
async def test_who_takes_over_from_a_node_that_died_on_the_way_begins_the_pass_again(
    tmp_path: Path, batches: int
) -> None:
    async with _dying(tmp_path / "a", batches) as (dead, job):
        half = await _stored(dead, job, final=True)
        assert len(half) >= 8 * batches - bool(batches)  # the first is told when words behind it are known
        assert len(await _stored(dead, job, final=False)) == len(VOICES)
        async with open_rig(tmp_path, stores=dead.stores, node="node-b", front_end=_recording()) as rig:
            rig.clock.advance(3600)
            await rig.scheduler._dispatcher._leases.beat()
            await _check_transcript(rig, job)
            assert rig.engine.completed == 0  # every window lies before the checkpoint
            assert (await rig.scheduler.get(TENANT, job.job_id)).attempt == 2


async def test_a_job_whose_pass_takes_its_nodes_down_is_given_up(tmp_path: Path) -> None:
    dying: list[_Dying] = []

    def around(store: JobStore) -> JobStore:
        dying.append(_Dying(store, 0))
        return dying[-1]  # type: ignore[return-value]

    async with _dying(tmp_path / "a", 0) as (first, job), contextlib.AsyncExitStack() as nodes:
        for count in (1, 2):
            options: dict[str, Any] = {"stores": first.stores, "around": around, "max_rescues": 3}
            rig = await nodes.enter_async_context(
                open_rig(tmp_path, node=f"node-{count}", front_end=_recording(), **options)
            )
            rig.clock.advance(3600 * count)
            await rig.scheduler._dispatcher._leases.beat()
            await asyncio.wait_for(dying[-1].died.wait(), 20)
            assert (await rig.stores.jobs.get(TENANT, job.job_id)).rescues == count
        rig.clock.advance(3600)
        await rig.stores.jobs.rescue_expired(now=rig.clock.now(), max_rescues=3)
        ended = await rig.scheduler.get(TENANT, job.job_id)
        assert ended.failure
        assert (ended.state, ended.failure.reason) == (JobState.FAILED, "POISON_JOB")


async def test_what_another_revision_of_the_model_of_voices_heard_is_not_gone_on_from(tmp_path: Path) -> None:
    async with _dying(tmp_path / "a", 1) as (dead, job):
        newer = FakeEngine(voice_profiles=(replace(FAKE_VOICE_PROFILE, revision="2"),))
        async with open_rig(tmp_path, stores=dead.stores, node="b", engine=newer, front_end=_recording()) as rig:
            rig.clock.advance(3600)
            await rig.scheduler._dispatcher._leases.beat()
            await _check_transcript(rig, job)
            assert newer.completed == len(VOICES)


async def test_a_zombie_in_the_pass_writes_nothing_more(tmp_path: Path) -> None:
    async with _dying(tmp_path / "a", 1) as (zombie, job):
        lease = zombie.scheduler._dispatcher.running[job.job_id].job.lease
        async with open_rig(tmp_path, stores=zombie.stores, node="node-b", front_end=_recording()) as rig:
            rig.clock.advance(3600)
            await rig.scheduler._dispatcher._leases.beat()
            await _check_transcript(rig, job)
            late = (await _stored(rig, job, final=True))[:3]
            assert not await zombie.stores.jobs.finalise(lease, [replace(segment, speaker="?") for segment in late])
            await _check_transcript(rig, job)


async def test_a_job_is_cancelled_in_the_pass(tmp_path: Path) -> None:
    async with _dying(tmp_path, 1) as (rig, job):
        await rig.scheduler.cancel(TENANT, job.job_id)
        assert (await rig.scheduler.wait(TENANT, job.job_id)).state is JobState.CANCELLED


async def test_a_node_that_drains_in_the_pass_hands_the_job_back(tmp_path: Path) -> None:
    async with _dying(tmp_path / "a", 2) as (first, job):
        await first.scheduler.drain(0.0)
        async with open_rig(tmp_path, stores=first.stores, node="node-b", front_end=_recording()) as rig:
            await _check_transcript(rig, job)
            assert rig.engine.completed == 0


async def test_who_has_lost_the_job_stops_in_the_pass(tmp_path: Path) -> None:
    class Lost(_Dying):
        async def finalise(self, lease: Lease, segments: Sequence[Segment]) -> bool:
            return await self._store.finalise(replace(lease, token=lease.token + 1), segments)

    async with open_rig(
        tmp_path,
        front_end=_recording(),
        around=lambda store: Lost(store, 0),  # type: ignore[arg-type,return-value]
    ) as rig:
        job = await rig.submit(diarization=SPEAKER)
        await rig.released(job)
        assert await _stored(rig, job, final=True) == []


async def test_drafts_that_did_not_reach_the_store_are_not_left_out(tmp_path: Path) -> None:
    """A report before the pass is lost without a word; the pass notices."""

    class Forgetful(_Dying):
        has_forgotten = False

        async def record(self, lease: Lease, progress: Progress, segments: Sequence[Segment], **options: Any) -> None:
            forgotten, self.has_forgotten = (
                bool(segments) and not self.has_forgotten,
                self.has_forgotten or bool(segments),
            )
            await self._store.record(lease, progress, () if forgotten else segments, **options)

    async with open_rig(
        tmp_path,
        front_end=_recording(),
        around=lambda store: Forgetful(store, 100),  # type: ignore[arg-type,return-value]
    ) as rig:
        job = await rig.submit(diarization=SPEAKER)
        await rig.released(job)
        waiting = await rig.scheduler.get(TENANT, job.job_id)
        assert waiting.failure
        assert (waiting.failure.reason, waiting.failure.message) == (
            StoreUnavailable.reason,
            f"1 of {len(VOICES)} drafts are not stored",
        )


async def test_a_watch_shows_drafts_and_then_every_final_segment(tmp_path: Path) -> None:
    async with open_rig(tmp_path, front_end=_recording(), start=False) as rig:
        job = await rig.submit(diarization=SPEAKER)
        updates = []

        async def watch() -> None:
            async for update in rig.scheduler.watches.watch(TENANT, job.job_id):
                updates.append(update)
                if update.job.state is JobState.QUEUED:
                    await rig.scheduler.start()

        await watch()
        drafts = [one for update in updates for one in update.segments if not one.final]
        final = [one for update in updates for one in update.segments if one.final]
        assert [one.index for one in drafts] == list(range(len(drafts)))
        assert {one.speaker for one in drafts} <= {""}
        assert final == await _stored(rig, job, final=True)
        again = [update async for update in rig.scheduler.watches.watch(TENANT, job.job_id, from_segment=7)]
        assert [one for update in again for one in update.segments] == final


class _Endless:
    """A store with very many drafts, made as they are read, which counts what it is given."""

    def __init__(self, drafts: int) -> None:
        self._drafts = drafts
        self.stored = 0

    async def segments(self, _job_id: str, *, final: bool) -> AsyncIterator[Segment]:
        assert not final
        for index in range(self._drafts):
            yield make_segment(index, "ten words of which each one takes some more memory", final=False)

    async def record(self, *_args: Any, **_options: Any) -> None: ...

    async def finalise(self, _lease: Lease, segments: Sequence[Segment]) -> bool:
        assert [segment.index for segment in segments] == list(range(self.stored, self.stored + len(segments)))
        self.stored += len(segments)
        return True


async def test_the_pass_holds_a_batch_of_segments_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(final_pass, "BATCH_SEGMENTS", 200)
    drafts = 1000
    job = make_job(state=JobState.RUNNING, node="node-a", checkpoint=Checkpoint(1, drafts, "{}"))
    store, clock = _Endless(drafts), FakeClock()
    telling = Telling(updated=lambda _job: None, window=lambda _audio_s: None)
    recorder = Recorder(job, store, clock, telling, interval_s=1.0)  # type: ignore[arg-type]
    recorder.follow(lambda: Checkpoint(1, drafts, "{}"))
    listening = Listening(FAKE_VOICE_PROFILE, Diarizer(SPEAKER))
    finish = FinalPass(store, identification_of_its_own())  # type: ignore[arg-type]
    tracemalloc.start()
    _, rest = await finish.run(job, listening, recorder, make_info())
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert store.stored + len(rest) == drafts
    assert peak_bytes < 1024 * 1024  # all of them take more than twice that
